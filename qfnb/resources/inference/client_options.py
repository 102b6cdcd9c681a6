"""The client's own options of a call, by the names of the official SDK; none of them goes into the
body.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..._notices import warn_once
from ...base.language import tr
from ...base.text import count_tokens
from ...errors import InvalidArgumentError
from ...transport.auth import APP_HEADER
from ...transport.client import CallOptions
from ...transport.retry import DEFAULT_RETRY
from ...wire import chat as wire
from ...wire.catalog import CatalogModel

log = logging.getLogger("qfnb")

DEFAULT_CALL_OPTIONS = CallOptions()

CONTINUE_PROMPT = "继续"
"""What asks for the rest of an answer that was cut, unless `truncated_continue_prompt` is set; the
official SDK's.
"""

MAX_CONTINUATIONS = 20
"""Requests for the rest of one answer; a model that never ends it would cost without end."""

DELAYS = {"backoff_factor": 1.0, "retry_jitter": 1.0, "retry_max_wait_interval": 120.0}
"""The options of the official SDK's rule of delays, and their defaults."""

_KEY_HEADERS = frozenset(["authorization", "content-length", "content-type", "host", "x-bce-date"])
_FLAGS = ("truncate_overlong_msgs", "auto_concat_truncate", "adapt_openai_message_format", "ssl")
_WITHOUT_EFFECT = ("show_total_latency", "enable_reading_buffer", "_no_extra_parameters")
"""A reply's times are always measured, and streams are always read ahead."""

MESSAGE_OPTIONS = frozenset(["adapt_openai_message_format", "truncate_overlong_msgs"])
CHAT_OPTIONS = MESSAGE_OPTIONS | {"auto_concat_truncate", "truncated_continue_prompt"}
"""Options about the messages of a conversation, and about those and further requests."""
CLIENT_NAMES = (CHAT_OPTIONS | DELAYS.keys()) | {
    *_FLAGS, *_WITHOUT_EFFECT, "app_id", "headers", "request_id", "request_timeout", "retry_count",
    "retry_err_codes",
}  # fmt: skip


def split_client_options(
    options: Mapping[str, Any], usable: Collection[str] = ()
) -> tuple[CallOptions, dict[str, Any]]:
    """Return the limits and headers of a call, and the options without the client's own.

    Args:
        options: of `do`, with request_timeout and retry_count.
        usable: those of `CHAT_OPTIONS` that this call can use, which are left in; the others are
            ignored.

    Raises:
        InvalidArgumentError: names the option, its value and what is allowed.
    """
    if not CLIENT_NAMES & options.keys():
        return DEFAULT_CALL_OPTIONS, dict(options)
    values = {name: value for name, value in options.items() if value is not None}
    for name in _FLAGS:
        if not isinstance(values.get(name, False), bool):
            raise _wrong(name, values[name], tr("must be True or False"))
    sent = {name: value for name, value in values.items() if name not in CLIENT_NAMES}
    for name in sorted(CHAT_OPTIONS & values.keys()):
        if name in usable:
            sent[name] = values[name]
        elif values[name]:
            warn_once(tr("{name}= has no meaning for this call: it is ignored", name=name))
    retry = DEFAULT_RETRY
    if "retry_err_codes" in values:
        retry = replace(retry, codes=_codes(values["retry_err_codes"]))
    if DELAYS.keys() & values.keys():
        backoff_s, jitter_s, max_wait_s = (
            _seconds(name, values.get(name, default)) for name, default in DELAYS.items()
        )
        retry = replace(retry, backoff_s=backoff_s, jitter_s=jitter_s, max_wait_s=max_wait_s)
    limits = CallOptions(values.get("request_timeout"), values.get("retry_count"))
    return replace(
        limits, retry=retry, headers=_headers(values), verifies=values.get("ssl", True)
    ), sent


def _wrong(name: str, value: object, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        tr("{name}={value!r:.60}: {problem}", name=name, value=value, problem=problem)
    )


def _seconds(name: str, value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < math.inf:
        raise _wrong(name, value, tr("must be a number of seconds from 0"))
    return float(value)


def _codes(value: Any) -> frozenset[int | str]:
    is_list = isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping))
    if not is_list or not all(isinstance(code, (int, str)) for code in value):
        raise _wrong("retry_err_codes", value, tr("must be a set of error codes, numbers or words"))
    return frozenset(value)


def _headers(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that options stand for, validated: they must not end the line or change
    the keys.
    """
    headers = values.get("headers", {})
    if not isinstance(headers, Mapping):
        raise _wrong("headers", headers, tr("must be a mapping of names to texts"))
    named = {
        "headers": dict(headers),
        "request_id": {"request_id": values["request_id"]} if "request_id" in values else {},
        "app_id": {APP_HEADER: str(values["app_id"])} if "app_id" in values else {},
    }
    result: dict[str, str] = {}
    for option, rows in named.items():
        for name, text in rows.items():
            # the text of a header may be a key
            if option == "headers":
                value = name
            else:
                value = text
            if not all(
                isinstance(each, str) and each.isascii() and each.isprintable()
                for each in (name, text)
            ):
                raise _wrong(option, value, tr("must be a text of printable ASCII characters"))
            if not text or str(name).lower() in _KEY_HEADERS:
                raise _wrong(option, value, tr("this header cannot be set"))
            result[name] = text
    return result


def fit_messages(
    messages: Sequence[wire.Message], options_: Mapping[str, Any], row: CatalogModel | None
) -> tuple[list[wire.Message], dict[str, Any]]:
    """Return conversation and options after what `MESSAGE_OPTIONS` asks for, and without these
    options.

    Args:
        messages: the conversation.
        options_: of the call; "system" is the persona.
        row: the model's row of the catalogue; of an unknown model the limits are not known, and
            nothing is dropped.
    """
    options = {name: value for name, value in options_.items() if name not in MESSAGE_OPTIONS}
    fitted = list(messages)
    if options_.get("adapt_openai_message_format"):
        personas = [_text(message) for message in messages if message.role == "system"]
        fitted = [message for message in messages if message.role != "system"]
        if personas:
            options.setdefault("system", "".join(personas))
    if options_.get("truncate_overlong_msgs") and row is not None:
        fitted = _drop_oldest(fitted, str(options.get("system") or ""), row)
    return fitted, options


def _text(message: wire.Message) -> str:
    content = message.content or ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in content)


def _drop_oldest(
    messages: Sequence[wire.Message], system: str, row: CatalogModel
) -> list[wire.Message]:
    """Return the conversation without the oldest turns that the model has no room for; it begins
    with a user's.
    """
    personas = [message for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    texts = [system, *map(_text, personas)]
    rooms: list[tuple[Callable[[str], int], float]] = [
        (len, (row.max_chars or math.inf) - sum(map(len, texts))),
        (count_tokens, (row.max_input or row.context or math.inf) - sum(map(count_tokens, texts))),
    ]
    start = len(turns) - 1  # the last turn is always sent
    sizes = [measure(_text(turns[start])) for measure, _ in rooms]
    while start > 0:
        sizes = [
            size + measure(_text(turns[start - 1]))
            for size, (measure, _) in zip(sizes, rooms, strict=True)
        ]
        if any(size > room for size, (_, room) in zip(sizes, rooms, strict=True)):
            break
        start -= 1
    while 0 < start < len(turns) - 1 and turns[start].role != "user":
        start += 1
    if start:
        log.info(
            tr(
                "truncate_overlong_msgs: the first {n} messages do not fit and are not sent",
                n=start,
            )
        )
    return [*personas, *turns[start:]]
