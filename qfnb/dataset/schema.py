"""Schemas of datasets: their columns, and the platform's names for them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from .._jsonl_csv_parquet import RowError
from .._text import format_value
from ..errors import InvalidArgumentError
from ..wire import data_v1 as wire

Row = dict[str, Any]

ColumnKind = Literal["text", "optional", "turns", "texts", "picture"]
"""A text that is not empty, an optional text, a list of turns, several answers, a picture's path or bytes."""

DETECTION_ROWS = 1000  # rows from which the schema is detected: it is the most frequent one


@dataclass(frozen=True, eq=False)
class Schema:
    """One kind of dataset."""

    name: str  # the value for `schema=`
    title: str  # its name for people, Chinese and English
    columns: Mapping[str, ColumnKind]  # name and kind of each; rows may have further columns
    expected: str  # an example of a row
    template_type: int  # the platform's number for it; without its last two digits the project type
    v2_format: str  # the platform's name for it (dataFormat)
    inputs: tuple[str, ...] = ("prompt",)  # the columns that are sent to a model
    reference: str = ""  # the column with the right answer, "" for a schema without one

    @property
    def project_type(self) -> int:
        """The platform's number for the type of the project."""
        return self.template_type // 100

    @property
    def data_type(self) -> int:
        """The platform's number for texts, or for pictures."""
        return wire.PICTURE_DATA if self is PICTURES else wire.TEXT_DATA

    def validate(self, row: Row) -> None:
        """Check that a row has the columns of the schema.

        Raises:
            RowError: names the column, the value and what is expected.
        """
        for column, kind in self.columns.items():
            if column in row:
                _VALIDATORS[kind](column, row[column])
            elif kind not in {"optional", "turns"}:
                columns = ", ".join(map(str, row)) or "nothing"
                raise RowError(f"field {column!r} is missing (found: {columns[:80]}); expected {self.expected}", column)
        if self is FEEDBACK and not (row.get("chosen") or row.get("rejected")):
            raise RowError(f"neither chosen nor rejected has a text; expected {self.expected}", "chosen")

    def __str__(self) -> str:
        return self.name


_SYSTEM_COLUMN: dict[str, ColumnKind] = {"system": "optional"}

PAIRS = Schema(
    "pairs",
    "单轮问答 prompt and response",
    {"prompt": "text", "response": "text", **_SYSTEM_COLUMN},
    '{"prompt": "...", "response": "..."}',
    2000,
    "PromptResponse",
    reference="response",
)
CONVERSATION = Schema(
    "conversation",
    "多轮对话 conversation",
    {"history": "turns", "prompt": "text", "response": "text", **_SYSTEM_COLUMN},
    '[{"prompt": "...", "response": [["..."]]}, ...]',
    2000,
    "PromptResponse",
    reference="response",
)
SORTED = Schema(
    "sorted",
    "回答排序 sorted responses, the best first",
    {"history": "turns", "prompt": "text", "responses": "texts", **_SYSTEM_COLUMN},
    '{"prompt": "...", "responses": ["best", "second", ...]}',
    2001,
    "PromptSortedresponses",
)
PREFERENCE = Schema(
    "preference",
    "偏好对 chosen and rejected",
    {"history": "turns", "prompt": "text", "chosen": "text", "rejected": "text", **_SYSTEM_COLUMN},
    '{"prompt": "...", "chosen": "...", "rejected": "..."}',
    2002,
    "DPO_PromptChosenRejected",
    reference="chosen",
)
FEEDBACK = Schema(
    "feedback",
    "单条评价 chosen or rejected",
    {"history": "turns", "prompt": "text", "chosen": "optional", "rejected": "optional", **_SYSTEM_COLUMN},
    '{"prompt": "...", "chosen": "..."} or {"prompt": "...", "response": "...", "desirable": false}',
    2002,
    "KTO_PromptChosenRejected",
    reference="chosen",
)
TEXT = Schema("text", "泛文本 text", {"text": "text"}, '{"text": "..."}', 40100, "Text", inputs=("text",))
PROMPTS = Schema(
    "prompts",
    "问题集 prompts",
    {"history": "turns", "prompt": "text", **_SYSTEM_COLUMN},
    '{"prompt": "..."}',
    40200,
    "Prompt",
)
PICTURES = Schema(
    "pictures",
    "文生图 picture and prompt",
    {"image": "picture", "prompt": "optional"},
    '{"image": "1.png", "prompt": "..."}',
    70500,
    "PromptImage",
)

_ALL = (PAIRS, CONVERSATION, SORTED, PREFERENCE, FEEDBACK, TEXT, PROMPTS, PICTURES)
SCHEMAS = {schema.name: schema for schema in _ALL}


def find_schema(schema: Schema | str | None) -> Schema | None:
    """Return the schema of a name, or None for none.

    Raises:
        InvalidArgumentError: no schema has this name.
    """
    if schema is None or isinstance(schema, Schema):
        return schema
    if schema not in SCHEMAS:
        raise InvalidArgumentError(f"schema={schema!r}: it is one of {', '.join(SCHEMAS)}")
    return SCHEMAS[schema]


def schema_of_template(template_type: int | None) -> Schema:
    """Return the schema of the platform's number; conversations have the same one as pairs."""
    return next((schema for schema in SCHEMAS.values() if schema.template_type == template_type), PAIRS)


def detect_schema(rows: Iterable[Row]) -> Schema:
    """Return the schema of most of the first rows; pairs if no row has one."""
    kinds = Counter(kind for row in islice(rows, DETECTION_ROWS) if (kind := _schema_name(row)))
    if kinds.keys() == {"pairs", "conversation"}:
        return CONVERSATION
    if "feedback" in kinds and kinds.keys() <= {"feedback", "preference"}:
        return FEEDBACK
    return SCHEMAS[kinds.most_common(1)[0][0]] if kinds else PAIRS


def _schema_name(row: Row) -> str:
    """Return the name of a row's schema by its columns, the most specific first; "" for none."""
    if "prompt" in row and ("chosen" in row or "rejected" in row):
        return "preference" if row.get("chosen") and row.get("rejected") else "feedback"
    if "prompt" in row and "responses" in row:
        return "sorted"
    if "prompt" in row and "response" in row:
        return "conversation" if row.get("history") else "pairs"
    if "image" in row:
        return "pictures"
    return "prompts" if "prompt" in row else "text" if "text" in row else ""


def _validate_text(column: str, value: Any) -> None:
    if not isinstance(value, str) or not value or value.isspace():
        description = "NaN" if isinstance(value, float) and value != value else format_value(value)  # noqa: PLR0124
        raise RowError(f"{column} must be a text that is not empty, found {description}", column)
    _validate_encodable(column, value)


def _validate_encodable(column: str, value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(
            f"{column} holds half a character (U+{ord(value[error.start]):04X}) at position {error.start + 1}", column
        ) from None


def _validate_optional(column: str, value: Any) -> None:
    if not isinstance(value, str):
        raise RowError(f"{column} must be a text, found {format_value(value)}", column)
    _validate_encodable(column, value)


def _validate_turns(column: str, value: Any) -> None:
    if not isinstance(value, list):
        raise RowError(f"{column} must be a list of turns, found {format_value(value)}", column)
    for number, turn in enumerate(value, 1):
        if not isinstance(turn, Mapping):
            raise RowError(f"turn {number} must be {PAIRS.expected}, found {format_value(turn)}", column)
        for part in ("prompt", "response"):
            _validate_text(f"{part} of turn {number}", turn.get(part))


def _validate_texts(column: str, value: Any) -> None:
    if not isinstance(value, list) or len(value) < 2:
        raise RowError(f"{column} must be a list of two or more texts, found {format_value(value)}", column)
    for number, text in enumerate(value, 1):
        _validate_text(f"{column}[{number}]", text)


def _validate_picture(column: str, value: Any) -> None:
    if not (isinstance(value, (str, bytes)) and value):
        raise RowError(f"{column} must be a path or the bytes of a picture, found {format_value(value)}", column)


_VALIDATORS = {
    "text": _validate_text,
    "optional": _validate_optional,
    "turns": _validate_turns,
    "texts": _validate_texts,
    "picture": _validate_picture,
}
