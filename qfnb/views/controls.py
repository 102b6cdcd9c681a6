"""The widgets of a live panel: a frame with the stylesheet, rows of buttons, parts that are redrawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Literal

from .._language import tr
from .components import StylePart, stylesheet
from .display import Bundle, LiveOutput, accept_clicks
from .text import NO_FORMULAS, escape, without_formulas

ButtonKind = Literal["", "main", "risk"]
FieldKind = Literal["Text", "Combobox", "Dropdown", "SelectMultiple"]


class PanelWidgets:
    """Makes the widgets of one panel; they share their layouts and styles, each of which is a model."""

    def __init__(self) -> None:
        import ipywidgets  # noqa: PLC0415 - widgets are wanted now
        from ipywidgets.widgets.widget_string import HTMLStyle  # noqa: PLC0415

        self._widgets = ipywidgets
        self._layout = ipywidgets.Layout(width="auto")
        self._button_style, self._html_style = ipywidgets.ButtonStyle(), HTMLStyle()

    @cached_property
    def field_settings(self) -> dict[str, Any]:
        """The style and the layout that all fields share."""
        from ipywidgets.widgets.widget_string import TextStyle  # noqa: PLC0415 - widgets are wanted now

        return {"style": TextStyle(), "layout": self._widgets.Layout(width="auto", height="auto")}

    def html(self, value: str = "") -> Any:
        """Return a part that is redrawn."""
        return self._widgets.HTML(value, layout=self._layout, style=self._html_style)

    def button(self, label: str, on_click: Callable[[Any], object], *, tooltip: str = "", kind: ButtonKind = "") -> Any:
        """Return a button that works while a cell keeps the main thread busy.

        Args:
            label: what it does, verb first.
            on_click: called with the button, in any thread.
            tooltip: one line more.
            kind: "main" for the likely next step, "risk" for what cannot be undone.
        """
        widget = self._widgets.Button(description=label, tooltip=tooltip, layout=self._layout, style=self._button_style)
        mark_kind(widget, kind)
        widget.on_click(on_click)
        accept_clicks(widget)
        return widget

    def field(self, kind: FieldKind, title: str = "", **options: Any) -> Any:
        """Return a field of a form; `field_label` makes other descriptions than a title."""
        options |= {"description": field_label(title), "description_allow_html": True, **self.field_settings}
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

    def keyboard(self, *others: Any) -> Any:
        """Return a widget that keeps the keys within its panel from the notebook; nobody sees it and the others.

        Nor what a page without anywidget's front end shows instead.
        """
        return self.box("qf-hide", [_keyboard_class()(layout=self._layout), *others])

    def panel(self, children: Sequence[Any], *, parts: Sequence[StylePart] = ("TABLE",)) -> Any:
        """Return a framed panel of widgets; the stylesheet's core and the named parts lie in it once."""
        frame = self._widgets.VBox([*children, self.html(stylesheet(*parts))], layout=self._layout)
        for name in ("qf", "qf-panel"):
            frame.add_class(name)
        return frame


def field_label(title: str, *, parameter: str = "", below: str = "") -> str:
    """Return the description of a field: its title, the name of a parameter, and HTML below the field."""
    code = f" <code>{escape(parameter)}</code>" if parameter else ""
    return f'<span {NO_FORMULAS}><span class="qf-label">{escape(title)}{code}</span>{below}</span>'


def mark_kind(button: Any, kind: ButtonKind) -> None:
    """Give a button the look of its kind; what has not changed is not sent."""
    button.add_class("qf-btn")
    for name in ("main", "risk"):
        (button.add_class if name == kind else button.remove_class)(f"qf-{name}")


@cache
def _keyboard_class() -> type[Any]:
    import anywidget  # noqa: PLC0415 - only for a widget

    script = files(__package__).joinpath("keyboard.js").read_text(encoding="utf-8")
    return type("PanelKeyboard", (anywidget.AnyWidget,), {"_esm": script, "__module__": __name__})


def _create_fold() -> tuple[Any, Any]:
    """Return a button, and what it shows and hides."""
    widgets = PanelWidgets()
    inner = widgets.html()
    inner.layout = {"display": "none"}

    def toggle(head: Any) -> None:
        is_open = inner.layout.display == "none"
        inner.layout.display = "block" if is_open else "none"
        (head.add_class if is_open else head.remove_class)("qf-open")

    head = widgets.button("", toggle)
    head.remove_class("qf-btn").add_class("qf-fold")
    return head, inner


def open_with_stop_button(
    state: Any,
    *,
    html: Callable[[Any], str],
    final: Callable[[Any], Bundle],
    stop: Callable[[], None],
    tooltip: str,
    parts: Sequence[StylePart] = ("TABLE", "CHAT"),
    fold: Callable[[Any], tuple[str, str]] = lambda _state: ("", ""),
) -> LiveOutput:
    """Return a live output with a Stop button below it, and what `fold` returns, a title and HTML, folded above it."""

    def build() -> Any:
        import ipywidgets  # noqa: PLC0415 - only where widgets can be shown

        widgets = PanelWidgets()

        def on_click(button: Any) -> None:
            button.disabled, button.description = True, tr("Stopping…")
            stop()

        button = widgets.button(tr("Stop"), on_click, tooltip=tooltip)
        box = ipywidgets.VBox([ipywidgets.Box(), ipywidgets.HTMLMath(), button, widgets.html(stylesheet(*parts))])
        box.add_class("qf")
        return box

    def draw(box: Any, new_state: Any) -> None:
        block, content, button, _ = box.children
        title, folded = fold(new_state)
        if title:
            if not block.children:
                block.add_class("qf-more").children = _create_fold()
            head, inner = block.children
            head.description, inner.value = title, folded
            accept_clicks(head)
        content.value = without_formulas(html(new_state))
        accept_clicks(button)

    return LiveOutput(state, widget=build, draw=draw, final=final)
