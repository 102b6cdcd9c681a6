"""A report as a file that can be sent: no network, no active content, no secrets."""

from __future__ import annotations

import importlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..._jsonl_csv_parquet import excel_cell, import_openpyxl
from ...base.language import tr
from ...base.private_files import write_atomically
from ...base.text import is_missing
from ...errors import InvalidArgumentError
from ..evaluator import PairVerdict
from ..records import record_report, validate_report_path
from ..samples import Sample
from . import sources, text
from .data import SANDBOX, ReportData
from .judging import judge_lines
from .text import redact_text, to_markdown, to_plain, to_sheet_text

if TYPE_CHECKING:
    import pandas as pd


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV that Excel opens as text."""
    cells = frame.map(_csv_cell).rename(columns=to_sheet_text)
    return cells.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def _csv_cell(value: Any) -> Any:
    return value if is_missing(value) or isinstance(value, (int, float)) else to_sheet_text(value)


def write_workbook(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Return an .xlsx file; a text that begins like a formula stays a text.

    Raises:
        InvalidArgumentError: openpyxl is not installed.
    """
    book = import_openpyxl().Workbook(write_only=True)
    for name, frame in tables.items():
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        sheet.append([_excel_cell(sheet, column) for column in frame.columns])
        for row in frame.itertuples(index=False, name=None):
            sheet.append([_excel_cell(sheet, value) for value in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _excel_cell(sheet: Any, value: Any) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, (bool, int, float)):
        return value
    return excel_cell(sheet, to_plain(value))


SUMMARY_COLUMNS: Final = (
    "model", "metric", "n", "total", "failed", "mean", "ci_low", "ci_high", "worst", "best",
    "method",
)  # fmt: skip
PAIR_COLUMNS: Final = (
    "metric", "baseline", "candidate", "difference", "ci_low", "ci_high", "ci_level", "p_holm",
    "wins", "losses",
    "ties", "verdict",
)  # fmt: skip
"""The columns of the Markdown tables; the DataFrames have more."""


JSON_VERSION: Final = 1
JSON_TABLES: Final = ("summary", "pairs", "usage")
"""Tables that are written for other readers, and computed anew when a report is loaded."""

PLAIN_FIELDS: Final = ("platform", "cluster", "recipes", "summaries")
LATER_FIELDS: Final = (
    "cells", "prompts", "ks", "judges", "dataset", "counting", "benchmark",
)  # fmt: skip
"""Fields that are written as they are, under their own names; the later ones are not in older
files.
"""

_PAGE: Final = "qfnb.views.evaluation.report"  # by name: what draws is a layer above


class Findings:
    """What a report shows, in lines of text; `report` is the report that they are of."""

    report: ReportData

    def lines(self) -> list[str]:
        """Return the findings as lines of text."""
        raise NotImplementedError

    def save(self, path: str | Path) -> Path:
        """Write the findings and their report to a .html, .md, .csv, .xlsx or .json file; return
        its path.
        """
        return save_report(self.report, path, self.lines())

    def __repr__(self) -> str:
        return "\n".join(sources.with_sources(self.report, self.lines()))


def save_report(report: ReportData, path: str | Path, lead: Sequence[str] = ()) -> Path:
    """Write a report in the format of the path's suffix, after some lines; return the path.

    Raises:
        InvalidArgumentError: the suffix is unknown, or the file cannot be written.
    """
    target = Path(path).expanduser()
    validate_report_path(target)
    match target.suffix.lower():
        case ".html":
            content = importlib.import_module(_PAGE).render_page(report, lead).encode()
        case ".md":
            content = render_markdown(report, lead).encode()
        case ".csv":
            content = to_csv(_with_origins(report, report.samples))
        case ".xlsx":
            content = write_workbook(_workbook_tables(report))
        case _:
            content = to_json(report).encode()
    with write_atomically(target) as file:
        file.write(content)
    record_report(target, report.models)
    return target


def _with_origins(report: ReportData, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of a report with the columns that its numbers need to be cited: origin, recipe
    and coverage.

    Columns, since pandas reads them back as they are; a comment line it would take for the header.
    """
    coverage = {}
    for score in report.model_scores:
        coverage[score.model, score.metric] = f"{score.metric} {score.n}/{score.total}"
    platforms = dict(report.origins) | dict.fromkeys(
        report.sandbox_models, tr(sources.SANDBOX_MARK)
    )
    origins = []
    recipes = []
    counts = []
    for row in frame.to_dict("records"):
        models = [row[name] for name in ("model", "baseline", "candidate") if name in row]
        names = report.metric_names if "output" in row else ()
        metrics = [row["metric"]] if "metric" in row else names
        row_recipes = []
        row_counts = []
        for name in metrics:
            row_recipes.append(f"{name}: {report.recipes.get(name, name)}")
            row_counts += [coverage[model, name] for model in models]
        origins.append("; ".join(dict.fromkeys(platforms.get(model, "") for model in models)))
        recipes.append("; ".join(row_recipes))
        counts.append("; ".join(row_counts))
    table = frame.assign(report_origin=origins)
    if any(recipes):
        return table.assign(report_recipe=recipes, report_coverage=counts)
    return table


def _workbook_tables(report: ReportData) -> dict[str, pd.DataFrame]:
    """Return the tables of a workbook: those of the report, with the origin of their numbers, and
    its notes.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    tables = {}
    for name in ("summary", "pairs", "repeats", "usage", "averages", "samples"):
        table = getattr(report, name)
        if len(table) or name == "samples":
            tables[name] = _with_origins(report, table)
    notes = sources.with_sources(report, [])
    if notes:
        tables["notes"] = pd.DataFrame({"notes": notes})
    return tables


def render_markdown(report: ReportData, lead: Sequence[str] = ()) -> str:
    """Return conclusion, tables and footnotes as Markdown."""
    lines = lead or text.conclusion(report).splitlines()
    heading = sources.with_mark(text.report_title(report), report)
    blocks = [f"# {to_markdown(heading)}", *map(to_markdown, lines)]
    blocks.append(_markdown_table(report.summary[[*SUMMARY_COLUMNS]]))
    if len(report.pairs):
        blocks.append(_markdown_table(report.pairs[[*PAIR_COLUMNS]]))
    for table in (report.repeats, report.averages, report.usage):
        if len(table):
            blocks.append(_markdown_table(table))
    footnotes = [*judge_lines(report), *sources.footnote_lines(report)]
    blocks.append("\n".join(f"- {to_markdown(line)}" for line in footnotes))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _markdown_table(frame: pd.DataFrame) -> str:
    cells = frame.map(lambda value: to_markdown(text.format_cell(value)))
    rows = [[*map(to_markdown, frame.columns)], ["---"] * len(frame.columns), *cells.to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def to_json(report: ReportData) -> str:
    """Return everything of a report, secrets left out."""
    tables = {name: getattr(report, name).to_dict("records") for name in JSON_TABLES}
    return dump_json(to_document(report) | tables)


def to_document(report: ReportData) -> dict[str, Any]:
    """Return a report without its tables, as values of JSON once `dump_json` has written it.

    The keys are those of files on users' disks; they stay when a field gets another name.
    """
    return {
        "qfnb": JSON_VERSION,
        "type": "Report",
        "models": report.models,
        "names": report.metric_names,
        "scales": report.scales,
        "lower": sorted(report.lower_is_better),
        "notes": report.notes,
        "origins": report.origins,
        **{name: getattr(report, name) for name in (*PLAIN_FIELDS, *LATER_FIELDS)},
        "verdicts": [asdict(verdict) for verdict in report.verdicts],
        "samples": [sample.to_dict() for sample in report.records],
    }


def dump_json(document: Mapping[str, Any]) -> str:
    """Return a document as JSON without NaN and without secrets."""
    return json.dumps(_sanitize(document), ensure_ascii=False, allow_nan=False, default=str)


def from_json(text: str) -> dict[str, Any]:
    """Return the fields of the report that `to_json` wrote.

    Raises:
        InvalidArgumentError: the text is not such a report.
    """
    try:
        document = json.loads(text)
        if document["type"] != "Report" or document["qfnb"] > JSON_VERSION:
            raise ValueError(document["type"])
        fields = {name: document[name] for name in PLAIN_FIELDS}
        fields |= {name: document[name] for name in LATER_FIELDS if name in document}
        return fields | {
            "records": tuple(map(Sample.from_dict, document["samples"])),
            "models": tuple(document["models"]),
            "metric_names": tuple(document["names"]),
            "scales": {name: tuple(scale) for name, scale in document["scales"].items()},
            "lower_is_better": frozenset(document["lower"]),
            "notes": tuple(document["notes"]),
            "origins": document["origins"] if "origins" in document else _infer_origins(document),
            "cells": {label: tuple(cell) for label, cell in document.get("cells", {}).items()},
            "ks": tuple(document.get("ks", ())),
            "verdicts": tuple(map(PairVerdict.from_dict, document.get("verdicts", ()))),
            "counting": document.get("counting", document["recipes"]),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidArgumentError(
            tr("this is not a report written by Report.save('x.json')")
        ) from None


def _infer_origins(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the origins of a report whose file has only notes of them, as files of version
    0.1.0.
    """
    if any(" sandbox, batch " in note for note in document["notes"]):
        return dict.fromkeys(document["models"], SANDBOX)
    return {}


def _sanitize(value: Any) -> Any:
    """Return a value without NaN and without secrets."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(key): _sanitize(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [*map(_sanitize, value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
