"""Sweeps: trainings on the same data with different settings, run within a limit and compared at
the end.

A training with the same data, model and settings that runs or has a result is taken over, so that
the same cell after a kernel restart trains nothing twice.
"""

from __future__ import annotations

import itertools
import json
import math
import time
import warnings
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic.alias_generators import to_snake

from .. import connect
from .._jobs.background_job import BackgroundJob
from ..base.language import tr, trn
from ..base.text import clip, labelled
from ..config import settings
from ..dataset.near_duplicates import input_texts
from ..dataset.quality import estimate_tokens
from ..dataset.typed_dataset import Dataset
from ..errors import APIError, InvalidArgumentError, QianfanError, RateLimitError, TrainingError
from ..evaluation import EvaluationManager
from ..evaluation.background import with_statistics
from ..evaluation.comparison import DEFAULT_METRICS, resolve_evaluators
from ..evaluation.report import EvaluationResult
from ..evaluation.run import EvaluationRun
from ..evaluation.samples import Question, as_rereadable, questions_of, rows_of
from ..evaluation.stats.selection import mean_of_chosen
from ..model import Service
from ..resources.validation import validate_choice
from ..transport import event_loop
from .actions import LoadDataSetAction
from .configs import (
    TrainConfig,
    default_config,
    describe_ignored,
    ignored_parameters,
    resolve_train_type,
    to_train_config,
)  # fmt: skip
from .event import EventHandler
from .finetune import TRAINER_CLASSES, LLMFinetune
from .loss_diagnostics import best_checkpoint
from .offer import read_offer
from .progress import TrainingProgress
from .sources import DataSource, SampledSources, load_sources
from .trackers import Tracker
from .train_action import TrainAction

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_PARALLEL: Final = 2
"""Trainings at a time, where the user does not say."""

MAX_TRAININGS: Final = 100
"""Trainings of a sweep: more are a typing error in a grid rather than a wish."""

LIMIT_WORDS: Final = ("limit", "quota", "exceed", "toomany", "concurren")
"""Words in the code of an error that says that the account trains as many models as it may."""

Grid = Sequence[TrainConfig | Mapping[str, Any]] | Mapping[str, Sequence[Any]]
"""Configs, or what each hyper-parameter is to be: {"learning_rate": [1e-4, 3e-4], "epoch": [1,
3]}.
"""

_live_trainers: weakref.WeakValueDictionary[str, LLMFinetune] = weakref.WeakValueDictionary()
"""The trainers that sweeps of this kernel have started, by the id of their run."""


def sweep(
    train_type: str,
    dataset: DataSource,
    grid: Grid,
    *,
    train_config: TrainConfig | Mapping[str, Any] | str | None = None,
    train_mode: str = "SFT",
    parallel: int = DEFAULT_PARALLEL,
    eval_dataset: Any = None,
    metrics: Sequence[Any] = DEFAULT_METRICS,
    base: str | None = None,
    again: bool = False,
    event_handler: Callable[[str], EventHandler] | None = None,
) -> Sweep:
    """Return a sweep: trainings on the same data, each with settings of its own; `start()` begins
    it.

    Args:
        train_type: the model to tune.
        dataset: as for `LLMFinetune`.
        grid: a list of configs, or lists of values by hyper-parameter: {"learning_rate": [1e-4,
            3e-4]}.
        train_config: what the grid does not say.
        train_mode: SFT, PostPretrain, DPO or KTO.
        parallel: trainings at a time; those that the account's limit refuses wait for another one's
            end.
        eval_dataset: rows that are not trained on; every published model and the base model answer
            them at the end.
        metrics: as for `qfnb.compare`; the first chooses.
        base: the model to compare with; default: `train_type`.
        again: train anew what exists already.
        event_handler: returns the handler of a training's events by its label, such as a tracker.

    Raises:
        InvalidArgumentError: the data, a config or a metric is wrong; nothing was started.
    """
    if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1:
        raise InvalidArgumentError(
            tr("parallel={value}: pass a number of trainings, 1 or more", value=repr(parallel))
        )
    configs = expand_grid(grid, to_train_config(train_config))
    validate_choice("train_mode", train_mode, TRAINER_CLASSES)
    eval_dataset = as_rereadable(eval_dataset)
    if eval_dataset is None:
        evaluate = None
    else:
        evaluate = _evaluation(eval_dataset, metrics, base or train_type)
    validate_axes(configs.values(), train_type, train_mode)
    sources = load_sources(dataset)
    data = sources[0][0] if len(sources) == 1 else dataset
    trainers = {
        label: TRAINER_CLASSES[train_mode](
            train_type,
            data,
            config,
            event_handler=None if event_handler is None else event_handler(label),
        )
        for label, config in configs.items()
    }
    if eval_dataset is not None:
        _warn_of_shared_rows(sources, questions_of(rows_of(eval_dataset)))
    return Sweep(trainers, parallel=parallel, again=again, evaluate=evaluate)


@dataclass(frozen=True)
class BestTraining:
    """The training whose model answers best, and its gain over the base model, corrected for having
    been chosen.

    Attributes:
        label: of the training.
        metric: that chose it, the first of the evaluation.
        candidates: number of models it was chosen from.
        gain: over the base model on the questions that chose it, too good for that; above 0 is
            better, whatever the metric.
        corrected: the gain to expect on new questions, see `mean_of_chosen`.
    """

    label: str
    metric: str
    candidates: int
    gain: float
    corrected: float


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is.

    Attributes:
        trainings: the progress of each, by its label.
        waiting: labels of those that have not been started.
        reused: labels of those that ran, or had a result, before.
        problems: why a training could not be started, by label.
        parallel: how many are trained at a time now.
        notice: why these are fewer than was wished, "" where they are not.
        started_at, ended_at: Unix seconds.
        is_stopped: the user has ended it.
        is_evaluating: the published models answer the questions.
        report: of the evaluation, the base model first; None without one.
        evaluation_error: why there is no report, though one was wished.
    """

    trainings: Mapping[str, TrainingProgress]
    waiting: tuple[str, ...] = ()
    reused: frozenset[str] = frozenset()
    problems: Mapping[str, str] = field(default_factory=dict)
    parallel: int = 1
    notice: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    is_stopped: bool = False
    is_evaluating: bool = False
    report: EvaluationResult | None = field(default=None, repr=False)
    evaluation_error: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether all trainings and the evaluation have ended."""
        return self.ended_at is not None

    @property
    def from_sandbox(self) -> bool:
        """Whether a training was the sandbox's."""
        return any(training.from_sandbox for training in self.trainings.values())

    @property
    def done(self) -> dict[str, TrainingProgress]:
        """The trainings that have a result."""
        return {
            label: training
            for label, training in self.trainings.items()
            if training.finished and not training.failed and not training.stopped
        }

    @property
    def lowest_loss(self) -> str:
        """The label of the training with the lowest validation loss, "" without any."""
        losses = {
            label: best.validation_loss
            for label, training in self.trainings.items()
            if (best := best_checkpoint(training.points)) is not None
            and best.validation_loss is not None
        }
        return min(losses, key=losses.__getitem__, default="")

    def choose(self) -> BestTraining | None:
        """Return the model that answers best; None without an evaluation of two models or with too
        few questions.
        """
        if (report := self.report) is None or len(report.models) < 3 or not report.metric_names:
            return None
        metric = report.metric_names[0]
        if report.metric_names[0] in report.lower_is_better:
            sign = -1.0
        else:
            sign = 1.0
        samples = [report.samples_of(model) for model in report.models]
        shared = [index for index in samples[0] if all(index in rows for rows in samples)]
        rows = [[sign * row[index].score(metric) for row in samples] for index in shared]
        answered = [row for row in rows if all(map(math.isfinite, row))]
        gains = [[score - base for score in scores] for base, *scores in answered]
        corrected = mean_of_chosen(gains)
        if math.isnan(corrected):
            return None
        means = [math.fsum(column) / len(gains) for column in zip(*gains, strict=True)]
        best = max(range(len(means)), key=means.__getitem__)
        return BestTraining(report.models[1 + best], metric, len(means), means[best], corrected)


class Sweep(BackgroundJob):
    """Trainings with different settings; made by `qfnb.sweep`.

    A training with the same data, model and settings that runs or has a result is taken over: the
    same cell after a kernel restart trains nothing twice.

    Attributes:
        trainers: the trainer of each training, by its label.
    """

    def __init__(
        self,
        trainers: Mapping[str, LLMFinetune],
        *,
        parallel: int = DEFAULT_PARALLEL,
        again: bool = False,
        evaluate: Callable[[Mapping[str, LLMFinetune]], EvaluationRun] | None = None,
    ) -> None:
        super().__init__()
        self.trainers = dict(trainers)
        self._wished_parallel = self._parallel = parallel
        self._again = again
        self._evaluate = evaluate
        self._running = list[str]()
        self._waiting = deque(self.trainers)
        self._reused = set[str]()
        self._problems = dict[str, str]()
        self._changed = event_loop.InterruptSafeEvent()
        self._stop = event_loop.InterruptSafeEvent()
        self._notice = self._evaluation_error = ""
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._evaluation: EvaluationRun | None = None
        self._report: EvaluationResult | None = None

    def estimate(self) -> str:
        """Return the size of the sweep as a line: its trainings, their tokens and the price."""
        actions = [
            action
            for trainer in self.trainers.values()
            for action in trainer.actions
            if isinstance(action, TrainAction)
        ]
        count = trn("{n} training", "{n} trainings", len(actions))
        parts = [count, tr("{n} at a time", n=self._wished_parallel)]
        data = _load_step(next(iter(self.trainers.values()))).dataset
        if isinstance(data, Dataset) and data.is_fetched:
            tokens, _ = estimate_tokens(data.rows, data.schema)
            total = sum(map(_passes, actions)) * (tokens or 0)
            parts.append(tr("{n} tokens to train on", n=f"{total:,.0f}"))
        if connect.current_platform().name == "sandbox":
            parts.append(tr("free in the sandbox"))
        else:
            parts.append(tr("the price is on the platform's console"))
        return " · ".join(parts)

    def start(self) -> Self:
        """Start, and return at once; a sweep that has ended starts what failed or was stopped.

        Raises:
            InvalidArgumentError: it is running already.
        """
        if self.is_running:
            raise InvalidArgumentError(
                tr("this sweep is running already: wait() for it, or stop() it")
            )
        self._stop.clear()
        self._waiting = deque(label for label in self.trainers if label not in self.progress.done)
        self._problems = {}
        self._notice = ""
        self._parallel = self._wished_parallel
        self._started_at = time.time()
        self._ended_at = None
        self._start_thread(self._run, "qfnb-sweep")
        return self

    def run(self) -> Self:
        """Start, and wait for the end."""
        return self.start().wait()

    def wait(self, timeout: float | None = None) -> Self:
        """Wait for the end, at most `timeout` seconds; a training that fails does not raise, its
        row says so.

        Raises:
            InvalidArgumentError: it was not started.
            TrainingError: no training has a result.
        """
        if self._future is None:
            raise InvalidArgumentError(tr("the sweep was not started: call start() or run()"))
        self._wait_for_end(timeout)
        return self

    def stop(self) -> Self:
        """Stop all trainings that run, start no others, and ask no more questions."""
        self._stop.set()
        if self._evaluation is not None:
            self._evaluation.cancel()
        for label in [*self._running]:
            self.trainers[label].stop()
        self._changed.set()
        return self

    def cancel(self) -> None:
        """Stop the sweep, as `stop` does."""
        self.stop()

    @property
    def progress(self) -> SweepProgress:
        """The progress so far, as a value."""
        return SweepProgress(
            {label: trainer.progress for label, trainer in self.trainers.items()},
            tuple(self._waiting),
            frozenset(self._reused),
            dict(self._problems),
            self._parallel,
            self._notice,
            self._started_at,
            self._ended_at,
            self._stop.is_set(),
            self._evaluation is not None and self._report is None and self._ended_at is None,
            self._report,
            self._evaluation_error,
        )

    @property
    def report(self) -> EvaluationResult | None:
        """The evaluation of every published model against the base, None before its end or without
        questions.
        """
        return self._report

    @property
    def best(self) -> LLMFinetune | None:
        """The trainer whose model answers best, without an evaluation that with the lowest
        validation loss.
        """
        progress = self.progress
        choice = progress.choose()
        return self.trainers.get(choice.label if choice is not None else progress.lowest_loss)

    def curves(self) -> pd.DataFrame:
        """Return the loss curves of all trainings as one table, with their labels and settings."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        frames = [
            trainer.curves().assign(training=label) for label, trainer in self.trainers.items()
        ]
        return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)

    def __repr__(self) -> str:
        progress = self.progress
        return f"<Sweep of {len(progress.trainings)} trainings: {len(progress.done)} done>"

    def _on_interrupt(self) -> str:
        return tr("the sweep goes on; stop() ends all its trainings, wait() waits again")

    def _run(self) -> None:
        try:
            self._train_all()
            published = {
                label: row
                for label, row in self.trainers.items()
                if row.output.get("model") is not None
            }
            if self._evaluate is not None and published and not self._stop.is_set():
                self._compare(published)
        finally:
            self._ended_at = time.time()
        if not self.progress.done and not self._stop.is_set():
            reasons = [
                *self._problems.values(),
                *(row.error for row in self.progress.trainings.values() if row.error),
            ]
            raise TrainingError(
                tr(
                    "no training of the sweep has a result: {reason}",
                    reason=next(iter(reasons), ""),
                )
            )

    def _train_all(self) -> None:
        while self._running or (self._waiting and not self._stop.is_set()):
            self._changed.clear()
            # trainings outside of the sweep hold the account's limit
            if self._collect_ended() and not self._running:
                self._stop.wait(settings().train_status_polling_interval)
            while self._waiting and len(self._running) < self._parallel and not self._stop.is_set():
                self._begin(self._waiting.popleft())
            if self._running:
                self._changed.wait()

    def _collect_ended(self) -> bool:
        """Take note of the trainings that have ended; return whether one has to wait for the
        account's limit.
        """
        is_refused = False
        for label in [label for label in self._running if not self.trainers[label].is_running]:
            self._running.remove(label)
            if (reason := _limit_reason(self.trainers[label])) and not self._stop.is_set():
                self._waiting.appendleft(label)
                self._notice = reason
                is_refused = True
        if is_refused:
            self._parallel = max(1, len(self._running))
        return is_refused

    def _begin(self, label: str) -> None:
        """Start a training, or take over the one that exists."""
        try:
            trainer = self._take_over(label)
            if not trainer.is_running and not _has_ended_well(trainer):
                if trainer.progress.started_at is None:
                    self._bring_data(trainer)
                trainer.start(retry=trainer.progress.finished)
        except QianfanError as error:
            self._problems[label] = str(error)
            return
        if trainer.is_running:
            _live_trainers[trainer.id] = trainer
            self._running.append(label)
            trainer.call_at_end(self._changed.set)
            if self._stop.is_set():
                trainer.stop()

    def _take_over(self, label: str) -> LLMFinetune:
        """Return the trainer of a label: that of the same training, where there is one already."""
        trainer = self.trainers[label]
        if self._again:
            record = None
        else:
            record = trainer.find_same()
        if record is None:
            return trainer
        live = _live_trainers.get(record.id)
        same = self.trainers[label] = (
            live if live is not None and live.is_running else trainer.adopt(record)
        )
        self._reused.add(label)
        for handler in trainer.event_handlers:
            if same is not trainer:
                same.add_event_handler(handler)
            if isinstance(handler, Tracker):
                handler.log_progress(same.progress)
        return same

    def _bring_data(self, trainer: LLMFinetune) -> None:
        """Upload the rows once, before trainings that run at a time would each do it."""
        load = _load_step(trainer)
        for source in (load.dataset, *(source for source, _ in load.sources)):
            if isinstance(source, Dataset):
                source.release(stop_event=self._stop)

    def _compare(self, published: Mapping[str, LLMFinetune]) -> None:
        """Ask the base model and every published model the questions; what goes wrong is told, not
        raised.
        """
        assert self._evaluate is not None
        try:
            self._evaluation = self._evaluate(published)
            self._report = with_statistics(self._evaluation.report())
        except QianfanError as error:
            self._evaluation_error = str(error)


def _limit_reason(trainer: LLMFinetune) -> str:
    """Return the platform's refusal of a training for the account's limit, "" for anything else."""
    if not trainer.result:
        error = None
    else:
        error = trainer.result[0].get("error")
    if not isinstance(error, APIError) or trainer.progress.task_id:
        return ""
    code = str(error.error_code).lower()
    is_limit = isinstance(error, RateLimitError) or any(word in code for word in LIMIT_WORDS)
    if is_limit:
        return str(error).split("\n")[0]
    return ""


def _has_ended_well(trainer: LLMFinetune) -> bool:
    return trainer.progress.finished and trainer.ppls[0].current is None


def _load_step(trainer: LLMFinetune) -> LoadDataSetAction:
    return next(action for action in trainer.actions if isinstance(action, LoadDataSetAction))


def _passes(action: TrainAction) -> float:
    """Return how often a training reads its rows: by its config or the platform's default."""
    config = action.train_config
    epochs = config.hyper_parameters().get("epoch")
    if epochs is None:
        try:
            config = default_config(action.train_type, action.train_mode, read_offer())
            epochs = config.hyper_parameters().get("epoch")
        except InvalidArgumentError:  # the platform does not list the model
            epochs = None
    return (epochs or 1) * (1 - action.train_config.trainset_rate / 100)


def expand_grid(grid: Grid, base: TrainConfig) -> dict[str, TrainConfig]:
    """Return the configs of a grid by label, such as "learning_rate=0.0003, epoch=1".

    Args:
        grid: configs, dictionaries over `base`, or lists of values by hyper-parameter: every
            combination is a config.
        base: what the grid does not say.

    Raises:
        InvalidArgumentError: it is no grid, has fewer than two configs or more than
            `MAX_TRAININGS`, or one twice.
    """
    rows = _combine(grid) if isinstance(grid, Mapping) else grid
    if isinstance(rows, str) or not isinstance(rows, Sequence):
        raise InvalidArgumentError(
            tr(
                "a sweep takes a list of TrainConfigs or a grid such as {example}, not a {kind}",
                example='{"learning_rate": [1e-4, 3e-4]}',
                kind=type(grid).__name__,
            )
        )
    if not 2 <= len(rows) <= MAX_TRAININGS:
        raise InvalidArgumentError(
            tr(
                "the grid has {n} trainings: a sweep has 2 to {limit}",
                n=f"{len(rows):,}",
                limit=MAX_TRAININGS,
            )
        )
    configs = [_over(base, row) for row in rows]
    settings = [_settings(config) for config in configs]
    differing = _differing(settings)
    labels = [
        ", ".join(f"{name}={_value(row[name])}" for name in differing if name in row)
        or tr("defaults")
        for row in settings
    ]
    if repeated := next((label for label, count in Counter(labels).items() if count > 1), None):
        raise InvalidArgumentError(
            tr("the grid has {label} twice: each training once", label=repeated)
        )
    return dict(zip(labels, configs, strict=True))


def validate_axes(configs: Iterable[TrainConfig], train_type: str, mode: str) -> None:
    """Raise if the configs differ in a hyper-parameter that the sandbox does not imitate.

    Args:
        configs: of the trainings.
        train_type: the model to tune.
        mode: SFT, PostPretrain, DPO or KTO.

    Raises:
        InvalidArgumentError: names the hyper-parameters; trainings that differ in nothing else
            would be the same.
    """
    configs = list(configs)
    offer = read_offer()
    ignored = {
        to_snake(row.key)
        for config in configs
        for row in ignored_parameters(train_type, config, offer, mode)
    }
    axes = [
        name for name in _differing([_settings(config) for config in configs]) if name in ignored
    ]
    if axes:
        raise InvalidArgumentError(
            tr(
                "{problem}. A sweep over it compares a model with itself: leave it out, or sweep "
                "on the platform.",
                problem=describe_ignored(axes),
            )
        )


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        name
        for name in dict.fromkeys(itertools.chain(*settings))
        if len(_values(settings, name)) > 1
    ]


def _combine(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    for name, values in grid.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InvalidArgumentError(
                tr(
                    "{name}={value}: a grid has a list of values for each name",
                    name=name,
                    value=repr(values),
                )
            )
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _over(base: TrainConfig, row: Any) -> TrainConfig:
    """Return the config of a row; a dictionary changes the base."""
    if not isinstance(row, Mapping):
        return to_train_config(row)
    names = {to_snake(str(key)): value for key, value in row.items()}
    fields = {name: value for name, value in names.items() if name in TrainConfig.model_fields}
    extras = {to_snake(name): value for name, value in (base.extras or {}).items()}
    extras |= {name: value for name, value in names.items() if name not in fields}
    return TrainConfig(
        **{
            **base.model_dump(),
            **fields,
            "extras": {**extras, **(fields.get("extras") or {})} or None,
        }
    )


def _settings(config: TrainConfig) -> dict[str, Any]:
    settings = {to_snake(name): value for name, value in config.hyper_parameters().items()}
    names = ("peft_type", "trainset_rate", "sampling_rate", "corpus_config", "resource_config")
    return settings | {
        name: value for name in names if (value := getattr(config, name)) is not None
    }


def _values(settings: Sequence[Mapping[str, Any]], name: str) -> set[str]:
    return {json.dumps(row.get(name), sort_keys=True, default=str) for row in settings}


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _warn_of_shared_rows(sources: SampledSources, questions: Sequence[Question]) -> None:
    """Warn of questions of the evaluation that are trained on, word for word."""
    trained = {
        " ".join(text.split())
        for source, _ in sources
        if isinstance(source, Dataset) and source.is_fetched
        for text in input_texts(source.rows, source.schema)
    }
    shared = [question for question in questions if " ".join(question.prompt.split()) in trained]
    if not shared:
        return
    first = tr("; ").join(
        labelled(tr("row {index}", index=question.index), clip(question.prompt, 40))
        for question in shared[:3]
    )
    warnings.warn(
        trn(
            "{n} of {total} evaluation rows is trained on, too: its score will look too good. "
            "{first}",
            "{n} of {total} evaluation rows are trained on, too: their scores will look too good. "
            "{first}",
            len(shared),
            total=f"{len(questions):,}",
            first=f"{first}…" if len(shared) > 3 else first,
        ),
        stacklevel=3,
    )


def _evaluation(
    rows: Any, metrics: Sequence[Any], base: str
) -> Callable[[Mapping[str, LLMFinetune]], EvaluationRun]:
    """Return a function that starts the evaluation of trainers by label against the base model.

    Raises:
        InvalidArgumentError: there are no rows, a metric is unknown, or the base model cannot be
            asked.
    """
    manager = EvaluationManager(local_evaluators=resolve_evaluators(metrics))
    name = resolve_train_type(base)
    service = Service(model=name, name=name)
    service.get_res().resolve_target(None, None)
    table = rows_of(rows)
    if table:
        questions = questions_of(table)
    else:
        questions = []
    needs_reference = any(evaluator.needs_reference for evaluator in manager.local_evaluators)
    if not questions or (needs_reference and not all(question.reference for question in questions)):
        raise InvalidArgumentError(
            tr("eval_dataset needs rows with prompt and response: the metrics compare with it")
        )

    def start(published: Mapping[str, LLMFinetune]) -> EvaluationRun:
        return manager.start({name: service, **published}, rows)

    return start
