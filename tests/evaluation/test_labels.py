"""Labels of people: blind, shuffled, stored at once, and compared with the judge."""

import sqlite3

import pytest

import qfnb
from qfnb import config, errors
from qfnb.evaluation import EvaluationManager, ExactMatchEvaluator, LocalJudgeEvaluator
from qfnb.evaluation.judge_replies import ask_judge
from qfnb.evaluation.labels import Labels
from qfnb.views.evaluation.label_panel import LabelControls


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Labels are known by the texts: each test has a journal of its own."""
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))


def build_report(n=6, evaluator=None, columns=("base", "tuned")):
    rows = [
        {"prompt": f"问{i}", "response": "对", "base": f"短{i}", "tuned": f"长一些{i}"}
        for i in range(n)
    ]
    return EvaluationManager(local_evaluators=[evaluator or ExactMatchEvaluator()]).eval_only(
        rows, output_column=[*columns]
    )


class OnePoint:
    """A judge that gives the points of its list, over and over."""

    label = "ernie-judge"

    def __init__(self, *points):
        self.points = points

    def batch_do(self, rows, worker_num=None, **options):
        self.replies = [
            {"result": f"评分: {self.points[i % len(self.points)]}"} for i in range(len(rows))
        ]
        return self

    def results(self):
        return self.replies


def label_all(labels, choose):
    while (task := labels.next()) is not None:
        labels.add(choose(task))
    return labels


def prefer_longer(task):
    return "a" if len(task.a) > len(task.b) else "b"


def test_labels_are_blind_and_name_the_model_that_was_preferred():
    labels = label_all(Labels(build_report()), prefer_longer)
    assert labels.counts() == {"second": 6}
    table = labels.to_frame()
    assert set(table["label"]) == {"tuned"}
    assert set(table["shown_first"]) == {"first", "second"}
    assert "tuned" not in repr(Labels(build_report(), person="another").next())


def test_a_label_is_on_disk_at_once_and_the_next_kernel_goes_on():
    first = Labels(build_report())
    tasks = [first.next(), first.add("a"), first.add("tie")]
    again = Labels(build_report())
    assert (again.done, again.total, again.next()) == (2, 6, tasks[2])
    assert again.undo() == tasks[1]
    assert Labels(build_report()).done == 1


def test_the_models_in_the_other_order_have_the_same_labels():
    label_all(Labels(build_report()), prefer_longer)
    other = Labels(build_report(columns=("tuned", "base")))
    assert (other.next(), other.counts()) == (None, {"first": 6})


def test_two_panels_and_two_people_lose_no_label():
    one = Labels(build_report())
    two = Labels(build_report())
    third = Labels(build_report(), person="李")
    first = one.next()
    second = two.next()
    one.add("a")
    two.add("b")  # the same question, on the screen of both
    assert first == second
    assert (one.done, third.done) == (1, 0)
    third.add("tie")
    assert len(one.to_frame()) == 2
    with sqlite3.connect(config.state_dir() / "labels.db") as database:
        assert database.execute("select count(*) from label").fetchone() == (3,)


def test_an_earlier_question_shows_its_label_and_another_word_replaces_it():
    labels = Labels(build_report())
    task = labels.next()
    labels.add("a")
    labels.add("skip")
    labels.back()
    assert (labels.back().index, labels.next().label) == (task.index, "a")
    labels.add("b")
    assert labels.to_frame().set_index("index").loc[task.index, "label"] != "skip"
    assert labels.done == 2


def test_labels_become_preferences_to_train_on():
    data = label_all(Labels(build_report()), prefer_longer).to_dpo()
    assert data.schema.name == "preference"
    assert all(
        row["chosen"].startswith("长") and row["rejected"].startswith("短") for row in data.list()
    )


def test_people_who_differ_decide_nothing():
    label_all(Labels(build_report(2)), prefer_longer)
    labels = label_all(
        Labels(build_report(2), person="李"), lambda task: "ab"[prefer_longer(task) == "a"]
    )
    assert labels.counts() == {"tie": 2}
    with pytest.raises(errors.InvalidArgumentError, match="no pair"):
        labels.to_dpo()


def test_one_model_is_scored_on_the_scale_of_the_judge_and_compared_with_it():
    report = build_report(21, LocalJudgeEvaluator(OnePoint(1, 3, 5)), columns=("base",))
    assert "no labels of people yet" in repr(report)
    labels = Labels(report)
    assert labels.words == ("0", "1", "2", "3", "4", "5", "skip")
    label_all(labels, lambda task: (1, 3, 4)[task.index % 3])
    agreement = labels.agreement()
    assert (agreement.kappa.n, agreement.is_weighted, agreement.kappa.share) == (
        21,
        True,
        pytest.approx(2 / 3),
    )
    assert "weighted kappa 0." in repr(report)


def test_without_a_judge_one_model_is_right_or_wrong():
    labels = Labels(build_report(2, columns=("base",)))
    labels.add("right")
    labels.add("wrong")
    assert sorted(labels.to_frame()["label"]) == ["0", "1"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base": "nobody"}, "model='nobody'"),
        ({"rows": [99]}, "no such questions"),
        ({"person": 3}, "person=3"),
        ({"base": "base", "tuned": "base", "rows": []}, "nothing to label"),
    ],
)
def test_what_cannot_be_labelled_is_refused(options, words):
    with pytest.raises(errors.InvalidArgumentError, match=words):
        Labels(build_report(), **options)


def test_a_word_that_is_no_label_is_refused_and_the_question_stays():
    labels = Labels(build_report(1))
    with pytest.raises(errors.InvalidArgumentError, match="a, b, tie, skip"):
        labels.add("better")
    labels.add("A ")
    with pytest.raises(errors.InvalidArgumentError, match="all 1 questions"):
        labels.add("a")


def test_a_panel_takes_keys_for_the_question_on_the_screen_only():
    panel = qfnb.label(build_report())
    controls = LabelControls(panel)
    controls.build()
    due = str(panel.next().index)
    # of two quick presses the second is void
    for key, item in (("x", due), ("a", "-1"), ("a", due), ("b", due)):
        controls._on_key(None, {"key": key, "item": item}, [])
    assert panel.done == 1
    controls._on_key(None, {"key": "z"}, [])
    assert (panel.done, str(panel.next().index)) == (0, due)


def test_a_panel_without_a_front_end_is_text_that_names_no_model(capsys):
    panel = qfnb.label(build_report())
    panel.show()
    assert "Labels: 0 of 6" in capsys.readouterr().out
    label_all(panel, prefer_longer).show()
    text = capsys.readouterr().out
    assert "Labels: 6 of 6" in text
    assert "tuned 6" in text


def test_a_judge_without_prompts_is_not_asked():
    assert ask_judge(OnePoint(1), []) == []
