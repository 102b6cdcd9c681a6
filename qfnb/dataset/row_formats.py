"""The formats of one row: from the value of a line or a cell to a row, and back to the platform's
lines.

A row is flat: `prompt` and `response` are those of the last turn, `history` has the turns before
it. Four
formats are read: qfnb's own; the platform's list of turns, `[{"prompt": ..., "response":
[["..."]]}]`, whose answers are lists of equally good ones in lists from best to worst; OpenAI's
`{"messages": [...]}`; a bare text.
"""

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._jsonl_csv_parquet import RowError
from ..base.language import tr, trn
from ..base.text import clip, format_value, is_missing, labelled, listed
from ..errors import DatasetError
from .schema import CONVERSATION, PAIRS, PROMPTS, TEXT, Row, Schema, detect_schema

MAX_REPORTED = 10  # problems that an error names; all are counted
_MAX_REASON_LENGTH = 70

TOOL_ROLES = ("tool", "function")
"""The roles of messages with the results of tools."""


class RowLocation(NamedTuple):
    """Where a row was read; a tuple for speed, since every row has one."""

    path: str = ""  # the file, in a zip `data.zip!rows.jsonl`; "" for rows in memory
    line: int | None = None  # the line of the file, from 1; None for formats without lines
    row: int | None = None  # the number of the row, from 1

    def __str__(self) -> str:
        place = str(self.line or "")
        if self.line is None and self.row is not None:
            place = tr("row {row}", row=self.row)
        return ":".join(filter(None, [self.path, place]))


@dataclass(frozen=True)
class Problem:
    """A problem of one row."""

    location: RowLocation  # file, line or row
    column: str  # the column at fault, "" where it is the row as a whole
    reason: str  # what was found and what is expected

    def __str__(self) -> str:
        where = str(self.location)
        if where:
            return f"{where}: {self.reason}"
        return self.reason


def raise_problems(errors: Sequence[tuple[RowLocation, RowError]]) -> None:
    """Raise if rows are wrong.

    Raises:
        DatasetError: the first problem in full, the next nine shortened, and the number of all.
    """
    if not errors:
        return
    problems = [
        Problem(location, error.column, error.reason) for location, error in errors[:MAX_REPORTED]
    ]
    first, *others = problems
    has_line = first.location.line is not None
    lines = [first.reason if has_line else str(first)]
    reasons = {error.reason for _, error in errors}
    if others and len(reasons) == 1:
        lines.append(trn("and {n} row more like it", "and {n} rows more like it", len(errors) - 1))
        if errors[0][1].columns:
            example = {"question": "prompt", "answer": "response"}
            lines.append(
                tr(
                    "where columns have other names: Dataset.load(..., columns={example})",
                    example=example,
                )
            )
    elif others:
        texts = []
        for problem in others:
            location = problem.location
            label = location.line or tr("row {row}", row=location.row)
            texts.append(labelled(label, clip(problem.reason, _MAX_REASON_LENGTH)))
        lines.append(tr("; ").join(texts))
    if len(errors) > len(problems) and len(reasons) > 1:
        lines.append(
            tr(
                "{n} problems in all; the first {shown} are in the error's .problems",
                n=f"{len(errors):,}",
                shown=len(problems),
            )
        )
    error = DatasetError(
        "\n".join(lines),
        path=first.location.path if has_line else "",
        line=first.location.line,
        problems=problems,
        count=len(errors),
    )
    error.columns = errors[0][1].columns
    raise error


LocatedValue = tuple[RowLocation, object]
"""A value with its location; a `RowError` in place of a value that cannot be read."""


def parse_rows(
    values: Iterable[LocatedValue],
    schema: Schema | None = None,
    new_names: Mapping[str, str] | None = None,
) -> tuple[list[Row], Schema]:
    """Return the rows of values, and their schema.

    Args:
        values: rows, or the errors of those that cannot be read.
        schema: default: it is detected.
        new_names: of columns that were renamed; messages have the old ones.

    Raises:
        DatasetError: some are wrong.
    """
    parsed: list[tuple[RowLocation, Row]] = []
    errors: list[tuple[RowLocation, RowError]] = []
    for location, value in values:
        try:
            parsed.append((location, to_row(value, schema)))
        except RowError as error:
            errors.append((location, error))
    rows = [row for _, row in parsed]
    schema = schema or detect_schema(rows)
    for location, row in parsed:
        try:
            drop_missing_fields(row, schema)
            schema.validate(row)
        except RowError as error:
            errors.append((location, error))
    for old, new in (new_names or {}).items():
        for _, row_error in errors:
            if row_error.column == new:
                row_error.reason = row_error.reason.replace(new, old, 1)
    raise_problems(sorted(errors, key=lambda pair: pair[0].row or 0))
    return rows, schema


def with_locations(values: Iterable[object]) -> Iterator[LocatedValue]:
    """Yield values with their numbers as locations."""
    return ((RowLocation(row=number), value) for number, value in enumerate(values, 1))


def to_row(value: object, schema: Schema | None = None) -> Row:
    """Return the row of a value, not yet validated.

    Raises:
        RowError: the value is not a row.
    """
    if isinstance(value, RowError):
        raise value
    if isinstance(value, str):
        if schema is PROMPTS:
            return {"prompt": value}
        return {"text": value}
    if isinstance(value, Sequence) and value and all(isinstance(turn, Mapping) for turn in value):
        if "role" in value[0]:
            return _from_roles(value, {})
        return _from_turns(value)
    if isinstance(value, Mapping):
        row = {str(key): item for key, item in value.items()}
        if isinstance(row.get("messages"), list):
            return _from_roles(row.pop("messages"), row)
        return _flatten_answers(row)
    raise RowError(_expectation((schema or PAIRS).expected, value))


def drop_missing_fields(row: Row, schema: Schema) -> None:
    """Remove optional fields without a value, and give a conversation's row its history."""
    for column, kind in schema.columns.items():
        if kind in {"optional", "turns"} and column in row and is_missing(row[column]):
            del row[column]
    if schema is CONVERSATION:
        row.setdefault("history", [])


def to_platform_line(
    row: Mapping[str, Any], schema: Schema
) -> list[dict[str, Any]] | dict[str, Any]:
    """Return a row as a line of the platform's format: a list of turns, or a text."""
    if schema is TEXT:
        return {"text": row["text"]}
    last_turn: dict[str, Any] = {"prompt": row["prompt"]}
    if schema.name == "sorted":
        last_turn["response"] = [[text] for text in row["responses"]]
    elif schema.name in {"preference", "feedback"}:
        for column in ("chosen", "rejected"):
            if row.get(column):
                last_turn[column] = row[column]
    elif schema is not PROMPTS:
        last_turn["response"] = [[row["response"]]]
    turns = []
    for turn in row.get("history", ()):
        turns.append({"prompt": turn["prompt"], "response": [[turn["response"]]]})
    turns.append(last_turn)
    if row.get("system"):
        turns[0] = {"system": row["system"], **turns[0]}
    return turns


def to_json(value: object) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def row_key(row: Mapping[str, Any], by: Sequence[str] | None = None) -> Hashable:
    """Return a key that is equal for equal rows; `by` names the columns to compare, by default
    all.
    """
    cells = row.items() if by is None else [(column, row.get(column)) for column in by]
    try:
        return frozenset(cells)
    except TypeError:  # a list within
        return to_json(sorted(cells, key=lambda cell: cell[0]))


def deep_copy(value: Any) -> Any:
    """Return a copy of nested lists and dictionaries."""
    if isinstance(value, dict):
        return {key: deep_copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [deep_copy(item) for item in value]
    return value


def _from_turns(turns: Sequence[Mapping[str, Any]]) -> Row:
    *earlier_turns, last_turn = turns
    row = _flatten_answers({str(key): item for key, item in last_turn.items()})
    if earlier_turns:
        row["history"] = []
        for turn in earlier_turns:
            answer = _innermost(turn.get("response"))
            row["history"].append({"prompt": turn.get("prompt"), "response": answer})
        if "system" in earlier_turns[0]:
            row["system"] = earlier_turns[0]["system"]
    return row


def _flatten_answers(row: Row) -> Row:
    """Replace the platform's lists of lists of answers by texts, and a response with its judgement
    by a column.
    """
    is_desirable = {"true": True, "false": False}.get(str(row.get("desirable")).lower())
    if is_desirable is not None and "response" in row:
        del row["desirable"]
        row["chosen" if is_desirable else "rejected"] = row.pop("response")
    answers = row.get("response")
    if isinstance(answers, list):
        ranked = [_innermost(part) for part in answers]
        if len(ranked) > 1 and all(isinstance(part, list) for part in answers):
            del row["response"]
            return row | {"responses": ranked}
        row["response"] = _innermost(answers)
    for column in ("chosen", "rejected"):
        if isinstance(row.get(column), list):
            row[column] = _innermost(row[column])
    return row


def _from_roles(messages: Sequence[Any], row: Row) -> Row:
    """Return the row of OpenAI's messages: user and assistant alternate, after an optional system
    message.
    """
    if any(isinstance(message, Mapping) and _calls_tools(message) for message in messages):
        raise RowError(
            tr(
                "it calls tools (tool_calls): the platform trains on texts only, leave such rows "
                "out"
            )
        )
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise RowError(_expectation('{"role": "...", "content": "..."}', message))
    turns = list(messages)
    if turns and turns[0].get("role") == "system":
        row["system"] = turns.pop(0)["content"]
    roles = [message.get("role") for message in turns]
    if not turns or roles != (["user", "assistant"] * len(turns))[: len(turns)]:
        raise RowError(
            tr(
                "the roles must be user and assistant in turn, and are {roles}",
                roles=format_value(listed(roles)),
            )
        )
    texts = [message["content"] for message in turns]
    if len(texts) % 2 == 0:
        row["response"] = texts.pop()
    row["prompt"] = texts.pop()
    if texts:
        row["history"] = []
        for question, answer in zip(texts[::2], texts[1::2], strict=True):
            row["history"].append({"prompt": question, "response": answer})
    return row


def _calls_tools(message: Mapping[str, Any]) -> bool:
    has_calls = bool(message.get("tool_calls") or message.get("function_call"))
    return has_calls or message.get("role") in TOOL_ROLES


def _expectation(expected: str, value: object) -> str:
    return tr("expected {expected}, found {value}", expected=expected, value=format_value(value))


def _innermost(value: object) -> object:
    while isinstance(value, list) and value:
        value = value[0]
    return value
