"""What happens while a pipeline runs, and the one hook through which anyone may watch. Source: seed 004."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .consts import ActionState


@dataclass(frozen=True, init=False)
class Event:
    """One thing that happened.

    Attributes:
        action_id: which action it happened in.
        action_state: Preceding, Running, Done, Error or Stopped.
        description: a sentence.
        data: what the action says about it; for a training poll the platform's whole answer.
        action_class: the action's class name, e.g. TrainAction.
        time: Unix seconds.
    """

    action_id: str | None
    action_state: ActionState
    description: str | None = None
    data: Any = field(default=None, compare=False)
    action_class: str = ""
    time: float = 0.0

    def __init__(
        self,
        action_id: str | None,
        state: ActionState,
        description: str | None = None,
        data: Any = None,
        *,
        action_class: str = "",
        at: float | None = None,
    ) -> None:
        values = (action_id, state, description, data, action_class, time.time() if at is None else at)
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)


class EventHandler:
    """Subclass it and override `dispatch` to be told of every event.

    It is called on the thread that runs the pipeline, so it may block; an exception it raises is reported
    in the log and does not stop the training.
    """

    def dispatch(self, event: Event) -> None:
        """Receive one event."""


def dispatch_event(event_handler: EventHandler | None = None, event: Event | None = None) -> None:
    """Hand an event to a handler; either may be absent."""
    if event_handler is not None and event is not None:
        event_handler.dispatch(event)
