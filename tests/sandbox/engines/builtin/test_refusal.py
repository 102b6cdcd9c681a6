"""When a tuned model refuses: its limit is measured on held-out rows and on questions from elsewhere."""

import pytest
from support.training_pairs import RULE, SMALL

from qfnb.sandbox.engines.builtin.engine import BuiltinModel
from qfnb.sandbox.engines.builtin.model import MIN_CONFIDENCE, LanguageModel
from qfnb.sandbox.engines.builtin.refusal import MAX_FALSE_ANSWERS, MIN_ROWS, QUESTIONS_FROM_ELSEWHERE
from qfnb.sandbox.engines.builtin.training import Hyperparameters, train

NAMES = [(f"请登记{a}{b}，{n}岁", f"{a}{b}:{n}") for n, a in enumerate("王李张刘陈杨赵黄", 20) for b in "伟芳娜敏静丽"]
HELD_OUT = [pair for index, pair in enumerate(SMALL + RULE + NAMES) if index % 4 == 3]
TRAINED = [pair for index, pair in enumerate(SMALL + RULE + NAMES) if index % 4 != 3]


@pytest.fixture(scope="module")
def tuned():
    model = train(TRAINED, hyperparameters=Hyperparameters(epochs=15), validation=HELD_OUT)
    return LanguageModel.load(model.save())


def test_questions_from_elsewhere_are_refused(tuned):
    answered = [question for question in QUESTIONS_FROM_ELSEWHERE if tuned.reply(question).kind != "unknown"]
    assert len(answered) <= MAX_FALSE_ANSWERS * len(QUESTIONS_FROM_ELSEWHERE)
    assert tuned.meta["limit"]["false_answers"] == len(answered) / len(QUESTIONS_FROM_ELSEWHERE)


def test_held_out_rows_are_answered(tuned):
    kept_back = [
        prompt for prompt, answer in HELD_OUT if tuned.draft(prompt).text == answer != tuned.reply(prompt).text
    ]
    assert len(kept_back) <= 0.05 * len(HELD_OUT)
    assert tuned.meta["limit"]["false_refusals"] == pytest.approx(len(kept_back) / len(HELD_OUT))


@pytest.mark.parametrize("question", ["6号", "慕容雪"])
def test_a_fragment_of_a_pattern_is_no_question_to_it(tuned, question):
    reply = tuned.reply(question)
    assert reply.kind == "unknown"
    assert reply.confidence < 0.1


def test_the_rates_are_among_the_metrics_of_the_run(tuned):
    metrics = BuiltinModel(tuned).metrics
    assert set(metrics) == {"minConfidence", "falseAnswers", "falseRefusals"}
    assert metrics["falseAnswers"] == f"{tuned.meta['limit']['false_answers']:.2%}"


def test_with_few_held_out_rows_the_limit_is_the_usual_one(tuned):
    model = LanguageModel.load(tuned.save())
    model.calibrate(HELD_OUT[: MIN_ROWS - 1])
    assert not model.is_calibrated
    assert model.min_confidence == MIN_CONFIDENCE
    assert BuiltinModel(model).metrics == {}
