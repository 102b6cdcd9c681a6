"""The built-in engine: the small numpy model that learns on this computer, with nothing to install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..protocol import BUILT_IN, Ability, Conversation, EngineError, Observer, Pair, Reply, Vectors

if TYPE_CHECKING:
    from .language_model import LanguageModel

NGRAM_LABEL = "qfnb character n-grams, not a language model"
DEFAULT_BATCH_SIZE = 4


class BuiltinEngine:
    """Learns by itself, from the start only; a kept model is the bytes of an npz file."""

    name = "builtin"
    label = BUILT_IN
    model_names: frozenset[str] = frozenset()
    abilities: frozenset[Ability] = frozenset({"chat", "embeddings", "training"})

    def base_model(self, name: str = "") -> BuiltinModel:
        """Return the base model; it is the same for every preset name."""
        from .language_model import base_model  # noqa: PLC0415 - numpy, half of the start-up time

        return BuiltinModel(base_model())

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of character n-grams."""
        from .embedding import embed  # noqa: PLC0415

        return Vectors([[round(float(x), 8) for x in row] for row in embed(texts)], NGRAM_LABEL)

    def close(self) -> None:
        """Hold nothing."""

    @property
    def passes_per_epoch(self) -> int:
        """Passes of the small model that stand for one epoch of a large one."""
        from .training import LOCAL_PASSES  # noqa: PLC0415

        return LOCAL_PASSES

    def local_hyperparameters(
        self, values: Mapping[str, Any], scale: str, defaults: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return passes, rate and batch: as far from the usual ones as the given are from theirs."""
        from .language_model import local_hyperparameters  # noqa: PLC0415

        batch = None
        if "batchSize" in defaults:
            batch = max(1, round(DEFAULT_BATCH_SIZE * values["batchSize"] / defaults["batchSize"]))
        rate = float(values["learningRate"])
        return asdict(
            local_hyperparameters(int(values["epoch"]), rate, batch, float(defaults["learningRate"]))
        )

    def train(
        self,
        pairs: Sequence[Pair],
        values: Mapping[str, Any],
        *,
        validation: Sequence[Pair] = (),
        observer: Observer | None = None,
        base_model: bytes | None = None,
    ) -> BuiltinModel:
        """Train a small model."""
        from .language_model import Hyperparameters, train  # noqa: PLC0415

        if base_model is not None:
            raise EngineError("the built-in engine trains from the start only", "argument")
        hyperparameters = Hyperparameters(**values)
        return BuiltinModel(
            train(pairs, hyperparameters=hyperparameters, validation=validation, observer=observer)
        )

    def recognizes(self, content: bytes) -> bool:
        """Tell whether a kept file is an npz file."""
        return content.startswith(b"PK")

    def load_model(self, content: bytes) -> BuiltinModel:
        """Return what a run made, with the base model's small talk."""
        from .language_model import LanguageModel, base_model  # noqa: PLC0415

        model = LanguageModel.load(content)
        model.base = base_model()
        return BuiltinModel(model)


class BuiltinModel:
    """A small model that answers within a millisecond, from the last turn only."""

    label = BUILT_IN
    abilities: frozenset[Ability] = frozenset({"chat"})

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @property
    def stopped(self) -> bool:
        """Whether the training was ended early."""
        return bool(self._model.meta["stopped"])

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> Reply:
        """Answer one question."""
        return self._model.reply(prompt, temperature=temperature, seed=seed)

    async def answer(self, conversation: Conversation) -> Reply:
        """Answer the last turn; it is left to chance only with a seed, so that notebooks repeat."""
        options = conversation.options
        temperature = float(options.get("temperature") or 0.0) if "seed" in options else 0.0
        return self.reply(conversation.question, temperature=temperature, seed=int(options.get("seed") or 0))

    def save(self, run: str) -> bytes:
        """Return the bytes of an npz file."""
        return self._model.save()
