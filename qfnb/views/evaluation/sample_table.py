"""The questions of a report, filtered, sorted and cut into pages; a page as HTML and as text."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from ...base.language import tr, tr_noop, trn
from ...errors import InvalidArgumentError
from ...evaluation.report.data import ReportData
from ...evaluation.report.sources import sandbox_mark
from ...evaluation.report.text import (
    format_difference,
    format_score,
    metric_title,
    redact_text,
    to_plain,
)
from ...evaluation.samples import Sample
from .. import components, formats
from ..components import Html
from ..display import Bundle
from ..text import escape, one_line
from .questions import Answer, QuestionRow, cut_text, gain_pill, legend

Filter = Literal["all", "regressed", "improved", "changed", "failed", "picked"]
Sort = Literal["regression", "score", "latency", "length", "place"]

FILTERS: Final[Mapping[Filter, str]] = {
    "all": tr_noop("All"),
    "regressed": tr_noop("Worse"),
    "improved": tr_noop("Better"),
    "changed": tr_noop("Answer changed"),
    "failed": tr_noop("Failed"),
    "picked": tr_noop("Picked"),
}
SORTS: Final[Mapping[Sort, str]] = {
    "regression": tr_noop("Largest loss first"),
    "score": tr_noop("Lowest score first"),
    "latency": tr_noop("Slowest first"),
    "length": tr_noop("Longest first"),
    "place": tr_noop("As in the data"),
}

PAGE_SIZE: Final = 10
_INDEX_SEARCH: Final = re.compile(r"#\d+(\s+#\d+)*")
MAX_CHARS: Final = 2000
"""Characters of a text that are shown; the rest is counted."""


class AnswerPair(NamedTuple):
    """A question as two models answered it; `gain` is by how much the second is better, NaN if
    unknown.
    """

    before: Sample
    after: Sample
    gain: float


@dataclass(frozen=True)
class SampleSelection:
    """Which questions are shown, and how."""

    metric: str  # the metric that is compared, "" when the report has none
    base: str  # the two models; the same one in a report of one model
    tuned: str  # the two models; the same one in a report of one model
    show: Filter = "all"  # filter and sort order of the questions
    order: Sort = "regression"  # filter and sort order of the questions
    search: str = ""  # a text that question, reference or an answer contains; or indexes, `#3 #17`
    page: int = 0  # from 0
    picked: tuple[int, ...] = ()  # indexes of the picked questions, in the order of picking


def default_selection(report: ReportData) -> SampleSelection:
    """Return the initial selection: the last model against the first, by the first metric."""
    order: Sort = "regression" if len(report.models) > 1 else "score"
    if report.metric_names:
        metric = report.metric_names[0]
    else:
        metric = ""
    return SampleSelection(metric, report.models[0], report.models[-1], order=order)


class SamplePages:
    """The questions of a report, filtered, sorted and cut into pages."""

    def __init__(self, report: ReportData) -> None:
        self.report = report
        self._pair_cache: dict[tuple[str, str, str], list[AnswerPair]] = {}
        self._latest_pairs: tuple[SampleSelection, list[AnswerPair]] | None = None

    def pairs(self, selection: SampleSelection) -> list[AnswerPair]:
        """Return the selected questions of all pages; another page does not sort them again."""
        key = replace(selection, page=0)
        if self._latest_pairs is None or self._latest_pairs[0] != key:
            search = selection.search.strip().casefold()
            rank = _sort_keys(self.report, selection)[selection.order]
            is_included = _FILTER_TESTS[selection.show]
            pairs = [
                pair
                for pair in self._all_pairs(selection)
                if is_included(pair, selection) and _matches_search(pair, search)
            ]
            pairs.sort(key=lambda pair: (_nan_last(rank(pair)), pair.before.index))
            self._latest_pairs = key, pairs
        return self._latest_pairs[1]

    def validate(self, selection: SampleSelection) -> SampleSelection:
        """Return a selection whose page exists.

        Raises:
            InvalidArgumentError: filter, order, metric or a model is unknown.
        """
        for name, value, allowed in (
            ("show", selection.show, FILTERS),
            ("order", selection.order, SORTS),
        ):
            if value not in allowed:
                names = tr(", ").join(allowed)
                raise InvalidArgumentError(
                    tr(
                        "{name}={value}: it is one of {names}",
                        name=name,
                        value=repr(value),
                        names=names,
                    )
                )
        if selection.metric or self.report.metric_names:
            self.report.resolve_metric(selection.metric)
        last = count_pages(len(self.pairs(selection))) - 1
        return replace(selection, page=min(max(0, selection.page), last))

    def on_page(
        self, pairs: Sequence[AnswerPair], selection: SampleSelection
    ) -> Sequence[AnswerPair]:
        """Return the questions of the selected page."""
        return pairs[selection.page * PAGE_SIZE : (selection.page + 1) * PAGE_SIZE]

    def option_label(self, pair: AnswerPair) -> str:
        """Return a question as a line of the list to pick from."""
        return (
            f"#{pair.before.index}  {_verdict_sign(pair)}  "
            f"{one_line(to_plain(pair.before.prompt), 48)}"
        )

    def count(self, show: Filter, selection: SampleSelection) -> int:
        """Return how many questions a filter shows, whatever is searched for."""
        is_included = _FILTER_TESTS[show]
        return sum(is_included(pair, selection) for pair in self._all_pairs(selection))

    def _all_pairs(self, selection: SampleSelection) -> list[AnswerPair]:
        key = selection.base, selection.tuned, selection.metric
        if key not in self._pair_cache:
            metric = selection.metric
            tuned_samples = self.report.samples_of(selection.tuned)
            if metric in self.report.lower_is_better:
                sign = -1.0
            else:
                sign = 1.0
            self._pair_cache[key] = [
                AnswerPair(sample, tuned, sign * (tuned.score(metric) - sample.score(metric)))
                for index, sample in self.report.samples_of(selection.base).items()
                if (tuned := tuned_samples.get(index)) is not None
            ]
        return self._pair_cache[key]


def count_pages(count: int) -> int:
    """Return the number of pages for a number of questions, at least 1."""
    return max(1, math.ceil(count / PAGE_SIZE))


def bundle(pages: SamplePages, selection: SampleSelection) -> Bundle:
    """Return a page in every format, static."""
    pairs = pages.pairs(selection)
    lines = text(pages, pairs, selection)
    questions = html(pages, pairs, selection)
    content = components.panel(
        tr("Question by question"), head(pages.report, pairs, selection), questions
    )
    return {"text/plain": lines, "text/html": redact_text(components.output(content))}


def head(report: ReportData, pairs: Sequence[AnswerPair], selection: SampleSelection) -> Html:
    """Return the title with what is shown."""
    line = to_plain(_head_line(pairs, selection))
    return components.header(
        tr("Question by question"), subtitle=line, mark=to_plain(sandbox_mark(report))
    )


def html(pages: SamplePages, pairs: Sequence[AnswerPair], selection: SampleSelection) -> Html:
    """Return a page of questions, with the answers side by side and what differs from the reference
    marked.
    """
    questions = [
        _question(pages.report, pair, selection).html() for pair in pages.on_page(pairs, selection)
    ]
    if not questions:
        return components.note("idle", tr("No question matches."))
    marks = (
        legend() if any(pair.before.reference for pair in pages.on_page(pairs, selection)) else ""
    )
    return components.join((marks, *questions))


def text(pages: SamplePages, pairs: Sequence[AnswerPair], selection: SampleSelection) -> str:
    """Return a page of questions as lines of text."""
    lines = [to_plain(_head_line(pairs, selection))]
    for pair in pages.on_page(pairs, selection):
        scores = " → ".join(
            format_score(sample.score(selection.metric)) for sample in _answers(pair)
        )
        lines += [f"{pages.option_label(pair)}  ({selection.metric} {scores})"]
        lines += (
            [f"  = {one_line(to_plain(pair.before.reference), 100)}"]
            if pair.before.reference
            else []
        )
        lines += [
            f"  {to_plain(sample.model)}: {one_line(_answer_text(sample), 100)}"
            for sample in _answers(pair)
        ]
    return "\n".join(lines)


def range_label(pairs: Sequence[AnswerPair], selection: SampleSelection) -> str:
    """Return which questions of how many the page shows."""
    first = selection.page * PAGE_SIZE
    last = min(first + PAGE_SIZE, len(pairs))
    if not pairs:
        return trn("{n} question", "{n} questions", 0)
    return tr(
        "Questions {first}–{last} of {total}", first=first + 1, last=last, total=f"{len(pairs):,}"
    )


def _head_line(pairs: Sequence[AnswerPair], selection: SampleSelection) -> str:
    if selection.base == selection.tuned:
        models = selection.base
    else:
        models = f"{selection.base} → {selection.tuned}"
    parts = [range_label(pairs, selection), tr(FILTERS[selection.show]), tr(SORTS[selection.order])]
    parts += [f"{metric_title(selection.metric)}: {models}" if selection.metric else models]
    parts += [f"“{one_line(selection.search, 40)}”"] if selection.search.strip() else []
    if selection.picked:
        indexes = tr(", ").join(f"#{index}" for index in selection.picked[:20])
        if len(selection.picked) > 20:
            ellipsis = "…"
        else:
            ellipsis = ""
        parts += [
            tr("{n} picked: {indexes}", n=len(selection.picked), indexes=f"{indexes}{ellipsis}")
        ]
    return " · ".join(parts)


def _question(report: ReportData, pair: AnswerPair, selection: SampleSelection) -> QuestionRow:
    answers = [_shown_answer(report, sample, selection.metric) for sample in _answers(pair)]
    is_failed = bool(pair.before.error or pair.after.error)
    picked = ""
    if pair.before.index in selection.picked:
        picked = f"<small>☑ {escape(tr('Picked'))}</small> "
    if len(answers) > 1 or is_failed:
        pill = gain_pill(pair.gain, is_failed=is_failed)
    else:
        pill = Html("")
    texts = pair.before.prompt, pair.before.reference
    return QuestionRow(pair.before.index, *texts, answers, Html(f"{picked}{pill}"), MAX_CHARS)


def _shown_answer(report: ReportData, sample: Sample, metric: str) -> Answer:
    if sample.seconds is None:
        seconds = ""
    else:
        seconds = formats.seconds(sample.seconds)
    if sample.output:
        length = trn("{n} character", "{n} characters", len(sample.output))
    else:
        length = ""
    facts = " · ".join(filter(None, (seconds, length)))
    score = sample.score(metric)
    if math.isnan(score):
        number = ""
    else:
        number = format_score(score)
    return Answer(
        sample.model,
        report.models.index(sample.model) + 1,
        sample.output,
        number,
        facts,
        sample.error,
    )


def _answers(pair: AnswerPair) -> list[Sample]:
    if pair.before is pair.after:
        return [pair.before]
    return [pair.before, pair.after]


def _answer_text(sample: Sample) -> str:
    return to_plain(f"✕ {sample.error}" if sample.error else cut_text(sample.output, MAX_CHARS))


def _verdict_sign(pair: AnswerPair) -> str:
    if pair.before.error or pair.after.error:
        return "✕"
    if not pair.gain:
        return "="
    if math.isnan(pair.gain):
        return "·"
    return f"{'▲' if pair.gain > 0 else '▼'} {format_difference(pair.gain)}"


def _matches_search(pair: AnswerPair, search: str) -> bool:
    if _INDEX_SEARCH.fullmatch(search):
        return f"#{pair.before.index}" in search.split()
    texts = (pair.before.prompt, pair.before.reference, pair.before.output, pair.after.output)
    return not search or any(search in text.casefold() for text in texts)


_FILTER_TESTS: Final[Mapping[Filter, Callable[[AnswerPair, SampleSelection], bool]]] = {
    "all": lambda pair, _: True,
    "regressed": lambda pair, _: pair.gain < 0,
    "improved": lambda pair, _: pair.gain > 0,
    "changed": lambda pair, _: (
        (pair.before.output, pair.before.error) != (pair.after.output, pair.after.error)
    ),
    "failed": lambda pair, _: bool(pair.before.error or pair.after.error),
    "picked": lambda pair, selection: pair.before.index in selection.picked,
}


def _sort_keys(
    report: ReportData, selection: SampleSelection
) -> Mapping[Sort, Callable[[AnswerPair], float]]:
    if selection.metric in report.lower_is_better:
        sign = -1.0
    else:
        sign = 1.0
    return {
        "regression": lambda pair: pair.gain,
        "score": lambda pair: sign * pair.after.score(selection.metric),
        "latency": lambda pair: -(math.nan if pair.after.seconds is None else pair.after.seconds),
        "length": lambda pair: -len(pair.after.output),
        "place": lambda pair: 0.0,
    }


def _nan_last(value: float) -> float:
    """Return a sort key that puts NaN behind all numbers."""
    if math.isnan(value):
        return math.inf
    return value
