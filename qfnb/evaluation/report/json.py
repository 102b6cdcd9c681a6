"""A report as JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...errors import InvalidArgumentError
from ..samples import Sample
from .data import ReportData
from .sanitize import redact_text

VERSION: Final = 1
TABLES: Final = ("summary", "pairs", "usage")
"""Tables that are written for other readers, and computed anew when a report is loaded."""

PLAIN_FIELDS: Final = ("platform", "cluster", "recipes", "summaries")
"""Fields that are written as they are, under their own names."""


def to_json(report: ReportData) -> str:
    """Return everything of a report, secrets left out.

    The keys are those of files on users' disks; they stay when a field gets another name.
    """
    document = {
        "qfnb": VERSION,
        "type": "Report",
        "models": report.models,
        "names": report.metric_names,
        "scales": {name: list(scale) for name, scale in report.scales.items()},
        "lower": sorted(report.lower_is_better),
        "notes": report.notes,
        **{name: getattr(report, name) for name in PLAIN_FIELDS},
        "samples": [sample.to_dict() for sample in report.records],
        **{name: getattr(report, name).to_dict("records") for name in TABLES},
    }
    return json.dumps(_sanitize_json(document), ensure_ascii=False, allow_nan=False, default=str)


def from_json(text: str) -> dict[str, Any]:
    """Return the fields of the report that `to_json` wrote.

    Raises:
        InvalidArgumentError: the text is not such a report.
    """
    try:
        document = json.loads(text)
        if document["type"] != "Report" or document["qfnb"] > VERSION:
            raise ValueError(document["type"])
        return {
            "records": tuple(Sample.from_dict(row) for row in document["samples"]),
            "models": tuple(document["models"]),
            "metric_names": tuple(document["names"]),
            "scales": {name: tuple(scale) for name, scale in document["scales"].items()},
            "lower_is_better": frozenset(document["lower"]),
            "notes": tuple(document["notes"]),
            **{name: document[name] for name in PLAIN_FIELDS},
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidArgumentError(
            "this is not a report written by Report.save('x.json') (不是评估报告)"
        ) from None


def read_report_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InvalidArgumentError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None


def _sanitize_json(value: Any) -> Any:
    """Return a value without NaN and without secrets."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(key): _sanitize_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sanitize_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
