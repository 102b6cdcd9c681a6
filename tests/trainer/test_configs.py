"""Hyper-parameters: types at once, ranges from what the platform publishes."""

import pytest

from qfnb import DeployConfig, LLMFinetune, TrainConfig, errors

ROWS = "notebooks/data/teahouse_train.jsonl"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 0}, "TrainConfig.epoch=0"),
        ({"epoch": "many"}, "TrainConfig.epoch='many'"),
        ({"learning_rate": -1}, "TrainConfig.learning_rate=-1"),
        ({"learning_rate": float("nan")}, "TrainConfig.learning_rate=nan"),
        ({"trainset_rate": 101}, "TrainConfig.trainset_rate=101"),
        ({"peft_type": "Adapter"}, "LoRA, ALL or P-tuning"),
        ({"epochs": 3}, "the fields are epoch"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(values, words):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        TrainConfig(**values)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 51}, "epoch=51 is out of range for ERNIE-Speed-8K LoRA: it is 1 to 50"),
        ({"learning_rate": 0.5}, "learning_rate=0.5 is out of range"),
        ({"max_seq_len": 77}, "max_seq_len=77 is not offered"),
        ({"extras": {"warp": 9}}, "has no hyper-parameter warp"),
        ({"extras": {"loggingSteps": "often"}}, "logging_steps='often'"),
    ],
)
def test_what_the_model_does_not_allow_is_refused_before_anything_starts(sandbox, control, values, words):
    before = control.get("/_sandbox/health").json()["requests"].get("finetune.v2.create_task", 0)
    with pytest.raises(errors.InvalidArgumentError) as caught:
        LLMFinetune("ERNIE-Speed-8K", ROWS, TrainConfig(**values))
    assert words in str(caught.value)
    assert control.get("/_sandbox/health").json()["requests"].get("finetune.v2.create_task", 0) == before


@pytest.mark.parametrize("dataset", [None, 7, [], {"a": 1}])
def test_a_dataset_of_another_kind_is_refused(sandbox, dataset):
    with pytest.raises(errors.InvalidArgumentError, match="pass a Dataset"):
        LLMFinetune("ERNIE-Speed-8K", dataset)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replicas": 0}, "DeployConfig.replicas=0"),
        ({"hours": 1000}, "DeployConfig.hours=1000"),
        ({"replica": 2}, "the fields are name"),
        ({"endpoint_suffix": "No Spaces"}, "lower-case letters"),
    ],
)
def test_a_deployment_is_checked_too(values, words):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        DeployConfig(**values)
    assert words in str(caught.value)
