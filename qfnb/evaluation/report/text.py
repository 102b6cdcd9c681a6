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
from ..stats.aggregates import Comparison, Score
from ..stats.intervals import ROUGH_ROWS
from ..stats.power import POWER
from .data import ReportData

NO_VALUE: Final = "–"

MAX_MEANS: Final = 3
"""Means of one model that its headline has at most."""


def conclusion(report: ReportData) -> str:
    """Return the conclusion, a sentence per comparison on the first metric."""
    metrics = report.metric_names[:1]
    lines = [comparison_sentence(pair) for pair in report.comparisons if pair.metric in metrics]
    return "\n".join(
        [*lines, *(line for metric in metrics for line in repeat_sentences(report, metric))]
    )


def headline(report: ReportData) -> str:
    """Return the conclusion in a line: the verdict on the first metric, or one model's means."""
    if report.comparisons:
        return conclusion(report).split("\n", 1)[0]
    means = [
        f"{metric_title(score.metric)} {format_score(score.mean)}"
        for score in report.model_scores
        if score.n
    ]
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
    if report.compared:
        return tr("An earlier and a later evaluation")
    return title(report.models, prompts=len(report.prompts))


def metric_title(name: str) -> str:
    """Return the name of a metric as a reader knows it: `ROUGE-L` for `rouge_l`."""
    if name in METRICS:
        words = tr(METRICS[name].title)
    else:
        words = name
    if name in METRICS and words.islower():
        return words[:1].upper() + words[1:]
    return words


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
    values = {
        "tuned": comparison.candidate,
        "base": comparison.baseline,
        "metric": metric_title(comparison.metric),
        "size": format_score(abs(test.difference)),
        "interval": _difference_interval(comparison),
        "n": f"{test.n:,}",
        "test": tr(test.method),
        "p": format_p_value(comparison.p_holm),
    }
    if test.difference > 0:
        return tr(
            "{metric} of {tuned} is higher than that of {base} by {size} ({interval}) on the "
            "same {n} questions; {test} test, {p}.",
            **values,
        )
    if test.difference < 0:
        return tr(
            "{metric} of {tuned} is lower than that of {base} by {size} ({interval}) on the "
            "same {n} questions; {test} test, {p}.",
            **values,
        )
    return tr(
        "{metric} of {tuned} and {base} is the same on average ({interval}) on the same {n} "
        "questions; {test} test, {p}.",
        **values,
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
        alone = format_p_value(test.p_value)
        n = f"{comparison.n_comparisons:,}"
        sentences.append(
            tr(
                "Alone the difference would be beyond chance ({p}); among {n} comparisons it is "
                "not.",
                p=alone,
                n=n,
            )
        )
    counts = {"n": f"{test.n:,}", "power": f"{POWER:.0%}"}
    if math.isnan(test.detectable):
        sentences.append(tr("{n} questions are too few to show any difference.", **counts))
    else:
        size = format_score(test.detectable)
        sentences.append(
            tr(
                "With {n} questions only differences of {size} or more are found reliably (power "
                "{power}).",
                size=size,
                **counts,
            )
        )
    if test.needed is not None and test.needed > test.n:
        counts["n"] = _about(test.needed)
        sentences.append(
            tr(
                "A difference like this one would be found reliably with about {n} questions "
                "(power {power}).",
                **counts,
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


def _about(n: int) -> str:
    """Return a number with two digits that count."""
    step = 10 ** max(0, len(str(n)) - 2)
    return f"{-(-n // step) * step:,}"


def coverage_sentence(score: Score) -> str:
    """Return how many questions have no score, with the mean in the worst and the best case; ""
    where all have one.
    """
    if score.n >= score.total:
        return ""
    counts = {
        "model": score.model,
        "n": f"{score.n:,}",
        "total": f"{score.total:,}",
        "failed": f"{score.failed:,}",
    }
    if math.isnan(score.worst):
        return tr("{model}: {n} of {total} questions have a score, {failed} failed.", **counts)
    bounds = format_interval(score.worst, score.best)
    return tr(
        "{model}: {n} of {total} questions have a score, {failed} failed; "
        "the mean would be {bounds} if the others were all wrong or all right.",
        **counts,
        bounds=bounds,
    )


def failure_sentence(report: ReportData, model: str) -> str:
    """Return the most frequent reason why questions to a model failed, of those that were sent; ""
    where none did.
    """
    reasons = Counter(
        sample.error for sample in report.records if sample.model == model and sample.error
    )
    if not reasons:
        return ""
    ranked = [error for error, _ in reasons.most_common()]
    reason = next((error for error in ranked if not error.startswith(NOT_ASKED)), ranked[0])
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
        facts = [
            f"pass@{each.k} {format_score(each.mean)} "
            f"({format_interval(each.interval.low, each.interval.high)})"
            for each in score.passes
            if each.questions
        ]
        shares = (
            (score.same_score, tr_noop("{share} of the pairs of answers have the same score")),
            (
                1 - score.reliability,
                tr_noop("{share} of the variance of answers is chance within questions"),
            ),
        )
        facts += [
            tr(fact, share=format_share(share)) for share, fact in shares if not math.isnan(share)
        ]
        sentences.append(
            tr(
                "{model}, {n} answers to each question: {facts}.",
                model=score.model, n=report.repeat_count, facts=tr(", ").join(facts),
            )
        )  # fmt: skip
    return sentences


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


def to_html(text: object) -> str:
    """Return text that is inert inside HTML, attributes included."""
    return html.escape(to_plain(text), quote=True)


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
