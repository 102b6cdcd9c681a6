"""Sweeps: trainings on the same data with different settings, run within a limit and compared at
the end.

A training with the same data, model and settings that runs or has a result is taken over, so that
the same cell after a kernel restart trains nothing twice.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic.alias_generators import to_snake

from .. import connect
from .._jobs.background_job import BackgroundJob
from ..base.language import tr, trn
from ..dataset.quality import estimate_tokens, find_near_duplicates, input_texts
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError, QianfanError, TrainingError
from ..evaluation import EvaluationManager
from ..evaluation.background import with_statistics
from ..evaluation.manager import DEFAULT_METRICS, resolve_evaluators
from ..evaluation.report import EvaluationResult
from ..evaluation.run import EvaluationRun
from ..evaluation.samples import Question, as_rereadable, questions_of, rows_of
from ..evaluation.stats.variation import mean_of_chosen
from ..model import Service
from ..resources.validation import validate_choice
from ..transport import event_loop
from .actions import DataSource, LoadDataSetAction, Source, load_sources
from .base import find_action
from .configs import TrainConfig, resolve_train_type, to_train_config
from .finetune import TRAINER_CLASSES, LLMFinetune
from .loss_diagnostics import best_checkpoint
from .offer import default_config, describe_ignored, ignored_parameters, read_offer
from .progress import TrainingProgress
from .train_action import TrainAction

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_PARALLEL: Final = 2
"""Trainings at a time, where the user does not say."""

MAX_TRAININGS: Final = 100
"""Trainings of a sweep: more are a typing error in a grid rather than a wish."""

Grid = Sequence[TrainConfig | Mapping[str, Any]] | Mapping[str, Sequence[Any]]
"""Configs, or what each hyper-parameter is to be: {"learning_rate": [1e-4, 3e-4], "epoch": [1,
3]}.
"""


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
        parallel: trainings at a time; what the account's limit refuses fails, and `start()` tries
            it again.
        eval_dataset: rows that are not trained on; every published model and the base model answer
            them at the end.
        metrics: as for `qfnb.compare`; the first chooses.
        base: the model to compare with; default: `train_type`.
        again: train anew what exists already.

    Raises:
        InvalidArgumentError: the data, a config or a metric is wrong; nothing was started.
    """
    if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1:
        raise InvalidArgumentError(
            tr("parallel={value}: pass a number of trainings, 1 or more", value=repr(parallel))
        )
    configs = expand_grid(grid, to_train_config(train_config))
    validate_choice("train_mode", train_mode, TRAINER_CLASSES)
    evaluate = None
    if eval_dataset is not None:
        eval_dataset = as_rereadable(eval_dataset)
        evaluate = _evaluation(eval_dataset, metrics, base or train_type)
    _validate_axes(configs.values(), train_type, train_mode)
    sources = load_sources(dataset)
    data = sources[0] if len(sources) == 1 else dataset
    trainers = {}
    for label, config in configs.items():
        trainers[label] = TRAINER_CLASSES[train_mode](train_type, data, config)
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
        parallel: how many are trained at a time.
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
        losses = {}
        for label, training in self.trainings.items():
            best = best_checkpoint(training.points)
            if best is not None and best.validation_loss is not None:
                losses[label] = best.validation_loss
        return min(losses, key=losses.__getitem__, default="")

    def choose(self) -> BestTraining | None:
        """Return the model that answers best; None without an evaluation of two models or with too
        few questions.
        """
        if (report := self.report) is None or len(report.models) < 3 or not report.metric_names:
            return None
        metric = report.metric_names[0]
        sign = -1.0 if metric in report.lower_is_better else 1.0
        base, *others = (report.samples_of(model) for model in report.models)
        gains = []
        for index, sample in base.items():
            row = []
            for samples in others:
                if index in samples:
                    score = samples[index].score(metric)
                    row.append(sign * (score - sample.score(metric)))
            if len(row) == len(others) and all(map(math.isfinite, row)):
                gains.append(row)
        corrected = mean_of_chosen(gains)
        if math.isnan(corrected):
            return None
        means = [math.fsum(column) / len(gains) for column in zip(*gains, strict=True)]
        best = means.index(max(means))
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
        self._parallel = parallel
        self._again = again
        self._evaluate = evaluate
        self._running = list[str]()
        self._waiting = deque(self.trainers)
        self._changed = event_loop.InterruptSafeEvent()
        self._stop = event_loop.InterruptSafeEvent()
        self._evaluation: EvaluationRun | None = None
        self._state = SweepProgress({}, parallel=parallel)

    def estimate(self) -> str:
        """Return the size of the sweep as a line: its trainings, their tokens and the price."""
        count = trn("{n} training", "{n} trainings", len(self.trainers))
        parts = [count, tr("{n} at a time", n=self._parallel)]
        load = find_action(next(iter(self.trainers.values())).actions, LoadDataSetAction)
        data = load.dataset if load else None
        if data is not None and data.is_fetched:
            tokens, _ = estimate_tokens(data.rows, data.schema)
            total = sum(map(_passes, self.trainers.values())) * tokens
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
        self._state = replace(self._state, problems={}, started_at=time.time(), ended_at=None)
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
        return replace(
            self._state,
            trainings={label: trainer.progress for label, trainer in self.trainers.items()},
            waiting=tuple(self._waiting),
            is_stopped=self._stop.is_set(),
        )

    @property
    def report(self) -> EvaluationResult | None:
        """The evaluation of every published model against the base, None before its end or without
        questions.
        """
        return self._state.report

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

        frames = [row.curves().assign(training=label) for label, row in self.trainers.items()]
        return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)

    def __repr__(self) -> str:
        progress = self.progress
        return f"<Sweep of {len(progress.trainings)} trainings: {len(progress.done)} done>"

    def _on_interrupt(self) -> str:
        return tr("the sweep goes on; stop() ends all its trainings, wait() waits again")

    def _run(self) -> None:
        try:
            self._train_all()
            trainers = self.trainers.items()
            published = {label: row for label, row in trainers if row.output.get("model")}
            if self._evaluate is not None and published and not self._stop.is_set():
                self._compare(published)
        finally:
            self._state = replace(self._state, is_evaluating=False, ended_at=time.time())
        progress = self.progress
        if not progress.done and not self._stop.is_set():
            errors = [row.error for row in progress.trainings.values()]
            reasons = filter(None, [*progress.problems.values(), *errors])
            raise TrainingError(
                tr("no training of the sweep has a result: {reason}", reason=next(reasons, ""))
            )

    def _train_all(self) -> None:
        while self._running or (self._waiting and not self._stop.is_set()):
            self._changed.clear()
            self._running = [row for row in self._running if self.trainers[row].is_running]
            while self._waiting and len(self._running) < self._parallel and not self._stop.is_set():
                self._begin(self._waiting.popleft())
            if self._running:
                self._changed.wait()

    def _begin(self, label: str) -> None:
        """Start a training, or take over the one that exists."""
        try:
            trainer = self._take_over(label)
            if not trainer.is_running and not _has_ended_well(trainer):
                if trainer.progress.started_at is None:
                    # once, before trainings that run at a time would each upload the rows
                    load = find_action(trainer.actions, LoadDataSetAction)
                    for source in load.sources if load else ():
                        if isinstance(source, Dataset):
                            source.release(stop_event=self._stop)
                trainer.start(retry=trainer.progress.finished)
        except QianfanError as error:
            problems = {**self._state.problems, label: str(error)}
            self._state = replace(self._state, problems=problems)
            return
        if trainer.is_running:
            self._running.append(label)
            trainer.call_at_end(self._changed.set)
            if self._stop.is_set():
                trainer.stop()

    def _take_over(self, label: str) -> LLMFinetune:
        """Return the trainer of a label: that of the same training, where there is one already."""
        trainer = self.trainers[label]
        record = None if self._again else trainer.find_same()
        if record is not None:
            trainer.adopt(record)
            self._state = replace(self._state, reused=self._state.reused | {label})
        return trainer

    def _compare(self, published: Mapping[str, LLMFinetune]) -> None:
        """Ask the base model and every published model the questions; what goes wrong is told, not
        raised.
        """
        assert self._evaluate is not None
        try:
            self._evaluation = self._evaluate(published)
            self._state = replace(self._state, is_evaluating=True)
            self._state = replace(self._state, report=with_statistics(self._evaluation.report()))
        except QianfanError as error:
            self._state = replace(self._state, evaluation_error=str(error))


def _has_ended_well(trainer: LLMFinetune) -> bool:
    return trainer.progress.finished and trainer.ppls[0].current is None


def _passes(trainer: LLMFinetune) -> float:
    """Return how often a training reads its rows: by its config or the platform's default."""
    train = find_action(trainer.actions, TrainAction)
    assert train is not None
    epochs = train.train_config.epoch
    if epochs is None:
        # the platform may not list the model
        with contextlib.suppress(InvalidArgumentError):
            epochs = default_config(train.train_type, train.train_mode).epoch
    return (epochs or 1) * (1 - train.train_config.trainset_rate / 100)


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
    configs = [_merge_config(base, row) for row in rows]
    settings = [*map(_settings, configs)]
    differing = _differing(settings)
    labels = []
    for row in settings:
        texts = []
        for name in differing:
            if name in row:
                value = row[name]
                texts.append(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}")
        labels.append(", ".join(texts) or tr("defaults"))
    label, count = Counter(labels).most_common(1)[0]
    if count > 1:
        raise InvalidArgumentError(
            tr("the grid has {label} twice: each training once", label=label)
        )
    return dict(zip(labels, configs, strict=True))


def _validate_axes(configs: Iterable[TrainConfig], train_type: str, mode: str) -> None:
    """Raise if the configs differ in a hyper-parameter that the sandbox does not imitate.

    Raises:
        InvalidArgumentError: names the hyper-parameters; trainings that differ in nothing else
            would be the same.
    """
    offer = read_offer()
    ignored = set[str]()
    for config in configs:
        rows = ignored_parameters(train_type, config, offer, mode)
        ignored.update(to_snake(row.key) for row in rows)
    differing = _differing([*map(_settings, configs)])
    if axes := [name for name in differing if name in ignored]:
        raise InvalidArgumentError(
            tr(
                "{problem}. A sweep over it compares a model with itself: leave it out, or sweep "
                "on the platform.",
                problem=describe_ignored(axes),
            )
        )


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    differing = []
    for name in dict.fromkeys(itertools.chain(*settings)):
        values = {repr(row.get(name)) for row in settings}
        if len(values) > 1:
            differing.append(name)
    return differing


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


def _merge_config(base: TrainConfig, row: Any) -> TrainConfig:
    """Return the config of a row; a dictionary changes the base."""
    if not isinstance(row, Mapping):
        return to_train_config(row)
    settings = _settings(base) | {to_snake(str(key)): value for key, value in row.items()}
    return TrainConfig(**settings)


def _settings(config: TrainConfig) -> dict[str, Any]:
    """Return what a config sets, under names as in Python."""
    fields = config.model_dump(exclude_none=True)
    extras = fields.pop("extras", {})
    return {to_snake(name): value for name, value in (fields | extras).items()}


def _warn_of_shared_rows(sources: list[Source], questions: Sequence[Question]) -> None:
    """Warn of questions of the evaluation that nearly repeat what is trained on."""
    trained: list[str] = []
    for source in sources:
        if isinstance(source, Dataset) and source.is_fetched:
            trained += input_texts(source.rows, source.schema)
    overlap = find_near_duplicates([question.prompt for question in questions], trained)
    if trained and overlap.pair:
        text = f"{overlap.describe_overlap()} {overlap.describe_pair()}"
        warnings.warn(text, stacklevel=3)


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
    questions = questions_of(table) if table else []
    needs_reference = any(evaluator.needs_reference for evaluator in manager.local_evaluators)
    if not questions or (needs_reference and not all(question.reference for question in questions)):
        raise InvalidArgumentError(
            tr("eval_dataset needs rows with prompt and response: the metrics compare with it")
        )

    def start(published: Mapping[str, LLMFinetune]) -> EvaluationRun:
        return manager.start({name: service, **published}, rows)

    return start
