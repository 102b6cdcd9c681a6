"""A report in sentences: conclusion, verdicts, footnotes, and numbers as people read them."""

import html
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from ...base.language import tr, tr_noop, trn
from ...base.text import clip, is_missing, replace_surrogates, strip_controls
from ...batching.journal_reader import NOT_ASKED
from ...metrics.recipes import METRICS
from ...redact import redact
from ..stats.aggregates import Average, Comparison, Score
from ..stats.intervals import ROUGH_ROWS
from ..stats.power import POWER
from .data import ReportData

NO_VALUE: Final = "–"

MAX_MEANS: Final = 3
"""Means of one model that its headline has at most."""


def conclusion(report: ReportData) -> str:
    """Return the conclusion, a sentence per comparison on the first metric."""
    if not report.metric_names:
        return ""
    metric = report.metric_names[0]
    lines = [comparison_sentence(pair) for pair in report.comparisons if pair.metric == metric]
    return "\n".join([*lines, *repeat_sentences(report, metric)])


def headline(report: ReportData) -> str:
    """Return the conclusion in a line: the verdict on the first metric, or one model's means."""
    if report.comparisons:
        return conclusion(report).split("\n", 1)[0]
    means = []
    for score in report.model_scores:
        if score.n:
            means.append(f"{metric_title(score.metric)} {format_score(score.mean)}")
    return " · ".join(means[:MAX_MEANS])


def title(models: Iterable[str], *, prompts: int = 1) -> str:
    """Return the title of an evaluation; the baseline is the first of the models, each of them once
    for each prompt.
    """
    names = list(models)
    if prompts > 1:
        n_prompts = trn("{n} prompt", "{n} prompts", prompts)
        n_models = trn("{n} model", "{n} models", len(names) // prompts)
        return tr("Evaluation: {prompts} × {models}", prompts=n_prompts, models=n_models)
    if len(names) > 2:
        return trn("Evaluation of {n} model", "Evaluation of {n} models", len(names))
    if len(names) == 2:
        return tr("Evaluation: {tuned} and {base}", tuned=names[1], base=names[0])
    if names:
        return tr("Evaluation: {model}", model=names[0])
    return tr("Evaluation")


def report_title(report: ReportData) -> str:
    """Return the title of a report."""
    return title(report.models, prompts=len(report.prompts))


def metric_title(name: str) -> str:
    """Return the name of a metric as a reader knows it: `ROUGE-L` for `rouge_l`."""
    if name not in METRICS:
        return name
    title = tr(METRICS[name].title)
    if title.islower():
        return title[:1].upper() + title[1:]
    return title


def verdict_sentence(comparison: Comparison) -> str:
    """Return which model is better, in a few words."""
    tuned = comparison.candidate
    base = comparison.baseline
    if comparison.outcome == "better":
        return tr("{tuned} is better than {base}", tuned=tuned, base=base)
    if comparison.outcome == "worse":
        return tr("{tuned} is worse than {base}", tuned=tuned, base=base)
    return tr("Cannot tell whether {tuned} or {base} is better", tuned=tuned, base=base)


def difference_sentence(comparison: Comparison) -> str:
    """Return by how much the models differ, with interval, number of questions and test."""
    test = comparison.test
    if not test.n:
        return tr("No question has a score of both models.")
    if test.difference > 0:
        message = tr_noop(
            "{metric} of {tuned} is higher than that of {base} by {size} ({interval}) on the "
            "same {n} questions; {test} test, {p}."
        )
    elif test.difference < 0:
        message = tr_noop(
            "{metric} of {tuned} is lower than that of {base} by {size} ({interval}) on the "
            "same {n} questions; {test} test, {p}."
        )
    else:
        message = tr_noop(
            "{metric} of {tuned} and {base} is the same on average ({interval}) on the same {n} "
            "questions; {test} test, {p}."
        )
    return tr(
        message,
        tuned=comparison.candidate,
        base=comparison.baseline,
        metric=metric_title(comparison.metric),
        size=format_score(abs(test.difference)),
        interval=_difference_interval(comparison),
        n=f"{test.n:,}",
        test=tr(test.method),
        p=format_p_value(comparison.p_holm),
    )


def _difference_interval(comparison: Comparison) -> str:
    """Return the interval of a difference, and over how many comparisons it is corrected."""
    interval = comparison.test.interval
    bounds = format_interval(interval.low, interval.high, plus=True)
    if math.isnan(interval.low):
        return tr("no interval from so few questions")
    if comparison.n_comparisons == 1:
        return tr("95% interval {bounds}", bounds=bounds)
    return tr(
        "{bounds}, interval and p corrected for {n} comparisons",
        bounds=bounds,
        n=f"{comparison.n_comparisons:,}",
    )


def comparison_sentence(comparison: Comparison) -> str:
    """Return a comparison as a sentence: the verdict, and by how much."""
    return tr(
        "{verdict}: {difference}",
        verdict=verdict_sentence(comparison),
        difference=difference_sentence(comparison),
    )


def counts_sentence(comparison: Comparison) -> str:
    """Return on how many questions the candidate is better, worse and equal."""
    test = comparison.test
    counts = {"wins": f"{test.wins:,}", "losses": f"{test.losses:,}", "ties": f"{test.ties:,}"}
    if test.n:
        return tr("Questions: {wins} better, {losses} worse, {ties} equal.", **counts)
    return ""


def power_sentences(comparison: Comparison) -> list[str]:
    """Return why no difference is shown, which one the questions can show, and how many would show
    this one.
    """
    test = comparison.test
    if comparison.is_significant or not test.n:
        return []
    sentences = []
    if comparison.is_lost_to_holm:
        sentences.append(
            tr(
                "Alone the difference would be beyond chance ({p}); among {n} comparisons it is "
                "not.",
                p=format_p_value(test.p_value),
                n=f"{comparison.n_comparisons:,}",
            )
        )
    n = f"{test.n:,}"
    power = f"{POWER:.0%}"
    if math.isnan(test.detectable):
        sentences.append(tr("{n} questions are too few to show any difference.", n=n))
    else:
        sentences.append(
            tr(
                "With {n} questions only differences of {size} or more are found reliably (power "
                "{power}).",
                size=format_score(test.detectable),
                n=n,
                power=power,
            )
        )
    if test.needed is not None and test.needed > test.n:
        step = 10 ** max(0, len(str(test.needed)) - 2)  # two digits count
        sentences.append(
            tr(
                "A difference like this one would be found reliably with about {n} questions "
                "(power {power}).",
                n=f"{-(-test.needed // step) * step:,}",
                power=power,
            )
        )
    return sentences


def rough_sentence(units: Iterable[int], *, is_clustered: bool) -> str:
    """Return that intervals are rough where rows or clusters are few; "" where there are enough."""
    if not any(0 < n < ROUGH_ROWS for n in units):
        return ""
    if is_clustered:
        return tr("Intervals are rough: there are fewer than {n} groups of rows.", n=ROUGH_ROWS)
    return tr("Intervals are rough: there are fewer than {n} questions.", n=ROUGH_ROWS)


def coverage_sentence(score: Score) -> str:
    """Return how many questions have no score, with the mean in the worst and the best case; ""
    where all have one.
    """
    if score.n >= score.total:
        return ""
    counts = {"model": score.model, "n": f"{score.n:,}", "total": f"{score.total:,}"}
    failed = f"{score.failed:,}"
    if math.isnan(score.worst):
        return tr(
            "{model}: {n} of {total} questions have a score, {failed} failed.",
            **counts,
            failed=failed,
        )
    return tr(
        "{model}: {n} of {total} questions have a score, {failed} failed; "
        "the mean would be {bounds} if the others were all wrong or all right.",
        **counts,
        failed=failed,
        bounds=format_interval(score.worst, score.best),
    )


def failure_sentence(report: ReportData, model: str) -> str:
    """Return the most frequent reason why questions to a model failed, of those that were sent; ""
    where none did.
    """
    reasons = Counter[str]()
    for sample in report.records:
        if sample.model == model and sample.error:
            reasons[sample.error] += 1
    if not reasons:
        return ""
    ranked = sorted(reasons, key=lambda error: (error.startswith(NOT_ASKED), -reasons[error]))
    reason = ranked[0]
    count = reasons[reason]
    return tr(
        "{model}: {n} failed by: {reason}",
        model=model,
        n=f"{count:,}",
        reason=clip(" ".join(to_plain(reason).split()), 300),
    )


def repeat_sentences(report: ReportData, metric: str) -> list[str]:
    """Return the variation of several answers to each question, a sentence for each model; none for
    one answer.
    """
    sentences = []
    for score in report.repeat_scores:
        if score.metric != metric or not score.answers:
            continue
        facts = []
        for each in score.passes:
            if each.questions:
                bounds = format_interval(each.interval.low, each.interval.high)
                facts.append(f"pass@{each.k} {format_score(each.mean)} ({bounds})")
        shares = (
            (score.same_score, tr_noop("{share} of the pairs of answers have the same score")),
            (
                1 - score.reliability,
                tr_noop("{share} of the variance of answers is chance within questions"),
            ),
        )
        for share, fact in shares:
            if not math.isnan(share):
                facts.append(tr(fact, share=format_share(share)))
        sentences.append(
            tr(
                "{model}, {n} answers to each question: {facts}.",
                model=score.model, n=report.repeat_count, facts=tr(", ").join(facts),
            )
        )  # fmt: skip
    return sentences


CATEGORIES: Final = (
    tr_noop("STEM"), tr_noop("Social Science"), tr_noop("Humanities"), tr_noop("Other"),
    tr_noop("China specific"),
)  # fmt: skip
"""The groups of subjects, whose names are stored with reports and translated where they are
shown.
"""


def average_title(average: Average) -> str:
    """Return the title of an average: all subjects, a group of them, or one."""
    if not average.value:
        return tr("All subjects")
    if average.value in CATEGORIES:
        return tr(average.value)
    return average.value


def average_sentences(report: ReportData, models: Iterable[str] = ()) -> list[str]:
    """Return the averages over all that the benchmark reports of models, by default of all; none
    for other data.
    """
    names = [*models] or report.models
    metric = next(iter(report.metric_names), "")  # of several the first, so that a report is short
    values = []
    units = 0
    for each in report.group_averages:
        if not each.value and each.metric == metric and each.model in names:
            bounds = format_interval(each.interval.low, each.interval.high)
            values.append(f"{each.model} {format_score(each.mean)} ({bounds})")
            units = max(units, each.units)
    if not values:
        return []
    message = tr(
        "{metric}, mean of the means of {n} subjects: {values}.",
        metric=metric_title(metric),
        n=f"{units:,}",
        values=tr(", ").join(values),
    )
    return [message]


def format_share(value: float) -> str:
    """Return a share as a percentage, a dash for NaN."""
    if math.isnan(value):
        return NO_VALUE
    return f"{value:.0%}"


def format_score(value: float) -> str:
    """Return a score with three decimals; a large one with four digits, a dash for NaN."""
    if math.isnan(value):
        return NO_VALUE
    return _minus(f"{value:.3f}" if abs(value) < 10 else f"{value:,.4g}")


def format_interval(low: float, high: float, *, plus: bool = False) -> str:
    """Return an interval, `0.730–0.925`; with signs `+0.694 to +0.890`; a dash where a bound is
    unknown.
    """
    if math.isnan(low) or math.isnan(high):
        return NO_VALUE
    if plus:
        return tr("{low} to {high}", low=format_difference(low), high=format_difference(high))
    if low < 0:
        return tr("{low} to {high}", low=format_score(low), high=format_score(high))
    return f"{format_score(low)}–{format_score(high)}"


def format_difference(value: float) -> str:
    """Return a difference with its sign."""
    if math.isnan(value):
        return NO_VALUE
    return _minus(f"{value:+.3f}")


def format_p_value(value: float) -> str:
    """Return a p-value, `p = 0.021` or `p < 0.0001`; a dash for NaN."""
    if math.isnan(value):
        return f"p: {NO_VALUE}"
    if value < 1e-4:
        return "p < 0.0001"
    return f"p = {value:.2g}"


def _minus(number: str) -> str:
    return number.replace("-", "−")


def format_cell(value: Any) -> str:
    """Return the cell of a table as text."""
    if is_missing(value):
        return NO_VALUE
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) >= 1000:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.001 or math.isinf(value):
        return f"{value:.3g}"
    return f"{value:.3f}"


_MARKS: Final = re.compile(
    r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|(?<=\w)@(?=\w)"
    r"|\A[+#=-](?=[\s+#=-]|\Z)|(?<=\A\d)[.)]|(?<=\A\d\d)[.)]",
    re.IGNORECASE,
)
"""Marks of Markdown, only where they are marks: no dot in a sentence, nothing in rouge_l, (n = 5)
and +0.694.
"""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def redact_text(text: str) -> str:
    """Return a text that can be written as UTF-8, with everything that looks like a credential
    hidden.
    """
    return redact(replace_surrogates(text))


def to_plain(text: object) -> str:
    """Return text without secrets, terminal escapes, control characters and direction overrides."""
    return strip_controls(redact_text(str(text)))


def to_markdown(text: object) -> str:
    """Return text that is only text in a cell of a Markdown table."""
    escaped = _MARKS.sub(r"\\\g<0>", to_plain(text).replace("\t", " ").strip(" "))
    return html.escape(escaped, quote=False).replace("\n", "<br>")


def to_sheet_text(text: object) -> str:
    """Return text that a spreadsheet takes for text: one that begins with = + - @ gets an
    apostrophe.
    """
    cleaned = to_plain(text)
    if cleaned.startswith(_FORMULA):
        return f"'{cleaned}"
    return cleaned
