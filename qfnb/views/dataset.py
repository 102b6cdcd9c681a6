"""A dataset: its facts, first rows and quality; and the progress of its upload."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Self

from ..base.language import tr, tr_noop, trn
from ..base.text import clip, clip_start
from ..dataset import TransferStep, quality
from ..dataset.typed_dataset import Dataset
from . import components
from .components import Html
from .display import Bundle, LiveOutput
from .text import escape, strip_controls

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
    head = components.header(_clip_value(dataset.name), subtitle=" · ".join(_facts(dataset)))
    if not dataset.is_fetched:
        body = components.dim_lines(components.with_code(tr(NOT_FETCHED)))
        return components.output(components.panel(_clip_value(dataset.name), head, body))
    return components.output(components.panel(_clip_value(dataset.name), head, rows_html(dataset)))


def rows_html(dataset: Dataset) -> Html:
    """Return the first rows as a table, and what is noticeable about all rows."""
    more = _more_rows_text(dataset)
    parts = [_table(dataset), components.dim_lines(more) if more else "", _problems(dataset)]
    return components.join(part for part in parts if part)


def text(dataset: Dataset) -> str:
    """Return the facts, and the first rows as lines."""
    title = " · ".join([tr("Dataset {name}", name=_clip_value(dataset.name)), *_facts(dataset)])
    if not dataset.is_fetched:
        return strip_controls(f"{title}\n{tr(NOT_FETCHED).replace('`', '')}")
    rows = [f"  {_row_line(row, dataset.schema.columns)}" for row in dataset.rows[:MAX_ROWS]]
    return "\n".join(
        strip_controls(line) for line in (title, *rows, _more_rows_text(dataset)) if line
    )


def _facts(dataset: Dataset) -> list[str]:
    """Return kind, size, tokens and origin; of a dataset on the platform its id, without asking for
    more.
    """
    if not dataset.is_fetched:
        if dataset.name == str(dataset.id):
            return []
        return [str(dataset.id or dataset.source)]
    n, exact = quality.estimate_tokens(dataset.rows, dataset.schema)
    tokens = trn("{n} token", "{n} tokens", n)
    facts = [
        dataset.schema.title,
        trn("{n} row", "{n} rows", len(dataset)),
        tokens if exact else f"≈ {tokens}",
    ]
    if dataset.source == "memory":
        source = ""
    else:
        source = clip_start(dataset.source, 80)
    return [*facts, *filter(None, [source])] + ([str(dataset.id)] if dataset.id is not None else [])


def _problems(dataset: Dataset) -> Html:
    """Return the problems of all rows, each with its remedy."""
    if len(dataset) > MAX_CHECKED_ROWS:
        return components.dim_lines(
            components.with_code(tr("Too many rows to check them here: `ds.check()`"))
        )
    notes = [
        components.note("warn", statement, components.with_code(remedy), sign="⚠︎")
        for statement, remedy in dataset.check().items()
    ]
    return components.join(notes)


def _more_rows_text(dataset: Dataset) -> str:
    count = len(dataset) - MAX_ROWS
    if count > 0:
        return trn("and {n} more row", "and {n} more rows", count)
    return ""


def _visible_columns(dataset: Dataset) -> list[str]:
    return [name for name in dataset.columns if name != "history"][:MAX_COLUMNS]


def _table(dataset: Dataset) -> Html:
    rows = dataset.rows[:MAX_ROWS]
    if not rows:
        return Html("")
    visible = _visible_columns(dataset)
    hidden = len(dataset.columns) - len(visible) - ("history" in dataset.columns)
    heads = [
        *map(_clip_value, visible),
        *([trn("and {n} more column", "and {n} more columns", hidden)] if hidden else []),
    ]
    if hidden:
        padding = [""]
    else:
        padding = []
    return components.table(
        heads, [[*(_cell(row, name) for name in visible), *padding] for row in rows], is_wide=True
    )


def _cell(row: Mapping[str, Any], name: str) -> Html:
    if name == "prompt":
        history = row.get("history", ())
    else:
        history = ()
    turns = "".join(
        f"<div><small>{escape(_clip_value(turn['prompt']))}<br>→ "
        f"{escape(_clip_value(turn['response']))}</small></div>"
        for turn in history
    )
    return Html(f"{turns}{_value_html(row.get(name))}")


def _value_html(value: Any) -> str:
    if isinstance(value, list):
        return "".join(
            f"<div>{n}. {escape(_clip_value(item))}</div>"
            for n, item in enumerate(value[:MAX_ROWS], 1)
        )
    if value is not None:
        return escape(_clip_value(value))
    return ""


def _row_line(row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    turn_count = len(row.get("history", ()))
    values = [row[name] for name in columns if name in row and name != "history"]
    parts = [_clip_value(" ".join(_clip_value(value, 400).split()), 80) for value in values]
    if turn_count:
        turns = trn("({n} earlier turn) ", "({n} earlier turns) ", turn_count)
    else:
        turns = ""
    return turns + "  →  ".join(parts)


def _clip_value(value: object, limit: int = MAX_CELL_CHARS) -> str:
    if isinstance(value, list):
        value = " ".join(f"{number}. {item}" for number, item in enumerate(value, 1))
    return clip(f"{len(value):,} bytes" if isinstance(value, bytes) else str(value), limit)


class UploadBar(AbstractContextManager["UploadBar"]):
    """Shows the progress of an upload: `with UploadBar() as bar: ds.save(qianfan=True,
    progress=bar)`.
    """

    def __enter__(self) -> Self:
        def create_widget() -> Any:
            import ipywidgets  # noqa: PLC0415 - only where widgets can be shown

            return ipywidgets.HTML()

        def draw(widget: Any, step: TransferStep) -> None:
            widget.value = step_bundle(step)["text/html"]

        first = TransferStep("upload", 0, 1)
        self._live = LiveOutput(first, widget=create_widget, draw=draw, final=step_bundle)
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
    kind: components.Kind = "ok" if share >= 1 else "run"
    bar = components.progress_bar(share, 1, words, kind=kind)
    return {"text/plain": f"{components.SIGNS[kind]} {words}", "text/html": components.output(bar)}
