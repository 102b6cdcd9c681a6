"""A running evaluation: a line for each model that answers, then the scoring; at its end the
report.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from ..._jobs.background_batch import BatchProgress
from ...base.language import tr, tr_noop, trn
from ...base.text import duration
from ...evaluation.background import EvaluationProgress, ModelProgress
from ...evaluation.report.text import title as title_of, to_plain
from .. import components, formats
from ..components import Html, Kind, State
from ..display import Bundle
from ..formats import dotted, one_line
from ..panel import Panel
from . import report as report_view

STARTED: Final = tr_noop("The evaluation runs in the background; `%qfeval wait` shows the report.")
CANCELLING: Final = tr_noop("Cancelling…")

_STATES: Final[Mapping[str, State]] = {
    "asking": State("run", "●", tr_noop("Answering")),
    "scoring": State("run", "●", tr_noop("Scoring")),
    "done": State("ok", "✓", tr_noop("Done")),
    "failed": State("bad", "✕", tr_noop("Failed")),
}
_FOLLOW: Final = tr_noop("to follow it: `%qfeval show`")


def bundle(progress: EvaluationProgress) -> Bundle:
    """Return the report of a finished evaluation, else its progress; static."""
    if progress.report is None:
        return {"text/plain": text(progress), "text/html": html(progress)}
    notice = ""
    if progress.cancelled:
        notice = trn(
            "Cancelled with {n} answer; the same cell again asks the remaining questions.",
            "Cancelled with {n} answers; the same cell again asks the remaining questions.",
            sum(model.batch.ok for model in progress.models if model.batch),
        )
    return report_view.bundle(progress.report, notice)


def text(progress: EvaluationProgress) -> str:
    """Return the progress as a few lines of text."""
    if progress.is_finished:
        follow = ""
    else:
        follow = tr(_FOLLOW)
    blocks = [*_summary(progress, is_live=True), _scoring_bar(progress), follow]
    return components.join(blocks).text


def html(progress: EvaluationProgress) -> Html:
    """Return the progress as an output of its own: the end, or the state as of now."""
    blocks = [*_summary(progress, is_live=False), _scoring_bar(progress)]
    return components.panel_output(_title(progress), *blocks)


class EvaluationPanel(Panel):
    """Shows an evaluation while it runs, with a Cancel button; in the same output its report."""

    def result(self) -> str:
        """Return the verdict of the report."""
        report = self.job.progress.report
        if report:
            return to_plain(report.conclusion().split("\n")[0])
        return ""

    def _go_on(self, progress: EvaluationProgress) -> str:
        return tr(
            "Answers are kept. To follow it, run `%qfeval show`; after a restart of the kernel, "
            "the cell again."
        )

    def _bundle(self, progress: EvaluationProgress) -> Bundle:
        return bundle(progress)

    def _parts(self, progress: EvaluationProgress) -> tuple[State, list[Html], list[Html]]:
        head = _summary(progress, is_live=True)
        return _state(progress, is_live=True), head, [_scoring_bar(progress)]

    def _create_buttons(self) -> list[Any]:
        tooltip = tr("What was answered is kept and scored")
        self._cancel = self._widgets.button("", self._stop, tooltip=tooltip)
        return [self._cancel]

    def _update_buttons(self, progress: EvaluationProgress) -> list[Any]:
        if progress.cancelled:
            self._cancel.description = tr(CANCELLING)
        else:
            self._cancel.description = tr("Cancel")
        self._cancel.disabled = progress.cancelled
        return [self._cancel]

    def _stop(self, button: Any) -> None:
        button.description = tr(CANCELLING)
        button.disabled = True
        self.job.cancel()


def _summary(progress: EvaluationProgress, *, is_live: bool) -> list[Html]:
    """Return the header, the reason of a failure, and a bar for each model."""
    head = components.header(
        _title(progress),
        pill=_state(progress, is_live=is_live).pill,
        subtitle=_subtitle(progress),
        is_sandbox=any(model.batch and model.batch.from_sandbox for model in progress.models),
    )
    reasons = []
    for line in progress.reason.splitlines()[:3]:
        reasons.append(
            components.note("bad", to_plain(line), sign="✕", role="alert" if is_live else "")
        )
    bars = [_model_bar(model, progress, is_live=is_live) for model in progress.models]
    return [head, *reasons, *bars]


def _model_bar(model: ModelProgress, progress: EvaluationProgress, *, is_live: bool) -> Html:
    batch = model.batch
    kind: Kind = "idle"
    if is_live:
        kind = "run"
    done: int | None = 1
    total = 1
    if batch is not None:
        done = batch.finished_rows
        total = batch.total or progress.questions
        if batch.is_finished:
            kind = "ok"
        if batch.reason:
            kind = "warn"
    elif progress.state == "asking":
        done = None
    label = _answered(batch, progress)
    if batch:
        facts = _facts(batch)
    else:
        facts = ""
    bar = components.progress_bar(done, total or 1, label, subtitle=facts, kind=kind)
    return components.part(one_line(to_plain(model.model), 80), bar)


def _scoring_bar(progress: EvaluationProgress) -> Html:
    if progress.state != "scoring":
        return Html()
    done, total = progress.scoring_steps
    if total:
        label = tr("Scoring, step {n} / {total}", n=done, total=total)
    else:
        label = tr("Scoring")
    judged = ""
    if judge := progress.judge_progress:
        rows = {"n": f"{judge.finished_rows:,}", "total": f"{judge.total or 0:,}"}
        judged = tr("judge: {n} / {total} answers", **rows)
    return components.progress_bar(done if total else None, total or 1, label, subtitle=judged)


def _state(progress: EvaluationProgress, *, is_live: bool) -> State:
    """Return the state; that of a saved output is dated."""
    state = _STATES[progress.state].translated()
    if progress.is_finished:
        return state
    if not is_live:
        return components.state_as_of()
    if progress.cancelled:
        return State("warn", "■", tr(CANCELLING))
    return state


def _title(progress: EvaluationProgress) -> str:
    title = title_of((model.model for model in progress.models), prompts=progress.prompts)
    return one_line(to_plain(title), 160)


def _subtitle(progress: EvaluationProgress) -> str:
    facts = [trn("{n} question", "{n} questions", progress.questions)]
    if progress.repeats > 1:
        facts.append(trn("{n} answer to each", "{n} answers to each", progress.repeats))
    if progress.started_at:
        seconds = (progress.ended_at or time.time()) - progress.started_at
        facts.append(tr("{time} elapsed", time=duration(seconds)))
    return dotted(*facts)


def _answered(batch: BatchProgress | None, progress: EvaluationProgress) -> str:
    if batch is None:
        if progress.state == "asking":
            return tr("answers on the platform")
        return tr("answered")
    total = batch.total or progress.questions * progress.repeats
    rows = {"n": f"{batch.finished_rows:,}", "total": f"{total:,}"}
    if progress.repeats > 1:
        return tr("{n} / {total} answers", **rows)
    return tr("{n} / {total} questions", **rows)


def _facts(batch: BatchProgress) -> str:
    """Return facts on a model's answers: why it stopped, speed, failures, tokens, cost."""
    facts = [one_line(batch.reason, 80)]
    if batch.rate and not batch.is_finished:
        facts.append(tr("{rate} answers/s", rate=f"{batch.rate:.1f}"))
    if batch.cached:
        facts.append(trn("{n} answer from the cache", "{n} answers from the cache", batch.cached))
    if batch.failed:
        facts.append(trn("{n} failed", "{n} failed", batch.failed))
    facts.append(tr("{n} tokens", n=f"{batch.prompt_tokens + batch.completion_tokens:,}"))
    cost = formats.cost(batch.cost_range, is_free=batch.from_sandbox)
    if batch.budget is not None:
        cost = tr("{cost} of ¥{budget}", cost=cost, budget=f"{batch.budget:g}")
    return dotted(*facts, cost)
