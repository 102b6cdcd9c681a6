"""The fields of the form as widgets: a card for each, with its label above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from pydantic.alias_generators import to_snake

from ...errors import InvalidArgumentError
from ...trainer.form.value import CHOICE_TYPES, LaunchForm, parse_value
from ...wire.finetune import SupportedParameter
from .. import stop_button
from .render import FINAL_STEP_LABELS, LauncherState, final_step_fields, label, parameter_label

MAX_SEPARATE_FIELDS: Final = 11
"""Hyper-parameters with a field of their own; of more, the last ones share a field."""

_DROPDOWNS = {"mode", "scale", "after"}
_COMBOBOXES = {"config", "dataset", "eval_dataset", "model"}
_CHANGED_ON_BLUR = {"dataset", "eval_dataset", "model"}
"""Fields that are read when the person is through with them, not at each letter."""


class FieldKey(NamedTuple):
    """Which field; a hyper-parameter with another range or default has another one."""

    name: str
    rule: str = ""


class FieldWidgets:
    """The input widgets of a form; the same field stays the same widget, so that nobody loses the place.

    Args:
        changed: is told a field's name and its new value when a person changed it.
    """

    def __init__(self, on_change: Callable[[str, Any], None]) -> None:
        import ipywidgets  # noqa: PLC0415 - widgets are wanted now
        from ipywidgets.widgets.widget_string import TextStyle  # noqa: PLC0415

        self._ipywidgets, self._on_change = ipywidgets, on_change
        self._shared_options = {
            "style": TextStyle(description_width="100%"),
            "layout": ipywidgets.Layout(
                flex_flow="row wrap",
                height="auto",
                width="19em",
                margin="4px 14px 4px 0",
            ),
        }
        self._widgets: dict[FieldKey, Any] = {}

    def show(self, state: LauncherState, *, overwrite: bool) -> list[tuple[str, Any]]:
        """Return the fields that a sheet needs, in their order, with its values, choices and labels.

        What is typed in a field is not written back, unless `overwrite` says that all of it is new.
        """
        parameters = dict(_iterate_fields(state.form))
        for key in self._widgets.keys() - parameters.keys():
            self._widgets.pop(key).close()
        for key, row in parameters.items():
            is_new = key not in self._widgets
            widget = self._widgets.get(key) or self._widgets.setdefault(
                key, self._create_widget(key.name, row)
            )
            self._fill(widget, key.name, row, state, write=is_new or overwrite)
            stop_button.accept_clicks(widget)
        return [(key.name, self._widgets[key]) for key in parameters]

    def value(self, name: str) -> str:
        """Return what stands in a field of text."""
        return str(self._widgets[FieldKey(name)].value)

    def close(self) -> None:
        """Close what all fields share; the fields themselves go with what they stand in."""
        for part in self._shared_options.values():
            part.close()

    def _create_widget(self, name: str, row: SupportedParameter | None) -> Any:
        options = {"continuous_update": False} if name in _CHANGED_ON_BLUR else {}
        widget = self._widget_class(name, row)(description_allow_html=True, **options, **self._shared_options)
        widget.observe(lambda change: self._on_change(name, change["new"]), "value")
        return widget

    def _widget_class(self, name: str, row: SupportedParameter | None) -> Any:
        if row is not None and row.check_type in CHOICE_TYPES and row.check_value:
            return (
                self._ipywidgets.Dropdown if row.check_type == "choice" else self._ipywidgets.SelectMultiple
            )
        if row is None and name in _DROPDOWNS:
            return self._ipywidgets.Dropdown
        return self._ipywidgets.Combobox if row is None and name in _COMBOBOXES else self._ipywidgets.Text

    def _fill(
        self, widget: Any, name: str, row: SupportedParameter | None, state: LauncherState, *, write: bool
    ) -> None:
        choices = _row_choices(row) if row is not None else _choices(name, state)
        if choices and tuple(widget.options) != choices:
            widget.options = choices
            write = write or name in _DROPDOWNS
        if write and name != "config":
            _set_widget_value(widget, _field_value(state.form, name, row))
        widget.description = label(state, name) if row is None else parameter_label(state, row)


def split_parameters(form: LaunchForm) -> tuple[list[SupportedParameter], list[SupportedParameter]]:
    """Return the hyper-parameters that have a field of their own, and those that share one."""
    rows = form.parameters
    return (
        (rows, [])
        if len(rows) <= MAX_SEPARATE_FIELDS
        else (rows[: MAX_SEPARATE_FIELDS - 1], rows[MAX_SEPARATE_FIELDS - 1 :])
    )


def parse_others(form: LaunchForm, text: str) -> dict[str, Any]:
    """Return the values of the hyper-parameters that share a field; names that are unknown stay in."""
    rows = {name: row for row in split_parameters(form)[1] for name in (row.key, to_snake(row.key))}
    pairs = (part.partition("=") for part in text.replace("；", ";").split(";") if part.strip())
    values = {}
    for name, _, raw in pairs:
        row = rows.get(name.strip())
        values[row.key if row else name.strip()] = _parse_other(row, raw.strip()) if row else raw.strip()
    return dict.fromkeys((row.key for row in split_parameters(form)[1]), "") | values


def _parse_other(row: SupportedParameter, raw: str) -> Any:
    if row.check_type == "mult_choice":
        return [part.strip() for part in raw.split(",") if part.strip()]
    try:
        return parse_value(raw, row.type, row.key) if row.check_type == "choice" else raw
    except InvalidArgumentError:
        return raw


def _iterate_fields(form: LaunchForm) -> Iterator[tuple[FieldKey, SupportedParameter | None]]:
    for name in ("config", "dataset", "held_out", "model", "mode", "scale"):
        yield FieldKey(name), None
    separate, shared = split_parameters(form)
    for row in separate:
        yield FieldKey(row.key, f"{row.check_type}{row.check_value}{row.default}"), row
    for name in (*(["others"] if shared else []), "after", *final_step_fields(form.draft), "name"):
        yield FieldKey(name), None


def _choices(name: str, state: LauncherState) -> tuple[Any, ...]:
    form = state.form
    data = (*sorted(state.variables), *state.files)
    choices: dict[str, tuple[Any, ...]] = {
        "config": state.configurations,
        "dataset": data,
        "eval_dataset": data,
        "model": tuple(row.model for row in form.supported_models),
        "mode": tuple(form.modes),
        "scale": tuple(form.scales),
        "after": tuple((label, key) for key, label in FINAL_STEP_LABELS.items()),
    }
    return choices.get(name, ())


def _row_choices(row: SupportedParameter) -> tuple[Any, ...]:
    if row.check_type not in CHOICE_TYPES or not row.check_value:
        return ()
    blank = [("—", "")] if row.check_type == "choice" and row.default not in row.check_value else []
    return (*blank, *((str(value), value) for value in row.check_value))


def _field_value(form: LaunchForm, name: str, row: SupportedParameter | None) -> Any:
    if row is not None:
        return form.draft.values.get(row.key, "")
    if name == "others":
        values = ((row.key, form.draft.values.get(row.key, "")) for row in split_parameters(form)[1])
        return "; ".join(
            f"{to_snake(key)}={_format_other(value)}" for key, value in values if value not in ("", [])
        )
    return getattr(form.draft, name)


def _format_other(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _set_widget_value(widget: Any, value: Any) -> None:
    """Put a value into a field; one that is not among its choices leaves it at the first."""
    if hasattr(widget, "index") and isinstance(widget.index, tuple):
        widget.value = [item for item in value or () if item in dict(widget.options).values()]
    elif hasattr(widget, "index"):
        option_values = [row[1] if isinstance(row, tuple) else row for row in widget.options]
        widget.value = value if value in option_values else option_values[0] if option_values else None
    else:
        widget.value = str(value)
