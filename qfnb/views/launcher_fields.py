"""The fields of the form as widgets: a card for each, with its label above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from pydantic.alias_generators import to_snake

from ..errors import InvalidArgumentError
from ..trainer.launch import CHOSEN, Form, number
from ..wire.finetune import SupportedParameter
from . import stopping
from .launcher_text import AFTERS, Sheet, label, parameter_label, shown_after

MOST: Final = 11
"""Hyper-parameters with a field of their own; of more, the last ones share a field."""

_DROPDOWNS = {"mode", "scale", "after"}
_COMBOBOXES = {"config", "dataset", "eval_dataset", "model"}
_WHEN_LEFT = {"dataset", "eval_dataset", "model"}
"""Fields that are read when the person is through with them, not at each letter."""


class Key(NamedTuple):
    """Which field; a hyper-parameter with another range or default has another one."""

    name: str
    rule: str = ""


class Fields:
    """The input widgets of a form; the same field stays the same widget, so that nobody loses the place.

    Args:
        changed: is told a field's name and its new value when a person changed it.
    """

    def __init__(self, changed: Callable[[str, Any], None]) -> None:
        import ipywidgets  # noqa: PLC0415 - widgets are wanted now
        from ipywidgets.widgets.widget_string import TextStyle  # noqa: PLC0415

        self._kit, self._changed = ipywidgets, changed
        self._look = {
            "style": TextStyle(description_width="100%"),
            "layout": ipywidgets.Layout(
                flex_flow="row wrap",
                height="auto",
                width="19em",
                margin="4px 14px 4px 0",
            ),
        }
        self._widgets: dict[Key, Any] = {}

    def show(self, sheet: Sheet, *, overwrite: bool) -> list[tuple[str, Any]]:
        """Return the fields that a sheet needs, in their order, with its values, choices and labels.

        What is typed in a field is not written back, unless `overwrite` says that all of it is new.
        """
        wanted = dict(_wanted(sheet.form))
        for key in self._widgets.keys() - wanted.keys():
            self._widgets.pop(key).close()
        for key, row in wanted.items():
            new = key not in self._widgets
            widget = self._widgets.get(key) or self._widgets.setdefault(key, self._made(key.name, row))
            self._fill(widget, key.name, row, sheet, write=new or overwrite)
            stopping.let_in(widget)
        return [(key.name, self._widgets[key]) for key in wanted]

    def value(self, name: str) -> str:
        """Return what stands in a field of text."""
        return str(self._widgets[Key(name)].value)

    def close(self) -> None:
        """Close what all fields share; the fields themselves go with what they stand in."""
        for part in self._look.values():
            part.close()

    def _made(self, name: str, row: SupportedParameter | None) -> Any:
        more = {"continuous_update": False} if name in _WHEN_LEFT else {}
        widget = self._kind(name, row)(description_allow_html=True, **more, **self._look)
        widget.observe(lambda change: self._changed(name, change["new"]), "value")
        return widget

    def _kind(self, name: str, row: SupportedParameter | None) -> Any:
        if row is not None and row.check_type in CHOSEN and row.check_value:
            return self._kit.Dropdown if row.check_type == "choice" else self._kit.SelectMultiple
        if row is None and name in _DROPDOWNS:
            return self._kit.Dropdown
        return self._kit.Combobox if row is None and name in _COMBOBOXES else self._kit.Text

    def _fill(
        self, widget: Any, name: str, row: SupportedParameter | None, sheet: Sheet, *, write: bool
    ) -> None:
        choices = _row_choices(row) if row is not None else _choices(name, sheet)
        if choices and tuple(widget.options) != choices:
            widget.options = choices
            write = write or name in _DROPDOWNS
        if write and name != "config":
            _write(widget, _value(sheet.form, name, row))
        widget.description = label(sheet, name) if row is None else parameter_label(sheet, row)


def parted(form: Form) -> tuple[list[SupportedParameter], list[SupportedParameter]]:
    """Return the hyper-parameters that have a field of their own, and those that share one."""
    rows = form.parameters
    return (rows, []) if len(rows) <= MOST else (rows[: MOST - 1], rows[MOST - 1 :])


def others_read(form: Form, typed: str) -> dict[str, Any]:
    """Return the values of the hyper-parameters that share a field; names that are unknown stay in."""
    rows = {name: row for row in parted(form)[1] for name in (row.key, to_snake(row.key))}
    pairs = (part.partition("=") for part in typed.replace("；", ";").split(";") if part.strip())
    found = {}
    for name, _, raw in pairs:
        row = rows.get(name.strip())
        found[row.key if row else name.strip()] = _typed(row, raw.strip()) if row else raw.strip()
    return dict.fromkeys((row.key for row in parted(form)[1]), "") | found


def _typed(row: SupportedParameter, raw: str) -> Any:
    if row.check_type == "mult_choice":
        return [part.strip() for part in raw.split(",") if part.strip()]
    try:
        return number(raw, row.type, row.key) if row.check_type == "choice" else raw
    except InvalidArgumentError:
        return raw


def _wanted(form: Form) -> Iterator[tuple[Key, SupportedParameter | None]]:
    for name in ("config", "dataset", "held_out", "model", "mode", "scale"):
        yield Key(name), None
    own, shared = parted(form)
    for row in own:
        yield Key(row.key, f"{row.check_type}{row.check_value}{row.default}"), row
    for name in (*(["others"] if shared else []), "after", *shown_after(form.draft), "name"):
        yield Key(name), None


def _choices(name: str, sheet: Sheet) -> tuple[Any, ...]:
    form = sheet.form
    data = (*sorted(sheet.variables), *sheet.files)
    found: dict[str, tuple[Any, ...]] = {
        "config": sheet.configurations,
        "dataset": data,
        "eval_dataset": data,
        "model": tuple(row.model for row in form.offer),
        "mode": tuple(form.modes),
        "scale": tuple(form.scales),
        "after": tuple((words, key) for key, words in AFTERS.items()),
    }
    return found.get(name, ())


def _row_choices(row: SupportedParameter) -> tuple[Any, ...]:
    if row.check_type not in CHOSEN or not row.check_value:
        return ()
    empty = [("—", "")] if row.check_type == "choice" and row.default not in row.check_value else []
    return (*empty, *((str(value), value) for value in row.check_value))


def _value(form: Form, name: str, row: SupportedParameter | None) -> Any:
    if row is not None:
        return form.draft.values.get(row.key, "")
    if name == "others":
        kept = ((row.key, form.draft.values.get(row.key, "")) for row in parted(form)[1])
        return "; ".join(f"{to_snake(key)}={_joined(value)}" for key, value in kept if value not in ("", []))
    return getattr(form.draft, name)


def _joined(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _write(widget: Any, value: Any) -> None:
    """Put a value into a field; one that is not among its choices leaves it at the first."""
    if hasattr(widget, "index") and isinstance(widget.index, tuple):
        widget.value = [item for item in value or () if item in dict(widget.options).values()]
    elif hasattr(widget, "index"):
        known = [row[1] if isinstance(row, tuple) else row for row in widget.options]
        widget.value = value if value in known else known[0] if known else None
    else:
        widget.value = str(value)
