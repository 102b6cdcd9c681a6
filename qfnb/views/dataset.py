"""A dataset's first rows."""

from __future__ import annotations

from ..dataset import Dataset
from .display import Bundle
from .safety import escape, plain

ROWS = 5
_CELL = 'style="text-align:left;padding:2px 8px;border-bottom:1px solid #8884"'


def bundle(dataset: Dataset) -> Bundle:
    """Return the dataset's head in every format."""
    return {"text/plain": text(dataset), "text/html": html(dataset)}


def html(dataset: Dataset) -> str:
    """Return the first rows as a table."""
    cells = ([escape(_short(row[name])) for name in ("prompt", "response")] for row in dataset.list()[:ROWS])
    rows = "".join(f"<tr><td {_CELL}>{asked}</td><td {_CELL}>{answer}</td></tr>" for asked, answer in cells)
    head = f"<tr><th {_CELL}>prompt</th><th {_CELL}>response</th></tr>"
    return f"<div><b>{escape(_title(dataset))}</b><table>{head}{rows}</table>{escape(_more(dataset))}</div>"


def text(dataset: Dataset) -> str:
    """Return the first rows as lines."""
    rows = [
        f"  {plain(_short(r['prompt']))}  →  {plain(_short(r['response']))}" for r in dataset.list()[:ROWS]
    ]
    return "\n".join(line for line in (plain(_title(dataset)), *rows, _more(dataset)) if line)


def _title(dataset: Dataset) -> str:
    where = f" · {dataset.id}" if dataset.id else ""
    return f"Dataset {dataset.name} · {len(dataset)} rows{where}"


def _more(dataset: Dataset) -> str:
    return f"… {len(dataset) - ROWS} more" if len(dataset) > ROWS else ""


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
