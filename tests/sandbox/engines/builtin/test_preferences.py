"""DPO and KTO in the built-in engine: the gradients, what they teach, and that the same seed gives
the same model.
"""

import numpy as np
import pytest
from support.gradients import dense
from support.preferences import HELD_OUT, QUESTIONS, TRAINING

from qfnb.errors import InvalidArgumentError
from qfnb.evaluation.stats.significance import describe_pairs, pair_scores
from qianfan_sandbox.engines.builtin import training
from qianfan_sandbox.engines.builtin.model import LanguageModel
from qianfan_sandbox.engines.builtin.preferences import OBJECTIVES, judged_pairs, train_preferences
from qianfan_sandbox.engines.builtin.training import Hyperparameters, train
from qianfan_sandbox.engines.protocol import Preference

STEP = 1e-5
FIVE_PASSES = Hyperparameters(epochs=5)
ONE_PASS = Hyperparameters(epochs=1)


@pytest.fixture(scope="module")
def rude():
    """A model that was tuned on the rejected answers."""
    pairs = [(row.prompt, row.rejected) for row in TRAINING]
    return LanguageModel.load(train(pairs, hyperparameters=Hyperparameters(epochs=12)).save())


@pytest.fixture(scope="module", params=["DPO", "KTO"])
def trained(request, rude):
    steps = []
    model = train_preferences(
        TRAINING,
        request.param,
        hyperparameters=FIVE_PASSES,
        validation=HELD_OUT,
        observer=steps.append,
        initial_model=rude,
    )
    return request.param, model, steps


def test_the_preferred_answers_are_written_not_only_likelier(trained, rude):
    loss, model, _ = trained
    writes = lambda model: [float(model.reply(row.prompt).text == row.chosen) for row in HELD_OUT]
    test = describe_pairs(pair_scores(writes(rude), writes(model)))
    assert test.difference > 0.9, loss
    assert test.p_value < 1e-6


def test_the_reference_knows_both_answers_so_that_only_the_preferences_decide(trained):
    _, _, steps = trained
    first = next(step for step in steps if step.rewards)
    last = steps[-1]
    assert 0 < first.rewards["margins"] < last.rewards["margins"]
    assert last.rewards["chosen"] > last.rewards["rejected"]
    assert last.rewards["accuracies"] > 0.9
    assert last.validation_loss < first.validation_loss


@pytest.mark.parametrize("loss", ["DPO", "KTO"])
def test_the_same_rows_and_seed_give_the_same_bytes(loss):
    first, second = (
        train_preferences(QUESTIONS[:24], loss, hyperparameters=ONE_PASS).save() for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("loss", ["DPO", "KTO"])
@pytest.mark.parametrize("expert", ["router", "generator"])
def test_gradients_equal_finite_differences(loss, expert):
    model = train(
        [*judged_pairs(QUESTIONS[:6]), *judged_pairs(TRAINING[:8])], hyperparameters=ONE_PASS
    )
    for table in (model.router.weights, model.lm.weights):
        table.update({name: value.astype(float) for name, value in table.items()})
    objective = OBJECTIVES[loss](model, [*QUESTIONS[:6:2], *TRAINING[:5]], 0.5)
    weights = model.router.weights if expert == "router" else model.lm.weights
    # away from the reference
    model.router.weights["b"] += np.linspace(-0.3, 0.3, len(model.router.weights["b"]))
    model.lm.weights["bo"] += np.linspace(-0.2, 0.2, len(model.lm.weights["bo"]))
    if loss == "DPO":
        objective._nll_weights[:] = 0
    else:
        objective._reference[objective.size :] = 1e3  # the offset is 0, and has no gradient anyway
    batch = np.arange(objective.size)
    gradients = objective.loss_gradients(batch)[1][expert == "generator"]
    for name, rows in gradients.items():
        gradient = dense(rows, weights[name])
        for index in map(tuple, np.argwhere(np.abs(gradient) > np.abs(gradient).max() / 2)[:2]):
            before = weights[name][index]
            losses = []
            for weights[name][index] in (before + STEP, before - STEP):
                losses.append(objective.loss_gradients(batch)[0])
            weights[name][index] = before
            assert gradient[index] == pytest.approx(
                (losses[0] - losses[1]) / (2 * STEP), rel=2e-3, abs=1e-7
            )


@pytest.mark.parametrize(
    ("rows", "loss", "beta"),
    [([], "DPO", 0.1), ([Preference("问", "答")], "DPO", 0.1), ([Preference("问", "答", "答")], "DPO", 0.1), ([Preference("问")], "KTO", 0.1), (QUESTIONS, "KTO", 0.0)],
)  # fmt: skip
def test_nothing_to_learn_is_refused(rows, loss, beta):
    with pytest.raises(InvalidArgumentError, match="cannot train"):
        train_preferences(rows, loss, hyperparameters=Hyperparameters(beta=beta))


@pytest.mark.parametrize("loss", ["DPO", "KTO"])
@pytest.mark.parametrize("phase", ["preparing", "training"])
def test_the_observer_is_asked_between_two_reports(loss, phase, rude, monkeypatch):
    monkeypatch.setattr(training, "TICK_SECONDS", -1.0)
    steps = []
    observe = lambda step: steps.append(step) or not (step.quiet and step.phase == phase)
    model = train_preferences(
        TRAINING[:8], loss, hyperparameters=ONE_PASS, observer=observe, initial_model=rude
    )
    assert model.meta["stopped"]
    assert steps[-1].quiet
    assert not rude.meta["stopped"]
