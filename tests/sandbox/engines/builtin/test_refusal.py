"""When a tuned model refuses: its limit is measured on held-out rows and on questions from
elsewhere.
"""

import dataclasses

import pytest
from support.training_pairs import RULE, SMALL

from qfnb.base.text import has_chinese
from qianfan_sandbox.engines.builtin.model import MIN_CONFIDENCE, LanguageModel
from qianfan_sandbox.engines.builtin.refusal import (
    MAX_FALSE_ANSWERS,
    MIN_ROWS,
    QUESTIONS_FROM_ELSEWHERE,
    Wording,
    measure_limit,
)
from qianfan_sandbox.engines.builtin.training import Hyperparameters, train

NAMES = [
    (f"请登记{a}{b}，{n}岁", f"{a}{b}:{n}")
    for n, a in enumerate("王李张刘陈杨赵黄", 20)
    for b in "伟芳娜敏静丽"
]
HELD_OUT = [pair for index, pair in enumerate(SMALL + RULE + NAMES) if index % 4 == 3]
TRAINED = [pair for index, pair in enumerate(SMALL + RULE + NAMES) if index % 4 != 3]


@pytest.fixture(scope="module")
def tuned():
    model = train(TRAINED, hyperparameters=Hyperparameters(epochs=15), validation=HELD_OUT)
    return LanguageModel.load(model.save())


def test_questions_from_elsewhere_are_refused(tuned):
    shares = []
    for is_chinese in (True, False):
        questions = [
            question for question in QUESTIONS_FROM_ELSEWHERE if has_chinese(question) == is_chinese
        ]
        shares.append(
            sum(tuned.reply(question).kind != "unknown" for question in questions) / len(questions)
        )
    assert max(shares) <= MAX_FALSE_ANSWERS
    assert tuned.meta["limit"]["false_answers"] == max(shares)


def test_drafts_that_cannot_reach_the_limit_are_not_made(tuned):
    drafts = []
    draft = lambda prompt: drafts.append(prompt) or tuned.draft(prompt)
    bound = lambda prompt: tuned._confidence(
        prompt, float(tuned.router.probabilities(prompt).max())
    )
    assert measure_limit(draft, HELD_OUT, bound) == measure_limit(tuned.draft, HELD_OUT)
    assert len(drafts) < len(HELD_OUT) + len(QUESTIONS_FROM_ELSEWHERE) / 2


def test_learned_wording_is_more_familiar_than_that_of_any_question():
    wording = Wording.of(["几点开门", "Which tea is roasted?", "订7日的院子"])
    assert wording.familiarity("院子开门") > 0 > wording.familiarity("怎么学数学")
    assert wording.familiarity("roasting tea") > 0 > wording.familiarity("how do I learn to dance")
    assert wording.familiarity("订12日的院子") == wording.familiarity("订345日的院子")
    assert wording.familiarity("？！") < -1


def test_with_few_held_out_rows_the_limit_is_the_usual_one(tuned):
    model = LanguageModel.load(tuned.save())
    model.calibrate(HELD_OUT[: MIN_ROWS - 1])
    assert not model.is_calibrated
    assert model.min_confidence == MIN_CONFIDENCE
    assert model.metrics == {"wrongAnswers": "0.00%", "heldOutRows": str(MIN_ROWS - 1)}


def test_a_file_without_wording_is_of_another_measure_and_has_the_usual_limit(tuned):
    model = LanguageModel.load(dataclasses.replace(tuned, wording=None).save())
    assert not model.is_calibrated
    assert model.min_confidence == MIN_CONFIDENCE
