"""A model directory in memory: loaded when it is first asked, adapters of runs put over it by name.

Files of the user's own computer only, weights from safetensors only, and no code that comes with a model.
Everything here runs on the engine's one thread.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteria, TextStreamer
from transformers.utils import logging

from .protocol import EngineError, Reply, Talk, text_of

LOCAL = {"local_files_only": True, "trust_remote_code": False}
USUAL_LENGTH, USUAL_ANSWER = 2048, 512
"""Tokens that a model takes when its config does not say, and that it writes when it is not told."""


class Weights:
    """One model directory."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self._device = folder, device_of(device)
        self._loaded: tuple[Any, Any] | None = None
        self._over: Any = None

    def write(
        self,
        talk: Talk,
        adapter: Path | None,
        label: str,
        say: Callable[[str], None],
        stop: threading.Event,
    ) -> Reply:
        """Answer a talk; `say` hears each piece, `stop` ends the writing after the next token."""
        model, tokenizer = self.loaded()
        ids, options = _talk_ids(tokenizer, talk.messages), talk.options
        room = length_of(model, tokenizer) - len(ids)
        if room < 1:
            raise EngineError(f"the talk has {len(ids)} tokens, which is {1 - room} too many", "length")
        wanted = options.get("max_completion_tokens") or options.get("max_tokens") or USUAL_ANSWER
        writer = _Writer(tokenizer, say, options.get("stop"))
        prompt = torch.tensor([ids], device=self._device)
        with self._adapted(adapter) as speaking, torch.inference_mode():
            whole = speaking.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=min(room, int(wanted)),
                pad_token_id=_padding(tokenizer),
                eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
                streamer=writer,
                stopping_criteria=[_Until(stop, writer)],
                **_chance(options),
            )
        made = len(whole[0]) - len(ids)
        cut = made >= min(room, int(wanted)) and not writer.ended
        usage = {"prompt_tokens": len(ids), "completion_tokens": made, "total_tokens": len(ids) + made}
        return Reply("transformers", math.nan, writer.text, label, "length" if cut else "stop", usage)

    def vectors(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Return unit vectors (the mean of the last layer over a text's tokens), and the tokens read."""
        model, tokenizer = self.loaded()
        most, rows, tokens = length_of(model, tokenizer), [], 0
        with self._adapted(None) as reading, torch.inference_mode():
            for text in texts:
                ids = tokenizer(text)["input_ids"][:most] or [_padding(tokenizer)]
                read = reading(input_ids=torch.tensor([ids], device=self._device), output_hidden_states=True)
                mean = read.hidden_states[-1][0].float().mean(0)
                rows.append([round(float(x), 8) for x in torch.nn.functional.normalize(mean, dim=0)])
                tokens += len(ids)
        return rows, tokens

    def loaded(self) -> tuple[Any, Any]:
        """Return model and tokenizer, read when they are first needed."""
        if self._loaded is None:
            torch.set_num_threads(os.cpu_count() or 1)  # the server asks for one, which suits small matrices
            model, tokenizer = read(self.folder, serving_type(self._device))
            self._loaded = model.to(self._device).eval(), tokenizer
        return self._loaded

    @contextmanager
    def _adapted(self, adapter: Path | None) -> Iterator[Any]:
        """Yield the model with a run's adapter over it, or without any."""
        from peft import PeftModel  # noqa: PLC0415 - seconds, and only where a run was deployed

        model, _ = self.loaded()
        if adapter is None and self._over is None:
            yield model
        elif adapter is None:
            with self._over.disable_adapter():
                yield self._over
        else:
            name = adapter.name
            if self._over is None:
                self._over = PeftModel.from_pretrained(model, str(adapter), adapter_name=name)
            elif name not in self._over.peft_config:
                self._over.load_adapter(str(adapter), adapter_name=name)
            self._over.set_adapter(name)
            yield self._over.eval()


class _Writer(TextStreamer):  # type: ignore[misc]
    """Hands on the text as it is written, without the words that end it."""

    def __init__(self, tokenizer: Any, say: Callable[[str], None], stop: Any) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        stops = [stop] if isinstance(stop, str) else stop or []
        self._say, self._stops = say, [word for word in stops if word]
        self._hold = max((len(word) - 1 for word in self._stops), default=0)
        self._waiting, self.text, self.ended = "", "", False

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Take the next piece of text."""
        if self.ended:
            return
        self._waiting += text
        found = [at for word in self._stops if (at := self._waiting.find(word)) >= 0]
        self.ended = bool(found)
        ready = min(found) if found else len(self._waiting) - (0 if stream_end else self._hold)
        self._tell(self._waiting[: max(ready, 0)])
        self._waiting = self._waiting[max(ready, 0) :]

    def _tell(self, text: str) -> None:
        if text:
            self.text += text
            self._say(text)


class _Until(StoppingCriteria):  # type: ignore[misc]
    """Ends the writing when nobody listens any more, or at a word that ends it."""

    def __init__(self, stop: threading.Event, writer: _Writer) -> None:
        self._stop, self._writer = stop, writer

    def __call__(self, input_ids: Any, scores: Any, **more: object) -> Any:
        over = self._stop.is_set() or self._writer.ended
        return torch.full((input_ids.shape[0],), over, dtype=torch.bool, device=input_ids.device)


def read(folder: Path, kind: Any) -> tuple[Any, Any]:
    """Return model and tokenizer of a directory.

    Raises:
        EngineError: it cannot be read; code, pickles and downloads are never tried.
    """
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **LOCAL)
        model = AutoModelForCausalLM.from_pretrained(str(folder), use_safetensors=True, dtype=kind, **LOCAL)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        why = " ".join(str(error).split())[:300]
        raise EngineError(f"the model in {folder.name} cannot be loaded: {why}") from None
    return model, tokenizer


def device_of(name: str) -> str:
    """Return the device that a choice means: `auto` is the best that there is."""
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def serving_type(device: str) -> Any:
    """Return the number type of weights that only answer, or that an adapter is trained over."""
    return torch.bfloat16 if device.startswith("cuda") and torch.cuda.is_bf16_supported() else torch.float32


def length_of(model: Any, tokenizer: Any) -> int:
    """Return the tokens that a model takes, question and answer together."""
    found = (getattr(model.config, "max_position_embeddings", None), tokenizer.model_max_length)
    return min((n for n in found if isinstance(n, int) and 0 < n < 1 << 24), default=USUAL_LENGTH)


def _talk_ids(tokenizer: Any, messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the tokens of a talk, up to where the answer begins."""
    turns = [{"role": str(m["role"]), "content": text_of(m.get("content"))} for m in messages]
    return prompt_ids(tokenizer, turns)


def prompt_ids(tokenizer: Any, turns: Sequence[Mapping[str, str]]) -> list[int]:
    """Return the tokens of turns by the model's chat template, or one line a turn where it has none.

    Raises:
        EngineError: the template does not take these turns.
    """
    if not tokenizer.chat_template:
        text = "".join(f"{turn['content']}\n" for turn in turns)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    from jinja2 import TemplateError  # noqa: PLC0415 - comes with transformers

    try:
        text = tokenizer.apply_chat_template(list(turns), add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise EngineError(f"the model's chat template refuses this talk: {error}", "argument") from None
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _chance(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how tokens are chosen: the likeliest, unless a temperature asks for chance."""
    if not options.get("temperature"):
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    torch.manual_seed(int(options.get("seed") or torch.seed() % (1 << 31)))
    return {
        "do_sample": True,
        "temperature": float(options["temperature"]),
        "top_p": float(options.get("top_p") or 1.0),
    }


def _padding(tokenizer: Any) -> int:
    found = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(found or 0)
