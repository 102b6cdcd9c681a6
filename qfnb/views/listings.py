"""The lists of models, calls, trainings, batches, evaluations, ... in a notebook; the values
are DataFrames with all columns.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from .. import connect
from ..base.language import tr, tr_noop, trn
from ..base.text import clip
from ..evaluation.report.sources import mark_models
from ..evaluation.report.text import format_score, metric_title, to_plain
from ..trainer.consts import STATUS, FinetuneStatus
from ..wire.prices import PriceRange
from . import components, formats
from .batch import READ_STORED, STATES as BATCH_STATES
from .components import Html, State
from .display import Bundle
from .formats import one_line
from .training import summary

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS: Final = 20
"""Rows that are shown, the newest."""

MAX_NAME_CHARS: Final = 60
MAX_MODELS: Final = 4  # of an evaluation whose means are shown

DATE: Final = "%Y-%m-%d %H:%M"
"""How the frames of this computer's trainings and batches write a date."""

THINKING: Final = {
    "no": tr_noop("no"),
    "optional": tr_noop("optional"),
    "always": tr_noop("always"),
}

UNPUBLISHED: Final = tr_noop("Trained, not published")
PUBLISHES: Final = tr_noop("trained, not published; `%qftrain attach {name}` publishes it")

_SHOW: Final = tr_noop("to see it: `%qftrain show {name}`")
_AFTER: Final = {
    "TrainFinished": tr_noop("to publish it: `%qftrain publish {name}`"),
    "ModelPublished": tr_noop("to deploy it: `%qftrain deploy {name}`"),
    "Deployed": tr_noop("to ask it: `%qftrain chat {name}`"),
}
"""Status of a training that has ended -> what follows."""

STORED_STATES: Final[dict[str, State]] = {
    **BATCH_STATES,
    "interrupted": State("idle", "○", tr_noop("Interrupted")),
    "broken": State("bad", "✕", tr_noop("Damaged")),
}
"""States of a stored batch."""

PLATFORM_STATES: Final[dict[str, State]] = {
    "New": State("idle", "○", tr_noop("Queued")),
    "Waiting": State("idle", "○", tr_noop("Queued")),
    "Deploying": State("run", "●", tr_noop("Deploying")),
    "Serving": State("ok", "✓", tr_noop("Deployed")),
    "Running": State("run", "●", tr_noop("Training")),
    "Done": State("ok", "✓", tr_noop("Done")),
    "Stopped": State("warn", "■", tr_noop("Stopped")),
    "Failed": State("bad", "✕", tr_noop("Failed")),
    "Unpublished": State("idle", "○", tr_noop("Not published")),
    "Publishing": State("run", "●", tr_noop("Publishing")),
    "Published": State("ok", "✓", tr_noop("Published")),
    "PublishFailed": State("bad", "✕", tr_noop("Failed")),
}
"""The platform's words for services, runs and versions of datasets."""

Row = dict[Any, Any]
ListingColumn = tuple[str, Callable[[Row], object]]
"""The head of a column, and how a row gives its cell."""

NUMERIC: Final = {
    tr_noop("Progress"), tr_noop("Answered"), tr_noop("Failed"), tr_noop("Cost"),
    tr_noop("Rows"), tr_noop("Versions"), tr_noop("Questions"),
}  # fmt: skip
"""Heads of columns that are right-aligned."""


def models_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the table of models, a fold for each kind; the first, chat, is open."""
    heads = [tr("Model"), tr("Context"), tr("Longest output"), tr("Thinking")]
    heads += [tr("Input ¥/1k"), tr("Output ¥/1k")]
    folds: list[components.Fold] = []
    for kind, part in frame.groupby("kind", sort=False):
        rows = [*map(_model_row, records(part))]
        table = components.table(heads, rows, numeric=(1, 2, 4, 5), is_wide=True)
        folds.append((kind, f"{len(rows):,}", table))
    title = trn("{n} model", "{n} models", len(frame))
    return _frame_bundle(frame, title, components.folds(*folds, is_first_open=True))


def usage_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the use of the calls of this kernel, and the last of them."""
    rows = [*map(_call_row, records(frame.tail(MAX_ROWS)))]
    heads = [tr("Time"), tr("Model"), tr("Tokens in"), tr("Tokens out"), tr("Duration")]
    heads += [tr("Cost"), tr("Error")]
    answered = frame[frame["error"] == ""]
    price = None
    if not answered["cost"].isna().any():
        price = PriceRange(float(answered["cost_low"].sum()), float(answered["cost"].sum()))
    numbers = components.key_numbers(
        (tr("Tokens in"), f"{int(frame['prompt_tokens'].sum()):,}", ""),
        (tr("Tokens out"), f"{int(frame['completion_tokens'].sum()):,}", ""),
        (tr("Cost"), _format_cost(price), ""),
        (tr("Errors"), f"{len(frame) - len(answered):,}", ""),
    )
    table = components.table(heads, rows, numeric=(2, 3, 4, 5), is_wide=True)
    note = ""
    if earlier := len(frame) - len(rows):
        note = trn("{n} earlier call is not shown.", "{n} earlier calls are not shown.", earlier)
    title = trn("{n} call", "{n} calls", len(frame))
    return _frame_bundle(frame, title, numbers, table, components.dim_lines(note))


def _frame_bundle(frame: pd.DataFrame, title: str, *blocks: object) -> Bundle:
    remark = trn(
        "the value is a DataFrame with {n} column",
        "the value is a DataFrame with {n} columns",
        frame.shape[1],
    )
    page = components.panel_output(title, components.header(title, subtitle=remark), *blocks)
    return {"text/plain": repr(frame), "text/html": page}


def records(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a frame; None is for a value that is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _model_row(row: Row) -> tuple[str, ...]:
    name = row["id"]
    if row["replacement"]:
        name = f"{name} → {row['replacement']}"
    lengths = (row["context"], row["max_output"])
    sizes = [formats.compact(length) if length else "–" for length in lengths]
    thinking = THINKING.get((row["thinking"] or "").partition(" ")[0])
    prices = map(_price_ends, (row["price_input"], row["price_output"]))
    return (name, *sizes, tr(thinking) if thinking else "–", *prices)


def _price_ends(steps: str | None) -> str:
    """Return the ends of a price that depends on length or hour: "0.004–0.006" of "≤32k 0.004,
    ≤128k 0.006".
    """
    prices = sorted({step.split()[-1] for step in (steps or "").split(", ") if step}, key=float)
    return "–".join(dict.fromkeys([*prices[:1], *prices[-1:]])) or "–"


def _call_row(row: Row) -> tuple[str, ...]:
    price = None if row["cost"] is None else PriceRange(row["cost_low"], row["cost"])
    counts = (row["prompt_tokens"], row["completion_tokens"])
    tokens = ["–" if count is None else f"{int(count):,}" for count in counts]
    return (
        time.strftime("%H:%M:%S", time.localtime(row["at"].timestamp())),
        row["model"],
        *tokens,
        formats.seconds(row["seconds"]),
        "–" if row["error"] else _format_cost(price),
        row["error"],
    )


def _format_cost(price: PriceRange | None) -> str:
    """Return the cost of calls; what costs nothing, as in the sandbox, is free."""
    return formats.cost(price, is_free=price is not None and price.high == 0)


def trainings_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of trainings, and what can be done with the newest."""
    columns: list[ListingColumn] = [
        (tr_noop("Job"), lambda row: _name(row["name"], row["id"])),
        (tr_noop("Model"), lambda row: row["model"]),
        (tr_noop("State"), lambda row: _state_of(row).pill),
        (tr_noop("Progress"), _percent),
        (tr_noop("Started"), lambda row: _short_date(row["created"])),
    ]
    title = trn("{n} training", "{n} trainings", len(frame))
    return list_bundle(frame, title, columns, _training_steps)


def batches_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of batches, and what can be done with the newest."""
    columns: list[ListingColumn] = [
        (tr_noop("Batch"), lambda row: _name(row["name"], row["input"], row["model"])),
        (tr_noop("State"), _batch_pill),
        (tr_noop("Answered"), _answered),
        (tr_noop("Failed"), lambda row: _count(row["failed"] or None)),
        (tr_noop("Cost"), _batch_cost),
        (tr_noop("Changed"), lambda row: _short_date(row["updated"])),
    ]
    return list_bundle(frame, trn("{n} batch", "{n} batches", len(frame)), columns, _batch_steps)


def services_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of your services, and how the newest is asked."""
    columns: list[ListingColumn] = [
        (tr_noop("Service"), lambda row: _name(row["name"], row["endpoint"])),
        (tr_noop("Kind"), lambda row: row["type"]),
        (tr_noop("State"), _platform_pill),
        (tr_noop("Version of the model"), lambda row: row["model_version_id"]),
        (tr_noop("Created"), lambda row: _date(row["created"])),
    ]
    return list_bundle(
        frame, trn("{n} service", "{n} services", len(frame)), columns, _service_steps
    )


def datasets_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of your datasets on the platform, and how the newest is trained on."""
    columns: list[ListingColumn] = [
        (
            tr_noop("Dataset"),
            lambda row: _name(row["name"], row["version_id"] or row["dataset_id"]),
        ),
        (tr_noop("Format"), lambda row: row["format"]),
        (tr_noop("State"), _platform_pill),
        (tr_noop("Rows"), lambda row: _count(row["rows"])),
        (tr_noop("Versions"), lambda row: _count(row["versions"])),
        (tr_noop("Created"), lambda row: _date(row["created"])),
    ]
    return list_bundle(
        frame, trn("{n} dataset", "{n} datasets", len(frame)), columns, _dataset_steps
    )


def jobs_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the list of the platform's trainings, and how the newest is continued here."""
    columns: list[ListingColumn] = [
        (tr_noop("Job"), lambda row: _name(row["name"], row["task_id"])),
        (tr_noop("Model"), lambda row: row["model"]),
        (tr_noop("Method"), lambda row: row["train_mode"]),
        (tr_noop("State"), _platform_pill),
        (tr_noop("Started"), lambda row: _date(row["created"])),
        (tr_noop("Ended"), lambda row: _date(row["finished"])),
    ]
    return list_bundle(frame, trn("{n} training", "{n} trainings", len(frame)), columns, _job_steps)


def training_state(  # noqa: PLR0911 - one for each state
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
    if not is_current:
        return State("idle", "○", tr("Not followed"), status)
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


def _batch_pill(row: Row) -> Html:
    word = row["state"]
    if word == "done" and row["failed"]:
        failed = trn("Done, {n} row failed", "Done, {n} rows failed", row["failed"])
        return State("warn", "✓", failed, word).pill
    return _known_pill(STORED_STATES, word)


def _known_pill(states: dict[str, State], word: str) -> Html:
    """Return a state of a table; a word that is not known stays as it is."""
    state = states.get(word) or State("idle", "○", word)
    return state.translated()._replace(raw=word).pill


def _answered(row: Row) -> str:
    """Return how many rows have an answer, and of how many where some have none."""
    total = _count(row["rows"])
    if row["ok"] == row["rows"]:
        return total
    return f"{_count(row['ok'])}\u00a0/\u00a0{total}"


def _batch_cost(row: Row) -> str:
    price = None if row["cost"] is None else PriceRange(row["cost"], row["cost"])
    return formats.cost(price, is_free=row["platform"] == "sandbox")


def _batch_steps(rows: Sequence[Row]) -> Iterator[str]:
    """Yield how the newest batch that was interrupted goes on, and how the newest that has ended is
    read.
    """
    is_open = {"interrupted", "stopped", "cancelled"}
    for row in [row for row in rows if row["state"] in is_open][:1]:
        yield tr("to go on: {how}", how=f"`%qfbatch resume {row['name']} -o answers`")
    for row in [row for row in rows if row["state"] == "done"][:1]:
        yield tr(READ_STORED, name=row["name"])


def _service_steps(rows: Sequence[Row]) -> Iterator[str]:
    for row in [row for row in rows if row["status"] == "Serving"][:1]:
        question = tr("Hello! What can you do?")
        yield tr("to ask it: {how}", how=f"`%qfchat -e {row['endpoint']} {question}`")


def _dataset_steps(rows: Sequence[Row]) -> Iterator[str]:
    for row in [row for row in rows if row["status"] == "Published"][:1]:
        yield tr("to train on it: `%qftrain new {id}`", id=row["version_id"])


def _job_steps(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows[:1]:
        yield tr("to follow it: `%qftrain attach {name}`", name=row["task_id"])


def _platform_pill(row: Row) -> object:
    return _known_pill(PLATFORM_STATES, row["status"]) if row["status"] else ""


def list_bundle(
    frame: pd.DataFrame,
    title: str,
    columns: Sequence[ListingColumn],
    next_steps: Callable[[Sequence[Row]], Iterable[str]],
    *,
    has_origin: bool = True,
) -> Bundle:
    """Return a list in every format: columns that have values, the newest rows, the next
    commands.

    Args:
        frame: the list, the newest first.
        title: what it is.
        columns: the columns.
        next_steps: returns the commands.
        has_origin: whether all rows are of one platform, the sandbox or another.
    """
    rows = records(frame)
    shown = rows[:MAX_ROWS]
    translated = [(tr(head), read) for head, read in columns]
    note = ""
    if earlier := len(rows) - len(shown):
        note = trn("{n} earlier one is not shown.", "{n} earlier ones are not shown.", earlier)
    # rows without a platform are of the present one
    present = "qianfan"
    if has_origin:
        present = connect.platform_info().name
    is_sandbox = all(row.get("platform", present) in {"sandbox", ""} for row in rows)
    return components.bundle(
        title,
        components.header(title, is_sandbox=bool(rows) and is_sandbox),
        components.column_table(shown, translated, [*map(tr, NUMERIC)], is_wide=True),
        components.dim_lines(note),
        components.next_steps(*next_steps(rows)),
    )


def _name(name: str | None, *remarks: str | None) -> Html:
    """Return a name with its id, origin or model below it, each once."""
    texts = []
    for text in (name, *remarks):
        if text:
            texts.append(one_line(text, MAX_NAME_CHARS))
    first, *others = [*dict.fromkeys(texts)] or [""]
    html = components.to_html(first) + "".join(
        f"<br><small>{components.to_html(remark)}</small>" for remark in others
    )
    return Html(html, " · ".join([first, *others]))


def _count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _short_date(date: str | None) -> str:
    """Return a date without its year, and without the day if that is today."""
    if not date:
        return ""
    return formats.when(time.mktime(time.strptime(date, DATE)), time.time())


def _date(date: Any) -> str:
    return "" if date is None else formats.when(date.timestamp(), time.time())


def evaluations_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the newest evaluations with their means on the first metric; the value has all
    columns.
    """
    columns: list[ListingColumn] = [
        (tr_noop("Time"), lambda row: formats.when(row["created"].timestamp(), time.time())),
        (tr_noop("Evaluation"), lambda row: components.code(row["id"])),
        (tr_noop("Data"), _data),
        (tr_noop("Questions"), lambda row: "" if row["problem"] else f"{row['questions']:,}"),
        (tr_noop("Means"), lambda row: components.join(_means(row), "<br>")),
    ]
    title = trn("{n} evaluation", "{n} evaluations", len(frame))
    return list_bundle(frame, title, columns, _evaluation_steps, has_origin=False)


def _evaluation_steps(rows: Sequence[Row]) -> list[str]:
    """Return how the newest evaluation is opened."""
    for row in rows:
        if not row["problem"]:
            return [tr("to open it: `%qfeval open {id}`", id=row["id"])]
    return []


def _data(row: Row) -> Html:
    """Return the name of the data, the sandbox's mark and the failures, a line each."""
    if row["problem"]:
        return components.to_html(tr("cannot be opened; `%qfeval open ID` says why"))
    lines = [to_plain(clip(row["dataset"], MAX_NAME_CHARS)) or tr("without a name")]
    if row["sandbox"]:
        lines.append(mark_models(row["models"], row["sandbox_models"]))
    if row["failed"]:
        lines.append(trn("{n} answer failed", "{n} answers failed", row["failed"]))
    return components.join(lines, "<br>")


def _means(row: Row) -> list[str]:
    """Return the means on the first metric, a line each."""
    if row["problem"] or not row["metrics"]:
        return []
    metric = row["metrics"][0]
    models = row["models"]
    lines = [metric_title(metric)]
    for model in models[:MAX_MODELS]:
        mean = format_score(row["scores"].get(model, {}).get(metric, math.nan))
        lines.append(f"{to_plain(clip(model, MAX_NAME_CHARS))} {mean}")
    hidden = len(models) - MAX_MODELS
    return [*lines, trn("and {n} model", "and {n} models", hidden)] if hidden > 0 else lines
