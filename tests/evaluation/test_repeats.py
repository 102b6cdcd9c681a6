"""Several answers to one question: pass@k, variance, agreement, and numbers that count
questions.
"""

import itertools
import math
import random
import statistics

import pytest
from support.chat_script import whole

import qfnb
from qfnb import errors
from qfnb.evaluation import EvaluationManager, ExactMatchEvaluator
from qfnb.evaluation.report import Report, Sample
from qfnb.evaluation.stats.variation import pair_agreement, pass_at_k, variance_components

ROWS = [{"prompt": f"q{n}", "response": "yes"} for n in range(8)]


def repeated(scores, model="a", texts=None):
    """Samples of a model: a list of scores for each question, None for an answer that failed."""
    return [
        Sample(model, q, f"q{q}", "yes", "", {}, error="gone", repeat=r)
        if score is None
        else Sample(
            model, q, f"q{q}", "yes", texts[q][r] if texts else "t", {"m": float(score)}, repeat=r
        )
        for q, group in enumerate(scores)
        for r, score in enumerate(group)
    ]


def report_of(*samples, **fields):
    return Report(tuple(samples), tuple(dict.fromkeys(s.model for s in samples)), ("m",), **fields)


@pytest.mark.parametrize("n", range(1, 7))
def test_pass_at_k_is_the_share_of_all_choices_of_k_answers_with_a_right_one(n):
    for right, k in itertools.product(range(n + 1), range(1, n + 1)):
        answers = [1] * right + [0] * (n - right)
        expected = statistics.mean(any(choice) for choice in itertools.combinations(answers, k))
        assert pass_at_k(n, right, k) == pytest.approx(expected)
    assert math.isnan(pass_at_k(n, 1, n + 1))


def test_pass_at_k_counts_the_questions_with_k_answers():
    score = report_of(*repeated([[1, None, None], [1, 1, 0], [0, 0, 0]]), ks=(2,)).repeat_scores[0]
    assert (score.passes[0].questions, score.passes[0].mean) == (2, 0.5)


def test_variance_components_are_those_of_the_analysis_of_variance():
    lot = random.Random(4)
    groups = [[lot.gauss(mean, 1) for _ in range(4)] for mean in (0, 1, 3, 3, 5)]
    within, between = variance_components(groups)
    assert within == pytest.approx(statistics.mean(map(statistics.variance, groups)))
    # of balanced groups: between + within / 4
    between_means = statistics.variance(map(statistics.mean, groups))
    assert between == pytest.approx(between_means - within / 4)


def test_variance_components_of_unequal_groups():
    within, between = variance_components([[0, 2], [5, 5, 8]])
    # 2 + 6 over 5 - 2; of means 1 and 6 around 4, with (5 - 13 / 5) rows in a group
    assert (within, between) == pytest.approx((8 / 3, (30 - 8 / 3) / 2.4))


def test_variance_of_single_answers_and_of_one_question_is_not_known():
    assert all(map(math.isnan, variance_components([[1.0], [0.0]])))
    assert variance_components([[1.0, 0.0]])[0] == 0.5
    assert math.isnan(variance_components([[1.0, 0.0]])[1])


def test_agreement_is_the_share_of_equal_pairs():
    groups = [["a", "a", "b"], ["c", "c", "c"], ["d"]]
    shares = [
        statistics.mean(x == y for x, y in itertools.combinations(group, 2)) for group in groups[:2]
    ]
    assert pair_agreement(groups) == pytest.approx(statistics.mean(shares))
    assert math.isnan(pair_agreement([["a"], []]))


def test_answers_agree_but_for_case_width_and_punctuation():
    report = report_of(
        *repeated([[1, 1]], texts=[["北京。", "北京"]]), *repeated([[1, 0]], "b", [["A１", "a2"]])
    )
    assert [score.same_answer for score in report.repeat_scores] == [1, 0]


def test_means_intervals_and_tests_count_questions_and_not_answers():
    def report(n):
        scores = {"a": [0, 0, 1, 0, 1, 0, 0, 0], "b": [1, 1, 1, 0, 1, 1, 1, 0]}
        return report_of(
            *(s for m, values in scores.items() for s in repeated([[v] * n for v in values], m))
        )

    once = report(1)
    often = report(5)
    for table in ("summary", "pairs"):
        assert getattr(often, table).equals(getattr(once, table))
    assert (often.usage.total.tolist(), often.repeats.same_score.tolist()) == ([40, 40], [1, 1])


def test_a_question_has_the_mean_of_the_answers_that_came():
    report = report_of(*repeated([[1, 0, None], [None, None, None], [1, 1, 1]]))
    score = report.model_scores[0]
    assert (score.mean, score.n, score.failed, score.total) == (0.75, 2, 1, 3)
    assert report.model_usage[0].failed == 4
    assert report.samples.repeat.tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize(
    ("n", "k"),
    [(0, None), (-1, None), (True, None), (2.0, None), (3, 4), (3, 0), (3, []), (3, "2"), (1, 2)],
)
def test_wrong_repeats_are_refused_before_anybody_is_asked(n, k):
    with pytest.raises(errors.InvalidArgumentError, match=r"^[nk]="):
        qfnb.compare("ernie-5.1", "ernie-5.2", ROWS, n=n, k=k)


def test_more_repeats_send_only_what_is_missing_and_fewer_send_nothing(scripted):
    server = scripted(whole("yes"))

    def ask(n):
        before = len(server.requests)
        report = EvaluationManager(local_evaluators=[ExactMatchEvaluator()]).eval(
            [qfnb.ChatCompletion("mine")], ROWS, n=n
        )
        return len(server.requests) - before, len(report.records), report.model_scores[0].n

    assert [ask(n) for n in (1, 3, 5, 2, 1, 5)] == [
        (8, 8, 8), (16, 24, 8), (16, 40, 8), (0, 16, 8), (0, 8, 8), (0, 40, 8),
    ]  # fmt: skip
