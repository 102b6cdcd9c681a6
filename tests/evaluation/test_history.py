"""Every evaluation is on disk: listed and opened again."""

import gzip
import json
import os
import shutil
import stat
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.reports import FixedModel, build_report

import qfnb
from qfnb import Dataset, charts
from qfnb.errors import InvalidArgumentError
from qfnb.evaluation import (
    EvaluationManager,
    ExactMatchEvaluator,
    RougeLEvaluator,
    history,
    open_report,
)
from qfnb.evaluation.report import EvaluationResult, archive
from qfnb.notebook.evaluate import EvalMagics
from qfnb.views import listings
from qfnb.views.evaluation import report as report_view

RIGHT = "早上九点开门"
WRONG = "晚上十点关门"
EXACT = ExactMatchEvaluator()
ROWS = [{"prompt": f"q{n}", "response": RIGHT} for n in range(20)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The history of a new user."""
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    return tmp_path / "history"


def evaluate(right, rows=ROWS, *, name="heldout", metrics=(EXACT,), models=("base", "tuned")):
    """Ask two models; the last one answers the first questions right."""
    answers = [[WRONG] * len(rows), [RIGHT] * right + [WRONG] * (len(rows) - right)]
    fixed = [FixedModel(model, texts) for model, texts in zip(models, answers, strict=True)]
    return EvaluationManager(local_evaluators=[*metrics]).eval(fixed, Dataset(rows, name=name))


def test_an_opened_report_shows_saves_and_exports_what_the_fresh_one_did(tmp_path):
    fresh = replace(evaluate(7), origins={"base": "sandbox"}, cluster="prompt")
    archive.keep(fresh)
    again = open_report(fresh.id)
    assert (again, repr(again), again.to_json()) == (fresh, repr(fresh), fresh.to_json())
    assert report_view.html(again) == report_view.html(fresh)
    pages = [
        report.save(tmp_path / f"{n}.md").read_text("utf-8")
        for n, report in enumerate((fresh, again))
    ]
    assert pages[0] == pages[1]
    assert "Local sandbox" in pages[0]


def test_what_makes_a_report_is_in_the_history_once():
    report = evaluate(7)
    assert evaluate(7, name="renamed").id == report.id
    report.rescore([RougeLEvaluator()])
    qfnb.compare(
        FixedModel("a", [RIGHT] * 20), FixedModel("b", [WRONG] * 20), ROWS, metrics=["exact_match"]
    )
    EvaluationManager(local_evaluators=[EXACT]).eval_only(
        [{**row, "llm_output": RIGHT} for row in ROWS]
    )
    table = history()
    assert [*table["metrics"]] == [["exact_match"], ["exact_match"], ["rouge_l"], ["exact_match"]]
    assert (table["id"].iloc[-1], table["dataset"].iloc[-1], table["questions"].iloc[-1]) == (
        report.id,
        "heldout",
        20,
    )
    assert table["scores"].iloc[-1] == {
        "base": {"exact_match": 0.0},
        "tuned": {"exact_match": 0.35},
    }
    assert table["digest"].nunique() == 1


def test_files_are_private_and_have_no_key(folder):
    key = "bce-v3/ALTAK-test/0123456789abcdef0123456789abcdef01234567"
    evaluate(7, [{"prompt": f"my key is {key}", "response": RIGHT}, *ROWS])
    (path,) = folder.iterdir()
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (
        0o600,
        0o700,
    )
    assert "0123456789abcdef" not in gzip.decompress(path.read_bytes()).decode()


def test_the_oldest_go_and_the_newest_stays_however_large_it_is(monkeypatch, folder):
    monkeypatch.setattr(archive, "MAX_EVALUATIONS", 2)
    ids = [evaluate(right).id for right in (1, 2)]
    os.utime(folder / f"{ids[0]}.jsonl.gz", (1, 1))
    third = evaluate(3).id
    assert [*history()["id"]] == [third, ids[1]]
    monkeypatch.setattr(archive, "MAX_BYTES", 10)
    fourth = evaluate(4).id
    assert [*history()["id"]] == [fourth]


def test_an_evaluation_goes_on_where_nothing_can_be_written(folder):
    folder.write_text("a file, and no folder")
    assert evaluate(7).metrics["tuned"]["exact_match"] == 0.35


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("eval-00", r"there is no evaluation 'eval-00'"),
        ("TYPO", r"did you mean eval-\w+\?"),
        ("eval-", r"'eval-' is the beginning of several evaluations"),
    ],
)
def test_a_wrong_id_is_answered_with_the_nearest(word, message):
    ids = [evaluate(right).id for right in (1, 2)]
    with pytest.raises(InvalidArgumentError, match=message):
        open_report(f"{ids[0][:-2]}zz" if word == "TYPO" else word)
    assert open_report(ids[0][5:11]).id == ids[0]


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        *(gzip.compress(text, mtime=0) for text in (b"[]", b'{"qfnb_history": 1}')),
        None,
    ],
    ids=["no archive", "no facts", "no report", "cut"],
)
def test_a_damaged_file_is_named_and_harms_no_other(folder, content):
    fine = evaluate(1).id
    path = folder / f"{evaluate(2).id}.jsonl.gz"
    path.write_bytes(content or path.read_bytes()[:200])
    assert [*history()["id"]] == [fine, path.name[:15]]
    with pytest.raises(InvalidArgumentError, match=r"its file is damaged .*; delete .*history"):
        open_report(path.name[:15])
    assert "cannot be opened" in listings.evaluations_bundle(history())["text/html"]


def test_a_report_that_was_cut_or_is_of_a_later_version_is_not_opened(folder):
    path = folder / f"{evaluate(2).id}.jsonl.gz"
    facts, _ = gzip.decompress(path.read_bytes()).split(b"\n", 1)
    path.write_bytes(gzip.compress(facts + b'\n{"type": "Report", "qfnb": 1}\n'))
    with pytest.raises(InvalidArgumentError, match="damaged"):
        open_report()
    path.write_bytes(gzip.compress(json.dumps({**json.loads(facts), "qfnb_history": 99}).encode()))
    with pytest.raises(InvalidArgumentError, match="later version"):
        open_report(path.name[:15])


def test_without_an_id_the_newest_is_opened():
    with pytest.raises(InvalidArgumentError, match="no evaluation is in the history yet"):
        open_report()
    report = evaluate(8)
    assert open_report() == report


def test_a_report_with_a_field_of_earlier_versions_loads():
    report = evaluate(8)
    document = json.loads(report.to_json()) | {"compared": [["base", "tuned"]]}
    assert EvaluationResult.from_json(json.dumps(document)) == report


def test_the_trend_has_a_line_for_each_model_on_the_same_questions():
    means = [evaluate(right).metrics["tuned"]["exact_match"] for right in (4, 8, 15)]
    evaluate(3, ROWS[:9], name="few", metrics=(RougeLEvaluator(),))
    chart = charts.trend("exact_match", data="heldout")
    assert all(f"{mean:.3f} (" in chart.alt for mean in means)
    assert chart.svg.count('class="l s') == 2 * 2  # lines, and the samples beside their names
    assert time.strftime("%Y-") in chart.alt
    assert chart.source == "3 evaluations · exact match [version 2]"
    assert "base" not in charts.trend("exact_match", model="tuned").alt


def test_a_trend_leaves_out_what_counts_otherwise_and_marks_the_sandbox():
    reports = [evaluate(right) for right in (4, 8)]
    archive.keep(replace(reports[0], counting={"exact_match": "as it was"}))
    archive.keep(replace(reports[0], origins={"tuned": "sandbox"}))
    assert "1 evaluation that counts otherwise is left out · Local sandbox" in str(
        charts.trend().source
    )


def test_the_verbs_of_the_magic_take_ids(capsys):
    earlier = evaluate(8)
    evaluate(18)
    shell = SimpleNamespace(user_ns={})
    magics = EvalMagics(shell)
    assert magics.qfeval(f"open {earlier.id} -o opened") == shell.user_ns["opened"] == earlier
    assert f"{earlier.id} · {time.strftime('%Y-')}" in capsys.readouterr().out
    assert len(magics.qfeval("list")) == 2
    assert "tuned" in magics.qfeval("trend exact-match -m tuned").alt
    with pytest.raises(InvalidArgumentError, match="trend takes one -m MODEL"):
        magics.qfeval("trend -m a -m b")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"metric": "exact_mach"},
            "metric='exact_mach': the history has exact_match; did you mean exact_match",
        ),
        ({"model": "tunde"}, "did you mean tuned"),
        ({"data": "heldot"}, "did you mean heldout"),
        ({}, "there is 1"),
    ],
)
def test_a_trend_of_what_is_not_there_says_what_is(choice, message):
    evaluate(4)
    with pytest.raises(InvalidArgumentError, match=message):
        charts.trend(**choice)


def test_evaluations_are_shown_with_data_questions_and_means():
    archive.keep(build_report({f"m{n}": [0.5, None] for n in range(6)}, origins={"m0": "sandbox"}))
    bundle = listings.evaluations_bundle(history())
    for words in (
        "without a name",
        "Local sandbox: m0",
        "6 answers failed",
        "m0 0.500",
        "and 2 models",
        "%qfeval open eval-",
    ):
        assert words in bundle["text/html"]


def test_a_file_of_the_first_version_opens(folder):
    stored = Path(__file__).parents[1] / "stored" / "v0.1.0" / "history"
    shutil.copytree(stored, folder, dirs_exist_ok=True)
    (entry,) = archive.list_entries()
    report = open_report(entry.id)
    assert (entry.problem, report.id, entry.models) == ("", entry.id, report.models)
    assert entry.scores == {
        model: {"exact_match": archive.find_entry(entry.id).scores[model]["exact_match"]}
        for model in report.models
    }
