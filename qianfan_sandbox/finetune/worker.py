"""The job that trains a run; runs are trained one after the other.

After a crash the next server trains unfinished runs again from the start, which gives the same
model; a run during which the server ended too often fails.
"""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from qfnb.base.language import tr, tr_noop
from qfnb.wire import finetune as wire

from .. import rows, storage
from ..engines.protocol import Pair, Preference, Step
from ..rows import RowParser
from ..state.store import Document, Store
from ..state.world import World, job_handler

if TYPE_CHECKING:
    from ..engines.builtin.model import LanguageModel

PREPARING_PERCENT = 10
"""Percent of a run's progress for the preparation of the engine, if it needs any."""

TRAINED_PERCENT = 95
"""Percent of a run's progress after its last step: then the model answers held-out rows."""

MAX_CHECKPOINTS = 10
"""Checkpoints that are kept of a run whose model has no `checkpointCount`: one per epoch."""


PARAMETERS = frozenset(
    {
        "checkpointSaveStrategy",
        "saveStep",
        "checkpointCount",
        "earlyStopping",
        "earlyStoppingThreshold",
        "earlyStoppingPatience",
    }
)
"""The platform's hyper-parameters that decide about checkpoints and the early end of a run,
whatever its engine.
"""


def checkpoint_name(task_id: str, step: int) -> str:
    """Return the name of a checkpoint, under which its weights are kept as those of a run are."""
    return f"{task_id}-{step}"


def weights_name(task: Document, step: int | None, last_step: int | None) -> str | None:
    """Return the name under which a run's weights at a step are kept, None if they are not.

    Args:
        task: the run.
        step: the step, None for the last one.
        last_step: the last step of its curve.
    """
    if step is None or step == last_step:
        return str(task["id"])
    if step in task.get("checkpoints", ()):
        return checkpoint_name(task["id"], step)
    return None


def weights_names(task: Document) -> list[str]:
    """Return all names under which weights of a run are kept."""
    steps = task.get("checkpoints", ())
    return [task["id"], *(checkpoint_name(task["id"], step) for step in steps)]


class RunRecorder:
    """The observer of a run: it records each step, and returns whether to continue.

    Beside the checkpoints that `checkpointSaveStrategy`, `saveStep` and `checkpointCount` ask for,
    the one with the lowest validation loss is kept.

    Attributes:
        rewards: the last rewards of a training on preferences, as metrics.
        early_stop: the reason of an early stop, "" for none.
    """

    def __init__(self, store: Store, task: Document, should_stop: Callable[[], bool]) -> None:
        self._store = store
        self._task = task
        self._should_stop = should_stop
        self._values = task["hyper_parameters"]
        self._prepared = 0
        self._noted = ("", 0)
        self._saved: list[int] = []
        self._best_step = 0
        self._best_loss = math.inf
        self._reference_loss = math.inf
        self._stale = 0
        self.rewards: dict[str, float] = {}
        self.early_stop = ""

    def __call__(self, step: Step) -> bool:
        """Record a step."""
        task_id = self._task["id"]
        fraction = min(1.0, step.step / max(step.total_steps, 1))
        if step.phase == "preparing":
            self._prepared = max(self._prepared, round(PREPARING_PERCENT * fraction))
            self._note(step.phase, self._prepared)
            return not self._should_stop()
        if step.quiet:
            return not self._should_stop()
        self._store.add_point(task_id, _loss_point(step, self._task))
        for name, value in step.rewards.items():
            self.rewards[f"rewards/{name}"] = round(value, 4)
        self._keep_checkpoints(step)
        self._judge_validation(step)
        percent = self._prepared + round((TRAINED_PERCENT - self._prepared) * fraction)
        self._note(step.phase, percent)
        return not (self._should_stop() or self.early_stop)

    def _note(self, phase: str, percent: int) -> None:
        """Store how far the run is, if that is news."""
        if (phase, percent) != self._noted:
            self._noted = phase, percent
            self._store.update(self._task["id"], phase=phase, percent=percent)

    def _keep_checkpoints(self, step: Step) -> None:
        """Keep the weights of a step that is due or the best, and delete those that are neither any
        more.
        """
        before = {*self._saved, self._best_step} - {0}
        is_best = step.validation_loss is not None and step.validation_loss < self._best_loss
        if is_best:
            self._best_step = step.step
            self._best_loss = step.validation_loss or 0.0
        if self._is_due(step):
            count = int(self._values.get("checkpointCount", MAX_CHECKPOINTS))
            self._saved = [*self._saved, step.step][-count:]
        current = {*self._saved, self._best_step} - {0}
        if current == before or step.snapshot is None or step.step == step.total_steps:
            return
        if step.step in current:
            name = checkpoint_name(self._task["id"], step.step)
            self._store.write_file(f"{name}.npz", step.snapshot())
        self._store.update(self._task["id"], checkpoints=sorted(current))
        for outdated in before - current:
            self._store.remove_file(f"{checkpoint_name(self._task['id'], outdated)}.npz")

    def _is_due(self, step: Step) -> bool:
        if self._values.get("checkpointSaveStrategy") == "step":
            return step.step % int(self._values.get("saveStep", 64)) == 0
        return step.epoch > 0 and math.isclose(
            step.epoch % self._task["passes_per_epoch"], 0, abs_tol=1e-6
        )

    def _judge_validation(self, step: Step) -> None:
        """Decide on an early stop: the validation loss has not fallen by the threshold for some
        validations.
        """
        values = self._values
        if step.validation_loss is None or values.get("earlyStopping") not in {True, "True"}:
            return
        threshold = float(values.get("earlyStoppingThreshold", 0.01))
        if step.validation_loss < self._reference_loss - threshold:
            self._reference_loss = step.validation_loss
            self._stale = 0
            return
        self._stale += 1
        if self._stale >= int(values.get("earlyStoppingPatience", 3)):
            self.early_stop = (
                f"early stop at step {step.step}: the validation loss was lowest "
                f"at {self._best_step}"
            )


def _loss_point(step: Step, task: Document) -> Document:
    """Return a point of a run's loss curve; the perplexity is that of the validation."""
    point: Document = {
        "step": step.step,
        "epoch": round(step.epoch / task["passes_per_epoch"], 3),
        "trainingLoss": round(step.training_loss, 5),
    }
    if step.rewards:
        point["rewards"] = {name: round(value, 5) for name, value in step.rewards.items()}
    if step.validation_loss is not None:
        if task["mode"] not in PREFERENCE_LOSSES:
            point["perplexity"] = round(math.exp(min(step.validation_loss, 50)), 5)
        point["validationLoss"] = round(step.validation_loss, 5)
    return point


WAITING = "Waiting"
RUNNING = "Running"
DONE = "Done"
FAILED = "Failed"
STOPPED = "Stopped"
FINAL_STATUSES = {DONE, FAILED, STOPPED}

MAX_STARTS = 3
KILLED_MESSAGE = tr_noop(
    "the sandbox ended three times while training this, perhaps for lack of memory: close other "
    "programs, "
    "then start the run again"
)

_LOCK = threading.Lock()
"""Held while the status of a run changes."""

POLL_SECONDS = 0.05  # of waiting until a run may start, between two looks at whether it is stopped


def stop_run(world: World, task_id: str) -> bool:
    """Stop a run; return whether it had not ended yet."""
    with _LOCK:
        task = world.store.get("task", task_id)
        if task is None or task["status"] in FINAL_STATUSES:
            return False
        if task["status"] == WAITING:
            _finish(world, task_id, STOPPED)
        else:
            world.store.update(task_id, stopping=True)
    return True


@job_handler("task", queue="trainings")
def train_run(world: World, task: Document) -> Iterator[None]:
    """Train a run once the clock lets it start; one that an earlier server left starts anew."""
    store = world.store
    id_ = str(task["id"])
    if task["stopping"]:
        _finish(world, id_, STOPPED)
        return
    if task["starts"] >= MAX_STARTS:
        _finish(world, id_, FAILED, message=tr(KILLED_MESSAGE))
        return
    if task["status"] == RUNNING:
        store.drop_points(id_)
        store.update(id_, status=WAITING, phase="", percent=0, checkpoints=[])
    while not world.clock.wait_until(task["plan"][-2][1], POLL_SECONDS):
        yield
    with _LOCK:
        # it may have been stopped, and deleted, before its turn
        task = store.get("task", id_) or {"status": STOPPED}
        if task["status"] != WAITING:
            return
        starts = task["starts"] + 1
        store.update(id_, status=RUNNING, started=world.clock.now(), starts=starts)
    is_closing = world.queues["trainings"].closing.is_set

    def is_stopped() -> bool:
        return bool((store.get("task", id_) or {}).get("stopping"))

    recorder = RunRecorder(store, task, lambda: is_closing() or is_stopped())
    model, held_out = _train_model(world, task, recorder)
    if is_closing():  # an orderly end does not count as a crash
        store.update(id_, status=WAITING, starts=starts - 1)
        return
    store.write_file(f"{id_}.npz", model.save())
    metrics: Document = dict(recorder.rewards)
    if not is_stopped() and not task["texts"]:
        from .scores import platform_metrics  # noqa: PLC0415

        metrics |= {**platform_metrics(model, held_out), **model.metrics}
    with _LOCK:
        if is_stopped():
            _finish(world, id_, STOPPED)
        else:
            message = recorder.early_stop
            _finish(world, id_, DONE, percent=100, metrics=metrics, message=message)


def _train_model(
    world: World, task: Document, recorder: RunRecorder
) -> tuple[LanguageModel, list[Pair]]:
    """Return the model of a run, and the held-out pairs."""
    from ..engines.builtin import model, preferences, training  # noqa: PLC0415 - numpy

    base = None
    if task["base"]:
        weights = world.store.read_file(f"{task['base']}.npz")
        base = model.LanguageModel.load(weights or b"")
    values = training.Hyperparameters(**task["effective"])
    if (loss := PREFERENCE_LOSSES.get(task["mode"])) is None:
        pairs, held_out = load_pairs(world.store, task)
        trained = training.train(
            pairs,
            hyperparameters=values,
            validation=held_out,
            observer=recorder,
            initial_model=base,
        )
        return trained, held_out
    rows, held_out_rows, earlier_pairs = load_preferences(world.store, task)
    trained = preferences.train_preferences(
        rows,
        loss,
        hyperparameters=values,
        validation=held_out_rows,
        observer=recorder,
        initial_model=base,
        earlier_pairs=earlier_pairs,
    )
    return trained, [(row.prompt, row.chosen) for row in held_out_rows if row.chosen]


def _finish(world: World, task_id: str, status: str, **fields: Any) -> None:
    world.store.update(task_id, status=status, finished=world.clock.now(), **fields)


RowT = TypeVar("RowT")

BOS_PREFIX = "bos:/"
CONVERSATION_FORMAT = "PromptResponse"
PREFERENCE_FORMAT = "KTO_PromptChosenRejected"

PREFERENCE_LOSSES: dict[str, Literal["DPO", "KTO"]] = {wire.DPO: "DPO", wire.KTO: "KTO"}
"""The train modes that learn from preferences, and their losses."""

MIN_ROWS_FOR_VALIDATION = 10
"""Fewer rows are all used for training."""

_SENTENCE_END = re.compile(r"(?<=[。！？!?；\n])|(?<=\.\s)")


def load_pairs(store: Store, task: Document) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs for training and those held out, of the run and of those whose data it
    shares.
    """
    pairs = _sampled(read_pairs, store, sources_of(task))
    if task["texts"]:
        pairs = continuation_pairs(pairs)
    return split_validation(pairs, task["split_ratio"])


def load_preferences(
    store: Store, task: Document
) -> tuple[list[Preference], list[Preference], list[Pair]]:
    """Return the preferences for training, those held out, and the pairs of the runs whose data it
    shares.
    """
    sources = sources_of(task)
    before = task["before"]
    rows = _sampled(read_preferences, store, sources[before:])
    earlier_pairs = list(filter(all, _sampled(read_pairs, store, sources[:before])))
    train_rows, held_out_rows = split_validation(rows, task["split_ratio"])
    return train_rows, held_out_rows, earlier_pairs


def _sampled(
    reader: Callable[[Store, str], list[RowT]], store: Store, sources: Sequence[tuple[str, float]]
) -> list[RowT]:
    """Return the rows of sources, each source sampled at its rate."""
    sampled: list[RowT] = []
    for source, rate in sources:
        sampled += sample(reader(store, source), rate)
    return sampled


def read_pairs(store: Store, source: str) -> list[Pair]:
    """Return the pairs of a dataset or an object; a text has no prompt, a prompt no response.

    Raises:
        ValueError: it does not exist, or has an invalid line.
    """
    source_rows = _read_rows(store, source, CONVERSATION_FORMAT, PREFERENCE_FORMAT)
    return [rows.last_pair(row) for row in source_rows]


def read_preferences(store: Store, source: str) -> list[Preference]:
    """Return the preferences of a dataset or an object; of a ranking each answer but the best is
    rejected once.

    Raises:
        ValueError: it does not exist, or has an invalid line.
    """
    preferences = []
    for row in _read_rows(store, source, PREFERENCE_FORMAT):
        for judged in rows.judged_answers(row):
            preferences.append(Preference(*judged))
    return preferences


def is_usable(row: Pair | Preference, mode: str) -> bool:
    """Return whether a train mode learns from a row."""
    if isinstance(row, Preference):
        if mode == wire.DPO:
            return bool(row.chosen and row.rejected)
        return bool(row.chosen or row.rejected)
    prompt, response = row
    return bool(response) and bool(prompt) != (mode == wire.POST_PRETRAIN)


def sample(rows: Sequence[RowT], rate: float) -> list[RowT]:
    """Return a share of the rows, evenly spread, or for rates above 1 all of them several times."""
    repeats, fraction = divmod(rate, 1)
    sampled = [*rows] * int(repeats)
    for index, row in enumerate(rows):
        if math.floor((index + 1) * fraction) > math.floor(index * fraction):
            sampled.append(row)
    return sampled


def continuation_pairs(texts: Sequence[Pair]) -> list[Pair]:
    """Return each sentence of the texts with the next one, and of a single sentence its two
    halves.
    """
    result: list[Pair] = []
    for _, text in texts:
        sentences = [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]
        if len(sentences) < 2:
            middle = len(text) // 2
            sentences = [text[:middle], text[middle:]]
        result += filter(all, itertools.pairwise(sentences))
    return result


def split_validation(rows: Sequence[RowT], percent: int) -> tuple[list[RowT], list[RowT]]:
    """Return the rows for training and, at a fixed stride, those held out for validation."""
    if percent <= 0 or len(rows) < MIN_ROWS_FOR_VALIDATION:
        return [*rows], []
    stride = max(2, round(100 / min(percent, 50)))
    train_rows = list(rows)
    del train_rows[stride - 1 :: stride]
    return train_rows, list(rows[stride - 1 :: stride])


def sources_of(task: Document) -> list[tuple[str, float]]:
    """Return the datasets and objects of a run, each with its sampling rate."""
    return list(zip(task["datasets"], task["rates"], strict=True))


def _read_rows(store: Store, source: str, *data_formats: str) -> list[Any]:
    """Return the rows of a dataset, or of an object in the first format that has no invalid
    line.
    """
    if source.startswith(BOS_PREFIX):
        content = storage.read_object(store, source)
        if content is None:
            raise ValueError(f"{source} does not exist")
        if source.endswith(".txt"):
            data_formats = (rows.TEXT,)
        problems: list[rows.Problem] = []
        for data_format in data_formats:
            parser = RowParser(data_format, annotated=True)
            parser.parse_file(source.rpartition("/")[2], content)
            if not parser.problems:
                return [row for _, row in parser.named_rows]
            problems += parser.problems
        raise ValueError(rows.describe(problems[0]))
    dataset = store.get("dataset", source)
    if dataset is None:
        raise ValueError(f"{source} does not exist")
    return [entity.row for entity in rows.iter_entities(store, dataset)]
