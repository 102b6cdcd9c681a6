"""Records accept what the platform really sends; the endpoint table is consistent."""

import importlib
import pkgutil
import string
import types
from typing import Any, Literal, Union, get_args, get_origin

import pytest

import qfnb.wire
from qfnb.wire import chat, finetune
from qfnb.wire.base import Record
from qfnb.wire.endpoints import ENDPOINTS


@pytest.mark.fault("F34")
@pytest.mark.parametrize(
    ("raw", "percent"), [("37%", 37), ("37", 37), (37.2, 37), (None, None), ("", None), ("x", None)]
)
def test_progress_is_read_in_every_form(raw, percent):
    assert finetune.Task.model_validate({"runProgress": raw}).run_progress == percent


@pytest.mark.fault("F31")
def test_unknown_fields_are_kept():
    assert finetune.Task.model_validate({"newField": {"a": 1}}).model_extra == {
        "newField": {"a": 1}
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"result": "a"}, "a"),
        ({"choices": [{"message": {"content": "b"}}]}, "b"),
        ({"choices": [{"delta": {"content": None}}]}, ""),
        ({"choices": []}, ""),
        ({"choices": None, "usage": None}, ""),
        ({}, ""),
    ],
)
def test_the_text_is_read_from_every_shape_of_reply(body, text):
    assert chat.text_of(body) == text


def test_every_row_of_the_endpoint_table_is_consistent():
    for row in ENDPOINTS.values():
        names = {name for _, name, _, _ in string.Formatter().parse(row.path) if name}
        assert names <= {"model", *row.body.model_fields}, (
            row,
            "placeholders are filled from the record",
        )
        is_action = row.plane == "console" and row.path.startswith("/v2/")
        assert (row.action is not None, row.envelope == "action") == (is_action, is_action), row
        assert row.plane != "console" or is_action or row.path.startswith("/wenxinworkshop/"), row
        assert row.repeatable or row.method == "POST", row


def records(kind=Record):
    """Return every class of records."""
    for module in pkgutil.iter_modules(qfnb.wire.__path__):
        importlib.import_module(f"qfnb.wire.{module.name}")
    below = {each: None for child in kind.__subclasses__() for each in (child, *records(child))}
    return sorted(below, key=lambda each: f"{each.__module__}.{each.__name__}")


RECORDS = records()
EXAMPLES = {str: "x", int: 1, float: 1.5, bool: True, bytes: "x", Any: "x", dict: {}}
UNKNOWN = {"xNew": {"list": [1, None, "文", {"deep": None}]}, "x_flag": True}


def example(annotation, unknown, depth=0):
    """Return JSON of a type, with the unknown fields in it wherever there is a record."""
    arguments = get_args(annotation)
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, Record):
        return example_record(annotation, unknown, depth + 1)
    if origin in {Union, types.UnionType}:
        chosen = [each for each in arguments if each is not type(None)]
        return example(
            next(
                (each for each in chosen if "Record" in str(getattr(each, "__mro__", each))),
                chosen[0],
            ),
            unknown,
            depth,
        )
    if origin is list:
        return [example(arguments[0], unknown, depth)] if depth < 4 else []
    return arguments[0] if origin is Literal else EXAMPLES.get(origin, "x")


def example_record(record, unknown, depth=0):
    fields = {
        field.serialization_alias or field.alias or name: example(field.annotation, unknown, depth)
        for name, field in record.model_fields.items()
        if not field.exclude and (field.is_required() or depth < 3)
    }
    return {**fields, **unknown}


def unknown_fields(value, names):
    """Return the unknown fields at every place of JSON that has them."""
    if isinstance(value, dict):
        own = [{name: value[name] for name in names}] if names <= value.keys() else []
        return own + [
            each for name in value.keys() - names for each in unknown_fields(value[name], names)
        ]
    return (
        [each for item in value for each in unknown_fields(item, names)]
        if isinstance(value, list)
        else []
    )


def assert_kept(record, unknown):
    sent = example_record(record, unknown)
    kept = record.model_validate(sent).model_dump(mode="json", by_alias=True)
    places = unknown_fields(sent, unknown.keys())
    assert places, record
    assert unknown_fields(kept, unknown.keys()) == [unknown] * len(places), record


@pytest.mark.fault("F31")
def test_every_record_keeps_unknown_fields_at_every_depth():
    for record in RECORDS:
        assert_kept(record, UNKNOWN)
