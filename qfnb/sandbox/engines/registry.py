"""The sandbox's engines: the one that was chosen, and the built-in one for what it is not able to do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ..state.store import Store
from .builtin.engine import BuiltinEngine
from .config import EngineConfig
from .protocol import ChatModel, Engine, EngineError, TrainingEngine


class EngineRegistry:
    """Who answers, who embeds and who trains in one world."""

    def __init__(self, folder: Path, store: Store, config: EngineConfig) -> None:
        self._store, self._lock = store, threading.Lock()
        self._loaded_models: dict[str, ChatModel] = {}
        self._builtin = BuiltinEngine()
        local = _create_training_engine(config, folder / "files" / "models")
        self._training_engines: tuple[TrainingEngine, ...] = (
            (local, self._builtin) if local else (self._builtin,)
        )
        self.active: Engine = local or _create_upstream_engine(config) or self._builtin

    @property
    def training_engine(self) -> TrainingEngine:
        """The engine that trains: an upstream cannot, so that the built-in one does it in its place."""
        return self._training_engines[0]

    @property
    def embedding_engine(self) -> Engine:
        """The engine that embeds."""
        return self.active if "embeddings" in self.active.abilities else self._builtin

    def base_model(self, name: str = "") -> ChatModel:
        """Return what answers for a preset model."""
        return self.active.base_model(name)

    def tuned_model(self, run: str) -> ChatModel:
        """Return the model that a run made, whichever engine it was.

        Raises:
            EngineError: it left none, or its engine is not the one that runs.
        """
        with self._lock:
            if run not in self._loaded_models:
                content = self._store.read_file(f"{run}.npz")
                if content is None:
                    raise EngineError(f"{run} has no model")
                self._loaded_models[run] = self._engine_of(run, content).load_model(content)
            return self._loaded_models[run]

    def find_training_engine(self, name: str) -> TrainingEngine:
        """Return the engine that a run was queued for.

        Raises:
            EngineError: it is not the one that runs.
        """
        engine_found = next((engine for engine in self._training_engines if engine.name == name), None)
        if engine_found is None:
            raise EngineError(f"the run was queued for engine {name}; start the sandbox with it again")
        return engine_found

    def engine_label(self, name: str) -> str:
        """Return the label of an engine that trains, its name when it is not the one that runs."""
        return next((engine.label for engine in self._training_engines if engine.name == name), name)

    def model_origin(self, run: str) -> str:
        """Return the label of the engine that made what is kept of a run."""
        content = self._store.read_file(f"{run}.npz") or b""
        label = next((engine.label for engine in self._training_engines if engine.recognizes(content)), None)
        return label or "an engine that does not run now"

    def can_continue_from(self, run: str) -> bool:
        """Tell whether a training can go on from what a run made."""
        content = self._store.read_file(f"{run}.npz")
        return (
            content is not None
            and "increments" in self.training_engine.abilities
            and self.training_engine.recognizes(content)
        )

    def read_model(self, run: str | None) -> bytes | None:
        """Return what was kept of a run, None of none.

        Raises:
            EngineError: there is nothing any more.
        """
        content = self._store.read_file(f"{run}.npz") if run else None
        if run and content is None:
            raise EngineError(f"the model of {run} is gone")
        return content

    def describe(self) -> dict[str, Any]:
        """Return which engine runs and who does what, without any key."""
        chosen = self.active
        description = {"name": chosen.name, "label": chosen.label, "can": sorted(chosen.abilities)}
        return description | {
            "training": self.training_engine.label,
            "embeddings": self.embedding_engine.name,
        }

    def close(self) -> None:
        """Give up what the engines hold."""
        self.active.close()

    def _engine_of(self, run: str, content: bytes) -> TrainingEngine:
        for engine in self._training_engines:
            if engine.recognizes(content):
                return engine
        raise EngineError(f"{run} was made by another engine; start the sandbox with it again", "model")


def _create_training_engine(config: EngineConfig, folder: Path) -> TrainingEngine | None:
    if config.engine != "transformers":
        return None
    from .transformers.engine import TransformersEngine  # noqa: PLC0415 - torch

    return TransformersEngine(config, folder)


def _create_upstream_engine(config: EngineConfig) -> Engine | None:
    if config.engine != "upstream":
        return None
    from .upstream import UpstreamEngine  # noqa: PLC0415 - only where it was chosen

    return UpstreamEngine(config)
