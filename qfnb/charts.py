"""The trend of a metric over all evaluations in the history: `from qfnb import charts;
charts.trend()`.

It shows itself in a notebook, has `alt` text with its numbers, and is a picture as `svg`.
"""

from .views.evaluation.charts import Chart, ChartNotDrawn, trend

__all__ = ["Chart", "ChartNotDrawn", "trend"]
