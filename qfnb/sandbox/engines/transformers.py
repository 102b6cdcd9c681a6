"""An engine on a model directory of the user's own: chat, vectors, LoRA and full fine-tuning.

Needs `pip install 'qfnb[transformers]'`. What runs make are folders of safetensors under the sandbox's state;
the store keeps a line of JSON that names the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..store import make_private
from .choice import Choice
from .protocol import Ability, Delta, EngineError, Observer, Pair, Reply, Talk, Vectors
from .recipe import Recipe, recipe_of

if TYPE_CHECKING:
    from .weights import Weights

T = TypeVar("T")

FULL = "FullFineTuning"
IN_MEMORY = 2
"""Model directories that are kept in memory at a time: the user's, and one that was trained whole."""


class Transformers:
    """Works on one thread of its own, one question after the other; trainings have their own copy."""

    name = "transformers"
    names: frozenset[str] = frozenset()
    can: frozenset[Ability] = frozenset({"chat", "embeddings", "increments", "streaming", "training"})
    passes_per_epoch = 1

    def __init__(self, choice: Choice, folder: Path) -> None:
        os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # before they are imported
        self.source, self.device = Path(choice.model_dir), choice.device
        self.folder = folder
        self.label = f"transformers {self.source.name}, not ERNIE"
        self._worker = ThreadPoolExecutor(1, "transformers")
        self._shelf: dict[Path, Weights] = {}
        self._tidy()

    def base(self, name: str = "") -> Voice:
        """Return the model of the directory; it is the same for every preset name."""
        return Voice(self, None)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the mean of the last layer over each text."""
        rows, tokens = await asyncio.wrap_future(self.work(lambda: self.weights(self.source).vectors(texts)))
        return Vectors(rows, self.label, tokens)

    def close(self) -> None:
        """End the thread after what it is doing."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def effective(self, values: Mapping[str, Any], scale: str, usual: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recipe of a platform's hyper-parameters."""
        return asdict(recipe_of(values, full=scale == FULL))

    def train(
        self,
        pairs: Sequence[Pair],
        values: Mapping[str, Any],
        *,
        validation: Sequence[Pair] = (),
        observer: Observer | None = None,
        base: bytes | None = None,
    ) -> Voice:
        """Train an adapter or all weights; with a base, go on from what that run made."""
        from .tuning import tune  # noqa: PLC0415 - torch and peft, seconds

        recipe, earlier = Recipe(**values), self._place(base) if base else None
        source = earlier if earlier and _is_whole(earlier) else self.source
        adapter = earlier if earlier and not _is_whole(earlier) else None
        if adapter is not None and recipe.full:
            raise EngineError("all weights cannot be trained from an adapter: choose LoRA", "argument")
        draft = self.folder / f"draft-{secrets.token_hex(8)}"
        draft.mkdir(parents=True, mode=0o700)
        stopped = tune(
            source,
            adapter,
            pairs,
            recipe,
            validation=validation,
            observer=observer,
            device=self.device,
            into=draft,
        )
        _note_source(draft, source)
        return Voice(self, draft, stopped=stopped)

    def owns(self, content: bytes) -> bool:
        """Tell whether a kept file names a folder of this engine's."""
        return _folder_name(content) is not None

    def load(self, content: bytes) -> Voice:
        """Return what a run made."""
        return Voice(self, self._place(content))

    def work(self, task: Callable[[], T]) -> Future[T]:
        """Do something on the engine's thread."""
        return self._worker.submit(_told, task)

    def weights(self, folder: Path) -> Weights:
        """Return a model directory in memory; the longest unused one makes room, the user's never does."""
        from .weights import Weights  # noqa: PLC0415

        found = self._shelf.pop(folder, None) or Weights(folder, self.device)
        others = [known for known in self._shelf if known != self.source]
        while len(self._shelf) >= IN_MEMORY and others:
            del self._shelf[others.pop(0)]
        self._shelf[folder] = found
        return found

    def _place(self, content: bytes) -> Path:
        place = self.folder / (_folder_name(content) or "?")
        if not place.is_dir():
            raise EngineError("the folder of this model is gone", "model")
        return place

    def _tidy(self) -> None:
        """Delete folders that no kept file names: of deleted runs, and of trainings that were cut off."""
        files = [path for path in self.folder.parent.glob("*.npz") if path.stat().st_size < 1000]
        named = {_folder_name(path.read_bytes()) for path in files}
        for place in self.folder.glob("*"):
            if place.name not in named:
                shutil.rmtree(place, ignore_errors=True)


class Voice:
    """The model of the directory, or what a run made of it."""

    can: frozenset[Ability] = frozenset({"chat", "streaming"})

    def __init__(self, engine: Transformers, place: Path | None, *, stopped: bool = False) -> None:
        self._engine, self._place, self.stopped = engine, place, stopped
        tuned = f" tuned by {place.name}" if place else ""
        self.label = f"transformers {engine.source.name}{tuned}, not ERNIE"

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> Reply:
        """Answer one question; blocks until the engine's thread is free."""
        talk = Talk.of(prompt, temperature=temperature, seed=seed)
        return self._engine.work(lambda: self._write(talk, lambda _: None, threading.Event())).result()

    async def answer(self, talk: Talk) -> Reply:
        """Answer the last turn of a talk; the writing ends when nobody waits for it any more."""
        async for piece in self.pieces(talk):
            if isinstance(piece, Reply):
                return piece
        raise EngineError("the engine was closed")

    async def pieces(self, talk: Talk) -> AsyncIterator[Delta | Reply]:
        """Yield pieces of text as they are written, and last the whole reply."""
        loop, stop = asyncio.get_running_loop(), threading.Event()
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        def say(text: str | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop of one who has gone is closed
                loop.call_soon_threadsafe(queue.put_nowait, text)

        written = self._engine.work(lambda: self._write(talk, say, stop))
        written.add_done_callback(lambda _: say(None))
        try:
            while (text := await queue.get()) is not None:
                yield {"content": text}
            reply: Reply = await asyncio.wrap_future(written)
            yield reply
        finally:
            stop.set()
            written.cancel()

    def save(self, run: str) -> bytes:
        """Give the draft the run's name; return the line that names it."""
        assert self._place is not None
        place = self._engine.folder / run
        shutil.rmtree(place, ignore_errors=True)
        make_private(self._place)
        self._place = self._place.rename(place)
        self.label = f"transformers {self._engine.source.name} tuned by {run}, not ERNIE"
        return json.dumps({"engine": Transformers.name, "folder": run}).encode()

    def _write(self, talk: Talk, say: Callable[[str], None], stop: threading.Event) -> Reply:
        place = self._place
        if place is None or _is_whole(place):
            weights = self._engine.weights(place or self._engine.source)
            return weights.write(talk, None, self.label, say, stop)
        return self._engine.weights(_source_of(place)).write(talk, place, self.label, say, stop)


def _told(task: Callable[[], T]) -> T:
    """Do a task; what torch has to say against it is an engine's error."""
    try:
        return task()
    except EngineError:
        raise
    except (RuntimeError, ValueError, OSError, TypeError, ImportError) as error:
        why = " ".join(str(error).split())[:300]
        raise EngineError(f"{type(error).__name__}: {why}") from error


def _is_whole(place: Path) -> bool:
    return (place / "config.json").is_file()


def _note_source(draft: Path, source: Path) -> None:
    (draft / "source.json").write_text(json.dumps({"model_dir": str(source)}), encoding="utf-8")


def _source_of(place: Path) -> Path:
    """Return the model directory that an adapter was trained over.

    Raises:
        EngineError: it is not there any more, or the adapter has no safetensors.
    """
    source = Path(json.loads((place / "source.json").read_text(encoding="utf-8"))["model_dir"])
    if not (source / "config.json").is_file():
        raise EngineError(f"the model directory {source.name}, which this run tuned, is gone", "model")
    if not (place / "adapter_model.safetensors").is_file():
        raise EngineError("the adapter of this run is gone", "model")
    return source


def _folder_name(content: bytes) -> str | None:
    """Return the folder that a kept file names, None when it is another engine's."""
    if not content.startswith(b"{"):
        return None
    try:
        value = json.loads(content)
    except ValueError:
        return None
    name = value.get("folder") if value.get("engine") == Transformers.name else None
    return name if isinstance(name, str) and name == Path(name).name and name not in {"", ".", ".."} else None
