"""A running evaluation: a line for each model that answers, then the scoring; at its end the report."""

from __future__ import annotations

import time
from typing import Any, Final

from ..._jobs.batch_progress import BatchProgress
from ..._text import duration
from ...evaluation.background import BackgroundEvaluation, EvaluationProgress, ModelProgress, State
from .. import styles
from ..display import Bundle, accept_clicks
from ..panel import Panel
from ..text import escape, one_line, strip_controls
from . import report as report_view

STARTED: Final = "评估已在后台开始 / evaluation in the background; `%qfeval wait` shows the report"
CANCELLING: Final = "正在取消 cancelling…"

_STATES: dict[State, str] = {
    "asking": "▶ 提问中 asking",
    "scoring": "▶ 评分中 scoring",
    "done": "✔ 完成 done",
    "failed": "✘ 失败 failed",
}


def bundle(progress: EvaluationProgress) -> Bundle:
    """Return the report of a finished evaluation, else its progress; static."""
    if progress.report is None:
        return {"text/plain": text(progress), "text/html": html(progress)}
    report_bundle = report_view.bundle(progress.report)
    if not progress.cancelled:
        return report_bundle
    note = _cancelled_note(progress)
    return {
        **report_bundle,
        "text/plain": f"{note}\n{report_bundle['text/plain']}",
        "text/html": f"<div>{escape(note)}</div>{report_bundle['text/html']}",
    }


def text(progress: EvaluationProgress) -> str:
    """Return the progress as a few lines of text."""
    lines = [_title_line(progress)]
    lines += [
        " · ".join([model_progress.model, *_model_facts(model_progress.batch, progress)])
        for model_progress in progress.models
    ]
    lines += [*_scoring_lines(progress), *_note_lines(progress)]
    return "\n".join(one_line(line, 300) for line in lines)


def html(progress: EvaluationProgress, *, is_live: bool = False) -> str:
    """Return the progress as HTML; `is_live` leaves out what only a snapshot needs."""
    rows = "".join(_model_row(model_progress, progress) for model_progress in progress.models)
    bars = "".join(
        f"<div>{_progress_bar(*progress.scoring_steps, line)} {escape(line)}</div>" for line in _scoring_lines(progress)
    )
    notes = "".join(f"<div {styles.DIM}>{escape(line)}</div>" for line in _note_lines(progress, is_live=is_live))
    head = f"<div><b>{escape(_title_line(progress))}</b></div>"
    return f"<div {styles.BODY}>{head}<table {styles.TABLE_PLAIN}>{rows}</table>{bars}{notes}</div>"


class EvaluationPanel(Panel):
    """Shows an evaluation while it runs, and in the same output its report."""

    job: BackgroundEvaluation

    def __init__(self, task: BackgroundEvaluation) -> None:
        super().__init__(task)
        self._final: Bundle | None = None

    def _create_controls(self) -> EvaluationControls:
        return EvaluationControls(self.job)

    def _bundle(self, progress: EvaluationProgress) -> Bundle:
        """Return the state in every format; the report is drawn once, since that takes seconds."""
        if not progress.is_finished:
            return bundle(progress)
        if self._final is None:
            try:
                self._final = bundle(progress)
            except Exception as error:  # noqa: BLE001 - a report exists even if it cannot be drawn
                message = f"{progress.report!r}\n✘ {type(error).__name__}: {error}"
                self._final = {"text/plain": strip_controls(message), "text/html": f"<pre>{escape(message)}</pre>"}
        return self._final


class EvaluationControls:
    """The widgets: a text and a Cancel button, seven models in all. The handler may run in any thread."""

    def __init__(self, task: BackgroundEvaluation) -> None:
        self._task = task

    def build(self) -> Any:
        """Return the widget."""
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now

        auto_width = ipywidgets.Layout(width="auto")
        self._text = ipywidgets.HTML(layout=auto_width)
        self._cancel = ipywidgets.Button(layout=auto_width, tooltip="What was answered is kept and scored")
        self._cancel.on_click(self._stop)
        return ipywidgets.VBox([self._cancel, self._text], layout=ipywidgets.Layout(align_items="flex-start"))

    def draw(self, progress: EvaluationProgress) -> None:
        """Show a state; unchanged values are not sent."""
        self._text.value = html(progress, is_live=True)
        self._cancel.description = CANCELLING if progress.cancelled else "取消 Cancel"
        self._cancel.disabled = progress.cancelled
        accept_clicks(self._cancel)

    def _stop(self, _: Any) -> None:
        self._cancel.disabled, self._cancel.description = True, CANCELLING
        self._task.cancel()


def _title_line(progress: EvaluationProgress) -> str:
    words = _STATES[progress.state]
    if progress.cancelled and not progress.is_finished:
        words = f"■ {CANCELLING}"
    seconds = duration((progress.ended_at or time.time()) - progress.started_at) if progress.started_at else ""
    question_count = f"{len(progress.models)} 个模型 models × {progress.questions:,} 题 questions"
    return " · ".join(part for part in (f"评估 evaluation: {words}", question_count, seconds) if part)


def _model_row(model_progress: ModelProgress, progress: EvaluationProgress) -> str:
    batch = model_progress.batch
    done, total = (batch.finished_rows, batch.total or progress.questions) if batch else (0, 0)
    bar = _progress_bar(done, total, model_progress.model)
    cells = "".join(f"<td {styles.CELL_ONE_LINE}>{escape(fact)}</td>" for fact in _model_facts(batch, progress))
    name = f'<th scope="row" {styles.CELL_NAME}>{escape(one_line(model_progress.model, 60))}</th>'
    return f"<tr>{name}<td {styles.CELL_ONE_LINE}>{bar}</td>{cells}</tr>"


def _progress_bar(done: int, total: int, label: str) -> str:
    value = f'max="{total}" value="{done}"' if total else ""
    return f'<progress {value} aria-label="{escape(label)} {done} / {total}" {styles.BAR_SMALL}></progress>'


def _model_facts(batch: BatchProgress | None, progress: EvaluationProgress) -> list[str]:
    """Return facts on a model's answers: rows, speed, failures, tokens, cost."""
    if batch is None:
        return ["在平台上作答 answers on the platform" if progress.state == "asking" else "已作答 answered"]
    total = batch.total or progress.questions
    speed = f"{batch.rate:.1f} rows/s" if batch.rate and not batch.is_finished else ""
    cached = f"，{batch.cached:,} 已有 cached" if batch.cached else ""
    return [
        f"{batch.finished_rows:,} / {total:,} 行 rows{cached}",
        speed or _batch_state(batch),
        f"成功 ok {batch.ok:,} · 失败 failed {batch.failed:,}",
        f"{batch.prompt_tokens + batch.completion_tokens:,} tokens",
        _format_cost(batch),
    ]


def _batch_state(batch: BatchProgress) -> str:
    if batch.reason:
        return one_line(f"■ {batch.reason}", 60)
    return "✔" if batch.is_finished and batch.state == "done" else f"… {batch.state}"


def _format_cost(batch: BatchProgress) -> str:
    if batch.from_sandbox:
        return styles.SANDBOX_LABEL
    cost = styles.format_cost(batch.cost_range)
    return f"{cost} / ¥{batch.budget:g}" if batch.budget is not None else cost


def _scoring_lines(progress: EvaluationProgress) -> list[str]:
    if progress.state != "scoring":
        return []
    done, total = progress.scoring_steps
    steps = f" {done} / {total} 步 steps" if total else ""
    now = progress.judge_progress
    judged = "" if now is None else f" · 裁判 judge {now.finished_rows:,} / {now.total or 0:,}"
    return [f"评分 scoring{steps}{judged}"]


def _note_lines(progress: EvaluationProgress, *, is_live: bool = False) -> list[str]:
    reason = [f"✘ {line}" for line in progress.reason.splitlines()[:3]]
    if is_live or progress.is_finished:
        return reason
    return [*reason, "此为快照 a snapshot: `%qfeval show` follows it"]


def _cancelled_note(progress: EvaluationProgress) -> str:
    done = sum(model_progress.batch.ok for model_progress in progress.models if model_progress.batch)
    return (
        f"■ 已取消，只有 {done:,} 条回答 / cancelled: {done:,} answers; 重新运行原单元格会续问 "
        "the same cell again asks for the rest"
    )
