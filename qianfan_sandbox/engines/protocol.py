"""The interface of an engine: answers, vectors, and models that are trained.

The built-in engine does what another one cannot. A `ChatModel` answers: the base model, or the
model of a run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

Ability = Literal[
    "chat", "embeddings", "increments", "preferences", "rehearsal", "streaming", "tools", "training"
]
"""What an engine or a model can do.

`streaming`: it yields pieces as they are written. `tools`: it handles functions, pictures and
response formats.
`increments`: a training can continue from the model of an earlier run; `rehearsal`: it then needs
that run's data,
too, lest it is forgotten. `preferences`: it learns by DPO and KTO.
"""

ErrorCategory = Literal["server", "busy", "argument", "model", "length"]
"""The category of an engine's error; each has a code on v1 and on v2."""

# what a piece of a stream adds to the message, in OpenAI's form: {"content": "..."}
Delta = Mapping[str, Any]
Pair = tuple[str, str]


class Preference(NamedTuple):
    """A prompt with the better answer and the worse one; in KTO one of them may be ""."""

    prompt: str
    chosen: str = ""
    rejected: str = ""


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

    messages: Sequence[Mapping[str, Any]]  # in OpenAI's form; the last one is answered
    options: Mapping[str, Any] = field(default_factory=dict)

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
    extra: Mapping[str, Any] = field(default_factory=dict)


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
        snapshot: returns what `TrainedModel.save` would return for the model at this step; None
            before the training.
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
    snapshot: Callable[[str], bytes] | None = None


MIN_VALIDATIONS = 5
"""Validations of a run of so many steps, however long the interval."""


def is_validated(step: int, total_steps: int, interval: int) -> bool:
    """Return whether the held-out data is measured after a step.

    Args:
        step: from 1.
        total_steps: of the run.
        interval: steps between two validations, fewer in a short run; 0 for one after the last step
            only.
    """
    spacing = min(interval, max(1, total_steps // MIN_VALIDATIONS))
    return step == total_steps or (spacing > 0 and step % spacing == 0)


# called with each step; when it returns False the training stops
Observer = Callable[[Step], bool | None]


class ChatModel(Protocol):
    """A model that answers; `reply` blocks and is for threads, `answer` is for the server's loop.

    Both raise EngineError.
    """

    @property
    def label(self) -> str:
        """The label that every reply carries."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """What it can do."""

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> EngineReply:
        """Answer one question.

        Args:
            prompt: the question.
            temperature: 0 for the same answer each time, if the engine can do that.
            seed: of the random numbers.
        """

    async def answer(self, conversation: Conversation) -> EngineReply:
        """Answer the last message of a conversation."""


@runtime_checkable
class StreamingModel(Protocol):
    """A model that yields pieces as they are written."""

    def stream(self, conversation: Conversation) -> AsyncIterator[Delta | EngineReply]:
        """Yield what each piece adds, then the whole reply; closing the iterator stops the
        model.
        """


@runtime_checkable
class ExplainingModel(Protocol):
    """A model that can say how it came to an answer."""

    def explain(self, prompt: str, reply: EngineReply, *, alternatives: int) -> str:
        """Return how an answer came about, with the candidates that were nearest.

        Args:
            prompt: the question.
            reply: its answer.
            alternatives: how many candidates to name.
        """


class TrainedModel(ChatModel, Protocol):
    """A model that was just trained: it answers, and can be saved."""

    @property
    def stopped(self) -> bool:
        """Whether the observer ended the training."""

    @property
    def metrics(self) -> Mapping[str, str]:
        """What it measured of itself, shown beside the scores of the held-out rows."""

    def save(self, run: str) -> bytes:
        """Return what the store keeps for a run: the model, or where the engine has saved it."""


class Engine(Protocol):
    """One of the interchangeable engines."""

    @property
    def name(self) -> str:
        """`builtin`, `upstream` or `transformers`."""

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

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return a vector for each text. Raises EngineError."""

    def close(self) -> None:
        """Release its resources; it is not used afterwards."""


class TrainingEngine(Engine, Protocol):
    """An engine that trains models, and loads them again."""

    @property
    def max_rows(self) -> int | None:
        """The rows of a data set that it can train on, None for any number."""

    @property
    def passes_per_epoch(self) -> int:
        """How much a step's `epoch` advances in one epoch of the platform."""

    @property
    def imitated_parameters(self) -> frozenset[str]:
        """The platform's hyper-parameters that change a training; the engine ignores the others."""

    def training_seconds(self, *, preferences: bool) -> Mapping[str, float]:
        """Return the seconds of a training on this computer; {} where the engine does not know
        them.

        They are `start`, and those for each `epoch`, each `row`, and each row of an epoch,
        `rowEpoch`.

        Args:
            preferences: whether it learns by DPO or KTO.
        """

    def local_hyperparameters(
        self, values: Mapping[str, Any], scale: str, defaults: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the local values for a platform's hyper-parameters, as JSON.

        Args:
            values: epoch, learningRate, batchSize, ... by the platform's names.
            scale: FullFineTuning or LoRA.
            defaults: the defaults of the platform's model.
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
        """Train on (prompt, answer) pairs; a training that is stopped returns the model so far.

        Args:
            pairs: the training data.
            values: the result of `local_hyperparameters`.
            validation: held-out pairs; their loss is reported after each pass.
            observer: called with each step; it can stop the training.
            initial_model: what `save` returned for an earlier run, to continue from; None for the
                base model.

        Raises:
            InvalidArgumentError: the data is empty, or a value is wrong.
            EngineError: the engine has failed.
        """

    def train_preferences(
        self,
        rows: Sequence[Preference],
        values: Mapping[str, Any],
        *,
        loss: Literal["DPO", "KTO"],
        validation: Sequence[Preference] = (),
        observer: Observer | None = None,
        initial_model: bytes | None = None,
        earlier_pairs: Sequence[Pair] = (),
    ) -> TrainedModel:
        """Train on preferences; arguments and errors are those of `train`.

        Args:
            rows: the training data.
            values: the result of `local_hyperparameters`, with `beta`.
            loss: the objective; its reference is the initial model.
            validation: held-out rows; their loss and rewards are reported.
            observer: called with each step.
            initial_model: None for the base model.
            earlier_pairs: the data of the run that it continues, if the engine needs rehearsal.
        """

    def recognizes(self, content: bytes) -> bool:
        """Return whether the content kept of a run is this engine's."""

    def load_model(self, content: bytes) -> ChatModel:
        """Return the model from the content kept of a run. Raises EngineError."""


def content_text(content: str | list[dict[str, Any]] | None) -> str:
    """Return the text of a message's content."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return (content or "").strip()
