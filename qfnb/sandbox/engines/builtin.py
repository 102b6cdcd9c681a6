"""The built-in engine: the small numpy model that learns on this computer, with nothing to install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .protocol import BUILT_IN, Ability, EngineError, Observer, Pair, Reply, Talk, Vectors

if TYPE_CHECKING:
    from ..engine import Model

GRAMS = "qfnb character n-grams, not a language model"
USUAL_BATCH = 4


class Builtin:
    """Learns by itself, from the start only; a kept model is the bytes of an npz file."""

    name = "builtin"
    label = BUILT_IN
    names: frozenset[str] = frozenset()
    can: frozenset[Ability] = frozenset({"chat", "embeddings", "training"})

    def base(self, name: str = "") -> Small:
        """Return the base model; it is the same for every preset name."""
        from ..engine import base_model  # noqa: PLC0415 - numpy, half of the start-up time

        return Small(base_model())

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of character n-grams."""
        from ..engine.embedding import embed  # noqa: PLC0415

        return Vectors([[round(float(x), 8) for x in row] for row in embed(texts)], GRAMS)

    def close(self) -> None:
        """Hold nothing."""

    @property
    def passes_per_epoch(self) -> int:
        """Passes of the small model that stand for one epoch of a large one."""
        from ..engine.training import LOCAL_PASSES  # noqa: PLC0415

        return LOCAL_PASSES

    def effective(self, values: Mapping[str, Any], scale: str, usual: Mapping[str, Any]) -> dict[str, Any]:
        """Return passes, rate and batch: as far from the usual ones as the given are from theirs."""
        from ..engine import effective  # noqa: PLC0415

        batch = None
        if "batchSize" in usual:
            batch = max(1, round(USUAL_BATCH * values["batchSize"] / usual["batchSize"]))
        rate = float(values["learningRate"])
        return asdict(effective(int(values["epoch"]), rate, batch, float(usual["learningRate"])))

    def train(
        self,
        pairs: Sequence[Pair],
        values: Mapping[str, Any],
        *,
        validation: Sequence[Pair] = (),
        observer: Observer | None = None,
        base: bytes | None = None,
    ) -> Small:
        """Train a small model."""
        from ..engine import Hyperparameters, train  # noqa: PLC0415

        if base is not None:
            raise EngineError("the built-in engine trains from the start only", "argument")
        wanted = Hyperparameters(**values)
        return Small(train(pairs, hyperparameters=wanted, validation=validation, observer=observer))

    def owns(self, content: bytes) -> bool:
        """Tell whether a kept file is an npz file."""
        return content.startswith(b"PK")

    def load(self, content: bytes) -> Small:
        """Return what a run made, with the base model's small talk."""
        from ..engine import Model, base_model  # noqa: PLC0415

        model = Model.load(content)
        model.base = base_model()
        return Small(model)


class Small:
    """A small model that answers within a millisecond, from the last turn only."""

    label = BUILT_IN
    can: frozenset[Ability] = frozenset({"chat"})

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def stopped(self) -> bool:
        """Whether the training was ended early."""
        return bool(self._model.meta["stopped"])

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> Reply:
        """Answer one question."""
        return self._model.reply(prompt, temperature=temperature, seed=seed)

    async def answer(self, talk: Talk) -> Reply:
        """Answer the last turn; it is left to chance only with a seed, so that notebooks repeat."""
        options = talk.options
        temperature = float(options.get("temperature") or 0.0) if "seed" in options else 0.0
        return self.reply(talk.question, temperature=temperature, seed=int(options.get("seed") or 0))

    def save(self, run: str) -> bytes:
        """Return the bytes of an npz file."""
        return self._model.save()
