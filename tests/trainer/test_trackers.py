"""Trainings and reports as files of TensorBoard, written by the real tensorboardX and read back."""

import logging
import struct
import sys

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


def test_a_tracker_that_fails_is_named_once_and_the_training_goes_on(sandbox, tmp_path, caplog):
    pytest.importorskip("tensorboardX")
    (tmp_path / "file").write_text("")
    tracker = trackers.TensorBoardTracker(tmp_path / "file" / "runs")
    with caplog.at_level(logging.WARNING, "qfnb.trainer"):
        assert train(tracker).status == "TrainFinished"
    (record,) = caplog.records
    assert record.message.startswith("TensorBoardTracker did not take the curve: ")


def test_a_missing_package_is_named_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(errors.InvalidArgumentError, match=r"pip install 'qfnb\[tensorboard\]'"):
        trackers.TensorBoardTracker("runs")


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
