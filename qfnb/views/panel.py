"""Panels: an output that follows a job while it works, and is static HTML when the job has ended;
and the widgets that panels and forms are made of.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from ..base.language import tr
from ..transport import event_loop
from . import components
from .components import Html, State
from .display import Bundle, LiveOutput, accept_clicks, display_mode, publish
from .formats import NO_FORMULAS, escape, without_formulas

ButtonKind = Literal["", "main", "risk"]
FieldKind = Literal["Text", "Combobox", "Dropdown", "SelectMultiple"]

PART_BYTES_PER_S: Final = 750
"""What a part may cost while only its numbers change, 500 bytes of each message included."""


class Panel(ABC):
    """Shows a job while it works: its state, buttons, and what grows.

    `show` displays the panel in the current cell; `publish_final` shows the end in the cell that
    waits. The buttons' handlers may run in any thread. The buttons come before what grows, which
    must not move them away from the pointer.

    Attributes:
        job: a batch, an evaluation or a trainer; its state is the value `job.progress`.
        is_asking: whether a question is open, whose buttons keep the keyboard's focus.
    """

    poll_s: float = 0.25
    """Seconds between two looks at the job, however much happens meanwhile."""

    is_asking = False

    def __init__(self, job: Any) -> None:
        self.job = job
        self._live: LiveOutput | None = None

    @abstractmethod
    def _bundle(self, progress: Any) -> Bundle:
        """Return a state in every static format."""

    @abstractmethod
    def result(self) -> str:
        """Return in a line or two what has come out of the job."""

    @abstractmethod
    def _go_on(self, progress: Any) -> str:
        """Return the way to go on, for a page whose kernel is gone."""

    @abstractmethod
    def _parts(self, progress: Any) -> tuple[State, list[Html], list[Html]]:
        """Return the state, the blocks above the buttons, and those below."""

    @abstractmethod
    def _create_buttons(self) -> Sequence[Any]:
        """Return the buttons, of which `_update_buttons` shows a state."""

    @abstractmethod
    def _update_buttons(self, progress: Any) -> Sequence[Any]:
        """Show a state in the buttons; return those that are visible."""

    def build(self) -> Any:
        """Return the widget; its parts share their layouts and styles."""
        self._widgets = PanelWidgets()
        self._head = LimitedPart(self._widgets.html())
        self._body = LimitedPart(self._widgets.html())
        self._row = self._widgets.row(self._create_buttons())
        return self._widgets.panel([self._head.widget, self._row, self._body.widget])

    def draw(self, progress: Any) -> None:
        """Show a state; what has not changed is not sent."""
        visible = tuple(self._update_buttons(progress))
        state, head, body = self._parts(progress)
        self._head.draw(components.stack(*head), state)
        self._body.draw(components.stack(*body) if any(body) else "", (state, self.is_asking))
        if self._row.children != visible:
            self._row.children = visible
        for button in visible:
            accept_clicks(button)

    def _has_ended(self) -> bool:
        return bool(self.job.progress.is_finished)

    def _is_open(self) -> bool:
        """Return whether the panel still moves."""
        return not self._has_ended()

    def show(self, notice: str = "") -> None:
        """Display the panel in the current cell and follow the job; where outputs cannot move,
        print the notice.
        """
        RECENT_PANELS.append(self)
        if notice and display_mode() != "live":
            print(notice)  # noqa: T201 - this is the cell's output
            return
        draw = lambda _, progress: self.draw(progress)  # noqa: E731 - one expression
        self._live = live = LiveOutput(
            self.job.progress, widget=self.build, draw=draw, final=self._bundle, go_on=self._go_on
        )
        if live.mode == "live":
            contextvars.copy_context().run(event_loop.submit, self._follow(live))
        else:
            live.finish(self.job.progress)

    def publish_final(self) -> None:
        """Publish the state from the current cell; in static mode this is the only output."""
        if self._live is None or self._live.mode != "live":
            bundle = self._bundle(self.job.progress)
            # the panel has said it already
            html = bundle["text/html"].replace(' role="status"', "")
            publish({**bundle, "text/html": html})
        elif self._has_ended():
            self._live.finish(self.job.progress)
            self._live.republish()

    async def _follow(self, live: LiveOutput) -> None:
        while self._is_open():
            live.update(self.job.progress)
            if not self.is_asking:
                await asyncio.to_thread(live.renew_when_due)
            await asyncio.sleep(self.poll_s)
        await asyncio.to_thread(live.finish, self.job.progress)  # drawing may take a second


RECENT_PANELS: Final[deque[Panel]] = deque(maxlen=60)  # the panels of this kernel, the newest last


def find_panel(job: object) -> Panel | None:
    """Return the newest panel of a job, None where it has none."""
    return next((panel for panel in reversed(RECENT_PANELS) if panel.job is job), None)


class Controlled(ABC):
    """A value that shows itself with controls; static in a notebook without a user, and after
    `close`.
    """

    _live: LiveOutput | None = None

    @abstractmethod
    def show(self) -> None:
        """Display it in the current cell; an earlier display of it becomes static."""

    def _open(self, state: Any, controls: Any, final: Callable[[Any], Bundle]) -> None:
        """Show a state in widgets, of which `controls.build` makes one and `controls.draw` shows a
        state.
        """
        draw = lambda _, new: controls.draw(new)  # noqa: E731 - one expression
        live = LiveOutput(state, widget=controls.build, draw=draw, final=final, go_on=None)
        if live.mode == "live":
            self._live = live
        else:
            live.finish(state)

    def _finish(self, state: Any) -> None:
        live = self._live
        self._live = None
        if live is not None:
            live.finish(state)

    def _ipython_display_(self) -> None:
        self.show()


class LimitedPart:
    """A part of a panel whose numbers change all the time: long ones are sent less often."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self._key: object = None
        self._due = 0.0

    def draw(self, html: str, key: object) -> None:
        """Show HTML: at once where the key has changed, else when it is due; a later call shows
        what was skipped.
        """
        now = time.monotonic()
        if key == self._key and now < self._due:
            return
        self._key = key
        self._due = now + (len(html) + 500) / PART_BYTES_PER_S
        if html:
            self.widget.value = without_formulas(html)
        else:
            self.widget.value = ""


class PanelWidgets:
    """Makes the widgets of one panel; they share their layouts and styles, each of which is a
    model.
    """

    def __init__(self) -> None:
        import ipywidgets  # noqa: PLC0415 - widgets are wanted now
        from ipywidgets.widgets.widget_string import HTMLStyle  # noqa: PLC0415

        self._widgets = ipywidgets
        self._layout = ipywidgets.Layout(width="auto")
        self._button_style = ipywidgets.ButtonStyle()
        self._html_style = HTMLStyle()

    @cached_property
    def field_settings(self) -> dict[str, Any]:
        """The style and the layout that all fields share."""
        from ipywidgets.widgets.widget_string import TextStyle  # noqa: PLC0415 - widgets are wanted now

        return {"style": TextStyle(), "layout": self._widgets.Layout(width="auto", height="auto")}

    def html(self) -> Any:
        """Return a part that is redrawn."""
        return self._widgets.HTML(layout=self._layout, style=self._html_style)

    def button(
        self,
        label: str,
        on_click: Callable[[Any], object],
        *,
        tooltip: str = "",
        kind: ButtonKind = "",
    ) -> Any:
        """Return a button that works while a cell keeps the main thread busy.

        Args:
            label: what it does, verb first.
            on_click: called with the button, in any thread.
            tooltip: one line more.
            kind: "main" for the likely next step, "risk" for what cannot be undone.
        """
        style = {"layout": self._layout, "style": self._button_style}
        widget = self._widgets.Button(description=label, tooltip=tooltip, **style)
        mark_kind(widget, kind)
        widget.on_click(on_click)
        accept_clicks(widget)
        return widget

    def field(self, kind: FieldKind, title: str = "", **options: Any) -> Any:
        """Return a field of a form; `field_label` makes other descriptions than a title."""
        options |= {"description": field_label(title), "description_allow_html": True}
        field = getattr(self._widgets, kind)(**options, **self.field_settings)
        field.add_class("qf-f")
        return field

    def box(self, name: str, widgets: Sequence[Any] = ()) -> Any:
        """Return widgets in a box of a class of the stylesheet, such as "qf-form"."""
        box = self._widgets.Box(widgets, layout=self._layout)
        box.add_class(name)
        return box

    def row(self, widgets: Sequence[Any]) -> Any:
        """Return widgets in one line that wraps."""
        row = self._widgets.HBox(widgets, layout=self._layout)
        row.add_class("qf-bar")
        return row

    def panel(self, children: Sequence[Any]) -> Any:
        """Return a framed panel of widgets; the page has the stylesheet."""
        frame = self._widgets.VBox(children, layout=self._layout)
        frame.add_class("qf").add_class("qf-panel")
        return frame


def field_label(title: str, *, parameter: str = "", below: str = "") -> str:
    """Return the description of a field: its title, the name of a parameter, and HTML below the
    field.
    """
    if parameter:
        code = f" <code>{escape(parameter)}</code>"
    else:
        code = ""
    return f'<span {NO_FORMULAS}><span class="qf-label">{escape(title)}{code}</span>{below}</span>'


def set_class(widget: Any, name: str, is_set: bool) -> None:
    """Add or remove a class; what has not changed is not sent."""
    (widget.add_class if is_set else widget.remove_class)(name)


def mark_kind(button: Any, kind: ButtonKind) -> None:
    """Give a button the look of its kind."""
    button.add_class("qf-btn")
    for name in ("main", "risk"):
        set_class(button, f"qf-{name}", name == kind)


def open_with_stop_button(
    state: Any,
    *,
    html: Callable[[Any], str],
    final: Callable[[Any], Bundle],
    stop: Callable[[], None],
    tooltip: str,
) -> LiveOutput:
    """Return a live output with a Stop button below it, which a page draws without widgets."""
    is_stopping = False

    def on_press() -> None:
        nonlocal is_stopping
        is_stopping = True
        live.update(live.state)
        stop()

    def live_html(new_state: Any) -> tuple[str, str]:
        if is_stopping:
            label = tr("Stopping…")
        else:
            label = tr("Stop")
        button = components.button(label, tooltip, is_disabled=is_stopping)
        row = Html(f'<div class="qf-bar">{button}</div>')
        return components.body(html(new_state)), components.body(row)

    live = LiveOutput(state, html=live_html, final=final, on_press=on_press)
    return live
