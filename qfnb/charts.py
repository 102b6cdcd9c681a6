"""Charts of an evaluation: `from qfnb import charts; charts.bars(report)`.

Each shows itself in a notebook, has `alt` text with its numbers, and is written by `save("bars.png")`;
`report.save("r.html", pictures=charts.all(report))` puts them on the page.
"""

from .views.evaluation.charts.comparison import cost_quality as cost_quality
from .views.evaluation.charts.comparison import radar as radar
from .views.evaluation.charts.comparison import win_rates as win_rates
from .views.evaluation.charts.gallery import Charts as Charts
from .views.evaluation.charts.gallery import all_charts
from .views.evaluation.charts.scores import bars as bars
from .views.evaluation.charts.scores import distributions as distributions
from .views.evaluation.charts.style import Chart as Chart
from .views.evaluation.charts.style import ChartNotDrawn as ChartNotDrawn

all = all_charts  # noqa: A001 - charts.all(report) reads as it should
