"""The chart of curves: ticks, names at the ends of lines, the best point, values on hover, a
picture.
"""

from dataclasses import replace

import pytest

from qfnb.views import line_chart
from qfnb.views.drawing import linear_ticks
from qfnb.views.line_chart import Curve, LineChart, log_ticks

TRAINING = Curve("training", [(1.0, 4.0), (2.0, 1.0), (3.0, 0.02)])
VALIDATION = Curve("validation", [(1.0, 3.0), (2.0, 0.5), (3.0, 0.7)], 2, "6 4")
CHART = LineChart(
    "Loss", "It falls.", [TRAINING, VALIDATION], "epoch", 5.0, describe_x=lambda x: f"Epoch {x:g}"
)


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        (linear_ticks(0, 0.33), [0, 0.1, 0.2, 0.3, 0.4]),
        (linear_ticks(-1.1, 1.0, 4), [-2, -1, 0, 1]),
        (linear_ticks(0, 0), [0, 0.2]),
        (log_ticks(0.009, 3), [0.005, 0.01, 0.1, 1, 5]),
        (log_ticks(1, 1), [1, 2]),
    ],
)
def test_ticks_are_one_two_or_five_times_a_power_of_ten(ticks, expected):
    assert ticks == pytest.approx(expected)


def test_a_line_has_its_name_and_last_value_at_its_end_and_a_star_where_that_is_the_best():
    svg = line_chart.svg(CHART)
    assert ">training 0.02<" in svg
    assert ">validation 0.700<" in svg
    assert "★" not in svg
    assert ">validation ★ 0.700<" in line_chart.svg(replace(CHART, best=(3.0, 0.7)))
    assert ">★ 0.500<" in line_chart.svg(replace(CHART, best=(2.0, 0.5)))


def test_hover_columns_are_sixty_at_most_and_have_the_values_of_all_lines():
    points = [(n / 10, 1 / n) for n in range(1, 5000)]
    svg = line_chart.svg(replace(CHART, curves=[Curve("training", points)]))
    assert svg.count("<title>") <= 61
    assert len(svg) < 40_000
    assert "<title>Epoch 2 · training 1.000 · validation 0.500</title>" in line_chart.svg(CHART)


def test_a_logarithmic_axis_leaves_out_what_is_not_positive():
    odd = Curve("training", [(1.0, 0.0), (2.0, 0.1), (3.0, float("nan")), (4.0, 1.0)])
    assert line_chart.svg(replace(CHART, curves=[odd], is_log=True)).count("<title>") == 2


def test_the_finding_is_the_text_of_the_chart():
    html = line_chart.figure(CHART)
    assert "<summary>It falls.</summary>" in html
    assert 'role="img" aria-label="It falls."' in html


@pytest.mark.parametrize("points", [[], [(1.0, float("inf"))]])
def test_without_a_point_there_is_no_chart(points):
    empty = replace(CHART, curves=[Curve("training", points)])
    assert line_chart.figure(empty) == line_chart.svg(empty) == ""


def test_one_point_is_a_dot():
    svg = line_chart.svg(replace(CHART, curves=[Curve("training", [(0.0, 0.0)])], x_end=0.0))
    assert '<circle class="f s1"' in svg
    assert "nan" not in svg
