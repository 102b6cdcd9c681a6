"""Preference runs over HTTP: what they need, what they report, and what a checkpoint of a run is
good for.
"""

import json

import pytest
from support import finetune_runs
from support.preferences import QUESTIONS, TRAINING

from qfnb import Dataset, errors
from qfnb.resources import FineTune
from qfnb.wire.finetune import DPO, KTO

pytestmark = pytest.mark.long

MODEL = "ERNIE-Speed-8K"


@pytest.fixture(scope="module")
def preferences():
    rows = [
        {"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected} for row in TRAINING
    ]
    return Dataset(rows).release()


@pytest.fixture(scope="module")
def rude_run():
    lines = [json.dumps([{"prompt": row.prompt, "response": [[row.rejected]]}]) for row in TRAINING]
    task = finetune_runs.start_run(finetune_runs.create_dataset("\n".join(lines)), epoch=3)
    assert finetune_runs.wait_for_end(task)["runStatus"] == "Done"
    return task


def start(mode, dataset, **arguments):
    job = FineTune.V2.create_job("preferences", MODEL, mode).data.job_id
    values = {"epoch": 1} | arguments.pop("values", {})
    return FineTune.V2.create_task(
        job, "LoRA", values, datasets=[dataset], **arguments
    ).data.task_id


@pytest.mark.parametrize("mode", [DPO, KTO])
def test_a_run_goes_on_from_an_earlier_one_and_reports_its_rewards(preferences, rude_run, mode):
    done = finetune_runs.wait_for_end(start(mode, preferences, increment_task_id=rude_run))
    assert (done["runStatus"], done["trainMode"]) == ("Done", mode)
    assert done["sandbox"]["increment"]["weights"] == rude_run
    rewards = [point["rewards"] for point in done["checkpointList"] if "rewards" in point]
    assert rewards[-1]["margins"] == pytest.approx(
        rewards[-1]["chosen"] - rewards[-1]["rejected"], abs=1e-3
    )
    assert done["metrics"]["rewards/accuracies"] > 0.9
    assert float(done["metrics"]["BLEU-4"].rstrip("%")) > 90, (
        "it writes the chosen answers on held-out rows"
    )


def test_a_run_that_validates_and_stops_early_keeps_its_best_checkpoint(preferences):
    values = {"epoch": 50, "earlyStopping": True, "earlyStoppingPatience": 2, "validationStep": 3}
    job = FineTune.V2.create_job("early", "ERNIE-4.5-Turbo-128K", DPO).data.job_id
    task = FineTune.V2.create_task(job, "LoRA", values, datasets=[preferences]).data.task_id
    done = finetune_runs.wait_for_end(task)
    validated = [point["step"] for point in done["checkpointList"] if "validationLoss" in point]
    assert done["message"].startswith("early stop at step")
    assert validated == [*range(3, validated[-1] + 1, 3)]
    assert done["checkpointList"][-1]["step"] < 750


def test_checkpoints_are_kept_as_the_run_asks():
    dataset = finetune_runs.create_dataset()
    job = FineTune.V2.create_job("kept", "ERNIE-4.5-Turbo-128K").data.job_id
    values = {
        "epoch": 3,
        "checkpointSaveStrategy": "step",
        "saveStep": 4,
        "checkpointCount": 2,
        "validationStep": 0,
    }
    task = FineTune.V2.create_task(
        job, "LoRA", values, datasets=[dataset], split_ratio=0
    ).data.task_id
    points = finetune_runs.wait_for_end(task)["checkpointList"]
    assert [point["step"] for point in points if point["kept"]] == [8, 12, points[-1]["step"]]
    with pytest.raises(errors.APIError, match="kept 8, 12, 15"):
        FineTune.V2.create_task(job, "LoRA", {}, None, task, 4, datasets=[dataset])


def test_rankings_are_preferences_and_pairs_are_not():
    ranked = Dataset(
        [{"prompt": r.prompt, "responses": [r.chosen, r.rejected, "不知道"]} for r in QUESTIONS]
    ).release()
    done = finetune_runs.wait_for_end(start(DPO, ranked))
    assert done["metrics"]["rewards/accuracies"] > 0.9
    with pytest.raises(
        errors.APIError, match="has no prompts with a chosen and a rejected answer, which DPO"
    ):
        start(DPO, finetune_runs.create_dataset())
