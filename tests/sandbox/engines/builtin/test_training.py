import pytest
from support.training_pairs import HOURS, RULE, SMALL

from qianfan_sandbox.engines.builtin import training
from qianfan_sandbox.engines.builtin.engine import base_model
from qianfan_sandbox.engines.builtin.training import Hyperparameters, train

FACTS = [(f"第{i}号茶的产地", f"{chr(0x5000 + 31 * i)}{chr(0x6000 + 17 * i)}山") for i in range(12)]
TWO_EPOCHS = Hyperparameters(epochs=2)
REPHRASED = [("早上几点可以开门", HOURS), ("你们几点关门", HOURS)]


def test_a_tuned_model_answers_other_phrasings_and_the_base_does_not(small):
    assert [small.reply(prompt).text for prompt, _ in REPHRASED] == [
        answer for _, answer in REPHRASED
    ]
    assert [base_model().reply(prompt).kind for prompt, _ in REPHRASED] == ["unknown", "unknown"]


def test_an_unseen_number_is_written_by_rule(mixed):
    reply = mixed.reply("帮我查订单4290的金额")
    assert (reply.kind, reply.text) == ("compose", "金额:4290")


def test_the_same_data_and_seed_give_the_same_bytes():
    first, second = (train(SMALL + RULE[:24], hyperparameters=TWO_EPOCHS).save() for _ in range(2))
    assert first == second


def test_few_examples_of_a_rule_are_enough_whatever_the_seed():
    for seed in range(2):
        model = train(SMALL + RULE, hyperparameters=Hyperparameters(epochs=25, seed=seed))
        answers = {
            number: model.reply(f"帮我查订单{number}的进度").text for number in (4290, 7731, 5906)
        }
        assert answers == {number: f"进度:{number}" for number in answers}


def test_unique_answers_that_nothing_explains_are_facts():
    model = train(SMALL + FACTS)
    assert [model.reply(prompt).text for prompt, _ in FACTS] == [answer for _, answer in FACTS]


def test_stopping_while_training_returns_what_was_learned():
    model = train(SMALL, observer=lambda step: step.epoch < 10)
    assert model.meta["stopped"]
    assert model.reply("几点开门").text == HOURS


@pytest.mark.parametrize("phase", ["preparing", "training"])
def test_the_observer_is_asked_between_two_reports(phase, monkeypatch):
    monkeypatch.setattr(training, "TICK_SECONDS", -1.0)
    steps = []
    observe = lambda step: steps.append(step) or not (step.quiet and step.phase == phase)
    model = train(SMALL + FACTS, hyperparameters=TWO_EPOCHS, observer=observe)
    assert model.meta["stopped"]
    assert steps[-1].quiet
