"""Alerts: one notification when a training has ended or is stalled."""

import queue

import pytest
from support.scripted_server import http_answer
from support.waiting import until

from qfnb import errors
from qfnb.trainer.alerts import alert
from qfnb.trainer.consts import ActionState
from qfnb.trainer.event import Event
from qfnb.trainer.progress import Stage, TrainingProgress


class Trainer:
    """A trainer whose progress the test decides."""

    def add_event_handler(self, handler):
        self.handler = handler
        return lambda: None

    def reach(self, progress):
        self.progress = progress
        self.handler.dispatch(Event("action", ActionState.Running))


def progress(**fields):
    state = fields.pop("state", ActionState.Running)
    return TrainingProgress(
        "demo", (Stage("train", state),), run_id="run-1", task_id="task-1", **fields
    )


@pytest.mark.parametrize(
    ("state", "kind"),
    [(ActionState.Done, "done"), (ActionState.Error, "failed"), (ActionState.Stopped, "stopped")],
)
def test_the_end_is_notified_once(state, kind):
    notices = queue.Queue()
    trainer = Trainer()
    alert(trainer, notices.put)
    for _ in range(3):
        trainer.reach(progress(state=state, ended_at=2.0))
    assert notices.get(timeout=240).kind == kind
    with pytest.raises(queue.Empty):
        notices.get(timeout=0.1)


def test_a_stalled_training_is_notified_and_may_stall_again():
    notices = queue.Queue()
    trainer = Trainer()
    alert(trainer, notices.put, stalled_after=0.0)
    for _ in range(3):
        trainer.reach(progress(queued_at=1.0))
    with pytest.raises(queue.Empty):
        notices.get(timeout=0.1)
    for percent in (10, 10, 20, 20):
        trainer.reach(progress(percent=percent, training_at=1.0))
    assert [notices.get(timeout=240).kind for _ in range(2)] == ["stalled", "stalled"]


def test_a_web_address_gets_it_as_json(scripted):
    server = scripted([http_answer(b"{}")])
    trainer = Trainer()
    alert(trainer, f"{server.url}/hook")
    trainer.reach(progress(state=ActionState.Done, ended_at=2.0))
    until(lambda: server.requests)
    body = server.requests[0].split(b"\r\n\r\n")[1].decode()
    assert '"kind": "done"' in body
    assert '"msgtype": "text"' in body


def test_a_failing_receiver_is_only_logged(caplog):
    def broken(notice):
        raise RuntimeError("as asked")

    trainer = Trainer()
    alert(trainer, broken)
    trainer.reach(progress(state=ActionState.Done, ended_at=2.0))
    until(lambda: "could not be delivered" in caplog.text)


@pytest.mark.parametrize("to", ["ftp://x", "http://evil.example/hook", "https://", 7])
def test_an_address_that_is_not_https_is_refused(to):
    with pytest.raises(errors.InvalidArgumentError, match="https"):
        alert(Trainer(), to)
