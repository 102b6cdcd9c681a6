"""Several answers of a model to the same question: how much is chance, pass@k, and how far the
answers agree.

The answers to one question are no independent rows: means, intervals and tests of a report are
those of questions, each with the mean of its answers, and what is here takes them apart. Sources:
Chen et al. 2021 (arXiv 2107.03374), Searle, Casella and McCulloch 1992 (variance components of
unequal groups).
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ...metrics.exact_json import comparable
from ..samples import Sample
from . import intervals
from .aggregates import cluster_labels


@dataclass(frozen=True)
class Pass:
    """Pass@k: the chance that at least one of k answers to a question is right.

    Attributes:
        questions: questions with k scored answers or more, which count.
    """

    k: int
    mean: float
    interval: intervals.Interval
    questions: int


@dataclass(frozen=True)
class RepeatScore:
    """What the repeats of a model show on one metric; NaN where they are too few to show it.

    Attributes:
        questions: questions with a score.
        answers: answers with a score.
        within: the variance of the answers to one question, pooled over the questions.
        between: the variance between the questions that is not chance within them, 0 or more.
        same_score: share of the pairs of answers to one question that have the same score.
        same_answer: share of the pairs of answers to one question that have the same text, but for
            punctuation, case and width.
        passes: pass@k by k, where all scores are 0 or 1.
    """

    model: str
    metric: str
    questions: int
    answers: int
    within: float
    between: float
    same_score: float
    same_answer: float
    passes: tuple[Pass, ...]

    @property
    def reliability(self) -> float:
        """The share of the variance of single answers that is between questions: the intraclass
        correlation.
        """
        total = self.within + self.between
        if total:
            return self.between / total
        return math.nan

    @property
    def chance_share(self) -> float:
        """The share of the mean's own variance that is chance within questions, which more repeats
        would remove.
        """
        if not self.answers:
            return math.nan
        chance = self.within * self.questions / self.answers
        if chance + self.between:
            return chance / (chance + self.between)
        return math.nan


def pass_at_k(n: int, right: int, k: int) -> float:
    """Return the unbiased estimate of pass@k for one question: 1 - C(n - right, k) / C(n, k).

    Args:
        n: answers to the question.
        right: those of them that are right.
        k: answers that one would look at; NaN above n.
    """
    if k <= n:
        return 1 - math.comb(n - right, k) / math.comb(n, k)
    return math.nan


def variance_components(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the variance within groups and that between their true means, by the analysis of
    variance.

    NaN for that within where no group has two values, and for that between where there is only one
    group.
    """
    sizes = [len(group) for group in groups]
    values = [value for group in groups for value in group]
    n = len(values)
    n_groups = len(groups)
    if n <= n_groups:
        return math.nan, math.nan
    means = [sum(group) / len(group) for group in groups]
    squares = sum(
        (value - mean) ** 2 for group, mean in zip(groups, means, strict=True) for value in group
    )
    within = squares / (n - n_groups)
    if n_groups < 2:
        return within, math.nan
    grand = sum(values) / n
    between_squares = sum(
        size * (mean - grand) ** 2 for size, mean in zip(sizes, means, strict=True)
    )
    size = (n - sum(each * each for each in sizes) / n) / (n_groups - 1)
    return within, max(0.0, (between_squares / (n_groups - 1) - within) / size)


def pair_agreement(groups: Sequence[Sequence[Hashable]]) -> float:
    """Return the share of equal pairs within a group, on average over the groups that have pairs;
    NaN without any.
    """
    shares = [
        sum(count * (count - 1) for count in Counter(group).values())
        / (len(group) * (len(group) - 1))
        for group in groups
        if len(group) > 1
    ]
    if shares:
        return sum(shares) / len(shares)
    return math.nan


def score_repeats(
    model: str,
    metric: str,
    groups: Sequence[Sequence[Sample]],
    ks: Sequence[int],
    cluster: str = "",
) -> RepeatScore:
    """Return the variation of the repeats of a model.

    Args:
        model: its label.
        metric: the metric.
        groups: the samples of each question.
        ks: those of pass@k.
        cluster: the column whose rows belong together.
    """
    scored_groups = [[s for s in group if not math.isnan(s.score(metric))] for group in groups]
    questions = [group for group in scored_groups if group]
    scores = [[sample.score(metric) for sample in group] for group in questions]
    texts = [
        [comparable(sample.output) for sample in group if not sample.error] for group in groups
    ]
    within, between = variance_components(scores)
    is_rate = intervals.is_rate([score for group in scores for score in group])
    return RepeatScore(
        model=model,
        metric=metric,
        questions=len(questions),
        answers=sum(map(len, questions)),
        within=within,
        between=between,
        same_score=pair_agreement(scores),
        same_answer=pair_agreement(texts),
        passes=tuple(_mean_pass(k, questions, metric, cluster) for k in ks)
        if is_rate and questions
        else (),
    )


def _mean_pass(k: int, questions: Sequence[Sequence[Sample]], metric: str, cluster: str) -> Pass:
    counted = [group for group in questions if len(group) >= k]
    values = [
        pass_at_k(len(group), round(sum(sample.score(metric) for sample in group)), k)
        for group in counted
    ]
    labels = cluster_labels([group[0] for group in counted], cluster)
    if values:
        mean = sum(values) / len(values)
    else:
        mean = math.nan
    return Pass(k, mean, intervals.mean_interval(values, labels), len(counted))
