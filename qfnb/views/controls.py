"""The widgets of a live panel: a frame, rows of buttons, parts that are redrawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from ..base.language import tr
from . import components
from .display import Bundle, LiveOutput, accept_clicks
from .text import NO_FORMULAS, escape, without_formulas

ButtonKind = Literal["", "main", "risk"]
FieldKind = Literal["Text", "Combobox", "Dropdown", "SelectMultiple"]

PANEL_BYTES_PER_S: Final = 1500
"""What a panel may cost while only its numbers change, 500 bytes of each message included."""


class LimitedPart:
    """A part of a panel whose numbers change all the time: long ones are sent less often.

    Args:
        widget: the HTML that shows the part.
        share: its share of what the panel may cost.
    """

    def __init__(self, widget: Any, share: float = 1.0) -> None:
        self.widget = widget
        self._bytes_per_s = share * PANEL_BYTES_PER_S
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
        self._due = now + (len(html) + 500) / self._bytes_per_s
        self.widget.value = without_formulas(html)


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

    def html(self, value: str = "") -> Any:
        """Return a part that is redrawn."""
        return self._widgets.HTML(value, layout=self._layout, style=self._html_style)

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
        widget = self._widgets.Button(
            description=label, tooltip=tooltip, layout=self._layout, style=self._button_style
        )
        mark_kind(widget, kind)
        widget.on_click(on_click)
        accept_clicks(widget)
        return widget

    def field(self, kind: FieldKind, title: str = "", **options: Any) -> Any:
        """Return a field of a form; `field_label` makes other descriptions than a title."""
        options |= {
            "description": field_label(title),
            "description_allow_html": True,
            **self.field_settings,
        }
        field = getattr(self._widgets, kind)(**options)
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
        for name in ("qf", "qf-panel"):
            frame.add_class(name)
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


def mark_kind(button: Any, kind: ButtonKind) -> None:
    """Give a button the look of its kind; what has not changed is not sent."""
    button.add_class("qf-btn")
    for name in ("main", "risk"):
        (button.add_class if name == kind else button.remove_class)(f"qf-{name}")


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
        button = components.button(
            tr("Stopping…") if is_stopping else tr("Stop"), tooltip, is_disabled=is_stopping
        )
        return components.body(html(new_state)), components.body(
            components.Html(f'<div class="qf-bar">{button}</div>')
        )

    live = LiveOutput(state, html=live_html, final=final, on_press=on_press)
    return live
