"""`qfnb models`, `qfnb usage` and `qfnb doctor`: what is so, as tables or JSON."""

from __future__ import annotations

import time
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

from typer import Argument

from .._command_line import print_table
from ..base.language import tr, tr_noop, trn
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError
from ..notebook.parser import MagicOption
from . import common
from .exit_codes import DONE, FAILED

if TYPE_CHECKING:
    from ..batching.journal_store import JournalSummary

DAY_S: Final = 86_400.0

_TITLES: Final = {
    "id": tr_noop("Model"),
    "kind": tr_noop("Kind"),
    "context": tr_noop("Context"),
    "price_input": tr_noop("Input ¥/1k"),
    "price_output": tr_noop("Output ¥/1k"),
    "status": tr_noop("State"),
}
"""Columns of the table of models."""


_STATUSES: Final = {
    "active": tr_noop("in service"),
    "preview": tr_noop("preview"),
    "retired": tr_noop("ended"),
    "unknown": tr_noop("unknown"),
}


@common.with_options(
    [
        MagicOption("chat, embedding, reranker, text2image, ...", "--kind", "KIND"),
        MagicOption("Also those that have ended.", "--all"),
        MagicOption("Ask the platform now.", "--refresh"),
        common.JSON,
    ]
)
def models(
    name: Annotated[
        str | None, Argument(metavar="NAME", help=tr_noop("Show all facts about one model."))
    ] = None,
    *,
    options: Namespace,
) -> int:
    """Print the models, or one.

    Raises:
        InvalidArgumentError: there is no such model or kind.
    """
    from ..resources.management.listings import models as list_models  # noqa: PLC0415 - `qfnb --help` stays fast

    include_retired = options.all or name is not None
    frame = list_models(options.kind, include_retired=include_retired, refresh=options.refresh)
    rows: list[dict[Any, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if name is not None:
        matches = [row for row in rows if row["id"].lower() == name.lower()]
        if not matches:
            hint = did_you_mean(name, [row["id"] for row in rows])
            raise InvalidArgumentError(
                tr("there is no model {name!r} in the table{hint}", name=name, hint=hint)
            )
        rows = matches[:1]
    if options.as_json:
        common.print_json({"models": rows})
    elif name is not None:
        print_table(
            (tr("Field"), tr("Value")),
            [(key, value) for key, value in rows[0].items() if value not in {None, ""}],
        )
    else:
        cells = [[_format_cell(row[key]) for key in _TITLES] for row in rows]
        cells = [[*row, tr(_STATUSES.get(status, status))] for *row, status in cells]
        print_table([tr(title) for title in _TITLES.values()], cells, numeric={2})
    return DONE


def _format_cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


@common.with_options([MagicOption("Of the last days; 0 for all.", "--days", "N"), common.JSON])
def usage(*, options: Namespace) -> int:
    """Print tokens and cost of the batches of this computer, those of evaluations included.

    Raises:
        InvalidArgumentError: `days` is negative.
    """
    from ..batching.journal_store import list_journals  # noqa: PLC0415

    days = 30 if options.days is None else options.days
    if days < 0:
        raise InvalidArgumentError(tr("--days {days}: it is 0 or more", days=days))
    since = time.time() - days * DAY_S if days else 0.0
    rows = [
        _usage_row(journal)
        for journal in list_journals()
        if journal.updated >= since and journal.counts
    ]
    costs = [row["cost_cny"] for row in rows if row["cost_cny"] is not None]
    totals = {name: sum(row[name] for row in rows) for name in _SUMMED}
    totals |= {"cost_cny": sum(costs), "unknown": len(rows) - len(costs)}
    if options.as_json:
        common.print_json({"batches": rows, **totals})
    else:
        _print_usage(rows, totals)
    return DONE


def _usage_row(journal: JournalSummary) -> dict[str, Any]:
    """Return the use of a batch; None where a price or a count is unknown, 0 in the sandbox."""
    counts = journal.counts
    assert counts is not None
    return {
        "name": journal.name,
        "updated": time.strftime("%Y-%m-%d %H:%M", time.localtime(journal.updated)),
        "model": journal.model,
        "platform": journal.platform,
        "rows": counts.rows,
        "succeeded": counts.ok,
        "failed": counts.failed,
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "uncounted": counts.uncounted,
        "cost_low_cny": counts.cost_low if counts.cost is not None else None,
        "cost_cny": counts.cost,
    }


_USAGE_HEADS: Final = {
    "name": tr_noop("Batch"),
    "updated": tr_noop("Last change"),
    "model": tr_noop("Model"),
    "succeeded": tr_noop("Succeeded"),
    "failed": tr_noop("Failed"),
    "prompt_tokens": tr_noop("Tokens in"),
    "completion_tokens": tr_noop("Tokens out"),
}


_SUMMED: Final = ("prompt_tokens", "completion_tokens")


def _print_usage(rows: list[dict[str, Any]], totals: dict[str, Any]) -> None:
    from ..views import formats  # noqa: PLC0415
    from ..wire.prices import PriceRange  # noqa: PLC0415

    cells = []
    for row in rows:
        cost = None
        if row["cost_cny"] is not None:
            cost = PriceRange(row["cost_low_cny"], row["cost_cny"])
        shown = formats.cost(cost, is_free=row["platform"] == "sandbox")
        cells.append([*(_format_cell(row[name]) for name in _USAGE_HEADS), shown])
    heads = [tr(head) for head in (*_USAGE_HEADS.values(), tr_noop("Cost"))]
    print_table(heads, cells, numeric={3, 4, 5, 6, 7})
    total = formats.cost(PriceRange(totals["cost_cny"], totals["cost_cny"]))
    tokens = f"{sum(totals[name] for name in _SUMMED):,}"
    if all(row["platform"] == "sandbox" for row in rows):
        common.say(tr("Together: {tokens} tokens, free in the sandbox.", tokens=tokens))
    else:
        common.say(
            tr("Together: {tokens} tokens, {cost} by list price.", tokens=tokens, cost=total)
        )
    if totals["unknown"]:
        common.say(
            trn(
                "The cost of {n} batch is unknown and not in the sum.",
                "The cost of {n} batches is unknown and not in the sum.",
                totals["unknown"],
            )
        )
    common.say(
        tr(
            "Counted are batches and evaluations of this computer; single chats and trainings are "
            "not recorded here."
        )
    )


@common.with_options([MagicOption("Do not ask the platform.", "--offline"), common.JSON])
def doctor(*, options: Namespace) -> int:
    """Print the report of `doctor`; return 1 where something is bad, else 0."""
    from .. import doctor as examination  # noqa: PLC0415

    findings = examination.examine(reach=not options.offline)
    if options.as_json:
        common.print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        print(examination.report(findings))
    if any(finding.state == "bad" for finding in findings):
        return FAILED
    return DONE
