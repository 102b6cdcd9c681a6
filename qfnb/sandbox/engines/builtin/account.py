"""How the built-in model came to an answer, in its own figures: what stands in `reasoning_content`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._text import clip
from ..protocol import Reply

if TYPE_CHECKING:
    from .model import LanguageModel

_OUTCOMES = {
    "memory": "It returns the remembered answer as it is (照训练数据原样回答).",
    "chat": "The base model's small talk was more certain than the training data (采用基础模型的寒暄回答).",
    "compose": "It composed the answer from patterns of the training data (按训练数据的格式逐字生成).",
    "unknown": "That is too little to answer, so it says that it does not know (把握不足，如实说不知道).",
}


def describe_decision(model: LanguageModel, prompt: str, reply: Reply, *, alternatives: int = 2) -> str:
    """Return how an answer came about: the share of the prompt that was learned, the best candidates, the rule.

    Args:
        model: the model that answered.
        prompt: the question.
        reply: its answer.
        alternatives: how many candidates to list, with their probabilities.
    """
    probabilities = model.router.probabilities(prompt)
    order = probabilities.argsort()[::-1][:alternatives]
    candidates = [
        f"- {_candidate_name(model, int(choice))}: probability {probabilities[choice]:.3f}" for choice in order
    ]
    lines = [
        "This is qfnb's small local model, and how it decided (本地小模型的决策过程).",
        f"It learned {model.meta.get('pairs', 0)} pairs of question and answer.",
        f"{model.features.coverage(prompt):.0%} of the question's character n-grams occur in what it learned.",
        "Nearest learned answers:",
        *candidates,
        f"Confidence {reply.confidence:.3f}; below {model.min_confidence:.2f} it does not answer.",
        _OUTCOMES.get(reply.kind, f"The answer is of kind {reply.kind}."),
    ]
    return "\n".join(lines)


def _candidate_name(model: LanguageModel, choice: int) -> str:
    return f"“{clip(model.router.answers[choice - 1], 40)}”" if choice else "compose an answer"
