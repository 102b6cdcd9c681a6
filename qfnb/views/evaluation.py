"""An evaluation's result: chart, tables, and what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..evaluation import EvaluationResult
from .charts import comparison_chart, font_hint, img
from .display import Bundle
from .safety import escape, plain

if TYPE_CHECKING:
    import pandas as pd

_CELL = 'style="text-align:left;padding:2px 8px;border-bottom:1px solid #8884"'
_SUMMARY = ("model", "metric", "n", "failed", "mean", "ci_low", "ci_high", "method")
_PAIRS = (
    "metric",
    "baseline",
    "candidate",
    "difference",
    "ci_low",
    "ci_high",
    "p_holm",
    "wins",
    "losses",
    "verdict",
)
_CHANGED = ("prompt", "reference", "before", "after")
EXAMPLES = 8


def bundle(result: EvaluationResult) -> Bundle:
    """Return the result in every format."""
    return {"text/plain": text(result), "text/html": html(result)}


def text(result: EvaluationResult) -> str:
    """Return the summary and the conclusion."""
    return plain(repr(result))


def html(result: EvaluationResult) -> str:
    """Return chart, conclusion and tables."""
    chart = img(comparison_chart(result), "image/png", f"comparison of {', '.join(result.models)}")
    conclusion = "<br>".join(escape(line) for line in result.conclusion().splitlines())
    hint = escape(font_hint([*result.models, *result.names]))
    parts = [f"<div>{chart}</div>{hint}", f"<p><b>{conclusion}</b></p>", _table(result.summary_df, _SUMMARY)]
    if len(result.models) > 1:
        parts += [_table(result.pairs_df, _PAIRS), _examples(result)]
    return f"<div>{''.join(parts)}</div>"


def _examples(result: EvaluationResult) -> str:
    """Return questions on which the last model differs most from the first, folded."""
    first, last, name = result.models[0], result.models[-1], result.names[0]
    frame = result.samples_df
    before = frame[frame["model"] == first].set_index("index")
    after = frame[frame["model"] == last].set_index("index")
    change = (after[name] - before[name]).dropna()
    shown = change[change != 0].abs().sort_values(ascending=False, kind="stable").index[:EXAMPLES]
    if not len(shown):
        return ""
    import pandas as pd  # noqa: PLC0415 - loaded by the frames already

    rows = pd.DataFrame(
        {
            "prompt": before.loc[shown, "prompt"],
            "reference": before.loc[shown, "reference"],
            "before": before.loc[shown, "output"],
            "after": after.loc[shown, "output"],
        }
    )
    title = f"{len(shown)} of {int((change != 0).sum())} answers that changed: {first} → {last}"
    return f"<details><summary>{escape(title)}</summary>{_table(rows, _CHANGED)}</details>"


def _table(frame: pd.DataFrame, columns: tuple[str, ...]) -> str:
    head = "".join(f"<th {_CELL}>{escape(name)}</th>" for name in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td {_CELL}>{escape(_shown(row[name]))}</td>" for name in columns) + "</tr>"
        for row in frame.to_dict("records")
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if 0 < abs(value) < 0.001 else f"{value:.3f}"
