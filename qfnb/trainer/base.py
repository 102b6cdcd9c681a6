"""The machinery under a fine-tuning: actions that run one after another and tell what they do.

Source: seed 004 (trainer.base). Everything here is synchronous; a dashboard runs it on a worker thread.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from ..errors import InvalidArgumentError
from .consts import ActionState
from .event import Event, EventHandler, dispatch_event

Input = TypeVar("Input")
Output = TypeVar("Output")

Facts = dict[str, Any]
"""What actions hand on: dataset ids, task and job, model, service."""

log = logging.getLogger("qfnb.trainer")


class StoppedError(Exception):
    """Raised inside an action when its pipeline was told to stop; never reaches the user."""


class Executable(ABC, Generic[Input, Output]):
    """Something that can be executed."""

    @abstractmethod
    def exec(self, input: Input | None = None, **kwargs: Any) -> Output:  # noqa: A002 - the seeds' word
        """Do it."""


class Serializable(ABC):
    """Something that can be written to bytes and read back."""

    @abstractmethod
    def dumps(self) -> bytes | None:
        """Return it as UTF-8 JSON."""

    @abstractmethod
    def loads(self, data: bytes) -> Any:
        """Return what `dumps` wrote."""


class ExecuteSerializable(Executable[Input, Output], Serializable):
    """Something that can be executed and written to bytes."""


class BaseAction(ExecuteSerializable[Facts, Facts]):
    """A reusable step of a pipeline: takes facts, returns facts, dispatches events on the way.

    Subclasses override `exec`; `run` is what a pipeline calls, and adds the events around it.
    """

    remembered: ClassVar[tuple[str, ...]] = ()
    """Attributes that `dumps` keeps."""

    def __init__(
        self,
        id: str | None = None,  # noqa: A002
        name: str | None = None,
        event_handler: EventHandler | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise InvalidArgumentError(f"{type(self).__name__} takes no argument {next(iter(kwargs))!r}")
        self.id = id or f"action_{uuid.uuid4().hex[:8]}"
        self.name = name or type(self).__name__
        self.event_handler = event_handler
        self.state: ActionState | None = None
        self.stopping = threading.Event()

    def run(self, facts: Facts) -> Facts:
        """Execute with events: Preceding, then Done, Error or Stopped."""
        return self._told(lambda: self.exec(facts))

    def resume(self, facts: Facts) -> Facts:
        """Take up again after a stop or a failure; by default executes anew."""
        return self.run(facts)

    def stop(self) -> None:
        """Ask the action to end soon."""
        self.stopping.set()

    def action_event(self, state: ActionState, msg: str = "", data: Any = None) -> None:
        """Move to a state and tell the handler; a failing handler is logged, not fatal."""
        self.state = state
        event = Event(self.id, state, msg, data, action_class=type(self).__name__)
        try:
            dispatch_event(self.event_handler, event)
        except Exception:
            log.exception("an EventHandler failed on %s of %s", state, self.name)

    def action_error_event(self, e: Exception) -> None:
        """Tell the handler of an error."""
        self.action_event(ActionState.Error, f"{type(e).__name__}: {e}", {"error": str(e)})

    def dumps(self) -> bytes:
        """Return the action's settings as UTF-8 JSON."""
        kept = {name: getattr(self, name) for name in self.remembered}
        return json.dumps({"qfnb": 1, "type": type(self).__name__} | kept, default=str).encode()

    def loads(self, data: bytes) -> Self:
        """Take over the settings that `dumps` wrote."""
        value = json.loads(data)
        if value.get("type") != type(self).__name__:
            raise InvalidArgumentError(f"these bytes are no {type(self).__name__}")
        for name in self.remembered:
            setattr(self, name, value[name])
        return self

    def _told(self, work: Any) -> Facts:
        if self.stopping.is_set():
            raise StoppedError
        self.action_event(ActionState.Preceding, f"{self.name} starts")
        try:
            facts: Facts = work()
        except StoppedError:
            self.action_event(ActionState.Stopped, f"{self.name} stopped")
            raise
        except Exception as error:
            if self.stopping.is_set():
                self.action_event(ActionState.Stopped, f"{self.name} stopped")
                raise StoppedError from error
            self.action_error_event(error)
            raise
        self.action_event(ActionState.Done, f"{self.name} done", facts)
        return facts


class Pipeline(BaseAction):
    """Actions executed one after another; each takes what the one before it returned."""

    def __init__(
        self,
        actions: Sequence[BaseAction],
        post_actions: Sequence[BaseAction] = (),
        event_handler: EventHandler | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_handler=event_handler, **kwargs)
        self.actions = [*actions, *post_actions]
        self.facts: Facts = {}
        self.current: BaseAction | None = None
        self._inputs: dict[str, Facts] = {}

    def register_event_handler(self, handler: EventHandler | None) -> None:
        """Let one handler hear of the pipeline and of all its actions."""
        for action in (self, *self.actions):
            action.event_handler = handler

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Run all actions from the start."""
        self.facts = dict(input or {})
        return self._from(0, again=False)

    def resume(self, facts: Facts) -> Facts:
        """Go on with the action that was stopped or failed, then the rest."""
        for action in (self, *self.actions):
            action.stopping.clear()
        start = self.actions.index(self.current) if self.current else 0
        self.facts = {**self._inputs.get(self.current.id if self.current else "", {}), **facts}
        return self._told(lambda: self._from(start, again=True))

    def stop(self) -> None:
        """Stop the current action and skip the rest."""
        super().stop()
        for action in self.actions:
            action.stop()

    def _from(self, start: int, *, again: bool) -> Facts:
        for index, action in enumerate(self.actions[start:]):
            self.current = action
            self._inputs[action.id] = dict(self.facts)
            self.action_event(ActionState.Running, f"{action.name} is next", {"action": action.id})
            step = action.resume if again and index == 0 else action.run
            self.facts = {**self.facts, **step(self.facts)}
        return self.facts


class Trainer(ABC):
    """One call for a whole training: run, resume, stop. `result` holds the pipelines' results or errors."""

    def __init__(self) -> None:
        self.ppls: list[Pipeline] = []
        self.result: list[Any] = []

    @abstractmethod
    def run(self, **kwargs: Any) -> Trainer:
        """Run the training and wait for its end."""

    @abstractmethod
    def resume(self, **kwargs: Any) -> Trainer:
        """Take up a stopped or failed training."""

    @abstractmethod
    def stop(self) -> Trainer:
        """Stop the training."""

    @property
    def output(self) -> Mapping[str, Any]:
        """What the pipeline has found out so far: task_id, job_id, model, service, ..."""
        return self.ppls[0].facts if self.ppls else {}

    @property
    @abstractmethod
    def status(self) -> str:
        """Where the training stands."""
