"""A run that is watched while the network is away, and whose states nobody knows (F15, F34)."""

import json
import threading

import pytest
from support.scripted_server import http_answer

import qfnb
from qfnb import config, errors
from qfnb.model.service import Poller
from qfnb.trainer.event import EventHandler
from qfnb.trainer.train_action import TrainAction

OFFLINE_S = 600


class Clock(threading.Event):
    """An event that waits without waiting, and counts the seconds."""

    def __init__(self):
        super().__init__()
        self.pauses = []

    def wait(self, timeout=None):
        self.pauses.append(timeout)
        return self.is_set()


@pytest.mark.fault("F15")
def test_ten_minutes_without_a_network_cost_few_polls_and_no_error(scripted):
    scripted([b""])
    clock = Clock()
    polls = []

    def fetch():
        if 30 <= sum(clock.pauses) < 30 + OFFLINE_S:
            raise errors.ConnectionFailed("no network")
        return "Running"

    for poll in Poller(fetch, interval=30, stop_event=clock):
        polls.append(poll)
        if sum(clock.pauses) > 700:
            clock.set()
    failed = [poll for poll in polls if poll.error]
    assert 10 <= len(failed) <= 14
    assert len({poll.failing_since for poll in failed}) == 1
    assert max(clock.pauses) <= 60
    assert (polls[-1].answer, polls[-1].failing_since) == ("Running", None)


class Log(EventHandler):
    def __init__(self):
        self.texts = []

    def dispatch(self, event):
        self.texts.append(event.description)


@pytest.mark.fault("F34")
def test_states_that_nobody_knows_are_shown_and_polled_on(scripted):
    odd = [
        {},
        {"runStatus": ""},
        {"runStatus": "Dreaming", "runProgress": None},
        {"runStatus": "Done", "metrics": {}},
    ]
    scripted(
        *(
            [http_answer(json.dumps({"result": {"taskId": "task-1"} | state}).encode())]
            for state in odd
        )
    )
    now = config.get_config()
    log = Log()
    now.access_key = "ALTAKtest"
    now.secret_key = "test0123"
    action = TrainAction(task_id="task-1", event_handler=log)
    with qfnb.testing():
        assert action.exec()["metrics"] == {}
    assert [text for text in log.texts if text.startswith("run task-1: ")] == [
        "run task-1: accepted", "run task-1: accepted", "run task-1: Dreaming", "run task-1: Done",
    ]  # fmt: skip
