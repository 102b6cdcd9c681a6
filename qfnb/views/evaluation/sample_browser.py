"""A browser for the samples of a report: filter, sort, search, two answers side by side, pick
rows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...evaluation.report.card import Card
from ...evaluation.report.data import ReportData
from ...evaluation.report.text import metric_title, redact_text, to_plain
from ..controls import PanelWidgets
from ..display import LiveOutput, accept_clicks
from ..text import without_formulas
from . import sample_table as table


def browse(report: ReportData | Card[Any]) -> SampleBrowser:
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


class SampleBrowser:
    """A page of samples with its controls; static in a notebook without a user, and after
    `close`.
    """

    def __init__(self, report: ReportData) -> None:
        self.report = report
        self.pages = table.SamplePages(report)
        self.selection = table.default_selection(report)
        self._live: LiveOutput | None = None
        self._controls: SampleControls | None = None

    @property
    def rows(self) -> list[int]:
        """Indexes of the picked questions; of all shown ones, in their order, when none is
        picked.
        """
        return [*self.selection.picked] or [
            pair.before.index for pair in self.pages.pairs(self.selection)
        ]

    def choose(
        self,
        *,
        show: table.Filter | None = None,
        order: table.Sort | None = None,
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
        if picked is None:
            picked_indexes = None
        else:
            picked_indexes = tuple(picked)
        options: dict[str, Any] = {"show": show, "order": order, "search": search, "metric": metric}
        options |= {"base": base, "tuned": tuned, "page": page, "picked": picked_indexes}
        changes = {name: value for name, value in options.items() if value is not None}
        if changes.keys() <= {"picked", "page"}:
            page_reset = {}
        else:
            page_reset = {"page": 0}
        self.selection = self.pages.validate(replace(self.selection, **{**page_reset, **changes}))
        if self._live is not None:
            self._live.update(self.selection)
        return self

    def show(self) -> None:
        """Display the browser in the current cell; an earlier display of it becomes static."""
        self.close()
        self._controls = controls = SampleControls(self)
        final = partial(table.bundle, self.pages)
        draw = lambda _, selection: controls.draw(selection)  # noqa: E731 - one expression
        self._live = live = LiveOutput(
            self.selection, widget=controls.build, draw=draw, final=final, go_on=None
        )
        if live.mode != "live":
            self._live = None
            live.finish(self.selection)

    def close(self) -> None:
        """Replace the controls by a static page."""
        live = self._live
        self._live = None
        self._controls = None
        if live is not None:
            live.finish(self.selection)

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        return table.text(self.pages, self.pages.pairs(self.selection), self.selection)


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
        self._filter_box = dropdown(tr("Show"), options=self._filter_options())
        self._sort_box = dropdown(
            tr("Sort"), options=[(tr(words), key) for key, words in table.SORTS.items()]
        )
        self._comparison_box = dropdown(
            tr("Compare"), options=_comparison_options(self._browser.report)
        )
        self._search_box = widgets.field(
            "Text", tr("Search"), placeholder=tr("a text, or #3 #17"), continuous_update=False
        )
        self._pick_box = widgets.field("SelectMultiple", tr("Pick"), rows=4)
        self._pick_box.add_class("qf-line")
        self._back = widgets.button(tr("Previous"), lambda _: self._turn(-1))
        self._next = widgets.button(tr("Next"), lambda _: self._turn(1))
        self._observe()
        fields = [
            self._filter_box,
            self._sort_box,
            self._comparison_box,
            self._search_box,
            self._pick_box,
        ]
        buttons = [self._back, self._next]
        self._inputs = [*fields, *buttons]
        form = [widgets.box("qf-form", fields), widgets.row(buttons)]
        return widgets.panel([self._head, *form, self._page])

    def draw(self, selection: table.SampleSelection) -> None:
        """Show a selection; unchanged values are not sent."""
        with self._lock:
            self._drawing = True
            try:
                self._redraw(selection)
            finally:
                self._drawing = False

    def _redraw(self, selection: table.SampleSelection) -> None:
        pages = self._browser.pages
        pairs = pages.pairs(selection)
        page_count = table.count_pages(len(pairs))
        page_pairs = pages.on_page(pairs, selection)
        if self._filter_box.options != (filters := tuple(self._filter_options())):
            self._filter_box.options = filters
        self._filter_box.value = selection.show
        self._sort_box.value = selection.order
        self._search_box.value = selection.search
        self._comparison_box.value = selection.metric, selection.base, selection.tuned
        self._back.disabled = selection.page == 0
        self._next.disabled = selection.page + 1 >= page_count
        options = tuple((pages.option_label(pair), pair.before.index) for pair in page_pairs)
        with self._pick_box.hold_sync():
            if self._pick_box.options != options:
                self._pick_box.options = options
            self._pick_box.value = tuple(index for _, index in options if index in selection.picked)
        self._head.value = table.head(pages.report, pairs, selection)
        self._page.value = without_formulas(redact_text(table.html(pages, pairs, selection)))
        for control in self._inputs:
            accept_clicks(control)

    def _filter_options(self) -> list[tuple[str, table.Filter]]:
        """Return the filters with the numbers of their questions."""
        pages = self._browser.pages
        selection = self._browser.selection
        return [
            (f"{tr(words)} {pages.count(key, selection):,}", key)
            for key, words in table.FILTERS.items()
        ]

    def _turn(self, step: int) -> None:
        self._browser.choose(page=self._browser.selection.page + step)

    def _observe(self) -> None:
        self._filter_box.observe(lambda change: self._choose(show=change["new"]), "value")
        self._sort_box.observe(lambda change: self._choose(order=change["new"]), "value")
        self._search_box.observe(lambda change: self._choose(search=change["new"]), "value")
        self._comparison_box.observe(self._choose_comparison, "value")
        self._pick_box.observe(self._choose_picked, "value")

    def _choose(self, **changes: Any) -> None:
        if not self._drawing:
            self._browser.choose(**changes)

    def _choose_comparison(self, change: Any) -> None:
        metric, base, tuned = change["new"]
        self._choose(metric=metric, base=base, tuned=tuned)

    def _choose_picked(self, change: Any) -> None:
        """Replace the earlier picks of this page; those of other pages stay."""
        page_indexes = {index for _, index in self._pick_box.options}
        other_picks = [
            index
            for index in self._browser.selection.picked
            if index not in page_indexes or index in change["new"]
        ]
        self._choose(picked=tuple(dict.fromkeys([*other_picks, *change["new"]])))


def _comparison_options(report: ReportData) -> list[tuple[str, tuple[str, str, str]]]:
    """Return the options of the comparison: each metric for each pair of models."""
    pairs = [*combinations(report.models, 2)] or [(model, model) for model in report.models]
    first = report.models[0]
    last = report.models[-1]
    pairs.sort(key=lambda pair: pair != (first, last))
    return [
        (
            to_plain(
                f"{metric_title(metric)}: {a} → {b}" if a != b else f"{metric_title(metric)}: {a}"
            ),
            (metric, a, b),
        )
        for metric in report.metric_names or ("",)
        for a, b in pairs
    ]
