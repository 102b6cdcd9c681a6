"""`%qftrain` in a real kernel: the panel moves, ends static, and nothing is lost when the platform is."""

import os
import re
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

TRAIN = Path(__file__).parents[2] / "notebooks" / "data" / "teahouse_train.jsonl"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def small(tmp_path):
    """A training of a few seconds."""
    path = tmp_path / "small.jsonl"
    path.write_text("".join(TRAIN.read_text(encoding="utf-8").splitlines(True)[:96]), encoding="utf-8")
    return path


@pytest.fixture
def started(kernel):
    """Start cells with `%qftrain`, and stop whatever still trains at the end."""
    yield lambda line, **how: kernel.run(f"%qftrain start {line} -o trainer", **how)
    kernel.run("trainer.stop(); trainer.wait(20)")


def test_a_live_panel_moves_while_other_cells_run_and_ends_static(kernel, started, small):
    before = set(kernel.open_comms)
    cell = started(f"-d {small} --epoch 10", live=True)
    assert cell.status == "ok"
    assert WIDGET in cell.outputs[0]["data"]
    assert kernel.value("trainer.running") == "True"
    assert kernel.run("trainer.wait()", live=True).status == "ok"
    kernel.listen(0.5)
    assert len(cell.outputs) == 1
    assert WIDGET not in cell.outputs[0]["data"]
    assert "ModelPublished" in cell.text
    assert "loss curve" in cell.html
    assert kernel.open_comms == before


def test_a_static_notebook_gets_the_panel_from_the_cell_that_waits(kernel, started, small):
    first = started(f"-d {small} --epoch 4")
    assert len(first.text.strip().splitlines()) == 1
    assert "%qftrain wait" in first.text
    second = kernel.run("%qftrain wait")
    assert "ModelPublished" in second.text
    assert WIDGET not in second.outputs[0]["data"]


def test_stop_ends_the_run_and_the_panel_says_so(kernel, started, small):
    cell = started(f"-d {small} --epoch 50", live=True)
    kernel.run("import time\nwhile not trainer.progress.points: time.sleep(0.05)")
    assert kernel.run("%qftrain stop").status == "ok"
    assert kernel.run("trainer.wait(20)").status == "ok"
    kernel.listen(0.5)
    assert "TrainStopped" in cell.text
    assert kernel.value("trainer.status") == "'TrainStopped'"


def test_a_run_is_found_again(kernel, started, small):
    started(f"-d {small} --epoch 4")
    kernel.run("trainer.wait()")
    run = kernel.value("trainer.progress.task_id").strip("'")
    assert run in kernel.run("%qftrain list").text
    cell = kernel.run(f"%qftrain attach {run} -o again", live=True)
    kernel.run("again.wait()")
    kernel.listen(0.3)
    assert "loss curve" in cell.html
    assert kernel.value("len(again.progress.points) == len(trainer.progress.points)") == "True"


def test_interrupting_the_wait_leaves_the_training_alone(kernel, started, small):
    started(f"-d {small} --epoch 50")
    cell = kernel.start("%qftrain wait")
    kernel.listen(0.5)
    kernel.interrupt()
    assert kernel.wait(cell, 5).status == "error"
    assert len(cell.error) == 1
    assert kernel.value("trainer.running") == "True"


def test_the_sandbox_killed_in_a_training_is_a_failed_run_and_a_usable_kernel(
    kernel, started, sandbox, small
):
    cell = started(f"-d {small} --epoch 50", live=True)
    kernel.run("import time\nwhile not trainer.progress.points: time.sleep(0.05)")
    os.kill(sandbox.pid, signal.SIGKILL)
    ended = kernel.run("trainer.wait(60)")
    assert ended.status == "error"
    assert len("\n".join(ended.error).splitlines()) <= 4
    kernel.listen(0.5)
    assert re.search("Train(ing)?Failed|TrainStopped", cell.text)
    assert "loss curve" in cell.html
    assert kernel.run("%%qfchat\n你是谁").status == "ok"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--epoch 999", "epoch"),
        ("--learning-rate 5", "learning_rate"),
        ("--batch-size 7", "batch_size"),
        ("--peft Adapter", "Adapter"),
    ],
)
def test_what_the_platform_would_refuse_is_refused_before_the_start(kernel, small, options, words):
    cell = kernel.run(f"%qftrain start -d {small} {options}")
    assert cell.status == "error"
    assert words in cell.text
    assert len(cell.text.strip().splitlines()) <= 4


def test_a_model_that_the_platform_does_not_know_fails_with_its_name(kernel, started, small):
    started(f"-d {small} -m NoSuchModel")
    ended = kernel.run("%qftrain wait")
    assert ended.status == "error"
    assert "NoSuchModel" in "\n".join(ended.error)
    assert "✘" in ended.html


def test_a_bad_line_of_the_data_is_named(kernel, small):
    small.write_text(small.read_text(encoding="utf-8") + '{"prompt": "只有问题"}\n', encoding="utf-8")
    cell = kernel.run(f"%qftrain start -d {small}")
    assert f"{small.name}" in cell.text
    assert "97" in cell.text
    assert "'response' is missing" in cell.text
