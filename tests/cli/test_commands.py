"""The commands, as scripts use them."""

import json
import signal
import subprocess
import sys
import threading

import pytest
from support.scripted_server import http_answer
from support.waiting import until

from qfnb.batching.journal_store import list_journals
from qfnb.cli.common import ProgressStep, draw_line, follow
from qfnb.config import get_config
from qfnb.trainer import run_store

PAIRS = [{"prompt": f"第{n}路车几点开", "response": f"{n}点"} for n in range(6)]


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in PAIRS), encoding="utf-8")
    return path


def test_an_answer_goes_to_stdout_and_its_facts_to_stderr(run):
    result = run("chat", "你好")
    assert (result.code, "沙盒" in result.out) == (0, True)
    assert result.err.startswith("[Local sandbox] · ernie")
    assert run("chat", "你好", "--quiet") == (0, result.out, "")


def test_a_question_may_come_from_stdin_and_the_answer_as_json(run):
    reply = json.loads(run("chat", "Say:", "-", "--json", stdin="你好").out)
    assert (reply["sandbox"], reply["finish_reason"], reply["cost_cny"]) == (True, "stop", 0)


def test_an_answer_that_must_fit_a_schema_does(run, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text(
        json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    )
    result = run("chat", "数字", "--schema", schema)
    assert isinstance(json.loads(result.out)["n"], int)


def test_a_batch_writes_its_results_to_stdout_or_a_file(run, rows, tmp_path):
    printed = [json.loads(line) for line in run("batch", rows).out.splitlines()]
    assert [row["prompt"] for row in printed] == [row["prompt"] for row in PAIRS]
    result = run("batch", rows, "--out", tmp_path / "out.csv", "--json")
    summary = json.loads(result.out)
    assert [summary[name] for name in ("succeeded", "cached", "sandbox")] == [6, 6, True]
    assert (tmp_path / "out.csv").read_text("utf-8").count("\n") == 7


def test_rows_may_come_from_stdin(run):
    printed = run("batch", "-", "--prompt", "说{x}", stdin='{"x": "一"}\n{"x": "二"}\n')
    assert [json.loads(line)["x"] for line in printed.out.splitlines()] == ["一", "二"]
    assert "stdin, line 2" in run("batch", "-", stdin='{"x": 1}\nnot json\n').err


def test_a_batch_with_failed_rows_ends_with_3(run, rows, fault):
    fault("chat.v2", "status", status=400, code="invalid_messages", times=1)
    result = run("batch", rows, "--name", "one-fails", "--json")
    assert (result.code, json.loads(result.out)["failed"]) == (3, 1)


def test_an_interrupted_batch_says_how_it_goes_on_and_goes_on(run, rows, hold, tmp_path):
    hold(2)
    words = f"-m qfnb batch {rows} --prompt 回答{{prompt}} -w 1 --json".split()
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *words], stdout=pipe, stderr=pipe, text=True) as process:
        while not any(
            j.input == str(rows) and j.counts and j.counts.ok == 2 for j in list_journals()
        ):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    summary = json.loads(out)
    assert (process.returncode, summary["state"]) == (130, "cancelled")
    assert f"to go on: qfnb batch {summary['name']} --resume" in err
    hold(release=True)
    resumed = run("batch", rows, "--resume", "--json")
    assert (resumed.code, json.loads(resumed.out)["name"]) == (0, summary["name"])
    assert json.loads(resumed.out)["succeeded"] == 6


def test_a_resumed_batch_writes_the_file_of_its_first_run(run, rows, tmp_path):
    path = tmp_path / "answers.jsonl"
    assert run("batch", rows, "--name", "written", "-o", path).out == ""
    path.unlink()
    resumed = run("batch", "written", "--resume")
    assert (resumed.code, resumed.out, f"results: {path}" in resumed.err) == (0, "", True)
    assert path.read_text("utf-8").count("\n") == 6
    run("batch", "written", "--resume", "-o", tmp_path / "other.csv")
    assert (tmp_path / "other.csv").exists()


def test_what_a_job_has_to_say_is_printed_once_on_a_line_of_its_own(capsys):
    steps = iter(
        [ProgressStep(0.1, "ten", "no network"), ProgressStep(0.2, "twenty", "no network")]
    )
    ends = iter([False, False, True])
    follow(lambda: next(ends), lambda: next(steps, ProgressStep(1.0, "done")))
    assert capsys.readouterr().err.splitlines().count("no network") == 1


def test_a_file_that_was_never_asked_cannot_be_resumed(run, tmp_path):
    result = run("batch", tmp_path / "other.csv", "--resume")
    assert (result.code, "without --resume" in result.err) == (2, True)


def test_a_model_that_is_not_better_fails_only_on_request(run, rows):
    words = ("eval", "ernie-5.1", "ernie-4.5-turbo-128k", "--data", rows)
    assert run(*words, "--fail-on", "worse").code == 0
    result = run(*words, "--fail-on", "not-better", "--json")
    assert (result.code, json.loads(result.out)["sandbox"]) == (3, True)
    assert [pair["verdict"] for pair in json.loads(result.out)["comparisons"]] == ["cannot tell"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody", "-d", "FILE"], "'nobody' is not a known model\nothers: -m nobody"),
        (["ernie-5.1", "-d", "heldout"], "--data 'heldout': must be a file that ends in .jsonl"),
        (["-d", "FILE"], "which models? qfnb eval MODEL ... --data FILE"),
        (["ernie-5.1"], "which questions? --data FILE, or --benchmark NAME:PATH"),
        (["ernie-5.1", "-d", "FILE", "--benchmark", "gsm8k:x"], "no --data"),
        (["ernie-5.1", "-d", "FILE", "--shots", "5"], "--shots belongs to --benchmark NAME:PATH"),
        (["ernie-5.1", "-d", "FILE", "-o", "report.doc"], "'report.doc' ends in none of .html"),
    ],
)
def test_an_evaluation_that_cannot_be_speaks_of_files_and_options(run, rows, words, message):
    result = run("eval", *[rows if word == "FILE" else word for word in words])
    assert (result.code, message in result.err, "variable" in result.err) == (2, True, False)


def test_an_evaluation_is_shown_and_written(run, rows, tmp_path):
    path = tmp_path / "report.json"
    result = run(*f"eval ernie-5.1 --data {rows} --metrics exact_match -o {path}".split())
    assert (result.code, "exact_match" in result.out) == (0, True)
    assert result.out.splitlines()[1] == "Local sandbox"
    assert json.loads(path.read_text("utf-8"))["models"] == ["ernie-5.1"]


def test_a_benchmark_is_asked_with_its_metric(run, tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text(
        json.dumps({"question": "1 + 1 = ?", "answer": "<<1+1=2>>\n#### 2"}), encoding="utf-8"
    )
    result = run("eval", "ernie-5.1", "--benchmark", f"gsm8k:{path}", "--json")
    assert (result.code, [row["metric"] for row in json.loads(result.out)["scores"]]) == (
        0,
        ["number"],
    )


def test_a_training_is_started_and_waited_for(run, rows):
    result = run(
        "train",
        "--data",
        rows,
        "--mode",
        "SFT",
        "--peft",
        "LoRA",
        "--epoch",
        "1",
        "--wait",
        "--json",
    )
    summary = json.loads(result.out)
    assert (result.code, summary["finished"], summary["sandbox"]) == (0, True, True)
    assert run("train", summary["run"]).out == f"{summary['run']}\n"


def test_the_same_training_is_not_started_twice_unless_it_is_asked_for(run, rows):
    command = ["train", "--data", rows, "--epoch", "1", "--set", "seed=7", "--wait"]
    first = run(*command)
    second = run(*command)
    assert (second.code, second.out) == (0, first.out)
    assert "--again" in second.err
    third = run(*command, "--again")
    assert third.out.strip().startswith("run-")
    assert third.out != first.out


def test_a_training_that_costs_money_wants_a_yes(run, rows, scripted):
    server = scripted([http_answer(b'{"result": []}')])
    get_config().access_key = "ALTAKtestaccesskey01"
    get_config().secret_key = "testsecretkey0123456789"
    result = run("train", "--data", rows, "--model", "ERNIE-Speed-8K")
    assert (result.code, "--yes" in result.err) == (2, True)
    assert not [request for request in server.requests if "CreateFineTuningTask" in str(request)]


def test_a_training_that_is_interrupted_before_it_exists_is_not_said_to_go_on(
    run, rows, fault, control
):
    fault("finetune.v2.create_task", "hold")

    earlier = {record.id for record in run_store.list_runs()}

    def interrupt():
        until(lambda: {record.id for record in run_store.list_runs()} - earlier)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    result = run("train", "--data", rows, "--wait")
    control.delete("/_sandbox/faults")
    assert (result.code, result.out) == (130, "")
    assert "before the platform had the training" in result.err


def test_an_unknown_training_is_answered_and_not_begun(run):
    result = run("train", "run-0000000000")
    assert (result.code, "nor the platform has a training run-0000000000" in result.err) == (
        2,
        True,
    )


def test_models_are_listed_and_described(run):
    assert "ernie-5.1" in run("models", "--kind", "chat").out
    (model,) = json.loads(run("models", "ernie-5.1", "--json").out)["models"]
    assert (model["id"], model["context"]) == ("ernie-5.1", 131072)


@pytest.mark.parametrize("share", [None, 0.0, 0.5, 1.7])
def test_a_progress_line_is_never_wider_than_the_terminal(share):
    from qfnb.base.text import terminal_cells as cells

    line = draw_line(ProgressStep(share, "训练中 " * 30), 60)
    assert 50 < cells(line) <= 60
