"""What the engine and the rest of the sandbox exchange: conversations, replies, steps of a
training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from qfnb.wire.base import JsonMapping, JsonObject

Pair = tuple[str, str]


class Preference(NamedTuple):
    """A prompt with the better answer and the worse one; in KTO one of them may be ""."""

    prompt: str
    chosen: str = ""
    rejected: str = ""


PASSES_PER_EPOCH = 5
"""Passes of the small local model that stand for one epoch of a large one."""

BUILT_IN = "qfnb local model, not ERNIE"  # the label of the engine


@dataclass(frozen=True)
class Conversation:
    """Messages to answer, with options."""

    messages: Sequence[JsonMapping]  # in OpenAI's form; the last one is answered
    options: JsonMapping = field(default_factory=dict)  # temperature, seed, stop

    @property
    def texts(self) -> list[str]:
        """The texts of the messages."""
        return [content_text(message.get("content")) for message in self.messages]

    @property
    def question(self) -> str:
        """The text of the last message."""
        return content_text(self.messages[-1].get("content"))


@dataclass(frozen=True)
class EngineReply:
    """An answer."""

    kind: str  # which part of the engine wrote it
    confidence: float  # how sure the model is, 0-1
    text: str  # the text
    reason: str = "stop"  # OpenAI's `finish_reason`
    # of the message: tool_calls, reasoning_content
    extra: JsonMapping = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A report of the optimiser.

    Attributes:
        phase: `preparing` (which answers are facts, which follow rules) or `training`.
        rewards: of a training on preferences, after each pass: chosen, rejected, margins,
            accuracies; on the held-out rows where there are some.
        snapshot: returns the bytes of the model at this step; None before the training.
    """

    step: int  # reports so far, of `total_steps`
    total_steps: int
    epoch: float  # passes over the data, with a fraction
    # nats per token of the answers; the tokens of the built-in model are characters
    training_loss: float
    # the same on held-out pairs, None between validations or without them
    validation_loss: float | None = None
    phase: Literal["preparing", "training"] = "training"
    # the report is no point of the loss curve; it only asks whether to continue
    quiet: bool = False
    rewards: Mapping[str, float] = field(default_factory=dict)
    snapshot: Callable[[], bytes] | None = None


# called with each step; when it returns False the training stops
Observer = Callable[[Step], bool | None]


def content_text(content: str | list[JsonObject] | None) -> str:
    """Return the text of a message's content."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return (content or "").strip()
