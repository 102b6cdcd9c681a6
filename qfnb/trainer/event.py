"""Events of a running pipeline, and the hook that receives them. Source: seed 004."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from ..base.language import tr
from ..errors import InvalidArgumentError
from .consts import ActionState

log = logging.getLogger("qfnb.trainer")


class ActionName(str):
    """Name of an action's class; as in the official SDK, it equals the class and has a
    `__name__`.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    @property
    def __name__(self) -> str:
        """The name."""
        return str(self)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other.__name__ if isinstance(other, type) else other) is True


@dataclass(init=False)
class Event:
    """One event of an action.

    Attributes:
        action_id: id of the action.
        action_state: Preceding, Running, Done, Error or Stopped.
        description: a sentence for the log.
        data: details; for a poll of a training the platform's whole answer.
        action_class: the name of the action's class, e.g. TrainAction.
        time: Unix seconds.
    """

    action_id: str | None
    action_state: ActionState
    description: str | None
    data: Any = field(compare=False)
    action_class: ActionName
    time: float

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
        self.action_id = action_id
        self.action_state = state
        self.description = description
        self.data = data
        self.action_class = ActionName(action_class)
        self.time = time.time() if at is None else at


class EventHandler:
    """Override `dispatch` in a subclass to receive every event.

    It is called on the thread that runs the pipeline, so it may block; an exception that it raises
    is logged and does not stop the training.
    """

    def dispatch(self, event: Event) -> None:
        """Receive one event."""


def call_handler(handler: EventHandler, event: Event, failed: set[int]) -> None:
    """Call a handler; never raises an exception of it, and logs the first.

    Args:
        handler: the handler.
        event: what it is called with.
        failed: the identities of the handlers that have failed.
    """
    try:
        handler.dispatch(event)
    except Exception:
        if id(handler) not in failed:
            failed.add(id(handler))
            log.exception(
                tr(
                    "{handler} failed on {state}; the training goes on",
                    handler=repr(handler),
                    state=event.action_state,
                )
            )


def validate_handler(handler: EventHandler | None) -> None:
    """Raise InvalidArgumentError when a handler has no method `dispatch`."""
    if handler is not None and not callable(getattr(handler, "dispatch", None)):
        raise InvalidArgumentError(
            tr(
                "event_handler={handler}: it has no method dispatch(event); give an object of a "
                "class that is "
                "derived from qfnb.trainer.event.EventHandler and has one",
                handler=repr(handler),
            )
        )


def dispatch_event(event_handler: EventHandler | None = None, event: Event | None = None) -> None:
    """Pass an event to a handler; either may be None."""
    if event_handler is not None and event is not None:
        event_handler.dispatch(event)
