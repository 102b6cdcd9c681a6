"""What engines and the rest of the sandbox exchange: conversations, replies, vectors, steps of a
training.

The built-in engine trains, and does what the configured one cannot. A `ChatModel` answers: the base
model, or the model of a run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from qfnb.wire.base import JsonMapping, JsonObject

Ability = Literal["chat", "embeddings", "streaming", "tools", "training"]
"""What an engine or a model can do.

`streaming`: it yields pieces as they are written. `tools`: it handles functions, pictures and
response formats.
"""

ErrorCategory = Literal["server", "busy", "argument", "model", "length"]
"""The category of an engine's error; each has a code on v1 and on v2."""

# what a piece of a stream adds to the message, in OpenAI's form: {"content": "..."}
Delta = JsonMapping
Pair = tuple[str, str]


class Preference(NamedTuple):
    """A prompt with the better answer and the worse one; in KTO one of them may be ""."""

    prompt: str
    chosen: str = ""
    rejected: str = ""


PASSES_PER_EPOCH = 5
"""Passes of the small local model that stand for one epoch of a large one."""

BUILT_IN = "qfnb local model, not ERNIE"  # the label of the built-in engine


class EngineError(Exception):
    """An engine has failed.

    Attributes:
        message: the reason, without any key.
        category: decides the code of the refusal.
        retry_after: seconds to wait as the header `Retry-After` has them, "" for none.
    """

    def __init__(
        self, message: str, category: ErrorCategory = "server", *, retry_after: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.category = category
        self.retry_after = retry_after


@dataclass(frozen=True)
class Conversation:
    """Messages to answer, with options.

    Attributes:
        options: by OpenAI's names: temperature, top_p, max_tokens, seed, stop, tools,
            response_format, ...
    """

    messages: Sequence[JsonMapping]  # in OpenAI's form; the last one is answered
    options: JsonMapping = field(default_factory=dict)

    @classmethod
    def from_prompt(cls, prompt: str, **options: float | None) -> Conversation:
        """Return the conversation of one question; options that are None are omitted."""
        set_options = {name: value for name, value in options.items() if value is not None}
        return cls([{"role": "user", "content": prompt}], set_options)

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
    confidence: float  # how sure the model is, 0-1; NaN if unknown
    text: str  # the text
    label: str = BUILT_IN  # the label of the engine
    reason: str = "stop"  # OpenAI's `finish_reason`
    # the tokens that the engine counted, None if it does not count
    usage: Mapping[str, int] | None = None
    # of the message: tool_calls, reasoning_content
    extra: JsonMapping = field(default_factory=dict)


@dataclass(frozen=True)
class Vectors:
    """Texts as vectors."""

    rows: Sequence[Sequence[float]]  # one vector for each text
    label: str  # the label of the engine
    tokens: int | None = None  # the tokens that the engine counted, None if it does not count


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


class ChatModel(Protocol):
    """A model that answers on the server's loop."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """What it can do."""

    async def answer(self, conversation: Conversation) -> EngineReply:
        """Answer the last message of a conversation. Raises EngineError."""


@runtime_checkable
class StreamingModel(Protocol):
    """A model that yields pieces as they are written."""

    def stream(self, conversation: Conversation) -> AsyncIterator[Delta | EngineReply]:
        """Yield what each piece adds, then the whole reply; closing the iterator stops the
        model.
        """


class Engine(Protocol):
    """One of the interchangeable engines."""

    @property
    def name(self) -> str:
        """`builtin` or `upstream`."""

    @property
    def label(self) -> str:
        """The label that every reply carries."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """What it can do."""

    @property
    def model_names(self) -> frozenset[str]:
        """Names of models that it serves on v2 beside the platform's."""

    def base_model(self, name: str = "") -> ChatModel:
        """Return the model that answers for a preset model, or for one of `model_names`."""

    async def embed(self, texts: Sequence[str], dimensions: int | None = None) -> Vectors:
        """Return a vector for each text, of some dimensions where the engine has a choice.

        Raises:
            EngineError: the engine has failed.
        """


def content_text(content: str | list[JsonObject] | None) -> str:
    """Return the text of a message's content."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return (content or "").strip()
