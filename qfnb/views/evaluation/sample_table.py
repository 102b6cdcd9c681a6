"""The questions of a report, filtered, sorted and cut into pages; a page as HTML and as text."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from ..._text import diff_texts
from ...errors import InvalidArgumentError
from ...evaluation.report.data import ReportData
from ...evaluation.report.html_tables import mark_edits
from ...evaluation.report.text import format_score, to_html, to_plain
from ...evaluation.samples import Sample
from .. import styles
from ..display import Bundle
from ..text import one_line

Filter = Literal["all", "regressed", "improved", "changed", "failed", "picked"]
Sort = Literal["regression", "score", "latency", "length", "place"]

FILTERS: Final[Mapping[Filter, str]] = {
    "all": "全部 all",
    "regressed": "退步 regressed",
    "improved": "进步 improved",
    "changed": "回答有变 changed answers",
    "failed": "失败 failed",
    "picked": "已选 picked",
}
SORTS: Final[Mapping[Sort, str]] = {
    "regression": "退步最多 worst regression",
    "score": "得分最低 lowest score",
    "latency": "最慢 slowest",
    "length": "最长 longest",
    "place": "原序 as in the data",
}

PAGE_SIZE: Final = 10
_INDEX_SEARCH: Final = re.compile(r"#\d+(\s+#\d+)*")
MAX_CHARS: Final = 2000
"""Characters of a text that are shown; the rest is counted."""

_ROW: Final = 'style="border-top:1px solid #8884;padding:6px 0"'
_CELL: Final = (
    'style="text-align:left;vertical-align:top;padding:2px 8px;white-space:pre-wrap;'
    'overflow-wrap:anywhere;border-left:3px solid #8884"'
)


class AnswerPair(NamedTuple):
    """A question as two models answered it; `gain` is by how much the second is better, NaN if unknown."""

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
    metric = report.metric_names[0] if report.metric_names else ""
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
            search, rank = (selection.search.strip().casefold(), _sort_keys(self.report, selection)[selection.order])
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
        for name, value, allowed in (("show", selection.show, FILTERS), ("order", selection.order, SORTS)):
            if value not in allowed:
                raise InvalidArgumentError(f"{name}={value!r}: it is one of {', '.join(allowed)} (没有此选项)")
        if selection.metric or self.report.metric_names:
            self.report.resolve_metric(selection.metric)
        last = count_pages(len(self.pairs(selection))) - 1
        return replace(selection, page=min(max(0, selection.page), last))

    def on_page(self, pairs: Sequence[AnswerPair], selection: SampleSelection) -> Sequence[AnswerPair]:
        """Return the questions of the selected page."""
        return pairs[selection.page * PAGE_SIZE : (selection.page + 1) * PAGE_SIZE]

    def option_label(self, pair: AnswerPair) -> str:
        """Return a question as a line of the list to pick from."""
        return f"#{pair.before.index}  {_verdict_sign(pair)}  {one_line(pair.before.prompt, 48)}"

    def _all_pairs(self, selection: SampleSelection) -> list[AnswerPair]:
        key = selection.base, selection.tuned, selection.metric
        if key not in self._pair_cache:
            metric, tuned_samples = selection.metric, self.report.samples_of(selection.tuned)
            sign = -1.0 if metric in self.report.lower_is_better else 1.0
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
    return {"text/plain": text(pages, pairs, selection), "text/html": html(pages, pairs, selection)}


def html(pages: SamplePages, pairs: Sequence[AnswerPair], selection: SampleSelection) -> str:
    """Return a page of questions, with the two answers side by side and their differences marked."""
    rows = "".join(_pair_html(pair, selection) for pair in pages.on_page(pairs, selection))
    none = f"<div {_ROW}>没有符合的题目 / no question matches</div>"
    head = f"<div {styles.DIM}>{to_html(_head_line(pairs, selection))}</div>"
    return f"<div {styles.BODY_COMPACT}>{head}{rows or none}</div>"


def text(pages: SamplePages, pairs: Sequence[AnswerPair], selection: SampleSelection) -> str:
    """Return a page of questions as lines of text."""
    lines = [to_plain(_head_line(pairs, selection))]
    for pair in pages.on_page(pairs, selection):
        lines += [
            f"{pages.option_label(pair)}  ({_score_text(pair, selection)})",
            f"  = {one_line(pair.before.reference, 100)}",
        ]
        lines += [f"  {to_plain(sample.model)}: {one_line(_answer_text(sample), 100)}" for sample in _answers(pair)]
    return "\n".join(lines)


def _head_line(pairs: Sequence[AnswerPair], selection: SampleSelection) -> str:
    first = selection.page * PAGE_SIZE
    last = min(first + PAGE_SIZE, len(pairs))
    range_text = f"{first + 1}–{last} / {len(pairs):,} 题 questions" if pairs else "0 题"
    models = selection.base if selection.base == selection.tuned else f"{selection.base} → {selection.tuned}"
    parts = [range_text, FILTERS[selection.show], SORTS[selection.order], f"{selection.metric}: {models}"]
    parts += [f"“{one_line(selection.search, 40)}”"] if selection.search.strip() else []
    indexes = ", ".join(f"#{index}" for index in selection.picked[:20])
    ellipsis = "…" if len(selection.picked) > 20 else ""
    parts += [f"已选 picked {len(selection.picked)}: {indexes}{ellipsis}"] if selection.picked else []
    return " · ".join(parts)


def _pair_html(pair: AnswerPair, selection: SampleSelection) -> str:
    picked = "☑ " if pair.before.index in selection.picked else ""
    head = f"<b>{picked}#{pair.before.index} {_verdict_sign(pair)}</b> {to_html(_score_text(pair, selection))}"
    texts = "".join(
        f"<div {styles.PREFORMATTED_WRAPPED}>{title}: {to_html(_cut_text(text))}</div>"
        for title, text in (("问 prompt", pair.before.prompt), ("答案 reference", pair.before.reference))
    )
    heads = "".join(f'<th scope="col" {_CELL}>{to_html(_sample_facts(sample))}</th>' for sample in _answers(pair))
    cells = "".join(f"<td {_CELL}>{cell}</td>" for cell in _answer_cells(pair))
    table = f"<table {styles.TABLE_FIXED}><tr>{heads}</tr><tr>{cells}</tr></table>"
    return f"<div {_ROW}>{head}{texts}{table}</div>"


def _answer_cells(pair: AnswerPair) -> list[str]:
    if len(_answers(pair)) == 1 or pair.before.error or pair.after.error:
        return [to_html(_answer_text(sample)) for sample in _answers(pair)]
    return [*mark_edits(diff_texts(_cut_text(pair.before.output), _cut_text(pair.after.output)))]


def _answers(pair: AnswerPair) -> list[Sample]:
    return [pair.before] if pair.before is pair.after else [pair.before, pair.after]


def _answer_text(sample: Sample) -> str:
    return f"✘ {sample.error}" if sample.error else _cut_text(sample.output)


def _sample_facts(sample: Sample) -> str:
    seconds = [] if sample.seconds is None else [f"{sample.seconds:.2f} s"]
    return " · ".join([sample.model, *seconds, f"{len(sample.output):,} 字 characters"])


def _verdict_sign(pair: AnswerPair) -> str:
    if pair.before.error or pair.after.error:
        return "✘"
    if not pair.gain:
        return "="
    return "·" if math.isnan(pair.gain) else f"{'▲' if pair.gain > 0 else '▼'} {pair.gain:+.3f}"


def _score_text(pair: AnswerPair, selection: SampleSelection) -> str:
    scores = [format_score(sample.score(selection.metric)) for sample in _answers(pair)]
    return f"{selection.metric} {' → '.join(scores)}"


def _cut_text(value: str) -> str:
    n_hidden = len(value) - MAX_CHARS
    return value if n_hidden <= 0 else f"{value[:MAX_CHARS]}… （另有 {n_hidden:,} 字 more characters）"


def _matches_search(pair: AnswerPair, search: str) -> bool:
    if _INDEX_SEARCH.fullmatch(search):
        return f"#{pair.before.index}" in search.split()
    texts = (pair.before.prompt, pair.before.reference, pair.before.output, pair.after.output)
    return not search or any(search in text.casefold() for text in texts)


_FILTER_TESTS: Final[Mapping[Filter, Callable[[AnswerPair, SampleSelection], bool]]] = {
    "all": lambda pair, _: True,
    "regressed": lambda pair, _: pair.gain < 0,
    "improved": lambda pair, _: pair.gain > 0,
    "changed": lambda pair, _: (pair.before.output, pair.before.error) != (pair.after.output, pair.after.error),
    "failed": lambda pair, _: bool(pair.before.error or pair.after.error),
    "picked": lambda pair, selection: pair.before.index in selection.picked,
}


def _sort_keys(report: ReportData, selection: SampleSelection) -> Mapping[Sort, Callable[[AnswerPair], float]]:
    sign = -1.0 if selection.metric in report.lower_is_better else 1.0
    return {
        "regression": lambda pair: pair.gain,
        "score": lambda pair: sign * pair.after.score(selection.metric),
        "latency": lambda pair: -(math.nan if pair.after.seconds is None else pair.after.seconds),
        "length": lambda pair: -len(pair.after.output),
        "place": lambda pair: 0.0,
    }


def _nan_last(value: float) -> float:
    """Return a sort key that puts NaN behind all numbers."""
    return math.inf if math.isnan(value) else value
