"""Charts of an evaluation: `from qfnb import charts; charts.bars(report)`.

Each shows itself in a notebook, has `alt` text with its numbers, and is written by
`save("bars.png")`; `report.save("r.html")` puts them on the page. `charts.trend()` is of all
evaluations in the history.
"""

from .views.evaluation.charts import Charts, all_charts
from .views.evaluation.charts.comparison import cost_quality, radar, win_rates
from .views.evaluation.charts.scores import bars, distributions
from .views.evaluation.charts.style import Chart, ChartNotDrawn
from .views.evaluation.charts.trend import trend

all = all_charts  # noqa: A001 - charts.all(report) reads as it should

__all__ = [
    "Chart",
    "ChartNotDrawn",
    "Charts",
    "all",
    "bars",
    "cost_quality",
    "distributions",
    "radar",
    "trend",
    "win_rates",
]
