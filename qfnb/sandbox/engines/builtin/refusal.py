"""When a tuned model says that it does not know: its evidence for an answer is below a limit measured for this model.

The evidence weighs how sure the model is, how much of the question's wording it has learned and how long the question
is. The limit is the lowest that answers at most one in twenty questions from elsewhere, unless more than a twentieth of
the held-out rows would lose a right answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..protocol import Reply
from .features import Pair

MIN_ROWS = 20
"""Held-out rows from which the limit is measured."""

MAX_ROWS = 100
"""Held-out rows, evenly spread, that are answered for it."""

MAX_FALSE_ANSWERS, MAX_LOST = 0.05, 0.05
"""The share of questions from elsewhere that may be answered, and of held-out rows that may lose a right answer."""

LONG_PROMPT = 6  # characters; a shorter prompt says too little

# Fitted by logistic regression to the rows of four data sets (a tea house, a bookshop with rules, a shop in English,
# patterns in two languages) and to ninety questions from elsewhere; each set's limit held where it was left out.
_BIAS, _ROUTER, _MEAN, _WEAKEST, _COVERAGE, _LOG_COVERAGE, _COMPOSED, _LENGTH = 2.2, 2.5, 11.3, 6.0, 0.8, 0.5, 2.5, 8.9

QUESTIONS_FROM_ELSEWHERE = (
    "今天天气怎么样", "写一首关于春天的诗", "谁是法国总统", "介绍一下量子力学", "帮我写一段Python代码",
    "红烧肉怎么做", "讲个笑话", "推荐一只股票", "如何学习英语", "什么是黑洞", "失眠怎么办", "足球世界杯几年一次",
    "太阳系有几颗行星", "怎么修自行车", "猫为什么怕水", "长城有多长", "什么是区块链", "感冒了吃什么药",
    "怎样写一份简历", "唐朝是谁建立的", "what is the capital of France", "write a poem about the sea",
    "explain quantum physics", "how far is the moon", "who painted the Mona Lisa", "tell me a joke",
    "how do I learn Python", "what is the weather tomorrow", "translate this into German", "why is the sky blue",
    "who won the world cup", "how do plants grow", "what is the meaning of life", "recommend a good movie",
    "how do I lose weight", "what is machine learning", "can birds dream", "how old is the universe",
    "do you like music", "is coffee bad for the heart", "3加5等于几", "12345", "红色的车", "3月", "8号", "王小明",
    "一共几个人", "电话13800138000", "二十五岁", "abc", "order", "2024", "上海", "第5名是谁", "200元能买什么",
    "1949年发生了什么", "5个苹果分给2个人", "X=3,Y=4", "3.14", "What is 7 times 8?",
)  # fmt: skip


class Limit(NamedTuple):
    """The limit of a model, with what it costs.

    Attributes:
        confidence: below it the model does not answer.
        false_answers: the share of questions from elsewhere that it answers.
        false_refusals: the share of held-out rows whose right answer it keeps back.
        rows: held-out rows that were asked.
        questions: questions from elsewhere that were asked.
    """

    confidence: float
    false_answers: float
    false_refusals: float
    rows: int
    questions: int


def evidence(probability: float, coverage: float, steps: Sequence[float] | None, length: int) -> float:
    """Return how sure it is (0-1) that a question is one of those that the model has learned.

    Args:
        probability: of the answer, or of composing one.
        coverage: the share of the question's wording that was learned.
        steps: the probabilities of the characters that were composed, None for a remembered answer.
        length: characters of the question.
    """
    score = _BIAS + _ROUTER * _log(probability) + _COVERAGE * coverage + _LOG_COVERAGE * _log(coverage)
    score += _LENGTH * _log(min(1.0, length / LONG_PROMPT))
    if steps:
        mean = math.exp(sum(map(_log, steps)) / len(steps))
        score += _MEAN * _log(mean) + _WEAKEST * _log(min(steps)) + _COMPOSED * coverage
    return 0.5 * (1 + math.tanh(score / 2))


def measure_limit(draft: Callable[[str], Reply], held_out: Sequence[Pair]) -> Limit:
    """Return the limit of a model from its drafts of answers, for at least MIN_ROWS held-out rows."""
    rows = held_out[:: -(-len(held_out) // MAX_ROWS)]
    drafts = [(draft(prompt), answer) for prompt, answer in rows]
    right = sorted(reply.confidence for reply, answer in drafts if reply.text == answer)
    learned = {prompt for prompt, _ in held_out}
    asked = [question for question in QUESTIONS_FROM_ELSEWHERE if question not in learned]
    elsewhere = sorted((draft(question).confidence for question in asked), reverse=True)
    limit = elsewhere[int(MAX_FALSE_ANSWERS * len(asked))] + 1e-6
    lost = int(MAX_LOST * len(rows))
    if lost < len(right):
        limit = min(limit, right[lost])
    false_answers = sum(confidence >= limit for confidence in elsewhere) / len(asked)
    false_refusals = sum(confidence < limit for confidence in right) / len(rows)
    return Limit(limit, false_answers, false_refusals, len(rows), len(asked))


def _log(share: float) -> float:
    return math.log(max(share, 1e-4))
