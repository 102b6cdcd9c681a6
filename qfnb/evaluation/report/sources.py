"""Where the numbers of a report are from: the sandbox's mark, origins, recipes, coverage."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from ...base.language import tr, tr_noop
from ...base.text import labelled
from ..benchmarks.benchmark import describe, difference_note
from . import text
from .data import ReportData
from .judging import judge_lines

SANDBOX_MARK: Final = tr_noop("Local sandbox")


class HasModels(Protocol):
    """What has answers of models, some of them of the sandbox."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models."""
        ...

    @property
    def sandbox_models(self) -> tuple[str, ...]:
        """Those whose answers are of the local sandbox."""
        ...


def sandbox_mark(subject: HasModels) -> str:
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


def with_mark(title: str, subject: HasModels) -> str:
    """Return a title with the sandbox's mark behind it."""
    return " · ".join(filter(None, [title, sandbox_mark(subject)]))


def footnote_lines(report: ReportData) -> list[str]:
    """Return where answers and numbers are from: the report's notes, each metric's recipe,
    clusters, few rows.
    """
    column = report.cluster
    if column:
        clusters = [tr("Rows with the same {column} belong together.", column=column)]
    else:
        clusters = []
    recipes = [
        labelled(name, recipe)
        for name, recipe in report.recipes.items()
        if name in report.metric_names
    ]
    units = [score.interval.units for score in report.model_scores]
    rough = text.rough_sentence(units, is_clustered=bool(column))
    if report.benchmark:
        benchmark = [describe(report.benchmark), difference_note(report.benchmark)]
    else:
        benchmark = []
    return [
        *filter(None, benchmark),
        *report.notes,
        *recipes,
        *clusters,
        *([rough] if rough else []),
    ]


def with_sources(report: ReportData, lines: Iterable[str]) -> list[str]:
    """Return lines of a report after the sandbox's mark and before the footnotes, each once,
    without empty ones.
    """
    footnotes = [*judge_lines(report), *footnote_lines(report)]
    return [
        line
        for line in dict.fromkeys([sandbox_mark(report), *lines, *map(text.to_plain, footnotes)])
        if line
    ]


def source_sentence(report: ReportData, metrics: Iterable[str]) -> str:
    """Return in one line how many answers have scores, of the metric with the fewest, and how
    metrics were counted.
    """
    names = list(metrics)
    scores = [[score for score in report.model_scores if score.metric == name] for name in names]
    n, total = min(
        ((sum(s.n for s in row), sum(s.total for s in row)) for row in scores), default=(0, 0)
    )
    recipes = dict.fromkeys(report.recipes.get(name, name) for name in names)
    return tr(
        "{n} of {total} answers scored · {recipes}",
        recipes=" · ".join(recipes),
        n=f"{n:,}",
        total=f"{total:,}",
    )
