"""The launch form as one widget: fields, what is folded, the estimate, and the buttons."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from ...base.language import tr, tr_noop
from ...dataset.samples import TRAIN_ROWS
from ..display import accept_clicks
from ..panel import PanelWidgets, set_class
from . import render
from .fields import FOLDS, Field, LauncherState

_CHANGED_ON_BLUR = {"dataset", "eval_dataset", "model"}
"""Fields that are read when the focus leaves them, not at each letter."""

_FIXED_CHOICES = {"Dropdown", "SelectMultiple"}
"""Widgets that cannot keep their value when their choices change."""

SETTINGS: Final = "settings"
"""The field for the name of settings that are loaded or saved."""

TEXTS: Final = ("head", "preview", "python", "numbers", "status")
BUTTONS: Final = {
    "load": tr_noop("Load settings…"),
    "save": tr_noop("Save settings…"),
    "cancel": tr_noop("Cancel"),
    "close": tr_noop("Close"),
    **dict.fromkeys(("launch", "insert", "fix", "sample", "dialog", *FOLDS), ""),
}
"""The words on the buttons, "" where they change."""

_VISIBLE_BUTTONS: Final = {
    "loading": ["close"],
    "unavailable": ["launch", "close"],
    "confirming": ["launch", "insert"],
}
"""Those of other stages than editing and launching."""


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
        self._fields: dict[tuple[str, str], Any] = {}
        self._panel = panel = PanelWidgets()
        self._texts = {key: panel.html() for key in TEXTS}
        self._buttons = {}
        for key, words in BUTTONS.items():
            press = lambda _, key=key: on_press(key)  # noqa: E731 - one expression
            self._buttons[key] = panel.button(words and tr(words), press)
        sample = tr("Try it with teahouse, {rows} rows", rows=TRAIN_ROWS)
        self._buttons["sample"].description = sample
        self._buttons["launch"].add_class("qf-main")
        for key in FOLDS:
            self._buttons[key].remove_class("qf-btn").add_class("qf-fold")
        self._grids = {key: panel.box("qf-form") for key in ("first", "advanced")}
        self._rows = {key: panel.row([]) for key in ("dialog", "status", "buttons")}
        self._more = panel.box("qf-more")
        self._frame = panel.panel([])
        layout = ipywidgets.Layout(width="100%", display="block")
        self.root = ipywidgets.Box([self._frame], layout=layout)

    @property
    def configuration(self) -> str:
        """The text in the field of settings."""
        widget = self._fields.get((SETTINGS, ""))
        if widget:
            return str(widget.value)
        return ""

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
            _set_children(self._frame, self._visible_parts(state))
        finally:
            self._drawing_thread = 0

    def focus(self, button: str) -> None:
        """Move the keyboard's focus to a button."""
        self._buttons[button].focus()

    def close(self) -> None:
        """Close everything but the form's own widget, which may hold something else by now."""
        groups = (self._fields, self._buttons, self._texts, self._grids, self._rows)
        parts = [widget for group in groups for widget in group.values()]
        shared = [self._frame.layout, self._texts["head"].style, self._buttons["launch"].style]
        for widget in (*parts, self._more, self._frame, *shared):
            widget.close()
        for widget in self._panel.field_settings.values():
            widget.close()

    def _draw_form(self, state: LauncherState) -> None:
        overwrite = self.overwrite
        self.overwrite = False
        fields = state.fields
        is_open = {key: render.is_unfolded(state, key, fields) for key in FOLDS}
        visible = [item for item in fields if is_open["advanced"] or not item.is_advanced]
        if state.dialog:
            title = tr("Name of the settings")
            names = state.configurations
            visible.append(Field(SETTINGS, title, "", widget="Combobox", choices=names))
        used = {(item.name, item.rule) for item in (*fields, *visible)}
        for field_key in self._fields.keys() - used:
            self._fields.pop(field_key).close()
        grids: dict[str, list[Any]] = {"first": [], "advanced": [], SETTINGS: []}
        for item in visible:
            if item.is_advanced:
                key = "advanced"
            else:
                key = "first"
            if item.name == SETTINGS:
                key = SETTINGS
            grids[key].append(self._draw_field(item, overwrite=overwrite))
        for key, grid in self._grids.items():
            _set_children(grid, grids[key])
        if state.dialog:
            buttons = [self._buttons[key] for key in ("dialog", "cancel")]
            _set_children(self._rows["dialog"], [*grids[SETTINGS], *buttons])
        texts = {"numbers": render.numbers, "status": render.status}
        texts |= {"preview": render.preview} if is_open["preview"] else {}
        texts |= {"python": render.python_code} if is_open["python"] else {}
        for key, draw in texts.items():
            self._texts[key].value = draw(state)
        parts = []
        contents = {"advanced": self._grids["advanced"], **self._texts}
        for key in FOLDS:
            button = self._buttons[key]
            button.description = render.fold_label(state, key, fields)
            set_class(button, "qf-open", is_open[key])
            parts += [button, contents[key]] if is_open[key] else [button]
        _set_children(self._more, parts)

    def _draw_field(self, item: Field, *, overwrite: bool) -> Any:
        """Return the widget of a field, with its value, choices and label."""
        key = item.name, item.rule
        is_new = key not in self._fields
        if is_new:
            self._fields[key] = self._create_widget(item)
        widget = self._fields[key]
        is_settings = item.name == SETTINGS
        self._fill(widget, item, write=(is_new or overwrite) and not is_settings)
        widget.description = render.label(item)
        accept_clicks(widget)
        return widget

    def _create_widget(self, item: Field) -> Any:
        options: dict[str, Any] = {}
        if item.name in _CHANGED_ON_BLUR:
            options["continuous_update"] = False
        if item.widget not in _FIXED_CHOICES:
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
        if item.widget not in _FIXED_CHOICES:
            widget.value = str(item.value)
            return
        values = [value for _, value in item.choices]
        if item.widget == "SelectMultiple":
            if isinstance(item.value, (list, tuple)):
                chosen = item.value
            else:
                chosen = ()
            widget.value = [value for value in chosen if value in values]
        elif item.value in values:
            widget.value = item.value
        else:
            widget.value = next(iter(values), None)

    def _visible_parts(self, state: LauncherState) -> list[Any]:
        """Return the visible parts, in the order of the tab key."""
        texts = self._texts
        rows = self._rows
        if not state.is_loaded:
            return [texts["head"], rows["status"], rows["buttons"]]
        parts = [texts["head"], self._grids["first"], self._more]
        parts += [texts["numbers"], rows["buttons"]]
        if state.dialog:
            parts.append(rows["dialog"])
        if texts["status"].value:
            parts.append(rows["status"])
        return parts

    def _draw_buttons(self, state: LauncherState) -> None:
        """Label the buttons with what they do now."""
        buttons = self._buttons
        is_launching = state.stage == "launching"
        is_confirming = state.stage == "confirming"
        if state.is_loaded:
            fix = render.first_fix(state)[0]
        else:
            fix = ""
        is_blocked = state.has_issues and state.stage != "unavailable"
        buttons["launch"].description = render.launch_label(state)
        buttons["launch"].disabled = is_launching or is_blocked
        if is_confirming:
            insert = tr("Back to the form")
        else:
            insert = tr("Insert as a cell")
        buttons["insert"].description = insert
        buttons["insert"].disabled = is_launching or state.has_issues
        if state.dialog == "save":
            buttons["dialog"].description = tr("Save")
        else:
            buttons["dialog"].description = tr("Load")
        buttons["fix"].description = fix
        keys = _VISIBLE_BUTTONS.get(state.stage, ["launch", "insert", "load", "save", "close"])
        _set_children(self._rows["buttons"], [buttons[key] for key in keys])
        if fix:
            offered = ["fix"]
        else:
            offered = ["sample"] * state.offers_sample
        status = [self._texts["status"], *(buttons[key] for key in offered)]
        _set_children(self._rows["status"], status)
        for button in buttons.values():
            accept_clicks(button)


def _set_children(box: Any, children: list[Any]) -> None:
    if box.children != tuple(children):
        box.children = tuple(children)
