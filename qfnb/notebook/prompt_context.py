"""What `{{name}}` in a prompt becomes under `--expand`: texts, tables, arrays, cells, outputs and
the last error.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from .. import config
from ..base.language import tr
from ..base.text import clip, did_you_mean
from ..errors import InvalidArgumentError
from ..redact import hide_all_keys, redact
from ..resources.inference.embedding_reranker_tokenizer import Tokenizer

MAX_ERROR_CHARS = 6000
"""Characters of a traceback; its end says most."""

MAX_TABLE_TOKENS = 2000
MAX_SCANNED_ROWS = 100_000
"""Rows that the statistics of a table are from."""

_SIZES = ((5, 60, 60), (3, 60, 30), (1, 40, 30), (0, 30, 15), (0, 15, 5))
"""Rows, columns and characters of a cell: the first that keeps to the limit is taken."""

_REFERENCE = re.compile(r"\{\{\s*([^\W\d]\w*)\s*(?:\[\s*(-?\d+)\s*\]\s*)?\}\}")


def expand_prompt(text: str, variables: Mapping[str, Any]) -> str:
    """Return a prompt with its `{{name}}`, `{{name[3]}}`, `{{In[3]}}`, `{{Out[3]}}` and `{{Err}}`
    filled in.

    Values are not expanded again. Secrets in use, and what has the form of a key, become ***.

    Raises:
        InvalidArgumentError: the notebook has no such variable, cell or output.
    """

    def replacement(match: re.Match[str]) -> str:
        name, index = match.groups()
        label = name if index is None else f"{name}[{index}]"
        if label == "Err" and "Err" not in variables:
            return error_text()
        if name not in variables:
            names = [*(each for each in variables if not each.startswith("_")), "Err"]
            hint = did_you_mean(name, names, "{{{{{}}}}}")
            raise InvalidArgumentError(
                tr(
                    "{{{{{label}}}}}: the notebook has no variable {name!r}{hint}",
                    label=label,
                    name=name,
                    hint=hint,
                )
            )
        value = variables[name]
        if index is not None:
            value = _item(name, value, int(index))
        return hide_all_keys(describe_value(label, value))

    return _REFERENCE.sub(replacement, text)


def _item(name: str, value: Any, index: int) -> Any:
    try:
        return value[index]
    except (TypeError, KeyError, IndexError) as error:
        raise InvalidArgumentError(
            tr(
                "{{{{{name}[{index}]}}}}: {name} is a {kind} and has no item {index} ({error})",
                name=name,
                index=index,
                kind=type(value).__name__,
                error=error,
            )
        ) from None


def describe_value(name: str, value: Any) -> str:
    """Return a value as a prompt shows it.

    Args:
        name: how the prompt calls it.
        value: a DataFrame or Series becomes its schema, statistics and first rows, an array its
            shape, range and first values, anything else its text.
    """
    module = type(value).__module__.partition(".")[0]
    kind = type(value).__name__
    if module == "pandas" and kind == "DataFrame":
        return _describe_frame(f"DataFrame {name}", value)
    if module == "pandas" and kind == "Series":
        return _describe_frame(f"Series {name}", value.to_frame())
    if module == "numpy" and kind == "ndarray":
        return _describe_array(name, value)
    return str(value)


def error_text() -> str:
    """Return the last traceback of the notebook, without secrets and cut to its end.

    Raises:
        InvalidArgumentError: no exception was raised yet.
    """
    error = getattr(sys, "last_value", None)
    if error is None:
        raise InvalidArgumentError(tr("there was no exception in this notebook yet"))
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    for secret in config.credentials():
        text = text.replace(secret, "***")
    return redact(text)[-MAX_ERROR_CHARS:]


def explain_prompt(cells: Sequence[str], question: str = "") -> str:
    """Return a prompt about the last exception of the notebook.

    Args:
        cells: the notebook's `In`; the last one is the cell that asks.
        question: by default what the reason is and how the code is mended.

    Raises:
        InvalidArgumentError: no exception was raised yet.
    """
    trace = error_text()
    cell = redact(str((cells or [""])[-2:][0]))[-MAX_ERROR_CHARS:]
    request = question or tr(
        "Explain in short why this exception was raised, and show the corrected code."
    )
    last_cell = tr("The latest cell:")
    exception = tr("The exception:")
    return f"{request}\n\n{last_cell}\n{cell}\n\n{exception}\n{trace}"


def _describe_frame(title: str, frame: Any) -> str:
    """Return the largest description that keeps to `MAX_TABLE_TOKENS`."""
    text = ""
    for row_count, column_count, width in _SIZES:
        text = _frame_text(title, frame, row_count, column_count, width)
        # it counts a number as one token
        if max(Tokenizer().count_tokens(text), len(text) / 3) <= MAX_TABLE_TOKENS:
            break
    return text


def _frame_text(title: str, frame: Any, row_count: int, column_count: int, width: int) -> str:
    shown = frame.iloc[:, :column_count]
    lines = [f"{title}: {len(frame)} rows × {frame.shape[1]} columns"]
    if len(frame) > MAX_SCANNED_ROWS:
        lines.append(f"statistics of the first {MAX_SCANNED_ROWS} rows")
    for number, label in enumerate(shown.columns):
        column = shown.iloc[:MAX_SCANNED_ROWS, number]
        facts = f"{column.dtype}, {column.isna().sum()} missing, {_column_facts(column, width)}"
        lines.append(f"- {clip(str(label), width)}: {facts}")
    if (hidden := frame.shape[1] - column_count) > 0:
        names = clip(", ".join(map(str, frame.columns[column_count:])), 200)
        lines.append(f"… {hidden} more columns: {names}")
    if row_count and len(frame):
        head = shown.head(row_count)
        lines += ["first rows:", head.to_string(max_colwidth=width)]
    return "\n".join(lines)


def _column_facts(column: Any, width: int) -> str:
    """Return the range of a column of numbers, the most frequent values of another one."""
    from pandas.api import types  # noqa: PLC0415 - there is a frame

    present = column.dropna()
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        facts = present.agg(["min", "median", "mean", "max"]).items()
        return ", ".join(f"{name} {value:.6g}" for name, value in facts)
    counts = present.astype(str).value_counts()
    values = [f"{clip(value, width)} ({count})" for value, count in counts.head(3).items()]
    return f"{len(counts)} unique: {', '.join(values)}"


def _describe_array(name: str, array: Any) -> str:
    import numpy as np  # noqa: PLC0415 - there is an array

    lines = [f"array {name}: shape {array.shape}, dtype {array.dtype}"]
    if array.size and np.issubdtype(array.dtype, np.number) and np.isrealobj(array):
        missing = np.isnan(array).sum()
        low, mean, high = np.nanmin(array), np.nanmean(array), np.nanmax(array)
        lines.append(f"min {low:.6g}, mean {mean:.6g}, max {high:.6g}, NaN {missing}")
    return "\n".join([*lines, np.array2string(array, threshold=30, edgeitems=3, precision=6)])
