"""A report as JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...errors import InvalidArgumentError
from ..sample import Sample
from .sanitize import redact_text

if TYPE_CHECKING:
    from .data import EvaluationResult

VERSION: Final = 1
TABLES: Final = ("summary", "pairs", "usage")
"""Tables that are written for other readers, and computed anew when a report is loaded."""

PLAIN_FIELDS: Final = ("platform", "cluster", "recipes", "summaries")


def to_json(report: EvaluationResult) -> str:
    """Return everything of a report, secrets left out."""
    facts = {
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
    return json.dumps(_sanitize_json(facts), ensure_ascii=False, allow_nan=False, default=str)


def from_json(text: str) -> dict[str, Any]:
    """Return the fields of the report that `to_json` wrote.

    Raises:
        InvalidArgumentError: the text is something else.
    """
    try:
        value = json.loads(text)
        if value["type"] != "Report" or value["qfnb"] > VERSION:
            raise ValueError(value["type"])
        return {
            "records": tuple(Sample.from_dict(row) for row in value["samples"]),
            "models": tuple(value["models"]),
            "names": tuple(value["names"]),
            "scales": {name: tuple(scale) for name, scale in value["scales"].items()},
            "lower": frozenset(value["lower"]),
            "notes": tuple(value["notes"]),
            **{name: value[name] for name in PLAIN_FIELDS},
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidArgumentError(
            "this is no report written by Report.save('x.json') (不是评估报告)"
        ) from None


def read_report_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InvalidArgumentError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None


def _sanitize_json(value: Any) -> Any:
    """Return a value as JSON has it: no NaN, no secrets."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(key): _sanitize_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sanitize_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
