"""Charts of an evaluation: `from qfnb import charts; charts.bars(report)`.

Each shows itself in a notebook, has `alt` text with its numbers, and is a picture as `svg`.
`charts.trend()` is of all evaluations in the history.
"""

from .views.evaluation.charts import Chart, ChartNotDrawn, bars, trend

__all__ = ["Chart", "ChartNotDrawn", "bars", "trend"]
