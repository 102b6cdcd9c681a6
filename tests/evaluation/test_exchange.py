"""Reports and the logs of inspect_ai and lm-evaluation-harness: what these write is read, and what
is written can be.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qfnb import InvalidArgumentError
from qfnb.errors import DatasetError
from qfnb.evaluation import Report
from qfnb.evaluation.report import Sample

LOGS = Path(__file__).parent / "logs"  # made by the tools themselves
SECRET = "bce-v3/ALTAK-testtesttest/0123456789abcdef"
KEPT = (
    "models",
    "metric_names",
    "recipes",
    "origins",
    "notes",
    "cluster",
    "lower_is_better",
    "benchmark",
)
READERS = {"inspect": Report.from_inspect, "lm_eval": Report.from_lm_eval}


def report(models=("a/1", "模型 b"), n=4):
    row = {"subject": "law", "system": "s", "history": [{"prompt": "p", "response": "r"}]}
    records = tuple(
        Sample(
            model, index, f"q{index}", "B", "AB"[(index + repeat) % 2], {"choice": float((index + repeat) % 2)},
            seconds=1.5, cost=0.25, tokens=3, finish_reason="length", notes={"why": SECRET}, row=row, repeat=repeat,
        )
        for model in models for index in range(n) for repeat in range(2)
    )  # fmt: skip
    failed = Sample(models[-1], n, "q", "B", "", {}, error="RateLimitError: slow", row=row)
    facts = {"title": "C-Eval", "split": "val", "shots": 1, "groups": ["subject"]}
    return Report(
        (*records, failed), models, ("choice",), recipes={"choice": "choice of ABCD"}, notes=("from the sandbox",),
        origins=dict.fromkeys(models, "sandbox"), cluster="subject", benchmark=facts,
    )  # fmt: skip


@pytest.mark.parametrize("tool", READERS)
def test_a_report_comes_back_from_a_log_with_all_that_its_numbers_need(tool, tmp_path):
    ours = report()
    getattr(ours, f"to_{tool}")(tmp_path / "logs")
    back = READERS[tool](tmp_path / "logs")
    assert {name: getattr(back, name) for name in KEPT} == {
        name: getattr(ours, name) for name in KEPT
    }
    assert back.from_sandbox
    assert back.summary.equals(ours.summary)
    assert [s.to_dict() | {"notes": 0} for s in back.records] == [
        s.to_dict() | {"notes": 0} for s in ours.records
    ]


@pytest.mark.parametrize("tool", READERS)
def test_no_secret_is_in_a_log(tool, tmp_path):
    getattr(report(), f"to_{tool}")(tmp_path / "logs")
    files = [path for path in (tmp_path / "logs").rglob("*") if path.is_file()]
    assert files
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]


def test_a_log_of_inspect_has_the_scores_recipe_and_coverage_where_its_viewer_shows_them(tmp_path):
    (path,) = report(("m",)).to_inspect(tmp_path / "m.json")
    log = json.loads(path.read_text(encoding="utf-8"))
    (score,) = log["results"]["scores"]
    assert (score["scored_samples"], score["unscored_samples"]) == (4, 1)
    assert score["metadata"] == {"recipe": "choice of ABCD"}
    assert log["samples"][1]["scores"]["choice"]["value"] == 1
    assert log["samples"][-1]["error"]["message"] == "RateLimitError: slow"


def test_a_packed_log_of_inspect_is_read_with_its_epochs_and_grades():
    theirs = Report.from_inspect(LOGS / "arithmetic.eval")
    assert (theirs.models, theirs.metric_names, theirs.repeat_count) == (
        ("mockllm/model",),
        ("match", "f1"),
        2,
    )
    assert [(s.prompt, s.reference, s.output, s.scores["match"]) for s in theirs.records[:3]] == [
        ("2+3?", "5", "5", 1), ("2*3?", "6", "6", 1), ("9-3?", "6", "six", 1),
    ]  # fmt: skip
    assert theirs.samples["group"].tolist()[:3] == ["plus", "times", "plus"]
    assert theirs.notes == ("mockllm/model: log of inspect_ai 0.3.285, task arithmetic, 6 samples",)


def test_a_log_of_inspect_as_json_is_read_with_its_choices_and_beside_others(tmp_path):
    theirs = Report.from_inspect([LOGS / "letters.json", LOGS / "letters.json"])
    assert theirs.models == ("mockllm/model", "mockllm/model (2)")
    assert theirs.summary["mean"].tolist() == [0.5, 0.5]
    assert theirs.card().verdict == "cannot tell"
    assert theirs.records[0].row["choices"] == ["red", "seven", "run", "of"]


def test_a_run_of_lm_eval_is_read_with_the_likeliest_choice_as_the_answer():
    theirs = Report.from_lm_eval(LOGS / "lm_eval", tasks=["letters"])
    assert [(s.prompt, s.reference, s.output) for s in theirs.records] == [
        ("first letter?", "A", "A"), ("second letter?", "B", "B"),
    ]  # fmt: skip
    assert theirs.recipes == {"acc": "acc [lm-eval 0.4.13]"}
    assert Report.from_lm_eval(LOGS).metric_names == ("exact_match", "acc")


def test_several_filters_of_lm_eval_are_several_metrics_of_one_question(tmp_path):
    shutil.copytree(LOGS / "lm_eval", tmp_path / "run")
    path = next((tmp_path / "run").glob("samples_sums*"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    strict = [line | {"filter": "strict-match", "exact_match": 1.0} for line in lines]
    path.write_text("\n".join(map(json.dumps, lines + strict)))
    theirs = Report.from_lm_eval(tmp_path, tasks=["sums"])
    assert theirs.metrics == {"dummy": {"exact_match": 0.0, "exact_match,strict-match": 1.0}}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", r"a.json: is no JSON object"),
        ("a.json", "{}", r"a.json: is no log of inspect_ai"),
        ("a.json", '{"version": 3, "eval": {}}', r"a.json: is of a later version"),
        (
            "a.json",
            '{"status": "error", "eval": {"model": "m", "task": "t"}}',
            r"no samples: status error",
        ),
        ("a.eval", "text", r"a.eval: cannot be read"),
        ("a.txt", "", r"there is no \*.eval"),
    ],
)
def test_what_is_no_log_of_inspect_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidArgumentError, match=message):
        Report.from_inspect(tmp_path)


def test_what_is_no_run_of_lm_eval_is_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"there is no results_\*.json"):
        Report.from_lm_eval(tmp_path)
    (tmp_path / "results_1.json").write_text('{"results": {"sums": {}}}')
    with pytest.raises(DatasetError, match="with --log_samples"):
        Report.from_lm_eval(tmp_path)
    (tmp_path / "samples_sums_1.jsonl").write_text('{"doc_id": 0}\n')
    with pytest.raises(DatasetError, match=r"samples_sums_1.jsonl:1: is no sample of lm-eval"):
        Report.from_lm_eval(tmp_path)


def test_a_run_of_inspect_that_failed_says_so_and_its_planned_samples_are_failed_rows(tmp_path):
    log = json.loads((LOGS / "letters.json").read_text(encoding="utf-8"))
    log |= {
        "status": "error",
        "error": {"message": "the model was overloaded"},
        "samples": log["samples"][:1],
    }
    log["samples"][0]["scores"] = None
    (tmp_path / "a.json").write_text(json.dumps(log), encoding="utf-8")
    theirs = Report.from_inspect(tmp_path)
    assert theirs.notes[-1].endswith("this run failed: the model was overloaded")
    assert [sample.error for sample in theirs.records] == [
        "this run failed: the model was overloaded"
    ] * 2


@pytest.mark.parametrize(
    ("title", "words"), [("GSM8K", "strict-match"), ("C-Eval", "log-likelihoods")]
)
def test_a_report_on_a_benchmark_says_in_what_it_differs_from_lm_eval(title, words):
    assert words in repr(replace(report(), benchmark={"title": title, "split": "test"}))


def test_two_models_do_not_go_into_one_log_of_inspect(tmp_path):
    with pytest.raises(InvalidArgumentError, match="one model, and the report 2: give a folder"):
        report().to_inspect(tmp_path / "a.json")
    with pytest.raises(InvalidArgumentError, match="which inspect_ai reads too"):
        report(("m",)).to_inspect(tmp_path / "a.eval")
