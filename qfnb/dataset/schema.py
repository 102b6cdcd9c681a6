"""Schemas of datasets: their columns, and the platform's names for them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from .._jsonl_csv_parquet import RowError
from ..base.language import tr, tr_noop
from ..base.text import format_value, listed
from ..errors import InvalidArgumentError

Row = dict[str, Any]

ColumnKind = Literal["text", "optional", "turns", "texts"]
"""A text that is not empty, an optional text, a list of turns, several answers."""

DETECTION_ROWS = 1000  # rows from which the schema is detected: it is the most frequent one


@dataclass(frozen=True, eq=False)
class Schema:
    """One kind of dataset."""

    name: str  # the value for `schema=`
    label: str  # its name for people, a message of the catalogue
    columns: Mapping[str, ColumnKind]  # name and kind of each; rows may have further columns
    expected: str  # an example of a row
    template_type: int  # the platform's number for it; without its last two digits the project type
    inputs: tuple[str, ...] = ("prompt",)  # the columns that are sent to a model
    reference: str = ""  # the column with the right answer, "" for a schema without one

    @property
    def title(self) -> str:
        """Its name for people, in their language."""
        return tr(self.label)

    def validate(self, row: Row) -> None:
        """Check that a row has the columns of the schema.

        Raises:
            RowError: names the column, the value and what is expected.
        """
        for column, kind in self.columns.items():
            if column in row:
                _VALIDATORS[kind](column, row[column])
            elif kind not in {"optional", "turns"}:
                raise RowError(self._missing(column, row), column, [*map(str, row)])
        if self is FEEDBACK and not (row.get("chosen") or row.get("rejected")):
            message = tr(
                "neither chosen nor rejected has a text; expected {expected}",
                expected=self.expected,
            )
            raise RowError(message, "chosen")

    def _missing(self, column: str, row: Row) -> str:
        columns = listed(row)[:80]
        if not columns:
            return tr(
                "field {column} is missing: the row is empty; expected {expected}",
                column=repr(column),
                expected=self.expected,
            )
        return tr(
            "field {column} is missing (there are {columns}); expected {expected}",
            column=repr(column),
            columns=columns,
            expected=self.expected,
        )

    def __str__(self) -> str:
        return self.name


_SYSTEM_COLUMN: dict[str, ColumnKind] = {"system": "optional"}

PAIRS = Schema(
    "pairs",
    tr_noop("questions and answers"),
    {"prompt": "text", "response": "text", **_SYSTEM_COLUMN},
    '{"prompt": "...", "response": "..."}',
    2000,
    reference="response",
)
CONVERSATION = Schema(
    "conversation",
    tr_noop("conversations of several turns"),
    {"history": "turns", "prompt": "text", "response": "text", **_SYSTEM_COLUMN},
    '[{"prompt": "...", "response": [["..."]]}, ...]',
    2000,
    reference="response",
)
SORTED = Schema(
    "sorted",
    tr_noop("sorted answers, the best first"),
    {"history": "turns", "prompt": "text", "responses": "texts", **_SYSTEM_COLUMN},
    '{"prompt": "...", "responses": ["best", "second", ...]}',
    2001,
)
PREFERENCE = Schema(
    "preference",
    tr_noop("pairs of a chosen and a rejected answer"),
    {"history": "turns", "prompt": "text", "chosen": "text", "rejected": "text", **_SYSTEM_COLUMN},
    '{"prompt": "...", "chosen": "...", "rejected": "..."}',
    2002,
    reference="chosen",
)
FEEDBACK = Schema(
    "feedback",
    tr_noop("answers that were judged one by one"),
    {
        "history": "turns",
        "prompt": "text",
        "chosen": "optional",
        "rejected": "optional",
        **_SYSTEM_COLUMN,
    },
    '{"prompt": "...", "chosen": "..."} or {"prompt": "...", "response": "...", "desirable": '
    "false}",
    2002,
    reference="chosen",
)
TEXT = Schema(
    "text", tr_noop("texts"), {"text": "text"}, '{"text": "..."}', 40100, inputs=("text",)
)
PROMPTS = Schema(
    "prompts",
    tr_noop("questions"),
    {"history": "turns", "prompt": "text", **_SYSTEM_COLUMN},
    '{"prompt": "..."}',
    40200,
)
_ALL = (PAIRS, CONVERSATION, SORTED, PREFERENCE, FEEDBACK, TEXT, PROMPTS)
SCHEMAS = {schema.name: schema for schema in _ALL}


def find_schema(schema: Schema | str | None) -> Schema | None:
    """Return the schema of a name, or None for none.

    Raises:
        InvalidArgumentError: no schema has this name.
    """
    if schema is None or isinstance(schema, Schema):
        return schema
    if schema not in SCHEMAS:
        raise InvalidArgumentError(
            tr(
                "schema={value}: it is one of {allowed}.",
                value=repr(schema),
                allowed=listed(SCHEMAS),
            )
        )
    return SCHEMAS[schema]


def schema_of_template(template_type: int | None) -> Schema:
    """Return the schema of the platform's number; conversations have the same one as pairs."""
    for schema in SCHEMAS.values():
        if schema.template_type == template_type:
            return schema
    return PAIRS


def detect_schema(rows: Iterable[Row]) -> Schema:
    """Return the schema of most of the first rows; pairs if no row has one."""
    names = map(_schema_name, islice(rows, DETECTION_ROWS))
    kinds = Counter(filter(None, names))
    if kinds.keys() == {"pairs", "conversation"}:
        return CONVERSATION
    if "feedback" in kinds and kinds.keys() <= {"feedback", "preference"}:
        return FEEDBACK
    if kinds:
        return SCHEMAS[kinds.most_common(1)[0][0]]
    return PAIRS


def _schema_name(row: Row) -> str:
    """Return the name of a row's schema by its columns, the most specific first; "" for none."""
    if "prompt" in row and ("chosen" in row or "rejected" in row):
        return "preference" if row.get("chosen") and row.get("rejected") else "feedback"
    if "prompt" in row and "responses" in row:
        return "sorted"
    if "prompt" in row and "response" in row:
        return "conversation" if row.get("history") else "pairs"
    return "prompts" if "prompt" in row else "text" if "text" in row else ""


def _validate_text(column: str, value: Any) -> None:
    if not isinstance(value, str):
        description = "NaN" if isinstance(value, float) and value != value else format_value(value)  # noqa: PLR0124
        message = tr(
            "{column} must be a text that is not empty, and is {value}",
            column=column,
            value=description,
        )
        raise RowError(message, column)
    if not value.strip():
        raise RowError(
            tr("{column} is empty: fill it in, or delete the row", column=column), column
        )
    _validate_optional(column, value)


def _validate_optional(column: str, value: Any) -> None:
    if not isinstance(value, str):
        message = tr(
            "{column} must be a text, and is {value}", column=column, value=format_value(value)
        )
        raise RowError(message, column)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(
            tr(
                "{column} holds half a character ({code}) at position {position}",
                column=column,
                code=f"U+{ord(value[error.start]):04X}",
                position=error.start + 1,
            ),
            column,
        ) from None


def _validate_turns(column: str, value: Any) -> None:
    if not isinstance(value, list):
        message = tr(
            "{column} must be a list of turns, and is {value}",
            column=column,
            value=format_value(value),
        )
        raise RowError(message, column)
    for number, turn in enumerate(value, 1):
        if not isinstance(turn, Mapping):
            message = tr("turn {number} must be {expected}", number=number, expected=PAIRS.expected)
            raise RowError(f"{message}: {format_value(turn)}", column)
        for part in ("prompt", "response"):
            _validate_text(tr("{part} of turn {number}", part=part, number=number), turn.get(part))


def _validate_texts(column: str, value: Any) -> None:
    if not isinstance(value, list) or len(value) < 2:
        message = tr(
            "{column} must be a list of two or more texts, and is {value}",
            column=column,
            value=format_value(value),
        )
        raise RowError(message, column)
    for number, text in enumerate(value, 1):
        _validate_text(f"{column}[{number}]", text)


_VALIDATORS = {
    "text": _validate_text,
    "optional": _validate_optional,
    "turns": _validate_turns,
    "texts": _validate_texts,
}
