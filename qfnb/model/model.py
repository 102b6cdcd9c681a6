"""A model with a life: it comes from a training run, is published, and deployed as a service."""

from __future__ import annotations

import json
import threading
from typing import Any

from ..config import settings
from ..errors import InternalError, InvalidArgumentError
from ..resources.model import Model as Repository
from ..resources.service import Service as Services
from ..wire import model as wire
from ..wire import service as service_wire
from .configs import DeployConfig
from .service import Service
from .watch import until


class Model:
    """A model on the platform.

    Args:
        id: `amv-...` (or an int) of a published version; `version_id` is another name for it.
        set_id: `am-...` of the model that the version belongs to.
        task_id, job_id: the training run it comes from, before it is published.

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
    ) -> None:
        if id is not None and version_id is not None and id != version_id:
            # seed 004: `id` is the model, `version_id` the version
            set_id, id = set_id or str(id), version_id  # noqa: A001
        self.id: int | str | None = version_id if id is None else id
        self.set_id, self.task_id, self.job_id, self.name = set_id, task_id, job_id, name
        self.service: Service | None = None

    @property
    def version_id(self) -> int | str | None:
        """The published version, `amv-...`."""
        return self.id

    def publish(self, name: str = "", *, stopped: threading.Event | None = None) -> Model:
        """Publish the training run as a model and wait until it is ready.

        Args:
            name: default m_<task_id>.
            stopped: set it to give up waiting.

        Raises:
            InvalidArgumentError: there is no finished run to publish.
        """
        if self.id is not None:
            return self
        if not self.task_id or not self.job_id:
            raise InvalidArgumentError("nothing to publish: Model needs task_id and job_id of a finished run")
        self.name = name or self.name or f"m_{self.task_id}".replace("-", "_")
        origin = {"taskId": self.job_id, "iterationId": self.task_id}
        published = Repository.publish(True, origin, self.name).data
        self.set_id, self.id = published.model_id_str, published.version_id_str
        version = self.id
        until(
            lambda: Repository.detail(version),
            lambda answer: answer.data.state,
            done={wire.READY},
            failed={wire.FAILED, "Failed"},
            interval=settings().model_publish_status_polling_interval,
            what=f"publishing {self.name}",
            stopped=stopped,
        )
        return self

    def deploy(self, deploy_config: DeployConfig, *, stopped: threading.Event | None = None) -> Service:
        """Deploy the published version as a service and wait until it serves."""
        self.auto_complete_info()
        name = deploy_config.name or f"svc_{self.name}"
        created = Services.V2.create_service(
            str(self.set_id),
            str(self.id),
            name,
            deploy_config.suffix or "qfnb",
            replicas=deploy_config.replicas,
            resource_type=deploy_config.resource_type,
            hours=deploy_config.hours,
            description=deploy_config.description or None,
        ).data
        detail = until(
            lambda: Services.V2.service_detail(created.service_id),
            lambda answer: answer.data.run_status,
            done={service_wire.SERVING},
            failed={service_wire.FAILED, service_wire.STOPPED},
            interval=settings().deploy_status_polling_interval,
            what=f"deploying {name}",
            stopped=stopped,
        ).data
        self.service = Service(
            created.service_id,
            detail.endpoint,
            self,
            deploy_config,
            deploy_config.service_type,
            name=name,
        )
        return self.service

    def auto_complete_info(self) -> None:
        """Look up the model's id and name by its version."""
        if self.id is None:
            raise InvalidArgumentError("the model is not published: call publish() first")
        if not self.set_id or not self.name:
            detail = Repository.detail(self.id).data
            self.set_id, self.name = detail.model_id_str, self.name or detail.model_name

    def exec(self, input: dict[str, Any] | None = None, **options: Any) -> Any:  # noqa: A002
        """Ask the deployed service; see `Service.exec`.

        Raises:
            InternalError: the model has no service.
        """
        if self.service is None:
            raise InternalError("the model has no service yet: deploy() it first")
        return self.service.exec(input, **options)

    def dumps(self) -> bytes:
        """Return the model as UTF-8 JSON."""
        fields = ("id", "set_id", "task_id", "job_id", "name")
        return json.dumps({"qfnb": 1, "type": "Model"} | {f: getattr(self, f) for f in fields}).encode()

    @classmethod
    def loads(cls, data: bytes) -> Model:
        """Return the model that `dumps` wrote.

        Raises:
            InvalidArgumentError: the bytes are something else; a pickle is never opened.
        """
        try:
            value = json.loads(data)
            fields = ("id", "set_id", "task_id", "job_id", "name")
            assert value["type"] == "Model"
            return cls(**{field: value[field] for field in fields})
        except (ValueError, KeyError, TypeError, AssertionError):
            raise InvalidArgumentError("these bytes are not a model written by Model.dumps()") from None

    def __repr__(self) -> str:
        return f"<Model {self.name or self.id or self.task_id}: {self.id or 'not published'}>"
