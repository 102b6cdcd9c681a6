"""The launch form as one widget: fields, what is folded, the estimate, and the buttons."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ...base.language import tr
from ...dataset.samples import TRAIN_ROWS
from ..controls import PanelWidgets
from ..display import accept_clicks
from . import render
from .fields import Field
from .state import FOLDS, LauncherState

_CHANGED_ON_BLUR = {"dataset", "eval_dataset", "model"}
"""Fields that are read when the focus leaves them, not at each letter."""

_FIXED_CHOICES = {"Dropdown", "SelectMultiple"}
"""Widgets that cannot keep their value when their choices change."""

SETTINGS: Final = "settings"
"""The field for the name of settings that are loaded or saved."""


class LauncherWidget:
    """Draws the states of a launcher, and reports what people do; the callbacks may run in any
    thread.

    A field stays the same widget while it is shown, so that it keeps the focus of the keyboard.
    What is
    typed is not written back: a value is written into a new field, or where `overwrite` says so.

    Args:
        on_change: takes a field's name and its new value.
        on_press: takes the key of a button.

    Attributes:
        root: the widget.
        overwrite: write all values of the next state into the fields.
    """

    def __init__(
        self, on_change: Callable[[str, Any], None], on_press: Callable[[str], None]
    ) -> None:
        import ipywidgets  # noqa: PLC0415 - only for a widget

        self._on_change = on_change
        self._drawing_thread = 0
        self.overwrite = False
        self._stage = ""
        self._fields: dict[tuple[str, str], Any] = {}
        self._panel = panel = PanelWidgets()
        self._texts = {
            key: panel.html()
            for key in ("head", "warning", "preview", "python", "numbers", "status")
        }
        self._buttons = {
            key: panel.button("", partial(_press, on_press, key))
            for key in (
                "launch",
                "insert",
                "load",
                "save",
                "close",
                "fix",
                "sample",
                "dialog",
                "cancel",
                *FOLDS,
            )
        }
        for key in FOLDS:
            self._buttons[key].remove_class("qf-btn").add_class("qf-fold")
        self._grids = {key: panel.box("qf-form") for key in ("first", "advanced")}
        self._rows = {key: panel.row([]) for key in ("dialog", "status", "buttons")}
        self._more = panel.box("qf-more")
        self._frame = panel.panel([])
        self.root = ipywidgets.Box(
            [self._frame], layout=ipywidgets.Layout(width="100%", display="block")
        )

    @property
    def configuration(self) -> str:
        """The text in the field of settings."""
        widget = self._fields.get((SETTINGS, ""))
        if widget is None:
            return ""
        return str(widget.value)

    def draw(self, state: LauncherState) -> None:
        """Show a state; what has not changed is not sent."""
        self._drawing_thread = threading.get_ident()
        try:
            self._texts["head"].value = render.header(state)
            if state.is_loaded:
                self._draw_form(state)
            else:
                self._texts["status"].value = render.waiting(state)
            self._draw_buttons(state)
            self._set_children(self._frame, self._visible_parts(state))
        finally:
            self._drawing_thread = 0

    def focus(self, button: str) -> None:
        """Move the keyboard's focus to a button."""
        self._buttons[button].focus()

    def close(self) -> None:
        """Close everything but the form's own widget, which may hold something else by now."""
        boxes = (*self._grids.values(), *self._rows.values(), self._more)
        parts = (*self._fields.values(), *self._buttons.values(), *self._texts.values())
        shared = (self._frame.layout, self._texts["head"].style, self._buttons["launch"].style)
        shared += tuple(self._panel.field_settings.values())
        for widget in (*parts, *boxes, self._frame, *shared):
            widget.close()

    def _draw_form(self, state: LauncherState) -> None:
        overwrite = self.overwrite
        self.overwrite = False
        fields = state.fields
        is_open = {key: render.is_unfolded(state, key, fields) for key in FOLDS}
        visible = [item for item in fields if is_open["advanced"] or not item.is_advanced]
        if state.dialog:
            visible.append(
                Field(
                    SETTINGS,
                    tr("Name of the settings"),
                    "",
                    "",
                    widget="Combobox",
                    choices=state.configurations,
                )
            )
        for field_key in self._fields.keys() - {
            (item.name, item.rule) for item in (*fields, *visible)
        }:
            self._fields.pop(field_key).close()
        widgets = {item.name: self._draw_field(item, overwrite=overwrite) for item in visible}
        for key, grid in self._grids.items():
            names = [
                item.name
                for item in fields
                if item.is_advanced == (key == "advanced") and item.name in widgets
            ]
            self._set_children(grid, [widgets[name] for name in names])
        if state.dialog:
            buttons = [self._buttons[key] for key in ("dialog", "cancel")]
            self._set_children(self._rows["dialog"], [widgets[SETTINGS], *buttons])
        texts = {"warning": render.warning, "numbers": render.numbers, "status": render.status}
        texts |= {"preview": render.preview} if is_open["preview"] else {}
        texts |= {"python": render.python_code} if is_open["python"] else {}
        for key, draw in texts.items():
            self._texts[key].value = draw(state)
        self._draw_folds(state, fields, is_open)

    def _draw_folds(
        self, state: LauncherState, fields: list[Field], is_open: dict[str, bool]
    ) -> None:
        contents = {
            "advanced": self._grids["advanced"],
            **{key: self._texts[key] for key in ("preview", "python")},
        }
        parts = []
        for key, content in contents.items():
            button = self._buttons[key]
            button.description = render.fold_label(state, key, fields)
            (button.add_class if is_open[key] else button.remove_class)("qf-open")
            parts += [button, content] if is_open[key] else [button]
        self._set_children(self._more, parts)

    def _draw_field(self, item: Field, *, overwrite: bool) -> Any:
        """Return the widget of a field, with its value, choices and label."""
        key = item.name, item.rule
        is_new = key not in self._fields
        widget = self._fields.get(key) or self._fields.setdefault(key, self._create_widget(item))
        if item.name != SETTINGS:
            self._fill(widget, item, write=is_new or overwrite)
        elif tuple(widget.options) != item.choices:
            widget.options = item.choices
        widget.description = render.label(item)
        accept_clicks(widget)
        return widget

    def _create_widget(self, item: Field) -> Any:
        options: dict[str, Any] = (
            {"continuous_update": False} if item.name in _CHANGED_ON_BLUR else {}
        )
        if item.widget in {"Text", "Combobox"}:
            options["placeholder"] = item.placeholder
        if item.description:
            options["tooltip"] = item.description
        widget = self._panel.field(item.widget, **options)
        widget.observe(lambda change: self._forward_change(item.name, change["new"]), "value")
        return widget

    def _forward_change(self, name: str, value: Any) -> None:
        if self._drawing_thread != threading.get_ident() and name != SETTINGS:
            self._on_change(name, value)

    def _fill(self, widget: Any, item: Field, *, write: bool) -> None:
        """Set a field's choices, and its value; one that is not among its choices leaves it at the
        first.
        """
        if item.choices and tuple(widget.options) != item.choices:
            widget.options = item.choices
            write = write or item.widget in _FIXED_CHOICES
        if not write:
            return
        values = [choice[1] if isinstance(choice, tuple) else choice for choice in item.choices]
        if item.widget == "SelectMultiple":
            if isinstance(item.value, (list, tuple)):
                chosen = item.value
            else:
                chosen = ()
            widget.value = [value for value in chosen if value in values]
        elif item.widget == "Dropdown":
            if item.value in values:
                widget.value = item.value
            else:
                widget.value = next(iter(values), None)
        else:
            widget.value = str(item.value)

    def _visible_parts(self, state: LauncherState) -> list[Any]:
        """Return the visible parts, in the order of the tab key."""
        head = self._texts["head"]
        buttons = self._rows["buttons"]
        if not state.is_loaded:
            return [head, self._rows["status"], buttons]
        if state.dialog:
            dialog = [self._rows["dialog"]]
        else:
            dialog = []
        texts = self._texts
        if texts["status"].value:
            status = [self._rows["status"]]
        else:
            status = []
        first = self._grids["first"]
        return [
            head,
            first,
            texts["warning"],
            self._more,
            texts["numbers"],
            buttons,
            *dialog,
            *status,
        ]

    def _draw_buttons(self, state: LauncherState) -> None:
        """Label the buttons with what they do now."""
        buttons = self._buttons
        if state.is_loaded:
            fix = render.first_fix(state)[0]
        else:
            fix = ""
        is_confirming = state.stage == "confirming"
        has_issues = state.has_issues
        buttons["launch"].description = render.launch_label(state)
        buttons["launch"].disabled = state.stage == "launching" or (
            has_issues and state.stage != "unavailable"
        )
        buttons["launch"].add_class("qf-main")
        if is_confirming:
            buttons["insert"].description = tr("Back to the form")
        else:
            buttons["insert"].description = tr("Insert as a cell")
        buttons["insert"].disabled = has_issues or state.stage == "launching"
        buttons["load"].description = tr("Load settings…")
        buttons["save"].description = tr("Save settings…")
        if state.dialog == "save":
            buttons["dialog"].description = tr("Save")
        else:
            buttons["dialog"].description = tr("Load")
        buttons["cancel"].description = tr("Cancel")
        buttons["close"].description = tr("Close")
        buttons["fix"].description = fix
        buttons["sample"].description = tr("Try it with teahouse, {rows} rows", rows=TRAIN_ROWS)
        if is_confirming:
            keys = ["launch", "insert"]
        else:
            keys = ["launch", "insert", "load", "save", "close"]
        keys = {"loading": ["close"], "unavailable": ["launch", "close"]}.get(state.stage, keys)
        self._set_children(self._rows["buttons"], [buttons[key] for key in keys])
        if fix:
            offered = [buttons["fix"]]
        elif state.offers_sample:
            offered = [buttons["sample"]]
        else:
            offered = []
        self._set_children(self._rows["status"], [self._texts["status"], *offered])
        for button in buttons.values():
            accept_clicks(button)

    @staticmethod
    def _set_children(box: Any, children: list[Any]) -> None:
        if box.children != tuple(children):
            box.children = tuple(children)


def _press(on_press: Callable[[str], None], key: str, _button: Any) -> None:
    on_press(key)
