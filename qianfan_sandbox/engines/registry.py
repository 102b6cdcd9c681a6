"""The engines of a running sandbox: the configured one, and the built-in one for what that cannot
do.
"""

import threading
from pathlib import Path
from typing import Any

from qfnb.wire.sandbox import EngineConfig

from ..state.store import Store
from .builtin.engine import BuiltinEngine
from .protocol import ChatModel, Engine, EngineError, TrainingEngine


class EngineRegistry:
    """The engines of one world: which one answers, embeds and trains.

    Attributes:
        active: the configured engine.
    """

    def __init__(self, folder: Path, store: Store, config: EngineConfig) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded_models: dict[str, ChatModel] = {}
        self._builtin = BuiltinEngine()
        self._training_engines: tuple[TrainingEngine, ...] = (self._builtin,)
        self.active: Engine = self._builtin
        if config.engine == "transformers":
            from .transformers.engine import TransformersEngine  # noqa: PLC0415 - torch

            self.active = local = TransformersEngine(config, folder / "files" / "models")
            self._training_engines = (local, self._builtin)
        elif config.engine == "upstream":
            from .upstream import UpstreamEngine  # noqa: PLC0415 - aiohttp

            self.active = UpstreamEngine(config)

    @property
    def training_engine(self) -> TrainingEngine:
        """The engine that trains: the built-in one where the active one cannot."""
        return self._training_engines[0]

    @property
    def embedding_engine(self) -> Engine:
        """The engine that embeds."""
        if "embeddings" in self.active.abilities:
            return self.active
        return self._builtin

    def base_model(self, name: str = "") -> ChatModel:
        """Return the model that answers for a preset model."""
        return self.active.base_model(name)

    def tuned_model(self, run: str) -> ChatModel:
        """Return the model of a run, loaded by the engine that trained it.

        Raises:
            EngineError: the run has no model, or its engine is not running.
        """
        with self._lock:
            if run not in self._loaded_models:
                content = self._store.read_file(f"{run}.npz")
                if content is None:
                    raise EngineError(f"{run} has no model")
                self._loaded_models[run] = self._engine_of(run, content).load_model(content)
            return self._loaded_models[run]

    def find_training_engine(self, name: str) -> TrainingEngine:
        """Return the training engine with a name.

        Raises:
            EngineError: it is not running.
        """
        engine_found = next(
            (engine for engine in self._training_engines if engine.name == name), None
        )
        if engine_found is None:
            raise EngineError(
                f"the run was queued for engine {name}; start the sandbox with it again"
            )
        return engine_found

    def engine_label(self, name: str) -> str:
        """Return the label of a training engine; its name when it is not running."""
        return next(
            (engine.label for engine in self._training_engines if engine.name == name), name
        )

    def model_origin(self, run: str) -> str:
        """Return the label of the engine that trained a run's model."""
        content = self._store.read_file(f"{run}.npz") or b""
        label = next(
            (engine.label for engine in self._training_engines if engine.recognizes(content)), None
        )
        return label or "an engine that does not run now"

    def can_continue_from(self, run: str) -> bool:
        """Return whether a training can continue from a run's model."""
        content = self._store.read_file(f"{run}.npz")
        return (
            content is not None
            and "increments" in self.training_engine.abilities
            and self.training_engine.recognizes(content)
        )

    def read_model(self, run: str | None) -> bytes | None:
        """Return what the store keeps of a run's model, None without a run.

        Raises:
            EngineError: it was deleted.
        """
        if not run:
            content = None
        else:
            content = self._store.read_file(f"{run}.npz")
        if run and content is None:
            raise EngineError(f"the model of {run} is gone")
        return content

    def describe(self) -> dict[str, Any]:
        """Return which engine runs and which ones train and embed; no key is in it."""
        chosen = self.active
        description = {"name": chosen.name, "label": chosen.label, "can": sorted(chosen.abilities)}
        return description | {
            "training": self.training_engine.label,
            "embeddings": self.embedding_engine.name,
        }

    def close(self) -> None:
        """Release the active engine's resources."""
        self.active.close()

    def _engine_of(self, run: str, content: bytes) -> TrainingEngine:
        for engine in self._training_engines:
            if engine.recognizes(content):
                return engine
        raise EngineError(
            f"{run} was made by another engine; start the sandbox with it again", "model"
        )
