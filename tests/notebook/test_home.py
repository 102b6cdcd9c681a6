"""`%qf`: what is on this computer, without a key and without a call."""

import json
import shutil
import time
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, config, errors
from qfnb.batching.journal_store import list_journals
from qfnb.dataset.samples import write_samples
from qfnb.evaluation import records
from qfnb.evaluation.report import EvaluationResult
from qfnb.notebook import home
from qfnb.sandbox import stop
from qfnb.trainer import run_store
from qfnb.views import components, home as view

STORED = Path(__file__).parents[1] / "stored" / "v0.1.0"
KEY = "bce-v3/ALTAK-test/canary0123456789"


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder with an interrupted batch and finished ones."""
    shutil.copytree(STORED, tmp_path / "state")
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path / "state"))
    yield tmp_path / "state"
    stop()


@pytest.fixture
def shell():
    """The IPython of this process, with qfnb loaded."""
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "qfnb")
    yield shell
    shell.run_line_magic("unload_ext", "qfnb")
    InteractiveShell.clear_instance()


def activities():
    return {activity.name: activity for activity in home.collect().activities}


def test_a_batch_whose_kernel_died_is_shown_as_of_its_last_sign_and_how_it_goes_on(state):
    half = activities()["half"]
    assert (half.state, half.command) == ("Interrupted", "%qfbatch resume half")
    assert half.seen_at == next(
        journal.updated for journal in list_journals() if journal.name == "half"
    )
    assert set(activities()) == {"half"}  # what has ended is not in progress


def test_a_training_that_nobody_follows_is_dated(state):
    run = run_store.RunRecord.begin(name="shop", train_type="ERNIE-Speed-8K")
    run.update(status="Training", progress={"started_at": time.time(), "percent": 40})
    assert (activities()["shop"].state, activities()["shop"].amount) == ("Training", "40%")
    path = state / "runs" / f"{run.id}.json"
    import os

    os.utime(path, (1, 1))
    shop = activities()["shop"]
    assert (shop.state, shop.seen_at, shop.command) == (
        "Not followed",
        1,
        f"%qftrain attach {run.id}",
    )


def test_an_evaluation_of_any_kernel_is_shown_until_it_ends(state):
    running = records.RunningEvaluation(["base", "tuned"], 6, ["half"])
    shown = activities()
    assert (shown["Evaluation"].state, shown["Evaluation"].subject) == ("Running", "base · tuned")
    assert "half" not in shown  # its batches are part of it
    running._lock.release()  # as the end of its process does
    assert activities()["Evaluation"].state == "Interrupted"
    running.end("done")
    assert "Evaluation" not in activities()


def test_a_written_report_is_listed_while_it_is_there(state, tmp_path):
    path = tmp_path / "report.md"
    EvaluationResult.load(STORED / "report.json").save(path)
    (report,) = records.list_reports()
    assert (report.path, report.models) == (str(path), ("ERNIE-Speed-8K", "ERNIE-Lite-8K"))
    assert "report.md" in view.bundle(home.collect())["text/html"]
    path.unlink()
    assert records.list_reports() == []


def test_a_key_is_named_and_never_shown(state):
    config.get_config().api_key = KEY
    bundle = view.bundle(home.collect())
    assert "api_key" in bundle["text/plain"]
    assert "canary" not in json.dumps(bundle)


def test_a_wrong_setting_is_said_and_the_rest_is_shown(state, monkeypatch):
    monkeypatch.setenv("QIANFAN_ACCESS_KEY", "ALTAKtest0123456789")
    monkeypatch.setenv("QIANFAN_PLATFORM", "qianfan")
    bundle = view.bundle(home.collect())
    assert "QIANFAN_SECRET_KEY" in bundle["text/html"]


@pytest.mark.parametrize(
    ("language", "title"), [("en", "In progress, in all notebooks"), ("zh", "进行中（所有笔记本）")]
)
def test_the_panel_is_in_one_language(state, monkeypatch, language, title):
    monkeypatch.setenv("QFNB_LANG", language)
    bundle = view.bundle(home.collect())
    assert title in bundle["text/html"]
    assert title in bundle["text/plain"]
    assert ("Default model" in bundle["text/plain"]) == (language == "en")


def test_a_page_cannot_be_changed_by_a_name(state):
    run = run_store.RunRecord.begin(name="<img src=x>|", train_type="m")
    run.update(progress={"started_at": 1.0})
    bundle = view.bundle(home.collect())
    assert "<img" not in bundle["text/html"]


def test_nothing_is_deleted_without_a_yes(state, monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "no")
    assert home.clean(0, asks=True) == "nothing was deleted"
    assert "finished batches with all their answers" in asked[0]
    assert len(list_journals()) == 5


def test_finished_batches_are_deleted_and_an_interrupted_one_stays(state):
    assert "finished batches" in home.clean(0, asks=False)
    assert [journal.name for journal in list_journals()] == ["half"]
    assert home.clean(0, asks=False).startswith("nothing to delete")


def test_where_nobody_can_be_asked_it_says_so(state, monkeypatch):
    def refuse(_question):
        raise EOFError

    monkeypatch.setattr("builtins.input", refuse)
    with pytest.raises(errors.InvalidArgumentError, match="--yes"):
        home.clean(0, asks=True)


def test_the_magic_prints_the_panel_in_a_terminal(state, capsys):
    magics = home.HomeMagics(None)
    magics.qf("")
    assert "half" in capsys.readouterr().out
    with pytest.raises(errors.InvalidArgumentError, match="show, clean"):
        magics.qf("sweep")


def test_evaluations_and_reports_are_remembered_up_to_a_number(state, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORDS", 3)
    for _ in range(5):
        records.RunningEvaluation(["a"], 1, []).end("done")
    assert len(records.list_evaluations()) == 3


def test_only_lines_that_run_are_proposed_with_the_names_of_the_kernel(
    state, shell, sandbox, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_samples(tmp_path)
    shell.user_ns["pairs"] = pairs = Dataset.load("teahouse_train.jsonl")
    trainer = LLMFinetune("ERNIE-4.5-Turbo-128K", pairs, TrainConfig(epoch=1), DeployConfig()).run()
    shell.user_ns["tuned"] = trainer
    steps = home.collect(shell).next_steps
    expected = {"%qftrain new pairs", "%qfbatch pairs", "%qftrain chat tuned"}
    assert expected <= steps.keys()
    assert "%qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl -o report" in steps
    lines = [*(line for line in steps if line != "%qfauth set"), "%qfeval wait"]
    results = [shell.run_cell(line) for line in lines]
    assert [result.error_before_exec or result.error_in_exec for result in results] == [None] * len(
        results
    )


def test_a_fresh_kernel_proposes_to_ask_the_newest_model_that_is_deployed(state, shell, sandbox):
    facts = {"service_endpoint": "abcdefgh_bike"}
    run_store.RunRecord.begin(name="my bike", platform="sandbox", facts=facts).update()
    run_store.RunRecord.begin(name="far", platform="qianfan", facts=facts).update()
    assert {'%qftrain chat "my bike"', "%qftrain list"} <= home.collect(shell).next_steps.keys()


def test_the_quickstart_is_named_from_the_current_folder_and_its_path_breaks_behind_separators(
    monkeypatch,
):
    monkeypatch.chdir(home.NOTEBOOKS)
    assert home.quickstart() == "00_quickstart.ipynb"
    monkeypatch.chdir(home.NOTEBOOKS.parent / "docs")
    assert home.quickstart() == str(home.NOTEBOOKS / "00_quickstart.ipynb")
    assert components.path("a/b c.ipynb") == "a/<wbr>b c.ipynb"
