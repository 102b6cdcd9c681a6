"""The sandbox's engines: the one that was chosen, and the built-in one for what it is not able to do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ..store import Store
from .builtin import Builtin
from .choice import Choice
from .choice import kept as kept
from .protocol import BUILT_IN as BUILT_IN
from .protocol import Engine as Engine
from .protocol import EngineError as EngineError
from .protocol import Reply as Reply
from .protocol import Speaker as Speaker
from .protocol import Step as Step
from .protocol import Streaming as Streaming
from .protocol import Talk as Talk
from .protocol import Trainer
from .protocol import text_of as text_of


class Engines:
    """Who answers, who embeds and who trains in one world."""

    def __init__(self, folder: Path, store: Store, choice: Choice) -> None:
        self._store, self._lock = store, threading.Lock()
        self._loaded: dict[str, Speaker] = {}
        self._builtin = Builtin()
        own = _trainer(choice, folder / "files" / "models")
        self._trainers: tuple[Trainer, ...] = (own, self._builtin) if own else (self._builtin,)
        self.chosen: Engine = own or _asker(choice) or self._builtin

    @property
    def trainer(self) -> Trainer:
        """The engine that trains: an upstream cannot, so that the built-in one does it in its place."""
        return self._trainers[0]

    @property
    def embedder(self) -> Engine:
        """The engine that embeds."""
        return self.chosen if "embeddings" in self.chosen.can else self._builtin

    def base(self, name: str = "") -> Speaker:
        """Return what answers for a preset model."""
        return self.chosen.base(name)

    def tuned(self, run: str) -> Speaker:
        """Return the model that a run made, whichever engine it was.

        Raises:
            EngineError: it left none, or its engine is not the one that runs.
        """
        with self._lock:
            if run not in self._loaded:
                content = self._store.read_file(f"{run}.npz")
                if content is None:
                    raise EngineError(f"{run} has no model")
                self._loaded[run] = self._owner(run, content).load(content)
            return self._loaded[run]

    def trainer_of(self, name: str) -> Trainer:
        """Return the engine that a run was queued for.

        Raises:
            EngineError: it is not the one that runs.
        """
        found = next((engine for engine in self._trainers if engine.name == name), None)
        if found is None:
            raise EngineError(f"the run was queued for engine {name}; start the sandbox with it again")
        return found

    def label_of(self, name: str) -> str:
        """Return the label of an engine that trains, its name when it is not the one that runs."""
        return next((engine.label for engine in self._trainers if engine.name == name), name)

    def maker_of(self, run: str) -> str:
        """Return the label of the engine that made what is kept of a run."""
        content = self._store.read_file(f"{run}.npz") or b""
        found = next((engine.label for engine in self._trainers if engine.owns(content)), None)
        return found or "an engine that does not run now"

    def goes_on(self, run: str) -> bool:
        """Tell whether a training can go on from what a run made."""
        content = self._store.read_file(f"{run}.npz")
        return content is not None and "increments" in self.trainer.can and self.trainer.owns(content)

    def kept_of(self, run: str | None) -> bytes | None:
        """Return what was kept of a run, None of none.

        Raises:
            EngineError: there is nothing any more.
        """
        content = self._store.read_file(f"{run}.npz") if run else None
        if run and content is None:
            raise EngineError(f"the model of {run} is gone")
        return content

    def told(self) -> dict[str, Any]:
        """Return which engine runs and who does what, without any key."""
        chosen = self.chosen
        own = {"name": chosen.name, "label": chosen.label, "can": sorted(chosen.can)}
        return own | {"training": self.trainer.label, "embeddings": self.embedder.name}

    def close(self) -> None:
        """Give up what the engines hold."""
        self.chosen.close()

    def _owner(self, run: str, content: bytes) -> Trainer:
        for engine in self._trainers:
            if engine.owns(content):
                return engine
        raise EngineError(f"{run} was made by another engine; start the sandbox with it again", "model")


def _trainer(choice: Choice, folder: Path) -> Trainer | None:
    if choice.engine != "transformers":
        return None
    from .transformers import Transformers  # noqa: PLC0415 - torch

    return Transformers(choice, folder)


def _asker(choice: Choice) -> Engine | None:
    if choice.engine != "upstream":
        return None
    from .upstream import Upstream  # noqa: PLC0415 - only where it was chosen

    return Upstream(choice)
