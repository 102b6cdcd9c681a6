"""A batch's progress: as HTML, as text, and as a panel that follows it, with Pause, Cancel and a
slider.
"""

from __future__ import annotations

import time
from typing import Any, Final

from .._jobs.background_batch import BatchProgress
from .._tables import find_variables
from ..base.language import tr, tr_noop, trn
from ..base.text import duration
from ..batching.batch import Batch
from ..evaluation.samples import REFERENCES
from . import components, formats
from .components import Html, State
from .display import Bundle
from .formats import dotted, one_line
from .panel import Panel

STARTED: Final = tr_noop("The batch runs in the background; `%qfbatch wait` shows how it ends.")
READ_STORED: Final = tr_noop(
    "its answers: `%qfbatch save answers.csv {name}`, or `%qfbatch resume {name} -o answers`, then "
    "`answers.to_frame()`"
)
CANCELLING: Final = tr_noop("Cancelling…")

MAX_SLIDER_WORKERS: Final = 64
"""The end of the slider, unless the batch starts with more workers."""

STATES: Final[dict[str, State]] = {
    "preparing": State("idle", "○", tr_noop("Preparing")),
    "running": State("run", "●", tr_noop("Running")),
    "paused": State("warn", "‖", tr_noop("Paused")),
    "waiting": State("warn", "○", tr_noop("Waiting")),
    "cancelled": State("warn", "■", tr_noop("Cancelled")),
    "stopped": State("warn", "■", tr_noop("Ended early")),
    "done": State("ok", "✓", tr_noop("Done")),
}
_ENDING: Final = {"cancelled": CANCELLING, "stopped": tr_noop("Ending…")}


def bundle(progress: BatchProgress) -> Bundle:
    """Return the progress in every static format."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: BatchProgress) -> str:
    """Return the progress as a few lines of text."""
    steps = components.next_steps(*_next_steps(progress))
    blocks = _summary(progress, is_live=True, now=time.time())
    return components.join([*blocks, _failures(progress), steps]).text


def summary_text(progress: BatchProgress) -> str:
    """Return state, rows, times and numbers as a few lines of text."""
    return components.join(_summary(progress, is_live=True, now=time.time())).text


def html(progress: BatchProgress) -> Html:
    """Return the progress as an output of its own: the end, or the state as of now."""
    blocks = [*_summary(progress, is_live=False, now=time.time()), _failures(progress)]
    if progress.is_finished:
        steps = _next_steps(progress)
    else:
        steps = []
    return components.panel_output(_title(progress), *blocks, components.next_steps(*steps))


def live_html(progress: BatchProgress, *, now: float) -> tuple[list[Html], Html]:
    """Return what a panel shows while the batch works, above its buttons and below them."""
    return _summary(progress, is_live=True, now=now), _failures(progress)


def _summary(progress: BatchProgress, *, is_live: bool, now: float) -> list[Html]:
    """Return the header, the reason of a pause or end, the progress bar, the key numbers and
    remarks.
    """
    state = _state(progress, is_live=is_live)
    head = components.header(
        _title(progress),
        pill=state.pill,
        subtitle=_subtitle(progress),
        is_sandbox=progress.from_sandbox,
    )
    notes = []
    for text in (progress.reason, *progress.remarks):
        if text:
            notes.append(components.note("warn", text))
    done: float | None = progress.finished_rows
    if not progress.total and progress.is_finished:
        done = 1
    elif progress.total is None:
        done = None
    bar = components.progress_bar(
        done,
        progress.total or 1,
        describe_rows(progress),
        subtitle=describe_times(progress, now, is_live=is_live),
        kind=state.kind,
    )
    numbers = components.key_numbers(*_numbers(progress))
    return [head, *notes, bar, numbers, components.dim_lines(*_remarks(progress))]


class BatchPanel(Panel):
    """Shows a batch while it works, with Pause or Resume, Cancel and the number of workers; static
    HTML when it has ended.

    The handlers only leave word for the I/O loop.
    """

    def __init__(self, job: Any) -> None:
        super().__init__(job)
        self._is_cancelled = False

    def _bundle(self, progress: BatchProgress) -> Bundle:
        return bundle(progress)

    def result(self) -> str:
        """Return how many rows were answered, and what it cost."""
        return summary_text(self.job.progress)

    def _go_on(self, progress: BatchProgress) -> str:
        return tr("; ").join([tr("Answered rows are kept"), *_next_steps(progress)])

    def _parts(self, progress: BatchProgress) -> tuple[State, list[Html], list[Html]]:
        head, failures = live_html(progress, now=time.time())
        state = _state(progress, is_live=True)._replace(raw=progress.reason)
        return state, head, [failures]

    def _create_buttons(self) -> list[Any]:
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now

        create = self._widgets.button
        self._workers = self.job.progress.workers
        self._pause = create("", self._toggle, tooltip=tr("Ask no new row until Resume"))
        self._cancel = create("", self._stop, tooltip=tr("Finished rows are kept"))
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
        return [self._pause, self._cancel, self._slider]

    def _update_buttons(self, progress: BatchProgress) -> list[Any]:
        is_ending = progress.state in _ENDING
        is_cancelling = is_ending or self._is_cancelled
        if progress.state == "paused":
            self._pause.description = tr("Resume")
        else:
            self._pause.description = tr("Pause")
        self._pause.disabled = is_ending
        if is_cancelling:
            self._cancel.description = tr(CANCELLING)
        else:
            self._cancel.description = tr("Cancel")
        self._cancel.disabled = is_cancelling
        self._slider.disabled = is_ending or not progress.workers or progress.mode == "offline"
        if progress.workers and progress.workers != self._workers:
            self._workers = progress.workers
            self._slider.max = max(self._slider.max, progress.workers)
            self._slider.value = progress.workers
        return [self._pause, self._cancel, self._slider]

    def _toggle(self, button: Any) -> None:
        (self.job.resume if button.description == tr("Resume") else self.job.pause)()

    def _stop(self, button: Any) -> None:
        self._is_cancelled = True
        button.description = tr(CANCELLING)
        button.disabled = True
        self.job.cancel()

    def _resize(self, change: Any) -> None:
        if change["new"] != self._workers:
            self._workers = change["new"]
            self.job.resize(change["new"])


def _title(progress: BatchProgress) -> str:
    return dotted(tr("Batch"), progress.rows_name or progress.name)


def _subtitle(progress: BatchProgress) -> str:
    facts = [progress.name if progress.rows_name else "", progress.model]
    if progress.mode == "offline":
        facts.append(tr("offline, at the price of offline batches"))
    return dotted(*facts)


def _state(progress: BatchProgress, *, is_live: bool) -> State:
    """Return the state; that of a saved output is dated."""
    state = STATES.get(progress.state) or State("idle", "○", progress.state)
    if not progress.is_finished:
        if not is_live:
            return components.state_as_of()
        return state._replace(words=_ENDING.get(progress.state, state.words)).translated()
    if progress.state == "done" and progress.failed:
        words = trn("Done, {n} row failed", "Done, {n} rows failed", progress.failed)
        return State("warn", state.sign, words)
    return state.translated()


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
        if answered > 0 and seconds > 0:
            speed = answered / seconds
        else:
            speed = None
        parts = [tr("took {time}", time=formats.seconds(seconds)), formats.rate(speed)]
    elif not is_live and progress.started_at is not None:
        parts = [tr("{time} elapsed", time=duration(seconds))]
    elif progress.state == "paused" or progress.started_at is None:
        parts = [_in_flight(progress)]
    else:
        parts = [tr("{time} elapsed", time=duration(seconds))]
        if progress.state == "running" and progress.eta is not None:
            parts.append(tr("about {time} left", time=duration(progress.eta)))
        parts += [formats.rate(progress.rate), _in_flight(progress)]
    if progress.cached:
        parts.append(trn("{n} row from the cache", "{n} rows from the cache", progress.cached))
    if progress.retried:
        parts.append(trn("{n} retry", "{n} retries", progress.retried))
    return dotted(*parts)


def _in_flight(progress: BatchProgress) -> str:
    if not progress.workers or (progress.mode == "offline" and not progress.in_flight):
        return ""
    return tr("{n} of {workers} at once", n=progress.in_flight, workers=progress.workers)


def _numbers(progress: BatchProgress) -> list[tuple[str, str, str]]:
    tokens = progress.prompt_tokens + progress.completion_tokens
    cost = formats.cost(progress.cost_range, is_free=progress.from_sandbox)
    return [
        (tr("Succeeded"), f"{progress.ok:,}", ""),
        (tr("Failed"), f"{progress.failed:,}", ""),
        ("Tokens", f"{tokens:,}", _token_remark(progress, tokens)),
        (tr("Cost"), cost, _cost_remark(progress)),
    ]


def _token_remark(progress: BatchProgress, tokens: int) -> str:
    """Return the two kinds of tokens, the rows without counts, and the part of the budget."""
    sent = formats.compact(progress.prompt_tokens)
    received = formats.compact(progress.completion_tokens)
    parts = [tr("{sent} in · {received} out", sent=sent, received=received)]
    if progress.uncounted:
        parts.append(trn("{n} row not counted", "{n} rows not counted", progress.uncounted))
    budget = progress.budget_tokens
    if budget is not None:
        share = _percent(tokens, budget)
        parts.append(tr("{share}% of the budget of {budget}", share=share, budget=f"{budget:,}"))
    return dotted(*parts)


def _cost_remark(progress: BatchProgress) -> str:
    if progress.budget is None:
        return ""
    budget = f"{progress.budget:g}"
    if progress.cost is None:
        return tr("budget ¥{budget}", budget=budget)
    share = _percent(progress.cost, progress.budget)
    return tr("{share}% of the budget of ¥{budget}", share=share, budget=budget)


def _percent(amount: float, budget: float) -> int:
    if budget:
        return int(100 * amount / budget)
    return 100


def _remarks(progress: BatchProgress) -> list[str]:
    """Return the rate limit and what was noticed before the start, until the end."""
    lines: list[str] = []
    if progress.rate_limits and not progress.is_finished:
        lines.append(tr("Rate limit: {limit}", limit=progress.rate_limits))
    if progress.notes and not progress.is_finished:
        lines.append(tr("Before the start: {notes}", notes=tr("; ").join(progress.notes)))
    return lines


def _failures(progress: BatchProgress) -> Html:
    rows = []
    for failure in reversed(progress.latest_failures):
        reason = f"{failure.error}: {one_line(failure.message, 160)}"
        rows.append((failure.number, one_line(failure.input, 40), reason))
    failed = f"{progress.failed:,}"
    caption = tr("Latest failures, {shown} of {failed}", shown=len(rows), failed=failed)
    heads = (tr("Row"), tr("Input"), tr("Reason"))
    return components.table(heads, rows, numeric={0}, caption=caption, is_wide=True)


def _next_steps(progress: BatchProgress) -> list[str]:
    """Return how to use the answers, and how to get those that are missing."""
    how = tr("run the cell again, or `qfnb.resume('{name}')`", name=progress.name)
    if progress.mode == "shards":
        how = tr("run the cell again")
    if not progress.is_finished:
        steps = [tr("to follow it: `%qfbatch show`")]
        if progress.name:
            steps.append(tr("after a restart of the kernel: {how}", how=how))
        return steps
    if not progress.name:
        return []
    if progress.state != "done":
        return [tr("to go on: {how}", how=how)]
    if progress.mode == "shards":
        if progress.failed:
            return [tr("the failed rows: `failures()`")]
        return []
    steps = _result_steps(progress)
    if progress.failed:
        steps.append(tr("to ask only the failed rows again: {how}", how=how))
    return steps


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
