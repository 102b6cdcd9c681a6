"""Judges: they see the answer, unreadable verdicts are missing, and agreement is computed."""

import math

import pytest

from qfnb import ChatCompletion, errors
from qfnb.evaluation import EvaluationManager, LocalJudgeEvaluator, PairwiseJudge, Report
from qfnb.evaluation.judge_replies import parse_preference, parse_score
from qfnb.wire.prompt import PromptTemplate


class FakeJudge:
    """A model whose reply is a function of the prompt; exceptions are failed calls."""

    def __init__(self, answer):
        self.answer = answer
        self.texts = []
        self.options = {}

    def batch_do(self, rows, worker_num=None, **options):
        self.texts += rows
        self.replies = [self.answer(row) for row in rows]
        self.options = options
        return self

    def results(self):
        return [
            reply if isinstance(reply, Exception) else {"result": reply} for reply in self.replies
        ]


def judge_saying(*texts):
    replies = iter(texts)
    return FakeJudge(lambda _: next(replies))


def run_judge(model, count, **options):
    judge = LocalJudgeEvaluator(model, **options)
    rows = judge.evaluate_all(["问"] * count, ["参考"] * count, ["答"] * count)
    return judge, [row[judge.metric_name] for row in rows]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("评分: 4\n原因: 答得好", 4),
        ("评分：４分\n理由：不错", 4),
        ("**评分**: 4.5", 4.5),
        ("Score: 4/5\nReason: fine", 4),
        ('```json\n{"score": "3", "reason": "对"}\n```', 3),
        ('{"评分": 0, "原因": "错"}', 0),
        ("4", 4),
        ("<think>评分: 1?</think>评分: 5", 5),
        ("评分: 5\n原因: 评分: 5 分因为好", 5),
    ],
)
def test_a_score_is_read(text, score):
    assert parse_score(text, 5) == score


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
def test_an_unreadable_score_is_missing(text):
    assert parse_score(text, 5) is None


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
    assert parse_preference(text) == preferred


def test_the_judge_sees_the_candidates_answer():
    judge = FakeJudge(lambda _: "评分: 3")
    scores = LocalJudgeEvaluator(judge, criteria="准确").evaluate(
        "问{prompt}", "参考", "候选{reference}的回答"
    )
    assert scores == {"judge_score": 3}
    text = judge.texts[0]
    assert all(
        text.count(part) == 1 for part in ("准确", "问{prompt}", "参考\n", "候选{reference}的回答")
    )


@pytest.mark.parametrize(
    "template",
    [
        "判 {prompt} 答 {response} 满分 {max_score}",
        PromptTemplate("判 {prompt} 答 {response} 满分 {max_score}"),
    ],
)
def test_a_custom_template(template):
    judge = FakeJudge(lambda _: "9")
    judge_and_scores = run_judge(
        judge,
        1,
        evaluation_prompt=template,
        prompt_max_score=10,
        metric_name="分",
        model_kwargs={"top_p": 0.1},
    )
    assert (judge.texts, judge.options, judge_and_scores[1]) == (
        ["判 问 答 答 满分 10"],
        {"top_p": 0.1},
        [9],
    )


def test_a_template_that_hides_the_answer_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="response"):
        LocalJudgeEvaluator(evaluation_prompt="{prompt} {reference}")


def test_parse_failures_and_failed_calls_are_counted_and_never_zero():
    judge, scores = run_judge(judge_saying("评分: 4", "不好说", ValueError("away"), "评分: 0"), 4)
    assert [scores[0], scores[3]] == [4, 0]
    assert all(math.isnan(score) for score in scores[1:3])
    assert (judge.usage.calls, judge.usage.unread, judge.usage.failed) == (4, 1, 1)
    assert judge.summarize(None)["judge_score_unread"] == 1


def test_a_judge_is_asked_through_the_sandbox_and_costs_nothing_there(sandbox):
    judge, scores = run_judge(ChatCompletion(model="ernie-speed-8k"), 3, criteria="第一次")
    assert len(scores) == 3
    assert (judge.usage.calls, judge.usage.failed, judge.usage.cost) == (3, 0, 0)


def test_what_judging_costs_is_added_up_and_unknown_when_a_part_is():
    class Priced(dict):
        cost = 0.002

    judge = FakeJudge(lambda _: Priced(result="评分: 3"))
    judge.results = lambda: judge.replies
    assert run_judge(judge, 3)[0].usage.cost == pytest.approx(0.006)
    judge.answer = lambda _: {"result": "评分: 3"}
    assert run_judge(judge, 1)[0].usage.cost is None


def prefers_the_longer(text):
    a, b = (text.split(f"<回答{name}>\n")[1].split(f"\n</回答{name}>")[0] for name in "AB")
    return f"结论: {'平局' if len(a) == len(b) else 'A' if len(a) > len(b) else 'B'}\n原因: 长"


def test_a_judge_is_asked_once_and_its_replies_are_replayed_from_the_journal(sandbox):
    model = ChatCompletion(model="ernie-speed-8k")
    counts = []
    for options in ({}, {}, {"fresh": True}, {"model_kwargs": {"temperature": 0.5}}):
        judge, _ = run_judge(model, 2, criteria="重放", **options)
        counts.append((judge.usage.calls, judge.usage.replayed))
    assert counts == [(2, 0), (0, 2), (2, 0), (2, 0)]
    assert run_judge(ChatCompletion(model="ernie-4.0-8k"), 1, criteria="重放")[0].usage.calls == 1
    assert judge.summarize(None)["judge_score_replayed"] == 0


def test_a_failed_call_is_not_replayed(sandbox, fault):
    fault("chat.v2", "status", status=400, times=1)
    model = ChatCompletion(model="ernie-speed-8k")
    usages = [run_judge(model, 2, criteria="失败")[0].usage for _ in range(2)]
    assert [(usage.calls, usage.failed, usage.replayed) for usage in usages] == [
        (2, 1, 0),
        (1, 0, 1),
    ]


def judge_pairs(model, rows, outputs):
    return EvaluationManager(local_evaluators=[PairwiseJudge(model)]).eval_only(
        rows, output_column=outputs
    )


def test_pairwise_verdicts_are_scores_with_a_test_and_stay_in_the_report(tmp_path):
    rows = [{"prompt": f"问{n}", "a": "短", "b": "长一些" if n < 8 else "平"} for n in range(10)]
    rows.append({"prompt": "问10", "a": "短", "b": None})
    report = judge_pairs(FakeJudge(prefers_the_longer), rows, ["a", "b"])
    (pair,) = report.comparisons
    assert (pair.test.wins, pair.test.losses, pair.test.ties, pair.test.difference) == (
        8,
        0,
        2,
        0.8,
    )
    assert report.summary["mean"].tolist() == pytest.approx([0.1, 0.9])
    assert report.summaries["a"]["judge_wins_asked"] == 20
    assert math.isnan(report.samples_of("a")[10].score("judge_wins"))
    loaded = Report.load(report.save(tmp_path / "report.json"))
    assert (loaded.verdicts, loaded.judges) == (
        report.verdicts,
        {"judge_wins": "the default model"},
    )
    assert (loaded.verdicts[0].first, loaded.verdicts[0].second, loaded.verdicts[9].outcome) == (
        "a",
        "b",
        "tie",
    )


def test_a_judge_that_takes_what_comes_first_decides_nothing():
    report = judge_pairs(
        FakeJudge(lambda _: "结论: A"), [{"prompt": "问", "a": "甲", "b": "乙"}], ["a", "b"]
    )
    assert report.summary["mean"].tolist() == [0.5, 0.5]
    assert (report.verdicts[0].given_order, report.verdicts[0].swapped_order) == ("first", "second")


def test_a_pair_without_both_verdicts_is_missing():
    model = judge_saying("结论: A", "结论: A", "不好说", ValueError("away"))
    rows = [{"prompt": f"问{n}", "a": "甲", "b": "乙"} for n in range(2)]
    report = judge_pairs(model, rows, ["a", "b"])
    assert report.summary["missing"].tolist() == [2, 2]
    numbers = report.summaries["a"]
    assert (numbers["judge_wins_unread"], numbers["judge_wins_failed"]) == (1, 1)


def test_of_three_models_each_meets_each():
    rows = [{"prompt": "问", "a": "一", "b": "一二", "c": "一二三"}]
    report = judge_pairs(FakeJudge(prefers_the_longer), rows, ["a", "b", "c"])
    assert report.summary["mean"].tolist() == [0, 0.5, 1]


def test_one_model_has_nothing_to_be_compared_with():
    with pytest.raises(errors.InvalidArgumentError, match="two models or more"):
        judge_pairs(judge_saying(), [{"prompt": "问", "a": "答"}], ["a"])
    with pytest.raises(errors.InvalidArgumentError, match="two models or more"):
        EvaluationManager(local_evaluators=[PairwiseJudge()]).start(
            [ChatCompletion()], [{"prompt": "问"}]
        )
