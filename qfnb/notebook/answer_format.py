"""How an answer's text is shown and parsed: `-f` text, markdown, code, json, df, or a pydantic
model.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..base.language import tr
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError
from ..resources.inference.response_format import (
    JSON_ONLY,
    ROWS_ONLY,
    Prompt,
    ResponseFormat,
    Turns,
    correction_turns,
    extract_code,
    in_language_of,
    parse_json,
    parse_response_format,
)

if TYPE_CHECKING:
    from ..views.chat import AnswerForm


@dataclass(frozen=True)
class AnswerFormat:
    """How an answer is requested, shown and parsed."""

    name: str  # the value of the option `-f`
    instruction: Prompt = ("", "")  # added to the system prompt
    # of `ChatCompletion.do`, None where nothing is sent
    response_format: ResponseFormat | str | None = None
    parse: Callable[[str], Any] = str  # returns the value of a text; raises ValueError
    form: AnswerForm = "code"  # how the text is shown
    retry: bool = False  # ask again, once, when the answer cannot be parsed

    def correction(self, text: str, error: ValueError, turns: Turns) -> list[dict[str, Any]]:
        """Return the turns that ask once more: the answer, and what was wrong with it."""
        if isinstance(self.response_format, ResponseFormat):
            return self.response_format.correction(text, error, turns)
        return correction_turns(text, error, in_language_of(turns, self.instruction), turns)


def find_format(name: str, variables: Mapping[str, Any]) -> AnswerFormat:
    """Return the format that an option names.

    Raises:
        InvalidArgumentError: the format, or the pydantic model, is unknown.
    """
    if name.startswith("pydantic:"):
        return _schema_format(name, variables)
    if name not in FORMATS:
        raise InvalidArgumentError(
            tr(
                "-f {name}: must be one of {formats} or pydantic:NAME",
                name=name,
                formats=tr(", ").join(FORMATS),
            )
        )
    return FORMATS[name]


def records_of(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects as rows of a table, [] for every other value."""
    if not isinstance(value, (list, tuple)):
        return []
    rows = [item.model_dump() if hasattr(item, "model_dump") else item for item in value]
    if all(isinstance(row, dict) for row in rows):
        return rows
    return []


def parse_frame(text: str) -> Any:
    """Return the table of an answer as a DataFrame: JSON rows, a Markdown table, or CSV.

    Raises:
        ValueError: the answer has no table.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = [line.strip().strip("|") for line in text.splitlines() if line.strip().startswith("|")]
    if len(rows) >= 2:
        cells = [[cell.strip() for cell in row.split("|")] for row in rows]
        body = [row for row in cells[1:] if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
        return pd.DataFrame(body, columns=cells[0])
    try:
        value = parse_json(text)
    except ValueError:
        return _parse_csv(extract_code(text))
    if isinstance(value, dict):
        tables = [item for item in value.values() if isinstance(item, list)]
        if len(tables) == 1:
            value = tables[0]
        else:
            value = [value]
    return pd.DataFrame(value)


def _parse_csv(text: str) -> Any:
    import pandas as pd  # noqa: PLC0415

    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or "," not in lines[0]:
        raise ValueError(tr("the answer contains no table"))
    try:
        return pd.read_csv(io.StringIO(text))
    except pd.errors.ParserError as error:
        raise ValueError(tr("the table cannot be parsed: {error}", error=error)) from None


def _schema_format(name: str, variables: Mapping[str, Any]) -> AnswerFormat:
    """Return the format of `pydantic:NAME`: a class of the notebook, or a variable that holds a
    JSON Schema.
    """
    variable = name.partition(":")[2]
    if not variable:
        raise InvalidArgumentError(
            tr(
                "-f {name} needs the name of a class in the notebook, e.g. -f pydantic:Book",
                name=name,
            )
        )
    if variable not in variables:
        raise InvalidArgumentError(
            tr(
                "-f {name}: the notebook has no variable {variable!r}{hint}",
                name=name,
                variable=variable,
                hint=did_you_mean(variable, variables),
            )
        )
    response_format = parse_response_format(variables[variable])
    parse = response_format.parse
    return AnswerFormat(
        name, response_format=response_format, parse=parse, form="folded", retry=True
    )


FORMATS = {
    "markdown": AnswerFormat("markdown", form="markdown"),
    "text": AnswerFormat("text", form="text"),
    "code": AnswerFormat("code", parse=extract_code),
    "json": AnswerFormat("json", JSON_ONLY, "json_object", parse_json, retry=True),
    "df": AnswerFormat("df", ROWS_ONLY, parse=parse_frame, form="folded", retry=True),
    "image": AnswerFormat("image"),
}
"""The formats by name, in the order of the help."""
