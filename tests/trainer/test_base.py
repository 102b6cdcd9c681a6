"""Actions and pipelines without a platform."""

import pytest

from qfnb import errors
from qfnb.trainer.base import BaseAction, Pipeline, StoppedError
from qfnb.trainer.consts import ActionState
from qfnb.trainer.event import Event, EventHandler, dispatch_event


class Step(BaseAction):
    persisted = ("amount",)

    def __init__(self, amount=1, fail=False, **kwargs):
        super().__init__(**kwargs)
        self.amount = amount
        self.fail = fail
        self.runs = 0

    def exec(self, input=None, **kwargs):  # noqa: A002
        self.runs += 1
        if self.fail:
            raise ValueError("as asked")
        return {"total": (input or {}).get("total", 0) + self.amount}


class Log(EventHandler):
    def __init__(self):
        self.events = []

    def dispatch(self, event):
        self.events.append((event.action_class, event.action_state))


def test_facts_are_handed_on_and_events_come_in_order():
    log = Log()
    pipeline = Pipeline([Step(1), Step(2)])
    pipeline.register_event_handler(log)
    assert pipeline.run({"total": 10})["total"] == 13
    running = ("Pipeline", ActionState.Running)
    step = [("Step", ActionState.Preceding), ("Step", ActionState.Done)]
    assert log.events == [
        ("Pipeline", ActionState.Preceding),
        *[running, *step] * 2,
        ("Pipeline", ActionState.Done),
    ]


def test_an_error_is_an_event_and_is_raised():
    log = Log()
    pipeline = Pipeline([Step(), Step(fail=True), Step()])
    pipeline.register_event_handler(log)
    with pytest.raises(ValueError, match="as asked"):
        pipeline.run({})
    assert log.events[-2:] == [("Step", ActionState.Error), ("Pipeline", ActionState.Error)]
    assert pipeline.actions[2].runs == 0


def test_resume_goes_on_where_it_failed():
    steps = [Step(1), Step(2, fail=True), Step(3)]
    pipeline = Pipeline(steps)
    with pytest.raises(ValueError, match="as asked"):
        pipeline.run({})
    steps[1].fail = False
    assert pipeline.resume({})["total"] == 6
    assert [step.runs for step in steps] == [1, 2, 1]


def test_a_stopped_pipeline_skips_the_rest():
    steps = [Step(), Step()]
    pipeline = Pipeline(steps)
    steps[0].exec = lambda facts=None: pipeline.stop() or {}
    with pytest.raises(StoppedError):
        pipeline.run({})
    assert steps[1].runs == 0


def test_a_failing_handler_does_not_stop_the_work_and_prints_one_traceback(caplog):
    class FailingHandler(EventHandler):
        def dispatch(self, event):
            raise RuntimeError("handler's own mistake")

    pipeline = Pipeline([Step()])
    pipeline.register_event_handler(FailingHandler())
    assert pipeline.run({}) == {"total": 1}
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "the training goes on" in record.message


@pytest.mark.parametrize(
    "register", [lambda handler: Step(event_handler=handler), Pipeline([]).register_event_handler]
)
def test_a_handler_without_dispatch_is_refused(register):
    with pytest.raises(errors.InvalidArgumentError, match=r"no method dispatch\(event\)"):
        register(print)


def test_an_action_is_json_bytes_and_nothing_else_is_read():
    data = Step(7).dumps()
    assert Step().loads(data).amount == 7
    with pytest.raises(errors.InvalidArgumentError, match="not a Step"):
        Step().loads(b'{"type": "Other"}')


def test_an_unknown_argument_is_named(caplog):
    Pipeline([], wrong=1)
    assert "Pipeline does not know wrong: this has no effect" in caplog.text


def test_an_event_is_dispatched_where_there_are_a_handler_and_an_event():
    log = Log()
    event = Event("x", ActionState.Done, action_class="Step")
    dispatch_event(None, event)
    dispatch_event(log, None)
    assert log.events == []
    dispatch_event(log, event)
    assert log.events == [("Step", ActionState.Done)]
