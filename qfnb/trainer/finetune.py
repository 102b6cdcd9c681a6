"""A whole training in one object: start, follow, stop and find it again. Source: seed 004."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

from ..base.language import tr
from ..base.text import did_you_mean, listed
from ..dataset.schema import CONVERSATION, FEEDBACK, PAIRS, PREFERENCE, SORTED, TEXT, Schema
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..resources.management.finetune import FineTune
from ..wire import finetune as wire
from . import actions, run_store
from .actions import DataSource, load_sources
from .background import BackgroundTrainer
from .base import BaseAction, warn_of_unknown_arguments
from .configs import DeployConfig, TrainConfig, to_train_config
from .event import EventHandler
from .loss_diagnostics import CheckpointStep, resolve_step
from .offer import fit_to_offer
from .train_action import read_task


class LLMFinetune(BackgroundTrainer):
    """Fine-tune a language model.

    Args:
        train_type: the model to tune, e.g. ERNIE-4.5-Turbo-128K, or its older name in the seeds; a
            model that the platform does not list is tried too, with a warning.
        dataset: a `Dataset`, a `ds-...` id, the path of a data file, or a list of these.
        train_config: hyper-parameters, a dictionary of them, or a file; default: the model's own
            defaults.
        deploy_config: deploy the model afterwards; default: stop after publishing.
        event_handler: receives every event.
        base_model: ignored; the platform derives it from `train_type`.
        name: name of the job on the platform; default qfnb_<run id>.
        eval_dataset: evaluate the result afterwards on this dataset, see `EvaluateAction`.
        evaluators: the metrics or judges of that evaluation.
        dataset_bos_path: `bos:/bucket/key` to train on, instead of a dataset.
        previous_task_id: a finished run to continue from; or
        previous_trainer: the trainer of that run; and
        previous_step: the step of one of its checkpoints; default: the last.
        model_not_publish: stop after the training.
        model_name: name of the published model; default m_<task_id>.
        train_mode: SFT, PostPretrain, DPO, KTO, or another one of the platform; default: that of
            the class.
        **kwargs: the official SDK's `corpus_config`, `resource_config`, `sampling_rate` and
            `eval_split_ratio`.

    The constructor reads the ranges of the hyper-parameters from the platform, at most once an
    hour, and warns in one line of what they do not have; it is sent all the same, and the platform
    decides.

    Raises:
        InvalidArgumentError: the dataset is wrong, or a hyper-parameter has the wrong type; nothing
            was started.

    Source: seed 004 (LLMFinetune).
    """

    schemas: ClassVar[tuple[Schema, ...]] = (PAIRS, CONVERSATION)
    """Kinds of rows that the train mode learns from."""

    def __init__(
        self,
        train_type: str | None = None,
        dataset: DataSource = None,
        train_config: TrainConfig | Mapping[str, Any] | str | None = None,
        deploy_config: DeployConfig | None = None,
        event_handler: EventHandler | None = None,
        base_model: str | None = None,
        *,
        name: str | None = None,
        eval_dataset: Dataset | None = None,
        evaluators: Sequence[Any] | None = None,
        dataset_bos_path: str | None = None,
        previous_task_id: str | None = None,
        previous_trainer: LLMFinetune | None = None,
        previous_step: int | None = None,
        model_not_publish: bool = False,
        model_name: str = "",
        train_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        config = _with_data_options(to_train_config(train_config), kwargs)
        warn_of_unknown_arguments(type(self).__name__, kwargs)
        self.train_mode = str(train_mode or self.train_mode)
        sources = load_sources(dataset_bos_path or dataset)
        trainer_class = TRAINER_CLASSES.get(self.train_mode)
        for data in sources:
            # the platform checks others itself
            if trainer_class and isinstance(data, Dataset) and data.is_fetched:
                trainer_class.validate_schema(data)
        previous_id = _previous_task(previous_task_id, previous_trainer, previous_step)
        train_type = train_type or _model_of_task(previous_id)
        config = fit_to_offer(train_type, config, self.train_mode)
        train = actions.TrainAction(
            train_type,
            config,
            base_model,
            train_mode=self.train_mode,
            job_name=name,
            increment_task_id=previous_id,
            increment_checkpoint_step=previous_step,
        )
        load = actions.LoadDataSetAction()
        load.use(sources, actions.data_word(dataset_bos_path or dataset))
        steps: builtins.list[BaseAction] = [load, train]
        if not model_not_publish:
            steps.append(actions.ModelPublishAction(model_name=model_name))
        elif deploy_config or evaluators:
            raise InvalidArgumentError(
                tr(
                    "model_not_publish=True: a model that is not published can be neither "
                    "deployed nor evaluated"
                )
            )
        if deploy_config:
            steps.append(actions.DeployAction(deploy_config))
        if evaluators:
            steps.append(actions.EvaluateAction(eval_dataset, evaluators))
        super().__init__(run_store.RunRecord.begin(), steps, event_handler)

    @classmethod
    def validate_schema(cls, dataset: Dataset) -> None:
        """Raise unless the train mode learns from rows of the dataset's kind.

        Raises:
            InvalidArgumentError: names the kind of the rows, and the kinds that the train mode
                needs.
        """
        if (actual := dataset.schema) in cls.schemas:
            return
        kinds = " / ".join(schema.title for schema in cls.schemas)
        if actual.columns:
            raise InvalidArgumentError(
                tr(
                    "{mode} needs {kinds}: these rows are {kind}",
                    mode=cls.train_mode,
                    kinds=kinds,
                    kind=actual.title,
                )
            )
        columns = [*map(str, dataset.rows[0])]  # a table of any columns
        error = InvalidArgumentError(
            tr(
                "{mode} needs {kinds}: these rows have the columns {columns}\n"
                "where columns have other names: Dataset.load(..., columns={example})",
                mode=cls.train_mode,
                kinds=kinds,
                columns=listed(columns),
                example={"question": "prompt", "answer": "response"},
            )
        )
        error.columns = columns
        raise error

    @classmethod
    def attach(cls, key: str, *, dataset: DataSource = None) -> Self:
        """Return the trainer of a training that was started elsewhere: in another kernel, or in the
        console.

        Its progress is the platform's present one, or the stored one where there is no quick
        answer. `start()` then
        continues it: it polls the run, and runs the steps that have not run yet.

        Args:
            key: `run-...` of this computer, or `task-...` of the platform.
            dataset: the rows, where the kernel that started the training ended before it uploaded
                them.

        Raises:
            InvalidArgumentError: `key` does not look like an id, or neither this computer nor the
                platform has it.
        """
        run = run_store.find_run(key)
        if run is None:
            if read_task(key) is None:
                raise InvalidArgumentError(_describe_unknown(key))
            run = run_store.RunRecord.begin(task_id=key)
        self = cls._from_record(run)
        load = self.actions[0]
        if dataset is not None and isinstance(load, actions.LoadDataSetAction):
            load.use(load_sources(dataset))
        self.refresh()
        return self

    @classmethod
    def list(cls) -> builtins.list[Self]:
        """Return the trainers of this user's stored trainings, the newest first."""
        return [cls._from_record(run) for run in run_store.list_runs()]

    def publish(self, model_name: str = "", *, step: CheckpointStep = None) -> Self:
        """Publish the run as a model: at once, or after the training while it runs.

        Args:
            model_name: default m_<task_id>, of a checkpoint m_<task_id>_<step>.
            step: the step of a checkpoint, or "best" for the lowest validation loss; default: the
                last.

        Raises:
            InvalidArgumentError: it is published already, has no such checkpoint, or an earlier
                step failed.
        """
        chosen = resolve_step(step, self.progress.points)
        return self._append_actions(
            [actions.ModelPublishAction(model_name=model_name, step=chosen)]
        )

    def deploy(
        self, deploy_config: DeployConfig | None = None, *, step: CheckpointStep = None
    ) -> Self:
        """Deploy the model, published first if necessary: at once, or after the steps that are
        running.

        Args:
            deploy_config: default: 1 replica for 1 hour.
            step: as for `publish`; default: what was published last.

        Raises:
            InvalidArgumentError: it is deployed already, has no such checkpoint, or an earlier step
                failed.
        """
        publishing = actions.publishing_actions(self.ppls[0].actions, step, self.progress.points)
        return self._append_actions(
            [*publishing, actions.DeployAction(deploy_config or DeployConfig())]
        )

    def evaluate(
        self, eval_dataset: Dataset, evaluators: Sequence[Any], *, step: CheckpointStep = None
    ) -> Self:
        """Score the model, published first if necessary; `output["eval_res"]` is the report.

        Args:
            eval_dataset: rows with prompt and response that the model was not trained on.
            evaluators: see `EvaluateAction`; without a service the platform answers by batch
                inference.
            step: as for `deploy`.

        Raises:
            InvalidArgumentError: it is evaluated already, has no such checkpoint, or an earlier
                step failed.
        """
        publishing = actions.publishing_actions(self.ppls[0].actions, step, self.progress.points)
        return self._append_actions([*publishing, actions.EvaluateAction(eval_dataset, evaluators)])

    @staticmethod
    def list_runs() -> builtins.list[dict[str, Any]]:
        """Return the stored facts of this user's trainings, the newest first."""
        return [run.facts for run in run_store.list_runs()]

    def dumps(self) -> bytes:
        """Return the training as UTF-8 JSON: ids, steps and progress; neither rows nor API keys."""
        self.save(durable=False)
        return json.dumps(
            {"qfnb": 1, "type": "Trainer", **self._run.facts}, ensure_ascii=False
        ).encode()

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
            raise InvalidArgumentError(
                tr("these bytes are not a training written by dumps()")
            ) from None
        stored_run = run_store.find_run(facts["id"])
        return cls._from_record(stored_run or run_store.RunRecord(facts["id"], facts))


class PostPretrain(LLMFinetune):
    """Continue the pre-training of a model on plain texts; arguments as for `LLMFinetune`."""

    train_mode = wire.POST_PRETRAIN
    schemas: ClassVar[tuple[Schema, ...]] = (TEXT,)


class DPO(LLMFinetune):
    """Tune a model on preferences, rows of prompt, chosen and rejected; arguments as for
    `LLMFinetune`.
    """

    train_mode = wire.DPO
    schemas: ClassVar[tuple[Schema, ...]] = (PREFERENCE, SORTED)


class KTO(LLMFinetune):
    """Tune a model on answers that were judged one by one, rows of prompt and chosen or rejected,
    or of both.
    """

    train_mode = wire.KTO
    schemas: ClassVar[tuple[Schema, ...]] = (FEEDBACK, PREFERENCE, SORTED)


TRAINER_CLASSES: Final[dict[str, type[LLMFinetune]]] = {
    trainer_class.train_mode: trainer_class
    for trainer_class in (LLMFinetune, PostPretrain, DPO, KTO)
}
"""The trainer of each train mode."""


def _describe_unknown(key: str) -> str:
    ids = []
    for run in run_store.list_runs():
        ids += [run.id, str(run.facts.get("task_id") or "")]
    hint = did_you_mean(key, ids) or tr("; `%qftrain list` shows those of this computer")
    return tr("neither this computer nor the platform has a training {key}", key=key) + hint


def _with_data_options(config: TrainConfig, options: dict[str, Any]) -> TrainConfig:
    """Return a config with the fields that the official SDK takes as keywords of a trainer; they
    are removed from `options`.
    """
    names = {
        "corpus_config": "corpus_config",
        "resource_config": "resource_config",
        "sampling_rate": "sampling_rate",
        "eval_split_ratio": "trainset_rate",
    }
    values = config.model_dump()
    for keyword, field in names.items():
        if (value := options.pop(keyword, None)) is not None:
            values[field] = value
    return TrainConfig(**values)


def _model_of_task(task_id: str | None) -> str:
    """Return the model of a run.

    Raises:
        InvalidArgumentError: there is no run, so that the model must be named.
    """
    if task_id is None:
        raise InvalidArgumentError(
            tr("train_type is missing: name the model to tune, e.g. ERNIE-4.5-Turbo-128K")
        )
    return str(FineTune.V2.task_detail(task_id)["result"]["model"])


def _previous_task(task_id: str | None, trainer: Any, step: int | None) -> str | None:
    """Return the id of the run to continue from, None for none.

    Raises:
        InvalidArgumentError: several are named, or the one has no run.
    """
    if task_id is not None and trainer is not None:
        raise InvalidArgumentError(tr("pass only one of previous_task_id and previous_trainer"))
    if trainer is not None:
        task_id = trainer.progress.task_id
        if not task_id:
            raise InvalidArgumentError(
                tr("the earlier training has no finished run to continue from")
            )
    if step is not None and task_id is None:
        raise InvalidArgumentError(tr("previous_step needs previous_task_id or previous_trainer"))
    return task_id
