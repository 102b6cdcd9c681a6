"""How far a judge can be trusted: kappa and position; golden values by reference packages."""

import math
import random

import numpy as np
import pytest

from qfnb import errors
from qfnb.evaluation import EvaluationManager, LocalEvaluator, MetricEvaluator, PairwiseJudge
from qfnb.evaluation.labels import Labels
from qfnb.evaluation.stats.intervals import measure_kappa
from qfnb.views.evaluation.report import card_html

CHANCE = random.Random(7)
PEOPLE = [CHANCE.randint(0, 5) for _ in range(60)]
JUDGE = [score if CHANCE.random() < 0.6 else CHANCE.randint(0, 5) for score in PEOPLE]
X, Z = ([CHANCE.gauss(0, 1) for _ in range(40)] for _ in range(2))


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))


# Golden values: a scratch environment with scikit-learn and statsmodels 0.15 on the lists above,
# cohen_kappa_score(PEOPLE, JUDGE[, weights="quadratic"]), cohens_kappa(to_table(...)[0][,
# wt="quadratic"]) and
# OLS(Y, [X, Z, 1]).fit(cov_type="cluster", cov_kwds={"groups": i // 4}, use_t=True).
@pytest.mark.parametrize(
    ("is_weighted", "value", "low", "high"),
    [
        (False, 0.5671590518722088, 0.4243369716158277, 0.70998113212859),
        (True, 0.6694417238001958, 0.462871416064805, 0.8760120315355867),
    ],
)
def test_kappa_is_that_of_scikit_learn_and_its_interval_nearly_that_of_statsmodels(
    is_weighted, value, low, high
):
    kappa = measure_kappa(PEOPLE, JUDGE, is_weighted=is_weighted)
    assert kappa.value == pytest.approx(value, abs=1e-12)
    assert (kappa.interval.low, kappa.interval.high) == pytest.approx((low, high), abs=0.06)
    assert (kappa.n, kappa.share) == (
        60,
        sum(a == b for a, b in zip(PEOPLE, JUDGE, strict=True)) / 60,
    )


def test_an_interval_of_kappa_has_a_width_where_all_labels_agree():
    kappa = measure_kappa("aabb" * 3, "aabb" * 3)
    assert kappa.value == 1
    assert 0.4 < kappa.interval.low < 0.7
    assert kappa.interval.high == 1
    assert math.isnan(measure_kappa("aaa", "aaa").value)
    assert measure_kappa([], []).n == 0


def test_an_interval_of_kappa_covers_where_a_label_is_rare():
    rng = np.random.default_rng(3)
    hits = 0
    for drawn in rng.choice(4, (200, 20), p=[0.85, 0.05, 0.04, 0.06]):
        interval = measure_kappa(*(part.tolist() for part in divmod(drawn, 2))).interval
        hits += interval.low <= 0.5216 <= interval.high
    assert hits >= 170  # the asymptotic one covers 155


class BiasedJudge:
    """Prefers its own sort of text, else the longer one, else what stands first."""

    label = "ernie-5.1"

    def __init__(self, own=""):
        self.own = own

    def batch_do(self, rows, worker_num=None, **options):
        self.replies = [{"result": f"结论: {self.choose(row)}"} for row in rows]
        return self

    def choose(self, row):
        a, b = (row.split(f"<回答{name}>\n")[1].split(f"\n</回答{name}>")[0] for name in "AB")
        keys = [(self.own in text if self.own else 0, len(text)) for text in (a, b)]
        return "A" if keys[0] >= keys[1] else "B"

    def results(self):
        return self.replies


class Quality(LocalEvaluator):
    """What a text says of itself."""

    def evaluate(self, input, reference, output):  # noqa: A002
        return {"quality": float(output.count("好"))}


def judged_report(judge, evaluator=None, n=30):
    chance = random.Random(3)
    texts = [
        [f"{'好' * chance.randint(0, 1)}{mark}{'x' * chance.randint(0, 6)}" for mark in "甲乙"]
        for _ in range(n)
    ]
    rows = [
        {"prompt": f"问{i}", "response": "无", "ernie-a": a, "qwen-b": b}
        for i, (a, b) in enumerate(texts)
    ]
    evaluators = [PairwiseJudge(judge), evaluator or Quality()]
    return EvaluationManager(local_evaluators=evaluators).eval_only(
        rows, output_column=["ernie-a", "qwen-b"]
    )


def test_a_judge_that_takes_what_comes_first_is_measured():
    quality = judged_report(BiasedJudge()).judge_quality()
    assert 0 < quality.flips.value < 0.4  # equal lengths
    assert quality.flips.interval.low < quality.flips.value < quality.flips.interval.high
    assert quality.first_share.value == 0.5 + quality.flips.value / 2


def test_a_judge_that_prefers_its_own_sort_is_measured_against_people():
    report = judged_report(BiasedJudge("甲"))
    labels = Labels(report)
    while task := labels.next():
        labels.add(
            "tie" if task.a.count("好") == task.b.count("好") else "a" if "好" in task.a else "b"
        )
    quality = report.judge_quality()
    assert quality.flips.value == 0
    assert quality.agreement.kappa.interval.high < 0.5
    assert "judge_wins agrees with people on" in repr(report.card())
    assert "agrees with people" in card_html(report.card())
    with pytest.raises(errors.InvalidArgumentError, match="judges give judge_wins"):
        report.judge_quality("quality")


def test_a_report_without_a_judge_says_nothing_of_one():
    rows = [{"prompt": "问", "response": "答", "a": "答", "b": "不"}]
    report = EvaluationManager(local_evaluators=[MetricEvaluator("exact_match")]).eval_only(
        rows, output_column=["a", "b"]
    )
    assert "people" not in repr(report.card())
