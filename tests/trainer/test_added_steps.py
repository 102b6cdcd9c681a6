"""Steps that are added to a training: after its end, while it trains, in another kernel."""

import pytest
from support.finetune_runs import LONG, PAIRS
from support.waiting import wait_for

from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, errors
from qfnb.trainer.consts import ActionState

DEPLOY_CONFIG = DeployConfig(endpoint_suffix="later")


def train_without_publishing(**options):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset(PAIRS), TrainConfig(epoch=1), model_not_publish=True, **options)
    return trainer.run()


def test_a_finished_run_is_published_and_deployed_on_request(sandbox):
    trainer = train_without_publishing()
    assert trainer.status == "TrainFinished"
    assert trainer.publish("later_on").wait(30).status == "ModelPublished"
    assert trainer.deploy(DEPLOY_CONFIG).wait(30).status == "Deployed"
    assert [stage.state for stage in trainer.progress.stages] == [ActionState.Done] * 4
    assert trainer.output["service"].endpoint.endswith("_later")


def test_what_is_deployed_is_published_first(sandbox):
    trainer = train_without_publishing().deploy(DEPLOY_CONFIG).wait(30)
    assert [stage.name for stage in trainer.progress.stages] == ["dataset", "train", "publish", "deploy"]
    assert trainer.status == "Deployed"


def test_another_kernel_adds_steps_too_and_they_are_remembered(sandbox):
    trainer = train_without_publishing()
    attached = LLMFinetune.attach(trainer.id)
    assert attached.deploy(DEPLOY_CONFIG).wait(30).status == "Deployed"
    reattached = LLMFinetune.attach(trainer.id)
    assert reattached.progress.service_endpoint == attached.output["service_endpoint"]
    assert reattached.wait().status == "Deployed"


def test_a_step_that_is_added_while_it_trains_comes_after_it(sandbox):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset.load(LONG), TrainConfig(epoch=5)).start()
    wait_for(lambda: trainer.progress.points, bool)
    assert trainer.deploy(DEPLOY_CONFIG).is_running
    assert trainer.wait(60).status == "Deployed"


def test_a_step_is_not_added_twice(sandbox):
    trainer = train_without_publishing().publish().wait(30)
    with pytest.raises(errors.InvalidArgumentError, match="already"):
        trainer.publish()


def test_a_run_that_was_stopped_is_resumed_first(sandbox):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset.load(LONG), TrainConfig(epoch=50)).start()
    wait_for(lambda: trainer.progress.points, bool)
    trainer.stop().wait(20)
    with pytest.raises(errors.InvalidArgumentError, match="resume"):
        trainer.deploy(DEPLOY_CONFIG)


def test_a_failure_in_another_kernel_is_raised_here(sandbox):
    trainer = LLMFinetune("NoSuchModel", Dataset(PAIRS), TrainConfig(epoch=1))
    with pytest.raises(errors.APIError, match="NoSuchModel"):
        trainer.run()
    with pytest.raises(errors.TrainingError, match="NoSuchModel"):
        LLMFinetune.attach(trainer.id).wait()


def test_a_run_that_could_not_be_stopped_is_reported(sandbox, fault):
    trainer = LLMFinetune("ERNIE-Speed-8K", Dataset.load(LONG), TrainConfig(epoch=50)).start()
    wait_for(lambda: trainer.progress.points, bool)
    fault("finetune.v2.stop_task", "status", status=400, times=1)
    trainer.stop().wait(20)
    assert any("could not be stopped" in line.text for line in trainer.progress.log)
    LLMFinetune.attach(trainer.progress.task_id).start().stop().wait(20)
