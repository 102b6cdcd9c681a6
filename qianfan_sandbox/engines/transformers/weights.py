"""A model directory in memory, loaded on first use; adapters of runs are applied to it by name.

Only local files are read, weights only from safetensors, and no code of a model is run. Everything
here runs on the engine's one thread.
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

from ..protocol import Conversation, EngineError, EngineReply, content_text

LOCAL_ONLY = {"local_files_only": True, "trust_remote_code": False}
DEFAULT_CONTEXT_LENGTH = 2048
DEFAULT_MAX_NEW_TOKENS = 512
"""Tokens: a model's length when its config does not have it, and of an answer without a limit."""


class ModelDirectory:
    """A model directory."""

    def __init__(self, folder: Path, device: str) -> None:
        self._device = resolve_device(device)
        self.folder = folder
        self._model_and_tokenizer: tuple[Any, Any] | None = None
        self._peft_model: Any = None

    def generate(
        self,
        conversation: Conversation,
        adapter: Path | None,
        label: str,
        on_text: Callable[[str], None],
        stop: threading.Event,
    ) -> EngineReply:
        """Answer a conversation.

        Raises:
            EngineError: the conversation is longer than the model accepts.
        """
        model, tokenizer = self.load()
        ids = _conversation_ids(tokenizer, conversation.messages)
        options = conversation.options
        room = context_length(model, tokenizer) - len(ids)
        if room < 1:
            raise EngineError(
                f"the conversation has {len(ids)} tokens, which is {1 - room} too many", "length"
            )
        max_new_tokens = (
            options.get("max_completion_tokens")
            or options.get("max_tokens")
            or DEFAULT_MAX_NEW_TOKENS
        )
        writer = _StopWordStreamer(tokenizer, on_text, options.get("stop"))
        prompt = torch.tensor([ids], device=self._device)
        with self._with_adapter(adapter) as adapted, torch.inference_mode():
            output = adapted.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=min(room, int(max_new_tokens)),
                pad_token_id=_pad_token_id(tokenizer),
                eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
                streamer=writer,
                stopping_criteria=[_StopWhenCancelled(stop, writer)],
                **_sampling_options(options),
            )
        new_tokens = len(output[0]) - len(ids)
        is_truncated = new_tokens >= min(room, int(max_new_tokens)) and not writer.ended
        usage = {
            "prompt_tokens": len(ids),
            "completion_tokens": new_tokens,
            "total_tokens": len(ids) + new_tokens,
        }
        return EngineReply(
            "transformers",
            math.nan,
            writer.text,
            label,
            "length" if is_truncated else "stop",
            usage,
        )

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """Return unit vectors (the mean of the last layer over a text's tokens), and the number of
        tokens.
        """
        model, tokenizer = self.load()
        max_tokens = context_length(model, tokenizer)
        rows = []
        tokens = 0
        with self._with_adapter(None) as adapted, torch.inference_mode():
            for text in texts:
                ids = tokenizer(text)["input_ids"][:max_tokens] or [_pad_token_id(tokenizer)]
                output = adapted(
                    input_ids=torch.tensor([ids], device=self._device), output_hidden_states=True
                )
                mean = output.hidden_states[-1][0].float().mean(0)
                rows.append(
                    [round(float(x), 8) for x in torch.nn.functional.normalize(mean, dim=0)]
                )
                tokens += len(ids)
        return rows, tokens

    def load(self) -> tuple[Any, Any]:
        """Return model and tokenizer, loaded on first use."""
        if self._model_and_tokenizer is None:
            # the server has set one thread, which is best for small matrices
            torch.set_num_threads(os.cpu_count() or 1)
            model, tokenizer = load_pretrained(self.folder, inference_dtype(self._device))
            self._model_and_tokenizer = model.to(self._device).eval(), tokenizer
        return self._model_and_tokenizer

    @contextmanager
    def _with_adapter(self, adapter: Path | None) -> Iterator[Any]:
        """Yield the model with a run's adapter, or without one."""
        from peft import PeftModel  # noqa: PLC0415 - seconds, and only where a run was deployed

        model, _ = self.load()
        if adapter is None and self._peft_model is None:
            yield model
        elif adapter is None:
            with self._peft_model.disable_adapter():
                yield self._peft_model
        else:
            name = adapter.name
            if self._peft_model is None:
                self._peft_model = PeftModel.from_pretrained(model, str(adapter), adapter_name=name)
            elif name not in self._peft_model.peft_config:
                self._peft_model.load_adapter(str(adapter), adapter_name=name)
            self._peft_model.set_adapter(name)
            yield self._peft_model.eval()


class _StopWordStreamer(TextStreamer):  # type: ignore[misc]
    """Passes on the text as it is written, up to a stop word."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None], stop: Any) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        if isinstance(stop, str):
            stops = [stop]
        else:
            stops = stop or []
        self._on_text = on_text
        self._stops = [word for word in stops if word]
        self._held_back = max((len(word) - 1 for word in self._stops), default=0)
        self._buffer = ""
        self.text = ""
        self.ended = False

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Receive the next piece of text."""
        if self.ended:
            return
        self._buffer += text
        positions = [position for word in self._stops if (position := self._buffer.find(word)) >= 0]
        self.ended = bool(positions)
        if positions:
            ready_chars = min(positions)
        else:
            ready_chars = len(self._buffer) - (0 if stream_end else self._held_back)
        self._emit(self._buffer[: max(ready_chars, 0)])
        self._buffer = self._buffer[max(ready_chars, 0) :]

    def _emit(self, text: str) -> None:
        if text:
            self.text += text
            self._on_text(text)


class _StopWhenCancelled(StoppingCriteria):  # type: ignore[misc]
    """Stops the model when the caller is gone, or at a stop word."""

    def __init__(self, stop: threading.Event, writer: _StopWordStreamer) -> None:
        self._stop = stop
        self._writer = writer

    def __call__(self, input_ids: Any, scores: Any, **options: object) -> Any:
        is_over = self._stop.is_set() or self._writer.ended
        return torch.full((input_ids.shape[0],), is_over, dtype=torch.bool, device=input_ids.device)


def load_pretrained(folder: Path, dtype: Any) -> tuple[Any, Any]:
    """Return model and tokenizer of a directory.

    Raises:
        EngineError: it cannot be loaded; code, pickles and downloads are never tried.
    """
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **LOCAL_ONLY)
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), use_safetensors=True, dtype=dtype, **LOCAL_ONLY
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise EngineError(f"the model in {folder.name} cannot be loaded: {reason}") from None
    return model, tokenizer


def resolve_device(name: str) -> str:
    """Return the device for a name: `auto` is the best one available."""
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def inference_dtype(device: str) -> Any:
    """Return the number type of weights that are not trained themselves."""
    if device.startswith("cuda") and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float32


def context_length(model: Any, tokenizer: Any) -> int:
    """Return the number of tokens that a model accepts, question and answer together."""
    lengths = (getattr(model.config, "max_position_embeddings", None), tokenizer.model_max_length)
    return min(
        (n for n in lengths if isinstance(n, int) and 0 < n < 1 << 24),
        default=DEFAULT_CONTEXT_LENGTH,
    )


def _conversation_ids(tokenizer: Any, messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the tokens of a conversation, up to the answer."""
    chat = [{"role": str(m["role"]), "content": content_text(m.get("content"))} for m in messages]
    return prompt_ids(tokenizer, chat)


def prompt_ids(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """Return the tokens of messages by the model's chat template; without one, each message is a
    line.

    Raises:
        EngineError: the template does not accept these messages.
    """
    if not tokenizer.chat_template:
        text = "".join(f"{message['content']}\n" for message in messages)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    from jinja2 import TemplateError  # noqa: PLC0415 - comes with transformers

    try:
        text = tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=False
        )
    except TemplateError as error:
        raise EngineError(
            f"the model's chat template refuses this conversation: {error}", "argument"
        ) from None
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _sampling_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how tokens are chosen: the likeliest, unless a temperature is set."""
    if not options.get("temperature"):
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    torch.manual_seed(int(options.get("seed") or torch.seed() % (1 << 31)))
    return {
        "do_sample": True,
        "temperature": float(options["temperature"]),
        "top_p": float(options.get("top_p") or 1.0),
    }


def _pad_token_id(tokenizer: Any) -> int:
    if tokenizer.pad_token_id is not None:
        token_id = tokenizer.pad_token_id
    else:
        token_id = tokenizer.eos_token_id
    return int(token_id or 0)
