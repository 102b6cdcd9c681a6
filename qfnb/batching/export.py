"""Results of a batch as a DataFrame or a file, a row for each row of the input."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
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
        original: the DataFrame that was asked, whose index and columns are kept as they are; or the Series,
            whose index is.
    """
    rows = list(answers)
    if original is None or len(original) != len(rows):
        return _beside(_asked(rows), rows)
    return _beside(original if original.ndim == 2 else _asked(rows).set_axis(original.index), rows)


def _asked(rows: Sequence[Answer]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    cells = [cells_of(row) for row in rows]
    names = dict.fromkeys(name for cell in cells for name in cell)
    return pd.DataFrame({name: [cell.get(name) for cell in cells] for name in names}, range(len(rows)))


def _beside(asked: pd.DataFrame, rows: Sequence[Answer]) -> pd.DataFrame:
    """Put results beside their rows by position: an index may call several rows the same."""
    import pandas as pd  # noqa: PLC0415

    below = [""] * (asked.columns.nlevels - 1)  # frame["text"] then finds ("text", "")
    names = columns(map(str, asked.columns.get_level_values(0))).values()
    made = outcome.frame(rows).set_axis(asked.index)
    made.columns = pd.Index([(name, *below) for name in names] if below else list(names))
    return pd.concat([asked, made], axis=1)


def columns(inputs: Iterable[str]) -> dict[str, str]:
    """Return the names of the result columns: their own, or `answer_...` where the input has that name."""
    taken = set(inputs)
    return {name: _free(name, taken) for name in COLUMNS}


def _free(name: str, taken: set[str]) -> str:
    wished = chain((name, f"answer_{name}"), (f"answer_{name}_{number}" for number in count(2)))
    return next(free for free in wished if free not in taken)


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
    if not isinstance(path, (str, Path)):
        raise InvalidArgumentError(
            f"out={path!r}: it is the path of a file that ends in {', '.join(_WRITERS)}"
        )
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


@contextlib.contextmanager
def _flat(answers: Iterable[Answer], folder: Path) -> Iterator[tuple[list[str], Iterator[dict[str, Any]]]]:
    """Give the names of all columns, then the rows.

    Rows may differ in their columns, so the names are known after the last row: until then the rows wait in
    a file without a name, since they may be too many for the memory.
    """
    names: dict[str, None] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as waiting:
        for answer in answers:
            cells = cells_of(answer)
            names |= dict.fromkeys(cells)
            facts = [getattr(answer, name) for name in COLUMNS]
            waiting.write(json.dumps([cells, facts], default=str) + "\n")
        waiting.seek(0)
        results = list(columns(names).values())
        both = (json.loads(line) for line in waiting)
        yield [*names, *results], (cells | dict(zip(results, facts, strict=True)) for cells, facts in both)


def _jsonl(answers: Iterable[Answer], path: Path) -> None:
    with (
        _flat(answers, path.parent) as (_, rows),
        path.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.writelines(f"{_json(row)}\n" for row in rows)


def _csv(answers: Iterable[Answer], path: Path) -> None:
    with (
        _flat(answers, path.parent) as (names, rows),
        # the mark tells Excel that it is UTF-8
        path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return _json(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # most rows have no NaN, and need no look at every value
        return json.dumps(_finite(value), ensure_ascii=False)


def _finite(value: Any) -> Any:
    """Return a value as JSON can say it: NaN and infinities are null."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
    except (ValueError, TypeError) as error:  # pyarrow's own are these
        said = str(error).splitlines()[0]
        raise InvalidArgumentError(f"{path.name}: Parquet cannot hold this: {said}; use .jsonl") from None


def _is_mixed(column: Any) -> bool:
    return column.dtype == object and len({type(value) for value in column if value is not None}) > 1


_WRITERS: dict[str, Callable[[Iterable[Answer], Path], None]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
