"""A kernel that dies at any step, and answers that get lost: nothing paid is made twice, nothing is
forgotten.
"""

import os
import subprocess
import sys
import uuid
from types import SimpleNamespace

import pytest
from support.waiting import until

from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, cli
from qfnb.notebook.train import TrainMagics
from qfnb.resources.management.finetune import FineTune
from qfnb.resources.management.model import Model
from qfnb.resources.management.service import Service
from qfnb.trainer import run_store

pytestmark = pytest.mark.long

ROWS = [
    {"prompt": f"{before}{ask}", "response": answer}
    for ask, answer in {"几点开门": "早上九点。", "在哪里": "河边路三号。"}.items()
    for before in ("", "请问", "你好，", "想知道", "麻烦问下")
]

DYING = """
import os, sys
from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig
from qfnb.trainer import run_store

when, key, name = sys.argv[1:]
update = run_store.RunRecord.update

def update_and_die(self, **facts):
    here = facts.get("making") == key if when == "before" else bool(facts.get(key))
    if here and when == "unheard":
        os._exit(9)
    update(self, **facts)
    if here:
        os._exit(9)

run_store.RunRecord.update = update_and_die
rows = {rows!r}
config = DeployConfig(endpoint_suffix="crash", name=name)
trainer = LLMFinetune("ERNIE-Speed-8K", Dataset(rows), TrainConfig(epoch=1), config, name=name)
print(trainer.id, flush=True)
trainer.run()
"""


@pytest.fixture(autouse=True)
def _quick_lookups(monkeypatch):
    """The sandbox shows at once what it has made; the platform may take seconds."""
    monkeypatch.setattr("qfnb.model.service.LOOKUP_INTERVAL_S", 0.05)


def run_until_death(when, key, name):
    """Run a training in another process until it dies; return the id that this computer knows it
    by.
    """
    process = subprocess.run(
        [sys.executable, "-c", DYING.replace("{rows!r}", repr(ROWS)), when, key, name],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert process.returncode == 9, process.stderr[-2000:]
    return process.stdout.strip()


def count_created(name):
    """Return what there is on the platform under a name: jobs, runs, versions, services."""
    jobs = [
        row.job_id for row in FineTune.V2.job_list(max_keys=100).data.job_list if row.name == name
    ]
    tasks = [row.task_id for job in jobs for row in FineTune.V2.task_list(job).data.task_list]
    names = {f"m_{task}".replace("-", "_") for task in tasks}
    versions = [
        v for n in names for v in Model.V2.describe_model_set(model_set_name=n).data.model_ids
    ]
    services = Service.V2.service_list(name=name).data.service_list
    return len(jobs), len(tasks), len(versions), len(services)


@pytest.mark.fault("F68")
@pytest.mark.parametrize("key", ["job_id", "task_id", "published", "service_id"])
@pytest.mark.parametrize("when", ["before", "unheard", "after"])
def test_a_kernel_that_dies_around_a_creation_leaves_nothing_behind(sandbox, when, key):
    name = f"crash_{uuid.uuid4().hex[:8]}"
    run = run_until_death(when, key, name)
    trainer = LLMFinetune.attach(run, dataset=Dataset(ROWS)).start().wait(180)
    assert trainer.status == "Deployed"
    assert count_created(name) == (1, 1, 1, 1)
    assert trainer.output["service"].exec({"messages": "请问几点开门"}).text == "早上九点。"


def attach_in_a_notebook(run):
    magics = TrainMagics(SimpleNamespace(user_ns={}))
    magics.qftrain(f"attach {run} -o again")
    magics.shell.user_ns["again"].wait(180)


def attach_in_a_terminal(run):
    assert cli.main(["train", run, "--wait"]) == 0


@pytest.mark.parametrize("attach", [attach_in_a_notebook, attach_in_a_terminal])
def test_a_trained_run_whose_kernel_died_says_that_it_is_not_published_and_is_once_it_is_attached(
    sandbox, attach, capsys
):
    name = f"crash_{uuid.uuid4().hex[:8]}"
    run = run_until_death("after", "task_id", name)
    task = run_store.find_run(run).facts["task_id"]
    until(lambda: FineTune.V2.task_detail(task).data.run_status == "Done")
    assert cli.main(["train", run]) == 0
    assert (
        f"trained, not published; `%qftrain attach {run}` publishes it" in capsys.readouterr().err
    )
    attach(run)
    assert count_created(name) == (1, 1, 1, 1)


@pytest.mark.fault("F06")
@pytest.mark.parametrize(
    "endpoint",
    ["finetune.v2.create_job", "finetune.v2.create_task", "model.publish", "service.v2.create"],
)
def test_an_answer_that_gets_lost_is_not_asked_for_again(sandbox, control, fault, endpoint):
    name = f"lost_{uuid.uuid4().hex[:8]}"
    trainer = LLMFinetune(
        "ERNIE-Speed-8K",
        Dataset(ROWS),
        TrainConfig(epoch=1),
        DeployConfig(endpoint_suffix="lost", name=name),
        name=name,
    )
    fault(endpoint, "reset")
    assert trainer.run().status == "Deployed"
    (rule,) = control.get("/_sandbox/faults").json()["faults"]
    assert rule["times"] == 0, "no answer was lost"
    assert count_created(name) == (1, 1, 1, 1)


def test_what_never_reached_the_platform_is_made_then(sandbox, fault):
    name = f"unheard_{uuid.uuid4().hex[:8]}"
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset(ROWS), TrainConfig(epoch=1), name=name)
    fault("finetune.v2.create_job", "status", status=503, times=2)
    assert trainer.run().status == "ModelPublished"
    assert count_created(name)[:3] == (1, 1, 1)


def test_the_rows_of_a_dead_kernel_are_asked_for(sandbox):
    run = run_store.RunRecord.begin()
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset(ROWS))
    trainer._run = run
    trainer.save()
    with pytest.raises(Exception, match="load the dataset again"):
        LLMFinetune.attach(run.id).start().wait(180)


def test_a_training_goes_through_bytes(sandbox):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset(ROWS), TrainConfig(epoch=1)).run()
    restored = LLMFinetune.loads(trainer.dumps())
    assert (restored.status, restored.id) == ("ModelPublished", trainer.id)
    assert restored.output["model"].id == trainer.output["model_version_id"]
    assert restored.progress.points == trainer.progress.points
