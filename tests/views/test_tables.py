"""Lists in a notebook: a short table in the design's words, and the whole frame as the value."""

import os

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from support.chat_script import whole

import qfnb
from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, config
from qfnb.sandbox import stop
from qfnb.trainer import run_store
from qfnb.views import listings


def test_models_are_shown_by_their_kind_with_the_columns_that_matter():
    bundle = listings.models_bundle(qfnb.models())
    html = bundle["text/html"]
    assert "Longest output" in html
    assert html.count("<details open>") == 1
    assert html.index("ernie-5.1") < html.index("embedding-v1")
    assert "price_cached" not in html


@pytest.fixture(autouse=True)
def empty_state(tmp_path, monkeypatch):
    """A state folder in which nothing is stored."""
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path / "state"))
    yield
    stop()


def training(**facts):
    run = run_store.RunRecord.begin(
        **{"name": "shop", "train_type": "ERNIE-Speed-8K", "platform": "sandbox"} | facts
    )
    run.update()
    return run


def listed(line):
    """Return what a line shows, in every format."""
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "qfnb")
    try:
        frame = shell.run_line_magic(*line.split(" ", 1))
        return frame, shell.display_formatter.format(frame)[0]
    finally:
        shell.run_line_magic("unload_ext", "qfnb")
        InteractiveShell.clear_instance()


TRAININGS = [
    ({"status": "ModelPublished", "progress": {"ended_at": 5.0, "percent": 100}}, "✓ Published", "%qftrain deploy shop"),
    ({"status": "Deployed", "progress": {"ended_at": 5.0}}, "✓ Deployed", "%qftrain chat shop"),
    ({"status": "TrainFinished", "progress": {"ended_at": 5.0}}, "✓ Done", "%qftrain publish shop"),
    ({"status": "TrainFailed", "progress": {"ended_at": 5.0}}, "✕ Failed", ""),
    ({"status": "Training", "progress": {"started_at": 1.0, "percent": 100}}, ("○ Trained, not "
                                                                              "published"),
     "trained, not published; `%qftrain attach shop` publishes it"),
    ({"status": "Training", "progress": {"started_at": 1.0, "percent": 40}}, "○ Not followed", "%qftrain attach shop"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "state", "command"), TRAININGS)
def test_a_training_is_listed_with_its_state_in_words_and_what_follows(facts, state, command):
    run = training(**facts)
    os.utime(config.state_dir("runs") / f"{run.id}.json", (1, 1))
    frame, bundle = listed("qftrain list")
    columns = "id task_id status percent model name platform created"
    assert [*frame.columns[:8]] == columns.split()
    sign, words = state.split(" ", 1)
    assert (
        f'title="{facts["status"]}"><span aria-hidden="true">{sign}</span> {words}</span>'
        in bundle["text/html"]
    )
    assert state in bundle["text/plain"]
    assert command in bundle["text/plain"]
    assert "Local sandbox" in bundle["text/html"]


def test_of_two_trainings_of_one_name_the_older_is_called_by_its_id():
    older = training(status="ModelPublished", progress={"ended_at": 5.0}, created=1.0)
    training(status="TrainFailed", progress={"ended_at": 5.0})
    assert f"%qftrain deploy {older.id}" in listed("qftrain list")[1]["text/plain"]


def test_batches_are_listed_without_columns_that_say_nothing(scripted):
    scripted(whole("ok"), whole("ok"))
    qfnb.batch(["a", "b"], model="ernie-5.1", name="two").wait()
    frame, bundle = listed("qfbatch list")
    assert isinstance(frame, pd.DataFrame)
    assert frame.loc[0, "state"] == "done"
    for text in ("✓ Done", "list of 2", "Answered", "%qfbatch resume two -o answers"):
        assert text in bundle["text/plain"]
    assert "Failed" not in bundle["text/html"]
    assert "NaN" not in bundle["text/plain"]


def test_services_and_datasets_are_listed_with_how_they_are_used(sandbox):
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", Dataset(pairs(8)), TrainConfig(epoch=1), DeployConfig()
    ).run()
    endpoint = trainer.progress.service_endpoint
    assert f"`%qfchat -e {endpoint} " in listings.services_bundle(qfnb.services())["text/plain"]
    assert "`%qftrain new ds-" in listings.datasets_bundle(qfnb.datasets())["text/plain"]
    assert "✓ Done" in listings.jobs_bundle(qfnb.jobs())["text/plain"]


def pairs(count):
    return [{"prompt": f"第 {n} 问", "response": f"第 {n} 答"} for n in range(count)]
