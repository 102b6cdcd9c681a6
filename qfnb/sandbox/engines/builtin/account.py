"""How the built-in model came to an answer, in its own figures: what stands in `reasoning_content`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._language import tr, tr_noop
from ...._text import clip
from ..protocol import Reply

if TYPE_CHECKING:
    from .model import LanguageModel

_OUTCOMES = {
    "memory": tr_noop("It returns the remembered answer as it is."),
    "chat": tr_noop("The base model's small talk was more certain than the training data."),
    "compose": tr_noop("It composed the answer from patterns of the training data."),
    "unknown": tr_noop("That is too little to answer, so it says that it does not know."),
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
        tr("- {answer}: probability {p:.3f}", answer=_candidate_name(model, int(choice)), p=probabilities[choice])
        for choice in order
    ]
    lines = [
        tr("This is qfnb's small local model, and how it decided."),
        tr("It learned {n} pairs of question and answer.", n=model.meta.get("pairs", 0)),
        tr(
            "{share:.0%} of the question's character n-grams occur in what it learned.",
            share=model.features.coverage(prompt),
        ),
        tr("Nearest learned answers:"),
        *candidates,
        tr("Confidence {p:.3f}; below {limit:.2f} it does not answer.", p=reply.confidence, limit=model.min_confidence),
        tr(_OUTCOMES[reply.kind]) if reply.kind in _OUTCOMES else tr("The answer is of kind {kind}.", kind=reply.kind),
    ]
    return "\n".join(lines)


def _candidate_name(model: LanguageModel, choice: int) -> str:
    return f"“{clip(model.router.answers[choice - 1], 40)}”" if choice else tr("compose an answer")
