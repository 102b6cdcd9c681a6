"""A question with the answers of one or two models side by side; what differs from the reference is
marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ...base.language import tr, trn
from ...base.text import Edit, diff_texts
from ...evaluation.report.data import Change, ReportData
from ...evaluation.report.text import format_difference, format_score, to_plain
from .. import components
from ..components import Html, join
from ..drawing import css
from ..text import escape, one_line

MAX_HEADING_CHARS: Final = 80
MIN_SHARED: Final = 0.4
"""Share of two texts that must be the same for their differences to be marked: below, all would be
marked.
"""

# equal characters that are kept before and after a difference, in short answers
CONTEXT_CHARS: Final = 40
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


@dataclass(frozen=True)
class QuestionRow:
    """A question as it is shown; `pill` says which answer is better."""

    index: int
    prompt: str
    reference: str
    answers: Sequence[Answer]
    pill: Html
    max_chars: int = SHORT_CHARS

    def html(self) -> Html:
        """Return question, reference and answers."""
        heading = one_line(to_plain(self.prompt), MAX_HEADING_CHARS)
        is_long = heading != self.prompt.strip()
        if is_long:
            whole = _paragraph(cut_text(self.prompt, self.max_chars))
        else:
            whole = ""
        if self.reference:
            reference = tr("Reference: {text}", text=cut_text(self.reference, self.max_chars))
        else:
            reference = ""
        if reference:
            below = f'<div class="qf-sub qf-text">{escape(to_plain(reference))}</div>'
        else:
            below = ""
        head = (
            f'<h4>#{self.index}&emsp;{escape(heading)}</h4><span class="qf-side">{self.pill}</span>'
        )
        columns = join(map(self._column, self.answers))
        parts = (
            f'<header class="qf-head">{head}{below}</header>{whole}<div '
            f'class="qf-cols">{columns}</div>'
        )
        return Html(f'<article class="qf-answer qf-sample">{parts}</article>')

    def _column(self, answer: Answer) -> Html:
        facts = " · ".join(fact for fact in (answer.score, answer.facts) if fact)
        if facts:
            small = f" <small>{escape(to_plain(facts))}</small>"
        else:
            small = ""
        head = f"<h4>{escape(one_line(to_plain(answer.model), 60))}{small}</h4>"
        return Html(f'<article class="{css(answer.series)}">{head}{self._text(answer)}</article>')

    def _text(self, answer: Answer) -> Html:
        if answer.error:
            return components.note("bad", tr("No answer"), to_plain(answer.error), sign="✕")
        if not answer.text.strip():
            return Html(f'<p class="qf-dim">{escape(tr("(empty)"))}</p>')
        marked = mark_difference(self.reference, answer.text, self.max_chars)
        return Html(f'<p class="qf-text">{marked}</p>')


def gain_pill(gain: float, *, is_failed: bool = False) -> Html:
    """Return by how much the second answer is better: sign, number and colour."""
    if is_failed:
        return components.pill("bad", tr("Failed"))
    if math.isnan(gain):
        return components.pill("idle", tr("no score"))
    if not gain:
        return components.pill("idle", tr("equal"), "=")
    return components.pill(
        "ok" if gain > 0 else "bad", format_difference(gain), "▲" if gain > 0 else "▼"
    )


def changes_html(report: ReportData, changes: Sequence[Change], base: str, tuned: str) -> Html:
    """Return questions that two models answered differently well."""
    base_series, tuned_series = (report.models.index(model) + 1 for model in (base, tuned))
    questions = [
        QuestionRow(
            change.index,
            change.prompt,
            change.reference,
            (
                Answer(base, base_series, change.before, format_score(change.score_before)),
                Answer(tuned, tuned_series, change.after, format_score(change.score_after)),
            ),
            gain_pill(change.gain),
        )
        for change in changes
    ]
    return join((legend(), *(question.html() for question in questions)))


def legend() -> Html:
    """Return the meaning of the marks."""
    added = Html(f"<ins>{escape(tr('added'))}</ins>")
    missing = Html(f"<del>{escape(tr('missing'))}</del>")
    words = escape(
        tr(
            "Against the reference: {added}, {missing}. Answers that share less than 40% are not "
            "marked."
        )
    )
    return Html(
        f'<p class="qf-dim">{words.replace("{added}", added).replace("{missing}", missing)}</p>'
    )


def mark_difference(expected: str, text: str, max_chars: int = SHORT_CHARS) -> Html:
    """Return a text as HTML, with what it has more than the expected one, and what it lacks,
    marked.

    Nothing is marked where the texts are equal or have less than `MIN_SHARED` in common. Of a long
    text the parts around differences are shown.
    """
    expected = to_plain(expected)
    text = to_plain(text)
    if expected and expected != text:
        edits = diff_texts(expected, text)
    else:
        edits = []
    shared = 2 * sum(len(part) for kind, part in edits if kind == "equal")
    if shared < MIN_SHARED * (len(expected) + len(text)) or not edits:
        return Html(escape(cut_text(text, max_chars)))
    tags = {"equal": "{}", "insert": "<ins>{}</ins>", "delete": "<del>{}</del>"}
    is_long = len(text) > max_chars
    parts = [*_limit_edits(_shorten_equal(edits) if is_long else edits, max_chars)]
    return Html("".join(tags[kind].format(escape(part)) for kind, part in parts))


def cut_text(text: str, max_chars: int) -> str:
    """Return a text of at most `max_chars` characters and the number of those that were cut off."""
    if len(text) <= max_chars:
        return text
    hidden = len(text) - max_chars
    return f"{text[:max_chars]}… ({trn('{n} character more', '{n} characters more', hidden)})"


def _paragraph(text: str) -> str:
    return f'<p class="qf-text">{escape(to_plain(text))}</p>'


def _shorten_equal(edits: Sequence[Edit]) -> Iterator[Edit]:
    """Yield edits with only the ends of long equal parts."""
    for kind, text in edits:
        hidden = len(text) - 2 * CONTEXT_CHARS
        if kind == "equal" and hidden > CONTEXT_CHARS:
            yield kind, f"{text[:CONTEXT_CHARS]}… (+{hidden:,}) …{text[-CONTEXT_CHARS:]}"
        else:
            yield kind, text


def _limit_edits(edits: Sequence[Edit] | Iterator[Edit], max_chars: int) -> Iterator[Edit]:
    """Yield edits until they have `max_chars` characters."""
    remaining = max_chars
    for kind, text in edits:
        if remaining > 0:
            yield kind, cut_text(text, remaining)
        remaining -= len(text)
