"""Trainings and reports in experiment trackers: the real packages where they are installed, else
what they were called with.

TensorBoard's files are written by the real tensorboardX and read back. MLflow, W&B and SwanLab are
heavy: without them a stand-in module with their documented functions records the calls.
"""

import logging
import struct
import sys
from types import SimpleNamespace

import pytest
from support.finetune_runs import PAIRS
from support.reports import build_report

from qfnb import Dataset, LLMFinetune, TrainConfig, errors
from qfnb.trainer import trackers

MODEL = "ERNIE-Speed-8K"


def train(tracker):
    return LLMFinetune(
        MODEL, Dataset(PAIRS), TrainConfig(epoch=1), event_handler=tracker, model_not_publish=True
    ).run()


class Recorder:
    """A stand-in package: each call of a function, of its own or of what it returns, is recorded by
    name.
    """

    def __init__(self, **attributes):
        self.calls = []
        vars(self).update(attributes)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*values, **keywords):
            self.calls.append((name, values, keywords))
            return self

        return call

    def values_of(self, name):
        return [(values, keywords) for called, values, keywords in self.calls if called == name]


@pytest.fixture
def stand_in(monkeypatch):
    def install(name, **attributes):
        recorder = Recorder(**attributes)
        monkeypatch.setitem(sys.modules, name, recorder)
        return recorder

    return install


def read_events(folder):
    """Return the scalars and texts of TensorBoard's files: {tag: [(step, value)]}."""
    from tensorboardX.proto.event_pb2 import Event

    rows = {}
    for path in sorted(folder.glob("events.*")):
        data = path.read_bytes()
        position = 0
        while position < len(data):
            (length,) = struct.unpack_from("<Q", data, position)
            event = Event.FromString(data[position + 12 : position + 12 + length])
            position += length + 16
            for value in event.summary.value:
                text = value.tensor.string_val[0].decode() if value.HasField("tensor") else None
                rows.setdefault(value.tag, []).append(
                    (event.step, value.simple_value if text is None else text)
                )
    return rows


def test_writers_of_the_same_second_do_not_replace_each_others_files(tmp_path):
    pytest.importorskip("tensorboardX")
    tracker = trackers.TensorBoardTracker(tmp_path)
    for n in range(3):
        tracker.log_numbers({"score": n})  # outside of a training each call closes its file
    assert sorted(value for _, value in read_events(tmp_path)["score"]) == [0, 1, 2]


def test_tensorboard_reads_the_curve_the_settings_and_the_report(sandbox, tmp_path):
    pytest.importorskip("tensorboardX")
    tracker = trackers.TensorBoardTracker(tmp_path)
    points = train(tracker).progress.points
    build_report({"base": [0, 1, 0], "调好的": [1, 1, 1]}, origins={"base": "sandbox"}).log_to(
        tracker
    )
    rows = read_events(tmp_path)
    assert rows["train/loss"] == [
        (point.step, pytest.approx(point.training_loss)) for point in points
    ]
    assert rows["origin/text_summary"] == [(0, "sandbox")]
    assert rows["调好的/m/mean"] == [(points[-1].step, 1)]
    assert rows["base/origin/text_summary"] == [(0, "sandbox")]


def test_mlflow_gets_metrics_by_step_and_the_end(sandbox, stand_in):
    entities = SimpleNamespace(Metric=lambda *values: values, RunTag=lambda *values: values)
    package = stand_in("mlflow", entities=entities)
    trainer = train(trackers.MLflowTracker("teahouse", run_id="r1"))
    metrics = [
        row for _, keywords in package.values_of("log_batch") for row in keywords.get("metrics", ())
    ]
    losses = [(step, value) for name, value, _, step in metrics if name == "train/loss"]
    assert losses == [(point.step, point.training_loss) for point in trainer.progress.points]
    assert package.values_of("set_terminated") == [(("r1", "FINISHED"), {})]


def test_mlflow_itself_has_what_was_logged(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # newer versions ask for it
    mlflow = pytest.importorskip("mlflow")
    tracker = trackers.MLflowTracker("teahouse", tracking_uri=tmp_path.as_uri())
    trainer = train(tracker)
    client = mlflow.MlflowClient(tmp_path.as_uri())
    losses = [
        (row.step, row.value) for row in client.get_metric_history(tracker.run_id, "train/loss")
    ]
    assert losses == [(point.step, point.training_loss) for point in trainer.progress.points]
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.tags["origin"]) == ("FINISHED", "sandbox")


@pytest.mark.parametrize(
    ("name", "kind"), [("wandb", trackers.WandbTracker), ("swanlab", trackers.SwanLabTracker)]
)
def test_a_run_gets_each_step_once_and_is_ended(sandbox, stand_in, name, kind):
    package = stand_in(name, id="r1", config=(config := {}))
    trainer = train(kind("teahouse", mode="offline"))
    assert package.calls[0][2]["mode"] == "offline"
    steps = [
        keywords["step"]
        for (numbers,), keywords in package.values_of("log")
        if "train/loss" in numbers
    ]
    assert steps == [point.step for point in trainer.progress.points]
    assert (config["origin"], len(package.values_of("finish"))) == ("sandbox", 1)


def test_a_tracker_that_fails_is_named_once_and_the_training_goes_on(sandbox, stand_in, caplog):
    def refuse(**_):
        raise ConnectionError("no route")

    stand_in("wandb", init=refuse)
    with caplog.at_level(logging.WARNING, "qfnb.trainer"):
        assert train(trackers.WandbTracker()).status == "TrainFinished"
    assert [record.message.split("\n")[0] for record in caplog.records] == [
        "WandbTracker did not take the curve: ConnectionError: no route"
    ]


@pytest.mark.parametrize("name", ["TensorBoard", "MLflow", "Wandb", "SwanLab"])
def test_a_missing_package_is_named_with_the_extra_that_has_it(monkeypatch, name):
    kind = getattr(trackers, f"{name}Tracker")
    monkeypatch.setitem(sys.modules, kind.package, None)
    with pytest.raises(errors.InvalidArgumentError, match=rf"pip install 'qfnb\[{kind.extra}\]'"):
        kind("runs")


def test_the_curve_as_a_table_says_what_it_is_of(sandbox, tmp_path):
    trainer = LLMFinetune(MODEL, Dataset(PAIRS), TrainConfig(epoch=1), model_not_publish=True).run()
    frame = trainer.curves(tmp_path / "curve.csv")
    assert (frame["run"].iloc[0], frame["origin"].iloc[0], frame["config/epoch"].iloc[0]) == (
        trainer.id,
        "sandbox",
        "1",
    )
    assert [*frame["training_loss"]] == [point.training_loss for point in trainer.progress.points]
    assert (
        (tmp_path / "curve.csv")
        .read_text(encoding="utf-8-sig")
        .startswith("run,task_id,model,origin")
    )
    with pytest.raises(errors.InvalidArgumentError, match=r"written as \.csv"):
        trainer.curves(tmp_path / "curve.xlsx")
