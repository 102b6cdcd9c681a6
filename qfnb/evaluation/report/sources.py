"""Where the numbers of a report are from: the sandbox's mark, origins, recipes, coverage."""

from collections.abc import Iterable, Sequence
from typing import Final

from ...base.language import tr, tr_noop
from ...base.text import labelled
from ..benchmarks import describe, difference_note
from . import text
from .data import AnswerOrigins, ReportData
from .judging import judge_lines

SANDBOX_MARK: Final = tr_noop("Local sandbox")


def sandbox_mark(subject: AnswerOrigins) -> str:
    """Return the sandbox's mark, with the names of its models where others are beside them; ""
    without any.
    """
    return mark_models(subject.models, subject.sandbox_models)


def mark_models(models: Sequence[str], sandbox_models: Sequence[str]) -> str:
    """Return the sandbox's mark of an evaluation of models, some of them of the sandbox."""
    if not sandbox_models:
        return ""
    mark = tr(SANDBOX_MARK)
    if len(sandbox_models) == len(models):
        return mark
    return labelled(mark, tr(", ").join(sandbox_models))


def with_mark(title: str, subject: AnswerOrigins) -> str:
    """Return a title with the sandbox's mark behind it."""
    return " · ".join(filter(None, [title, sandbox_mark(subject)]))


def footnote_lines(report: ReportData) -> list[str]:
    """Return where answers and numbers are from: the report's notes, each metric's recipe,
    clusters, few rows.
    """
    lines = []
    if report.benchmark:
        lines += [describe(report.benchmark), difference_note(report.benchmark)]
    lines += report.notes
    for name, recipe in report.recipes.items():
        if name in report.metric_names:
            lines.append(labelled(name, recipe))
    if report.cluster:
        lines.append(tr("Rows with the same {column} belong together.", column=report.cluster))
    units = [score.interval.units for score in report.model_scores]
    lines.append(text.rough_sentence(units, is_clustered=bool(report.cluster)))
    return [line for line in lines if line]


def with_sources(report: ReportData, lines: Iterable[str]) -> list[str]:
    """Return lines of a report after the sandbox's mark and before the footnotes, each once,
    without empty ones.
    """
    footnotes = [*judge_lines(report), *footnote_lines(report)]
    shown = dict.fromkeys([sandbox_mark(report), *lines, *map(text.to_plain, footnotes)])
    return [*filter(None, shown)]
