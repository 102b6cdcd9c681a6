"""Outputs that are right while they change and after: live as a widget, at the end a static bundle.

live    a front end is attached: a widget changes, and static HTML replaces it at the end, so that
the saved
        notebook needs no kernel, no widget state and no script
static  no front end (nbval, papermill, nbconvert): one output, equal to the final one of a live run
text    a terminal
The environment variable `QFNB_DISPLAY` overrides the detection.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..transport import event_loop
from . import components
from .formats import inert, without_formulas
from .stylesheet import whole_sheet

if TYPE_CHECKING:
    from .live_frame import LiveFrame

Bundle = dict[str, Any]
DisplayMode = Literal["live", "static", "text"]

_replaced_output: contextvars.ContextVar[LiveOutput | None] = contextvars.ContextVar(
    "qfnb_place", default=None
)
"""The output that the next one replaces."""

REDRAW_S = 0.15  # seconds between two redraws at least
PLAIN_REDRAW_S = 0.5
"""The same in VS Code and Colab, which draw no widgets but those whose view lies in an output."""

ATTACH_S = 4.0
"""Seconds in which a page takes a live output's widget; for others, the output gets a view of its
own.
"""

RENEW_S = (5.0, 60.0)
"""Seconds between two renewals of the static form, at least and at most: it is what is left when
the kernel is gone.
"""

RENEW_BYTES_PER_S = 300
"""What the renewals of one output may cost: a long form is renewed less often."""


def display_mode() -> DisplayMode:
    """Return how outputs are displayed in the current process and cell.

    Raises:
        InvalidArgumentError: `QFNB_DISPLAY` has an unknown value.
    """
    if (replaced := _replaced_output.get()) is not None:
        # it takes the place of this output, whatever message came from the page
        return replaced.mode
    if setting := os.environ.get("QFNB_DISPLAY", ""):
        if setting not in {"live", "static", "text"}:
            raise InvalidArgumentError(
                tr("QFNB_DISPLAY={setting!r}: must be live, static or text", setting=setting)
            )
        return setting  # type: ignore[return-value]
    shell = _shell()
    if shell is None or not hasattr(shell, "kernel"):
        return "text"
    is_live = (
        _is_from_page(shell.get_parent() or {}) or _is_voila() or "google.colab" in sys.modules
    )
    if is_live and "PYTEST_VERSION" not in os.environ:
        return "live"
    return "static"


def publish(bundle: Bundle) -> None:
    """Show a finished bundle in the current cell, or its text in a terminal."""
    if display_mode() == "text":
        print(bundle["text/plain"])  # noqa: T201 - this is the terminal's display
        return
    from IPython.display import display  # noqa: PLC0415 - only under IPython

    display(inert(bundle), raw=True)  # type: ignore[no-untyped-call]


class LiveOutput:
    """One output of one cell: updated while work goes on, static when it has ended.

    Args:
        state: the first state, any value.
        final: returns the static bundle of a state.
        widget: creates the widget that is shown while the output is live.
        draw: shows a state in the widget.
        html: instead of a widget, returns a state as the HTML that is shown while the output is
            live: what grows, and the end, which seldom changes.
        on_press: called when a button of that HTML is pressed, in any thread.
        go_on: returns what is safe and how to go on, for a page whose kernel is gone; None where
            the static form says it all.
    """

    def __init__(
        self,
        state: Any,
        *,
        final: Callable[[Any], Bundle],
        widget: Callable[[], Any] | None = None,
        draw: Callable[[Any, Any], None] | None = None,
        html: Callable[[Any], tuple[str, str]] | None = None,
        on_press: Callable[[], None] | None = None,
        go_on: Callable[[Any], str] | None = lambda _state: tr("To go on, run the cell again."),
    ) -> None:
        self.mode = display_mode()
        self.state = state
        self._draw = draw
        self._html = html
        self._on_press = on_press
        self._create_bundle = final
        self._go_on = go_on
        self._renew_at = 0.0
        self._lock = threading.RLock()
        self._drawn_at = 0.0
        self._is_redraw_scheduled = False
        self._is_finished = False
        self._has_view = "VSCODE_PID" in os.environ or "google.colab" in sys.modules
        if self._has_view:
            self._interval = PLAIN_REDRAW_S
        else:
            self._interval = REDRAW_S
        self._context = contextvars.copy_context()
        self._handle: Any = None
        self._widget: Any = None
        self._view: Any = None
        self._frame: LiveFrame | None = None
        self._front_end: Any = None
        if self.mode == "live":
            self._open(widget() if widget else None)

    def update(self, state: Any) -> None:
        """Move to a new state; redrawn every REDRAW_S seconds at most, the last state always."""
        with self._lock:
            self.state = state
            if self._frame is None or self._is_finished or self._is_redraw_scheduled:
                return
            if self._html is not None:
                self.renew_when_due()
            remaining = self._drawn_at + self._interval - time.monotonic()
            if remaining > 0:
                self._is_redraw_scheduled = True
                loop = event_loop.loop()
                loop.call_soon_threadsafe(loop.call_later, remaining, self._flush)
            else:
                self._flush()

    def renew(self) -> None:
        """Publish the present state as the fallback, which a notebook that is saved before the end
        shows.
        """
        with self._lock:
            if self._handle is not None and not self._is_finished:
                self._context.copy().run(self._handle.update, self._unfinished_bundle(), raw=True)

    def renew_when_due(self) -> None:
        """Renew the static form if it is due; see `RENEW_S`."""
        if time.monotonic() >= self._renew_at:
            self.renew()

    def finish(self, state: Any) -> None:
        """Show the final state as a static bundle; nothing moves after this."""
        with self._lock:
            if self._is_finished:
                return
            self.state = state
            self._is_finished = True
        if self._handle is not None:
            bundle = self._final(state)
            self._context.copy().run(self._handle.update, bundle, raw=True)
            if _current_front_end() is self._front_end and not _is_voila():
                self._close()
            else:
                self._leave(bundle)
        else:
            publish(self._final(state))

    def remove(self) -> None:
        """Remove the output, when only the error that follows is to be shown."""
        with self._lock:
            if self._is_finished:
                return
            self._is_finished = True
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)
            self._close()

    def replace_with(self, show: Callable[[], object]) -> None:
        """End, and put the live output that `show` opens into the widget of this one.

        A reloaded page still has the widget, but no longer its output.
        """
        with self._lock:
            if self._is_finished:
                return
            self._is_finished = True
        token = _replaced_output.set(self)
        try:
            show()
        finally:
            _replaced_output.reset(token)

    def republish(self) -> None:
        """Publish the state again, from the cell that waits.

        Programs that run notebooks keep only what arrives while the cell that sent it is running.
        """
        if self._handle is not None and self._is_finished:
            self._handle.update(self._final(self.state), raw=True)

    def hand_over(self, widget: Any) -> tuple[LiveFrame, Any]:
        """Show another widget in the place of this one; return the frame and the display handle."""
        frame = self._frame
        assert frame is not None, "only a live output is replaced"
        frame.show_widget(widget)
        self._close_widgets()
        return frame, self._handle

    def _open(self, widget: Any) -> None:
        from IPython.display import display  # noqa: PLC0415 - only under IPython

        self._widget = widget
        self._front_end = _current_front_end()
        if widget is not None:
            self._redraw()
        if (replaced := _replaced_output.get()) is not None:
            self._frame, self._handle = replaced.hand_over(widget)
            _replaced_output.set(None)
            self._has_view = False
            self._handle.update(self._unfinished_bundle(), raw=True)
            # only now: JupyterLab hides the output in which a view was closed
            self._has_view = replaced._has_view  # noqa: SLF001 - another one of this class
            self.renew()
            return
        from .live_frame import LiveFrame  # noqa: PLC0415 - imports the widgets

        self._frame = LiveFrame(self._on_press)
        bundle = self._unfinished_bundle(is_first=True)
        self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if widget is None:
            self._redraw()
        else:
            self._frame.show_widget(widget)
        if not self._frame.is_attached:
            loop = event_loop.loop()
            # drawing may take a second
            add_view = partial(loop.run_in_executor, None, self._add_view)
            loop.call_soon_threadsafe(loop.call_later, ATTACH_S, add_view)

    def _add_view(self) -> None:
        """Show the widget's own view: no page draws the output, so the front end may know views
        only.
        """
        if self._frame is not None and not self._frame.is_attached:
            self._has_view = True
            self.renew()

    def _close(self) -> None:
        if self._frame is not None:
            self._frame.close()
        self._close_widgets()

    def _leave(self, bundle: Bundle) -> None:
        """Show the final state in a page that was loaded after the cell ran, since its output
        cannot be updated.
        """
        if self._frame is not None:
            self._frame.leave(bundle["text/html"])
        self._close_widgets()

    def _close_widgets(self) -> None:
        for widget in filter(None, (self._widget, self._view)):
            close_widget(widget)

    def _unfinished_bundle(self, *, is_first: bool = False) -> Bundle:
        """Return the static form of the state, dated; with the widget's view, and the stylesheet,
        where a front end needs one.

        The first one of HTML is its date alone: most answers have ended before it is renewed.
        """
        form = self._final(self.state)
        if self._go_on is not None:
            statement = tr(
                "As of {time}; not followed any more.", time=time.strftime("%Y-%m-%d %H:%M:%S")
            )
            remedy = self._go_on(self.state)
            note = components.note("idle", statement, components.with_code(remedy), sign="○")
            if is_first and self._html is not None:
                form = {"text/plain": "", "text/html": components.body(note)}
            else:
                form["text/html"] = without_formulas(components.output(note)) + form["text/html"]
            form["text/plain"] = f"{form['text/plain']}\n{statement} {remedy}".lstrip()
        assert self._frame is not None, "only a live output has an unfinished bundle"
        shortest, longest = RENEW_S
        interval = sum(map(len, form.values())) / RENEW_BYTES_PER_S
        self._renew_at = time.monotonic() + min(max(shortest, interval), longest)
        form["text/html"] = self._frame.wrap(form["text/html"])
        if not self._has_view or self._widget is None:
            return form
        if self._view is None:
            from ipywidgets import HTML, VBox  # noqa: PLC0415 - there is a widget

            self._view = VBox([self._widget, HTML(f"<style>{whole_sheet()}</style>")])
        return dict(self._view._repr_mimebundle_()) | form

    def _final(self, state: Any) -> Bundle:
        return inert(self._create_bundle(state))

    def _flush(self) -> None:
        with self._lock:
            self._is_redraw_scheduled = False
            if not self._is_finished:
                self._drawn_at = time.monotonic()
                self._redraw()

    def _redraw(self) -> None:
        if self._draw is not None:
            self._draw(self._widget, self.state)
        elif self._has_view:  # without widgets there is no other view
            self._handle.update(self._final(self.state), raw=True)
        elif self._html is not None and self._frame is not None:
            self._frame.show_html(*map(without_formulas, self._html(self.state)))
            accept_clicks(self._frame.model)


def _shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # noqa: PLC0415 - only when it is there anyway

    return get_ipython()


def _is_from_page(request: dict[str, Any]) -> bool:
    """Return whether a page has sent the message: it names the cell; nbclassic's is known by its
    header.
    """
    header = request.get("header") or {}
    is_from_nbclassic = (header.get("version"), header.get("username")) == ("5.2", "username")
    return "cellId" in (request.get("metadata") or {}) or is_from_nbclassic


def _is_voila() -> bool:
    """Return whether Voila runs the notebook: a program, whose page draws the widgets when every
    cell has run.
    """
    return "VOILA_BASE_URL" in os.environ


def close_widget(widget: Any) -> None:
    """Close a widget with its children, layout and style, so that no model is left in the
    kernel.
    """
    for child in getattr(widget, "children", ()):
        close_widget(child)
    for part in ("layout", "style"):
        if (resource := getattr(widget, part, None)) is not None and hasattr(resource, "close"):
            resource.close()
    widget.close()


def _current_front_end() -> Any:
    """Return an object that identifies the page which asked for the widgets last; a reload changes
    it.
    """
    from ipywidgets import Widget  # noqa: PLC0415 - there is a widget

    return getattr(Widget, "_control_comm", None)


def accept_clicks(widget: Any) -> None:
    """Let clicks in while a cell keeps the main thread busy.

    ipykernel 7.4 delivers them to the thread that drew the widget last, for ours the main one;
    without its note they go to the thread that the front end has for widgets.
    """
    getattr(widget.comm, "__dict__", {}).pop("_reply_subshell_id", None)
