"""`%qftrain` in a real kernel: the panel moves, ends static, and nothing is lost when the platform
is.
"""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from support.kernel import Kernel, is_live

pytestmark = pytest.mark.kernel

TRAIN = Path(__file__).parents[2] / "notebooks" / "data" / "teahouse_train.jsonl"


@pytest.fixture
def long(tmp_path):
    """A training of some seconds, or of many with many epochs."""
    return write_rows(tmp_path / "long.jsonl", TRAIN.read_text(encoding="utf-8").splitlines()[:96])


@pytest.fixture
def small(tmp_path):
    """A training of a second: answers that several prompts share need only be remembered."""
    rows = TRAIN.read_text(encoding="utf-8").splitlines()
    shared = Counter(json.loads(row)["response"] for row in rows)
    return write_rows(
        tmp_path / "small.jsonl",
        [row for row in rows if shared[json.loads(row)["response"]] > 1][:96],
    )


def write_rows(path, rows):
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def start_training(kernel):
    """Start cells with `%qftrain`, and stop whatever still trains at the end."""
    yield lambda line, **how: kernel.run(f"%qftrain start {line} -o trainer --again", **how)
    kernel.run("trainer.stop(); trainer.wait(180)")


def test_a_live_panel_moves_while_other_cells_run_and_ends_static(kernel, start_training, long):
    before = set(kernel.open_comms)
    cell = start_training(f"-d {long} --epoch 10", live=True)
    assert cell.status == "ok"
    assert is_live(cell.outputs[0])
    assert kernel.value("trainer.is_running") == "True"
    assert kernel.run("trainer.wait()", live=True).status == "ok"
    kernel.until(lambda: not is_live(cell.outputs[0]))
    assert len(cell.outputs) == 1
    assert "✓ Published" in cell.text
    assert "<summary>Loss over" in cell.html
    kernel.until(lambda: kernel.open_comms == before)


@pytest.mark.fault("F72")
def test_a_static_notebook_gets_the_panel_from_the_cell_that_waits(kernel, start_training, small):
    first = start_training(f"-d {small} --epoch 4")
    assert len(first.text.strip().splitlines()) == 1
    assert "%qftrain wait" in first.text
    second = kernel.run("%qftrain wait")
    assert "✓ Published" in second.text
    assert not is_live(second.outputs[0])


def test_the_same_cell_again_shows_the_run_and_trains_nothing(kernel, start_training, small):
    start = f"%qftrain start -d {small} --epoch 3"
    start_training(f"-d {small} --epoch 3")
    again = kernel.run(f"{start} -o second")
    assert "no second training was started. `--again`" in again.text
    assert kernel.value("second is trainer") == "True"
    kernel.run("trainer.wait()")
    assert "Published) already" in kernel.run(f"{start} -o third").text
    assert "✓ Published" in kernel.run("%qftrain start third").text


def test_stop_ends_the_run_and_the_panel_says_so(kernel, start_training, long):
    cell = start_training(f"-d {long} --epoch 50", live=True)
    kernel.run("import time\nwhile not trainer.progress.points: time.sleep(0.05)")
    assert kernel.run("%qftrain stop").status == "ok"
    assert kernel.run("trainer.wait(180)").status == "ok"
    kernel.until(lambda: "■ Stopped" in cell.text)
    assert kernel.value("trainer.status") == "'TrainStopped'"


def test_a_new_kernel_shows_the_same_history_and_goes_on(kernel, start_training, long):
    start_training(f"-d {long} --epoch 50")
    kernel.run(
        "import time\nwhile len(trainer.progress.points) < 5: time.sleep(0.05)\ntrainer.save()"
    )
    run = kernel.value("trainer.progress.job_name").strip("'")
    other = Kernel()
    try:
        cell = other.run(f"%qftrain attach {run} -o trainer", live=True)
        assert "<summary>Loss over" in cell.html
        assert int(other.value("len(trainer.progress.points)")) >= 5
        assert "onto the platform" in cell.html
        other.run("while len(trainer.progress.points) < 20: __import__('time').sleep(0.05)")
        assert other.value("trainer.is_running") == "True"
    finally:
        other.close()


def test_a_panel_is_kept_open_for_its_buttons_until_it_is_closed(kernel, start_training, small):
    start_training(f"-d {small} --epoch 4")
    kernel.run("trainer.wait()")
    before = set(kernel.open_comms)
    cell = kernel.run("%qftrain show trainer", live=True)
    kernel.until_silent()
    assert is_live(cell.outputs[0])
    assert len(kernel.open_comms - before) <= 14
    kernel.run("from qfnb.views.panel import RECENT_PANELS; RECENT_PANELS[-1]._close()")
    kernel.until(lambda: kernel.open_comms == before)
    assert not is_live(cell.outputs[0])


def test_a_finished_run_is_deployed_and_talked_to(kernel, start_training, small):
    start_training(f"-d {small} --epoch 10")
    kernel.run("trainer.wait()")
    assert kernel.run("%qftrain deploy trainer --suffix later").status == "ok"
    ended = kernel.run("%qftrain wait trainer")
    assert "Deployed" in ended.text
    assert "_later" in ended.html
    for question in ("", " 链条多少钱？ it's"):
        assert "The cell below" in kernel.run(f"%qftrain chat trainer{question}").text
    again = kernel.run("%qftrain deploy trainer")
    assert "already" in again.text


def test_runs_are_compared_and_said_to_differ(kernel, start_training, small):
    start_training(f"-d {small} --epoch 2")
    kernel.run("first = trainer.wait()")
    start_training(f"-d {small} --epoch 4 --learning-rate 0.0002")
    kernel.run("trainer.wait()")
    cell = kernel.run("%qftrain compare first trainer")
    assert "Loss of 2 trainings" in cell.html
    assert "learningRate" in cell.text


def test_an_alert_tells_of_the_end(kernel, start_training, small):
    kernel.run("kinds = []\ndef tell(alert): kinds.append(alert.kind)")
    start_training(f"-d {small} --epoch 4")
    assert kernel.run("%qftrain alert trainer --to tell --stalled-after 5").status == "ok"
    kernel.run("trainer.wait()\nimport time\nwhile not kinds: time.sleep(0.02)")
    assert kernel.value("kinds") == "['done']"


def test_interrupting_the_wait_leaves_the_training_alone(kernel, start_training, long):
    start_training(f"-d {long} --epoch 50")
    cell = kernel.start("print('waiting')\n%qftrain wait")
    kernel.until(lambda: "waiting" in cell.text)
    kernel.listen(0.5)
    kernel.interrupt()
    assert kernel.wait(cell).status == "error"
    assert len(cell.error) == 1
    assert kernel.value("trainer.is_running") == "True"


def test_the_sandbox_killed_in_a_training_goes_on_and_the_panel_with_it(
    kernel, start_training, sandbox, long
):
    cell = start_training(f"-d {long} --epoch 10", live=True)
    kernel.run("import time\nwhile not trainer.progress.points: time.sleep(0.05)")
    os.kill(sandbox.pid, signal.SIGKILL)
    assert kernel.run("trainer.wait(180)").status == "ok"
    kernel.until(lambda: "✓ Published" in cell.text)
    assert "<summary>Loss over" in cell.html
    assert kernel.run("%%qfchat\n你是谁").status == "ok"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--epoch 500", "epoch: 500 is too large: 1 to 50 is allowed."),
        ("--lr 5", "--learning-rate"),
    ],
)
def test_what_the_sandbox_does_not_take_is_said_before_a_training_exists(
    kernel, small, option, words
):
    cell = kernel.run(f"%qftrain start -d {small} {option} -o refused")
    assert cell.status == "error"
    assert words in cell.text
    assert "refused" not in kernel.run("%qftrain list").text


def test_preferences_are_learned_from_a_checkpoint_and_a_chosen_one_is_published(
    kernel, start_training, small, tmp_path
):
    assert start_training(f"-d {small} --epoch 2").status == "ok"
    kernel.run("first = trainer; first.wait()")
    rows = [json.loads(line) for line in small.read_text(encoding="utf-8").splitlines()[:24]]
    lines = [
        json.dumps({"prompt": r["prompt"], "chosen": r["response"], "rejected": "不知道。"})
        for r in rows
    ]
    preferences = write_rows(tmp_path / "preferences.jsonl", lines)
    assert (
        start_training(
            f"-d {preferences} --mode DPO --from first --step best --set beta=0.2 --epoch 2"
        ).status
        == "ok"
    )
    kernel.run("trainer.wait()")
    assert (
        kernel.value("(trainer.train_mode, trainer.progress.hyper_parameters['beta'])")
        == "('DPO', 0.2)"
    )
    assert float(kernel.value("trainer.progress.metrics['rewards/margins']")) > 0
    step = kernel.value("int(trainer.checkpoints.query('is_kept').step.iloc[0])")
    assert kernel.run(f"%qftrain publish trainer --step {step}").status == "ok"
    kernel.run("trainer.wait()")
    assert kernel.value("trainer.output['checkpoint_step']") == step
    assert "the checkpoints are 15" in str(kernel.run("%qftrain deploy trainer --step 99").error)


def test_a_sweep_shows_a_row_for_each_training_and_what_the_best_is_worth(kernel, small):
    line = f"%qftrain sweep -d {small} --grid epoch=1,2"
    assert "2 trainings · 2 at a time · " in kernel.run(f"{line} --dry-run").text
    kernel.run(f"{line} -o sweep", live=True)
    kernel.run("%qftrain wait", live=True)
    page = kernel.run("sweep").outputs[0]["data"]["text/html"]
    assert "epoch=1</th>" in page
    assert "2 of 2 have ended" in page
    assert "The best of 2 looks better than it is." in page
    kernel.run("%qftrain status sweep")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--grid epoch=1,2", "sweep needs -d DATA and --grid"),
        ("-d {small} --grid epoch=1,2 --parallel 0", "--parallel 0"),
        ("-d {small} --grid epoch=1,2 --metrics nonsense --eval {small}", "nonsense"),
        ("-d {small} --grid epoch=1,2 --name a", "%qftrain sweep takes no name"),
    ],
)
def test_a_mistake_in_a_sweep_starts_nothing(kernel, small, options, reason):
    cell = kernel.run(f"%qftrain sweep {options.format(small=small)}")
    assert reason in str(cell.error)


def test_a_stopped_run_is_resumed(kernel, start_training, long):
    start_training(f"-d {long} --epoch 30")
    kernel.run("import time\nwhile not trainer.progress.points: time.sleep(0.05)")
    kernel.run("%qftrain stop trainer")
    kernel.run("trainer.wait(180)")
    assert "%qftrain resume" in kernel.run("%qftrain status trainer").text
    assert kernel.run("%qftrain resume trainer").status == "ok"
    assert kernel.value("trainer.is_running") == "True"
