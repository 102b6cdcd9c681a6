"""The engines of a running sandbox: the configured one, and the built-in one for what that cannot
do.
"""

import threading

from qfnb.wire.base import JsonObject
from qfnb.wire.sandbox import EngineConfig

from ..state.store import Store
from .builtin.engine import BuiltinEngine, is_model
from .protocol import ChatModel, Engine, EngineError


class EngineRegistry:
    """The engines of one world; the built-in one trains.

    Attributes:
        active: the configured engine, which answers.
        embedding_engine: the engine that embeds.
    """

    def __init__(self, store: Store, config: EngineConfig) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded_models: dict[str, ChatModel] = {}
        self._builtin = BuiltinEngine()
        self.active: Engine = self._builtin
        if config.engine == "upstream":
            from .upstream import UpstreamEngine  # noqa: PLC0415 - aiohttp

            self.active = UpstreamEngine(config)
        self.embedding_engine: Engine = self._builtin
        if "embeddings" in self.active.abilities:
            self.embedding_engine = self.active

    def tuned_model(self, run: str) -> ChatModel:
        """Return the model of a run, loaded.

        Raises:
            EngineError: the run has no model, or one that another version made.
        """
        with self._lock:
            if run not in self._loaded_models:
                content = self.read_model(run)
                if not is_model(content):
                    raise EngineError(
                        f"the model of {run} is not one of the built-in engine", "model"
                    )
                self._loaded_models[run] = self._builtin.load_model(content)
            return self._loaded_models[run]

    def can_continue_from(self, run: str) -> bool:
        """Return whether a training can continue from a run's model."""
        return is_model(self._store.read_file(f"{run}.npz") or b"")

    def read_model(self, run: str) -> bytes:
        """Return the bytes of a run's model.

        Raises:
            EngineError: it was deleted.
        """
        content = self._store.read_file(f"{run}.npz")
        if content is None:
            raise EngineError(f"{run} has no model")
        return content

    def describe(self) -> JsonObject:
        """Return which engine runs and which ones train and embed; no key is in it."""
        return {
            "name": self.active.name,
            "label": self.active.label,
            "can": sorted(self.active.abilities),
            "training": self._builtin.label,
            "embeddings": self.embedding_engine.name,
        }
