"""The report: its tables, missing scores, datasets made of it, and its way through JSON."""

import json
import math

import pytest
from support.reports import build_report

from qfnb import InvalidArgumentError
from qfnb.evaluation import EvaluationManager, Report
from qfnb.evaluation.local_evaluators import evaluators_by_name
from qfnb.evaluation.report import Sample
from qfnb.views.evaluation import report as views


def test_coverage_and_worst_cases_of_what_failed():
    row = build_report({"a": [1.0, 1.0, 0.0, None]}).summary.iloc[0]
    assert row[["n", "total", "failed", "missing", "coverage"]].tolist() == [3, 4, 1, 0, 0.75]
    assert (row["mean"], row["worst"], row["best"]) == (pytest.approx(2 / 3), 0.5, 0.75)


def test_the_worst_case_is_nan_without_a_scale():
    assert math.isnan(build_report({"a": [3.0, None]}).model_scores[0].worst)
    score = build_report({"a": [3.0, None]}, scales={"m": (0, 5)}).model_scores[0]
    assert (score.worst, score.best) == (1.5, 4)


def test_all_failed():
    report = build_report({"a": [None] * 3, "b": [1.0] * 3})
    score = report.model_scores[0]
    assert (score.n, score.worst, score.best) == (0, 0, 1)
    assert math.isnan(report.comparisons[0].p_holm)
    assert "No question has a score of both models." in report.conclusion()
    assert report.card().verdict == "cannot tell"


def test_no_number_is_printed_of_what_failed():
    report = build_report({"a": [None] * 8, "b": [None] * 8}, metrics=("m", "f"))
    assert report.pairs.verdict.tolist() == ["No question has a score of both models."] * 2
    shown = [
        repr(report.card()),
        report.conclusion(),
        views.html(report),
        views.card_html(report.card()),
    ]
    assert [name for text in shown for name in ("nan", "p = ", "NaN") if name in text] == []


def test_a_failed_comparison_does_not_cost_the_others_their_significance():
    report = build_report({"a": [0.0] * 6, "b": [1.0] * 6, "c": [None] * 6})
    decided = report.comparisons[0]
    assert (decided.n_comparisons, decided.p_holm, decided.outcome) == (1, 2 / 64, "better")


def test_it_is_said_when_only_the_number_of_comparisons_stands_against_a_difference():
    scores = {"a": [0.0] * 6 + [1.0] * 30, "b": [1.0] * 36}
    alone, one_of_two = (
        build_report(scores, metrics=names).card() for names in (("m",), ("m", "f"))
    )
    assert (alone.verdict, one_of_two.verdict) == ("better", "cannot tell")
    sentence = (
        "Alone the difference would be beyond chance (p = 0.031); among 2 comparisons it is not."
    )
    assert (sentence in repr(one_of_two), sentence in repr(alone)) == (True, False)
    assert "interval and p corrected for 2 comparisons" in repr(one_of_two)


def test_the_other_side_of_a_comparison():
    report = build_report({"a": [0.1] * 8, "b": [0.2 + 0.1 * n for n in range(8)]})
    (there,) = report.versus("a", "b")
    (back,) = report.versus("b", "a")
    assert (back.test.difference, back.test.losses) == (-there.test.difference, there.test.wins)
    assert back.verdict == there.verdict == "b is better"
    with pytest.raises(InvalidArgumentError, match="a comparison takes two"):
        report.versus("a", "a")


def test_rows_are_clustered_by_a_column():
    samples = tuple(
        Sample("a", n, f"q{n}", "", "", {"m": float(n < 10)}, row={"doc": n // 5})
        for n in range(20)
    )
    report = Report(samples, ("a",), ("m",))
    assert report.with_clusters("doc").model_scores[0].interval.method == "Wilson, clustered"
    with pytest.raises(InvalidArgumentError, match="no row has such a column"):
        report.with_clusters("page")


def test_regressions_come_first_and_character_by_character():
    report = build_report({"a": [1.0, 0.2, 0.5], "b": [0.0, 0.9, 0.5]})
    worst, best = report.changes()
    assert (worst.index, worst.gain, best.index, report.worse()) == (0, -1, 1, [0])
    assert worst.edits == [("delete", "a"), ("insert", "b"), ("equal", " 0")]


def answers():
    rows = [
        {"prompt": "开门", "response": "九点", "base": "九点", "tuned": "十点", "system": "简短"},
        {"prompt": "关门", "response": "十点", "base": "", "tuned": "十点"},
        {"prompt": "门票", "response": "二十", "base": None, "tuned": "五十"},
    ]
    return EvaluationManager(local_evaluators=evaluators_by_name(["exact_match"])).eval_only(
        rows, output_column=["base", "tuned"]
    )


def test_regressions_become_preferences():
    dataset = answers().to_dpo(answers().worse())
    assert dataset.schema.name == "preference"
    assert dataset.list() == [
        {"prompt": "开门", "system": "简短", "chosen": "九点", "rejected": "十点"}
    ]


def test_without_rows_all_wrong_answers_become_preferences():
    assert answers().to_dpo()["rejected"] == ["十点", "五十"]
    assert answers().to_dpo(chosen="base").list()[0]["chosen"] == "九点"
    with pytest.raises(InvalidArgumentError, match="no row has two different texts"):
        answers().to_dpo([1])


def test_rows_become_examples():
    assert answers().to_sft([2, 1]).list() == [
        {"prompt": "门票", "response": "二十"},
        {"prompt": "关门", "response": "十点"},
    ]
    assert answers().to_sft(response="base")["response"] == ["九点"]
    with pytest.raises(InvalidArgumentError, match="no such questions"):
        answers().to_sft([9])


def test_rescoring_sends_no_question():
    again = answers().rescore(evaluators_by_name(["rouge_l"], recipe="qianfan"))
    assert (again.metric_names, [s.n for s in again.model_scores]) == (("rouge_l",), [2, 3])
    assert "jieba" in again.recipes["rouge_l"]


def test_a_report_is_the_same_after_json():
    report = build_report(
        {"a": [1.0, None, math.nan], "b": [0.0, 1.0, 1.0]},
        scales={"m": (0, 5)},
        notes=("x",),
        lower_is_better=frozenset("m"),
    )
    again = Report.from_json(report.to_json())
    for table in ("summary", "samples"):
        assert getattr(again, table).equals(getattr(report, table))
    for name in ("scales", "notes", "lower_is_better"):
        assert getattr(again, name) == getattr(report, name)


def test_json_has_the_tables_and_no_nan():
    document = json.loads(build_report({"a": [1.0, None]}).to_json(), parse_constant=pytest.fail)
    assert {"samples", "summary", "pairs", "usage"} <= set(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"type": "Report", "qfnb": 99}',
        '{"type": "Report", "qfnb": 1, "samples": 3}',
    ],
)
def test_other_texts_are_not_read_as_reports(text):
    with pytest.raises(InvalidArgumentError, match="not a report"):
        Report.from_json(text)


def test_unknown_names_are_refused_with_those_there_are():
    report = build_report({"a": [1.0]})
    with pytest.raises(InvalidArgumentError, match="has a"):
        report.samples_of("b")
    with pytest.raises(InvalidArgumentError, match="has m"):
        report.changes("n")


def test_the_sdks_result_dataset():
    dataset = answers().result_dataset
    assert dataset.columns[:5] == [
        "prompt",
        "llm_tag",
        "input_prompt",
        "expected_output",
        "llm_output",
    ]
    assert len(dataset) == 5
