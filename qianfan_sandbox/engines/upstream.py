"""An engine that asks another server: any that speaks OpenAI's API (Ollama, vLLM, llama.cpp).

This is the only module of the sandbox that makes HTTP calls: to the address in the configuration
only, without proxy or redirects. Every error becomes an EngineError, without the key.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

from qfnb.base.language import tr
from qfnb.wire import chat
from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.sandbox import EngineConfig, parse_model_map

from .protocol import Ability, Conversation, Delta, EngineError, EngineReply, ErrorCategory, Vectors

CONNECT_SECONDS = 5.0
MAX_EVENT_BYTES = 1 << 20
"""The largest event of a stream."""

MAX_ANSWER_BYTES = 64 << 20  # the largest answer
_CATEGORIES: dict[int, ErrorCategory] = {
    400: "argument",
    404: "model",
    413: "length",
    422: "argument",
    429: "busy",
}


class UpstreamEngine:
    """Answers, and embeds if a model for that is configured; it does not train."""

    name = "upstream"

    def __init__(self, config: EngineConfig) -> None:
        self._model_map = parse_model_map(config)
        self._config = config
        self.label = f"upstream {config.upstream_model or 'server'}, not ERNIE"
        self.model_names = frozenset({config.upstream_model, *self._model_map.values()} - {""})
        embedding_ability: frozenset[Ability] = frozenset(
            {"embeddings"} if config.upstream_embedding_model else ()
        )
        self.abilities = UpstreamModel.abilities | embedding_ability

    def base_model(self, name: str = "") -> UpstreamModel:
        """Return the upstream's model for a preset name."""
        model = name
        if name not in self.model_names:
            model = self._model_map.get(name.lower()) or self._config.upstream_model or name
        return UpstreamModel(self._config, model)

    async def embed(self, texts: Sequence[str], dimensions: int | None = None) -> Vectors:
        """Return the upstream's vectors."""
        model = self._config.upstream_embedding_model
        answer = await _post_json(
            self._config, "embeddings", {"model": model, "input": list(texts)}
        )
        try:
            rows = sorted(answer["data"], key=lambda row: int(row["index"]))
            vectors = [[float(x) for x in row["embedding"]] for row in rows]
        except (KeyError, TypeError, ValueError):
            raise _malformed_answer("has no embeddings") from None
        if len(vectors) != len(texts):
            raise _malformed_answer(f"has {len(vectors)} embeddings for {len(texts)} texts")
        return Vectors(vectors, _label(model), (_parse_usage(answer) or {}).get("prompt_tokens"))


class UpstreamModel:
    """One model of an upstream."""

    abilities: frozenset[Ability] = frozenset({"chat", "streaming", "tools"})

    def __init__(self, config: EngineConfig, model: str) -> None:
        self._config = config
        self._model = model
        self.label = _label(model)

    async def answer(self, conversation: Conversation) -> EngineReply:
        """Answer the last message of a conversation."""
        answer = await _post_json(self._config, "chat/completions", self._body(conversation))
        try:
            choice = answer["choices"][0]
            return self._reply(
                dict(choice["message"]), choice.get("finish_reason"), _parse_usage(answer)
            )
        except (KeyError, IndexError, TypeError, ValueError):
            raise _malformed_answer("has no message") from None

    async def stream(self, conversation: Conversation) -> AsyncIterator[Delta | EngineReply]:
        """Yield the deltas as they arrive, then the whole reply.

        Raises:
            EngineError: the upstream has failed, or the stream ends without a reason or `[DONE]`.
        """
        options = {"stream": True, "stream_options": {"include_usage": True}}
        events: list[JsonObject] = []
        reason = None
        usage = None
        async for event in _stream_events(self._config, self._body(conversation) | options):
            if event is None:
                reason = reason or "stop"
                break
            usage = _parse_usage(event) or usage
            reason = chat.finish_reason(event) or reason
            delta = chat.first_choice(event).get("delta") or {}
            delta = {name: value for name, value in delta.items() if value}
            events.append(event)
            if delta.keys() - {"role"}:
                yield delta
        if reason is None:
            raise EngineError("the upstream's stream ended early")
        message = {
            "content": "".join(map(chat.text_of, events)),
            "reasoning_content": "".join(map(chat.reasoning_of, events)),
            "tool_calls": chat.join_tool_calls(events),
        }
        yield self._reply(message, reason, usage)

    def _body(self, conversation: Conversation) -> JsonObject:
        messages = list(conversation.messages)
        return {"model": self._model, "messages": messages, **conversation.options}

    def _reply(
        self, message: JsonMapping, reason: str | None, usage: Mapping[str, int] | None
    ) -> EngineReply:
        extra = {
            name: value
            for name, value in message.items()
            if value and name not in {"role", "content"}
        }
        text = str(message.get("content") or "")
        return EngineReply("upstream", math.nan, text, self.label, reason or "stop", usage, extra)


async def _post_json(config: EngineConfig, path: str, body: JsonMapping) -> JsonObject:
    """Return the JSON object that the upstream answers with."""
    async with _post(config, path, body) as response:
        content = await _read_limited(response)
    return _parse_object(content, "is not a JSON object")


async def _stream_events(
    config: EngineConfig, body: JsonMapping
) -> AsyncIterator[JsonObject | None]:
    """Yield the events of a stream as they arrive, None for `[DONE]`."""
    async with _post(config, "chat/completions", body) as response:
        async for line in response.content:
            name, _, data = line.decode("utf-8", "replace").strip().partition(":")
            if name != "data":
                continue
            if data.strip() == "[DONE]":
                yield None
                return
            yield _parse_event(config, data)


@asynccontextmanager
async def _post(
    config: EngineConfig, path: str, body: JsonMapping
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield a response with status 200; every error, also while it is read, is an EngineError."""
    headers = {}
    if config.upstream_key:
        headers["Authorization"] = f"Bearer {config.upstream_key.get_secret_value()}"
    timeout = aiohttp.ClientTimeout(
        total=None, connect=CONNECT_SECONDS, sock_read=config.upstream_timeout
    )
    url = f"{config.upstream_url.rstrip('/')}/{path}"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=MAX_EVENT_BYTES) as session,
            session.post(url, json=body, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise _status_error(config, response, await _read_limited(response))
            yield response
    except aiohttp.ConnectionTimeoutError:
        raise EngineError(f"the upstream cannot be reached within {CONNECT_SECONDS:g} s") from None
    except TimeoutError:
        raise EngineError(f"the upstream said nothing for {config.upstream_timeout:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        detail = _redact(config, str(error)) or type(error).__name__
        raise EngineError(f"the upstream cannot be reached or broke off: {detail}") from None


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_chunked(1 << 16):
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise _malformed_answer("is too large")
    return bytes(content)


def _status_error(
    config: EngineConfig, response: aiohttp.ClientResponse, content: bytes
) -> EngineError:
    status = response.status
    reason = _redact(config, _error_reason(content) or str(response.reason or ""))
    if status in {401, 403}:
        hint = tr("check QFNB_SANDBOX_UPSTREAM_KEY")
        return EngineError(
            f"the upstream refused the sandbox's key ({status}): {reason}; {hint}", "argument"
        )
    category = _CATEGORIES.get(status, "server")
    retry = response.headers.get("retry-after", "")
    return EngineError(
        f"upstream {status}: {reason}", category, retry_after=retry if retry.isdigit() else ""
    )


def _parse_event(config: EngineConfig, data: str) -> JsonObject:
    event = _parse_object(data, "has an event that is not a JSON object")
    if "error" in event or "error_code" in event:
        raise EngineError(f"upstream: {_redact(config, _error_reason(data.encode()))}")
    return event


def _parse_object(text: str | bytes, problem: str) -> JsonObject:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _malformed_answer(problem)
    return value


def _error_reason(content: bytes) -> str:
    """Return the reason in an error's body: OpenAI's, Ollama's, Qianfan's, or the text itself."""
    text = content.decode("utf-8", "replace")
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(error, dict):
        error = error.get("error", error)
    if isinstance(error, dict):
        error = error.get("message") or error.get("error_msg")
    return str(error or text)


def _redact(config: EngineConfig, text: str) -> str:
    """Return a text on one short line, without the key, which some servers repeat."""
    if config.upstream_key:
        text = text.replace(config.upstream_key.get_secret_value(), "***")
    return " ".join(text.split())[:300]


def _parse_usage(answer: JsonMapping) -> dict[str, int] | None:
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: int(usage[name]) for name in names if isinstance(usage.get(name), int)} or None


def _label(model: str) -> str:
    return f"upstream {model}, not ERNIE"


def _malformed_answer(problem: str) -> EngineError:
    return EngineError(f"the upstream's answer {problem}")
