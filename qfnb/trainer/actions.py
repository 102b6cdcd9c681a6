"""The steps around a training: data on the platform, a published model, a service. Source: seed
004.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from .._tables import find_variables
from ..base.language import tr, tr_noop, trn
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..evaluation import EvaluationManager
from ..evaluation.evaluator import LocalEvaluator
from ..evaluation.report.text import headline
from ..model import Model
from .base import BaseAction, Facts
from .configs import DeployConfig
from .consts import ActionState
from .event import EventHandler
from .loss_diagnostics import CheckpointStep, LossPoint, resolve_step
from .run_store import RunRecord
from .sources import DataSource, SampledSources, load_sources
from .train_action import BOS, PLATFORM, TrainAction as TrainAction

__all__ = [
    "DeployAction",
    "EvaluateAction",
    "LoadDataSetAction",
    "ModelPublishAction",
    "TrainAction",
]


class LoadDataSetAction(BaseAction):
    """Bring the dataset onto the platform; returns {"datasets": [{"id", "type", "name"}]}.

    Args:
        dataset: what to train on, see `DataSource`, or
        dataset_bos_path: `bos:/bucket/key` of a file that is used where it is.
    """

    persisted: ClassVar = ("dataset_bos_path",)

    def __init__(
        self,
        dataset: DataSource = None,
        event_handler: EventHandler | None = None,
        dataset_bos_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_handler=event_handler, **kwargs)
        self.dataset: Dataset | None = None
        self.sources = SampledSources()
        self.data_name = ""
        self.dataset_bos_path = dataset_bos_path
        if dataset is not None:
            self.use(load_sources(dataset))

    def use(self, sources: SampledSources, name: str = "") -> None:
        """Train on these datasets and addresses, each with the share of its rows that is used.

        Args:
            sources: the datasets and addresses.
            name: what names them in a line, see `data_word`.
        """
        self.data_name = name
        (first, rate), *others = sources
        if others or rate is not None:
            self.sources = sources
        elif isinstance(first, Dataset):
            self.dataset = first
        else:
            self.dataset_bos_path = first

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Upload local rows, release the dataset, and return its id.

        Raises:
            InvalidArgumentError: no dataset, or its rows were in the memory of a kernel that has
                ended.
        """
        only: list[tuple[Dataset | str | None, float | None]] = [
            (self.dataset_bos_path or self.dataset, None)
        ]
        sources = self.sources or only
        return {"datasets": [self._bring(source) | _sampling(rate) for source, rate in sources]}

    def _bring(self, source: Dataset | str | None) -> Facts:
        """Bring one dataset onto the platform; an address is used where it is."""
        if isinstance(source, str):
            return {"type": BOS, "bosPath": source}
        if source is None:
            raise InvalidArgumentError(
                tr(
                    "the rows of the dataset were in the kernel that started the training, which "
                    "has ended\n"
                    "load the dataset again and continue with attach(..., dataset=ds)"
                )
            )
        self.action_event(ActionState.Running, _describe_upload(source))
        dataset_id = source.release(stop_event=self.stop_requested)
        return {"id": dataset_id, "type": PLATFORM, "name": source.name}


class ModelPublishAction(BaseAction):
    """Publish the finished run as a model; adds model_set_id, model_id, model_version_id,
    checkpoint_step and model.

    Args:
        model_name: name of the new model; default m_<task_id>, of a checkpoint m_<task_id>_<step>.
        step: the step of the checkpoint; default: the last.
    """

    persisted: ClassVar = ("model_name", "step")

    def __init__(
        self,
        id: str | None = None,  # noqa: A002
        name: str | None = None,
        event_handler: EventHandler | None = None,
        *,
        model_name: str = "",
        step: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(id, name, event_handler, **kwargs)
        self.model_name = model_name
        self.step = step
        self.model: Model | None = None
        self.task_id: int | str | None = None
        self.job_id: int | str | None = None

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Publish and wait until the model is ready; the facts that went in come out too."""
        facts = {**(input or {}), **kwargs}
        self.action_event(ActionState.Running, tr("publishing the model"), facts)
        self.task_id = facts.get("task_id")
        self.job_id = facts.get("job_id")
        model = Model(
            None, None, self.task_id, self.job_id, name=self.model_name, checkpoint_step=self.step
        )
        self.model = model
        create = partial(_version_ids, model, model.create_version)
        find = partial(_version_ids, model, model.find_published)
        run = self.record or RunRecord.begin()
        if self.step is None:
            key = "published"
        else:
            key = f"published_{self.step}"
        ids = run.create_once(key, create, find, tr("the model"))
        model.set_id = ids["set_id"]
        model.id = ids["id"]
        model.wait_until_ready(stop_event=self.stop_requested)
        set_id = model.set_id
        version_id = model.id
        published = {
            "model_set_id": set_id,
            "model_id": set_id,
            "model_version_id": version_id,
            "model": model,
        }
        return {**facts, **published, "checkpoint_step": self.step}


class DeployAction(BaseAction):
    """Deploy the published model; adds service_id, service_endpoint and service."""

    def __init__(self, deploy_config: DeployConfig | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deploy_config = deploy_config
        self.model: Model | None = None
        self.model_set_id: str | None = None
        self.model_id: int | str | None = None
        self.model_version_id: int | str | None = None

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Deploy and wait until the service is ready; the facts that went in come out too.

        Raises:
            InvalidArgumentError: no deploy_config, or no model among the facts.
        """
        facts = {**(input or {}), **kwargs}
        config = self.deploy_config
        if config is None:
            raise InvalidArgumentError(tr("DeployAction needs a deploy_config"))
        self.model_id = facts.get("model_id")
        self.model_version_id = facts.get("model_version_id")
        self.model_set_id = facts.get("model_set_id")
        model = facts.get("model") or _model_of(facts)
        self.model = model
        self.action_event(ActionState.Running, tr("deploying the model"), {"model": model})
        run = self.record or RunRecord.begin()
        create = partial(model.create_service, config)
        find = partial(model.find_service_id, config)
        step = facts.get("checkpoint_step")
        if step is None:
            key = "service_id"
        else:
            key = f"service_id_{step}"
        service_id = run.create_once(key, create, find, tr("the service"))
        service = model.wait_for_service(service_id, config, stop_event=self.stop_requested)
        return {
            **facts,
            "service_id": service.id,
            "service_endpoint": service.endpoint,
            "service": service,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that `dumps` writes."""
        if not self.deploy_config:
            config = None
        else:
            config = self.deploy_config.model_dump(mode="json")
        return {**super().to_dict(), "deploy_config": config}

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take over the settings that `to_dict` returned."""
        super().restore(value)
        config = value.get("deploy_config")
        if not config:
            self.deploy_config = None
        else:
            self.deploy_config = DeployConfig(**config)


class EvaluateAction(BaseAction):
    """Score the model, or its service, on a dataset; adds eval_res, an `EvaluationResult`.

    Args:
        eval_dataset: rows with prompt and response that the model was not trained on.
        evaluators: either all local (they ask the deployed service, or the model by batch
            inference), or all of the platform (they take the model).
    """

    def __init__(
        self, eval_dataset: Dataset | None = None, evaluators: Sequence[Any] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.eval_dataset = eval_dataset
        self.evaluators = list(evaluators)

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Collect the answers and score them.

        Raises:
            InvalidArgumentError: no dataset, no evaluators, or no service or model to evaluate.
        """
        facts = {**(input or {}), **kwargs}
        if self.eval_dataset is None or not self.evaluators:
            raise InvalidArgumentError(
                tr("EvaluateAction needs an eval_dataset and evaluators: pass them again")
            )
        is_local = all(isinstance(evaluator, LocalEvaluator) for evaluator in self.evaluators)
        model = facts.get("model")
        service = facts.get("service")
        is_served = service is not None and getattr(service.model, "version_id", None) == getattr(
            model, "id", None
        )
        if model is None and service is None and facts.get("model_id") is not None:
            model = _model_of(facts)
        if is_local and is_served:
            target = service
        else:
            target = model
        if target is None:
            raise InvalidArgumentError(tr("there is no model to evaluate: publish it first"))
        self.action_event(ActionState.Running, tr("evaluating the model"), {})
        manager = EvaluationManager(
            **{"local_evaluators" if is_local else "qianfan_evaluators": self.evaluators}
        )
        report = manager.eval([target], self.eval_dataset)
        evaluation_facts = {"evaluation_data": data_word(self.eval_dataset)}
        if is_local and report is not None:
            evaluation_facts |= {"verdict": headline(report), "report_id": report.id}
        return {**facts, **evaluation_facts, "eval_res": report}


def data_word(data: object) -> str:
    """Return what names rows in a line: their variable, file or id; "" without any."""
    if isinstance(data, (str, Path)):
        return str(data)
    variables = find_variables(lambda value: value is data)
    source = str(getattr(data, "source", ""))
    if variables or Path(source).is_file():
        return next(iter(variables), source)
    id_ = str(getattr(data, "id", ""))
    if id_.startswith("ds-"):
        return id_
    return ""


def _model_of(facts: Facts) -> Model:
    """Return the model that facts name; in the official SDK's facts `model_id` is the version."""
    version_id = facts.get("model_version_id")
    return Model(
        version_id=facts.get("model_id") if version_id is None else version_id,
        set_id=facts.get("model_set_id"),
    )


def _sampling(rate: float | None) -> Facts:
    if rate is None:
        return {}
    return {"samplingRate": rate}


def _describe_upload(dataset: Dataset) -> str:
    if not len(dataset):
        return tr("bringing {dataset} onto the platform", dataset=dataset.id)
    return trn(
        "bringing {n} row onto the platform", "bringing {n} rows onto the platform", len(dataset)
    )


def publishing_actions(
    actions: Sequence[BaseAction], step: CheckpointStep, points: Sequence[LossPoint]
) -> list[BaseAction]:
    """Return the action that publishes a checkpoint, none where it is what was published last.

    Args:
        actions: those of the training so far.
        step: the checkpoint; None for what was published last, or the last one.
        points: the loss curve.
    """
    steps = [action.step for action in actions if isinstance(action, ModelPublishAction)]
    chosen = resolve_step(step, points)
    is_published = bool(steps) and (step is None or steps[-1] == chosen)
    if is_published:
        return []
    return [ModelPublishAction(step=chosen)]


_REPEATED = {
    "ModelPublishAction": tr_noop(
        "this training publishes its model already; another checkpoint: `%qftrain publish --step "
        "STEP`"
    ),
    "DeployAction": tr_noop(
        "this training deploys its model already; another checkpoint: `%qftrain deploy --step "
        "STEP`; a second service "
        'of the same model: `trainer.output["model"].deploy(DeployConfig(...))`'
    ),
    "EvaluateAction": tr_noop(
        'this training evaluates its model already, `trainer.output["eval_res"]`; another '
        "evaluation: `%qfeval`"
    ),
}
"""What to do instead of a step that a training has."""


def validate_new_actions(new_actions: Sequence[BaseAction], actions: Sequence[BaseAction]) -> None:
    """Raise if one of the new actions is there already, for the checkpoint that is published last.

    Raises:
        InvalidArgumentError: names the action.
    """
    all_actions = [*actions]
    for action in new_actions:
        publishing = [
            index for index, row in enumerate(all_actions) if isinstance(row, ModelPublishAction)
        ]
        if publishing:
            since = all_actions[publishing[-1] :]
        else:
            since = all_actions
        is_other_step = (
            isinstance(action, ModelPublishAction)
            and getattr(since[0], "step", None) != action.step
        )
        if any(type(row) is type(action) for row in since) and not is_other_step:
            raise InvalidArgumentError(tr(_REPEATED[type(action).__name__]))
        all_actions.append(action)


def _version_ids(model: Model, publish_or_find: Callable[[], bool]) -> dict[str, Any] | None:
    """Return the ids of a model that was published or found, None where it was not found."""
    if publish_or_find():
        return {"set_id": model.set_id, "id": model.id}
    return None
