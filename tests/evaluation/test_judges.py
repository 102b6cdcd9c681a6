"""Judges: they see the answer, what they write is read or missing, and how far they agree is counted."""

import math

import pytest

from qfnb import ChatCompletion, errors
from qfnb.evaluation import JudgePanel, LocalJudgeEvaluator, PairwiseJudge
from qfnb.evaluation.agreement import agreement, cohen_kappa, fleiss_kappa
from qfnb.evaluation.pairwise import judges_agree
from qfnb.evaluation.verdicts import read_preference, read_verdict
from qfnb.wire.template import PromptTemplate


class Judge:
    """A model that answers by a function of what it is asked; errors are handed on."""

    def __init__(self, answer):
        self.answer, self.asked, self.options = answer, [], {}

    def batch_do(self, rows, worker_num=None, **options):
        self.asked += rows
        self.options, self.replies = options, [self.answer(row) for row in rows]
        return self

    def results(self):
        return [said if isinstance(said, Exception) else {"result": said} for said in self.replies]


def saying(*texts):
    left = iter(texts)
    return Judge(lambda _: next(left))


def judged(model, count, **more):
    judge = LocalJudgeEvaluator(model, **more)
    rows = judge.evaluate_all(["问"] * count, ["参考"] * count, ["答"] * count)
    return judge, [row[judge.metric_name] for row in rows]


@pytest.mark.parametrize(
    ("text", "score", "reason"),
    [
        ("评分: 4\n原因: 答得好", 4, "答得好"),
        ("评分：４分\n理由：不错", 4, "不错"),
        ("**评分**: 4.5", 4.5, ""),
        ("Score: 4/5\nReason: fine", 4, "fine"),
        ('```json\n{"score": "3", "reason": "对"}\n```', 3, "对"),
        ('{"评分": 0, "原因": "错"}', 0, "错"),
        ("4", 4, ""),
        ("<think>评分: 1?</think>评分: 5", 5, ""),
        ("评分: 5\n原因: 评分: 5 分因为好", 5, "评分: 5 分因为好"),
    ],
)
def test_a_verdict_is_read(text, score, reason):
    found = read_verdict(text, 5)
    assert (found.score, found.reason, found.error) == (score, reason, "")


@pytest.mark.parametrize(
    "text",
    [
        "我认为很好",
        "",
        "评分: 8",
        "评分: -1",
        "评分: 4/10",
        "评分: 3-4",
        "评分: 3\n评分: 4",
        '{"score": null}',
        "评分: 整数",
    ],
)
def test_what_cannot_be_read_is_missing_and_says_so(text):
    found = read_verdict(text, 5)
    assert found.score is None
    assert math.isnan(found.value)
    assert "no score of 0-5" in found.error


@pytest.mark.parametrize(
    ("text", "preferred"),
    [
        ("结论: B\n原因: 更完整", "B"),
        ("结论：平局", "tie"),
        ("更好的回答是A", "A"),
        ("[[C]]", "tie"),
        ('{"winner": "Answer B"}', "B"),
        ("A", "A"),
        ("[[A]] 或 [[B]]", None),
        ("两个都好", None),
    ],
)
def test_a_preference_is_read(text, preferred):
    assert read_preference(text) == preferred


def test_the_judge_sees_the_candidates_answer():
    judge = Judge(lambda _: "评分: 3")
    scores = LocalJudgeEvaluator(judge, criteria="准确").evaluate(
        "问{prompt}", "参考", "候选{reference}的回答"
    )
    assert scores == {"judge_score": 3}
    text = judge.asked[0]
    assert all(text.count(part) == 1 for part in ("准确", "问{prompt}", "参考\n", "候选{reference}的回答"))


@pytest.mark.parametrize(
    "template",
    [
        "判 {prompt} 答 {response} 满分 {max_score}",
        PromptTemplate("判 {prompt} 答 {response} 满分 {max_score}"),
    ],
)
def test_a_template_of_ones_own(template):
    judge = Judge(lambda _: "9")
    found = judged(
        judge,
        1,
        evaluation_prompt=template,
        prompt_max_score=10,
        metric_name="分",
        model_kwargs={"top_p": 0.1},
    )
    assert (judge.asked, judge.options, found[1]) == (["判 问 答 答 满分 10"], {"top_p": 0.1}, [9])


def test_a_template_that_hides_the_answer_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="response"):
        LocalJudgeEvaluator(evaluation_prompt="{prompt} {reference}")


def test_parse_failures_and_failed_calls_are_counted_and_never_zero():
    judge, scores = judged(saying("评分: 4", "不好说", ValueError("away"), "评分: 0"), 4)
    assert [scores[0], scores[3]] == [4, 0]
    assert all(math.isnan(score) for score in scores[1:3])
    assert (judge.bill.asked, judge.bill.unread, judge.bill.failed) == (4, 1, 1)
    assert [bool(verdict.error) for verdict in judge.verdicts] == [False, True, True, False]
    assert judge.summarize(None)["judge_score_unread"] == 1


def test_a_judge_is_asked_through_the_sandbox_and_costs_nothing_there(sandbox):
    judge, scores = judged(ChatCompletion(model="ernie-speed-8k"), 3)
    assert len(scores) == 3
    assert (judge.bill.asked, judge.bill.failed, judge.bill.cost) == (3, 0, 0)
    assert all(verdict.text for verdict in judge.verdicts)


def test_what_judging_costs_is_added_up_and_unknown_when_a_part_is():
    class Priced(dict):
        cost = 0.002

    judge = Judge(lambda _: Priced(result="评分: 3"))
    judge.results = lambda: judge.replies
    assert judged(judge, 3)[0].bill.cost == pytest.approx(0.006)
    judge.answer = lambda _: {"result": "评分: 3"}
    assert judged(judge, 1)[0].bill.cost is None


def test_a_panel_has_the_mean_each_and_the_agreement():
    first, second = (LocalJudgeEvaluator(saying(*texts)) for texts in (("5", "1", "?"), ("3", "1", "4")))
    panel = JudgePanel([first, second])
    rows = panel.evaluate_all(["问"] * 3, [""] * 3, ["答"] * 3)
    assert [row["judge_score"] for row in rows] == [4, 1, 4]
    assert rows[0]["judge_score_2"] == 3
    assert (panel.agreement().n, panel.agreement().missing, panel.agreement().percent) == (2, 1, 50)
    assert panel.bill.asked == 6


def test_kappas_against_published_values():
    # Fleiss 1971 as worked in textbooks: 10 subjects, 14 raters, 5 categories, kappa 0.210.
    counts = [
        "00 00 00 00 14",
        "0 2 6 4 2",
        "0 0 3 5 6",
        "0 3 9 2 0",
        "2 2 8 1 1",
        "7 7 0 0 0",
        "3 2 6 3 0",
        "2 5 3 2 2",
        "6 5 2 1 0",
        "0 2 2 3 7",
    ]
    rows = [[label for label, n in enumerate(map(int, row.split())) for _ in range(n)] for row in counts]
    assert fleiss_kappa(rows) == pytest.approx(0.210, abs=5e-4)
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: kappa 0.4.
    assert cohen_kappa("y" * 25 + "n" * 25, "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15) == pytest.approx(0.4)


def test_agreement_is_over_what_all_have_judged():
    found = agreement([["a", "b", None, "a"], ["a", "a", "a", "a"], ["a", "b", "b", None]])
    assert (found.n, found.missing, found.method) == (2, 2, "Fleiss'")
    assert found.percent == pytest.approx(100 * (1 + 1 / 3) / 2)
    assert math.isnan(agreement([["a"], ["a"]]).kappa)
    assert math.isnan(agreement([[None], ["a"]]).percent)


def prefers_the_longer(text):
    a, b = (text.split(f"<回答{name}>\n")[1].split(f"\n</回答{name}>")[0] for name in "AB")
    return f"结论: {'平局' if len(a) == len(b) else 'A' if len(a) > len(b) else 'B'}\n原因: 长"


def test_pairs_are_judged_in_both_orders():
    judge = Judge(prefers_the_longer)
    found = PairwiseJudge(judge).compare(["问"] * 3, ["短", "长一些", "同"], ["长一些", "短", "等"])
    assert found.outcomes == ["second", "first", "tie"]
    assert (found.win_rate, found.consistency, found.position_bias) == (0.5, 1, 0)
    assert (found.bill.asked, len(judge.asked)) == (6, 6)


def test_a_judge_that_takes_what_comes_first_decides_nothing():
    found = PairwiseJudge(Judge(lambda _: "结论: A")).compare(["问"] * 4, ["甲"] * 4, ["乙"] * 4)
    assert found.counts == {"first": 0, "second": 0, "tie": 4, "missing": 0}
    assert (found.consistency, found.position_bias) == (0, 1)


def test_a_pair_without_both_verdicts_is_missing():
    model = saying("结论: A", "结论: A", "不好说", ValueError("away"))
    found = PairwiseJudge(model).compare(["问"] * 2, ["甲"] * 2, ["乙"] * 2)
    assert found.counts["missing"] == 2
    assert math.isnan(found.win_rate)
    assert (found.bill.unread, found.bill.failed) == (1, 1)


def test_several_judges_of_pairs_agree_or_not():
    texts = (["问"] * 2, ["短", "长一些"], ["长一些", "短"])
    found = [PairwiseJudge(Judge(prefers_the_longer)).compare(*texts) for _ in range(2)]
    assert (judges_agree(found).percent, judges_agree(found).kappa) == (100, 1)


def test_as_many_answers_as_questions():
    with pytest.raises(errors.InvalidArgumentError, match="2 prompts, 1 and 2 answers"):
        PairwiseJudge(saying()).compare(["问"] * 2, ["甲"], ["乙"] * 2)
