"""The samples of a report to look through: filter, sort, search, two answers side by side, pick rows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any, Final

from ...evaluation.report.card import Card
from ...evaluation.report.data import ReportData
from .. import stop_button
from ..display import LiveOutput
from .sample_table import (
    FILTERS,
    SORTS,
    Filter,
    SamplePages,
    SampleSelection,
    Sort,
    bundle,
    count_pages,
    default_selection,
    html,
    text,
)

LIVE: Final = "▶ 可操作 live"
STATIC: Final = "■ 关闭，留下静态页 close, leave it static"
CSS_CLASS: Final = "qfnb-samples"
_STYLE: Final = f"<style>.{CSS_CLASS} {{ flex: 1 0 100% }}</style>"
"""The page has a line of its own among controls that wrap; a second layout would be one model more."""


def browse(report: ReportData | Card) -> SampleBrowser:
    """Return the samples of a report to look through; as the last value of a cell it shows itself.

    `.rows` are the places of the questions that were picked, or of all that are shown when none is:
    `report.to_dpo(view.rows)`.
    """
    return SampleBrowser(report.report if isinstance(report, Card) else report)


class SampleBrowser:
    """A page of samples with its controls; static where nobody is there to use them, and after `close`."""

    def __init__(self, report: ReportData) -> None:
        self.report = report
        self.pages = SamplePages(report)
        self.choice = default_selection(report)
        self._live: LiveOutput | None = None
        self._controls: SampleControls | None = None

    @property
    def rows(self) -> list[int]:
        """Places of the questions that were picked; of all that are shown, in that order, when none is."""
        return [*self.choice.picked] or [pair.before.index for pair in self.pages.pairs(self.choice)]

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
        """Show something else; what is not given stays, and a new choice begins at its first page.

        Args:
            show: all, regressed, improved, changed, failed or picked.
            order: regression, score, latency, length or place.
            search: what question, reference or one of the answers has in it; or places, `#3 #17`.
            metric: by which metric.
            base: the model that is compared with.
            tuned: the other one.
            page: from 0.
            picked: places of the questions that are picked.

        Raises:
            InvalidArgumentError: there is no such filter, order, metric or model.
        """
        picked_indexes = None if picked is None else tuple(picked)
        options: dict[str, Any] = {"show": show, "order": order, "search": search, "metric": metric}
        options |= {"base": base, "tuned": tuned, "page": page, "picked": picked_indexes}
        changes = {name: value for name, value in options.items() if value is not None}
        page_reset = {} if changes.keys() <= {"picked", "page"} else {"page": 0}
        self.choice = self.pages.validate(replace(self.choice, **{**page_reset, **changes}))
        if self._live is not None:
            self._live.update(self.choice)
        return self

    def show(self) -> None:
        """Display it in the current cell; what was displayed before becomes static."""
        self.close()
        self._controls = controls = SampleControls(self)
        final = partial(bundle, self.pages)
        draw = lambda _, choice: controls.draw(choice)  # noqa: E731 - one expression
        self._live = live = LiveOutput(self.choice, widget=controls.build, draw=draw, final=final)
        if live.mode != "live":
            self._live = None
            live.finish(self.choice)

    def close(self) -> None:
        """Leave a page that does not move."""
        live, self._live, self._controls = self._live, None, None
        if live is not None:
            live.finish(self.choice)

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        return text(self.pages, self.pages.pairs(self.choice), self.choice)


class SampleControls:
    """The controls; twelve models in all, since they share layout and style. Handlers run in any thread."""

    def __init__(self, browser: SampleBrowser) -> None:
        self._browser = browser
        self._lock = threading.RLock()
        self._drawing = False

    def build(self) -> Any:
        """Return the widget: controls in a row that wraps, and the page below them."""
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now

        layout = ipywidgets.Layout(width="auto", max_width="100%", flex_flow="row wrap")
        self._page_html = ipywidgets.HTML(layout=layout)
        self._page_html.add_class(CSS_CLASS)
        text_style = {"layout": layout, "style": ipywidgets.Text.style.klass(description_width="initial")}
        dropdown = partial(ipywidgets.Dropdown, **text_style)
        self._filter_box = dropdown(
            description="显示 show", options=[(label, key) for key, label in FILTERS.items()]
        )
        self._sort_box = dropdown(
            description="排序 sort", options=[(label, key) for key, label in SORTS.items()]
        )
        self._comparison_box = dropdown(
            description="比较 compare", options=_comparison_options(self._browser.report)
        )
        self._search_box = ipywidgets.Text(description="搜索 search", continuous_update=False, **text_style)
        self._page_box = ipywidgets.BoundedIntText(min=1, max=1, description="页 page", **text_style)
        self._state_box = dropdown(description="页面 view", options=[LIVE, STATIC])
        self._pick_box = ipywidgets.SelectMultiple(description="选 pick", rows=5, **text_style)
        self._observe()
        controls = [
            self._filter_box,
            self._sort_box,
            self._comparison_box,
            self._search_box,
            self._page_box,
            self._state_box,
        ]
        return ipywidgets.Box([*controls, self._pick_box, self._page_html], layout=layout)

    def draw(self, choice: SampleSelection) -> None:
        """Show a choice; what has not changed is not sent."""
        with self._lock:
            self._drawing = True
            try:
                self._redraw(choice)
            finally:
                self._drawing = False

    def _redraw(self, choice: SampleSelection) -> None:
        pages = self._browser.pages
        pairs = pages.pairs(choice)
        page_count, page_pairs = count_pages(len(pairs)), pages.on_page(pairs, choice)
        self._filter_box.value, self._sort_box.value, self._search_box.value = (
            choice.show,
            choice.order,
            choice.search,
        )
        self._comparison_box.value = choice.metric, choice.base, choice.tuned
        with self._page_box.hold_sync():
            self._page_box.description = f"页 page (1–{page_count})"
            self._page_box.max = page_count
            self._page_box.value = choice.page + 1
        options = tuple((pages.option_label(pair), pair.before.index) for pair in page_pairs)
        with self._pick_box.hold_sync():
            if self._pick_box.options != options:
                self._pick_box.options = options
            self._pick_box.value = tuple(index for _, index in options if index in choice.picked)
        self._page_html.value = _STYLE + html(pages, pairs, choice)
        for control in (
            self._filter_box,
            self._sort_box,
            self._comparison_box,
            self._search_box,
            self._page_box,
            self._pick_box,
            self._state_box,
        ):
            stop_button.accept_clicks(control)

    def _observe(self) -> None:
        self._filter_box.observe(lambda change: self._choose(show=change["new"]), "value")
        self._sort_box.observe(lambda change: self._choose(order=change["new"]), "value")
        self._search_box.observe(lambda change: self._choose(search=change["new"]), "value")
        self._page_box.observe(lambda change: self._choose(page=change["new"] - 1), "value")
        self._comparison_box.observe(self._choose_comparison, "value")
        self._pick_box.observe(self._choose_picked, "value")
        self._state_box.observe(lambda change: self._browser.close(), "value")

    def _choose(self, **changes: Any) -> None:
        if not self._drawing:
            self._browser.choose(**changes)

    def _choose_comparison(self, change: Any) -> None:
        metric, base, tuned = change["new"]
        self._choose(metric=metric, base=base, tuned=tuned)

    def _choose_picked(self, change: Any) -> None:
        """Take the page's picks over the earlier ones; those of other pages stay."""
        page_indexes = {index for _, index in self._pick_box.options}
        other_picks = [
            index
            for index in self._browser.choice.picked
            if index not in page_indexes or index in change["new"]
        ]
        self._choose(picked=tuple(dict.fromkeys([*other_picks, *change["new"]])))


def _comparison_options(report: ReportData) -> list[tuple[str, tuple[str, str, str]]]:
    """Return what can be compared: each metric for each two models."""
    pairs = [*combinations(report.models, 2)] or [(model, model) for model in report.models]
    first, last = report.models[0], report.models[-1]
    pairs.sort(key=lambda pair: pair != (first, last))
    return [
        (f"{metric}: {a} → {b}" if a != b else f"{metric}: {a}", (metric, a, b))
        for metric in report.metric_names or ("",)
        for a, b in pairs
    ]
