"""Prompts times models as a table with the best cell, and what several answers to each question
show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ...base.language import tr
from ...base.text import clip
from ...evaluation.report import matrix as wording
from ...evaluation.report.data import ReportData
from ...evaluation.report.matrix import Matrix
from ...evaluation.report.sources import sandbox_mark
from ...evaluation.report.text import (
    NO_VALUE,
    format_interval,
    format_score,
    format_share,
    metric_title,
    to_plain,
)
from ...evaluation.stats.aggregates import Comparison, Score
from ...evaluation.stats.variation import Pass, RepeatScore
from .. import components
from ..components import Html
from ..text import escape

MAX_TEMPLATE_CHARS: Final = 600  # characters of a prompt that are shown
BEST_SIGN: Final = "★"
RIVAL_SIGN: Final = "≈"


def blocks(matrix: Matrix[Any]) -> list[Html]:
    """Return the best cell in a sentence, what is shown of prompts and models, and the table of
    cells.
    """
    statement = Html(f"<p><strong>{escape(to_plain(wording.best_sentence(matrix)))}</strong></p>")
    if matrix.best is None:
        return [statement]
    effects = [effect for effect in (matrix.prompt_effect, matrix.model_effect) if effect]
    lines = [
        wording.rivals_sentence(matrix),
        *(line for each in effects for line in wording.effect_sentences(each)),
    ]
    return [
        statement,
        components.dim_lines(*(to_plain(line) for line in lines if line)),
        cell_table(matrix),
    ]


def cell_table(matrix: Matrix[Any]) -> Html:
    """Return the means with their intervals: a row for each prompt, a column for each model, the
    averages last.
    """
    if matrix.prompt_effect:
        prompt_levels = matrix.prompt_effect.levels
    else:
        prompt_levels = ()
    if matrix.model_effect:
        model_levels = matrix.model_effect.levels
    else:
        model_levels = ()
    has_averages = bool(prompt_levels and model_levels)
    heads = [
        tr("Prompt"),
        *map(to_plain, matrix.models),
        *([tr("Average")] if has_averages else []),
    ]
    rows: list[list[object]] = [
        [
            to_plain(prompt),
            *(
                _cell(matrix.cells[prompt, model], _sign(matrix, prompt, model))
                for model in matrix.models
            ),
        ]
        for prompt in matrix.prompts
    ]
    if has_averages:
        for row, level in zip(rows, prompt_levels, strict=True):
            row.append(_cell(level))
        rows.append([tr("Average"), *map(_cell, model_levels), ""])
    signs = tr(
        "{best} the best mean; {rival} not shown to be worse than it, after Holm's correction",
        best=BEST_SIGN,
        rival=RIVAL_SIGN,
    )
    if matrix.metric in matrix.report.lower_is_better:
        less = tr(" (lower is better)")
    else:
        less = ""
    caption = tr(
        "{metric}: means with 95% intervals. {signs}.",
        metric=metric_title(matrix.metric) + less,
        signs=signs,
    )
    caption = f"{caption} {sandbox_mark(matrix.report)}".rstrip()
    return components.table(
        heads, rows, numeric=range(1, len(heads)), caption=to_plain(caption), is_wide=True
    )


def pairs_of_levels(matrix: Matrix[Any]) -> list[Comparison]:
    """Return the comparisons of prompts and of models, each averaged over the other factor."""
    effects = (matrix.prompt_effect, matrix.model_effect)
    return [pair for effect in effects if effect for pair in effect.comparisons]


def templates_table(matrix: Matrix[Any]) -> Html:
    """Return the prompts with their texts."""
    rows = [
        (to_plain(name), to_plain(clip(text, MAX_TEMPLATE_CHARS)))
        for name, text in matrix.prompts.items()
    ]
    return components.table((tr("Prompt"), tr("Template")), rows)


def repeats_table(report: ReportData) -> Html:
    """Return for each model and metric pass@k, agreement and how much of the variance is chance."""
    ks = sorted({each.k for score in report.repeat_scores for each in score.passes})
    heads = [
        tr("Model"),
        tr("Metric"),
        *(f"pass@{k}" for k in ks),
        tr("Same score"),
        tr("Same answer"),
    ]
    heads += [tr("Chance within questions")]
    rows = [_repeats_row(score, ks) for score in report.repeat_scores]
    caption = tr(
        "Pairs of answers to the same question that agree; share of the variance of single "
        "answers that is "
        "between answers to the same question"
    )
    return components.table(heads, rows, numeric=range(2, len(heads)), caption=caption)


def _repeats_row(score: RepeatScore, ks: Sequence[int]) -> list[object]:
    passes = {each.k: each for each in score.passes}
    shares = (score.same_score, score.same_answer, 1 - score.reliability)
    cells = [_pass_cell(passes.get(k)) for k in ks]
    return [
        to_plain(score.model),
        to_plain(metric_title(score.metric)),
        *cells,
        *map(format_share, shares),
    ]


def _pass_cell(value: Pass | None) -> object:
    if value is None:
        return NO_VALUE
    return _mean_cell(value.mean, value.interval.low, value.interval.high)


def _cell(score: Score, sign: str = "") -> Html:
    return _mean_cell(score.mean, score.interval.low, score.interval.high, sign)


def _mean_cell(mean: float, low: float, high: float, sign: str = "") -> Html:
    if sign:
        mark = f"{sign} "
    else:
        mark = ""
    return Html(
        f"<b>{mark}{format_score(mean)}</b><br><small>{escape(format_interval(low, high))}</small>"
    )


def _sign(matrix: Matrix[Any], prompt: str, model: str) -> str:
    best = matrix.best
    label = matrix.cells[prompt, model].model
    if best is None or len(matrix.cells) < 2:
        return ""
    if label == best.label:
        return BEST_SIGN
    if label in best.rivals:
        return RIVAL_SIGN
    return ""
