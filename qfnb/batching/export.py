"""Results of a batch as a DataFrame or a file, a row for each row of the input."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError
from ..resources import outcome
from ..resources.outcome import COLUMNS
from .reading import Answer

if TYPE_CHECKING:
    import pandas as pd


def frame(answers: Iterable[Answer], original: Any = None) -> pd.DataFrame:
    """Return inputs and results as a DataFrame.

    Args:
        answers: the rows, in input order.
        original: the DataFrame that was asked; its index and its columns are kept as they are.
    """
    rows = list(answers)
    if original is not None and len(original) == len(rows):
        made = outcome.frame(rows).set_axis(original.index)
        names = columns(map(str, original.columns))
        joined: pd.DataFrame = original.join(made.rename(columns=names))
        return joined
    cells = [cells_of(row) for row in rows]
    inputs = list(dict.fromkeys(name for cell in cells for name in cell))
    made = outcome.frame(rows).rename(columns=columns(inputs))
    asked: pd.DataFrame = type(made)({name: [cell.get(name) for cell in cells] for name in inputs})
    return asked.join(made)


def columns(inputs: Iterable[str]) -> dict[str, str]:
    """Return the names of the result columns: their own, or `answer_...` where the input has that name."""
    taken = set(inputs)
    return {name: f"answer_{name}" if name in taken else name for name in COLUMNS}


def cells_of(answer: Answer) -> Mapping[str, Any]:
    """Return a row of the input as named cells."""
    if isinstance(answer.input, Mapping):
        return answer.input
    return {"prompt" if isinstance(answer.input, str) else "messages": answer.input}


def checked(path: str | Path) -> Path:
    """Return the path of a results file.

    Raises:
        InvalidArgumentError: its kind is not known, or its folder cannot be written.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() not in _WRITERS:
        raise InvalidArgumentError(f"out={str(path)!r}: the file ends in {', '.join(_WRITERS)}")
    folder = target.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or target.is_dir():
        raise InvalidArgumentError(f"out={str(path)!r}: it cannot be written there (无法写入)")
    return target


def save(answers: Iterable[Answer], path: Path) -> Path:
    """Write the rows to a .jsonl, .csv or .parquet file; the file appears when it is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _WRITERS[path.suffix.lower()](answers, temporary)
        temporary.replace(path)
    except OSError as error:
        raise InvalidArgumentError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _flat(answers: Iterable[Answer]) -> Iterator[dict[str, Any]]:
    for answer in answers:
        cells = cells_of(answer)
        names = columns(cells)
        yield {**cells, **{names[name]: getattr(answer, name) for name in COLUMNS}}


def _jsonl(answers: Iterable[Answer], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in _flat(answers))


def _csv(answers: Iterable[Answer], path: Path) -> None:
    rows = _flat(answers)
    first = next(rows, None)
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells Excel that it is UTF-8
        writer = csv.DictWriter(file, list(first or COLUMNS), extrasaction="ignore", restval="")
        writer.writeheader()
        for row in [first, *()] if first else ():
            writer.writerow(_text(row))
        for row in rows:
            writer.writerow(_text(row))


def _text(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
        for name, value in row.items()
    }


def _parquet(answers: Iterable[Answer], path: Path) -> None:
    made = frame(answers)
    mixed: Sequence[str] = [name for name in made.columns if _is_mixed(made[name])]
    for name in mixed:
        made[name] = [None if value is None else str(value) for value in made[name]]
    try:
        made.to_parquet(path)
    except ImportError:
        raise InvalidArgumentError(
            "Parquet files need pyarrow: pip install 'qfnb[parquet]' (需要安装 pyarrow)"
        ) from None


def _is_mixed(column: Any) -> bool:
    return column.dtype == object and len({type(value) for value in column if value is not None}) > 1


_WRITERS: dict[str, Callable[[Iterable[Answer], Path], None]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
