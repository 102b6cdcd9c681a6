"""The tables of a report: means with bars, averages, usage, prompts by models, repeats, pairs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ...base.language import tr, tr_noop
from ...base.text import clip
from ...evaluation.local_evaluators import Flag, degenerate_flags
from ...evaluation.report import matrix as wording
from ...evaluation.report.card import Card, Shift
from ...evaluation.report.data import ReportData
from ...evaluation.report.matrix import Matrix
from ...evaluation.report.sources import sandbox_mark, with_mark
from ...evaluation.report.text import (
    NO_VALUE,
    average_title,
    difference_sentence,
    format_difference,
    format_interval,
    format_p_value,
    format_score,
    format_share,
    metric_title,
    verdict_sentence,
)
from ...evaluation.stats.aggregates import Average, Comparison, Score, UsageTotals
from ...evaluation.stats.variation import Pass, RepeatScore
from ...wire.prices import PriceRange
from .. import components, formats
from ..components import Fold, Html
from ..drawing import Drawing, format_tick, hover, linear_ticks
from ..formats import escape
from ..line_chart import with_words

WIDTH: Final = 300  # pixels of a bar's axis
MAX_TEMPLATE_CHARS: Final = 600  # characters of a prompt that are shown
BEST_SIGN: Final = "★"
RIVAL_SIGN: Final = "≈"
FLAG_WORDS: Final[dict[Flag, str]] = {
    "empty": tr_noop("empty answers"),
    "repetition": tr_noop("repetitive answers"),
    "truncated": tr_noop("answers cut off"),
    "refusal": tr_noop("refusals"),
    "wrong_language": tr_noop("answers in another language"),
}
MAX_CHECKED_ANSWERS: Final = 2000
"""Answers of a model that are checked for degeneration; each takes a fraction of a millisecond."""


@dataclass(frozen=True)
class BarAxis:
    """Where the means of a metric lie between two edges of a picture."""

    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """Return the horizontal position of a value; one beyond an end lies at it."""
        inside = min(max(value, self.low), self.high)
        return self.left + (self.right - self.left) * (inside - self.low) / (self.high - self.low)

    def ticks(self, at_most: int) -> list[float]:
        """Return the ticks within the axis."""
        ticks = linear_ticks(self.low, self.high, at_most)
        return [tick for tick in ticks if self.low <= tick <= self.high]

    def add_bar(self, drawing: Drawing, score: Score, series: int, y: float, height: float) -> None:
        """Draw a bar from zero, or from the nearer end of the axis, with its interval."""
        if score.n:
            start, end = sorted((self.x(0.0), self.x(score.mean)))
            width = max(0.5, end - start)
            drawing.box(start, y, width, height, series, describe_score(score))
        interval = score.interval
        if math.isfinite(interval.low + interval.high):
            drawing.whisker(self.x(interval.low), self.x(interval.high), y + height / 2)


def axis_range(report: ReportData, metric: str) -> tuple[float, float]:
    """Return the ends of an axis for a metric's means: its scale, else round numbers around them
    and 0.
    """
    if metric in report.scales:
        return report.scales[metric]
    scores = [value for model in report.models for value in report.scores(model, metric)]
    if all(0 <= value <= 1 for value in scores):
        return 0.0, 1.0
    ends = [0.0]
    for score in report.model_scores:
        if score.metric == metric:
            ends += [score.mean, score.interval.low, score.interval.high]
    finite = [*filter(math.isfinite, ends)]
    ticks = linear_ticks(min(finite), max(finite), 4)
    return ticks[0], ticks[-1]


def direction(report: ReportData, metric: str) -> str:
    """Return the remark on a metric of which lower scores are better, "" for others."""
    if metric in report.lower_is_better:
        return tr(" (lower is better)")
    return ""


def score_interval(score: Score | Average | Pass) -> str:
    """Return the interval of a mean."""
    return format_interval(score.interval.low, score.interval.high)


def describe_score(score: Score) -> str:
    """Return a model's mean with interval and coverage, as text."""
    name = f"{score.metric}, {score.model}"
    if not score.n:
        return tr("{name}: no score of {total}", name=name, total=score.total)
    return tr(
        "{name}: {mean} ({interval}), {n} of {total} scored",
        name=name,
        mean=format_score(score.mean),
        interval=score_interval(score),
        n=score.n,
        total=score.total,
    )


def score_table(report: ReportData, models: Sequence[str]) -> Html:
    """Return the means of models on all metrics, with a bar and the 95 % interval of each."""
    rows: list[Sequence[object] | Html] = []
    for metric in report.metric_names:
        axis = BarAxis(*axis_range(report, metric), 2, WIDTH - 2)
        title = escape(metric_title(metric) + direction(report, metric))
        group = f'<th scope="rowgroup">{title}</th><td>{_scale(axis)}</td><td colspan="3"></td>'
        rows.append(Html(f'<tr class="qf-group">{group}</tr>'))
        scores = [score for score in report.model_scores if score.metric == metric]
        rows += [_score_row(report, score, axis) for score in scores if score.model in models]
    heads = [tr("Model"), "", tr("Mean"), tr("95% interval"), tr("Questions")]
    caption = with_mark(tr("Means with 95% intervals"), report)
    return components.table(heads, rows, numeric=(2, 3, 4), caption=caption, css="qf-wide qf-mid")


def _score_row(report: ReportData, score: Score, axis: BarAxis) -> list[object]:
    drawing = Drawing(18, width=WIDTH)
    for tick in axis.ticks(2):
        drawing.line([(axis.x(tick), 0), (axis.x(tick), 18)], "g")
    axis.add_bar(drawing, score, report.models.index(score.model) + 1, 3, 12)
    questions = f"{score.n:,}"
    if score.n < score.total:
        questions = f"{score.n:,} / {score.total:,}"
    bar = drawing.svg(describe_score(score))
    mean = Html(f"<b>{format_score(score.mean)}</b>")
    return [score.model, bar, mean, score_interval(score), questions]


def _scale(axis: BarAxis) -> str:
    """Return the labels of the axis that the bars below share; letters keep their size in a narrow
    column.
    """
    anchors = {axis.low: "start", axis.high: "end"}
    texts = []
    for tick in axis.ticks(2):
        place = f'x="{axis.x(tick) / WIDTH:.1%}" y="12"'
        anchor = anchors.get(tick, "middle")
        texts.append(f'<text {place} text-anchor="{anchor}">{format_tick(tick)}</text>')
    size = f'width="{WIDTH}" height="14" aria-hidden="true"'
    return f'<svg {size} font-size="12" font-family="sans-serif">{" ".join(texts)}</svg>'


def effect_figure(comparison: Comparison) -> Html:
    """Return the difference of two models with its interval on an axis that has zero in its middle;
    "" without any.
    """
    test = comparison.test
    low = test.interval.low
    high = test.interval.high
    largest = max(abs(value) for value in (low, high, test.difference, 0) if math.isfinite(value))
    if math.isnan(test.difference) or not largest:
        return Html()
    end = linear_ticks(0.0, largest, 2)[-1]
    axis = BarAxis(-end, end, 22, WIDTH - 22)
    drawing = Drawing(46, width=WIDTH)
    drawing.line([(axis.x(-end), 26), (axis.x(end), 26)])
    for edge in (-end, end):
        drawing.line([(axis.x(edge), 23), (axis.x(edge), 29)])
    drawing.line([(axis.x(0), 2), (axis.x(0), 28)], "z", dash="3 3")
    if test.difference > 0:
        series = 2
    else:
        series = 1
    if math.isfinite(low + high):
        drawing.curve([(axis.x(low), 14), (axis.x(high), 14)], series, width=4)
    drawing.dot(axis.x(test.difference), 14, series)
    for tick in (-end, 0.0, end):
        if tick:
            label = f"{tick:+,.6g}".replace("-", "−")
        else:
            label = "0"
        drawing.text(axis.x(tick), 38, label, "middle")
    words = difference_sentence(comparison)
    values = {"metric": metric_title(comparison.metric), "n": f"{comparison.n_comparisons:,}"}
    caption = tr("Difference in {metric}, with its 95% interval", **values)
    if comparison.n_comparisons > 1:
        caption = tr(
            "Difference in {metric}, with its interval corrected for {n} comparisons", **values
        )
    picture = with_words(words, drawing.svg(words, hover(words)))
    return Html(f'<figure><p class="qf-dim">{escape(caption)}</p>{picture}</figure>')


def pairs_table(pairs: Sequence[Comparison]) -> Html:
    """Return the tests; the names of the models only where there are several pairs."""
    has_verdicts = len({(pair.baseline, pair.candidate) for pair in pairs}) > 1
    if has_verdicts:
        verdict_head = [tr("Verdict")]
    else:
        verdict_head = []
    heads = [tr("Metric"), *verdict_head, tr("Difference"), tr("95% interval"), "p"]
    heads += [tr("Better"), tr("Worse"), tr("Equal")]
    rows = []
    for pair in pairs:
        test = pair.test
        row = [metric_title(pair.metric)]
        if has_verdicts:
            row.append(verdict_sentence(pair))
        row.append(format_difference(test.difference))
        row.append(format_interval(test.interval.low, test.interval.high, plus=True))
        row.append(format_p_value(pair.p_holm).removeprefix("p").lstrip(" =:"))
        row += [f"{count:,}" for count in (test.wins, test.losses, test.ties)]
        rows.append(row)
    return components.table(heads, rows, numeric=range(len(verdict_head) + 1, len(heads)))


def averages_table(report: ReportData, models: Sequence[str]) -> Html:
    """Return the averages of models over all and over groups of subjects; "" where the report has
    none.
    """
    rows = [row for row in _averages(report, models) if row.column != _subject_column(report)]
    heads = (tr("Average over"), tr("Subjects"))
    return _averages_table(heads, rows, models, lambda row: row.units)


def subject_folds(report: ReportData, models: Sequence[str]) -> list[Fold]:
    """Return the means of each subject, folded."""
    rows = [row for row in _averages(report, models) if row.column == _subject_column(report)]
    if not rows:
        return []
    heads = (tr("Subject"), tr("Questions"))
    table = _averages_table(heads, rows, models, lambda row: row.questions)
    return [(tr("By subject"), metric_title(rows[0].metric), table)]


def _subject_column(report: ReportData) -> str:
    return str(report.benchmark.get("groups", [""])[-1])


def _averages(report: ReportData, models: Sequence[str]) -> list[Average]:
    """Return the averages of models on the first metric."""
    metric = report.metric_names[0]
    averages = report.group_averages
    return [each for each in averages if each.metric == metric and each.model in models]


def _averages_table(
    heads: Iterable[str],
    rows: Sequence[Average],
    models: Sequence[str],
    count: Callable[[Average], int],
) -> Html:
    by_name: dict[str, dict[str, Average]] = {}
    for row in rows:
        by_name.setdefault(average_title(row), {})[row.model] = row
    lines: list[list[object]] = []
    for name, averages in by_name.items():
        cells = [_mean_cell(averages[model]) if model in averages else "–" for model in models]
        lines.append([name, f"{max(map(count, averages.values())):,}", *cells])
    numeric = range(1, len(models) + 2)
    return components.table([*heads, *models], lines, numeric=numeric, is_wide=True)


def _mean_cell(value: Score | Average | Pass, sign: str = "") -> Html:
    """Return a mean above its interval."""
    mean = components.join((sign, format_score(value.mean)), " ")
    return Html(f"<b>{mean}</b><br><small>{escape(score_interval(value))}</small>")


def usage_table(report: ReportData) -> Html:
    """Return the use of the answers of each model, without the columns that no model has."""
    columns: list[tuple[str, Callable[[UsageTotals], str]]] = [
        (tr("Model"), lambda usage: usage.model),
        (tr("Answered"), lambda usage: f"{usage.answered:,} / {usage.total:,}"),
        ("Tokens", lambda usage: _number(usage.tokens)),
        (tr("Median time"), lambda usage: _seconds(usage.latency_p50)),
        (tr("95% within"), lambda usage: _seconds(usage.latency_p95)),
        (tr("Mean length (characters)"), lambda usage: _number(usage.characters)),
        (tr("Cut off"), lambda usage: _number(usage.truncated or math.nan)),
        (tr("Empty"), lambda usage: _number(usage.empty or math.nan)),
        (tr("1,000 answers"), lambda usage: _cost(report, usage)),
    ]
    numeric = [head for head, _ in columns[1:]]
    return components.column_table(report.model_usage, columns, numeric)


def _number(value: float) -> str:
    if math.isnan(value):
        return NO_VALUE
    return f"{value:,.0f}"


def _seconds(value: float) -> str:
    if math.isnan(value):
        return NO_VALUE
    return formats.seconds(value)


def _cost(report: ReportData, usage: UsageTotals) -> str:
    if not math.isnan(usage.cost):
        return formats.cost(PriceRange(usage.cost_low_per_1000, usage.cost_per_1000))
    if len(report.sandbox_models) == len(report.models):
        return formats.cost(None, is_free=True)
    return NO_VALUE


def shift_table(card: Card) -> Html:
    """Return the other changes from one model to the other: cost, time, length, degenerate answers;
    "" for none.
    """
    shifts = [shift for shift in card.shifts if shift.is_known and (shift.before or shift.after)]
    rows = [*map(_shift_row, shifts), *_flag_rows(card)]
    heads = (tr("What else changed"), card.base, card.tuned, tr("Difference"))
    return components.table(heads, rows, numeric=(1, 2, 3))


def _shift_row(shift: Shift) -> tuple[str, ...]:
    name = tr(shift.name)
    change = NO_VALUE
    if not math.isnan(shift.change):
        change = f"{shift.change:+,.3g}".replace("-", "−")
        if not math.isnan(shift.ratio):
            change += f" (× {shift.ratio:.2f})"
    title = tr("{name} ({unit})", name=f"{name[:1].upper()}{name[1:]}", unit=tr(shift.unit))
    return (title, *shift.amounts(), change)


def _flag_rows(card: Card) -> list[tuple[str, ...]]:
    limit = ""
    if max(score.total for score in card.scores) > MAX_CHECKED_ANSWERS:
        limit = tr(" (of the first {n})", n=f"{MAX_CHECKED_ANSWERS:,}")
    before = _count_flags(card.report, card.base)
    after = _count_flags(card.report, card.tuned)
    rows: list[tuple[str, ...]] = []
    for flag, words in FLAG_WORDS.items():
        if before[flag] or after[flag]:
            change = f"{after[flag] - before[flag]:+,}".replace("-", "−")
            rows.append((f"⚠︎ {tr(words)}{limit}", f"{before[flag]:,}", f"{after[flag]:,}", change))
    return rows


def _count_flags(report: ReportData, model: str) -> Counter[str]:
    """Return how many of the first answers are degenerate, by kind."""
    samples = report.samples_of(model).values()
    counts: Counter[str] = Counter()
    for sample in [sample for sample in samples if not sample.error][:MAX_CHECKED_ANSWERS]:
        flags = degenerate_flags(
            sample.output,
            finish_reason=sample.finish_reason,
            prompt=sample.prompt,
            reference=sample.reference,
        )
        counts.update(flags)
    return counts


def matrix_blocks(matrix: Matrix) -> list[Html]:
    """Return the best cell in a sentence, what is shown of prompts and models, and the table of
    cells.
    """
    statement = Html(f"<p><strong>{escape(wording.best_sentence(matrix))}</strong></p>")
    if matrix.best is None:
        return [statement]
    lines = [wording.rivals_sentence(matrix)]
    for effect in (matrix.prompt_effect, matrix.model_effect):
        if effect:
            lines += wording.effect_sentences(effect)
    return [statement, components.dim_lines(*lines), _cell_table(matrix)]


def _cell_table(matrix: Matrix) -> Html:
    """Return the means with their intervals: a row for each prompt, a column for each model, the
    averages last.
    """
    rows: list[list[object]] = []
    for prompt in matrix.prompts:
        cells = [matrix.cells[prompt, model] for model in matrix.models]
        rows.append([prompt, *(_mean_cell(cell, _sign(matrix, cell)) for cell in cells)])
    heads = [tr("Prompt"), *matrix.models]
    if matrix.prompt_effect and matrix.model_effect:
        heads.append(tr("Average"))
        for row, level in zip(rows, matrix.prompt_effect.levels, strict=True):
            row.append(_mean_cell(level))
        rows.append([tr("Average"), *map(_mean_cell, matrix.model_effect.levels), ""])
    signs = tr(
        "{best} the best mean; {rival} not shown to be worse than it, after Holm's correction",
        best=BEST_SIGN,
        rival=RIVAL_SIGN,
    )
    metric = metric_title(matrix.metric) + direction(matrix.report, matrix.metric)
    caption = tr("{metric}: means with 95% intervals. {signs}.", metric=metric, signs=signs)
    caption = f"{caption} {sandbox_mark(matrix.report)}".rstrip()
    numeric = range(1, len(heads))
    return components.table(heads, rows, numeric=numeric, caption=caption, is_wide=True)


def _sign(matrix: Matrix, cell: Score) -> str:
    best = matrix.best
    if best is None or len(matrix.cells) < 2:
        return ""
    if cell.model == best.label:
        return BEST_SIGN
    if cell.model in best.rivals:
        return RIVAL_SIGN
    return ""


def matrix_folds(matrix: Matrix) -> list[Fold]:
    """Return the prompts with their texts, the effects of prompts and models, and all cells."""
    texts = [(name, clip(text, MAX_TEMPLATE_CHARS)) for name, text in matrix.prompts.items()]
    templates = components.table((tr("Prompt"), tr("Template")), texts)
    folds: list[Fold] = [(tr("Prompts"), str(len(texts)), templates)]
    if matrix.prompt_effect and matrix.model_effect:
        pairs = [*matrix.prompt_effect.comparisons, *matrix.model_effect.comparisons]
        folds.append((tr("Prompts and models, averaged"), "", pairs_table(pairs)))
    cells = score_table(matrix.report, matrix.report.models)
    return [*folds, (tr("All cells"), str(len(matrix.cells)), cells)]


def repeats_table(report: ReportData) -> Html:
    """Return for each model and metric pass@k, agreement and how much of the variance is chance."""
    ks = sorted({each.k for score in report.repeat_scores for each in score.passes})
    heads = [tr("Model"), tr("Metric"), *(f"pass@{k}" for k in ks), tr("Same score")]
    heads += [tr("Same answer"), tr("Chance within questions")]
    rows = [_repeats_row(score, ks) for score in report.repeat_scores]
    caption = tr(
        "Pairs of answers to the same question that agree; share of the variance of single "
        "answers that is "
        "between answers to the same question"
    )
    return components.table(heads, rows, numeric=range(2, len(heads)), caption=caption)


def _repeats_row(score: RepeatScore, ks: Sequence[int]) -> list[object]:
    cells = {each.k: _mean_cell(each) for each in score.passes}
    shares = (score.same_score, score.same_answer, 1 - score.reliability)
    passes = [cells.get(k, NO_VALUE) for k in ks]
    return [score.model, metric_title(score.metric), *passes, *map(format_share, shares)]
