"""A model as an object: it comes from a training run, is published, and deployed as a service."""

from __future__ import annotations

import json
import secrets
import threading
from functools import partial
from typing import Any, Final

from ..base.language import tr
from ..config import settings
from ..dataset.typed_dataset import Dataset
from ..errors import APIError, InternalError, InvalidArgumentError, QianfanError, ServerError
from ..resources.management.model import Model as Repository
from ..resources.management.service import Service as Services
from ..wire import evaluation as evaluation_wire, model as wire
from .service import DeployConfig, ExecuteSerializable, Service, create_once, wait_for_state

TASK_CONFIG: Final = {"evalMode": "manual", "evaluationDimension": [{"dimension": "满意度"}]}
"""A task of manual evaluation: its first half, the answers of the model, is the batch inference."""

COLUMNS: Final = {"prompt": "prompt", "completion": "llm_output", "response": "expected_output"}
"""The platform's columns of the answers, and the names of the seeds."""


DUMPED_FIELDS: Final = ("id", "set_id", "task_id", "job_id", "name")


class Model(ExecuteSerializable[dict[str, Any], Any]):
    """A model on the platform.

    Args:
        id: `amv-...` (or an int) of a published version; `version_id` is another name for it.
        set_id: `am-...` of the model that the version belongs to.
        task_id: the training run that it comes from, before it is published.
        job_id: the job of that run.
        name: its name.
        checkpoint_step: the step of one of the run's checkpoints; default: the last.

    Source: seed 000, seed 004 (Model).
    """

    def __init__(
        self,
        id: int | str | None = None,  # noqa: A002 - the seeds' word
        version_id: int | str | None = None,
        task_id: int | str | None = None,
        job_id: int | str | None = None,
        *,
        set_id: str | None = None,
        name: str = "",
        checkpoint_step: int | None = None,
    ) -> None:
        if id is not None and version_id is not None and id != version_id:
            # seed 004: `id` is the model, `version_id` the version
            set_id = set_id or str(id)
            id = version_id  # noqa: A001
        self.id: int | str | None = version_id if id is None else id
        self.set_id = set_id
        self.task_id = task_id
        self.job_id = job_id
        self.name = name
        self.checkpoint_step = checkpoint_step
        self.service: Service | None = None

    @property
    def version_id(self) -> int | str | None:
        """The published version, `amv-...`."""
        return self.id

    def publish(self, name: str = "") -> Model:
        """Publish the training run as a model and wait until it is ready.

        Args:
            name: default m_<task_id>, of a checkpoint m_<task_id>_<step>.

        Raises:
            InvalidArgumentError: task_id or job_id is missing.
        """
        if self.id is None:
            self.name = name or self.name
            label = tr("model {name}", name=self.name)
            ids = create_once(self.create_version, self.find_published, label=label)
            self.set_id = ids["set_id"]
            self.id = ids["id"]
            self.wait_until_ready()
        return self

    def create_version(self) -> dict[str, str]:
        """Send the request to publish once, without waiting until the model is ready; return its
        `set_id` and its `id`.

        Raises:
            InvalidArgumentError: task_id or job_id is missing.
        """
        if not self.task_id or not self.job_id:
            raise InvalidArgumentError(
                tr("there is nothing to publish: Model needs task_id and job_id of a finished run")
            )
        origin: dict[str, Any] = {"taskId": self.job_id, "iterationId": self.task_id}
        if self.checkpoint_step is not None:
            origin["step"] = self.checkpoint_step
        created = Repository.publish(True, origin, self._published_name()).data
        return {"set_id": created.model_id_str, "id": created.version_id_str}

    def _published_name(self) -> str:
        step = "" if self.checkpoint_step is None else f"_{self.checkpoint_step}"
        self.name = self.name or f"m_{self.task_id}{step}".replace("-", "_")
        return self.name

    def find_published(self) -> dict[str, str] | None:
        """Return the `set_id` and the `id` of the version that the run was published as, None where
        there is none.
        """
        try:
            versions = Repository.V2.describe_model_set(
                model_set_name=self._published_name()
            ).data.model_ids
        except APIError as error:
            if isinstance(error, ServerError):
                raise
            return None  # no model has this name
        for version in versions:
            detail = Repository.detail(version).data
            origin = (detail.source_extra or {}).get("trainSourceExtra") or {}
            if str(self.task_id) in {str(origin.get("runIdStr")), str(origin.get("runId"))}:
                return {"set_id": detail.model_id_str, "id": detail.model_version_id_str}
        return None

    def wait_until_ready(self, *, stop_event: threading.Event | None = None) -> Model:
        """Wait until the published version can be deployed.

        Raises:
            QianfanError: publishing failed, or `stop_event` was set.
        """
        version = str(self.id)
        wait_for_state(
            lambda: Repository.detail(version),
            lambda answer: answer.data.state,
            done_states={wire.READY},
            failed_states={wire.FAILED, "Failed"},
            interval=settings().model_publish_status_polling_interval,
            label=tr("publishing {model}", model=self.name or version),
            stop_event=stop_event,
        )
        return self

    def deploy(self, deploy_config: DeployConfig) -> Service:
        """Deploy the published version as a service and wait until it is ready.

        Args:
            deploy_config: settings of the service.

        Raises:
            QianfanError: the deployment failed.
        """
        create = partial(self.create_service, deploy_config)
        find = partial(self.find_service_id, deploy_config)
        service_id = create_once(
            create, find, label=tr("service {name}", name=self.service_name(deploy_config))
        )
        return self.wait_for_service(service_id, deploy_config)

    def wait_for_service(
        self,
        service_id: str,
        deploy_config: DeployConfig,
        *,
        stop_event: threading.Event | None = None,
    ) -> Service:
        """Wait until a service of this model is ready, and make it the model's `service`.

        Args:
            service_id: `svco-...`.
            deploy_config: settings that it was created with.
            stop_event: set it to give up waiting.
        """
        name = self.service_name(deploy_config)
        service = Service(
            service_id, None, self, deploy_config, deploy_config.service_type, name=name
        )
        self.service = service.wait_until_serving(stop_event=stop_event)
        return self.service

    def create_service(self, deploy_config: DeployConfig) -> str:
        """Create a service without waiting until it is ready; return its id, `svco-...`."""
        self.auto_complete_info()
        created = Services.V2.create_service(
            str(self.set_id),
            str(self.id),
            self.service_name(deploy_config),
            deploy_config.suffix or "qfnb",
            resource_config=deploy_config.resources,
            billing=deploy_config.billing,
            description=deploy_config.description or None,
        )
        return str(created.data.service_id)

    def find_service_id(self, deploy_config: DeployConfig) -> str | None:
        """Return the id of the newest service of this version under its name, None where it has no
        service.
        """
        self.auto_complete_info()
        name = self.service_name(deploy_config)
        services = Services.V2.service_list(name=name, max_keys=100).data.service_list
        matches = [
            row for row in services if (row.name, row.model_version_id) == (name, str(self.id))
        ]
        newest = max(matches, key=lambda row: row.create_time or "", default=None)
        return newest.service_id if newest else None

    def service_name(self, deploy_config: DeployConfig) -> str:
        """Return the name of a service of this model."""
        return deploy_config.name or f"svc_{self.name or str(self.id).replace('-', '_')}"

    def batch_inference(self, dataset: Dataset) -> Dataset:
        """Answer a dataset with the published version, on the platform and without a service.

        Args:
            dataset: the prompts; local rows are uploaded first.

        Returns:
            The rows with columns prompt, input_prompt, llm_output and expected_output.

        Raises:
            InvalidArgumentError: the model is not published, or the dataset has no prompts.
            QianfanError: the platform could not answer it.

        Source: seed 000 (batch inference of models).
        """
        self.auto_complete_info()
        if dataset.schema.name == "text":
            raise InvalidArgumentError(
                tr(
                    "{dataset} has texts only: batch inference needs prompts",
                    dataset=repr(dataset.name),
                )
            )
        dataset_id = dataset.release()
        name = f"model_run_{secrets.token_hex(5)}"
        version = str(self.id)
        versions = [{"modelId": str(self.set_id), "modelVersionId": version}]
        task = Repository.create_evaluation_task(
            name, versions, dataset_id, TASK_CONFIG
        ).data.eval_id_str
        task_info = wait_for_state(
            lambda: Repository.get_evaluation_info(task),
            lambda answer: answer.data.state,
            done_states={evaluation_wire.MANUAL_STARTED, evaluation_wire.DONE},
            failed_states={
                evaluation_wire.FAILED,
                evaluation_wire.STOPPED,
                evaluation_wire.PARTLY_DONE,
            },
            interval=settings().batch_run_status_polling_interval,
            label=tr("the inference of {model}", model=version),
        )
        config = task_info.data.eval_standard_conf
        result_id = config.get("resultDatasetIdStr") or config.get("resultDatasetId")
        if not result_id:
            raise QianfanError(
                tr("the platform names no dataset with the answers of {task}", task=task)
            )
        answers = Dataset.load(qianfan_dataset_id=result_id, name=f"{dataset.name}_{version}")
        rows = []
        for answer in answers:
            row = {new: answer.get(old, "") for old, new in COLUMNS.items()}
            rows.append(row | {"input_prompt": row["prompt"]})
        return Dataset(rows, name=answers.name, schema="prompts")

    def auto_complete_info(self) -> None:
        """Look up the model's id and name by its version.

        Raises:
            InvalidArgumentError: the model is not published.
        """
        if self.id is None:
            raise InvalidArgumentError(tr("the model is not published: call publish() first"))
        if not self.set_id or not self.name:
            detail = Repository.detail(self.id).data
            self.set_id = detail.model_id_str
            self.name = self.name or detail.model_name

    def exec(self, input: dict[str, Any] | None = None, **options: Any) -> Any:  # noqa: A002
        """Call the deployed service; see `Service.exec`.

        Raises:
            InternalError: the model has no service.
        """
        if self.service is None:
            raise InternalError(tr("the model has no service: call deploy() first"))
        return self.service.exec(input, **options)

    def dumps(self) -> bytes:
        """Return the model as UTF-8 JSON."""
        fields = {name: getattr(self, name) for name in DUMPED_FIELDS}
        return json.dumps({"qfnb": 1, "type": "Model", **fields}).encode()

    @classmethod
    def loads(cls, data: bytes) -> Model:
        """Return the model that `dumps` wrote.

        Raises:
            InvalidArgumentError: the bytes are not its JSON; a pickle is never opened.
        """
        try:
            value = json.loads(data)
            assert value["type"] == "Model"
            return cls(**{field: value[field] for field in DUMPED_FIELDS})
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise InvalidArgumentError(
                tr("these bytes are not a model written by Model.dumps()")
            ) from None

    def __repr__(self) -> str:
        return f"<Model {self.name or self.id or self.task_id}: {self.id or 'not published'}>"
