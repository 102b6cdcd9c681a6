"""A batch's progress: as HTML, as text, and as a panel that follows it, with Pause, Cancel and a
slider.
"""

from __future__ import annotations

import time
from typing import Any, Final

from .._jobs.background_batch import BackgroundBatch
from .._jobs.batch_progress import BatchProgress, BatchState
from .._tables import find_variables
from ..base.language import tr, tr_noop, trn
from ..base.text import duration, labelled
from ..batching.batch import Batch
from ..evaluation.samples import REFERENCES
from . import components, formats
from .components import Html, Kind
from .controls import LimitedPart, PanelWidgets
from .display import Bundle, accept_clicks
from .panel import Panel
from .text import one_line

STARTED: Final = tr_noop("The batch runs in the background; `%qfbatch wait` shows how it ends.")
READ_STORED: Final = tr_noop(
    "its answers: `%qfbatch save answers.csv {name}`, or `%qfbatch resume {name} -o answers`, then "
    "`answers.to_frame()`"
)
CANCELLING: Final = tr_noop("Cancelling…")

MAX_SLIDER_WORKERS: Final = 64
"""The end of the slider, unless the batch starts with more workers."""

STATES: Final[dict[BatchState, tuple[Kind, str, str]]] = {
    "preparing": ("idle", "○", tr_noop("Preparing")),
    "running": ("run", "●", tr_noop("Running")),
    "paused": ("warn", "‖", tr_noop("Paused")),
    "waiting": ("warn", "○", tr_noop("Waiting")),
    "cancelled": ("warn", "■", tr_noop("Cancelled")),
    "stopped": ("warn", "■", tr_noop("Ended early")),
    "done": ("ok", "✓", tr_noop("Done")),
}
_ENDING: Final[dict[BatchState, str]] = {"cancelled": CANCELLING, "stopped": tr_noop("Ending…")}


def bundle(progress: BatchProgress) -> Bundle:
    """Return the progress in every static format."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: BatchProgress) -> str:
    """Return the progress as a few lines of text."""
    failures = [
        f"✕ {labelled(tr('row {row}', row=f.number), f.error)}: {one_line(f.message, 160)} ← "
        f"{one_line(f.input, 40)}"
        for f in reversed(progress.latest_failures)
    ]
    lines = [*_remarks(progress), *failures, *_next_steps(progress)]
    return "\n".join([summary_text(progress), *(one_line(line, 300) for line in lines)])


def summary_text(progress: BatchProgress) -> str:
    """Return state, rows, times and numbers as a few lines of text."""
    now = time.time()
    _, sign, words = _state(progress, is_live=True, now=now)
    numbers = [labelled(label, value, remark) for label, value, remark in _numbers(progress)]
    if progress.from_sandbox:
        mark = f" [{tr(components.SANDBOX_MARK)}]"
    else:
        mark = ""
    head = labelled(f"{_title(progress)}{mark}", f"{sign} {words}")
    facts = [describe_rows(progress), describe_times(progress, now), " · ".join(numbers)]
    lines = (head, _subtitle(progress), progress.reason, *progress.remarks, *facts)
    return "\n".join(one_line(line, 300) for line in lines if line)


def html(progress: BatchProgress) -> Html:
    """Return the progress as an output of its own: the end, or the state as of now."""
    now = time.time()
    blocks = [*_summary(progress, is_live=False, now=now), _failures(progress)]
    steps = map(components.with_code, _next_steps(progress) if progress.is_finished else [])
    return components.output(components.panel(_title(progress), *blocks, components.footer(*steps)))


def live_html(progress: BatchProgress, *, now: float | None = None) -> tuple[Html, Html]:
    """Return the HTML of a panel while the batch works, above its buttons and below them.

    Args:
        progress: what is drawn.
        now: the time in Unix seconds, by default the current one.
    """
    blocks = _summary(progress, is_live=True, now=time.time() if now is None else now)
    return components.stack(*blocks), _failures(progress)


def _summary(progress: BatchProgress, *, is_live: bool, now: float) -> list[Html | str]:
    """Return the header, the reason of a pause or end, the progress bar, the key numbers and
    remarks.
    """
    kind, sign, words = _state(progress, is_live=is_live, now=now)
    pill = components.pill(kind, words, sign)
    mark = progress.from_sandbox
    head = components.header(
        _title(progress), pill=pill, subtitle=_subtitle(progress), is_sandbox=mark
    )
    notes = [components.note("warn", text) for text in (progress.reason, *progress.remarks) if text]
    is_unknown = progress.total is None and not progress.is_finished
    bar = components.progress_bar(
        None
        if is_unknown
        else progress.finished_rows
        if progress.total
        else float(progress.is_finished),
        progress.total or 1,
        describe_rows(progress),
        subtitle=describe_times(progress, now, is_live=is_live),
        kind=kind,
    )
    remarks = components.dim_lines(*_remarks(progress))
    return [
        block
        for block in (head, *notes, bar, components.key_numbers(*_numbers(progress)), remarks)
        if block
    ]


class BatchPanel(Panel):
    """Shows a batch while it works; static HTML when it has ended."""

    def _create_controls(self) -> BatchControls:
        return BatchControls(self.job)

    def _bundle(self, progress: BatchProgress) -> Bundle:
        return bundle(progress)

    def result(self) -> str:
        """Return how many rows were answered, and what it cost."""
        return summary_text(self.job.progress)

    def _go_on(self, progress: BatchProgress) -> str:
        return tr("; ").join([tr("Answered rows are kept"), *_next_steps(progress)])


class BatchControls:
    """The widgets of a running batch: Pause or Resume, Cancel, the number of workers, and the
    state.

    The handlers only leave word for the I/O loop, so they may run in any thread. The buttons come
    first: what grows must not move them away from the pointer.
    """

    is_asking = False

    def __init__(self, job: BackgroundBatch) -> None:
        self._job = job
        self._workers = job.progress.workers
        self._is_paused = self._is_cancelled = False

    def build(self) -> Any:
        """Return the widget: what stays in place, the buttons, then what grows."""
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now

        widgets = PanelWidgets()
        self._state = LimitedPart(widgets.html())
        self._details = widgets.html()
        self._pause = widgets.button("", self._toggle, tooltip=tr("Ask no new row until Resume"))
        self._cancel = widgets.button("", self._stop, tooltip=tr("Finished rows are kept"))
        self._slider = ipywidgets.IntSlider(
            value=max(self._workers, 1),
            min=1,
            max=max(MAX_SLIDER_WORKERS, self._workers),
            description=tr("At once"),
            continuous_update=False,
            tooltip=tr("Rows asked at once"),
            layout=ipywidgets.Layout(width="320px", margin="2px 12px"),
            style={"description_width": "initial"},
        )
        self._slider.observe(self._resize, "value")
        row = widgets.row([self._pause, self._cancel, self._slider])
        return widgets.panel([self._state.widget, row, self._details])

    def draw(self, progress: BatchProgress) -> None:
        """Show a state; what has not changed is not sent."""
        is_ending = progress.state in _ENDING
        self._is_paused = progress.state == "paused"
        state, self._details.value = live_html(progress)
        self._state.draw(state, (progress.state, progress.reason, progress.remarks))
        if self._is_paused:
            self._pause.description = tr("Resume")
        else:
            self._pause.description = tr("Pause")
        self._pause.disabled = is_ending
        if is_ending or self._is_cancelled:
            self._cancel.description = tr(CANCELLING)
        else:
            self._cancel.description = tr("Cancel")
        self._cancel.disabled = is_ending or self._is_cancelled
        self._slider.disabled = is_ending or not progress.workers or progress.mode == "offline"
        if progress.workers and progress.workers != self._workers:
            self._workers = progress.workers
            self._slider.max = max(self._slider.max, progress.workers)
            self._slider.value = progress.workers
        for widget in (self._pause, self._cancel, self._slider):
            accept_clicks(widget)

    def _toggle(self, _: Any) -> None:
        (self._job.resume if self._is_paused else self._job.pause)()

    def _stop(self, _: Any) -> None:
        self._is_cancelled = True
        self._cancel.description = tr(CANCELLING)
        self._cancel.disabled = True
        self._job.cancel()

    def _resize(self, change: Any) -> None:
        if change["new"] != self._workers:
            self._workers = change["new"]
            self._job.resize(change["new"])


def _title(progress: BatchProgress) -> str:
    return " · ".join(filter(None, [tr("Batch"), progress.rows_name or progress.name]))


def _subtitle(progress: BatchProgress) -> str:
    if progress.mode == "offline":
        offline = tr("offline, at the price of offline batches")
    else:
        offline = ""
    return " · ".join(
        filter(None, [progress.name if progress.rows_name else "", progress.model, offline])
    )


def _state(progress: BatchProgress, *, is_live: bool, now: float) -> tuple[Kind, str, str]:
    """Return the colour, the sign and the words of a state; that of a saved output is dated."""
    kind, sign, words = STATES.get(progress.state, ("idle", "○", progress.state))
    if progress.is_finished:
        if progress.state == "done" and progress.failed:
            failed = trn("Done, {n} row failed", "Done, {n} rows failed", progress.failed)
            return "warn", sign, failed
        return kind, sign, tr(words)
    if not is_live:
        return "idle", "○", formats.as_of(now)
    return kind, sign, tr(_ENDING.get(progress.state, words))


def describe_rows(progress: BatchProgress) -> str:
    """Return how many rows are done."""
    if progress.total is None:
        return trn("{n} row, total unknown", "{n} rows, total unknown", progress.finished_rows)
    return tr("{n} / {total} rows", n=f"{progress.finished_rows:,}", total=f"{progress.total:,}")


def describe_times(progress: BatchProgress, now: float, *, is_live: bool = True) -> str:
    """Return times and rates in one line; of a paused batch, or of an output that is not live,
    nothing that changes.
    """
    seconds = progress.elapsed(now)
    if progress.is_finished:
        answered = progress.finished_rows - progress.cached
        speed = answered / seconds if answered > 0 and seconds > 0 else None
        parts = [tr("took {time}", time=formats.seconds(seconds)), formats.rate(speed)]
    elif not is_live and progress.started_at is not None:
        parts = [tr("{time} elapsed", time=duration(seconds))]
    elif progress.state == "paused" or progress.started_at is None:
        parts = [_in_flight(progress)]
    else:
        remaining = progress.eta if progress.state == "running" else None
        left = "" if remaining is None else tr("about {time} left", time=duration(remaining))
        elapsed = tr("{time} elapsed", time=duration(seconds))
        parts = [elapsed, left, formats.rate(progress.rate), _in_flight(progress)]
    cached = (
        trn("{n} row from the cache", "{n} rows from the cache", progress.cached)
        if progress.cached
        else ""
    )
    retried = trn("{n} retry", "{n} retries", progress.retried) if progress.retried else ""
    return " · ".join(part for part in (*parts, cached, retried) if part)


def _in_flight(progress: BatchProgress) -> str:
    if not progress.workers or (progress.mode == "offline" and not progress.in_flight):
        return ""
    return tr("{n} of {workers} at once", n=progress.in_flight, workers=progress.workers)


def _numbers(progress: BatchProgress) -> list[tuple[str, str, str]]:
    tokens = progress.prompt_tokens + progress.completion_tokens
    return [
        (tr("Succeeded"), f"{progress.ok:,}", ""),
        (tr("Failed"), f"{progress.failed:,}", ""),
        ("Tokens", f"{tokens:,}", _token_remark(progress, tokens)),
        (
            tr("Cost"),
            formats.cost(progress.cost_range, is_free=progress.from_sandbox),
            _cost_remark(progress),
        ),
    ]


def _token_remark(progress: BatchProgress, tokens: int) -> str:
    """Return the two kinds of tokens, the rows without counts, and the part of the budget."""
    sent = formats.compact(progress.prompt_tokens)
    received = formats.compact(progress.completion_tokens)
    parts = [tr("{sent} in · {received} out", sent=sent, received=received)]
    if progress.uncounted:
        parts.append(trn("{n} row not counted", "{n} rows not counted", progress.uncounted))
    if progress.budget_tokens is not None:
        if progress.budget_tokens:
            share = int(100 * tokens / progress.budget_tokens)
        else:
            share = 100
        parts.append(
            tr(
                "{share}% of the budget of {budget}",
                share=share,
                budget=f"{progress.budget_tokens:,}",
            )
        )
    return " · ".join(parts)


def _cost_remark(progress: BatchProgress) -> str:
    if progress.budget is None:
        return ""
    if progress.cost is None:
        return tr("budget ¥{budget}", budget=f"{progress.budget:g}")
    if progress.budget:
        share = int(100 * progress.cost / progress.budget)
    else:
        share = 100
    return tr("{share}% of the budget of ¥{budget}", share=share, budget=f"{progress.budget:g}")


def _remarks(progress: BatchProgress) -> list[str]:
    """Return the rate limit and what was noticed before the start, until the end."""
    if progress.is_finished:
        return []
    if progress.rate_limits:
        lines = [tr("Rate limit: {limit}", limit=progress.rate_limits)]
    else:
        lines = []
    if progress.notes:
        notes = tr("Before the start: {notes}", notes=tr("; ").join(progress.notes))
    else:
        notes = ""
    return [*lines, *filter(None, [notes])]


def _failures(progress: BatchProgress) -> Html:
    if not progress.latest_failures:
        return Html("")
    rows = [
        (f.number, one_line(f.input, 40), f"{f.error}: {one_line(f.message, 160)}")
        for f in reversed(progress.latest_failures)
    ]
    shown = len(rows)
    failed = f"{progress.failed:,}"
    caption = tr("Latest failures, {shown} of {failed}", shown=shown, failed=failed)
    return components.table(
        (tr("Row"), tr("Input"), tr("Reason")), rows, numeric={0}, caption=caption, is_wide=True
    )


def _next_steps(progress: BatchProgress) -> list[str]:
    """Return how to use the answers, and how to get those that are missing."""
    is_sharded = progress.mode == "shards"
    how = tr("run the cell again, or `qfnb.resume('{name}')`", name=progress.name)
    how = tr("run the cell again") if is_sharded else how
    if not progress.is_finished:
        follow = tr("to follow it: `%qfbatch show`")
        return (
            [follow, tr("after a restart of the kernel: {how}", how=how)]
            if progress.name
            else [follow]
        )
    if not progress.name:
        return []
    if progress.state != "done":
        return [tr("to go on: {how}", how=how)]
    if is_sharded:
        return [tr("the failed rows: `failures()`")] if progress.failed else []
    repeat = [tr("to ask only the failed rows again: {how}", how=how)] if progress.failed else []
    return [*_result_steps(progress), *repeat]


def _result_steps(progress: BatchProgress) -> list[str]:
    """Return the commands that use the answers, by the notebook's variable that holds the batch."""
    variables = find_variables(
        lambda value: isinstance(value, Batch) and value.name == progress.name
    )
    if not variables:
        return [tr(READ_STORED, name=progress.name)]
    variable, batch = [*variables.items()][-1]
    steps = [tr("the answers as a table: `{variable}.to_frame()`", variable=variable)]
    steps.append(tr("as a file: `%qfbatch save {variable}.csv {variable}`", variable=variable))
    if any(name in batch.columns for name in REFERENCES):
        steps.append(tr("to score them: `%qfeval only {variable} -o report`", variable=variable))
    if progress.ok:
        train = tr_noop(
            "to train on them: `pairs = {variable}.to_pairs()`, then `%qftrain new pairs`"
        )
        steps.append(tr(train, variable=variable))
    return steps
