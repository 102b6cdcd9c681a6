"""A question with the answers of one or two models side by side; what differs from the reference is
marked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...base.language import tr
from ...evaluation.report.data import Change, ReportData
from ...evaluation.report.text import format_difference, format_score, to_plain
from .. import components
from ..components import Html
from ..drawing import css
from ..formats import cut_text, dotted, escape, mark_difference, one_line

MAX_HEADING_CHARS: Final = 80
SHORT_CHARS: Final = 600  # characters of an answer in a report; the rest is counted


@dataclass(frozen=True)
class Answer:
    """A model's answer as it is shown.

    Attributes:
        series: the number of the model's colour, from 1.
        score: "" where there is none.
        facts: a grey remark.
        error: why there is no answer, "" otherwise.
    """

    model: str
    series: int
    text: str
    score: str = ""
    facts: str = ""
    error: str = ""


def question_html(
    index: int,
    prompt: str,
    reference: str,
    answers: Sequence[Answer],
    pill: Html | None = None,
    max_chars: int = SHORT_CHARS,
) -> Html:
    """Return a question, its reference and its answers; `pill` says which answer is better."""
    heading = one_line(to_plain(prompt), MAX_HEADING_CHARS)
    whole = ""
    if heading != prompt.strip():
        whole = f'<p class="qf-text">{escape(cut_text(prompt, max_chars))}</p>'
    below = ""
    if reference:
        words = tr("Reference: {text}", text=cut_text(reference, max_chars))
        below = f'<div class="qf-sub qf-text">{escape(words)}</div>'
    head = f'<h4>#{index}&emsp;{escape(heading)}</h4><span class="qf-side">{pill or ""}</span>'
    columns = "".join(_column(answer, reference, max_chars) for answer in answers)
    parts = (
        f'<header class="qf-head">{head}{below}</header>{whole}<div class="qf-cols">{columns}</div>'
    )
    lines = [f"#{index}  {pill.text if pill else ''}  {heading}"]
    if reference:
        lines.append(f"  = {one_line(to_plain(reference), 100)}")
    for answer in answers:
        if answer.error:
            shown = f"✕ {answer.error}"
        else:
            shown = answer.text
        name = components.join([to_plain(answer.model), answer.score], " ")
        lines.append(f"  {name}: {one_line(to_plain(shown), 100)}")
    return Html(f'<article class="qf-answer qf-sample">{parts}</article>', "\n".join(lines))


def _column(answer: Answer, reference: str, max_chars: int) -> str:
    facts = dotted(answer.score, answer.facts)
    small = components.wrap(" <small>", facts, "</small>")
    if answer.error:
        content = components.note("bad", tr("No answer"), answer.error, sign="✕")
    elif answer.text.strip():
        marked = mark_difference(reference, answer.text, max_chars)
        content = Html(f'<p class="qf-text">{marked}</p>')
    else:
        content = Html(f'<p class="qf-dim">{escape(tr("(empty)"))}</p>')
    head = f"<h4>{escape(one_line(to_plain(answer.model), 60))}{small}</h4>"
    return f'<article class="{css(answer.series)}">{head}{content}</article>'


def gain_pill(gain: float, *, is_failed: bool = False) -> Html:
    """Return by how much the second answer is better: sign, number and colour."""
    if is_failed:
        return components.pill("bad", tr("Failed"))
    if math.isnan(gain):
        return components.pill("idle", tr("no score"))
    if gain > 0:
        return components.pill("ok", format_difference(gain), "▲")
    if gain < 0:
        return components.pill("bad", format_difference(gain), "▼")
    return components.pill("idle", tr("equal"), "=")


def changes_html(report: ReportData, changes: Sequence[Change], base: str, tuned: str) -> Html:
    """Return questions that two models answered differently well."""
    first = report.models.index(base) + 1
    second = report.models.index(tuned) + 1
    blocks = [legend()]
    for change in changes:
        answers = (
            Answer(base, first, change.before, format_score(change.score_before)),
            Answer(tuned, second, change.after, format_score(change.score_after)),
        )
        pill = gain_pill(change.gain)
        texts = (change.prompt, change.reference)
        blocks.append(question_html(change.index, *texts, answers, pill))
    return components.join(blocks)


def legend() -> Html:
    """Return the meaning of the marks."""
    words = escape(
        tr(
            "Against the reference: {added}, {missing}. Answers that share less than 40% are not "
            "marked."
        )
    )
    words = words.replace("{added}", f"<ins>{escape(tr('added'))}</ins>")
    words = words.replace("{missing}", f"<del>{escape(tr('missing'))}</del>")
    return Html(f'<p class="qf-dim">{words}</p>')
