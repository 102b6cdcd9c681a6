"""`qfnb models` and `qfnb doctor`: what is so, as tables or JSON."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import Any, Final

from .._command_line import DONE, FAILED, Command, Word, print_table
from ..base.language import tr, tr_noop
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError
from ..notebook.parser import MagicOption
from . import common

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


def show_models(options: Namespace) -> int:
    """Print the models, or one.

    Raises:
        InvalidArgumentError: there is no such model or kind.
    """
    from ..resources.management.listings import models  # noqa: PLC0415 - `qfnb --help` stays fast

    name: str | None = options.name
    include_retired = options.all or name is not None
    frame = models(options.kind, include_retired=include_retired, refresh=options.refresh)
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


def show_report(options: Namespace) -> int:
    """Print the report of `doctor`; return 1 where something is bad, else 0."""
    from .. import doctor  # noqa: PLC0415

    findings = doctor.examine(reach=not options.offline)
    if options.as_json:
        common.print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        print(doctor.report(findings))
    if any(finding.state == "bad" for finding in findings):
        return FAILED
    return DONE


MODELS = Command(
    show_models,
    [
        MagicOption("chat, embedding, reranker, text2image, ...", "--kind", "KIND"),
        MagicOption("Also those that have ended.", "--all"),
        MagicOption("Ask the platform now.", "--refresh"),
        common.JSON,
    ],
    [Word("name", "NAME", tr_noop("Show all facts about one model."), "?")],
)
DOCTOR = Command(show_report, [MagicOption("Do not ask the platform.", "--offline"), common.JSON])
