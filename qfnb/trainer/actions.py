"""The steps around a training: data on the platform, a published model, a service. Source: seed
004.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from .._tables import find_variables, open_table
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
from .train_action import BOS, PLATFORM, TrainAction as TrainAction

DataSource = Any
"""A `Dataset`, a table, a `ds-...` id, a path of data, `bos:/bucket/key`, a list of these, or the
facts of a `LoadDataSetAction`.
"""

Source = Dataset | str
"""A dataset, or the address of an object in a bucket."""

__all__ = [
    "DeployAction",
    "EvaluateAction",
    "LoadDataSetAction",
    "ModelPublishAction",
    "TrainAction",
]


def load_sources(data: DataSource) -> list[Source]:
    """Return the datasets and addresses that an argument names.

    Raises:
        InvalidArgumentError: one of them is something else, or a dataset has no rows.
    """
    if isinstance(data, Mapping) and isinstance(data.get("datasets"), list):
        data = data["datasets"]
    items = [data]
    if isinstance(data, Sequence) and not isinstance(data, (str, Dataset)) and data:
        items = [*data]
    sources = [*map(_load_source, items)]
    for source in sources:
        if isinstance(source, Dataset) and source.id is None and not len(source):
            raise InvalidArgumentError(tr("the dataset has no rows: load some before training"))
    return sources


def _load_source(source: Any) -> Source:
    kind = type(source).__name__
    if (table := open_table(source)) is not None:
        source = Dataset.load(table)
    dataset_id = None
    if isinstance(source, Mapping):
        dataset_id = source.get("id")
        source = source.get("bosPath")
    # a source of the official SDK, or one of its tables that is in storage
    if address := getattr(source, "bos_address", None) or getattr(source, "address", None):
        return str(address)
    if not isinstance(source, (str, Path, Dataset)):
        dataset_id = dataset_id or getattr(source, "id", None)
        source = getattr(source, "path", source)
    if isinstance(source, str) and source.startswith("bos:"):
        return source.replace("bos://", "bos:/", 1)
    if isinstance(source, (str, Path)) and str(source).startswith("ds-"):
        dataset_id = source
    if dataset_id is not None:
        source = Dataset.load(qianfan_dataset_id=str(dataset_id))
    elif isinstance(source, (str, Path)):
        source = Dataset.load(source)
    if not isinstance(source, Dataset):
        raise InvalidArgumentError(
            tr(
                "dataset is a {kind}: pass a Dataset, a 'ds-...' id, or the path of a data file",
                kind=kind,
            )
        )
    return source


class LoadDataSetAction(BaseAction):
    """Bring the dataset onto the platform; returns {"datasets": [{"id", "type", "name"}]}.

    Args:
        dataset: what to train on, see `DataSource`, or
        dataset_bos_path: `bos:/bucket/key` of a file that is used where it is.
    """

    def __init__(
        self,
        dataset: DataSource = None,
        event_handler: EventHandler | None = None,
        dataset_bos_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_handler=event_handler, **kwargs)
        self.sources: list[Source] = []
        self.data_name = ""
        source = dataset_bos_path if dataset is None else dataset
        if source is not None:
            self.use(load_sources(source))

    def use(self, sources: list[Source], name: str = "") -> None:
        """Train on these datasets and addresses.

        Args:
            sources: the datasets and addresses.
            name: what names them in a line, see `data_word`.
        """
        self.data_name = name
        self.sources = sources

    @property
    def dataset(self) -> Dataset | None:
        """The first dataset, None where there are addresses only."""
        return next((row for row in self.sources if isinstance(row, Dataset)), None)

    @property
    def dataset_bos_path(self) -> str | None:
        """The address that is all of the data, None where it is not."""
        match self.sources:
            case [str(address)]:
                return address
        return None

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Upload local rows, release the dataset, and return its id.

        Raises:
            InvalidArgumentError: no dataset, or its rows were in the memory of a kernel that has
                ended.
        """
        if not self.sources:
            raise InvalidArgumentError(
                tr(
                    "the rows of the dataset were in the kernel that started the training, which "
                    "has ended\n"
                    "load the dataset again and continue with attach(..., dataset=ds)"
                )
            )
        return {"datasets": [*map(self._bring, self.sources)]}

    def _bring(self, source: Source) -> Facts:
        """Bring one dataset onto the platform; an address is used where it is."""
        if isinstance(source, str):
            return {"type": BOS, "bosPath": source}
        text = tr("bringing {dataset} onto the platform", dataset=source.id)
        if count := len(source):
            text = trn(
                "bringing {n} row onto the platform", "bringing {n} rows onto the platform", count
            )
        self.action_event(ActionState.Running, text)
        dataset_id = source.release(stop_event=self.stop_requested)
        return {"id": dataset_id, "type": PLATFORM, "name": source.name}

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that `dumps` writes; rows are none."""
        return {**super().to_dict(), "dataset_bos_path": self.dataset_bos_path}

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take over the settings that `to_dict` returned."""
        super().restore(value)
        if address := value.get("dataset_bos_path"):
            self.sources = [address]


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

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Publish and wait until the model is ready; the facts that went in come out too."""
        facts = {**(input or {}), **kwargs}
        self.action_event(ActionState.Running, tr("publishing the model"), facts)
        task_id = facts.get("task_id")
        job_id = facts.get("job_id")
        model = Model(
            task_id=task_id, job_id=job_id, name=self.model_name, checkpoint_step=self.step
        )
        run = self.record or RunRecord.begin()
        key = _key("published", self.step)
        ids = run.create_once(key, model.create_version, model.find_published, tr("the model"))
        model.set_id = ids["set_id"]
        model.id = ids["id"]
        model.wait_until_ready(stop_event=self.stop_requested)
        return {
            **facts,
            "model_set_id": model.set_id,
            "model_id": model.set_id,
            "model_version_id": model.id,
            "model": model,
            "checkpoint_step": self.step,
        }


class DeployAction(BaseAction):
    """Deploy the published model; adds service_id, service_endpoint and service."""

    def __init__(self, deploy_config: DeployConfig | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deploy_config = deploy_config
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
        model = facts.get("model") or _model_of(facts)
        self.action_event(ActionState.Running, tr("deploying the model"), {"model": model})
        run = self.record or RunRecord.begin()
        create = partial(model.create_service, config)
        find = partial(model.find_service_id, config)
        key = _key("service_id", facts.get("checkpoint_step"))
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
        config = self.deploy_config
        settings = config.model_dump(mode="json") if config else None
        return {**super().to_dict(), "deploy_config": settings}

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take over the settings that `to_dict` returned."""
        super().restore(value)
        if settings := value.get("deploy_config"):
            self.deploy_config = DeployConfig(**settings)


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
        target = facts.get("model")
        service = facts.get("service")
        if target is None and service is None and facts.get("model_id") is not None:
            target = _model_of(facts)
        if is_local and service is not None:
            served_id = getattr(service.model, "version_id", None)
            if served_id == getattr(target, "id", None):
                target = service
        if target is None:
            raise InvalidArgumentError(tr("there is no model to evaluate: publish it first"))
        self.action_event(ActionState.Running, tr("evaluating the model"), {})
        if is_local:
            manager = EvaluationManager(local_evaluators=self.evaluators)
        else:
            manager = EvaluationManager(qianfan_evaluators=self.evaluators)
        report = manager.eval([target], self.eval_dataset)
        evaluation_facts = {"evaluation_data": data_word(self.eval_dataset)}
        if is_local and report is not None:
            evaluation_facts |= {"verdict": headline(report), "report_id": report.id}
        return {**facts, **evaluation_facts, "eval_res": report}


def data_word(data: object) -> str:
    """Return the name of rows for a line: their variable, file or id; "" without any."""
    if isinstance(data, (str, Path)):
        return str(data)
    if variables := find_variables(lambda value: value is data):
        return next(iter(variables))
    source = str(getattr(data, "source", ""))
    if Path(source).is_file():
        return source
    return str(getattr(data, "id", None) or "")


def _model_of(facts: Facts) -> Model:
    """Return the model that facts name; in the official SDK's facts `model_id` is the version."""
    version_id = facts.get("model_version_id") or facts.get("model_id")
    return Model(version_id=version_id, set_id=facts.get("model_set_id"))


def _key(name: str, step: int | None) -> str:
    """Return the stored fact that holds the id of what was made of a checkpoint."""
    if step is None:
        return name
    return f"{name}_{step}"


def publishing_actions(
    actions: Sequence[BaseAction], step: CheckpointStep, points: Sequence[LossPoint]
) -> list[BaseAction]:
    """Return the action that publishes a checkpoint, none where it is what was published last.

    Args:
        actions: those of the training so far.
        step: the checkpoint; None for what was published last, or the last one.
        points: the loss curve.
    """
    published_steps = [row.step for row in actions if isinstance(row, ModelPublishAction)]
    chosen = resolve_step(step, points)
    if published_steps and (step is None or published_steps[-1] == chosen):
        return []
    return [ModelPublishAction(step=chosen)]


_REPEATED = {
    "ModelPublishAction": tr_noop(
        "this training publishes its model already; another checkpoint: `%qftrain publish --step "
        "STEP`"
    ),
    "DeployAction": tr_noop(
        "the model that this training published last is deployed already: `%qftrain chat` asks it; "
        "another checkpoint: `%qftrain deploy --step STEP`; a second service "
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
    present = set[tuple[type[BaseAction], int | None]]()
    for action in (*actions, *new_actions):
        key = type(action), getattr(action, "step", None)
        if key in present and action in new_actions:
            raise InvalidArgumentError(tr(_REPEATED[type(action).__name__]))
        if isinstance(action, ModelPublishAction):
            present.clear()
        present.add(key)
