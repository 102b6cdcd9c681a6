"""The whole form as one widget: fields, preview, summary and buttons; at most forty models."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from . import stopping
from .launcher_fields import Fields
from .launcher_text import Sheet, preview, summary, title

BUTTONS: Final = {
    "load": "载入 Load",
    "save": "保存 Save",
    "launch": "启动训练 Launch",
    "insert": "插入单元格 Insert cell",
    "close": "关闭 Close",
}
LAUNCH: Final = {"unanswered": "重试 Try again", "launching": "正在启动 launching…"}
PAID: Final = "确认启动？将产生费用 Confirm: it costs money"
FREE: Final = "确认启动？沙盒免费 Confirm: free in the sandbox"


class Desk:
    """Draws sheets, and tells two listeners what people do; they may be called in any thread.

    Attributes:
        root: the widget.
        overwrite: the next sheet is all new: its values are written into the fields.
    """

    def __init__(self, changed: Callable[[str, Any], None], pressed: Callable[[str], None]) -> None:
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now
        from ipywidgets.widgets.widget_string import HTMLStyle  # noqa: PLC0415

        self._changed, self._drawing = changed, 0
        self._fields = Fields(self._told)
        wide, fit = ipywidgets.Layout(width="100%"), ipywidgets.Layout(width="auto", align_self="flex-end")
        look, style = ipywidgets.ButtonStyle(), HTMLStyle()
        self._title, self._preview, self._summary = (
            ipywidgets.HTML(layout=wide, style=style) for _ in range(3)
        )
        self._buttons = {key: ipywidgets.Button(layout=fit, style=look) for key in BUTTONS}
        for key, button in self._buttons.items():
            button.description = BUTTONS[key]
            button.on_click(lambda _, key=key: pressed(key))
        self._shared = (wide, fit, look, style)
        self.overwrite = False
        self.root = ipywidgets.Box(
            layout=ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", width="100%")
        )

    @property
    def configuration(self) -> str:
        """What stands in the field of configurations."""
        return self._fields.value("config")

    def draw(self, sheet: Sheet) -> None:
        """Show a sheet; what has not changed is not sent."""
        self._drawing, overwrite, self.overwrite = threading.get_ident(), self.overwrite, False
        try:
            filled = sheet.stage not in {"asking", "unanswered"}
            fields = self._fields.show(sheet, overwrite=overwrite) if filled else []
            self._title.value = f"<b>{title(sheet)}</b>"
            self._preview.value, self._summary.value = preview(sheet), summary(sheet)
            self._push(sheet)
            parts = self._parts(sheet, fields)
            if self.root.children != parts:
                self.root.children = parts
        finally:
            self._drawing = 0

    def close(self) -> None:
        """Close everything; the form's own widget has gone or holds something else."""
        self._fields.close()
        for part in (*self._buttons.values(), self._title, self._preview, self._summary, *self._shared):
            part.close()

    def _told(self, name: str, value: Any) -> None:
        if self._drawing != threading.get_ident():
            self._changed(name, value)

    def _parts(self, sheet: Sheet, fields: list[tuple[str, Any]]) -> tuple[Any, ...]:
        """Return what is shown, in the order of the tab key."""
        buttons = self._buttons
        if sheet.stage == "asking":
            return (self._summary, buttons["close"])
        if sheet.stage == "unanswered":
            return (self._summary, buttons["launch"], buttons["close"])
        behind = {"config": (buttons["load"], buttons["save"], self._title), "held_out": (self._preview,)}
        shown = [part for name, widget in fields for part in (widget, *behind.get(name, ()))]
        return (*shown, self._summary, buttons["launch"], buttons["insert"], buttons["close"])

    def _push(self, sheet: Sheet) -> None:
        """Say on the buttons what they do now."""
        confirm = FREE if sheet.form.from_sandbox else PAID
        words = {**LAUNCH, "confirming": confirm}.get(sheet.stage, BUTTONS["launch"])
        wrong = bool(sheet.form.issues) and sheet.stage != "unanswered"
        launch = self._buttons["launch"]
        launch.description, launch.disabled = words, wrong or sheet.stage == "launching"
        launch.button_style = "warning" if sheet.stage == "confirming" else "primary"
        self._buttons["insert"].disabled = wrong
        for button in self._buttons.values():
            stopping.let_in(button)
