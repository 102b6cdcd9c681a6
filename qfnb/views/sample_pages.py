"""Which questions of a report are shown, in which order, and a page of them as HTML and as text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from ..errors import InvalidArgumentError
from ..evaluation.changes import difference
from ..evaluation.inert import in_html, plain
from ..evaluation.page import marked
from ..evaluation.report import EvaluationResult
from ..evaluation.samples import Sample
from .display import Bundle
from .wording import clipped

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

PAGE: Final = 10
_PLACES: Final = re.compile(r"#\d+(\s+#\d+)*")
MOST: Final = 2000
"""Characters of a text that are shown."""

_BODY: Final = 'style="line-height:1.5;font-variant-numeric:tabular-nums"'
_DIM: Final = 'style="font-size:90%;opacity:0.8"'
_ROW: Final = 'style="border-top:1px solid #8884;padding:6px 0"'
_TABLE: Final = 'style="table-layout:fixed;width:100%;border-collapse:collapse;margin:4px 0"'
_CELL: Final = (
    'style="text-align:left;vertical-align:top;padding:2px 8px;white-space:pre-wrap;'
    'overflow-wrap:anywhere;border-left:3px solid #8884"'
)
_TEXT: Final = 'style="white-space:pre-wrap;overflow-wrap:anywhere"'
_TINTS: Final = {"<del>": '<del style="background:#d5520033">', "<ins>": '<ins style="background:#0072b244">'}


class Pair(NamedTuple):
    """A question as two models answered it; `gain` is by how much the second is better, NaN if unknown."""

    before: Sample
    after: Sample
    gain: float


@dataclass(frozen=True)
class Choice:
    """What a person wants to see.

    Attributes:
        metric: by which metric, "" when the report has none.
        base, tuned: the two models, the same one when there is no other.
        show, order: which questions, and in which order.
        search: what question, reference or one of the answers has in it; or places, `#3 #17`.
        page: from 0.
        picked: places of questions that were picked, in that order.
    """

    metric: str
    base: str
    tuned: str
    show: Filter = "all"
    order: Sort = "regression"
    search: str = ""
    page: int = 0
    picked: tuple[int, ...] = ()


def first_choice(report: EvaluationResult) -> Choice:
    """Return what is shown first: the last model against the first, by the first metric."""
    order: Sort = "regression" if len(report.models) > 1 else "score"
    metric = report.names[0] if report.names else ""
    return Choice(metric, report.models[0], report.models[-1], order=order)


class Pages:
    """The questions of a report, chosen, sorted and cut into pages."""

    def __init__(self, report: EvaluationResult) -> None:
        self.report = report
        self._paired: dict[tuple[str, str, str], list[Pair]] = {}
        self._latest: tuple[Choice, list[Pair]] | None = None

    def pairs(self, choice: Choice) -> list[Pair]:
        """Return what a choice shows, all pages of it; turning a page sorts nothing again."""
        key = replace(choice, page=0)
        if self._latest is None or self._latest[0] != key:
            wanted, rank = choice.search.strip().casefold(), _ranks(self.report, choice)[choice.order]
            shown = _SHOWN[choice.show]
            found = [pair for pair in self._pairs(choice) if shown(pair, choice) and _has(pair, wanted)]
            found.sort(key=lambda pair: (_last(rank(pair)), pair.before.index))
            self._latest = key, found
        return self._latest[1]

    def checked(self, choice: Choice) -> Choice:
        """Return a choice with a page that there is.

        Raises:
            InvalidArgumentError: there is no such filter, order, metric or model.
        """
        for name, given, known in (("show", choice.show, FILTERS), ("order", choice.order, SORTS)):
            if given not in known:
                raise InvalidArgumentError(f"{name}={given!r}: it is one of {', '.join(known)} (没有此选项)")
        if choice.metric or self.report.names:
            self.report.metric(choice.metric)
        last = pages_of(len(self.pairs(choice))) - 1
        return replace(choice, page=min(max(0, choice.page), last))

    def on_page(self, pairs: Sequence[Pair], choice: Choice) -> Sequence[Pair]:
        """Return the questions of the choice's page."""
        return pairs[choice.page * PAGE : (choice.page + 1) * PAGE]

    def option(self, pair: Pair) -> str:
        """Return a question as a line to pick from."""
        return f"#{pair.before.index}  {_verdict(pair)}  {clipped(pair.before.prompt, 48)}"

    def _pairs(self, choice: Choice) -> list[Pair]:
        key = choice.base, choice.tuned, choice.metric
        if key not in self._paired:
            first, second = self.report.of(choice.base), self.report.of(choice.tuned)
            sign = -1.0 if choice.metric in self.report.lower else 1.0
            self._paired[key] = [
                Pair(
                    one, second[place], sign * (second[place].score(choice.metric) - one.score(choice.metric))
                )
                for place, one in first.items()
                if place in second
            ]
        return self._paired[key]


def pages_of(count: int) -> int:
    """Return how many pages so many questions have; one at least."""
    return max(1, math.ceil(count / PAGE))


def bundle(pages: Pages, choice: Choice) -> Bundle:
    """Return a page in every format, as something that does not move."""
    pairs = pages.pairs(choice)
    return {"text/plain": text(pages, pairs, choice), "text/html": html(pages, pairs, choice)}


def html(pages: Pages, pairs: Sequence[Pair], choice: Choice) -> str:
    """Return a page of questions, with the two answers side by side and their differences marked."""
    rows = "".join(_row(pair, choice) for pair in pages.on_page(pairs, choice))
    none = f"<div {_ROW}>没有符合的题目 / no question is like that</div>"
    return f"<div {_BODY}><div {_DIM}>{in_html(_head(pairs, choice))}</div>{rows or none}</div>"


def text(pages: Pages, pairs: Sequence[Pair], choice: Choice) -> str:
    """Return a page of questions as lines of text."""
    lines = [plain(_head(pairs, choice))]
    for pair in pages.on_page(pairs, choice):
        lines += [
            f"{pages.option(pair)}  ({_scored(pair, choice)})",
            f"  = {clipped(pair.before.reference, 100)}",
        ]
        lines += [f"  {plain(one.model)}: {clipped(_said(one), 100)}" for one in _answers(pair)]
    return "\n".join(lines)


def _head(pairs: Sequence[Pair], choice: Choice) -> str:
    first = choice.page * PAGE
    shown = f"{first + 1}–{min(first + PAGE, len(pairs))} / {len(pairs):,} 题 questions" if pairs else "0 题"
    models = choice.base if choice.base == choice.tuned else f"{choice.base} → {choice.tuned}"
    parts = [shown, FILTERS[choice.show], SORTS[choice.order], f"{choice.metric}: {models}"]
    parts += [f"“{clipped(choice.search, 40)}”"] if choice.search.strip() else []
    places = ", ".join(f"#{place}" for place in choice.picked[:20])
    more = "…" if len(choice.picked) > 20 else ""
    parts += [f"已选 picked {len(choice.picked)}: {places}{more}"] if choice.picked else []
    return " · ".join(parts)


def _row(pair: Pair, choice: Choice) -> str:
    picked = "☑ " if pair.before.index in choice.picked else ""
    head = f"<b>{picked}#{pair.before.index} {_verdict(pair)}</b> {in_html(_scored(pair, choice))}"
    asked = f"<div {_TEXT}>问 prompt: {in_html(_cut(pair.before.prompt))}</div>"
    wanted = f"<div {_TEXT}>答案 reference: {in_html(_cut(pair.before.reference))}</div>"
    heads = "".join(f'<th scope="col" {_CELL}>{in_html(_facts(one))}</th>' for one in _answers(pair))
    cells = "".join(f"<td {_CELL}>{cell}</td>" for cell in _cells(pair))
    return f"<div {_ROW}>{head}{asked}{wanted}<table {_TABLE}><tr>{heads}</tr><tr>{cells}</tr></table></div>"


def _cells(pair: Pair) -> list[str]:
    if len(_answers(pair)) == 1 or pair.before.error or pair.after.error:
        return [in_html(_said(one)) for one in _answers(pair)]
    found = marked(difference(_cut(pair.before.output), _cut(pair.after.output)))
    return [_tinted(cell) for cell in found]


def _tinted(cell: str) -> str:
    for plain_tag, tag in _TINTS.items():
        cell = cell.replace(plain_tag, tag)
    return cell


def _answers(pair: Pair) -> list[Sample]:
    return [pair.before] if pair.before is pair.after else [pair.before, pair.after]


def _said(sample: Sample) -> str:
    return f"✘ {sample.error}" if sample.error else _cut(sample.output)


def _facts(sample: Sample) -> str:
    seconds = [] if sample.seconds is None else [f"{sample.seconds:.2f} s"]
    return " · ".join([sample.model, *seconds, f"{len(sample.output):,} 字 characters"])


def _verdict(pair: Pair) -> str:
    if pair.before.error or pair.after.error:
        return "✘"
    if not pair.gain:
        return "="
    return "·" if math.isnan(pair.gain) else f"{'▲' if pair.gain > 0 else '▼'} {pair.gain:+.3f}"


def _scored(pair: Pair, choice: Choice) -> str:
    scores = [one.score(choice.metric) for one in _answers(pair)]
    return f"{choice.metric} " + " → ".join(
        "n/a" if math.isnan(score) else f"{score:.3f}" for score in scores
    )


def _cut(value: str) -> str:
    rest = len(value) - MOST
    return value if rest <= 0 else f"{value[:MOST]}… （另有 {rest:,} 字 more characters）"


def _has(pair: Pair, wanted: str) -> bool:
    if _PLACES.fullmatch(wanted):
        return f"#{pair.before.index}" in wanted.split()
    texts = (pair.before.prompt, pair.before.reference, pair.before.output, pair.after.output)
    return not wanted or any(wanted in one.casefold() for one in texts)


_SHOWN: Final[Mapping[Filter, Callable[[Pair, Choice], bool]]] = {
    "all": lambda pair, _: True,
    "regressed": lambda pair, _: pair.gain < 0,
    "improved": lambda pair, _: pair.gain > 0,
    "changed": lambda pair, _: (
        (pair.before.output, pair.before.error) != (pair.after.output, pair.after.error)
    ),
    "failed": lambda pair, _: bool(pair.before.error or pair.after.error),
    "picked": lambda pair, choice: pair.before.index in choice.picked,
}


def _ranks(report: EvaluationResult, choice: Choice) -> Mapping[Sort, Callable[[Pair], float]]:
    sign = -1.0 if choice.metric in report.lower else 1.0
    return {
        "regression": lambda pair: pair.gain,
        "score": lambda pair: sign * pair.after.score(choice.metric),
        "latency": lambda pair: -(math.nan if pair.after.seconds is None else pair.after.seconds),
        "length": lambda pair: -len(pair.after.output),
        "place": lambda pair: 0.0,
    }


def _last(value: float) -> float:
    """Return what sorts questions without a number behind all others."""
    return math.inf if math.isnan(value) else value
