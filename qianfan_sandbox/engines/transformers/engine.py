"""An engine on a model directory of the user's: chat, vectors, LoRA and full fine-tuning.

It needs `pip install 'qfnb[transformers]'`. The models of runs are folders of safetensors in the
sandbox's state; the store keeps a line of JSON that names the folder.
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
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from qfnb.wire.sandbox import EngineConfig

from ...state.store import make_private
from ..protocol import (
    Ability,
    Conversation,
    Delta,
    EngineError,
    EngineReply,
    Observer,
    Pair,
    Preference,
    Vectors,
)
from .tuning import RECIPE_FIELDS, TuningRecipe, tuning_recipe

if TYPE_CHECKING:
    from .weights import ModelDirectory

T = TypeVar("T")

FULL_FINE_TUNING = "FullFineTuning"
MAX_LOADED = 2
"""How many model directories are kept in memory: the user's, and one with all weights trained."""


class TransformersEngine:
    """Answers one question after the other on a thread of its own; each training loads a copy of
    the model.
    """

    name = "transformers"
    model_names: frozenset[str] = frozenset()
    abilities: frozenset[Ability] = frozenset(
        {"chat", "embeddings", "increments", "streaming", "training"}
    )
    passes_per_epoch = 1
    max_rows = None

    def __init__(self, config: EngineConfig, folder: Path) -> None:
        # before they are imported
        os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        self.source = Path(config.model_dir)
        self.device = config.device
        self.folder = folder
        self.label = f"transformers {self.source.name}, not ERNIE"
        self._worker = ThreadPoolExecutor(1, "transformers")
        self._loaded: dict[Path, ModelDirectory] = {}
        self._delete_orphans()

    def base_model(self, name: str = "") -> TransformersModel:
        """Return the model of the directory; it is the same for every preset name."""
        return TransformersModel(self, None)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the mean of the last layer over each text."""
        rows, tokens = await asyncio.wrap_future(
            self.run_on_worker(lambda: self.model_directory(self.source).embed(texts))
        )
        return Vectors(rows, self.label, tokens)

    def close(self) -> None:
        """End the thread after its current task."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    @property
    def imitated_parameters(self) -> frozenset[str]:
        """The hyper-parameters of a recipe."""
        return frozenset(RECIPE_FIELDS)

    def training_seconds(self, *, preferences: bool) -> Mapping[str, float]:
        """Return {}: they depend on the model."""
        return {}

    def local_hyperparameters(
        self, values: Mapping[str, Any], scale: str, defaults: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the tuning recipe for the platform's hyper-parameters."""
        return asdict(tuning_recipe(values, full=scale == FULL_FINE_TUNING))

    def train(
        self,
        pairs: Sequence[Pair],
        values: Mapping[str, Any],
        *,
        validation: Sequence[Pair] = (),
        observer: Observer | None = None,
        initial_model: bytes | None = None,
    ) -> TransformersModel:
        """Train an adapter or all weights; see `TrainingEngine.train`."""
        from .tuning import fine_tune  # noqa: PLC0415 - torch and peft, seconds

        recipe = TuningRecipe(**values)
        if not initial_model:
            earlier = None
        else:
            earlier = self._run_folder(initial_model)
        if earlier and _is_full_model(earlier):
            source = earlier
        else:
            source = self.source
        if not (earlier and not _is_full_model(earlier)):
            adapter = None
        else:
            adapter = earlier
        if adapter is not None and recipe.full:
            raise EngineError(
                "all weights cannot be trained from an adapter: choose LoRA", "argument"
            )

        def keep(name: str, write: Callable[[Path], None]) -> bytes:
            checkpoint = self._create_draft(source)
            write(checkpoint)
            return TransformersModel(self, checkpoint).save(name)

        draft = self._create_draft(source)
        stopped = fine_tune(
            source,
            adapter,
            pairs,
            recipe,
            validation=validation,
            observer=observer,
            device=self.device,
            output=draft,
            keep=keep,
        )
        return TransformersModel(self, draft, stopped=stopped)

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
    ) -> TransformersModel:
        """Refuse: this engine learns from pairs only."""
        raise EngineError(
            f"the engine {self.name} has no {loss}: start the sandbox with --engine builtin",
            "argument",
        )

    def recognizes(self, content: bytes) -> bool:
        """Return whether the content kept of a run names a folder of this engine."""
        return _folder_name(content) is not None

    def load_model(self, content: bytes) -> TransformersModel:
        """Return the model of a run."""
        return TransformersModel(self, self._run_folder(content))

    def run_on_worker(self, task: Callable[[], T]) -> Future[T]:
        """Run a task on the engine's thread."""
        return self._worker.submit(_wrap_errors, task)

    def model_directory(self, folder: Path) -> ModelDirectory:
        """Return a model directory in memory; the least recently used one is dropped, but never the
        user's.
        """
        from .weights import ModelDirectory  # noqa: PLC0415

        directory = self._loaded.pop(folder, None) or ModelDirectory(folder, self.device)
        evictable = [path for path in self._loaded if path != self.source]
        while len(self._loaded) >= MAX_LOADED and evictable:
            del self._loaded[evictable.pop(0)]
        self._loaded[folder] = directory
        return directory

    def _create_draft(self, source: Path) -> Path:
        """Return a new folder for weights trained over a model directory."""
        draft = self.folder / f"draft-{secrets.token_hex(8)}"
        draft.mkdir(parents=True, mode=0o700)
        (draft / "source.json").write_text(json.dumps({"model_dir": str(source)}), encoding="utf-8")
        return draft

    def _run_folder(self, content: bytes) -> Path:
        path = self.folder / (_folder_name(content) or "?")
        if not path.is_dir():
            raise EngineError("the folder of this model is gone", "model")
        return path

    def _delete_orphans(self) -> None:
        """Delete folders that no run names: those of deleted runs and interrupted trainings."""
        files = [path for path in self.folder.parent.glob("*.npz") if path.stat().st_size < 1000]
        referenced = {_folder_name(path.read_bytes()) for path in files}
        for folder in self.folder.glob("*"):
            if folder.name not in referenced:
                shutil.rmtree(folder, ignore_errors=True)


class TransformersModel:
    """The model of the directory, or the model of a run."""

    abilities: frozenset[Ability] = frozenset({"chat", "streaming"})

    def __init__(
        self, engine: TransformersEngine, folder: Path | None, *, stopped: bool = False
    ) -> None:
        self._engine = engine
        self._folder = folder
        self.stopped = stopped
        self.metrics: Mapping[str, str] = {}
        if folder:
            tuned = f" tuned by {folder.name}"
        else:
            tuned = ""
        self.label = f"transformers {engine.source.name}{tuned}, not ERNIE"

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> EngineReply:
        """Answer one question; blocks until the engine's thread is free."""
        conversation = Conversation.from_prompt(prompt, temperature=temperature, seed=seed)
        return self._engine.run_on_worker(
            lambda: self._generate(conversation, lambda _: None, threading.Event())
        ).result()

    async def answer(self, conversation: Conversation) -> EngineReply:
        """Answer the last message; when the caller is cancelled the model stops writing."""
        async for piece in self.stream(conversation):
            if isinstance(piece, EngineReply):
                return piece
        raise EngineError("the engine was closed")

    async def stream(self, conversation: Conversation) -> AsyncIterator[Delta | EngineReply]:
        """Yield pieces of text as they are written, then the whole reply."""
        loop = asyncio.get_running_loop()
        stop = threading.Event()
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        def put_piece(text: str | None) -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed
                loop.call_soon_threadsafe(queue.put_nowait, text)

        generation = self._engine.run_on_worker(
            lambda: self._generate(conversation, put_piece, stop)
        )
        generation.add_done_callback(lambda _: put_piece(None))
        try:
            while (text := await queue.get()) is not None:
                yield {"content": text}
            reply: EngineReply = await asyncio.wrap_future(generation)
            yield reply
        finally:
            stop.set()
            generation.cancel()

    def save(self, run: str) -> bytes:
        """Rename the draft's folder to the run's name; return the line that names it."""
        assert self._folder is not None
        folder = self._engine.folder / run
        shutil.rmtree(folder, ignore_errors=True)
        make_private(self._folder)
        self._folder = self._folder.rename(folder)
        self.label = f"transformers {self._engine.source.name} tuned by {run}, not ERNIE"
        return json.dumps({"engine": TransformersEngine.name, "folder": run}).encode()

    def _generate(
        self, conversation: Conversation, on_text: Callable[[str], None], stop: threading.Event
    ) -> EngineReply:
        folder = self._folder
        if folder is None or _is_full_model(folder):
            weights = self._engine.model_directory(folder or self._engine.source)
            return weights.generate(conversation, None, self.label, on_text, stop)
        return self._engine.model_directory(_read_source(folder)).generate(
            conversation, folder, self.label, on_text, stop
        )


def _wrap_errors(task: Callable[[], T]) -> T:
    """Run a task; torch's errors become engine errors."""
    try:
        return task()
    except EngineError:
        raise
    except (RuntimeError, ValueError, OSError, TypeError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise EngineError(f"{type(error).__name__}: {reason}") from error


def _is_full_model(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def _read_source(folder: Path) -> Path:
    """Return the model directory that an adapter was trained over.

    Raises:
        EngineError: the directory or the adapter was deleted.
    """
    source = Path(json.loads((folder / "source.json").read_text(encoding="utf-8"))["model_dir"])
    if not (source / "config.json").is_file():
        raise EngineError(
            f"the model directory {source.name}, which this run tuned, is gone", "model"
        )
    if not (folder / "adapter_model.safetensors").is_file():
        raise EngineError("the adapter of this run is gone", "model")
    return source


def _folder_name(content: bytes) -> str | None:
    """Return the folder that the content kept of a run names, None for another engine's."""
    if not content.startswith(b"{"):
        return None
    try:
        value = json.loads(content)
    except ValueError:
        return None
    if value.get("engine") != TransformersEngine.name:
        name = None
    else:
        name = value.get("folder")
    if isinstance(name, str) and name == Path(name).name and name not in {"", ".", ".."}:
        return name
    return None
