"""Files that an earlier version wrote open in this one: nothing that was paid for is lost by an
upgrade.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from stored.write import MODEL, PAIRS, QUESTIONS

from qfnb import ChatCompletion, LLMFinetune, batch, batches, resume
from qfnb.errors import SandboxError
from qfnb.evaluation.report import EvaluationResult, files
from qfnb.notebook import parser
from qfnb.resources import Data, FineTune, Prompt
from qfnb.sandbox import Address, ensure, stop
from qfnb.sandbox.process import control_call
from qfnb.trainer.form import drafts

STORED = Path(__file__).parent / "v0.1.0"
FACTS: dict[str, Any] = json.loads((STORED / "facts.json").read_text(encoding="utf-8"))


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A copy of the state folder, which is this user's now; its sandbox ends with the test."""
    shutil.copytree(STORED, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    yield tmp_path
    stop()


def answers_of(path):
    """Return the questions of a journal that are answered, and their answers."""
    with sqlite3.connect(path) as database:
        found = database.execute(
            "select row.input, answer.text from row join answer using(key)"
        ).fetchall()
    database.close()
    return {json.loads(question): answer for question, answer in found}


def chat_calls(address: Address) -> int:
    health = control_call(address, "GET", "/_sandbox/health")
    assert health is not None
    return health["requests"].get("chat.v2", 0)


def test_a_half_finished_batch_asks_only_for_what_is_missing(state):
    before = answers_of(state / "batches" / "half.db")
    assert 0 < len(before) < len(QUESTIONS)
    batching = batch(QUESTIONS, model=MODEL, name="half", canary=0)
    answers = {answer.input: answer.text for answer in batching.results()}
    assert chat_calls(ensure()) == len(QUESTIONS) - len(before)
    assert list(answers) == QUESTIONS
    assert all(answers.values())
    assert before.items() <= answers.items()


def test_a_half_finished_batch_goes_on_by_its_name(state):
    answered = len(answers_of(state / "batches" / "half.db"))
    assert all(answer.ok for answer in resume("half").results())
    assert chat_calls(ensure()) == len(QUESTIONS) - answered


def test_a_finished_batch_is_found_by_what_is_asked_and_asks_nothing(state):
    batching = batch(QUESTIONS, model=MODEL)
    assert batching.name == FACTS["finished"]
    answers = {answer.input: answer.text for answer in batching.results()}
    assert answers == answers_of(STORED / "batches" / f"{FACTS['finished']}.db")
    assert chat_calls(ensure()) == 0


def test_an_offline_batch_is_finished_too(state):
    batching = batch(QUESTIONS, model=MODEL, name="offline", mode="offline")
    assert all(answer.ok for answer in batching.results())
    assert chat_calls(ensure()) == 0


def test_journals_are_listed(state):
    listed = batches().set_index("name")
    assert listed.loc[FACTS["finished"], ["state", "rows", "ok"]].tolist() == ["done", 6, 6]
    answered = len(answers_of(state / "batches" / "half.db"))
    assert listed.loc["half", ["state", "rows", "ok"]].tolist() == ["interrupted", 6, answered]


def test_a_finished_run_attaches(state):
    trainer = LLMFinetune.attach(FACTS["run_id"]).wait()
    assert trainer.status == "Deployed"
    assert [stage.name for stage in trainer.progress.stages] == [
        "dataset",
        "train",
        "publish",
        "deploy",
    ]
    assert trainer.progress.points
    assert trainer.output["service"].endpoint == FACTS["service_endpoint"]


def test_a_run_is_found_by_the_id_of_the_platform_too(state):
    assert LLMFinetune.attach(FACTS["task_id"]).id == FACTS["run_id"]


def test_a_stopped_run_attaches_and_both_are_listed(state):
    stopped = LLMFinetune.attach(FACTS["stopped"])
    assert (stopped.status, stopped.progress.stopped) == ("TrainStopped", True)
    assert {row["id"] for row in LLMFinetune.list_runs()} == {FACTS["run_id"], FACTS["stopped"]}


def test_a_stopped_run_is_taken_up_again(state):
    trainer = LLMFinetune.attach(FACTS["stopped"]).resume()
    assert trainer.status == "ModelPublished"


def test_the_sandbox_has_what_it_had(state):
    ensure()
    assert Data.info(FACTS["dataset"])["result"]["versionInfo"]["entityCount"] == len(PAIRS)
    assert FineTune.V2.task_detail(FACTS["task_id"])["result"]["runStatus"] == "Done"
    assert Prompt.info(FACTS["prompt"], name="茶客")["result"]["content"] == "你好，茶客"


def test_the_trained_model_still_answers(state):
    say = [{"role": "user", "content": PAIRS[0]["prompt"]}]
    assert (
        ChatCompletion(endpoint=FACTS["service_endpoint"]).do(messages=say).text
        == PAIRS[0]["response"]
    )


def change_database(state, script):
    with sqlite3.connect(state / "sandbox" / "state.db") as database:
        database.executescript(script)
    database.close()


EARLIER = """
    update document set body = json_remove(body, '$.plan') where kind in ('service', 'version');
    update document set body = json_set(body, '$.released', 1795342810.4) where kind = 'dataset';
    pragma user_version = 1"""
"""Makes the state of the first schema of that of 0.1.0: states were computed from ages, there were
no plans.
"""


def test_a_state_of_the_first_schema_is_migrated(state):
    change_database(state, EARLIER)
    say = [{"role": "user", "content": PAIRS[0]["prompt"]}]
    assert (
        ChatCompletion(endpoint=FACTS["service_endpoint"]).do(messages=say).text
        == PAIRS[0]["response"]
    )
    assert Data.info(FACTS["dataset"])["result"]["versionInfo"]["releaseStatus"] == 2
    assert not list((state / "sandbox").glob("*.old"))


def test_a_state_of_a_newer_version_is_refused_in_words_and_not_changed(state):
    change_database(state, "pragma user_version = 99")
    before = (state / "sandbox" / "state.db").read_bytes()
    with pytest.raises(
        SandboxError,
        match=r"newer qfnb \(schema 99.*nothing was changed: upgrade qfnb, or set QFNB_ST",
    ):
        ensure()
    assert (state / "sandbox" / "state.db").read_bytes() == before
    assert not list((state / "sandbox").glob("*.old"))


def test_a_state_that_cannot_be_opened_now_is_not_moved_aside(state):
    (state / "sandbox" / "state.db").rename(state / "kept.db")
    (state / "sandbox" / "state.db").mkdir()
    with pytest.raises(SandboxError, match="unable to open database file"):
        ensure()
    assert not list((state / "sandbox").glob("*.old"))


def test_a_broken_state_is_moved_aside_and_kept(state):
    (state / "sandbox" / "state.db").write_bytes(b"broken" * 400)
    ensure()
    (backup,) = (state / "sandbox").glob("state.*.old")
    assert backup.read_bytes() == b"broken" * 400


def has_all_of(value, kept):
    """Return whether a value has everything of an older one; fields may have been added."""
    if isinstance(kept, dict):
        return all(name in value and has_all_of(value[name], row) for name, row in kept.items())
    if isinstance(kept, list):
        return len(value) == len(kept) and all(map(has_all_of, value, kept))
    return value == kept


def test_a_saved_report_loads(state):
    report = EvaluationResult.load(state / "report.json")
    assert report.models == ("ERNIE-Speed-8K", "ERNIE-Lite-8K")
    kept = json.loads((STORED / "report.json").read_text(encoding="utf-8"))
    document = json.loads(report.to_json())
    for name in files.JSON_TABLES:  # computed anew, by the statistics of today; the columns stay
        pairs = zip(kept.pop(name), document[name], strict=True)
        assert all(set(row) <= set(row_now) for row, row_now in pairs)
    assert has_all_of(document, kept)


def test_a_saved_form_loads(state):
    draft = drafts.load("teahouse")
    assert (draft.dataset, draft.after, draft.values) == ("ds-stored", "deploy", {"epoch": "3"})


def test_a_past_run_can_be_cloned(state):
    draft = drafts.load(FACTS["run_id"])
    assert (draft.model, draft.after, draft.suffix) == ("ERNIE-Speed-8K", "deploy", "stored")


def test_an_alias_is_known(state):
    assert parser.resolve("fast") == "ERNIE-Speed-8K"
