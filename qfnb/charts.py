"""Charts of an evaluation: `from qfnb import charts; charts.bars(report)`.

Each shows itself in a notebook, has `alt` text with its numbers, and is written by `save("bars.png")`;
`report.save("r.html", pictures=charts.all(report))` puts them on the page.
"""

from .views.evaluation_canvas import Chart as Chart
from .views.evaluation_canvas import ChartNotDrawn as ChartNotDrawn
from .views.evaluation_charts import bars as bars
from .views.evaluation_charts import distributions as distributions
from .views.evaluation_gallery import Charts as Charts
from .views.evaluation_gallery import all_charts
from .views.evaluation_pairs import cost_quality as cost_quality
from .views.evaluation_pairs import radar as radar
from .views.evaluation_pairs import win_rates as win_rates

all = all_charts  # noqa: A001 - charts.all(report) reads as it should
