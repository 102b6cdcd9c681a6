"""Steps that are added to a training: after its end, while it trains, in another kernel."""

import pytest
from support.finetune_runs import LONG, PAIRS
from support.waiting import wait_for

from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, errors
from qfnb.evaluation import ExactMatchEvaluator, open_report
from qfnb.model import Model
from qfnb.resources import FineTune
from qfnb.resources.management.model import Model as Repository
from qfnb.trainer import run_store
from qfnb.trainer.background import refresh_runs
from qfnb.trainer.consts import ActionState

pytestmark = pytest.mark.long

DEPLOY_CONFIG = DeployConfig(endpoint_suffix="later")


def train_without_publishing(**options):
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", Dataset(PAIRS), TrainConfig(epoch=1), model_not_publish=True, **options
    )
    return trainer.run()


def test_a_finished_run_is_published_and_deployed_on_request(sandbox):
    trainer = train_without_publishing()
    assert trainer.status == "TrainFinished"
    assert trainer.publish("later_on").wait(180).status == "ModelPublished"
    assert trainer.deploy(DEPLOY_CONFIG).wait(180).status == "Deployed"
    assert [stage.state for stage in trainer.progress.stages] == [ActionState.Done] * 4
    assert trainer.output["service"].endpoint.endswith("_later")


def test_a_step_that_is_added_while_it_trains_comes_after_it(sandbox):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset.load(LONG), TrainConfig(epoch=1)).start()
    wait_for(lambda: trainer.progress.points, bool)
    assert trainer.deploy(DEPLOY_CONFIG).is_running
    assert trainer.wait(180).status == "Deployed"


def train_three_epochs():
    """Return a run with three checkpoints that are kept."""
    values = TrainConfig(epoch=3)
    return LLMFinetune("ERNIE-Speed-8K", Dataset(PAIRS), values, model_not_publish=True).run()


def kept_steps(trainer):
    table = trainer.checkpoints
    return list(table.step[table.is_kept])


def published_step(model):
    return Repository.detail(model.id)["result"]["sandbox"].get("step")


@pytest.fixture(scope="module")
def trained():
    """A finished training, by its id: each test attaches it anew."""
    return train_three_epochs()


def test_a_chosen_checkpoint_is_published_deployed_and_evaluated_beside_the_last(sandbox, trained):
    first, *_, last = kept_steps(trained)
    trainer = LLMFinetune.attach(trained.id).publish().wait(180)
    whole = trainer.output["model"]
    trainer.publish(step=first).wait(180)
    assert (published_step(whole), published_step(trainer.output["model"])) == (None, first)
    assert trainer.deploy(DEPLOY_CONFIG).wait(180).status == "Deployed"
    assert trainer.output["service"].model.id == trainer.output["model"].id != whole.id
    assert trainer.output["service"].exec({"messages": [{"role": "user", "content": "你好"}]})[
        "result"
    ]
    data = Dataset(PAIRS[:3])
    report = trainer.evaluate(data, [ExactMatchEvaluator()]).wait(180).output["eval_res"]
    assert len(report.records) == 3
    progress = LLMFinetune.attach(trained.id).progress
    assert (progress.verdict[:12], progress.report_id) == ("Exact match ", report.id)
    assert open_report(progress.report_id).id == report.id
    assert LLMFinetune.attach(trained.id).progress.model_version_id == trainer.output["model"].id
    with pytest.raises(errors.InvalidArgumentError, match="already"):
        trainer.publish(step=first)
    assert last == trained.progress.points[-1].step


def test_deploying_a_checkpoint_publishes_it_first(sandbox):
    trainer = train_three_epochs()
    first = kept_steps(trainer)[0]
    trainer.deploy(DeployConfig(endpoint_suffix="early"), step=first).wait(180)
    assert published_step(trainer.output["model"]) == first
    last = trainer.progress.points[-1].step
    again = trainer.deploy(DeployConfig(endpoint_suffix="late"), step=last).wait(180)
    assert again.output["service"].endpoint.endswith("_late")


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (99999, "the checkpoints are"),
        ("first", "'best'"),
        (True, "'best'"),
        (1, "the checkpoints are 5, 10, "),
    ],
)
def test_a_checkpoint_that_is_not_there_is_refused(sandbox, trained, step, words):
    for add in (trained.publish, trained.deploy):
        with pytest.raises(errors.InvalidArgumentError, match=words):
            add(step=step)


def test_a_model_publishes_a_checkpoint_by_itself(sandbox, trained):
    step = kept_steps(trained)[0]
    ids = {"task_id": trained.progress.task_id, "job_id": trained.progress.job_id}
    model = Model(**ids, checkpoint_step=step)
    assert published_step(model.publish("by_itself")) == step
    assert model.publish() is model


def test_a_training_goes_on_from_a_chosen_checkpoint(sandbox, trained):
    step = kept_steps(trained)[0]
    options = {"previous_trainer": trained, "previous_step": step, "model_not_publish": True}
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset(PAIRS), TrainConfig(epoch=1), **options).run()
    increment = FineTune.V2.task_detail(trainer.progress.task_id)["result"]["sandbox"]["increment"]
    assert increment["weights"] == f"{trained.progress.task_id}-{step}"
    with pytest.raises(errors.InvalidArgumentError, match="previous_step needs"):
        LLMFinetune("ERNIE-Speed-8K", Dataset(PAIRS), previous_step=step)


def test_a_run_that_was_stopped_is_resumed_first(sandbox):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset.load(LONG), TrainConfig(epoch=50)).start()
    wait_for(lambda: trainer.progress.points, bool)
    trainer.stop().wait(180)
    with pytest.raises(errors.InvalidArgumentError, match="resume"):
        trainer.deploy(DEPLOY_CONFIG)


def test_a_failure_in_another_kernel_is_raised_here(sandbox):
    trainer = LLMFinetune("NoSuchModel", Dataset(PAIRS), TrainConfig(epoch=1))
    with pytest.raises(errors.APIError, match="NoSuchModel"):
        trainer.run()
    assert "NoSuchModel" in str(trainer.output["error"])
    with pytest.raises(errors.TrainingError, match="NoSuchModel"):
        LLMFinetune.attach(trainer.id).wait()


def test_a_run_that_could_not_be_stopped_is_reported(sandbox, fault):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset.load(LONG), TrainConfig(epoch=50)).start()
    wait_for(lambda: trainer.progress.points, bool)
    fault("finetune.v2.stop_task", "status", status=400, times=1)
    trainer.stop().wait(180)
    assert any("could not be stopped" in line.text for line in trainer.progress.log)
    LLMFinetune.attach(trainer.progress.task_id).start().stop().wait(180)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("Training", ("TrainFinished", 100)), ("ModelPublishing", ("ModelPublishing", 17))],
)
def test_a_list_asks_the_platform_of_a_run_whose_kernel_wrote_of_it_just_now_and_died(
    sandbox, trained, status, outcome
):
    """Of the steps behind the training only the kernel knows."""
    facts = run_store.find_run(trained.id).facts
    run = run_store.RunRecord.begin(task_id=facts["task_id"], platform=facts["platform"])
    run.update(status=status, progress={"started_at": 1.0, "percent": 17})
    assert run.is_current
    refresh_runs([run])
    assert (run.facts["status"], run.facts["progress"]["percent"]) == outcome
