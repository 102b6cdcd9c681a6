"""The samples of a report to look through: filter, sort, search, two answers side by side, pick rows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any, Final

from ..evaluation.card import Card
from ..evaluation.report import EvaluationResult
from . import stopping
from .display import Live
from .sample_pages import (
    FILTERS,
    SORTS,
    Choice,
    Filter,
    Pages,
    Sort,
    bundle,
    first_choice,
    html,
    pages_of,
    text,
)

LIVE: Final = "▶ 可操作 live"
STATIC: Final = "■ 关闭，留下静态页 close, leave it static"
LINE: Final = "qfnb-samples"
_STYLE: Final = f"<style>.{LINE} {{ flex: 1 0 100% }}</style>"
"""The page has a line of its own among controls that wrap; a second layout would be one model more."""


def browse(report: EvaluationResult | Card) -> SampleBrowser:
    """Return the samples of a report to look through; as the last value of a cell it shows itself.

    `.rows` are the places of the questions that were picked, or of all that are shown when none is:
    `report.to_dpo(view.rows)`.
    """
    return SampleBrowser(report.report if isinstance(report, Card) else report)


class SampleBrowser:
    """A page of samples with its controls; static where nobody is there to use them, and after `close`."""

    def __init__(self, report: EvaluationResult) -> None:
        self.report = report
        self.pages = Pages(report)
        self.choice = first_choice(report)
        self._live: Live | None = None
        self._desk: Desk | None = None

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
        places = None if picked is None else tuple(picked)
        given: dict[str, Any] = {"show": show, "order": order, "search": search, "metric": metric}
        given |= {"base": base, "tuned": tuned, "page": page, "picked": places}
        changes = {name: value for name, value in given.items() if value is not None}
        restart = {} if changes.keys() <= {"picked", "page"} else {"page": 0}
        self.choice = self.pages.checked(replace(self.choice, **{**restart, **changes}))
        if self._live is not None:
            self._live.update(self.choice)
        return self

    def show(self) -> None:
        """Display it in the current cell; what was displayed before becomes static."""
        self.close()
        self._desk = desk = Desk(self)
        final = partial(bundle, self.pages)
        draw = lambda _, choice: desk.draw(choice)  # noqa: E731 - one expression
        self._live = live = Live(self.choice, widget=desk.build, draw=draw, final=final)
        if live.mode != "live":
            self._live = None
            live.finish(self.choice)

    def close(self) -> None:
        """Leave a page that does not move."""
        live, self._live, self._desk = self._live, None, None
        if live is not None:
            live.finish(self.choice)

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        return text(self.pages, self.pages.pairs(self.choice), self.choice)


class Desk:
    """The controls; twelve models in all, since they share layout and style. Handlers run in any thread."""

    def __init__(self, browser: SampleBrowser) -> None:
        self._browser = browser
        self._lock = threading.RLock()
        self._drawing = False

    def build(self) -> Any:
        """Return the widget: controls in a row that wraps, and the page below them."""
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now

        layout = ipywidgets.Layout(width="auto", max_width="100%", flex_flow="row wrap")
        self._page = ipywidgets.HTML(layout=layout)
        self._page.add_class(LINE)
        look = {"layout": layout, "style": ipywidgets.Text.style.klass(description_width="initial")}
        drop = partial(ipywidgets.Dropdown, **look)
        self._show = drop(description="显示 show", options=[(said, key) for key, said in FILTERS.items()])
        self._order = drop(description="排序 sort", options=[(said, key) for key, said in SORTS.items()])
        self._what = drop(description="比较 compare", options=_comparisons(self._browser.report))
        self._search = ipywidgets.Text(description="搜索 search", continuous_update=False, **look)
        self._number = ipywidgets.BoundedIntText(min=1, max=1, description="页 page", **look)
        self._state = drop(description="页面 view", options=[LIVE, STATIC])
        self._pick = ipywidgets.SelectMultiple(description="选 pick", rows=5, **look)
        self._listen()
        controls = [self._show, self._order, self._what, self._search, self._number, self._state]
        return ipywidgets.Box([*controls, self._pick, self._page], layout=layout)

    def draw(self, choice: Choice) -> None:
        """Show a choice; what has not changed is not sent."""
        with self._lock:
            self._drawing = True
            try:
                self._draw(choice)
            finally:
                self._drawing = False

    def _draw(self, choice: Choice) -> None:
        pages = self._browser.pages
        pairs = pages.pairs(choice)
        last, here = pages_of(len(pairs)), pages.on_page(pairs, choice)
        self._show.value, self._order.value, self._search.value = choice.show, choice.order, choice.search
        self._what.value = choice.metric, choice.base, choice.tuned
        with self._number.hold_sync():
            self._number.description = f"页 page (1–{last})"
            self._number.max = last
            self._number.value = choice.page + 1
        options = tuple((pages.option(pair), pair.before.index) for pair in here)
        with self._pick.hold_sync():
            if self._pick.options != options:
                self._pick.options = options
            self._pick.value = tuple(place for _, place in options if place in choice.picked)
        self._page.value = _STYLE + html(pages, pairs, choice)
        for control in (
            self._show,
            self._order,
            self._what,
            self._search,
            self._number,
            self._pick,
            self._state,
        ):
            stopping.let_in(control)

    def _listen(self) -> None:
        self._show.observe(lambda change: self._told(show=change["new"]), "value")
        self._order.observe(lambda change: self._told(order=change["new"]), "value")
        self._search.observe(lambda change: self._told(search=change["new"]), "value")
        self._number.observe(lambda change: self._told(page=change["new"] - 1), "value")
        self._what.observe(self._compare, "value")
        self._pick.observe(self._picked, "value")
        self._state.observe(lambda change: self._browser.close(), "value")

    def _told(self, **changes: Any) -> None:
        if not self._drawing:
            self._browser.choose(**changes)

    def _compare(self, change: Any) -> None:
        metric, base, tuned = change["new"]
        self._told(metric=metric, base=base, tuned=tuned)

    def _picked(self, change: Any) -> None:
        """Take the page's picks over the earlier ones; those of other pages stay."""
        here = {place for _, place in self._pick.options}
        kept = [place for place in self._browser.choice.picked if place not in here or place in change["new"]]
        self._told(picked=tuple(dict.fromkeys([*kept, *change["new"]])))


def _comparisons(report: EvaluationResult) -> list[tuple[str, tuple[str, str, str]]]:
    """Return what can be compared: each metric for each two models."""
    pairs = [*combinations(report.models, 2)] or [(model, model) for model in report.models]
    first, last = report.models[0], report.models[-1]
    pairs.sort(key=lambda pair: pair != (first, last))
    return [
        (f"{metric}: {a} → {b}" if a != b else f"{metric}: {a}", (metric, a, b))
        for metric in report.names or ("",)
        for a, b in pairs
    ]
