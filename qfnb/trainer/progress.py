"""The progress of a training as a value, folded from its events."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from ..wire import finetune as wire
from .consts import STATUS, ActionState, FinetuneStatus
from .event import Event
from .loss_diagnostics import LossPoint

Mark = tuple[float, float]
"""Unix seconds, and the percent (0-100) at that time."""

STAGE_BY_ACTION = {
    "LoadDataSetAction": "dataset",
    "TrainAction": "train",
    "ModelPublishAction": "publish",
    "DeployAction": "deploy",
    "EvaluateAction": "evaluate",
}

QUEUED_STATES = {"", wire.PENDING}
"""States of a run on the platform that has not started to train."""

MAX_LOG_LINES: Final = 300
MAX_MARKS: Final = 100
CONSOLE = "https://console.bce.baidu.com/qianfan"
_CONSOLE_MODES = {wire.POST_PRETRAIN: "postPretrain", wire.DPO: "dpo"}


@dataclass(frozen=True)
class Stage:
    """One action of the pipeline: dataset, train, publish, deploy or evaluate; times in Unix
    seconds.

    The names of the fields, here and below, are stored on disk.
    """

    name: str
    state: ActionState | None = None
    detail: str = ""
    since: float | None = None
    until: float | None = None
    step: int | None = None


@dataclass(frozen=True)
class LogLine:
    """One line of the log; a poll with the same text as the one before it adds none."""

    at: float
    stage: str
    state: str
    text: str
    is_problem: bool = False


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a training.

    Attributes:
        status: a FinetuneStatus, or a ServiceStatus while it is deployed.
        percent: of the training step, 0-100, None while unknown; it never falls.
        started_at, ended_at: Unix seconds.
        queued_at, training_at: when the platform accepted the run, and when the training started.
        points: the loss curve so far.
        marks: the times at which the percent changed; in the sandbox since the first loss.
        run_state: the platform's own word for the run's state.
        job_name, train_mode, parameter_scale: what the platform calls it, SFT or another mode, LoRA
        or another scale.
        verdict, report_id: what the evaluation of the model shows, and the id of its report.
        training_data, evaluation_data: variable, file or id of the rows that it learns from, and of
            those of its evaluation.
        stop_error: why the platform did not stop the run, "" where it did or was not asked to.
        offline_since: since when the platform has not answered, None while it does.
        error: message of the error that ended the training, "" for none.
    """

    title: str
    stages: tuple[Stage, ...]
    status: str = FinetuneStatus.Unknown
    percent: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    queued_at: float | None = None
    training_at: float | None = None
    points: tuple[LossPoint, ...] = ()
    marks: tuple[Mark, ...] = ()
    log: tuple[LogLine, ...] = ()
    run_id: str = ""
    run_state: str = ""
    task_id: str = ""
    job_id: str = ""
    model_set_id: str = ""
    model_id: str = ""
    model_version_id: str = ""
    service_id: str = ""
    service_endpoint: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    hyper_parameters: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    error: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    from_sandbox: bool = False
    offline_since: float | None = None
    job_name: str = ""
    train_mode: str = ""
    parameter_scale: str = ""
    stop_error: str = ""
    verdict: str = ""
    report_id: str = ""
    training_data: str = ""
    evaluation_data: str = ""

    @property
    def failed(self) -> bool:
        """Whether a stage ended in an error."""
        return any(stage.state is ActionState.Error for stage in self.stages)

    @property
    def stopped(self) -> bool:
        """Whether a stage was stopped."""
        return any(stage.state is ActionState.Stopped for stage in self.stages)

    @property
    def finished(self) -> bool:
        """Whether the training has ended; steps that are added start it again."""
        return self.ended_at is not None

    def elapsed(self, now: float) -> float:
        """Return the seconds from the start to the end, or to `now` (Unix seconds)."""
        if self.started_at is None:
            return 0.0
        return (self.ended_at or now) - self.started_at

    def queued(self, now: float) -> float:
        """Return the seconds that the run has waited in the queue of the platform."""
        if self.queued_at is None:
            return 0.0
        return (self.training_at or self.ended_at or now) - self.queued_at

    def remaining(self, now: float) -> RemainingTime | None:
        """Return the remaining seconds of the training step, None while they are unknown."""
        is_training = self.training_at is not None and self.status == FinetuneStatus.Training
        is_preparing = self.from_sandbox and not self.points
        if not is_training or is_preparing or self.finished:
            return None
        return estimate_remaining(self.marks, now)

    def with_event(self, event: Event) -> TrainingProgress:
        """Return the progress after one more event."""
        started = replace(
            self, started_at=self.started_at or event.time, message=event.description or ""
        )
        if event.action_class == "Pipeline":
            ended = event.action_state in {ActionState.Done, ActionState.Error, ActionState.Stopped}
            return replace(started, ended_at=event.time if ended else None)
        stage = STAGE_BY_ACTION.get(event.action_class, event.action_class)
        data = event.data if isinstance(event.data, Mapping) else {}
        updated = _with_stage(started, stage, event)
        updated = _with_log_line(updated, stage, event, is_offline="offline_since" in data)
        if data:
            updated = _with_ids(updated, data)
        answer = data.get("result")
        if stage == "train" and isinstance(answer, Mapping):
            return _with_poll(updated, answer, event.time)
        return updated

    def to_json(self) -> dict[str, Any]:
        """Return the progress as a value of JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainingProgress:
        """Return the progress that `to_json` returned; unknown fields, of another version, are
        ignored.
        """
        values = {}
        for field_ in fields(cls):
            if field_.name in value:
                values[field_.name] = value[field_.name]
        for name, record_class in (("stages", Stage), ("points", LossPoint), ("log", LogLine)):
            values[name] = tuple(_from_row(record_class, row) for row in values.get(name) or ())
        values["marks"] = tuple((at, percent) for at, percent in values.get("marks") or ())
        return cls(**values)


def _from_row(record_class: Any, row: Mapping[str, Any]) -> Any:
    if record_class is Stage and row.get("state"):
        return Stage(**{**row, "state": ActionState(row["state"])})
    return record_class(**row)


def _with_stage(progress: TrainingProgress, name: str, event: Event) -> TrainingProgress:
    state = event.action_state
    detail = event.description or ""
    until = None if state in {ActionState.Preceding, ActionState.Running} else event.time
    stages = list(progress.stages)
    for index, stage in enumerate(stages):
        if stage.name == name:
            since = stage.since or event.time
            stages[index] = replace(stage, state=state, detail=detail, since=since, until=until)
    status: str = STATUS.get((name, state), progress.status)
    if status == FinetuneStatus.Training != progress.status:
        status = FinetuneStatus.Created  # a poll shows whether the run trains or is queued
    changes: dict[str, Any] = {}
    if state is not ActionState.Stopped:
        changes["error"] = detail if state is ActionState.Error else ""
    if state is ActionState.Preceding:
        changes["stop_error"] = ""
    if status == FinetuneStatus.TrainFinished:
        changes["percent"] = 100
    return replace(progress, stages=tuple(stages), status=status, **changes)


def _with_log_line(
    progress: TrainingProgress, stage: str, event: Event, *, is_offline: bool
) -> TrainingProgress:
    is_problem = is_offline or event.action_state in {ActionState.Error, ActionState.Stopped}
    line = LogLine(event.time, stage, str(event.action_state), event.description or "", is_problem)
    if progress.log and (progress.log[-1].stage, progress.log[-1].text) == (line.stage, line.text):
        return progress
    return replace(progress, log=(*progress.log, line)[-MAX_LOG_LINES:])


def _with_ids(progress: TrainingProgress, data: Mapping[str, Any]) -> TrainingProgress:
    """Return the progress with the ids of an event, and since when the platform has not
    answered.
    """
    names = (
        "task_id", "job_id", "model_set_id", "model_id", "model_version_id", "service_id",
        "service_endpoint",
        "stop_error", "verdict", "report_id", "evaluation_data",
    )  # fmt: skip
    changes: dict[str, Any] = {}
    for name in names:
        if data.get(name):
            changes[name] = str(data[name])
    for name in ("metrics", "hyper_parameters"):
        if data.get(name):
            changes[name] = data[name]
    return replace(progress, **changes, offline_since=data.get("offline_since"))


def _with_poll(
    progress: TrainingProgress, result: Mapping[str, Any], at: float
) -> TrainingProgress:
    try:
        task = wire.Task.model_validate(result)
    except ValueError:
        return progress  # a field has an unknown type; the next poll may be better
    rows = [row for row in task.checkpoint_list or () if row.training_loss is not None]
    points = tuple(map(LossPoint.from_checkpoint, rows))
    state = progress.run_state if task.run_status is None else task.run_status
    is_queued = state in QUEUED_STATES
    is_sandbox = progress.from_sandbox or "sandbox" in result
    percent = progress.percent
    if task.run_progress is not None:
        percent = max(percent or 0, task.run_progress)
    marks = progress.marks
    if is_sandbox and points and not progress.points:
        # what the sandbox does before the first loss is preparation, which has a pace of its own
        marks = ()
    last_percent = marks[-1][1] if marks else None
    if percent not in {None, last_percent} and state == wire.RUNNING:
        marks = (*marks, (at, float(percent or 0)))[-MAX_MARKS:]
    values = (task.model_extra or {}).get("hyperParameterConfig")
    return replace(
        progress,
        title=progress.title or task.model or "",
        status=FinetuneStatus.Created if is_queued else FinetuneStatus.Training,
        run_state=state,
        percent=percent,
        queued_at=progress.queued_at or (at if is_queued else None),
        training_at=progress.training_at or (None if is_queued else at),
        marks=marks,
        points=points or progress.points,
        metrics=task.metrics or progress.metrics,
        hyper_parameters=values if isinstance(values, Mapping) else progress.hyper_parameters,
        links=progress.links if is_sandbox else _links(progress, task),
        from_sandbox=is_sandbox,
        job_name=task.job_name or progress.job_name,
        train_mode=task.train_mode or progress.train_mode,
        parameter_scale=task.parameter_scale or progress.parameter_scale,
    )


def _links(progress: TrainingProgress, task: wire.Task) -> Mapping[str, str]:
    """Return the console's pages by name."""
    links = dict(progress.links)
    if task.vdl_link:
        links["VisualDL"] = task.vdl_link
    if task.job_id and task.task_id:
        mode = _CONSOLE_MODES.get(task.train_mode or "", "sft")
        links["log"] = f"{CONSOLE}/train/{mode}/{task.job_id}/{task.task_id}/detail/traininglog"
    return links


RECENT_MARKS: Final = 20
"""Number of the last marks that count: the pace may change."""

MIN_PACES: Final = 3

MAX_SLOWDOWN: Final = 2.0
"""How many times slower than the others a step between two marks counts, unless there are two such
steps.
"""


@dataclass(frozen=True)
class RemainingTime:
    """Remaining seconds: the likely value, and bounds of about 95 % confidence while the pace is
    steady.
    """

    low: float
    likely: float
    high: float


def estimate_remaining(marks: Sequence[Mark], now: float) -> RemainingTime | None:
    """Return the remaining seconds, None while there are too few marks.

    Args:
        marks: in the order of time.
        now: Unix seconds.
    """
    steps = []
    for (start, start_percent), (end, end_percent) in itertools.pairwise(marks):
        if end > start and end_percent > start_percent:
            steps.append((end - start, end_percent - start_percent))
    if len(steps) < MIN_PACES:
        return None
    steps = _without_pause(steps[-RECENT_MARKS:])
    percents = [percent for _, percent in steps]
    pace = sum(percents) / sum(seconds for seconds, _ in steps)
    spread = statistics.stdev(percent / seconds for seconds, percent in steps)
    margin = 2 * spread / math.sqrt(len(steps))
    end, last_percent = marks[-1]
    remaining_percent = 100.0 - last_percent
    # a wait beyond it is a pause, no progress
    next_step = min(statistics.median(percents), remaining_percent / 2)
    since_last_mark = min(max(0.0, now - end), next_step / pace)

    def seconds_at(rate: float) -> float:
        return max(0.0, remaining_percent / rate - since_last_mark)

    return RemainingTime(
        seconds_at(pace + margin), seconds_at(pace), seconds_at(max(pace - margin, pace / 4))
    )


def _without_pause(steps: list[Mark]) -> list[Mark]:
    """Return seconds and percents of steps; one that has a pause is shortened, not two."""
    *others, second, _ = sorted(seconds / percent for seconds, percent in steps)
    longest = max(MAX_SLOWDOWN * statistics.median([*others, second]), second)
    return [(min(seconds, longest * percent), percent) for seconds, percent in steps]
