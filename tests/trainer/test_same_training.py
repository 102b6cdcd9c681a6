"""The same training started once more: its run is taken over, and nobody pays twice."""

import pytest
from support.finetune_runs import LONG, PAIRS
from support.waiting import wait_for

from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, errors
from qfnb.resources import FineTune
from qfnb.trainer import run_store

MODEL = "ERNIE-Speed-8K"


def create(rows=PAIRS, epoch=1, *options, model=MODEL, **keywords):
    return LLMFinetune(
        model, Dataset(rows), TrainConfig(epoch=epoch), *options, model_not_publish=True, **keywords
    )


@pytest.fixture(scope="module")
def trained():
    return create().run()


def test_the_same_training_takes_the_result_over(sandbox, trained):
    again = create()
    assert again.adopt(again.find_same()).id == trained.id
    assert again.wait().status == "TrainFinished"
    assert again.progress.points == trained.progress.points
    assert len(FineTune.V2.task_list(trained.progress.job_id)["result"]["taskList"]) == 1


@pytest.mark.parametrize(
    "keywords",
    [{"rows": PAIRS[1:]}, {"epoch": 2}, {"model": "ERNIE-Lite-8K-0308"}, {"name": "another"}],
    ids=["data", "settings", "model", "name"],
)
def test_another_training_is_not_the_same(sandbox, trained, keywords):
    assert create(**keywords).find_same() is None


def test_what_failed_or_is_gone_is_not_taken_over(sandbox):
    lost = create(PAIRS[:8], model="NoSuchModel")
    with pytest.raises(errors.APIError):
        lost.run()
    assert create(PAIRS[:8], model="NoSuchModel").find_same() is None
    run_store.find_run(lost.id).update(task_id="task-gone", status="Training")
    assert create(PAIRS[:8], model="NoSuchModel").find_same() is None


def test_a_step_that_the_run_lacks_is_added(sandbox, trained):
    again = LLMFinetune(
        MODEL, Dataset(PAIRS), TrainConfig(epoch=1), DeployConfig(endpoint_suffix="again")
    )
    assert again.adopt(again.find_same()).wait(180).status == "Deployed"
    assert (again.id, again.progress.task_id) == (trained.id, trained.progress.task_id)


def test_a_run_that_was_stopped_is_not_taken_over_and_one_that_trains_is(sandbox):
    options = Dataset.load(LONG), TrainConfig(epoch=50)
    first = LLMFinetune(MODEL, *options).start()
    wait_for(lambda: first.progress.points, bool)
    assert LLMFinetune(MODEL, *options).find_same().id == first.id
    first.stop().wait(180)
    assert LLMFinetune(MODEL, *options).find_same() is None


def test_an_id_that_nobody_knows_is_refused_and_leaves_no_record(sandbox):
    count = len(run_store.list_runs())
    with pytest.raises(errors.InvalidArgumentError, match="neither this computer nor the platform"):
        LLMFinetune.attach("task-foo")
    assert len(run_store.list_runs()) == count
