"""A training's progress as a value, folded from its events: what a panel draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..wire import finetune as wire
from .consts import ActionState, FinetuneStatus
from .event import Event

STAGES = {
    "LoadDataSetAction": "dataset",
    "TrainAction": "train",
    "ModelPublishAction": "publish",
    "DeployAction": "deploy",
}

_STATUS = {
    ("train", ActionState.Preceding): FinetuneStatus.Created,
    ("train", ActionState.Running): FinetuneStatus.Training,
    ("train", ActionState.Done): FinetuneStatus.TrainFinished,
    ("train", ActionState.Error): FinetuneStatus.TrainFailed,
    ("train", ActionState.Stopped): FinetuneStatus.TrainStopped,
    ("publish", ActionState.Preceding): FinetuneStatus.ModelPublishing,
    ("publish", ActionState.Running): FinetuneStatus.ModelPublishing,
    ("publish", ActionState.Done): FinetuneStatus.ModelPublished,
    ("publish", ActionState.Error): FinetuneStatus.ModelPublishFailed,
    ("publish", ActionState.Stopped): FinetuneStatus.ModelPublishFailed,
}


@dataclass(frozen=True)
class LossPoint:
    """A point of the loss curve; losses in nats."""

    step: int
    epoch: float | None
    training_loss: float
    validation_loss: float | None = None


@dataclass(frozen=True)
class Stage:
    """One action of the pipeline: dataset, train, publish or deploy."""

    name: str
    state: ActionState | None = None
    detail: str = ""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands.

    Attributes:
        status: a FinetuneStatus.
        percent: of the training itself, None while unknown.
        started_at, ended_at: Unix seconds.
        points: the loss curve so far.
        offline_since: since when the platform has not answered, None while it does.
        error: what ended it badly, "" otherwise.
    """

    title: str
    stages: tuple[Stage, ...]
    status: str = FinetuneStatus.Unknown
    percent: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    points: tuple[LossPoint, ...] = ()
    task_id: str = ""
    job_id: str = ""
    model_id: str = ""
    model_version_id: str = ""
    service_endpoint: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    error: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    from_sandbox: bool = False
    offline_since: float | None = None

    @property
    def failed(self) -> bool:
        """Whether a stage ended in an error."""
        return any(stage.state is ActionState.Error for stage in self.stages)

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it."""
        return any(stage.state is ActionState.Stopped for stage in self.stages)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.ended_at is not None

    def elapsed(self, now: float) -> float:
        """Return the seconds since the start, up to the end when there is one."""
        if self.started_at is None:
            return 0.0
        return (self.ended_at or now) - self.started_at

    def after(self, event: Event) -> TrainingProgress:
        """Return the progress after one more event."""
        began = replace(self, started_at=self.started_at or event.time, message=event.description or "")
        if event.action_class == "Pipeline":
            ended = event.action_state in {ActionState.Done, ActionState.Error, ActionState.Stopped}
            return replace(began, ended_at=event.time if ended else None)
        stage = STAGES.get(event.action_class)
        if stage is None:
            return began
        moved = _with_facts(_moved(began, stage, event), event.data)
        answer = event.data.get("result") if isinstance(event.data, Mapping) else None
        return _polled(moved, answer) if stage == "train" and isinstance(answer, Mapping) else moved


def _moved(now: TrainingProgress, name: str, event: Event) -> TrainingProgress:
    state = event.action_state
    stages = tuple(Stage(name, state, event.description or "") if s.name == name else s for s in now.stages)
    status = _STATUS.get((name, state), now.status)
    error = event.description or "" if state is ActionState.Error else now.error
    percent = 100 if (name, state) == ("train", ActionState.Done) else now.percent
    return replace(now, stages=stages, status=status, error=error, percent=percent)


def _with_facts(now: TrainingProgress, data: object) -> TrainingProgress:
    """Take over the ids that an action hands on, and whether the platform is out of reach."""
    if not isinstance(data, Mapping):
        return now
    names = ("task_id", "job_id", "model_id", "model_version_id", "service_endpoint")
    found = {name: str(data[name]) for name in names if data.get(name)}
    metrics = data.get("metrics") or now.metrics
    return replace(now, **found, metrics=metrics, offline_since=data.get("offline_since"))  # type: ignore[arg-type]


def _polled(now: TrainingProgress, result: Mapping[str, Any]) -> TrainingProgress:
    task = wire.Task.model_validate(result)
    points = tuple(
        LossPoint(c.step, getattr(c, "epoch", None), c.training_loss, c.validation_loss)
        for c in task.checkpoint_list or ()
        if c.training_loss is not None
    )
    links = {**now.links, "VisualDL": task.vdl_link} if task.vdl_link else now.links
    return replace(
        now,
        percent=now.percent if task.run_progress is None else task.run_progress,
        points=points or now.points,
        metrics=task.metrics or now.metrics,
        links=links,
        from_sandbox=now.from_sandbox or "sandbox" in result,
    )
