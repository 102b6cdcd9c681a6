"""A dataset: its facts and first rows; and the progress of its upload."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Self

from .._text import clip, clip_start
from ..dataset import Dataset, TransferStep, quality
from ..errors import UnexpectedContent
from ..transport import file_transfer
from . import styles
from .display import Bundle, LiveOutput
from .text import escape, image_html, strip_controls

MAX_ROWS = 5
MAX_COLUMNS = 6
"""Columns that are drawn; the number of the others is shown."""

MAX_CELL_CHARS = 96  # of a text in a table
MAX_CHECKED_ROWS = 5_000  # rows up to which a display looks for duplicates
MAX_IMAGE_BYTES = 256 * 1024  # bytes of a picture that is drawn
_STEP_LABELS = {"upload": "上传 upload", "import": "导入 import", "release": "发布 release"}


def bundle(dataset: Dataset) -> Bundle:
    """Return the facts and the first rows in every format, without a request."""
    return {"text/plain": text(dataset), "text/html": html(dataset)}


def html(dataset: Dataset) -> str:
    """Return the facts, and the first rows as a table."""
    head = f"<b>{escape(_clip_value(dataset.name))}</b>"
    if not dataset.is_fetched:
        note = f"<div {styles.DIM}>{escape(_not_fetched_text(dataset))}</div>"
        return f"<div {styles.BODY_COMPACT}>{head}{note}</div>"
    head += f"<span {styles.BADGE}>{escape(dataset.schema.title)}</span>"
    facts = f"<div {styles.DIM}>{escape(' · '.join(_facts(dataset)))}</div>"
    problems = dataset.check().lines() if len(dataset) <= MAX_CHECKED_ROWS else []
    lines = [*filter(None, [_more_rows_text(dataset)]), *(f"⚠ {problem}" for problem in problems)]
    notes = "".join(f"<div {styles.DIM}>{escape(line)}</div>" for line in lines)
    return f"<div {styles.BODY_COMPACT}><div>{head}</div>{facts}{_table(dataset)}{notes}</div>"


def text(dataset: Dataset) -> str:
    """Return the facts, and the first rows as lines."""
    if not dataset.is_fetched:
        return strip_controls(f"Dataset {_not_fetched_text(dataset)}")
    title = " · ".join([f"Dataset {_clip_value(dataset.name)}", dataset.schema.title, *_facts(dataset)])
    rows = [f"  {_row_line(row, dataset.schema.columns)}" for row in dataset.rows[:MAX_ROWS]]
    return "\n".join(strip_controls(line) for line in (title, *rows, _more_rows_text(dataset)) if line)


def _facts(dataset: Dataset) -> list[str]:
    n, exact = quality.estimate_tokens(dataset.rows, dataset.schema)
    rows, columns = f"{len(dataset):,} rows", ", ".join(map(_clip_value, dataset.columns))
    facts = [rows, columns, f"{'' if exact else '≈ '}{n:,} tokens", clip_start(dataset.source, 80)]
    return [fact for fact in facts if fact] + ([str(dataset.id)] if dataset.id is not None else [])


def _not_fetched_text(dataset: Dataset) -> str:
    return f"{dataset.id} · 平台上的数据集，查看时下载 / on the platform, fetched when looked at: ds.head()"


def _more_rows_text(dataset: Dataset) -> str:
    return f"… {len(dataset) - MAX_ROWS:,} more" if len(dataset) > MAX_ROWS else ""


def _table(dataset: Dataset) -> str:
    rows = dataset.rows[:MAX_ROWS]
    if not rows:
        return ""
    columns = [name for name in dataset.columns if name != "history"]
    visible = columns[:MAX_COLUMNS]
    heads = "".join(f"<th {styles.CELL_LONG_TEXT}>{escape(_clip_value(name))}</th>" for name in visible)
    if len(columns) > MAX_COLUMNS:
        heads += f"<th {styles.CELL_LONG_TEXT}>… {len(columns) - MAX_COLUMNS}</th>"
    body = "".join(f"<tr>{''.join(_cell(row, name) for name in visible)}</tr>" for row in rows)
    return f"<table {styles.TABLE}><tr>{heads}</tr>{body}</table>"


def _cell(row: Mapping[str, Any], name: str) -> str:
    history = row.get("history", ()) if name == "prompt" else ()
    turns = "".join(
        f"<div {styles.EARLIER_TURN}>问 {escape(_clip_value(turn['prompt']))}</div>"
        f"<div {styles.EARLIER_TURN}>答 {escape(_clip_value(turn['response']))}</div>"
        for turn in history
    )
    return f"<td {styles.CELL_LONG_TEXT}>{turns}{_value_html(row.get(name))}</td>"


def _value_html(value: Any) -> str:
    if isinstance(value, bytes):
        return _image_html(value)
    if isinstance(value, list):
        return "".join(f"<div>{n}. {escape(_clip_value(item))}</div>" for n, item in enumerate(value[:MAX_ROWS], 1))
    return escape(_clip_value(value)) if value is not None else ""


def _image_html(content: bytes) -> str:
    kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    try:
        file_transfer.validate_image(content)
    except UnexpectedContent as error:
        return escape(error)
    if len(content) > MAX_IMAGE_BYTES:
        return f"{len(content) >> 10:,} KiB"
    return image_html(content, kind, "picture")


def _row_line(row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    turn_count = len(row.get("history", ()))
    values = [row[name] for name in columns if name in row and name != "history"]
    parts = [_clip_value(" ".join(_clip_value(value, 400).split()), 80) for value in values]
    return (f"({turn_count} 轮 turns) " if turn_count else "") + "  →  ".join(parts)


def _clip_value(value: object, limit: int = MAX_CELL_CHARS) -> str:
    if isinstance(value, list):
        value = " ".join(f"{number}. {item}" for number, item in enumerate(value, 1))
    return clip(f"{len(value):,} bytes" if isinstance(value, bytes) else str(value), limit)


class UploadBar(AbstractContextManager["UploadBar"]):
    """Shows the progress of an upload: `with UploadBar() as bar: ds.save(qianfan=True, progress=bar)`."""

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
    size = f" {step.done / 2**20:.1f} / {step.total / 2**20:.1f} MB" if step.kind == "upload" else ""
    words = f"{'✔' if share >= 1 else '…'} {_STEP_LABELS[step.kind]}{size}"
    bar = f'<progress {styles.BAR} max="1" value="{share:.3f}"></progress>'
    return {"text/plain": words, "text/html": f"<div {styles.BODY_COMPACT}>{bar} {words}</div>"}
