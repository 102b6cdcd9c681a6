"""Pipelines: actions that run one after another and report each step as an event.

Source: seed 004 (trainer.base). Everything here is synchronous; `background` runs it on a thread.
"""

from __future__ import annotations

import json
import logging
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from ..base.language import tr
from ..base.text import listed
from ..errors import InvalidArgumentError, QianfanError
from ..model.service import Executable as Executable, ExecuteSerializable, Serializable
from ..transport import event_loop
from .consts import ActionState
from .event import Event, EventHandler, call_handler, validate_handler
from .run_store import RunRecord, json_facts

Facts = dict[str, Any]
"""The results that actions pass on: ids of datasets, task and job, the model, the service."""

log = logging.getLogger("qfnb.trainer")


def warn_of_unknown_arguments(owner: str, values: Mapping[str, Any]) -> None:
    """Warn of keywords that an object does not have; seed 004 prints `**kwargs`, so that they are
    no error.
    """
    if values:
        names = listed(values)
        log.warning(
            tr("{owner} does not know {names}: this has no effect", owner=owner, names=names)
        )


class StoppedError(Exception):
    """Raised inside an action whose pipeline is stopped; never reaches the user."""


class BaseAction(ExecuteSerializable[Facts, Facts]):
    """A reusable step of a pipeline: takes facts, returns facts, and dispatches events on the way.

    Subclasses override `exec`; a pipeline calls `run`, which adds the events around it.

    Args:
        id: default: random.
        name: default: the name of the class.
        event_handler: receives the events.

    Attributes:
        state: of the last event, None before the first.
        result: the facts that it returned, None before its end.
        stop_requested: set to end the action soon.
        record: the stored record of the training, None for an action outside of a training.
        pipeline: the pipeline that the action is part of.
    """

    persisted: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that `dumps` writes; their values are JSON."""
    result: Facts | None = None

    def __init__(
        self,
        id: str | None = None,  # noqa: A002
        name: str | None = None,
        event_handler: EventHandler | None = None,
        **kwargs: Any,
    ) -> None:
        warn_of_unknown_arguments(type(self).__name__, kwargs)
        self.id = id or f"action_{uuid.uuid4().hex[:8]}"
        self.name = name or type(self).__name__
        validate_handler(event_handler)
        self.event_handler = event_handler
        self.failed_handlers = set[int]()
        self.state: ActionState | None = None
        self.stop_requested = event_loop.InterruptSafeEvent()
        self.record: RunRecord | None = None
        self.pipeline: Pipeline | None = None

    def run(self, facts: Facts | None = None) -> Facts:
        """Execute with events: Preceding, then Done, Error or Stopped."""
        return self._run_with_events(lambda: self.exec(facts or {}))

    def resume(self, facts: Facts | None = None, **kwargs: Any) -> Facts:
        """Continue after a stop or a failure; by default executes again from the start."""
        self.stop_requested.clear()
        return self.run({**(facts or {}), **kwargs})

    def stop(self, **_: Any) -> None:
        """Ask the action to end soon."""
        self.stop_requested.set()

    def action_event(self, state: ActionState, msg: str = "", data: Any = None) -> None:
        """Enter a state and dispatch it as an event; the first exception of the handler is logged.

        Args:
            state: the new state.
            msg: a sentence for the log.
            data: see `Event`.
        """
        self.state = state
        event = Event(self.id, state, msg, data, action_class=type(self).__name__)
        if self.event_handler is not None:
            call_handler(self.event_handler, event, (self.pipeline or self).failed_handlers)

    def action_error_event(self, e: Exception) -> None:
        """Dispatch an error as an event."""
        text = str(e) if isinstance(e, QianfanError) else f"{type(e).__name__}: {e}"
        self.action_event(ActionState.Error, text, {"error": str(e)})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that `dumps` writes; the keys are stored on disk."""
        attributes = {name: getattr(self, name) for name in self.persisted}
        return {
            "qfnb": 1,
            "type": type(self).__name__,
            "id": self.id,
            "name": self.name,
            **attributes,
        }

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take over the settings that `to_dict` returned.

        Raises:
            InvalidArgumentError: they are settings of another class.
        """
        if not isinstance(value, Mapping) or value.get("type") != type(self).__name__:
            raise InvalidArgumentError(tr("these bytes are not a {kind}", kind=type(self).__name__))
        for name in ("id", "name", *self.persisted):
            setattr(self, name, value.get(name))

    def dumps(self) -> bytes:
        """Return the action's settings as UTF-8 JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False).encode()

    def loads(self, data: bytes) -> Self:
        """Take over the settings that `dumps` wrote; other bytes, a pickle among them, raise
        InvalidArgumentError.
        """
        try:
            value = json.loads(data)
        except (ValueError, TypeError, RecursionError):
            value = None
        self.restore(value)
        return self

    def _run_with_events(self, execute: Callable[[], Facts]) -> Facts:
        pipeline = self.pipeline or self
        if self.stop_requested.is_set() or pipeline.stop_requested.is_set():
            raise StoppedError
        self.action_event(ActionState.Preceding, tr("{action} starts", action=self.name))
        try:
            facts = execute()
        except Exception as error:
            if isinstance(error, StoppedError) or self.stop_requested.is_set():
                self.action_event(ActionState.Stopped, tr("{action} stopped", action=self.name))
                raise StoppedError from error
            self.action_error_event(error)
            raise
        self.result = facts
        self.action_event(ActionState.Done, tr("{action} done", action=self.name), facts)
        return facts


class Pipeline(BaseAction):
    """Actions executed one after another; each takes the facts that those before it returned.

    Args:
        actions, post_actions: the steps, and steps after those.
        event_handler: receives the events of the pipeline and of its actions.

    Attributes:
        facts: the results of the actions so far.
        position: the index of the current action, from 0.
        on_progress: called before each action and after the last.
    """

    def __init__(
        self,
        actions: Sequence[BaseAction],
        post_actions: Sequence[BaseAction] = (),
        event_handler: EventHandler | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_handler=event_handler, **kwargs)
        self.actions = [*actions, *post_actions]
        self.facts = Facts()
        self.position = 0
        self.on_progress: Callable[[], None] = lambda: None
        for action in self.actions:
            action.pipeline = self
        if event_handler is not None:
            self.register_event_handler(event_handler)

    @property
    def current(self) -> BaseAction | None:
        """The action that runs, or would run next; None after the last."""
        if self.position < len(self.actions):
            return self.actions[self.position]
        return None

    def register_event_handler(
        self, event_handler: EventHandler | None, action_id: str | None = None
    ) -> None:
        """Send the events of the pipeline and of all its actions to a handler, or those of one
        action only.
        """
        validate_handler(event_handler)
        for action in (self, *self.actions):
            if action_id in {None, action.id}:
                action.event_handler = event_handler

    @property
    def current_action(self) -> str | None:
        """The id of the action that runs, or would run next."""
        if self.current is not None:
            return self.current.id
        return None

    def __len__(self) -> int:
        return len(self.actions)

    def __iter__(self) -> Iterator[BaseAction]:
        return iter(self.actions)

    def __getitem__(self, key: str) -> BaseAction | None:
        """Return the action with an id."""
        return next((action for action in self.actions if action.id == key), None)

    def append(self, actions: Sequence[BaseAction]) -> None:
        """Add actions at the end; the pipeline may be running."""
        for action in actions:
            action.pipeline = self
            action.event_handler = self.event_handler
        self.actions.extend(actions)

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Run all actions from the start."""
        self.facts = {**(input or {}), **kwargs}
        self.position = 0
        return self._run_with_events(lambda: self._run_actions(retry=False))

    def run(self, facts: Facts | None = None) -> Facts:
        """Run all actions from the start."""
        return self.exec(facts)

    def resume(self, facts: Facts | None = None, **kwargs: Any) -> Facts:
        """Retry the action that was stopped or failed, then run those after it."""
        return self.run_remaining({**(facts or {}), **kwargs}, retry=True)

    def run_remaining(self, facts: Facts | None = None, *, retry: bool = False) -> Facts:
        """Run the actions from `position` on; one that had ended there is retried only if asked
        for.
        """
        for action in (self, *self.actions):
            action.stop_requested.clear()
        self.facts = {**self.facts, **(facts or {})}
        return self._run_with_events(lambda: self._run_actions(retry=retry))

    def stop(self, **_: Any) -> None:
        """Stop the current action and skip the rest."""
        super().stop()
        for action in self.actions[self.position :]:
            action.stop()

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `dumps`: the position, the facts and the actions."""
        actions = [action.to_dict() for action in self.actions]
        return {
            **super().to_dict(),
            "position": self.position,
            "facts": json_facts(self.facts),
            "actions": actions,
        }

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take over what `to_dict` returned; the actions are of the same classes, in the same
        order.
        """
        super().restore(value)
        for action, saved in zip(self.actions, value["actions"], strict=True):
            action.restore(saved)
        self.position = int(value["position"])
        self.facts = dict(value["facts"])

    def _run_actions(self, *, retry: bool) -> Facts:
        while (action := self.current) is not None:
            self.on_progress()
            text = tr("{action} is next", action=action.name)
            data = {"action": action.id, "ppl_id": self.id}
            self.action_event(ActionState.Running, text, data)
            self.facts = {**self.facts, **(action.resume if retry else action.run)(self.facts)}
            retry = False
            self.position += 1
        self.on_progress()
        return self.facts


ActionT = TypeVar("ActionT", bound=BaseAction)


def find_action(actions: Sequence[BaseAction], kind: type[ActionT]) -> ActionT | None:
    """Return the first action of a class, None where there is none."""
    for action in actions:
        if isinstance(action, kind):
            return action
    return None


class Trainer(Serializable):
    """One call for a whole training: run, resume, stop. `result` holds the pipelines' results or
    errors.
    """

    ppls: list[Pipeline]
    result: list[Any]

    def __init__(self) -> None:
        self.ppls = []
        self.result = []

    @abstractmethod
    def run(self, **kwargs: Any) -> Trainer:
        """Run the training and wait for its end."""

    @abstractmethod
    def resume(self, **kwargs: Any) -> Trainer:
        """Continue a stopped or failed training."""

    @abstractmethod
    def stop(self, **_: Any) -> Trainer:
        """Stop the training."""

    @property
    def output(self) -> Mapping[str, Any]:
        """The results of the pipeline so far: task_id, job_id, model, service, ...; of one that
        failed also `error`.
        """
        if not self.ppls:
            return {}
        output = {}
        for action in self.ppls[0].actions:
            for name in ("task_id", "job_id"):
                if getattr(action, name, None) is not None:
                    output[name] = getattr(action, name)
        output |= self.ppls[0].facts
        if self.result and "error" in self.result[0]:
            output["error"] = self.result[0]["error"]
        return output

    @property
    @abstractmethod
    def status(self) -> str:
        """The status of the training."""
