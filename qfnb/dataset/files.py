"""Read prompt/response pairs from text, and say which line is wrong when one is.

Two line formats of JSONL are understood: `{"prompt": ..., "response": ...}`, and the platform's own list of
turns `[{"prompt": ..., "response": [["..."]]}]`; of a conversation with several turns the last is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DatasetError

Row = dict[str, Any]

EXPECTED = '{"prompt": "...", "response": "..."}'


def read_jsonl(path: str | Path) -> list[Row]:
    """Return the rows of a JSONL file (UTF-8, a BOM is allowed); blank lines are skipped.

    Raises:
        DatasetError: names file and line, says what was found and what is expected.
    """
    name = str(path)
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"there is no such file (working directory: {Path.cwd()})", path=name) from None
    except IsADirectoryError:
        raise DatasetError("this is a folder; a .jsonl file is expected", path=name) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DatasetError("not UTF-8 text (保存为 UTF-8 / save it as UTF-8)", path=name, line=line) from None
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path=name) from None
    lines = enumerate(text.split("\n"), 1)
    rows = [parse_line(line, name, number) for number, line in lines if line.strip()]
    if not rows:
        raise DatasetError(f"the file is empty; expected one {EXPECTED} per line", path=name)
    return rows


def parse_line(line: str, path: str = "", number: int | None = None) -> Row:
    """Return the row of one JSONL line."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = getattr(error, "msg", "too deeply nested")
        raise DatasetError(
            f"not JSON ({problem}): {_shown(line)}; expected {EXPECTED}", path=path, line=number
        ) from None
    return checked_row(value, path, number)


def checked_row(value: object, path: str = "", number: int | None = None) -> Row:
    """Return a row whose prompt and response are texts, whichever of the two formats it came in."""
    if isinstance(value, list) and value:
        value = value[-1]
    if not isinstance(value, Mapping):
        raise DatasetError(f"expected {EXPECTED}, found {_shown(value)}", path=path, line=number)
    row = {str(key): item for key, item in value.items()}
    row["response"] = _first_answer(row.get("response"))
    for field in ("prompt", "response"):
        if field not in value:
            found = ", ".join(map(str, value)) or "nothing"
            raise DatasetError(
                f"field {field!r} is missing (found: {found}); expected {EXPECTED}", path=path, line=number
            )
        if not isinstance(row[field], str) or not row[field].strip():
            raise DatasetError(
                f"{field} must be a text that is not empty, found {_shown(row[field])}",
                path=path,
                line=number,
            )
    return row


def to_platform_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows in the platform's own format, one conversation per line."""
    lines = ([{"prompt": row["prompt"], "response": [[row["response"]]]}] for row in rows)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8")


def _first_answer(value: object) -> object:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text[:60] + ("…" if len(text) > 60 else ""))
