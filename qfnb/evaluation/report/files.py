"""A report as a file that can be sent: no network, no active content, no secrets."""

from __future__ import annotations

import csv
import importlib
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..._jsonl_csv_parquet import excel_cell, import_openpyxl
from ...base.language import tr
from ...base.private_files import write_atomically
from ...base.text import is_missing
from ...errors import InvalidArgumentError
from ..judges.verdicts import PairVerdict
from ..records import record_report, validate_report_path
from ..samples import Sample
from . import sources, text
from .averages import averages_frame, report_averages
from .data import SANDBOX, ReportData
from .judging import judge_lines
from .text import redact_text, to_markdown, to_plain, to_sheet_text

if TYPE_CHECKING:
    import pandas as pd


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV that Excel opens as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([to_sheet_text(name) for name in frame.columns])
    writer.writerows(
        [_csv_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)
    )
    return b"\xef\xbb\xbf" + buffer.getvalue().encode()


def _csv_cell(value: Any) -> Any:
    if is_missing(value):
        return ""
    if isinstance(value, (int, float)):
        return value
    return to_sheet_text(value)


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
    "cells",
    "prompts",
    "ks",
    "judges",
    "dataset",
    "counting",
    "compared",
    "benchmark",
)
"""Fields that are written as they are, under their own names; the later ones are not in older
files.
"""

_PAGE: Final = "qfnb.views.evaluation.report"  # by name: what draws is a layer above


class HasPicture(Protocol):
    """A picture for an HTML report, such as a chart."""

    @property
    def png(self) -> bytes:
        """The picture."""
        ...

    @property
    def alt(self) -> str:
        """What it shows in words."""
        ...

    def captions(self) -> list[str]:
        """Return the lines below it."""
        ...


@dataclass(frozen=True)
class ReportPicture:
    """A picture for an HTML report: a PNG, and what it shows in words."""

    png: bytes
    alt: str

    def captions(self) -> list[str]:
        """Return the lines below it."""
        return []


def save_report(
    report: ReportData, path: Path, pictures: Iterable[HasPicture] = (), lead: Sequence[str] = ()
) -> Path:
    """Write a report in the format of the path's suffix; return the path.

    Raises:
        InvalidArgumentError: the suffix is unknown, or the file cannot be written.
    """
    validate_report_path(path)
    writers: dict[str, Callable[[], bytes]] = {
        ".html": lambda: str(
            importlib.import_module(_PAGE).render_page(report, pictures, lead)
        ).encode(),
        ".md": lambda: render_markdown(report, lead).encode(),
        ".csv": lambda: to_csv(_with_origins(report, "samples", report.samples)),
        ".xlsx": lambda: write_workbook(_workbook_tables(report)),
        ".json": lambda: to_json(report).encode(),
    }
    content = writers[path.suffix.lower()]()
    with write_atomically(path) as file:
        file.write(content)
    record_report(path, report.models)
    return path


def report_tables(report: ReportData) -> dict[str, pd.DataFrame]:
    """Return the tables of a report by name, in reading order."""
    tables = {
        "summary": report.summary,
        "pairs": report.pairs,
        "repeats": report.repeats,
        "usage": report.usage,
    }
    tables = {**tables, "averages": averages_frame(report)}
    return {name: table for name, table in tables.items() if len(table)} | {
        "samples": report.samples
    }


def _with_origins(report: ReportData, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of a report with the columns that its numbers need to be cited: origin, recipe
    and coverage.

    Columns, since pandas reads them back as they are; a comment line it would take for the header.
    """
    # models and metrics of each row
    rows: Mapping[str, Callable[[], list[tuple[Sequence[str], Sequence[str]]]]] = {
        "summary": lambda: [((score.model,), (score.metric,)) for score in report.model_scores],
        "pairs": lambda: [
            ((pair.baseline, pair.candidate), (pair.metric,)) for pair in report.comparisons
        ],
        "repeats": lambda: [((score.model,), (score.metric,)) for score in report.repeat_scores],
        "averages": lambda: [
            ((average.model,), (average.metric,)) for average in report_averages(report)
        ],
        "usage": lambda: [((usage.model,), ()) for usage in report.model_usage],
        "samples": lambda: [((sample.model,), report.metric_names) for sample in report.records],
    }
    coverage = {
        (score.model, score.metric): f"{score.n}/{score.total}" for score in report.model_scores
    }
    columns: dict[str, list[str]] = {
        "report_origin": [],
        "report_recipe": [],
        "report_coverage": [],
    }
    for models, names in rows[name]():
        columns["report_origin"].append(
            "; ".join(dict.fromkeys(_origin(report, model) for model in models))
        )
        columns["report_recipe"].append(
            "; ".join(f"{name}: {report.recipes.get(name, name)}" for name in names)
        )
        counts = [f"{name} {coverage[model, name]}" for name in names for model in models]
        columns["report_coverage"].append("; ".join(counts))
    return frame.assign(
        **{
            name: column
            for name, column in columns.items()
            if name == "report_origin" or any(column)
        }
    )


def _origin(report: ReportData, model: str) -> str:
    platform = report.origins.get(model, "")
    if platform == SANDBOX:
        return tr(sources.SANDBOX_MARK)
    return platform


def _workbook_tables(report: ReportData) -> dict[str, pd.DataFrame]:
    """Return the tables of a workbook: those of the report, with the origin of their numbers, and
    its notes.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    tables = {
        name: _with_origins(report, name, table) for name, table in report_tables(report).items()
    }
    notes = sources.with_sources(report, [])
    return tables | ({"notes": pd.DataFrame({"notes": notes})} if notes else {})


def render_markdown(report: ReportData, lead: Sequence[str] = ()) -> str:
    """Return conclusion, tables and footnotes as Markdown."""
    lines = lead or text.conclusion(report).splitlines()
    parts = [
        f"# {to_markdown(sources.with_mark(text.report_title(report), report))}",
        *map(to_markdown, lines),
    ]
    parts += [_markdown_table(report.summary, SUMMARY_COLUMNS)]
    if len(report.pairs):
        parts += [_markdown_table(report.pairs, PAIR_COLUMNS)]
    if len(report.repeats):
        parts += [_markdown_table(report.repeats, [*report.repeats.columns])]
    if len(averages := averages_frame(report)):
        parts += [_markdown_table(averages, [*averages.columns])]
    parts += [_markdown_table(report.usage, [*report.usage.columns])]
    parts += [
        "\n".join(
            f"- {to_markdown(line)}"
            for line in [*judge_lines(report), *sources.footnote_lines(report)]
        )
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    lines = [_markdown_row(map(to_markdown, columns)), _markdown_row("---" for _ in columns)]
    lines += [
        _markdown_row(to_markdown(text.format_cell(row[name])) for name in columns)
        for row in frame.to_dict("records")
    ]
    return "\n".join(lines)


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
        "scales": {name: list(scale) for name, scale in report.scales.items()},
        "lower": sorted(report.lower_is_better),
        "notes": report.notes,
        "origins": report.origins,
        **{name: getattr(report, name) for name in (*PLAIN_FIELDS, *LATER_FIELDS)},
        "verdicts": [asdict(verdict) for verdict in report.verdicts],
        "samples": [sample.to_dict() for sample in report.records],
    }


def dump_json(document: Mapping[str, Any]) -> str:
    """Return a document as JSON without NaN and without secrets."""
    return json.dumps(sanitize_json(document), ensure_ascii=False, allow_nan=False, default=str)


def from_json(text: str) -> dict[str, Any]:
    """Return the fields of the report that `to_json` wrote.

    Raises:
        InvalidArgumentError: the text is not such a report.
    """
    try:
        document = json.loads(text)
        if document["type"] != "Report" or document["qfnb"] > JSON_VERSION:
            raise ValueError(document["type"])
        return {
            "records": tuple(Sample.from_dict(row) for row in document["samples"]),
            "models": tuple(document["models"]),
            "metric_names": tuple(document["names"]),
            "scales": {name: tuple(scale) for name, scale in document["scales"].items()},
            "lower_is_better": frozenset(document["lower"]),
            "notes": tuple(document["notes"]),
            "origins": document["origins"] if "origins" in document else _infer_origins(document),
            **{name: document[name] for name in PLAIN_FIELDS},
            "cells": {label: tuple(cell) for label, cell in document.get("cells", {}).items()},
            "prompts": document.get("prompts", {}),
            "ks": tuple(document.get("ks", ())),
            "judges": document.get("judges", {}),
            "verdicts": tuple(
                PairVerdict.from_dict(verdict) for verdict in document.get("verdicts", ())
            ),
            "dataset": document.get("dataset", ""),
            "counting": document.get("counting", document["recipes"]),
            "compared": tuple(tuple(pair) for pair in document.get("compared", ())),
            "benchmark": document.get("benchmark", {}),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidArgumentError(
            tr("this is not a report written by Report.save('x.json')")
        ) from None


def _infer_origins(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the origins of a report whose file has only notes of them, as files of version
    0.1.0.
    """
    is_sandbox = any(" sandbox, batch " in note for note in document["notes"])
    if is_sandbox:
        return dict.fromkeys(document["models"], SANDBOX)
    return {}


def read_report_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InvalidArgumentError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", error)
        raise InvalidArgumentError(
            tr("{path} cannot be read: {reason}", path=path, reason=reason)
        ) from None


def sanitize_json(value: Any) -> Any:
    """Return a value without NaN and without secrets."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(key): sanitize_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [sanitize_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
