"""A dataset: its facts, first rows and quality; and the progress of its upload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Self

from ..base.language import tr, tr_noop, trn
from ..base.text import clip, clip_start
from ..dataset import TransferStep, quality
from ..dataset.typed_dataset import Dataset
from . import components
from .components import Html
from .display import Bundle, LiveOutput
from .formats import escape, strip_controls

MAX_ROWS = 5
MAX_COLUMNS = 6
"""Columns that are drawn; the number of the others is shown."""

MAX_CELL_CHARS = 96  # of a text in a table
MAX_CHECKED_ROWS = 5_000  # rows up to which a display looks for duplicates

NOT_FETCHED: Final = tr_noop("On the platform; `ds.head()` fetches the rows.")
_STEPS: Final = {
    "upload": (tr_noop("Uploading"), tr_noop("Uploaded")),
    "import": (tr_noop("The platform imports the rows"), tr_noop("Imported")),
    "release": (tr_noop("The platform releases the dataset"), tr_noop("Released")),
}


def bundle(dataset: Dataset) -> Bundle:
    """Return the facts and the first rows in every format, without a request."""
    return {"text/plain": text(dataset), "text/html": html(dataset)}


def html(dataset: Dataset) -> Html:
    """Return the facts, the first rows as a table, and what is noticeable about all rows."""
    title = _clip_value(dataset.name)
    head = components.header(title, subtitle=" · ".join(_facts(dataset)))
    if dataset.is_fetched:
        return components.panel_output(title, head, rows_html(dataset))
    remark = components.dim_lines(components.with_code(tr(NOT_FETCHED)))
    return components.panel_output(title, head, remark)


def rows_html(dataset: Dataset) -> Html:
    """Return the first rows as a table, and what is noticeable about all rows."""
    notes = []
    if len(dataset) > MAX_CHECKED_ROWS:
        many = tr("Too many rows to check them here: `ds.check()`")
        notes.append(components.dim_lines(components.with_code(many)))
    else:
        for statement, remedy in dataset.check().items():
            note = components.note("warn", statement, components.with_code(remedy), sign="⚠︎")
            notes.append(note)
    more = components.dim_lines(_more_rows_text(dataset))
    return components.join([_table(dataset), more, *notes])


def text(dataset: Dataset) -> str:
    """Return the facts, and the first rows as lines."""
    title = " · ".join([tr("Dataset {name}", name=_clip_value(dataset.name)), *_facts(dataset)])
    lines = [title]
    if dataset.is_fetched:
        lines += [f"  {_row_line(row, dataset.schema.columns)}" for row in dataset.rows[:MAX_ROWS]]
        lines.append(_more_rows_text(dataset))
    else:
        lines.append(tr(NOT_FETCHED).replace("`", ""))
    return "\n".join(filter(None, map(strip_controls, lines)))


def _facts(dataset: Dataset) -> list[str]:
    """Return kind, size, tokens and origin; of a dataset on the platform its id, without asking for
    more.
    """
    if not dataset.is_fetched:
        name = str(dataset.id or dataset.source)
        if dataset.name == name:
            return []
        return [name]
    n, exact = quality.estimate_tokens(dataset.rows, dataset.schema)
    tokens = trn("{n} token", "{n} tokens", n)
    facts = [dataset.schema.title, trn("{n} row", "{n} rows", len(dataset))]
    facts.append(tokens if exact else f"≈ {tokens}")
    if dataset.source not in {"", "memory"}:
        facts.append(clip_start(dataset.source, 80))
    return [*facts, *([str(dataset.id)] if dataset.id is not None else [])]


def _more_rows_text(dataset: Dataset) -> str:
    count = len(dataset) - MAX_ROWS
    if count > 0:
        return trn("and {n} more row", "and {n} more rows", count)
    return ""


def _table(dataset: Dataset) -> Html:
    columns = [name for name in dataset.columns if name != "history"]
    visible = columns[:MAX_COLUMNS]
    hidden = len(columns) - len(visible)
    more = []
    if hidden:
        more.append(trn("and {n} more column", "and {n} more columns", hidden))
    rows = []
    for row in dataset.rows[:MAX_ROWS]:
        cells: list[object] = [_cell(row, name) for name in visible]
        rows.append(cells + [""] * len(more))
    return components.table([*map(_clip_value, visible), *more], rows, is_wide=True)


def _cell(row: Mapping[str, Any], name: str) -> Html:
    value = row.get(name)
    html = ""
    for turn in row.get("history", ()) if name == "prompt" else ():
        prompt = escape(_clip_value(turn["prompt"]))
        response = escape(_clip_value(turn["response"]))
        html += f"<div><small>{prompt}<br>→ {response}</small></div>"
    if isinstance(value, list):
        for n, item in enumerate(value[:MAX_ROWS], 1):
            html += f"<div>{n}. {escape(_clip_value(item))}</div>"
    elif value is not None:
        html += escape(_clip_value(value))
    return Html(html)


def _row_line(row: Mapping[str, Any], columns: Iterable[str]) -> str:
    values = []
    for name in columns:
        if name in row and name != "history":
            values.append(row[name])
    parts = [_clip_value(" ".join(_clip_value(value, 400).split()), 80) for value in values]
    turns = len(row.get("history", ()))
    if turns:
        earlier = trn("({n} earlier turn) ", "({n} earlier turns) ", turns)
    else:
        earlier = ""
    return earlier + "  →  ".join(parts)


def _clip_value(value: object, limit: int = MAX_CELL_CHARS) -> str:
    if isinstance(value, list):
        value = " ".join(f"{number}. {item}" for number, item in enumerate(value, 1))
    return clip(str(value), limit)


class UploadBar(AbstractContextManager["UploadBar"]):
    """Shows the progress of an upload: `with UploadBar() as bar: ds.save(qianfan=True,
    progress=bar)`.
    """

    def __enter__(self) -> Self:
        first = TransferStep("upload", 0, 1)
        live_html = lambda step: (step_bundle(step)["text/html"], "")  # noqa: E731 - one expression
        self._live = LiveOutput(first, html=live_html, final=step_bundle)
        return self

    def __call__(self, step: TransferStep) -> None:
        """Show a step."""
        self._live.update(step)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Keep the last step, or nothing after an error."""
        if kind is None:
            self._live.finish(self._live.state)
        else:
            self._live.remove()


def step_bundle(step: TransferStep) -> Bundle:
    """Return a step in every format."""
    share = step.done / max(step.total, 1)
    words = tr(_STEPS[step.kind][share >= 1])
    if step.kind == "upload":
        words += f" {step.done / 2**20:.1f} / {step.total / 2**20:.1f} MB"
    kind: components.Kind = "run"
    if share >= 1:
        kind = "ok"
    bar = components.progress_bar(share, 1, words, kind=kind)
    return {"text/plain": f"{components.SIGNS[kind]} {words}", "text/html": components.output(bar)}
