"""A running evaluation: a line for each model that answers, then the scoring; at its end the
report.
"""

from __future__ import annotations

import time
from typing import Any, Final

from ..._jobs.batch_progress import BatchProgress
from ...base.language import tr, tr_noop, trn
from ...base.text import duration, labelled
from ...evaluation.background import BackgroundEvaluation, EvaluationProgress, ModelProgress, State
from ...evaluation.report.text import title as title_of, to_plain
from .. import components, formats
from ..components import Html, Kind
from ..controls import LimitedPart, PanelWidgets
from ..display import Bundle, accept_clicks
from ..panel import Panel
from ..text import escape, one_line, strip_controls
from . import report as report_view

STARTED: Final = tr_noop("The evaluation runs in the background; `%qfeval wait` shows the report.")
CANCELLING: Final = tr_noop("Cancelling…")

_STATES: Final[dict[State, tuple[Kind, str, str]]] = {
    "asking": ("run", "●", tr_noop("Answering")),
    "scoring": ("run", "●", tr_noop("Scoring")),
    "done": ("ok", "✓", tr_noop("Done")),
    "failed": ("bad", "✕", tr_noop("Failed")),
}
_FOLLOW: Final = tr_noop("to follow it: `%qfeval show`")


def bundle(progress: EvaluationProgress) -> Bundle:
    """Return the report of a finished evaluation, else its progress; static."""
    if progress.report is not None:
        return report_view.bundle(
            progress.report, _cancelled_note(progress) if progress.cancelled else ""
        )
    plain = text(progress)
    return {"text/plain": plain, "text/html": html(progress)}


def text(progress: EvaluationProgress) -> str:
    """Return the progress as a few lines of text."""
    _, sign, words = _state(progress, is_live=True)
    if _from_sandbox(progress):
        mark = f" [{tr(components.SANDBOX_MARK)}]"
    else:
        mark = ""
    lines = [labelled(f"{_title(progress)}{mark}", f"{sign} {words}"), _subtitle(progress)]
    lines += [
        " · ".join(
            [to_plain(model.model), _answered(model, progress), *_model_facts(model, progress)]
        )
        for model in progress.models
    ]
    if progress.state == "scoring":
        lines.append(f"{_scoring(progress)}{_judged(progress)}")
    if progress.is_finished:
        follow = []
    else:
        follow = [tr(_FOLLOW)]
    return "\n".join(one_line(line, 300) for line in [*lines, *_reasons(progress), *follow] if line)


def html(progress: EvaluationProgress) -> Html:
    """Return the progress as an output of its own: the end, or the state as of now."""
    blocks = [*_summary(progress, is_live=False), _scoring_bar(progress)]
    return components.output(components.panel(_title(progress), *blocks))


class EvaluationPanel(Panel):
    """Shows an evaluation while it runs, and in the same output its report."""

    job: BackgroundEvaluation

    def __init__(self, task: BackgroundEvaluation) -> None:
        super().__init__(task)
        self._final: Bundle | None = None

    def _create_controls(self) -> EvaluationControls:
        return EvaluationControls(self.job)

    def result(self) -> str:
        """Return the verdict of the report."""
        report = self.job.progress.report
        if report is None:
            return ""
        return to_plain(report.conclusion().split("\n")[0])

    def _go_on(self, progress: EvaluationProgress) -> str:
        return tr(
            "Answers are kept. To follow it, run `%qfeval show`; after a restart of the kernel, "
            "the cell again."
        )

    def _bundle(self, progress: EvaluationProgress) -> Bundle:
        """Return the state in every format; the report is drawn once, since that takes seconds."""
        if not progress.is_finished:
            return bundle(progress)
        if self._final is None:
            try:
                self._final = bundle(progress)
            except Exception as error:  # noqa: BLE001 - a report exists even if it cannot be drawn
                message = f"{progress.report!r}\n✕ {type(error).__name__}: {error}"
                self._final = {
                    "text/plain": strip_controls(message),
                    "text/html": f"<pre>{escape(message)}</pre>",
                }
        return self._final


class EvaluationControls:
    """The widgets: the state, a Cancel button, and the scoring. The handler may run in any
    thread.
    """

    is_asking = False

    def __init__(self, task: BackgroundEvaluation) -> None:
        self._task = task

    def build(self) -> Any:
        """Return the widget."""
        widgets = PanelWidgets()
        self._state = LimitedPart(widgets.html())
        self._scoring = widgets.html()
        self._cancel = widgets.button(
            "", self._stop, tooltip=tr("What was answered is kept and scored")
        )
        row = widgets.row([self._cancel])
        return widgets.panel([self._state.widget, row, self._scoring])

    def draw(self, progress: EvaluationProgress) -> None:
        """Show a state; unchanged values are not sent."""
        self._state.draw(
            components.stack(*_summary(progress, is_live=True)), _state(progress, is_live=True)
        )
        self._scoring.value = _scoring_bar(progress)
        if progress.cancelled:
            self._cancel.description = tr(CANCELLING)
        else:
            self._cancel.description = tr("Cancel")
        self._cancel.disabled = progress.cancelled
        accept_clicks(self._cancel)

    def _stop(self, _: Any) -> None:
        self._cancel.description = tr(CANCELLING)
        self._cancel.disabled = True
        self._task.cancel()


def _summary(progress: EvaluationProgress, *, is_live: bool) -> list[Html]:
    """Return the header, the reason of a failure, and a bar for each model."""
    kind, sign, words = _state(progress, is_live=is_live)
    head = components.header(
        _title(progress),
        pill=components.pill(kind, words, sign),
        subtitle=_subtitle(progress),
        is_sandbox=_from_sandbox(progress),
    )
    reasons = [
        components.note("bad", line, sign="✕", role="alert" if is_live else "")
        for line in _reasons(progress)
    ]
    return [
        head,
        *reasons,
        *(_model_bar(model, progress, is_live=is_live) for model in progress.models),
    ]


def _model_bar(model: ModelProgress, progress: EvaluationProgress, *, is_live: bool) -> Html:
    batch = model.batch
    is_waiting = batch is None and progress.state == "asking"
    done, total = (batch.finished_rows, batch.total or progress.questions) if batch else (1, 1)
    kind: Kind = "run" if is_live else "idle"
    if batch is not None and batch.is_finished:
        kind = "ok"
    if batch is not None and batch.reason:
        kind = "warn"
    subtitle = " · ".join(_model_facts(model, progress))
    label = _answered(model, progress)
    bar = components.progress_bar(
        None if is_waiting else done, total or 1, label, subtitle=subtitle, kind=kind
    )
    return Html(
        f'<div class="qf-part"><h4>{escape(one_line(to_plain(model.model), 80))}</h4>{bar}</div>'
    )


def _scoring_bar(progress: EvaluationProgress) -> Html:
    if progress.state != "scoring":
        return Html("")
    done, total = progress.scoring_steps
    return components.progress_bar(
        done if total else None,
        total or 1,
        _scoring(progress),
        subtitle=_judged(progress).removeprefix(" · "),
    )


def _state(progress: EvaluationProgress, *, is_live: bool) -> tuple[Kind, str, str]:
    """Return the colour, the sign and the words of a state; that of a saved output is dated."""
    kind, sign, words = _STATES[progress.state]
    if progress.is_finished:
        return kind, sign, tr(words)
    if not is_live:
        return "idle", "○", formats.as_of(time.time())
    if progress.cancelled:
        return ("warn", "■", tr(CANCELLING))
    return (kind, sign, tr(words))


def _title(progress: EvaluationProgress) -> str:
    title = title_of((model.model for model in progress.models), prompts=progress.prompts)
    return one_line(to_plain(title), 160)


def _subtitle(progress: EvaluationProgress) -> str:
    questions = trn("{n} question", "{n} questions", progress.questions)
    if progress.started_at:
        seconds = (progress.ended_at or time.time()) - progress.started_at
        elapsed = tr("{time} elapsed", time=duration(seconds))
    else:
        seconds = 0
        elapsed = ""
    if progress.repeats > 1:
        repeats = trn("{n} answer to each", "{n} answers to each", progress.repeats)
    else:
        repeats = ""
    return " · ".join(part for part in (questions, repeats, elapsed) if part)


def _from_sandbox(progress: EvaluationProgress) -> bool:
    return any(model.batch is not None and model.batch.from_sandbox for model in progress.models)


def _answered(model: ModelProgress, progress: EvaluationProgress) -> str:
    batch = model.batch
    if batch is None:
        if progress.state == "asking":
            return tr("answers on the platform")
        return tr("answered")
    total = batch.total or progress.questions * progress.repeats
    if progress.repeats > 1:
        return tr("{n} / {total} answers", n=f"{batch.finished_rows:,}", total=f"{total:,}")
    return tr("{n} / {total} questions", n=f"{batch.finished_rows:,}", total=f"{total:,}")


def _model_facts(model: ModelProgress, progress: EvaluationProgress) -> list[str]:
    """Return facts on a model's answers: speed, failures, tokens, cost, and why it stopped."""
    if (batch := model.batch) is None:
        return []
    if batch.cached:
        cached = trn("{n} answer from the cache", "{n} answers from the cache", batch.cached)
    else:
        cached = ""
    if batch.failed:
        failed = trn("{n} failed", "{n} failed", batch.failed)
    else:
        failed = ""
    tokens = tr("{n} tokens", n=f"{batch.prompt_tokens + batch.completion_tokens:,}")
    has_speed = batch.rate and not batch.is_finished
    if has_speed:
        speed = tr("{rate} answers/s", rate=f"{batch.rate:.1f}")
    else:
        speed = ""
    facts = [one_line(batch.reason, 80), speed, cached, failed, tokens, _cost(batch)]
    return [fact for fact in facts if fact]


def _cost(batch: BatchProgress) -> str:
    cost = formats.cost(batch.cost_range, is_free=batch.from_sandbox)
    if batch.budget is None:
        return cost
    return tr("{cost} of ¥{budget}", cost=cost, budget=f"{batch.budget:g}")


def _scoring(progress: EvaluationProgress) -> str:
    done, total = progress.scoring_steps
    if total:
        return tr("Scoring, step {n} / {total}", n=done, total=total)
    return tr("Scoring")


def _judged(progress: EvaluationProgress) -> str:
    now = progress.judge_progress
    if now is None:
        return ""
    return " · " + tr(
        "judge: {n} / {total} answers", n=f"{now.finished_rows:,}", total=f"{now.total or 0:,}"
    )


def _reasons(progress: EvaluationProgress) -> list[str]:
    return [to_plain(line) for line in progress.reason.splitlines()[:3]]


def _cancelled_note(progress: EvaluationProgress) -> str:
    done = sum(model.batch.ok for model in progress.models if model.batch)
    return trn(
        "Cancelled with {n} answer; the same cell again asks the remaining questions.",
        "Cancelled with {n} answers; the same cell again asks the remaining questions.",
        done,
    )
