"""Regressions become training data: what a tuned model answers wrongly is evaluated, preferred
against, and better.
"""

import pytest
from support.preferences import HELD_OUT, TRAINING

from qfnb import Dataset, errors
from qfnb.evaluation import EvaluationManager, ExactMatchEvaluator
from qfnb.trainer import DPO, KTO, DeployConfig, LLMFinetune, TrainConfig

MODEL = "ERNIE-Speed-8K"
DEVELOPMENT = TRAINING[::2]
TRAINED = TRAINING[1::2]


def asked(rows):
    """Return a test set whose references are the polite answers."""
    return Dataset([{"prompt": row.prompt, "response": row.chosen} for row in rows])


@pytest.fixture(scope="module")
def rude():
    """A service that was tuned on blunt answers."""
    data = Dataset([{"prompt": row.prompt, "response": row.rejected} for row in TRAINED])
    return LLMFinetune(
        MODEL, data, TrainConfig(epoch=3), DeployConfig(endpoint_suffix="rude")
    ).run()


def evaluate(*trainers, data):
    services = [trainer.output["service"] for trainer in trainers]
    return EvaluationManager(local_evaluators=[ExactMatchEvaluator()]).eval(services, data)


def test_regressions_become_training_data_and_held_out_answers_are_better(rude):
    report = evaluate(rude, data=asked(DEVELOPMENT))
    preferences = report.to_dpo()
    assert len(preferences) == len(DEVELOPMENT), "it has no manners at all"
    polite = DPO(
        MODEL,
        preferences,
        TrainConfig(epoch=1),
        DeployConfig(endpoint_suffix="polite"),
        previous_trainer=rude,
    ).run()
    after = evaluate(rude, polite, data=asked(HELD_OUT))
    test = after.comparisons[0].test
    assert (test.method, test.n, test.difference > 0.8) == ("exact McNemar", len(HELD_OUT), True)
    assert test.p_value < 1e-6
    assert polite.checkpoints["rewards/accuracies"].iloc[-1] > 0.9
    assert polite.progress.metrics["rewards/margins"] > 0


def test_kto_is_a_trainer_too_by_its_class_or_by_its_word(rude):
    rows = [
        {"prompt": row.prompt, "response": row.chosen, "desirable": True} for row in DEVELOPMENT
    ]
    rows += [
        {"prompt": row.prompt, "response": row.rejected, "desirable": False} for row in DEVELOPMENT
    ]
    trainer = LLMFinetune(
        MODEL, Dataset(rows), train_mode="KTO", previous_trainer=rude, model_not_publish=True
    ).run()
    assert trainer.progress.metrics["rewards/chosen"] > trainer.progress.metrics["rewards/rejected"]
    assert isinstance(KTO(MODEL, Dataset(rows)), LLMFinetune)


def test_the_wrong_rows_are_refused_before_anything_is_sent():
    with pytest.raises(errors.InvalidArgumentError, match="DPO needs"):
        LLMFinetune(MODEL, asked(HELD_OUT), train_mode="DPO")
