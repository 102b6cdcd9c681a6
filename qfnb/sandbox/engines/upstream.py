"""An engine that asks another server: any that speaks OpenAI's API (Ollama, vLLM, llama.cpp).

The only module of the sandbox that makes HTTP calls; they go to the address that the user chose, straight
there (no proxy, no redirects), and every error of it becomes an EngineError without the key in it.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from .choice import Choice, models_of
from .protocol import Ability, Delta, EngineError, Reply, Talk, Trouble, Vectors

CONNECT = 5.0
LINE = 1 << 20
"""Bytes that one event of a stream may have."""

MOST = 64 << 20
"""Bytes that a whole answer may have."""

_TROUBLES: dict[int, Trouble] = {400: "argument", 404: "model", 413: "length", 422: "argument", 429: "busy"}


class Upstream:
    """Chats, and embeds when it was told with which model; it does not train."""

    name = "upstream"

    def __init__(self, choice: Choice) -> None:
        self._choice, self._models = choice, models_of(choice)
        self.label = f"upstream {choice.upstream_model or 'server'}, not ERNIE"
        self.names = frozenset({choice.upstream_model, *self._models.values()} - {""})
        embeds: frozenset[Ability] = frozenset({"embeddings"} if choice.upstream_embedding_model else ())
        self.can = Remote.can | embeds

    def base(self, name: str = "") -> Remote:
        """Return the upstream's model for a preset name."""
        other = self._models.get(name.lower()) or self._choice.upstream_model
        model = name if name in self.names else other or name
        return Remote(self._choice, model)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the upstream's vectors."""
        model = self._choice.upstream_embedding_model
        answer = await _ask(self._choice, "embeddings", {"model": model, "input": list(texts)})
        try:
            rows = sorted(answer["data"], key=lambda row: int(row["index"]))
            vectors = [[float(x) for x in row["embedding"]] for row in rows]
        except (KeyError, TypeError, ValueError):
            raise _odd("has no embeddings") from None
        if len(vectors) != len(texts):
            raise _odd(f"has {len(vectors)} embeddings for {len(texts)} texts")
        return Vectors(vectors, _label(model), (_usage(answer) or {}).get("prompt_tokens"))

    def close(self) -> None:
        """Hold nothing: every call has a connection of its own."""


class Remote:
    """One model of an upstream."""

    can: frozenset[Ability] = frozenset({"chat", "streaming", "tools"})

    def __init__(self, choice: Choice, model: str) -> None:
        self._choice, self._model = choice, model
        self.label = _label(model)

    def reply(self, prompt: str, *, temperature: float = 0.0, seed: int = 0) -> Reply:
        """Answer one question; from a thread only."""
        return asyncio.run(self.answer(Talk.of(prompt, temperature=temperature, seed=seed)))

    async def answer(self, talk: Talk) -> Reply:
        """Answer the last turn of a talk."""
        answer = await _ask(self._choice, "chat/completions", self._body(talk))
        try:
            choice = answer["choices"][0]
            return self._reply(dict(choice["message"]), choice.get("finish_reason"), _usage(answer))
        except (KeyError, IndexError, TypeError, ValueError):
            raise _odd("has no message") from None

    async def pieces(self, talk: Talk) -> AsyncIterator[Delta | Reply]:
        """Yield the deltas as they arrive, and last the whole reply.

        Raises:
            EngineError: also when the stream ends without a reason or `[DONE]`.
        """
        body = self._body(talk) | {"stream": True, "stream_options": {"include_usage": True}}
        whole: dict[str, Any] = {}
        reason, usage, ended = None, None, False
        async for event in _events(self._choice, body):
            if event is None:
                ended = True
                break
            usage = _usage(event) or usage
            for choice in event.get("choices") or ():
                reason = choice.get("finish_reason") or reason
                delta = {name: value for name, value in (choice.get("delta") or {}).items() if value}
                _join(whole, delta)
                if delta.keys() - {"role"}:
                    yield delta
        if not ended and reason is None:
            raise EngineError("the upstream's stream ended early")
        yield self._reply(whole, reason, usage)

    def _body(self, talk: Talk) -> dict[str, Any]:
        return {"model": self._model, "messages": list(talk.messages), **talk.options}

    def _reply(
        self, message: Mapping[str, Any], reason: str | None, usage: Mapping[str, int] | None
    ) -> Reply:
        more = {name: value for name, value in message.items() if value and name not in {"role", "content"}}
        text = str(message.get("content") or "")
        return Reply("upstream", math.nan, text, self.label, reason or "stop", usage, more)


async def _ask(choice: Choice, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object that the upstream answers with."""
    async with _posted(choice, path, body) as response:
        content = await _read(response)
    try:
        value = json.loads(content)
    except ValueError:
        raise _odd("is no JSON") from None
    if not isinstance(value, dict):
        raise _odd("is no JSON object")
    return value


async def _events(choice: Choice, body: Mapping[str, Any]) -> AsyncIterator[dict[str, Any] | None]:
    """Yield the events of a stream as they arrive, None for `[DONE]`."""
    async with _posted(choice, "chat/completions", body) as response:
        async for line in response.content:
            name, _, data = line.decode("utf-8", "replace").strip().partition(":")
            if name != "data":
                continue
            if data.strip() == "[DONE]":
                yield None
                return
            yield _event(choice, data)


@asynccontextmanager
async def _posted(
    choice: Choice, path: str, body: Mapping[str, Any]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield a good response; whatever goes wrong, also while it is read, is an EngineError."""
    headers = {"Authorization": f"Bearer {choice.upstream_key}"} if choice.upstream_key else {}
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT, sock_read=choice.upstream_timeout)
    url = f"{choice.upstream_url.rstrip('/')}/{path}"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=LINE) as session,
            session.post(url, json=body, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise _refused(choice, response, await _read(response))
            yield response
    except aiohttp.ConnectionTimeoutError:
        raise EngineError(f"the upstream cannot be reached within {CONNECT:g} s") from None
    except TimeoutError:
        raise EngineError(f"the upstream said nothing for {choice.upstream_timeout:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = _clean(choice, str(error)) or type(error).__name__
        raise EngineError(f"the upstream cannot be reached or broke off: {why}") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_chunked(1 << 16):
        content += part
        if len(content) > MOST:
            raise _odd("is too large")
    return bytes(content)


def _refused(choice: Choice, response: aiohttp.ClientResponse, content: bytes) -> EngineError:
    """Return the error of a status that is not 200."""
    status = response.status
    said = _clean(choice, _said(content) or str(response.reason or ""))
    if status in {401, 403}:
        hint = "看 QFNB_SANDBOX_UPSTREAM_KEY / check QFNB_SANDBOX_UPSTREAM_KEY"
        return EngineError(f"the upstream refused the sandbox's key ({status}): {said}; {hint}", "argument")
    trouble = _TROUBLES.get(status, "server")
    retry = response.headers.get("retry-after", "")
    return EngineError(f"upstream {status}: {said}", trouble, retry_after=retry if retry.isdigit() else "")


def _event(choice: Choice, data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError:
        raise _odd("has an event that is no JSON") from None
    if not isinstance(event, dict):
        raise _odd("has an event that is no object")
    if "error" in event or "error_code" in event:
        raise EngineError(f"upstream: {_clean(choice, _said(data.encode()))}")
    return event


def _said(content: bytes) -> str:
    """Return the reason in an error's body: OpenAI's, Ollama's, Qianfan's, or the text itself."""
    text = content.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if not isinstance(value, dict):
        return text
    error = value.get("error", value)
    found = error.get("message") or error.get("error_msg") if isinstance(error, dict) else error
    return str(found or text)


def _clean(choice: Choice, text: str) -> str:
    """Return one short line without the key, which some servers repeat."""
    bare = text.replace(choice.upstream_key, "***") if choice.upstream_key else text
    return " ".join(bare.split())[:300]


def _join(whole: dict[str, Any], delta: Delta) -> None:
    """Add a delta to the message so far; tool calls are put together by their index."""
    for name, value in delta.items():
        if name == "tool_calls":
            calls = whole.setdefault(name, [])
            for part in value:
                _join_call(calls, part)
        elif name != "role" and isinstance(value, str):
            whole[name] = whole.get(name, "") + value


def _join_call(calls: list[dict[str, Any]], part: Mapping[str, Any]) -> None:
    at = int(part.get("index") or 0)
    while len(calls) <= min(at, 127):
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[min(at, 127)], part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    for name in ("name", "arguments"):
        call["function"][name] += function.get(name) or ""


def _usage(answer: Mapping[str, Any]) -> dict[str, int] | None:
    found = answer.get("usage")
    if not isinstance(found, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: int(found[name]) for name in names if isinstance(found.get(name), int)} or None


def _label(model: str) -> str:
    return f"upstream {model}, not ERNIE"


def _odd(what: str) -> EngineError:
    return EngineError(f"the upstream's answer {what}")
