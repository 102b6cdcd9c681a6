"""A batch's progress: as HTML, as text, and as a panel that follows it, with Pause, Cancel and a slider."""

from __future__ import annotations

import time
from typing import Any, Final

from .._jobs.background_batch import BackgroundBatch
from .._jobs.batch_progress import BatchProgress, BatchState, RowFailure
from .._text import duration
from . import styles
from .display import Bundle, accept_clicks
from .panel import Panel
from .text import escape, one_line

STARTED = "批量已在后台开始 / batch in the background; `%qfbatch wait` shows how it ends"
CANCELLING = "正在取消 cancelling…"

MAX_SLIDER_WORKERS: Final = 64
"""The end of the slider, unless the batch starts with more workers."""

_STATE_LABELS: dict[BatchState, str] = {
    "preparing": "… 准备中 preparing",
    "running": "▶ 运行中 running",
    "paused": "‖ 已暂停 paused",
    "waiting": "… 等待中 waiting",
    "cancelled": "■ 已取消 cancelled",
    "stopped": "■ 已提前停止 stopped early",
    "done": "✔ 完成 done",
}
_ENDING_LABELS: dict[BatchState, str] = {"cancelled": f"■ {CANCELLING}", "stopped": "■ 正在停止 stopping…"}

_COUNT_LABELS = {"ok": "成功 ok", "failed": "失败 failed", "retried": "重试 retried", "cached": "已有 cached"}
_FAILURE_HEADS = ("行&nbsp;row", "问题 prompt", "错误 error", "说明 message")


def bundle(progress: BatchProgress) -> Bundle:
    """Return the progress in every static format."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: BatchProgress) -> str:
    """Return the progress as a few lines of text."""
    head = f"{_title(progress)}: {_state(progress)}"
    failures = [
        f"✘ row {f.number}: {f.error}: {one_line(f.message, 160)} ← {one_line(f.input, 40)}"
        for f in reversed(progress.latest_failures)
    ]
    lines = [head, _finished_rows(progress), *fact_lines(progress), *_notes(progress), *failures]
    return "\n".join(one_line(line, 300) for line in [*lines, *_resume_hints(progress)])


def html(progress: BatchProgress, *, now: float | None = None, is_live: bool = False) -> str:
    """Return the progress as HTML.

    Args:
        progress: what is drawn.
        now: the time in Unix seconds, by default the current one.
        is_live: leave out the hints that only a saved notebook needs.
    """
    head = f"<b>{escape(_title(progress))}</b> — {escape(_state(progress))}"
    lines = [f"<div>{escape(line)}</div>" for line in fact_lines(progress, now=now)]
    lines += [f"<div {styles.DIM}>{escape(line)}</div>" for line in _notes(progress)]
    lines += [_failures(progress)]
    lines += [] if is_live else [f"<div>{escape(line)}</div>" for line in _resume_hints(progress)]
    return f"<div {styles.BODY}><div>{head}</div><div>{_bar(progress)}</div>{''.join(lines)}</div>"


def fact_lines(progress: BatchProgress, *, now: float | None = None) -> list[str]:
    """Return the facts, a line each: speed, rows, tokens and cost, the rate limit."""
    lines = [
        " · ".join(_speed_parts(progress, time.time() if now is None else now)),
        " · ".join(f"{word} {getattr(progress, key):,}" for key, word in _COUNT_LABELS.items()),
        f"{_tokens(progress)} · {_cost(progress)}",
        f"限速 limit: {progress.rate_limits}" if progress.rate_limits and not progress.is_finished else "",
    ]
    return [line for line in lines if line]


class BatchPanel(Panel):
    """Shows a batch while it works; static HTML when it has ended."""

    def _create_controls(self) -> BatchControls:
        return BatchControls(self.job)

    def _bundle(self, progress: BatchProgress) -> Bundle:
        return bundle(progress)


class BatchControls:
    """The widgets of a running batch: Pause or Resume, Cancel, the number of workers, and the state.

    The handlers only leave word for the I/O loop, so they may run in any thread. The buttons come first: what
    grows must not move them away from the pointer.
    """

    def __init__(self, job: BackgroundBatch) -> None:
        self._job = job
        self._workers = job.progress.workers
        self._is_paused = self._is_cancelled = False

    def build(self) -> Any:
        """Return the widget; its parts share their layouts, so that it consists of eleven models."""
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now

        auto_layout, style = ipywidgets.Layout(width="auto"), ipywidgets.ButtonStyle()
        self._text = ipywidgets.HTML(layout=auto_layout)
        self._pause = ipywidgets.Button(layout=auto_layout, style=style, tooltip="Ask no new row until Resume")
        self._cancel = ipywidgets.Button(layout=auto_layout, style=style, tooltip="Finished rows are kept")
        self._slider = ipywidgets.IntSlider(
            value=max(self._workers, 1),
            min=1,
            max=max(MAX_SLIDER_WORKERS, self._workers),
            description="并发 workers",
            continuous_update=False,
            tooltip="Rows asked at once",
            layout=ipywidgets.Layout(width="320px", margin="2px 12px"),
            style={"description_width": "initial"},
        )
        self._pause.on_click(self._toggle)
        self._cancel.on_click(self._stop)
        self._slider.observe(self._resize, "value")
        row = ipywidgets.HBox([self._pause, self._cancel, self._slider], layout=auto_layout)
        return ipywidgets.VBox([row, self._text], layout=auto_layout)

    def draw(self, progress: BatchProgress) -> None:
        """Show a state; what has not changed is not sent."""
        is_ending = progress.state in _ENDING_LABELS
        self._is_paused = progress.state == "paused"
        self._text.value = html(progress, is_live=True)
        self._pause.description = "继续 Resume" if self._is_paused else "暂停 Pause"
        self._pause.disabled = is_ending
        self._cancel.description = CANCELLING if is_ending or self._is_cancelled else "取消 Cancel"
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
        self._cancel.disabled, self._cancel.description = True, CANCELLING
        self._job.cancel()

    def _resize(self, change: Any) -> None:
        if change["new"] != self._workers:
            self._workers = change["new"]
            self._job.resize(change["new"])


def _title(progress: BatchProgress) -> str:
    offline = "离线 offline" if progress.mode == "offline" else ""
    parts = " · ".join(part for part in (progress.name, progress.model, offline) if part)
    return f"批量 batch {parts}".strip()


def _state(progress: BatchProgress) -> str:
    words = _STATE_LABELS.get(progress.state, progress.state)
    if not progress.is_finished:
        words = _ENDING_LABELS.get(progress.state, words)
    elif progress.state == "done" and progress.failed:
        words = f"✔ 完成，{progress.failed:,} 行失败 / done, {progress.failed:,} rows failed"
    return f"{words} · {progress.reason}" if progress.reason else words


def _finished_rows(progress: BatchProgress) -> str:
    if progress.total is None:
        return f"{progress.finished_rows:,} / ? 行 rows（总数未知 total unknown）"
    share = int(100 * progress.finished_rows / progress.total) if progress.total else 100
    return f"{progress.finished_rows:,} / {progress.total:,} 行 rows（{share}%）"


def _bar(progress: BatchProgress) -> str:
    rows, value = _finished_rows(progress), 'max="1" value="0"'
    if progress.total:
        value = f'max="{progress.total}" value="{progress.finished_rows}"'
    elif progress.total is None and not progress.is_finished:
        value = ""  # the browser draws a bar without a value as indeterminate
    return f'<progress {value} aria-label="{rows}" {styles.BAR}></progress> <b>{rows}</b>'


def _speed_parts(progress: BatchProgress, now: float) -> list[str]:
    """Return speed and time; of a paused batch nothing that changes."""
    seconds = progress.elapsed(now)
    answered = progress.finished_rows - progress.cached
    if progress.is_finished:
        speed = [f"{answered / seconds:.1f} rows/s"] if answered > 0 and seconds > 0 else []
        return [*speed, f"用时 elapsed {f'{seconds:.1f} s' if seconds < 10 else duration(seconds)}"]
    is_asking = progress.workers and (progress.in_flight or progress.mode != "offline")
    in_flight = [f"进行中 in flight {progress.in_flight} / {progress.workers} workers"] if is_asking else []
    if progress.state == "paused" or progress.started_at is None:
        return in_flight
    speed = [] if progress.rate is None else [f"{progress.rate:.1f} rows/s"]
    has_no_estimate = progress.eta is None or progress.state != "running"
    remaining = [] if has_no_estimate else [f"剩余 left ≈ {duration(progress.eta or 0)}"]
    return [*speed, f"用时 elapsed {duration(seconds)}", *remaining, *in_flight]


def _notes(progress: BatchProgress) -> list[str]:
    lines = [f"开始前 before the start: {'; '.join(progress.notes)}"]
    return lines if progress.notes else []


def _tokens(progress: BatchProgress) -> str:
    """Return the tokens that the platform has counted, and the part of the budget that they are."""
    parts = [f"tokens {progress.prompt_tokens:,} in + {progress.completion_tokens:,} out"]
    if progress.uncounted:
        parts.append(f"（{progress.uncounted:,} 行未知 rows not counted）")
    if progress.budget_tokens is not None:
        share = (progress.prompt_tokens + progress.completion_tokens) / progress.budget_tokens
        parts.append(f" / {progress.budget_tokens:,} 预算 budget（{int(100 * share)}%）")
    return "".join(parts)


def _cost(progress: BatchProgress) -> str:
    cost = styles.format_cost(progress.cost_range)
    if progress.budget is not None:
        share = "" if progress.cost is None else f"（{int(100 * progress.cost / progress.budget)}%）"
        cost = f"{cost} / ¥{progress.budget:g} 预算 budget{share}"
    if progress.from_sandbox:
        return styles.SANDBOX_LABEL if progress.budget is None else f"{styles.SANDBOX_LABEL} · 费用 cost {cost}"
    return f"费用 cost {cost}"


def _failures(progress: BatchProgress) -> str:
    if not progress.latest_failures:
        return ""
    heads = "".join(f'<th scope="col" {styles.CELL}>{head}</th>' for head in _FAILURE_HEADS)
    rows = "".join(f"<tr>{_failure_cells(failure)}</tr>" for failure in reversed(progress.latest_failures))
    caption = f"最近的失败 latest failures（{len(progress.latest_failures)} / {progress.failed:,}）"
    return f"<table {styles.TABLE}><caption {styles.CELL}>{caption}</caption><tr>{heads}</tr>{rows}</table>"


def _failure_cells(failure: RowFailure) -> str:
    cells = (failure.number, one_line(failure.input, 40), failure.error, one_line(failure.message, 160))
    return "".join(f"<td {styles.CELL}>{escape(cell)}</td>" for cell in cells)


def _resume_hints(progress: BatchProgress) -> list[str]:
    """Return how to get answers to the rows that have none."""
    how = f"重新运行原单元格 re-run its cell, or qfnb.resume('{progress.name}')"
    if not progress.is_finished:
        lines = ["此为快照 a snapshot: `%qfbatch show` follows it"]
        return lines + ([f"内核重启后 after a kernel restart: {how}"] if progress.name else [])
    if not progress.name or (progress.state == "done" and not progress.failed):
        return []
    purpose = "重问失败的行 to ask failed rows again" if progress.state == "done" else "续跑 to go on"
    return [f"{purpose}: {how}"]
