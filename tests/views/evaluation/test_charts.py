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
