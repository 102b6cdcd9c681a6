"""The trend of evaluations as a chart; its numbers are tested with the history."""

import pytest
from support.reports import EVIL, build_report

from qfnb import charts
from qfnb.evaluation.report import archive
from qfnb.views import formatters


@pytest.mark.fault("F92")
@pytest.mark.parametrize(
    "name",
    [EVIL, "<script>alert(1)</script>", "$x$", r"$\frac{1}", "长" * 200, "", " ", "🦙", "a\nb"],
)
def test_any_name_draws_and_is_inert(name, tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    for score in (0.0, 1.0):
        scores = {name: [score] * 3, "other": [0.0, 1.0, score]}
        archive.keep(build_report(scores, metrics=(name or "m",), origins={name: "sandbox"}))
    bundle = formatters._format("evaluation.charts", "chart_bundle", charts.trend())
    assert "<svg" in bundle["text/html"]
    assert "<script>" not in bundle["text/html"]
    assert "<img src=x" not in bundle["text/html"]
    assert "Local sandbox" in bundle["text/plain"]


@pytest.mark.parametrize("name", ["$x$", r"$\frac{1}", "长" * 200, " ", "a\nb", "我的模型"])
def test_bars_of_any_name_are_written_as_a_picture(name, tmp_path):
    report = build_report({"base": [0, 0, 1, None], name: [1, 1, 1, 0]}, metrics=("m", "n"))
    figure = charts.bars(report)
    figure.savefig(tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["m", "n"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([1 / 3, 3 / 4])
