"""The launch form as one widget: a card for each field, the preview, the summary and the buttons."""

import threading
from collections.abc import Callable
from typing import Any, Final

from ..display import accept_clicks
from .render import Field, LauncherState, label, list_fields, preview, summary, title

BUTTON_LABELS: Final = {
    "load": "载入 Load",
    "save": "保存 Save",
    "launch": "启动训练 Launch",
    "insert": "插入单元格 Insert cell",
    "close": "关闭 Close",
}
LAUNCH_LABELS: Final = {"unavailable": "重试 Try again", "launching": "正在启动 launching…"}
CONFIRM_PAID: Final = "确认启动？将产生费用 Confirm: it costs money"
CONFIRM_FREE: Final = "确认启动？沙盒免费 Confirm: free in the sandbox"

_CHANGED_ON_BLUR = {"dataset", "eval_dataset", "model"}
"""Fields that are read when the focus leaves them, not at each letter."""

_FIXED_CHOICES = {"mode", "scale", "after"}
"""Fields that cannot keep their value when their choices change."""


class LauncherWidget:
    """Draws the states of a launcher, and reports what people do; the callbacks may run in any thread.

    A field stays the same widget while it is shown, so that it keeps the focus of the keyboard. What is
    typed is not written back: a value is written into a new field, or where `overwrite` says so.

    Args:
        on_change: takes a field's name and its new value.
        on_press: takes the key of a button.

    Attributes:
        root: the widget.
        overwrite: write all values of the next state into the fields.
    """

    def __init__(self, on_change: Callable[[str, Any], None], on_press: Callable[[str], None]) -> None:
        import ipywidgets  # noqa: PLC0415 - only for a widget
        from ipywidgets.widgets.widget_string import HTMLStyle, TextStyle  # noqa: PLC0415

        self._ipywidgets, self._on_change = ipywidgets, on_change
        self._drawing_thread, self.overwrite = 0, False
        self._fields: dict[tuple[str, str], Any] = {}
        self._card = {
            "style": TextStyle(description_width="100%"),
            "layout": ipywidgets.Layout(flex_flow="row wrap", height="auto", width="19em", margin="4px 14px 4px 0"),
        }
        text_settings = {"style": HTMLStyle(), "layout": ipywidgets.Layout(width="100%")}
        button_settings = {
            "style": ipywidgets.ButtonStyle(),
            "layout": ipywidgets.Layout(width="auto", align_self="flex-end"),
        }
        self._title, self._preview, self._summary = (ipywidgets.HTML(**text_settings) for _ in range(3))
        self._buttons = {
            key: ipywidgets.Button(description=words, **button_settings) for key, words in BUTTON_LABELS.items()
        }
        for key, widget in self._buttons.items():
            widget.on_click(lambda _, key=key: on_press(key))
        self._shared_models = (*self._card.values(), *text_settings.values(), *button_settings.values())
        self.root = ipywidgets.Box(
            layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", width="100%")
        )

    @property
    def configuration(self) -> str:
        """The text in the field of configurations."""
        return str(self._fields["config", ""].value)

    def draw(self, state: LauncherState) -> None:
        """Show a state; what has not changed is not sent."""
        self._drawing_thread = threading.get_ident()
        try:
            fields = self._draw_fields(state) if state.is_loaded else []
            self._title.value = f"<b>{title(state)}</b>"
            self._preview.value, self._summary.value = preview(state), summary(state)
            self._draw_buttons(state)
            children = self._visible_parts(state, fields)
            if self.root.children != children:
                self.root.children = children
        finally:
            self._drawing_thread = 0

    def close(self) -> None:
        """Close everything but the form's own widget, which may hold something else by now."""
        fields = [*self._fields.values()]  # one that is not visible has no parent that closes it
        texts = (self._title, self._preview, self._summary)
        for widget in (*fields, *self._buttons.values(), *texts, *self._shared_models):
            widget.close()

    def _draw_fields(self, state: LauncherState) -> list[tuple[str, Any]]:
        """Return the name and the widget of each field, with the values, choices and labels of a state."""
        overwrite, self.overwrite = self.overwrite, False
        fields = {(field.name, field.rule): field for field in list_fields(state)}
        for key in self._fields.keys() - fields.keys():
            self._fields.pop(key).close()
        for key, field in fields.items():
            is_new = key not in self._fields
            widget = self._fields.get(key) or self._fields.setdefault(key, self._create_widget(field))
            self._fill(widget, field, write=is_new or overwrite)
            widget.description = label(state, field)
            accept_clicks(widget)
        return [(name, self._fields[name, rule]) for name, rule in fields]

    def _create_widget(self, field: Field) -> Any:
        options = {"continuous_update": False} if field.name in _CHANGED_ON_BLUR else {}
        widget_class = getattr(self._ipywidgets, field.widget)
        widget = widget_class(description_allow_html=True, **options, **self._card)
        widget.observe(lambda change: self._forward_change(field.name, change["new"]), "value")
        return widget

    def _forward_change(self, name: str, value: Any) -> None:
        if self._drawing_thread != threading.get_ident():
            self._on_change(name, value)

    def _fill(self, widget: Any, field: Field, *, write: bool) -> None:
        """Set a field's choices, and its value; one that is not among its choices leaves it at the first."""
        if field.choices and tuple(widget.options) != field.choices:
            widget.options = field.choices
            write = write or field.name in _FIXED_CHOICES
        if not write or field.name == "config":
            return
        values = [choice[1] if isinstance(choice, tuple) else choice for choice in field.choices]
        if field.widget == "SelectMultiple":
            widget.value = [item for item in field.value or () if item in values]
        elif field.widget == "Dropdown":
            widget.value = field.value if field.value in values else next(iter(values), None)
        else:
            widget.value = str(field.value)

    def _visible_parts(self, state: LauncherState, fields: list[tuple[str, Any]]) -> tuple[Any, ...]:
        """Return what is shown, in the order of the tab key."""
        buttons = self._buttons
        if state.stage == "loading":
            return (self._summary, buttons["close"])
        if state.stage == "unavailable":
            return (self._summary, buttons["launch"], buttons["close"])
        attached = {"config": (buttons["load"], buttons["save"], self._title), "held_out": (self._preview,)}
        parts = [part for name, widget in fields for part in (widget, *attached.get(name, ()))]
        return (*parts, self._summary, buttons["launch"], buttons["insert"], buttons["close"])

    def _draw_buttons(self, state: LauncherState) -> None:
        """Label the buttons with what they do now."""
        confirm = CONFIRM_FREE if state.form.from_sandbox else CONFIRM_PAID
        has_issues = bool(state.form.issues) and state.stage != "unavailable"
        launch = self._buttons["launch"]
        launch.description = {**LAUNCH_LABELS, "confirming": confirm}.get(state.stage, BUTTON_LABELS["launch"])
        launch.disabled = has_issues or state.stage == "launching"
        launch.button_style = "warning" if state.stage == "confirming" else "primary"
        self._buttons["insert"].disabled = has_issues
