"""`%qfeval list|open|diff|trend`: evaluations of this and earlier kernels."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any, Final, TypeVar

from ..base.language import tr, tr_noop
from . import evaluate_inputs
from .evaluate_parser import PARSER, REPORT_KINDS
from .listing import listing
from .parser import store_variable, user_variables
from .tab_completion import variables_of
from .verb_magic import VerbMagics

T = TypeVar("T")

EMPTY: Final = tr_noop(
    "No evaluation yet: `%qfeval MODEL MODEL --data DATA`, or qfnb.compare(...), makes one."
)


class HistoryVerbs(VerbMagics):
    """The part of `%qfeval` for evaluations on disk."""

    def do_list(self, options: Namespace, words: list[str]) -> Any:
        return listing(_evaluation().history(), tr(EMPTY))

    def do_open(self, options: Namespace, words: list[str]) -> Any:
        report = _evaluation().open_report(words[0] if words else None)
        entry = _evaluation().report.archive.find_entry(report.id)
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.created))
        print(" · ".join(filter(None, [entry.id, created, entry.dataset])))  # noqa: T201 - which one it is
        return self._store(options, report)

    def do_diff(self, options: Namespace, words: list[str]) -> Any:
        earlier, later, *models = [*map(self._report_or_id, words[:2]), None, None][:2] + words[2:]
        if not models:
            pair = None
        else:
            pair = (models[0], models[-1])
        return self._store(options, _evaluation().diff(earlier, later, pair))

    def do_trend(self, options: Namespace, words: list[str]) -> Any:
        from ..charts import trend  # noqa: PLC0415

        models = options.model or [None]
        if len(models) > 1:
            PARSER.error(tr("trend takes one -m MODEL, or none for all"))
        if not words:
            metric = None
        else:
            metric = words[0].lower().replace("-", "_")
        return self._store(options, trend(metric, model=models[0], data=options.data))

    def complete_history(self, verb: str) -> list[str]:
        """Return what Tab offers behind a verb, or behind an id."""
        entries = _evaluation().report.archive.list_entries()
        if verb == "trend":
            return [*dict.fromkeys(name for entry in entries for name in entry.metrics)]
        if verb == "open":
            reports = []
        else:
            reports = variables_of(self, REPORT_KINDS)
        return [*(entry.id for entry in entries), *reports]

    def _report_or_id(self, word: str) -> Any:
        if word in user_variables(self.shell):
            return evaluate_inputs.find_report(self.shell, word)
        return word

    def _store(self, options: Namespace, value: T) -> T:
        """Store a value in the variable of `-o`, if one was given."""
        if options.variable:
            store_variable(self.shell, options.variable, value)
        return value


def _evaluation() -> Any:
    """Return the library's part, which is imported when a verb needs it."""
    from .. import evaluation  # noqa: PLC0415 - %load_ext stays fast

    return evaluation
