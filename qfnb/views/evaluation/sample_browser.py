"""A browser for the samples of a report: filter, sort, search, two answers side by side, pick
rows; a page of it as HTML and as text.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any, Final, Literal

from ...base.language import tr, tr_noop, trn
from ...base.text import listed
from ...errors import InvalidArgumentError
from ...evaluation.report.card import Card
from ...evaluation.report.data import ReportData
from ...evaluation.report.sources import sandbox_mark
from ...evaluation.report.text import format_score, metric_title, redact_text, to_plain
from ...evaluation.samples import Sample
from .. import components, formats
from ..components import Html
from ..display import Bundle, accept_clicks
from ..formats import escape, one_line, without_formulas
from ..panel import Controlled, PanelWidgets
from .questions import Answer, gain_pill, legend, question_html

Filter = Literal["all", "regressed", "improved", "changed", "failed", "picked"]
Sort = Literal["regression", "score", "latency", "length", "place"]

FILTERS: Final[dict[Filter, str]] = {
    "all": tr_noop("All"),
    "regressed": tr_noop("Worse"),
    "improved": tr_noop("Better"),
    "changed": tr_noop("Answer changed"),
    "failed": tr_noop("Failed"),
    "picked": tr_noop("Picked"),
}
SORTS: Final[dict[Sort, str]] = {
    "regression": tr_noop("Largest loss first"),
    "score": tr_noop("Lowest score first"),
    "latency": tr_noop("Slowest first"),
    "length": tr_noop("Longest first"),
    "place": tr_noop("As in the data"),
}

PAGE_SIZE: Final = 10
MAX_CHARS: Final = 2000
"""Characters of a text that are shown; the rest is counted."""

_INDEX_SEARCH: Final = re.compile(r"#\d+(\s+#\d+)*")


def browse(report: ReportData | Card) -> SampleBrowser:
    """Return a browser for the samples of a report; as the last value of a cell it shows itself.

    `.rows` are the indexes of the picked questions, or of all shown ones when none is picked:
    `report.to_dpo(view.rows)`.
    """
    return SampleBrowser(report_of(report))


def report_of(value: object) -> Any:
    """Return the report of a card, of a matrix or of a running evaluation, whose end is waited for;
    a report as it is.

    Raises:
        InvalidArgumentError: it is none of these.
    """
    report = getattr(value, "report", value)
    if callable(report):
        report = report()
    if not isinstance(report, ReportData):
        kind = type(value).__name__
        raise InvalidArgumentError(
            tr("this needs a report, as qfnb.compare returns it, and got a {kind}", kind=kind)
        )
    return report


@dataclass(frozen=True)
class AnswerPair:
    """A question as two models answered it; `gain` is by how much the second is better, NaN if
    unknown.
    """

    before: Sample
    after: Sample
    gain: float

    @property
    def index(self) -> int:
        """The index of the question."""
        return self.before.index

    @property
    def is_failed(self) -> bool:
        """Whether one of the models has not answered."""
        return bool(self.before.error or self.after.error)

    def passes(self, show: Filter, picked: Sequence[int]) -> bool:
        """Return whether a filter shows the question."""
        if show == "regressed":
            return self.gain < 0
        if show == "improved":
            return self.gain > 0
        if show == "changed":
            before = (self.before.output, self.before.error)
            return before != (self.after.output, self.after.error)
        if show == "failed":
            return self.is_failed
        return show == "all" or self.index in picked

    def has(self, search: str) -> bool:
        """Return whether the question has a text, or one of the indexes `#3 #17`."""
        if _INDEX_SEARCH.fullmatch(search):
            return f"#{self.index}" in search.split()
        texts = (self.before.prompt, self.before.reference, self.before.output, self.after.output)
        return any(search in text.casefold() for text in texts)


@dataclass(frozen=True)
class SampleSelection:
    """Which questions are shown, and how."""

    metric: str  # the metric that is compared, "" when the report has none
    base: str  # the two models; the same one in a report of one model
    tuned: str
    show: Filter = "all"
    order: Sort = "regression"
    search: str = ""  # a text that question, reference or an answer contains; or indexes, `#3 #17`
    page: int = 0  # from 0
    picked: tuple[int, ...] = ()  # indexes of the picked questions, in the order of picking


class SampleBrowser(Controlled):
    """A page of samples with its controls; static in a notebook without a user, and after
    `close`.
    """

    def __init__(self, report: ReportData) -> None:
        self.report = report
        metric = next(iter(report.metric_names), "")
        order: Sort = "score"
        if len(report.models) > 1:
            order = "regression"
        self.selection = SampleSelection(metric, report.models[0], report.models[-1], order=order)
        self._paired: dict[tuple[str, str, str], list[AnswerPair]] = {}

    @property
    def rows(self) -> list[int]:
        """Indexes of the picked questions; of all shown ones, in their order, when none is
        picked.
        """
        return [*self.selection.picked] or [pair.index for pair in self.pairs(self.selection)]

    def choose(
        self,
        *,
        show: Filter | None = None,
        order: Sort | None = None,
        search: str | None = None,
        metric: str | None = None,
        base: str | None = None,
        tuned: str | None = None,
        page: int | None = None,
        picked: Sequence[int] | None = None,
    ) -> SampleBrowser:
        """Change what is shown; other options stay, and a new selection begins at its first page.

        Args:
            show: all, regressed, improved, changed, failed or picked.
            order: regression, score, latency, length or place.
            search: a text that question, reference or an answer contains; or indexes, `#3 #17`.
            metric: the metric that is compared.
            base: the model to compare with.
            tuned: the model that is compared.
            page: from 0.
            picked: indexes of the picked questions.

        Raises:
            InvalidArgumentError: filter, order, metric or a model is unknown.
        """
        options: dict[str, Any] = {"show": show, "order": order, "search": search, "metric": metric}
        options |= {"base": base, "tuned": tuned, "page": page}
        options["picked"] = None if picked is None else tuple(picked)
        changes = {name: value for name, value in options.items() if value is not None}
        if not changes.keys() <= {"picked", "page"}:
            changes.setdefault("page", 0)
        selection = replace(self.selection, **changes)
        _check("show", selection.show, FILTERS)
        _check("order", selection.order, SORTS)
        if selection.metric or self.report.metric_names:
            self.report.resolve_metric(selection.metric)
        last = count_pages(len(self.pairs(selection))) - 1
        self.selection = replace(selection, page=min(max(0, selection.page), last))
        if self._live is not None:
            self._live.update(self.selection)
        return self

    def pairs(self, selection: SampleSelection) -> list[AnswerPair]:
        """Return the selected questions of all pages."""
        search = selection.search.strip().casefold()
        pairs = []
        for pair in self.all_pairs(selection):
            if pair.passes(selection.show, selection.picked) and pair.has(search):
                rank = _rank(self.report, selection, pair)
                pairs.append((math.inf if math.isnan(rank) else rank, pair.index, pair))
        return [pair for *_, pair in sorted(pairs, key=lambda each: each[:2])]

    def all_pairs(self, selection: SampleSelection) -> list[AnswerPair]:
        """Return all questions that both models were asked."""
        key = selection.base, selection.tuned, selection.metric
        if key not in self._paired:
            metric = selection.metric
            after = self.report.samples_of(selection.tuned)
            sign = _direction(self.report, metric)
            pairs = self._paired[key] = []
            for index, sample in self.report.samples_of(selection.base).items():
                if (tuned := after.get(index)) is not None:
                    gain = sign * (tuned.score(metric) - sample.score(metric))
                    pairs.append(AnswerPair(sample, tuned, gain))
        return self._paired[key]

    def bundle(self, selection: SampleSelection) -> Bundle:
        """Return a page in every format, static."""
        pairs = self.pairs(selection)
        blocks = (self.head(pairs, selection), self.page_html(pairs, selection))
        form = components.bundle(tr("Question by question"), *blocks)
        return form | {"text/html": redact_text(form["text/html"])}

    def head(self, pairs: Sequence[AnswerPair], selection: SampleSelection) -> Html:
        """Return the title with what is shown."""
        models = " → ".join(dict.fromkeys([selection.base, selection.tuned]))
        facts = [_range(pairs, selection), tr(FILTERS[selection.show]), tr(SORTS[selection.order])]
        facts.append(f"{metric_title(selection.metric)}: {models}" if selection.metric else models)
        if selection.search.strip():
            facts.append(f"“{one_line(selection.search, 40)}”")
        if selection.picked:
            indexes = listed(f"#{index}" for index in selection.picked[:20])
            more = "…" * (len(selection.picked) > 20)
            n = len(selection.picked)
            facts.append(tr("{n} picked: {indexes}", n=n, indexes=f"{indexes}{more}"))
        line = to_plain(" · ".join(facts))
        mark = sandbox_mark(self.report)
        return components.header(tr("Question by question"), subtitle=line, mark=mark)

    def page_html(self, pairs: Sequence[AnswerPair], selection: SampleSelection) -> Html:
        """Return a page of questions, with the answers side by side and what differs from the
        reference marked.
        """
        if not pairs:
            return components.note("idle", tr("No question matches."))
        questions = [self._question(pair, selection) for pair in on_page(pairs, selection)]
        has_marks = any(pair.before.reference for pair in on_page(pairs, selection))
        return components.join([legend() if has_marks else "", *questions])

    def _question(self, pair: AnswerPair, selection: SampleSelection) -> Html:
        if pair.before is pair.after:
            samples = [pair.before]
        else:
            samples = [pair.before, pair.after]
        answers = []
        for sample in samples:
            if sample.seconds is not None:
                facts = [formats.seconds(sample.seconds)]
            else:
                facts = []
            if sample.output:
                length = trn("{n} character", "{n} characters", len(sample.output))
                facts.append(length)
            score = sample.score(selection.metric)
            if math.isnan(score):
                number = ""
            else:
                number = format_score(score)
            series = self.report.models.index(sample.model) + 1
            shown = Answer(
                sample.model, series, sample.output, number, " · ".join(facts), sample.error
            )
            answers.append(shown)
        pill = Html()
        if len(answers) > 1 or pair.is_failed:
            pill = gain_pill(pair.gain, is_failed=pair.is_failed)
        if pair.index in selection.picked:
            pill = Html(f"<small>☑ {escape(tr('Picked'))}</small> {pill}", pill.text)
        texts = (pair.before.prompt, pair.before.reference)
        return question_html(pair.index, *texts, answers, pill, MAX_CHARS)

    def show(self) -> None:
        """Display the browser in the current cell; an earlier display of it becomes static."""
        self.close()
        self._open(self.selection, SampleControls(self), self.bundle)

    def close(self) -> None:
        """Replace the controls by a static page."""
        self._finish(self.selection)

    def __repr__(self) -> str:
        return str(self.bundle(self.selection)["text/plain"])


def count_pages(count: int) -> int:
    """Return the number of pages for a number of questions, at least 1."""
    return max(1, math.ceil(count / PAGE_SIZE))


def on_page(pairs: Sequence[AnswerPair], selection: SampleSelection) -> Sequence[AnswerPair]:
    """Return the questions of the selected page."""
    return pairs[selection.page * PAGE_SIZE : (selection.page + 1) * PAGE_SIZE]


def _range(pairs: Sequence[AnswerPair], selection: SampleSelection) -> str:
    """Return which questions of how many the page shows."""
    if not pairs:
        return trn("{n} question", "{n} questions", 0)
    first = selection.page * PAGE_SIZE
    last = min(first + PAGE_SIZE, len(pairs))
    total = f"{len(pairs):,}"
    return tr("Questions {first}–{last} of {total}", first=first + 1, last=last, total=total)


def _check(name: str, value: str, allowed: Sequence[str] | dict[Any, str]) -> None:
    if value not in allowed:
        names = listed(allowed)
        raise InvalidArgumentError(
            tr("{name}={value}: it is one of {names}", name=name, value=repr(value), names=names)
        )


def _direction(report: ReportData, metric: str) -> float:
    if metric in report.lower_is_better:
        return -1.0
    return 1.0


def _rank(report: ReportData, selection: SampleSelection, pair: AnswerPair) -> float:
    """Return the place of a question in the chosen order; NaN comes last."""
    if selection.order == "regression":
        return pair.gain
    if selection.order == "score":
        return _direction(report, selection.metric) * pair.after.score(selection.metric)
    if selection.order == "latency":
        if pair.after.seconds is None:
            return math.nan
        return -pair.after.seconds
    if selection.order == "length":
        return -len(pair.after.output)
    return 0.0


class SampleControls:
    """The widgets; they share layouts and styles. Handlers run in any thread."""

    def __init__(self, browser: SampleBrowser) -> None:
        self._browser = browser
        self._lock = threading.RLock()
        self._drawing = False

    def build(self) -> Any:
        """Return the widget: title, fields, the buttons of the pages, and the page below them."""
        widgets = PanelWidgets()
        self._head = widgets.html()
        self._page = widgets.html()
        dropdown = partial(widgets.field, "Dropdown")
        sorts = [(tr(words), key) for key, words in SORTS.items()]
        comparisons = _comparison_options(self._browser.report)
        hint = tr("a text, or #3 #17")
        self._filter_box = dropdown(tr("Show"), options=self._filter_options())
        self._sort_box = dropdown(tr("Sort"), options=sorts)
        self._comparison_box = dropdown(tr("Compare"), options=comparisons)
        self._comparison_box.add_class("qf-line")
        self._search_box = widgets.field(
            "Text", tr("Search"), placeholder=hint, continuous_update=False
        )
        self._pick_box = widgets.field("SelectMultiple", tr("Pick"), rows=4)
        self._pick_box.add_class("qf-line")
        self._back = widgets.button(tr("Previous"), lambda _: self._turn(-1))
        self._next = widgets.button(tr("Next"), lambda _: self._turn(1))
        self._filter_box.observe(lambda change: self._choose(show=change["new"]), "value")
        self._sort_box.observe(lambda change: self._choose(order=change["new"]), "value")
        self._search_box.observe(lambda change: self._choose(search=change["new"]), "value")
        self._comparison_box.observe(self._choose_comparison, "value")
        self._pick_box.observe(self._choose_picked, "value")
        fields = [self._filter_box, self._sort_box, self._search_box]
        fields += [self._comparison_box, self._pick_box]
        buttons = [self._back, self._next]
        self._inputs = [*fields, *buttons]
        form = [widgets.box("qf-form", fields), widgets.row(buttons)]
        return widgets.panel([self._head, *form, self._page])

    def draw(self, selection: SampleSelection) -> None:
        """Show a selection; unchanged values are not sent."""
        with self._lock:
            self._drawing = True
            try:
                self._redraw(selection)
            finally:
                self._drawing = False

    def _redraw(self, selection: SampleSelection) -> None:
        browser = self._browser
        pairs = browser.pairs(selection)
        filters = self._filter_options()
        if self._filter_box.options != filters:
            self._filter_box.options = filters
        self._filter_box.value = selection.show
        self._sort_box.value = selection.order
        self._search_box.value = selection.search
        self._comparison_box.value = selection.metric, selection.base, selection.tuned
        self._back.disabled = selection.page == 0
        self._next.disabled = selection.page + 1 >= count_pages(len(pairs))
        options = []
        for pair in on_page(pairs, selection):
            sign = gain_pill(pair.gain, is_failed=pair.is_failed).text
            prompt = one_line(to_plain(pair.before.prompt), 48)
            options.append((f"#{pair.index}  {sign}  {prompt}", pair.index))
        with self._pick_box.hold_sync():
            if self._pick_box.options != tuple(options):
                self._pick_box.options = options
            self._pick_box.value = [index for _, index in options if index in selection.picked]
        self._head.value = browser.head(pairs, selection)
        self._page.value = without_formulas(redact_text(browser.page_html(pairs, selection)))
        for control in self._inputs:
            accept_clicks(control)

    def _filter_options(self) -> tuple[tuple[str, Filter], ...]:
        """Return the filters with the numbers of their questions, whatever is searched for."""
        selection = self._browser.selection
        pairs = self._browser.all_pairs(selection)
        options = []
        for key, words in FILTERS.items():
            count = sum(pair.passes(key, selection.picked) for pair in pairs)
            options.append((f"{tr(words)} {count:,}", key))
        return tuple(options)

    def _turn(self, step: int) -> None:
        self._browser.choose(page=self._browser.selection.page + step)

    def _choose(self, **changes: Any) -> None:
        if not self._drawing:
            self._browser.choose(**changes)

    def _choose_comparison(self, change: Any) -> None:
        metric, base, tuned = change["new"]
        self._choose(metric=metric, base=base, tuned=tuned)

    def _choose_picked(self, change: Any) -> None:
        """Replace the earlier picks of this page; those of other pages stay."""
        removed = {index for _, index in self._pick_box.options} - {*change["new"]}
        picks = dict.fromkeys([*self._browser.selection.picked, *change["new"]])
        self._choose(picked=[index for index in picks if index not in removed])


def _comparison_options(report: ReportData) -> list[tuple[str, tuple[str, str, str]]]:
    """Return the options of the comparison: each metric for each pair of models."""
    pairs = [*combinations(report.models, 2)] or [(model, model) for model in report.models]
    usual = (report.models[0], report.models[-1])
    pairs.sort(key=lambda pair: pair != usual)
    options = []
    for metric in report.metric_names or ("",):
        for pair in pairs:
            words = f"{metric_title(metric)}: {' → '.join(dict.fromkeys(pair))}"
            options.append((to_plain(words), (metric, *pair)))
    return options
