"""Fine-tuning against the sandbox: events, stop, attach, failure, and the progress that is
drawn.
"""

import contextlib
import os
import signal
import threading

import pytest
from support.waiting import until

from qfnb import (
    Dataset,
    DeployConfig,
    EventHandler,
    LLMFinetune,
    Model,
    Service,
    TrainConfig,
    errors,
)
from qfnb.model import Model as PlatformModel
from qfnb.resources import FineTune
from qfnb.sandbox import ensure
from qfnb.trainer import run_store
from qfnb.trainer.consts import ActionState, FinetuneStatus, ServiceStatus
from qfnb.trainer.event import Event
from qfnb.trainer.progress import Stage, TrainingProgress

pytestmark = pytest.mark.long

ANSWERS = {"几点开门": "早上九点开门。", "在哪里": "在河边路三号。", "多少钱": "每人二十元。"}
PAIRS = [
    {"prompt": f"{before}{ask}{after}", "response": answer}
    for ask, answer in ANSWERS.items()
    for before in ("", "请问", "你好，", "想知道")
    for after in ("", "？", "呢", "呀")
]


class Log(EventHandler):
    def __init__(self):
        self.events = []

    def dispatch(self, event):
        self.events.append(event)


class Callback(EventHandler):
    def __init__(self, callback):
        self.callback = callback

    def dispatch(self, event):
        self.callback()


@pytest.fixture
def dataset():
    return Dataset(PAIRS, name="small")


@pytest.fixture
def long_run(dataset, sandbox):
    """A training that takes a while; stopped at the end."""
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", Dataset.load("notebooks/data/teahouse_train.jsonl"), TrainConfig(epoch=50)
    )
    trainer.start()
    until(lambda: trainer.progress.points)
    yield trainer
    trainer.stop()
    with contextlib.suppress(errors.TrainingError):
        trainer.wait(180)


def test_the_whole_life(sandbox, dataset):
    log = Log()
    trainer = LLMFinetune(
        "ERNIE-Speed",
        dataset,
        TrainConfig(epoch=2, learning_rate=3e-4),
        DeployConfig(endpoint_suffix="shop"),
        event_handler=log,
    )
    assert trainer.status == FinetuneStatus.Unknown
    trainer.run()
    assert trainer.status == ServiceStatus.Deployed
    assert {
        "task_id",
        "job_id",
        "datasets",
        "model_id",
        "model_version_id",
        "service_endpoint",
    } <= set(trainer.output)
    order = list(dict.fromkeys((event.action_class, event.action_state) for event in log.events))
    for name in ("LoadDataSetAction", "TrainAction", "ModelPublishAction", "DeployAction"):
        states = [state for action, state in order if action == name]
        assert states == [ActionState.Preceding, ActionState.Running, ActionState.Done]
    assert order[-1] == ("Pipeline", ActionState.Done)
    progress = trainer.progress
    assert progress.percent == 100
    assert progress.finished
    assert progress.points[-1].training_loss < progress.points[0].training_loss / 3
    service = trainer.output["service"]
    assert (
        service.exec({"messages": [{"role": "user", "content": "请问几点开门"}]}).text
        == ANSWERS["几点开门"]
    )
    assert service.endpoint.endswith("_shop")
    restored = Service.loads(service.dumps())
    assert (
        restored.exec({"messages": [{"role": "user", "content": "在哪里呀"}]}).text
        == ANSWERS["在哪里"]
    )
    model = Model.loads(trainer.output["model"].dumps())
    assert model.version_id == trainer.output["model_version_id"]


def test_stop_ends_it_and_keeps_what_was_learned(long_run):
    long_run.stop()
    long_run.wait(180)
    assert long_run.output["task_id"] == long_run.progress.task_id
    assert long_run.output["job_id"]
    assert long_run.status == FinetuneStatus.TrainStopped
    assert long_run.progress.stopped
    assert long_run.progress.points
    assert not long_run.is_running


def test_an_attached_training_begins_with_the_present_percent_not_the_stored_one(long_run):
    until(lambda: long_run.progress.points)
    stored = run_store.find_run(long_run.id)
    stored.facts["progress"] |= {"percent": 0, "points": []}
    attached = LLMFinetune._from_record(stored)
    assert (attached.progress.percent, attached.progress.points) == (0, ())
    attached.refresh()
    assert attached.progress.points
    assert attached.progress.percent >= long_run.progress.marks[0][1]


def test_attach_watches_a_run_that_another_kernel_started(long_run):
    attached = LLMFinetune.attach(long_run.progress.task_id).start()
    until(lambda: attached.progress.points and attached.status == FinetuneStatus.Training)
    long_run.stop()
    attached.wait(180)
    assert attached.status == FinetuneStatus.TrainStopped


@pytest.mark.fault("F15")
def test_a_server_that_is_away_for_a_while_is_waited_for(long_run, fault):
    offline_times = []
    long_run.add_event_handler(
        Callback(lambda: offline_times.append(long_run.progress.offline_since))
    )
    fault("finetune.v2.describe_task", "status", status=503, times=8)
    until(lambda: any(since is not None for since in offline_times))
    until(lambda: offline_times[-1] is None)
    assert long_run.is_running


def test_a_run_goes_on_when_its_server_was_killed(long_run, sandbox):
    os.kill(sandbox.pid, signal.SIGKILL)
    until(lambda: long_run.progress.offline_since is None and ensure().pid != sandbox.pid)
    task = long_run.progress.task_id
    until(lambda: FineTune.V2.task_detail(task)["result"]["sandbox"]["starts"] == 2)
    assert long_run.is_running


def test_resuming_a_stopped_run_begins_a_new_one_in_the_same_job(long_run):
    job = long_run.progress.job_id
    first = long_run.progress.task_id
    long_run.stop().wait(180)
    assert long_run.status == FinetuneStatus.TrainStopped
    long_run.start(retry=True)
    until(lambda: long_run.progress.task_id not in {"", first})
    assert long_run.progress.job_id == job
    until(lambda: long_run.status == FinetuneStatus.Training)


def test_it_cannot_be_started_twice(long_run):
    with pytest.raises(errors.InvalidArgumentError, match="running already"):
        long_run.start()


def test_waiting_for_what_was_not_started_is_refused(sandbox, dataset):
    with pytest.raises(errors.InvalidArgumentError, match="not started"):
        LLMFinetune("ERNIE-Speed-8K", dataset).wait()


def test_a_run_id_that_cannot_be_one_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="is not a run"):
        LLMFinetune.attach("../../etc/passwd")


def test_event_handlers_may_come_and_go(long_run):
    heard = threading.Event()
    remove = long_run.add_event_handler(Callback(heard.set))
    assert heard.wait(180)
    remove()
    remove()


def test_publishing_what_was_not_trained_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="nothing to publish"):
        PlatformModel().publish()
    with pytest.raises(errors.InternalError, match="deploy"):
        PlatformModel(id="amv-x").exec({})


@pytest.mark.parametrize("data", [b"\x80\x04.", b"{}", b"[]", b'{"type": "Pickle"}'])
@pytest.mark.parametrize("kind", [Model, Service])
def test_bytes_of_something_else_are_not_opened(kind, data):
    with pytest.raises(errors.InvalidArgumentError, match="not a"):
        kind.loads(data)


def event(action, state, data=None, at=1.0):
    return Event("x", state, "text", data, action_class=action, at=at)


@pytest.mark.fault("F34")
def test_progress_tolerates_odd_answers():
    now = TrainingProgress("t", (Stage("train"),))
    odd = [
        None,
        {},
        {"runStatus": "Dreaming"},
        {"runProgress": "12%"},
        {"checkpointList": None},
        {"runProgress": ""},
    ]
    for result in odd:
        now = now.with_event(event("TrainAction", ActionState.Running, {"result": result}))
    assert now.percent == 12
    assert now.status == FinetuneStatus.Training
    assert not now.finished
