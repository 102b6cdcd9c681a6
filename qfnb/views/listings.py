"""The lists of trainings, batches, services and datasets in a notebook; the values are DataFrames
with all columns.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import connect
from ..base.language import tr, tr_noop, trn
from ..base.text import align_columns
from ..trainer.consts import STATUS, FinetuneStatus
from ..wire.prices import PriceRange
from . import components, formats
from .batch import READ_STORED, STATES as BATCH_STATES
from .components import Html, Kind
from .display import Bundle
from .tables import records
from .text import one_line
from .training import summary

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS: Final = 20
"""Rows that are shown, the newest."""

MAX_NAME_CHARS: Final = 60

DATE: Final = "%Y-%m-%d %H:%M"
"""How the frames of this computer's trainings and batches write a date."""

UNPUBLISHED: Final = tr_noop("Trained, not published")
PUBLISHES: Final = tr_noop("trained, not published; `%qftrain attach {name}` publishes it")

_SHOW: Final = tr_noop("to see it: `%qftrain show {name}`")
_AFTER: Final = {
    "TrainFinished": tr_noop("to publish it: `%qftrain publish {name}`"),
    "ModelPublished": tr_noop("to deploy it: `%qftrain deploy {name}`"),
    "Deployed": tr_noop("to ask it: `%qftrain chat {name}`"),
}
"""Status of a training that has ended -> what follows."""

STORED_STATES: Final[dict[str, tuple[Kind, str, str]]] = {
    "interrupted": ("idle", "○", tr_noop("Interrupted")),
    "broken": ("bad", "✕", tr_noop("Damaged")),
}
"""States that only a stored batch has."""

PLATFORM_STATES: Final[dict[str, tuple[Kind, str, str]]] = {
    "New": ("idle", "○", tr_noop("Queued")),
    "Waiting": ("idle", "○", tr_noop("Queued")),
    "Deploying": ("run", "●", tr_noop("Deploying")),
    "Serving": ("ok", "✓", tr_noop("Deployed")),
    "Running": ("run", "●", tr_noop("Training")),
    "Done": ("ok", "✓", tr_noop("Done")),
    "Stopped": ("warn", "■", tr_noop("Stopped")),
    "Failed": ("bad", "✕", tr_noop("Failed")),
    "Unpublished": ("idle", "○", tr_noop("Not published")),
    "Publishing": ("run", "●", tr_noop("Publishing")),
    "Published": ("ok", "✓", tr_noop("Published")),
    "PublishFailed": ("bad", "✕", tr_noop("Failed")),
}
"""The platform's words for services, runs and versions of datasets."""


class State(NamedTuple):
    """A state in the design's words; `raw` is the platform's word for it."""

    kind: Kind
    sign: str
    words: str
    raw: str = ""


Row = dict[Any, Any]
Cell = str | State | tuple[str, ...]
"""A text, a state, or a text with remarks below it."""


class ListingColumn(NamedTuple):
    """A column of a list."""

    head: str
    cell: Callable[[Row], Cell]
    is_numeric: bool = False


def trainings_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of trainings, and what can be done with the newest."""
    columns = (
        ListingColumn(tr_noop("Job"), lambda row: _name(row["name"], row["id"])),
        ListingColumn(tr_noop("Model"), lambda row: row["model"]),
        ListingColumn(tr_noop("State"), _state_of),
        ListingColumn(tr_noop("Progress"), _percent, True),
        ListingColumn(tr_noop("Started"), lambda row: _short_date(row["created"])),
    )
    return _bundle(
        frame, trn("{n} training", "{n} trainings", len(frame)), columns, _training_steps
    )


def batches_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of batches, and what can be done with the newest."""
    columns = (
        ListingColumn(
            tr_noop("Batch"), lambda row: _name(row["name"], row["input"] or "", row["model"] or "")
        ),
        ListingColumn(tr_noop("State"), _batch_cell),
        ListingColumn(tr_noop("Answered"), _answered, True),
        ListingColumn(tr_noop("Failed"), lambda row: _count(row["failed"] or None), True),
        ListingColumn(tr_noop("Cost"), _batch_cost, True),
        ListingColumn(tr_noop("Changed"), lambda row: _short_date(row["updated"] or "")),
    )
    return _bundle(frame, trn("{n} batch", "{n} batches", len(frame)), columns, _batch_steps)


def services_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of your services, and how the newest is asked."""
    columns = (
        ListingColumn(tr_noop("Service"), lambda row: _name(row["name"], row["endpoint"])),
        ListingColumn(tr_noop("Kind"), lambda row: row["type"] or ""),
        ListingColumn(tr_noop("State"), lambda row: _platform_state(row["status"])),
        ListingColumn(tr_noop("Version of the model"), lambda row: row["model_version_id"] or ""),
        ListingColumn(tr_noop("Created"), lambda row: _date(row["created"])),
    )
    return _bundle(frame, trn("{n} service", "{n} services", len(frame)), columns, _service_steps)


def datasets_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of your datasets on the platform, and how the newest is trained on."""
    columns = (
        ListingColumn(
            tr_noop("Dataset"),
            lambda row: _name(row["name"], row["version_id"] or row["dataset_id"]),
        ),
        ListingColumn(tr_noop("Format"), lambda row: row["format"] or ""),
        ListingColumn(tr_noop("State"), lambda row: _platform_state(row["status"])),
        ListingColumn(tr_noop("Rows"), lambda row: _count(row["rows"]), True),
        ListingColumn(tr_noop("Versions"), lambda row: _count(row["versions"]), True),
        ListingColumn(tr_noop("Created"), lambda row: _date(row["created"])),
    )
    return _bundle(frame, trn("{n} dataset", "{n} datasets", len(frame)), columns, _dataset_steps)


def jobs_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of the platform's trainings, and how the newest is continued here."""
    columns = (
        ListingColumn(tr_noop("Job"), lambda row: _name(row["name"], row["task_id"])),
        ListingColumn(tr_noop("Model"), lambda row: row["model"] or ""),
        ListingColumn(tr_noop("Method"), lambda row: row["train_mode"] or ""),
        ListingColumn(tr_noop("State"), lambda row: _platform_state(row["status"])),
        ListingColumn(tr_noop("Started"), lambda row: _date(row["created"])),
        ListingColumn(tr_noop("Ended"), lambda row: _date(row["finished"])),
    )
    return _bundle(frame, trn("{n} training", "{n} trainings", len(frame)), columns, _job_steps)


def training_state(
    status: str, percent: float | None, *, is_current: bool, has_ended: bool = False
) -> State:
    """Return the state of a stored training.

    Args:
        status: a FinetuneStatus or a ServiceStatus.
        percent: of the training step, None while it is not known.
        is_current: whether these are of now; otherwise the kernel that followed it is gone.
        has_ended: whether it has no further step.
    """
    if status in summary.ENDS or (has_ended and status == FinetuneStatus.TrainFinished):
        return State("ok", "✓", tr(summary.ENDS.get(status, tr_noop("Done"))), status)
    if status.endswith("Failed"):
        return State("bad", "✕", tr("Failed"), status)
    if status.endswith("Stopped"):
        return State("warn", "■", tr("Stopped"), status)
    if status == FinetuneStatus.TrainFinished or (percent == 100 and not is_current):
        return State("warn", "○", tr(UNPUBLISHED), status)
    if is_current:
        return _work_state(status)
    return State("idle", "○", tr("Not followed"), status)


def _work_state(status: str) -> State:
    """Return the state of a training that goes on."""
    if status == FinetuneStatus.Created:
        return State("idle", "○", tr("Queued"), status)
    stage = next((stage for (stage, _), word in STATUS.items() if word == status), "")
    return State("run", "●", tr(summary.WORK.get(stage, tr_noop("Preparing"))), status)


def _state_of(row: Row) -> State:
    return training_state(
        row["status"], row["percent"], is_current=row["current"], has_ended=bool(row["finished"])
    )


def _percent(row: Row) -> str:
    """Return how far a training is, "" for one with a result."""
    if row["percent"] is None or _state_of(row).kind == "ok":
        return ""
    return f"{row['percent']:.0f}%"


def _training_steps(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the next steps for the newest training that has not ended, and for the newest that has
    a result.
    """
    for row in [row for row in rows if not row["finished"]][:1]:
        follow = tr_noop("to follow it: `%qftrain attach {name}`")
        is_trained = _state_of(row).words == tr(UNPUBLISHED)
        yield tr(PUBLISHES if is_trained else follow, name=_handle(row, rows))
    for row in [row for row in rows if _state_of(row).kind == "ok"][:1]:
        yield tr(_AFTER.get(row["status"], _SHOW), name=_handle(row, rows))


def _handle(row: Row, rows: Sequence[Row]) -> str:
    """Return the word that names a training in a command: its name where it is a word, and no newer
    one's.
    """
    is_first = next(other for other in rows if other["name"] == row["name"]) is row
    is_word = re.fullmatch(r"[\w.-]{1,80}", row["name"])
    return str(row["name"] if is_first and is_word else row["id"])


def _batch_cell(row: Row) -> Cell:
    if row["state"] == "done" and row["failed"]:
        return State(
            "warn",
            "✓",
            trn("Done, {n} row failed", "Done, {n} rows failed", row["failed"]),
            row["state"],
        )
    kind, sign, words = BATCH_STATES.get(row["state"]) or STORED_STATES.get(
        row["state"], ("idle", "○", row["state"])
    )
    return State(kind, sign, tr(words), row["state"])


def _answered(row: Row) -> str:
    """Return how many rows have an answer, and of how many where some have none."""
    total = _count(row["rows"])
    if row["ok"] == row["rows"]:
        return total
    return f"{_count(row['ok'])}\u00a0/\u00a0{total}"


def _batch_cost(row: Row) -> str:
    if row["cost"] is None:
        price = None
    else:
        price = PriceRange(row["cost"], row["cost"])
    return formats.cost(price, is_free=row["platform"] == "sandbox")


def _batch_steps(rows: Sequence[Row]) -> Iterator[str]:
    """Yield how the newest batch that was interrupted goes on, and how the newest that has ended is
    read.
    """
    open_ones = [
        row["name"] for row in rows if row["state"] in {"interrupted", "stopped", "cancelled"}
    ]
    ended = [row["name"] for row in rows if row["state"] == "done"]
    for name in open_ones[:1]:
        yield tr("to go on: {how}", how=f"`%qfbatch resume {name} -o answers`")
    for name in ended[:1]:
        yield tr(READ_STORED, name=name)


def _service_steps(rows: Sequence[Row]) -> Iterator[str]:
    for row in [row for row in rows if row["status"] == "Serving"][:1]:
        yield tr(
            "to ask it: {how}",
            how=f"`%qfchat -e {row['endpoint']} {tr('Hello! What can you do?')}`",
        )


def _dataset_steps(rows: Sequence[Row]) -> Iterator[str]:
    for row in [row for row in rows if row["status"] == "Published"][:1]:
        yield tr("to train on it: `%qftrain new {id}`", id=row["version_id"])


def _job_steps(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows[:1]:
        yield tr("to follow it: `%qftrain attach {name}`", name=row["task_id"])


def _platform_state(status: str | None) -> Cell:
    """Return the state of something on the platform; a word that is not known stays as it is."""
    kind, sign, words = PLATFORM_STATES.get(status or "", ("idle", "○", status or ""))
    if status:
        return State(kind, sign, tr(words), status or "")
    return ""


def _bundle(
    frame: pd.DataFrame,
    title: str,
    columns: Sequence[ListingColumn],
    next_steps: Callable[[Sequence[Row]], Iterator[str]],
) -> Bundle:
    """Return a list in every format: columns that have values, the newest rows, the next
    commands.
    """
    rows = records(frame)
    shown = rows[:MAX_ROWS]
    cells = [[column.cell(row) for column in columns] for row in shown]
    used = [n for n in range(len(columns)) if any(row[n] for row in cells)]
    cells = [[row[n] for n in used] for row in cells]
    heads = [tr(columns[n].head) for n in used]
    numeric = [position for position, n in enumerate(used) if columns[n].is_numeric]
    earlier = len(rows) - len(shown)
    if earlier:
        note = trn("{n} earlier one is not shown.", "{n} earlier ones are not shown.", earlier)
    else:
        note = ""
    steps = list(next_steps(rows))
    mark = _is_of_sandbox(rows)
    drawn = [[*map(_to_html, row)] for row in cells]
    texts = [[*map(_to_text, row)] for row in cells]
    panel = components.panel(
        title,
        components.header(title, is_sandbox=mark),
        components.table(heads, drawn, numeric=numeric, is_wide=True) if rows else "",
        components.dim_lines(note) if note else "",
        components.footer(*map(components.with_code, steps)),
    )
    if rows:
        lines = align_columns([heads, *texts], numeric=numeric)
    else:
        lines = []
    if mark:
        head = f"{title} [{tr(components.SANDBOX_MARK)}]"
    else:
        head = title
    return {
        "text/plain": "\n".join(filter(None, [head, *lines, note, *steps])),
        "text/html": components.output(panel),
    }


def _is_of_sandbox(rows: Sequence[Row]) -> bool:
    """Return whether all of it is of the sandbox; rows without a platform are of the present
    one.
    """
    present = connect.platform_info().name
    return bool(rows) and all(row.get("platform", present) in {"sandbox", ""} for row in rows)


def _to_html(cell: Cell) -> Html:
    if isinstance(cell, State):
        return components.pill(cell.kind, cell.words, cell.sign, raw=cell.raw)
    if isinstance(cell, str):
        return components.to_html(cell)
    text, *remarks = map(components.to_html, cell)
    return Html(text + "".join(f"<br><small>{remark}</small>" for remark in remarks))


def _to_text(cell: Cell) -> str:
    if isinstance(cell, State):
        return f"{cell.sign} {cell.words}"
    if isinstance(cell, str):
        return cell
    return " · ".join(cell)


def _name(name: str, *remarks: str) -> Cell:
    """Return a name with its id, origin or model below it, each once."""
    texts = (one_line(text, MAX_NAME_CHARS) for text in (name or remarks[0], *remarks))
    return tuple(dict.fromkeys(filter(None, texts)))


def _count(count: int | None) -> str:
    if count is None:
        return ""
    return f"{count:,}"


def _short_date(date: str) -> str:
    """Return a date without its year, and without the day if that is today."""
    if date:
        return formats.when(time.mktime(time.strptime(date, DATE)), time.time())
    return ""


def _date(date: Any) -> str:
    if date is None:
        return ""
    return formats.when(date.timestamp(), time.time())
