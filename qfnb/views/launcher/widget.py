"""The whole form as one widget: fields, preview, summary and buttons; at most forty models."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from .. import stop_button
from .fields import FieldWidgets
from .render import LauncherState, preview, summary, title

BUTTON_LABELS: Final = {
    "load": "载入 Load",
    "save": "保存 Save",
    "launch": "启动训练 Launch",
    "insert": "插入单元格 Insert cell",
    "close": "关闭 Close",
}
LAUNCH_LABELS: Final = {"unanswered": "重试 Try again", "launching": "正在启动 launching…"}
CONFIRM_PAID: Final = "确认启动？将产生费用 Confirm: it costs money"
CONFIRM_FREE: Final = "确认启动？沙盒免费 Confirm: free in the sandbox"


class LauncherWidget:
    """Draws sheets, and tells two listeners what people do; they may be called in any thread.

    Attributes:
        root: the widget.
        overwrite: the next sheet is all new: its values are written into the fields.
    """

    def __init__(self, on_change: Callable[[str, Any], None], on_press: Callable[[str], None]) -> None:
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now
        from ipywidgets.widgets.widget_string import HTMLStyle  # noqa: PLC0415

        self._on_change, self._drawing_thread = on_change, 0
        self._fields = FieldWidgets(self._forward_change)
        wide_layout, fit_layout = (
            ipywidgets.Layout(width="100%"),
            ipywidgets.Layout(width="auto", align_self="flex-end"),
        )
        button_style, text_style = ipywidgets.ButtonStyle(), HTMLStyle()
        self._title, self._preview, self._summary = (
            ipywidgets.HTML(layout=wide_layout, style=text_style) for _ in range(3)
        )
        self._buttons = {
            key: ipywidgets.Button(layout=fit_layout, style=button_style) for key in BUTTON_LABELS
        }
        for key, button in self._buttons.items():
            button.description = BUTTON_LABELS[key]
            button.on_click(lambda _, key=key: on_press(key))
        self._shared_models = (wide_layout, fit_layout, button_style, text_style)
        self.overwrite = False
        self.root = ipywidgets.Box(
            layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", width="100%")
        )

    @property
    def configuration(self) -> str:
        """What stands in the field of configurations."""
        return self._fields.value("config")

    def draw(self, state: LauncherState) -> None:
        """Show a sheet; what has not changed is not sent."""
        self._drawing_thread, overwrite, self.overwrite = threading.get_ident(), self.overwrite, False
        try:
            is_loaded = state.stage not in {"asking", "unanswered"}
            fields = self._fields.show(state, overwrite=overwrite) if is_loaded else []
            self._title.value = f"<b>{title(state)}</b>"
            self._preview.value, self._summary.value = preview(state), summary(state)
            self._draw_buttons(state)
            parts = self._visible_parts(state, fields)
            if self.root.children != parts:
                self.root.children = parts
        finally:
            self._drawing_thread = 0

    def close(self) -> None:
        """Close everything; the form's own widget has gone or holds something else."""
        self._fields.close()
        for part in (
            *self._buttons.values(),
            self._title,
            self._preview,
            self._summary,
            *self._shared_models,
        ):
            part.close()

    def _forward_change(self, name: str, value: Any) -> None:
        if self._drawing_thread != threading.get_ident():
            self._on_change(name, value)

    def _visible_parts(self, state: LauncherState, fields: list[tuple[str, Any]]) -> tuple[Any, ...]:
        """Return what is shown, in the order of the tab key."""
        buttons = self._buttons
        if state.stage == "asking":
            return (self._summary, buttons["close"])
        if state.stage == "unanswered":
            return (self._summary, buttons["launch"], buttons["close"])
        attached = {"config": (buttons["load"], buttons["save"], self._title), "held_out": (self._preview,)}
        field_parts = [part for name, widget in fields for part in (widget, *attached.get(name, ()))]
        return (*field_parts, self._summary, buttons["launch"], buttons["insert"], buttons["close"])

    def _draw_buttons(self, state: LauncherState) -> None:
        """Say on the buttons what they do now."""
        confirm = CONFIRM_FREE if state.form.from_sandbox else CONFIRM_PAID
        label = {**LAUNCH_LABELS, "confirming": confirm}.get(state.stage, BUTTON_LABELS["launch"])
        has_issues = bool(state.form.issues) and state.stage != "unanswered"
        launch = self._buttons["launch"]
        launch.description, launch.disabled = label, has_issues or state.stage == "launching"
        launch.button_style = "warning" if state.stage == "confirming" else "primary"
        self._buttons["insert"].disabled = has_issues
        for button in self._buttons.values():
            stop_button.accept_clicks(button)
