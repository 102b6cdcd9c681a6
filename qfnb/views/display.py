"""Outputs that are right while they change and after: live as a widget, at the end a static bundle.

live    a person is in front of a notebook: a widget moves, and is replaced by static HTML when it is done,
        so that the saved notebook needs no kernel, no widget state and no script
static  nobody watches (nbval, papermill, nbconvert): one output, equal to the final one of a live run
text    a terminal
`QFNB_DISPLAY` decides when it is set.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from ..errors import InvalidArgumentError
from ..transport import portal

Bundle = dict[str, Any]
Mode = Literal["live", "static", "text"]

_place: contextvars.ContextVar[Live | None] = contextvars.ContextVar("qfnb_place", default=None)
"""The output that the next one takes the place of."""

INTERVAL = 0.1
"""Seconds between two updates: nobody reads faster."""

VSCODE_INTERVAL = 0.5


def mode() -> Mode:
    """Return how to display here and now."""
    chosen = os.environ.get("QFNB_DISPLAY", "")
    if chosen in {"live", "static", "text"}:
        return chosen  # type: ignore[return-value]
    if chosen:
        raise InvalidArgumentError(f"QFNB_DISPLAY={chosen!r}: it is live, static or text")
    shell = _shell()
    if shell is None or not hasattr(shell, "kernel"):
        return "text"
    if "PYTEST_VERSION" in os.environ:
        return "static"
    front_end = (shell.get_parent() or {}).get("metadata") or {}
    return "live" if "cellId" in front_end or "google.colab" in sys.modules else "static"


def publish(bundle: Bundle) -> None:
    """Show a finished bundle in the current cell, or its text in a terminal."""
    if mode() == "text":
        print(bundle["text/plain"])  # noqa: T201 - this is the terminal's display
        return
    from IPython.display import display  # noqa: PLC0415 - only under IPython

    display(bundle, raw=True)  # type: ignore[no-untyped-call]


class Live:
    """One output of one cell: updated while something goes on, static when it is over.

    Args:
        widget: makes the widget that is shown while it is live; it is told of new states by `draw`.
        draw: shows a state in the widget.
        final: the static bundle of a state.
    """

    def __init__(
        self,
        state: Any,
        *,
        widget: Callable[[], Any],
        draw: Callable[[Any, Any], None],
        final: Callable[[Any], Bundle],
    ) -> None:
        self.mode = mode()
        self.state = state
        self._draw, self._final = draw, final
        self._lock = threading.RLock()
        self._drawn, self._waiting, self._done = 0.0, False, False
        self._interval = VSCODE_INTERVAL if "VSCODE_PID" in os.environ else INTERVAL
        self._context = contextvars.copy_context()
        self._handle: Any = None
        self._widget: Any = None
        self._outer: Any = None
        self._front_end: Any = None
        if self.mode == "live":
            self._open(widget())

    def update(self, state: Any) -> None:
        """Move to a new state; drawn at most every INTERVAL seconds, the last one always."""
        with self._lock:
            self.state = state
            if self._widget is None or self._done or self._waiting:
                return
            left = self._drawn + self._interval - time.monotonic()
            if left > 0:
                self._waiting = True
                loop = portal.loop()
                loop.call_soon_threadsafe(loop.call_later, left, self._flush)
            else:
                self._flush()

    def finish(self, state: Any) -> None:
        """Show the final state as a static bundle; nothing moves after this."""
        with self._lock:
            if self._done:
                return
            self.state, self._done = state, True
        if self._handle is not None:
            bundle = self._final(state)
            self._context.copy().run(self._handle.update, bundle, raw=True)
            if _front_end() is self._front_end:
                close(self._outer)
            else:
                _leave(self._outer, bundle)
        else:
            publish(self._final(state))

    def discard(self) -> None:
        """Take the output away: there is nothing to show but the error that follows."""
        with self._lock:
            if self._done:
                return
            self._done = True
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)
            close(self._outer)

    def give_way(self, show: Callable[[], object]) -> None:
        """End, and have the live output that `show` opens take the place of this one.

        The place is the widget itself, which a browser that was reloaded still has; its output it has lost.
        """
        with self._lock:
            if self._done:
                return
            self._done = True
        token = _place.set(self)
        try:
            show()
        finally:
            _place.reset(token)

    def settle(self) -> None:
        """Publish the present state once more, from the cell that waits.

        Programs that run notebooks keep only what arrives while the cell that sent it is running.
        """
        if self._handle is not None and self._done:
            self._handle.update(self._final(self.state), raw=True)

    def taken(self, widget: Any) -> tuple[Any, Any]:
        """Put another widget into this one, in the place of all that was in it; return this one's output."""
        before, self._outer.children = self._outer.children, (widget,)
        for child in before:
            close(child)
        return self._outer, self._handle

    def _open(self, widget: Any) -> None:
        from IPython.display import display  # noqa: PLC0415 - only under IPython

        self._widget = self._outer = widget
        self._front_end = _front_end()
        self._draw(widget, self.state)
        if (place := _place.get()) is not None:
            self._outer, self._handle = place.taken(widget)
            _place.set(None)
        bundle = {**self._outer._repr_mimebundle_(), **self._final(self.state)}
        if place is not None:
            self._handle.update(bundle, raw=True)
        else:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def _flush(self) -> None:
        with self._lock:
            self._waiting = False
            if not self._done:
                self._drawn = time.monotonic()
                self._draw(self._widget, self.state)


def _shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # noqa: PLC0415 - only when it is there anyway

    return get_ipython()


def close(widget: Any) -> None:
    """Close a widget with everything that belongs to it, so that no model is left in the kernel."""
    for child in getattr(widget, "children", ()):
        close(child)
    for part in ("layout", "style"):
        if (own := getattr(widget, part, None)) is not None and hasattr(own, "close"):
            own.close()
    widget.close()


def _front_end() -> Any:
    """Return what stands for the page that asked for the widgets last; a reloaded one is another."""
    from ipywidgets import Widget  # noqa: PLC0415 - there is a widget

    return getattr(Widget, "_control_comm", None)


def _leave(widget: Any, bundle: Bundle) -> None:
    """Leave the final state in a widget whose page was reloaded: its output cannot be reached any more."""
    from ipywidgets import HTML, Layout  # noqa: PLC0415 - there is a widget

    before, widget.layout = widget.children, Layout()
    widget.children = (HTML(bundle["text/html"], layout=widget.layout),)
    for child in before:
        close(child)
