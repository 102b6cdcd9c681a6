"""Prompts times models: cells, effects, the best cell and what choosing it costs; nothing is paid
twice.
"""

import json
import math
import random
import statistics
from itertools import product

import numpy as np
import pytest
from support.chat_script import sent_bodies, whole

import qfnb
from qfnb import errors
from qfnb.evaluation import EvaluationManager, ExactMatchEvaluator
from qfnb.evaluation.report import Report, Sample
from qfnb.evaluation.stats.variation import mean_of_chosen

ROWS = [{"prompt": f"q{n}", "response": "yes", "topic": f"t{n % 3}"} for n in range(12)]
PROMPTS = {"plain": "{prompt}", "brief": "In one word: {prompt}"}


def matrix_report(cells, **fields):
    """A report: {(prompt, model): scores}; None for an answer that failed."""
    samples = [
        Sample(f"{m} · {p}", n, f"q{n}", "", "", {}, error="gone") if v is None
        else Sample(f"{m} · {p}", n, f"q{n}", "", "t", {"s": v})
        for (p, m), values in cells.items() for n, v in enumerate(values)
    ]  # fmt: skip
    labels = {f"{m} · {p}": (p, m) for p, m in cells}
    prompts = {p: f"{p} {{prompt}}" for p, _ in cells}
    return Report(tuple(samples), tuple(labels), ("s",), cells=labels, prompts=prompts, **fields)


def random_cells(seed=1, n=20, failed=()):
    lot = random.Random(seed)
    return {
        (p, m): [None if (p, m, q) in failed else lot.random() + bonus for q in range(n)]
        for p, bonus in (("x", 0.0), ("y", 0.5), ("z", 0.1))
        for m in ("a", "b")
    }


def test_an_effect_is_the_mean_over_the_other_factor():
    cells = random_cells()
    matrix = matrix_report(cells).matrix()
    for prompt, level in zip("xyz", matrix.prompt_effect.levels, strict=True):
        assert level.mean == pytest.approx(statistics.mean(cells[prompt, "a"] + cells[prompt, "b"]))
    means = [[statistics.mean(cells[p, m]) for m in "ab"] for p in "xyz"]
    assert matrix.means.to_numpy().tolist() == [pytest.approx(row) for row in means]
    assert (list(matrix.means.index), list(matrix.means.columns)) == (["x", "y", "z"], ["a", "b"])


def test_an_effect_is_tested_on_the_averages_of_questions():
    cells = random_cells(n=8)
    matrix = matrix_report(cells).matrix()
    pair = next(
        p for p in matrix.prompt_effect.comparisons if {p.baseline, p.candidate} == {"x", "z"}
    )
    averages = {p: np.mean([cells[p, "a"], cells[p, "b"]], axis=0) for p in "xz"}
    differences = averages["z"] - averages["x"]
    sums = np.array([*product((-1, 1), repeat=8)]) @ differences
    expected = np.mean(abs(sums) >= abs(differences.sum()) - 1e-9)
    assert (pair.test.p_value, pair.test.n) == (pytest.approx(expected), 8)


def test_a_question_that_failed_in_a_cell_is_left_out_of_its_levels_and_no_others():
    effect = (
        matrix_report(random_cells(failed={("x", "a", 3), ("x", "b", 4)})).matrix().prompt_effect
    )
    assert [level.n for level in effect.levels] == [18, 20, 20]
    assert [pair.test.n for pair in effect.comparisons] == [18, 18, 20]


def test_the_best_cell_has_rivals_that_it_is_not_shown_to_beat():
    report = matrix_report(random_cells())
    best = report.matrix().best
    assert best.prompt == "y"
    pairs = [pair for pair in report.comparisons if best.label in {pair.baseline, pair.candidate}]
    assert len(pairs) == 5
    shown = [pair for pair in pairs if pair.is_significant]
    assert len(best.rivals) == 5 - len(shown)
    assert {label.split(" · ")[1] for label in best.rivals} == {"y"}


def test_the_lowest_mean_is_the_best_where_less_is_better():
    matrix = matrix_report(random_cells(), lower_is_better=frozenset({"s"})).matrix()
    assert matrix.best.score.mean == matrix.means.to_numpy().min()
    assert matrix.best.expected > matrix.best.score.mean


def test_what_is_expected_of_the_best_of_equal_ones_is_the_truth():
    lot = random.Random(7)
    data = [[[float(lot.random() < 0.6) for _ in range(10)] for _ in range(40)] for _ in range(40)]
    highest = [max(map(statistics.mean, zip(*rows, strict=True))) for rows in data]
    assert statistics.mean(highest) > 0.69
    assert statistics.mean(map(mean_of_chosen, data)) == pytest.approx(0.6, abs=0.03)


def test_what_is_expected_of_a_clear_winner_is_its_mean_and_of_few_questions_unknown():
    rows = [[0.0, 1.0, 0.0]] * 20
    assert (mean_of_chosen(rows), mean_of_chosen(rows, lower_is_better=True)) == (1, 0)
    assert math.isnan(mean_of_chosen(rows[:5]))
    assert math.isnan(mean_of_chosen(rows, ["one"] * 10 + ["two"] * 10))


def test_a_report_with_prompts_is_the_same_after_saving(tmp_path):
    matrix = matrix_report(random_cells()).matrix()
    report = Report.load(matrix.report.save(tmp_path / "m.json"))
    assert (report, report.matrix().lines()) == (matrix.report, matrix.lines())
    assert "3 prompts × 2 models" in matrix.save(tmp_path / "m.md").read_text()


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        ([], "there is none"),
        ("{prompt}", "a list of templates"),
        (["Answer!"], "prompt P1: 'Answer!' names no column"),
        ([3], "prompt P1: 3 names no column"),
        (["{prompt}", "{question}"], "prompt P2: .*question.* not a column"),
        (["{prompt"], "prompt P1: .*partner"),
        (["{prompt}", "{prompt}"], "P2 and P1 are the same text"),
        ({"a": "{prompt}", "a ": "? {prompt}"}, "'a' is empty or occurs twice"),
        ({"": "{prompt}"}, "'' is empty"),
    ],
)
def test_wrong_prompts_are_refused_before_anybody_is_asked(prompts, words):
    with pytest.raises(errors.InvalidArgumentError, match=words):
        qfnb.compare(dataset=ROWS, models=["ernie-5.1"], prompts=prompts)


@pytest.mark.parametrize(
    "arguments",
    [{"models": ["ernie-5.1"]}, {"models": "ernie-5.1", "dataset": ROWS}, {"models": [], "dataset": ROWS},
     {"base": "ernie-5.1", "models": ["ernie-5.2"], "dataset": ROWS}, {"prompts": PROMPTS, "dataset": ROWS}],
)  # fmt: skip
def test_models_and_questions_are_needed(arguments):
    with pytest.raises(errors.InvalidArgumentError):
        qfnb.compare(**arguments)


def answer(request):
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    model = body["model"]
    text = body["messages"][-1]["content"]
    is_right = model == "good" or "In one word" in text
    return whole("yes" if is_right else "perhaps")


def texts(server):
    return [body["messages"][-1]["content"] for body in sent_bodies(server)]


def test_every_model_answers_every_question_by_every_prompt(scripted):
    server = scripted(answer)
    matrix = qfnb.compare(
        dataset=ROWS,
        models=[qfnb.ChatCompletion("poor"), qfnb.ChatCompletion("good")],
        prompts=PROMPTS,
        metrics=["exact_match"],
    )
    assert matrix.means.to_numpy().tolist() == [[0, 1], [1, 1]]
    assert sorted(texts(server)) == sorted(
        2 * [t.format(**row) for t in PROMPTS.values() for row in ROWS]
    )
    assert matrix.report.models == ("poor · plain", "poor · brief", "good · plain", "good · brief")
    assert matrix.report.records[0].prompt == "q0"


def test_another_prompt_sends_only_its_own_questions(scripted):
    server = scripted(answer)

    def ask(prompts):
        before = len(server.requests)
        qfnb.compare(
            dataset=ROWS,
            models=[qfnb.ChatCompletion("good")],
            prompts=prompts,
            metrics=["exact_match"],
            n=2,
        )
        return len(server.requests) - before

    assert [ask(PROMPTS), ask(PROMPTS), ask({**PROMPTS, "topic": "{topic}: {prompt}"})] == [
        48,
        0,
        24,
    ]


def test_prompts_need_no_column_of_prompts_and_an_empty_cell_fails_its_row_alone(scripted):
    scripted(whole("yes"))
    rows = [{"question": f"q{n}" if n else "", "response": "yes"} for n in range(6)]
    manager = EvaluationManager(local_evaluators=[ExactMatchEvaluator()])
    report = manager.eval(
        [qfnb.ChatCompletion("mine")], rows, prompts=["{question}?", "{response}: {question}"]
    )
    assert (report.models, [s.n for s in report.model_scores]) == (("P1", "P2"), [5, 5])
    assert report.samples_of("P1")[1].prompt == "q1"


def test_a_matrix_that_stopped_goes_on_with_the_questions_without_an_answer(scripted):
    server = scripted(
        whole("yes", usage={"prompt_tokens": 60, "completion_tokens": 40, "total_tokens": 100})
    )
    options = {"dataset": ROWS, "models": [qfnb.ChatCompletion("mine")], "prompts": PROMPTS, "n": 2}
    stopped = qfnb.compare(**options, metrics=["exact_match"], budget_tokens=2000, worker_num=2)
    assert (len(server.requests), sum(bool(sample.error) for sample in stopped.report.records)) == (
        20,
        28,
    )
    assert [score.n for score in stopped.cells.values()] == [10, 10]  # the first answers come first
    matrix = qfnb.compare(**options, metrics=["exact_match"])
    assert (len(server.requests), sum(bool(sample.error) for sample in matrix.report.records)) == (
        48,
        0,
    )


def test_what_is_expected_is_never_better_than_what_was_seen():
    report = matrix_report({("x", "a"): [1.0] * 12 + [0.0] * 8, ("y", "a"): [0.0] * 20})
    best = report.matrix().best
    assert best.expected <= best.score.mean
    assert "expect about the same" in repr(report.matrix())


def test_cells_of_one_mean_have_no_best_one():
    lines = matrix_report(dict.fromkeys([("x", "a"), ("y", "a")], [1.0] * 8)).matrix().lines()
    assert lines[0] == "All 2 cells have the same mean: s 1.000."
    assert not [line for line in lines if "best" in line]


def test_a_cell_without_scores_is_no_rival_and_the_only_one_with_scores_is_no_best():
    cells = {("x", "a"): [1.0] * 8, ("x", "b"): [None] * 8}
    matrix = matrix_report(cells).matrix()
    assert (matrix.best, matrix.lines()[0]) == (
        None,
        "Only a · x has scores: there is nothing to compare it with.",
    )
    lines = matrix_report({**cells, ("x", "c"): [0.0] * 8}).matrix().lines()
    assert "It is better than the other cell." in lines
    lines = matrix_report({**cells, ("x", "c"): [1.0, 0.0] * 4}).matrix().lines()
    assert "It is not shown to be better than c · x." in lines
