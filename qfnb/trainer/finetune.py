"""A whole training in one object: start, follow, stop and find it again. Source: seed 004."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from ..dataset import Dataset
from ..dataset.schema import CONVERSATION, FEEDBACK, PAIRS, PREFERENCE, SORTED, TEXT, Schema
from ..errors import InvalidArgumentError, RequestError
from ..model import Model
from ..resources.management.finetune import FineTune
from ..resources.validation import validate_choice
from ..wire import finetune_v2 as wire
from . import run_store
from .actions import (
    DeployAction,
    EvaluateAction,
    LoadDataSetAction,
    ModelPublishAction,
    TrainAction,
    restore_actions,
    restore_objects,
)
from .background import BackgroundTrainer
from .base import BaseAction
from .configs import DeployConfig, TrainConfig, validate_train_config
from .event import EventHandler
from .loss_diagnostics import best_checkpoint

if TYPE_CHECKING:
    import pandas as pd

DataSource = Dataset | str | Path | None
"""A `Dataset`, a `ds-...` id, or the path of a data file."""


class LLMFinetune(BackgroundTrainer):
    """Fine-tune a language model.

    Args:
        train_type: the model to tune, e.g. ERNIE-Speed-8K, or its older name in the seeds; a model that the
            platform does not list is tried too, with a warning.
        dataset: a `Dataset`, a `ds-...` id, or the path of a data file.
        train_config: hyper-parameters; default: the model's own defaults.
        deploy_config: deploy the model afterwards; default: stop after publishing.
        event_handler: receives every event.
        base_model: ignored; the platform derives it from `train_type`.
        name: name of the job on the platform; default qfnb_<run id>.
        eval_dataset, evaluators: evaluate the result afterwards, see `EvaluateAction`.
        dataset_bos_path: `bos:/bucket/key` to train on, instead of a dataset.
        previous_task_id: a finished run to continue from; or
        previous_trainer: the trainer of that run, or
        previous_model: the model that it was published as.
        model_not_publish: stop after the training.
        model_name: name of the published model; default m_<task_id>.
        train_mode: SFT, PostPretrain, DPO or KTO; default: that of the class.

    The constructor asks the platform for the ranges of the hyper-parameters, so that a wrong value is refused
    before anything starts; where the platform cannot be reached, it checks them itself at the start.

    Raises:
        InvalidArgumentError: the dataset or a hyper-parameter is wrong; nothing was started.

    Source: seed 004 (LLMFinetune).
    """

    train_mode: str = wire.SFT
    schemas: ClassVar[tuple[Schema, ...]] = (PAIRS, CONVERSATION)
    """Kinds of rows that the train mode learns from."""

    def __init__(
        self,
        train_type: str,
        dataset: DataSource = None,
        train_config: TrainConfig | None = None,
        deploy_config: DeployConfig | None = None,
        event_handler: EventHandler | None = None,
        base_model: str | None = None,
        *,
        name: str | None = None,
        eval_dataset: Dataset | None = None,
        evaluators: Sequence[Any] = (),
        dataset_bos_path: str | None = None,
        previous_task_id: str | None = None,
        previous_trainer: LLMFinetune | None = None,
        previous_model: Model | None = None,
        model_not_publish: bool = False,
        model_name: str = "",
        train_mode: str | None = None,
    ) -> None:
        config = train_config or TrainConfig()
        self.train_mode = str(train_mode or self.train_mode)
        validate_choice("train_mode", self.train_mode, TRAINER_CLASSES)
        data = None if dataset_bos_path else _load_dataset(dataset)
        if data is not None and data.is_fetched:  # the platform checks other datasets at the start
            TRAINER_CLASSES[self.train_mode].validate_schema(data)
        with contextlib.suppress(RequestError):  # not reachable: the platform checks at the start
            supported = FineTune.V2.supported_models().data
            validate_train_config(train_type, config, supported, self.train_mode)
        previous_id = _previous_task_id(previous_task_id, previous_trainer, previous_model)
        options = {"train_mode": self.train_mode, "job_name": name, "increment_task_id": previous_id}
        train = TrainAction(train_type, config, base_model, **options)
        actions: list[BaseAction] = [LoadDataSetAction(data, dataset_bos_path=dataset_bos_path), train]
        if model_not_publish and (deploy_config or evaluators):
            raise InvalidArgumentError(
                "model_not_publish=True: a model that is not published can be neither deployed nor evaluated"
            )
        actions += [] if model_not_publish else [ModelPublishAction(model_name=model_name)]
        actions += [DeployAction(deploy_config)] if deploy_config else []
        actions += [EvaluateAction(eval_dataset, evaluators)] if evaluators else []
        super().__init__(run_store.RunRecord.begin(), actions, event_handler)

    @classmethod
    def validate_schema(cls, dataset: Dataset) -> None:
        """Raise unless the train mode learns from rows of the dataset's kind.

        Raises:
            InvalidArgumentError: names the kind of the rows, and the kinds that the train mode needs.
        """
        if (actual := dataset.schema) not in cls.schemas:
            titles = " / ".join(schema.title for schema in cls.schemas)
            raise InvalidArgumentError(f"数据类型不符 {cls.train_mode} needs {titles}: this is {actual.title}")

    @classmethod
    def attach(
        cls,
        key: str,
        *,
        event_handler: EventHandler | None = None,
        deploy_config: DeployConfig | None = None,
        dataset: DataSource = None,
    ) -> Self:
        """Return the trainer of a training that was started elsewhere: in another kernel, or in the console.

        `start()` then continues it: it polls the run, and runs the steps that have not run yet.

        Args:
            key: `run-...` of this computer, or `task-...` of the platform.
            event_handler: receives every event.
            deploy_config: deploy the model afterwards.
            dataset: the rows, where the kernel that started the training ended before it uploaded them.

        Raises:
            InvalidArgumentError: `key` does not look like an id.
        """
        run = run_store.find_run(key)
        if run is None:
            run = run_store.RunRecord.begin(task_id=key)
        self = cls._from_record(run, event_handler, deploy_config)
        load = self.ppls[0].actions[0]
        if dataset is not None and isinstance(load, LoadDataSetAction):
            load.dataset = _load_dataset(dataset)
        return self

    load = attach

    @property
    def checkpoints(self) -> pd.DataFrame:
        """The loss curve: step, losses in nats, rewards of preferences, and which step is kept or the best."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        points = self.progress.points
        best = best_checkpoint(points)
        rows = []
        for point in points:
            fields = {name: value for name, value in vars(point).items() if name != "rewards"}
            rewards = {f"rewards/{name}": value for name, value in (point.rewards or {}).items()}
            rows.append(fields | rewards | {"is_best": point is best})
        return pd.DataFrame(rows)

    def publish(self, model_name: str = "") -> Self:
        """Publish the run as a model: at once, or after the training while it runs.

        Args:
            model_name: default m_<task_id>.

        Raises:
            InvalidArgumentError: publishing is a step of this training already, or an earlier step failed.
        """
        return self._append_actions([ModelPublishAction(model_name=model_name)])

    def deploy(self, deploy_config: DeployConfig | None = None) -> Self:
        """Deploy the model, published first if necessary: at once, or after the steps that are running.

        Args:
            deploy_config: default: 1 replica for 1 hour.

        Raises:
            InvalidArgumentError: deploying is a step of this training already, or an earlier step failed.
        """
        published = any(isinstance(action, ModelPublishAction) for action in self.ppls[0].actions)
        publish_actions: list[BaseAction] = [] if published else [ModelPublishAction()]
        return self._append_actions([*publish_actions, DeployAction(deploy_config or DeployConfig())])

    @staticmethod
    def list_runs() -> list[dict[str, Any]]:
        """Return the stored facts of this user's trainings, the newest first."""
        return [run.facts for run in run_store.list_runs()]

    def dumps(self) -> bytes:
        """Return the training as UTF-8 JSON: ids, steps and progress; neither rows nor API keys."""
        self.save(durable=False)
        return json.dumps({"qfnb": 1, "type": "Trainer", **self._run.facts}, ensure_ascii=False).encode()

    @classmethod
    def loads(cls, data: bytes) -> Self:
        """Return the trainer that `dumps` wrote, on this or another computer.

        Raises:
            InvalidArgumentError: the bytes are not its JSON; a pickle is never opened.
        """
        try:
            facts = json.loads(data)
            assert facts["type"] == "Trainer"
            assert isinstance(facts["id"], str)
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise InvalidArgumentError("these bytes are not a training written by dumps()") from None
        stored_run = run_store.find_run(facts["id"])
        return cls._from_record(stored_run or run_store.RunRecord(facts["id"], facts), None, None)

    @classmethod
    def _from_record(
        cls, run: run_store.RunRecord, handler: EventHandler | None, deploy_config: DeployConfig | None
    ) -> Self:
        self = cls.__new__(cls)
        actions = restore_actions(run.facts, deploy_config)
        BackgroundTrainer.__init__(self, run, actions, handler)
        self.train_mode = next((row.train_mode for row in actions if isinstance(row, TrainAction)), cls.train_mode)
        self.ppls[0].position = min(int(run.facts.get("position", 0)), len(actions))
        self.ppls[0].facts = restore_objects(run.facts.get("facts") or {})
        return self


class PostPretrain(LLMFinetune):
    """Continue the pre-training of a model on plain texts; arguments as for `LLMFinetune`."""

    train_mode = wire.POST_PRETRAIN
    schemas: ClassVar[tuple[Schema, ...]] = (TEXT,)


class DPO(LLMFinetune):
    """Tune a model on preferences, rows of prompt, chosen and rejected; arguments as for `LLMFinetune`."""

    train_mode = wire.DPO
    schemas: ClassVar[tuple[Schema, ...]] = (PREFERENCE, SORTED)


class KTO(LLMFinetune):
    """Tune a model on answers that were judged one by one, rows of prompt and chosen or rejected, or of both."""

    train_mode = wire.KTO
    schemas: ClassVar[tuple[Schema, ...]] = (FEEDBACK, PREFERENCE, SORTED)


TRAINER_CLASSES: Final[dict[str, type[LLMFinetune]]] = {
    trainer_class.train_mode: trainer_class for trainer_class in (LLMFinetune, PostPretrain, DPO, KTO)
}
"""The trainer of each train mode."""


def _load_dataset(source: DataSource) -> Dataset:
    if not isinstance(source, (Dataset, str, Path)):
        raise InvalidArgumentError(
            f"dataset is a {type(source).__name__}: pass a Dataset, a 'ds-...' id, or the path of a data file"
        )
    if isinstance(source, str) and source.startswith("ds-"):
        source = Dataset.load(qianfan_dataset_id=source)
    dataset = source if isinstance(source, Dataset) else Dataset.load(source)
    if dataset.id is None and not len(dataset):
        raise InvalidArgumentError("the dataset has no rows: load some before training")
    return dataset


def _previous_task_id(task_id: str | None, trainer: LLMFinetune | None, model: Model | None) -> str | None:
    """Return the id of the run to continue from, None for none."""
    sources = [item for item in (task_id, trainer, model) if item is not None]
    if len(sources) > 1:
        raise InvalidArgumentError("pass only one of previous_task_id, previous_trainer and previous_model")
    if trainer is not None:
        task_id = trainer.progress.task_id
    if model is not None:
        task_id = str(model.task_id or model.find_task_id() or "")
    if sources and not task_id:
        raise InvalidArgumentError("the earlier training has no finished run to continue from")
    return task_id
