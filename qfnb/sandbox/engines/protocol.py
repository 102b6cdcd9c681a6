"""What the sandbox asks of an engine, whichever it is: answers, vectors, and models that learned.

An engine has a name, a label that every reply carries, and a set of abilities; what it is not able to do
the built-in engine does in its place. A `ChatModel` is one model that answers: the base, or what a run made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Ability = Literal["chat", "embeddings", "increments", "streaming", "tools", "training"]
"""What an engine or a model is able to do.

`streaming`: pieces come as they are written. `tools`: functions, pictures and formats are its own business.
`increments`: a run can go on from what an earlier one made.
"""

ErrorCategory = Literal["server", "busy", "argument", "model", "length"]
"""Whose trouble an engine's error is; each has a code on either plane."""

Delta = Mapping[str, Any]
"""What a piece of a stream adds to the message, in OpenAI's words: {"content": "..."}."""

Pair = tuple[str, str]

BUILT_IN = "qfnb local model, not ERNIE"
"""The label of the built-in engine."""


class EngineError(Exception):
    """An engine could not answer; the message says why, and holds no key."""

    def __init__(self, message: str, trouble: ErrorCategory = "server", *, retry_after: str = "") -> None:
        super().__init__(message)
        self.message, self.category, self.retry_after = message, trouble, retry_after


@dataclass(frozen=True)
class Conversation:
    """What is to be answered.

    Attributes:
        messages: the turns in OpenAI's form, the last one is to be answered.
        options: OpenAI's names: temperature, top_p, max_tokens, seed, stop, tools, response_format, ...
    """

    messages: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_prompt(cls, prompt: str, **options: float | None) -> Conversation:
        """Return the talk of one question; options that are None are left out."""
        set_options = {name: value for name, value in options.items() if value is not None}
        return cls([{"role": "user", "content": prompt}], set_options)

    @property
    def question(self) -> str:
        """The text of the last turn."""
        return content_text(self.messages[-1].get("content"))


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        kind: where in the engine it came from.
        confidence: how sure the model is, 0-1; NaN when it does not tell.
        text: what it says.
        label: who wrote it.
        reason: why it ended, in OpenAI's words.
        usage: tokens as the engine counted them, None when it did not.
        extra: further fields of the message: tool_calls, reasoning_content.
    """

    kind: str
    confidence: float
    text: str
    label: str = BUILT_IN
    reason: str = "stop"
    usage: Mapping[str, int] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Vectors:
    """Texts as vectors, whose they are, and the tokens that were counted, if they were."""

    rows: Sequence[Sequence[float]]
    label: str
    tokens: int | None = None


@dataclass(frozen=True)
class Step:
    """A report of the optimiser.

    Attributes:
        step, total_steps: reports so far and in all.
        epoch: passes over the data, with a fraction.
        training_loss: nats per unit (a remembered answer is one unit, a written one characters or tokens).
        validation_loss: the same on held-out pairs, None between passes or without them.
        phase: preparing (facts or rules?) or training.
        quiet: nothing to write down; it only asks whether to go on.
    """

    step: int
    total_steps: int
    epoch: float
    training_loss: float
    validation_loss: float | None = None
    phase: Literal["preparing", "training"] = "training"
    quiet: bool = False


Observer = Callable[[Step], bool | None]
"""Hears of each step; returning False stops the training."""


class ChatModel(Protocol):
    """A model that answers; `reply` blocks and is for threads, `answer` is for the server's loop.

    Both raise EngineError.
    """

    @property
    def label(self) -> str:
        """What every reply says about who wrote it."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """What it is able to do."""

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> Reply:
        """Answer one question; with temperature 0 always the same, where the engine is able to."""

    async def answer(self, conversation: Conversation) -> Reply:
        """Answer the last turn of a talk."""


@runtime_checkable
class StreamingModel(Protocol):
    """A speaker whose pieces come as they are written."""

    def stream(self, conversation: Conversation) -> AsyncIterator[Delta | Reply]:
        """Yield what each piece adds, and last the whole reply; closing the iterator ends the work."""


class TrainedModel(ChatModel, Protocol):
    """What a training made: it answers, and can be kept."""

    @property
    def stopped(self) -> bool:
        """Whether the observer ended the training."""

    def save(self, run: str) -> bytes:
        """Return what the store keeps for a run: the model itself, or where the engine put it."""


class Engine(Protocol):
    """One of the interchangeable engines."""

    @property
    def name(self) -> str:
        """`builtin`, `upstream` or `transformers`."""

    @property
    def label(self) -> str:
        """What every reply says about who wrote it."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """What it is able to do."""

    @property
    def model_names(self) -> frozenset[str]:
        """Names of models that it answers to besides the platform's, on v2."""

    def base_model(self, name: str = "") -> ChatModel:
        """Return what answers for a preset model, or for one of `model_names`."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return a vector for each text. Raises EngineError."""

    def close(self) -> None:
        """Give up what it holds; nobody asks it any more."""


class TrainingEngine(Engine, Protocol):
    """An engine that learns, and loads again what runs made."""

    @property
    def passes_per_epoch(self) -> int:
        """What a step's `epoch` counts for one epoch of the platform's."""

    def local_hyperparameters(
        self, values: Mapping[str, Any], scale: str, defaults: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the local values for a platform's hyper-parameters, as JSON.

        Args:
            values: epoch, learningRate, batchSize, ... as the platform calls them.
            scale: FullFineTuning or LoRA.
            defaults: the values that the platform's model has by default.
        """

    def train(
        self,
        pairs: Sequence[Pair],
        values: Mapping[str, Any],
        *,
        validation: Sequence[Pair] = (),
        observer: Observer | None = None,
        initial_model: bytes | None = None,
    ) -> TrainedModel:
        """Train on (prompt, answer) pairs; stopped early it is returned as far as it got.

        Args:
            pairs: what to learn.
            values: what `local_hyperparameters` returned.
            validation: held-out pairs; their loss is reported after each pass.
            observer: hears of the steps, and may stop.
            initial_model: what was kept of an earlier run, to continue from; None for the base model.

        Raises:
            InvalidArgumentError: there is nothing to learn from, or a value is wrong.
            EngineError: it could not.
        """

    def recognizes(self, content: bytes) -> bool:
        """Tell whether a kept file is this engine's."""

    def load_model(self, content: bytes) -> ChatModel:
        """Return what a run made from what was kept of it. Raises EngineError."""


def content_text(content: str | list[dict[str, Any]] | None) -> str:
    """Return the text of a turn."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return (content or "").strip()
