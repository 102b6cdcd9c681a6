"""An evaluation's report in a notebook: the page of `qfnb.evaluation.report.html`, with charts, folded."""

from __future__ import annotations

from ...evaluation.report import ReportData
from ...evaluation.report.html import render_body
from ...evaluation.report.html_tables import details
from ..display import Bundle
from ..escape import strip_controls
from .charts import gallery


def bundle(report: ReportData) -> Bundle:
    """Return the report in every format."""
    return {"text/plain": text(report), "text/html": html(report)}


def text(report: ReportData) -> str:
    """Return the summary and the conclusion."""
    return strip_controls(repr(report)) if report.metric_names else "没有指标 / the report has no metric"


def html(report: ReportData) -> str:
    """Return conclusion, bars and summary; pairs, other charts, usage, changes and notes are folded."""
    charts = gallery.all_charts(report)
    bars = "".join(gallery.chart_html(charts[kind]) for kind in charts.by_kind if kind == "bars")
    others = [chart for kind, chart in charts.by_kind.items() if kind != "bars"]
    folded = "".join(gallery.chart_html(chart, hint=False) for chart in others)
    folded += gallery.left_out_html(charts)
    return render_body(report, bars, details(f"其它图 more charts ({len(others)})", folded))
