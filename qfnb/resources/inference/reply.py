"""The replies of models: tokens, cost and origin of all, text and tool calls of chats; and the log
of this process's calls.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from ..._jobs.row_result import RowResult
from ..._notices import warn_once
from ..._tables import frame_class
from ...base.language import tr
from ...errors import InvalidArgumentError, UnexpectedContent, UnreadableAnswer
from ...redact import hide_keys
from ...transport.response import Response, quote_excerpt
from ...wire import catalog, chat as wire
from ...wire.base import JsonObject
from ...wire.prices import FREE, PriceRange, china_hour, sum_prices
from .model_choice import name_living_models
from .thinking import CUT_WHILE_THINKING

if TYPE_CHECKING:
    import pandas as pd

V1_KEYS: Final = frozenset(
    [
        "result",
        "function_call",
        "is_end",
        "is_truncated",
        "need_clear_history",
        "ban_round",
        "flag",
        "finish_reason",
        "search_info",
    ]
)
"""The keys of a reply of v1 that one of v2, or one event of its stream, answers, too."""


class V1Dict(dict[str, Any]):
    """JSON as it came, which also answers by subscript, `get` and `in` what v1 would have had.

    It is iterated and encoded as it came.
    """

    def v1_value(self, key: object) -> Any:
        """Return the value of v1 under a key that is missing here, None where it has none."""
        raise NotImplementedError

    def __missing__(self, key: str) -> Any:
        if (value := self.v1_value(key)) is None:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, `default` if neither version has it."""
        if dict.__contains__(self, key):
            return self[key]
        value = self.v1_value(key)
        if value is None:
            return default
        return value

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or self.v1_value(key) is not None


class ChatBody(V1Dict):
    """A reply of a chat: one of v2 answers `V1_KEYS`, one of v1 `["choices"]`.

    Attributes:
        calls: the whole function calls of a stream, in the piece that ends it.
        is_after_end: whether it came in a stream after the piece that ends the answer, with the
            usage.
    """

    calls: Sequence[Mapping[str, Any]] = ()
    is_after_end: bool = False

    def __missing__(self, key: str) -> Any:
        if key == "choices" and self.get("result") is not None:
            message = {"role": "assistant", "content": self["result"]}
            if function := self.get("function_call"):
                message["tool_calls"] = [{"id": "", "type": "function", "function": function}]
            return [{"index": 0, "message": message, "finish_reason": self.get("finish_reason")}]
        return super().__missing__(key)

    def v1_value(self, key: object) -> Any:
        """Return the value of v1 under a key, None where it has none or this is a reply of v1."""
        if key not in V1_KEYS or not dict.__contains__(self, "choices"):
            return None
        body = dict(self)  # a plain dict: its keys are those that came
        choice = wire.first_choice(body)
        calls = self.calls or (choice.get("message") or {}).get("tool_calls")
        results = body.get("search_results")
        values = {
            "result": wire.text_of(body),
            "function_call": dict(calls[0].get("function") or {}) if calls else None,
            "is_end": self.is_after_end or wire.is_final(body) or bool(choice.get("is_end")),
            "is_truncated": wire.finish_reason(body) == "length",
            "need_clear_history": bool(choice.get("need_clear_history")),
            "finish_reason": wire.finish_reason_v1(wire.finish_reason(body) or "stop"),
            "search_info": {"search_results": results} if results else None,
        }
        return values.get(str(key), choice.get(str(key)))


MAX_TOKENS = 1 << 53
"""A token count from here on is not believed."""

R = TypeVar("R")
ReplyT = TypeVar("ReplyT", bound="Reply[Any]")


class Reply(Response[R]):
    """The reply of a model.

    Attributes:
        model: the name in the request.
        is_offline: whether the platform's batch service answered, at the batch price and at an hour
            that is not known.
        earlier: the replies before it in the same call: an answer that was not in the requested
            format.
    """

    model: str = ""
    earlier: tuple[Reply[Any], ...] = ()
    is_offline: bool = False

    @staticmethod
    def find_defect(_body: Mapping[str, Any], /) -> str:
        """Return why the body of a whole reply is no answer, "" if it is one."""
        return ""

    @property
    def problem(self) -> str:
        """What makes the reply useless, "" for nothing."""
        return ""

    @cached_property
    def usage(self) -> wire.Usage:
        """Tokens counted by the platform; None where it names no number."""
        with contextlib.suppress(ValidationError):
            return wire.Usage.model_validate(self.body.get("usage") or {})
        return wire.Usage()

    @property
    def cost(self) -> float | None:
        """CNY by list price, the upper end of `cost_range`; None if not known, 0 in the sandbox."""
        cost = self.cost_range
        if cost:
            return cost.high
        return None

    @property
    def cost_range(self) -> PriceRange | None:
        """CNY by list price at the hour of the reply; None if price or tokens are unknown, 0 in the
        sandbox.
        """
        if self.from_sandbox:
            return FREE
        usage = self.usage
        created = self.body.get("created") or self.body.get("created_at")
        if type(created) is not int or created <= 0:
            created = None
        data = self.body.get("data")
        try:
            return catalog.reply_cost(
                self.model,
                plausible_count(usage.prompt_tokens),
                plausible_count(usage.completion_tokens),
                cached_tokens=usage.cached_tokens,
                hour=None if self.is_offline else china_hour(created),
                is_batch=self.is_offline,
                images=len(data) if isinstance(data, list) else 0,
            )
        except InvalidArgumentError as error:  # a broken file of prices loses no answer
            warn_once(tr("the cost is not known: {error}", error=error))
            return None

    @property
    def list_price(self) -> PriceRange | None:
        """What the sandbox says that a reply would cost on the platform, in CNY; elsewhere
        `cost_range`.
        """
        if not self.from_sandbox:
            return self.cost_range
        mark = self.body["sandbox"]
        price = mark.get("list_price") if isinstance(mark, dict) else None
        if price:
            return PriceRange(float(price["low"]), float(price["high"]))
        return None

    @property
    def from_sandbox(self) -> bool:
        """Whether the local sandbox answered."""
        return "sandbox" in self.body


@dataclass(frozen=True)
class ToolCall:
    """A function call that the model asks for; `arguments` is its JSON, parsed."""

    name: str
    arguments: JsonObject
    id: str = ""


@dataclass(frozen=True)
class ToolStep:
    """One call of a Python function.

    Attributes:
        result: the text that the model got.
        is_error: whether the call failed, was refused or ended by its time-out.
        seconds: its duration.
    """

    call: ToolCall
    result: str
    is_error: bool = False
    seconds: float = 0.0


class ChatResponse(Reply[Any]):
    """A reply, or one piece of a stream; the same subscripts work for both versions.

    `parsed` is its value in the requested format: an object of the class in `response_format=`,
    JSON, or what `%%qfchat -f` asked for (a DataFrame, code, ...); None without a format.

    Attributes:
        steps: the calls of Python functions before this answer.
        turns: what they add to the conversation; `messages.append(reply)` adds it before the
            answer.
        pieces: those of the stream that it came in; () for a reply that came whole.
    """

    find_defect = staticmethod(wire.find_chat_defect)
    parsed: Any = None
    steps: tuple[ToolStep, ...] = ()
    turns: Sequence[JsonObject] = ()
    pieces: Sequence[ChatResponse] = ()

    @property
    def text(self) -> str:
        """The answer's text (of a piece: the new text only)."""
        return wire.text_of(self.body)

    @property
    def reasoning(self) -> str:
        """The model's reasoning, "" if it shows none."""
        return wire.reasoning_of(self.body)

    @property
    def problem(self) -> str:
        """That thinking used up the longest output, "" otherwise."""
        if self.is_cut_while_thinking:
            return f"{self.body.get('model', '')}: {tr(CUT_WHILE_THINKING)}"
        return ""

    @property
    def is_cut_while_thinking(self) -> bool:
        """Whether the model reached its longest output before it wrote any answer; False for pieces
        of a stream.
        """
        is_whole = any("message" in choice for choice in self.body.get("choices") or ())
        is_empty = not self.text.strip() and not self.tool_calls
        return is_whole and is_empty and wire.finish_reason(self.body) == "length"

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The function calls that the model asks for, in either API version."""
        calls = wire.function_calls(self.body)
        return [
            ToolCall(call["name"], parse_arguments(call["arguments"]), call["id"]) for call in calls
        ]

    @property
    def json(self) -> Any:
        """The answer parsed as JSON, with or without a Markdown fence around it.

        Raises:
            ValueError: it is not JSON.
        """
        text = self.text.strip()
        if text.startswith("```"):
            text = text.split("\n", 1)[-1].rsplit("```", 1)[0]
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError(tr("the JSON of the answer is nested too deeply")) from None

    def __repr__(self) -> str:
        if self.is_cut_while_thinking:
            return f"[{tr(CUT_WHILE_THINKING)}]"
        return self.text


def create_reply(kind: type[ReplyT], response: Response[Any], model: str = "") -> ReplyT:
    """Return a response, or one piece of a stream, as a reply of this class.

    Args:
        kind: the class of the reply.
        response: the response, or one piece.
        model: the name in the request.
    """
    body = ChatBody(response.body) if issubclass(kind, ChatResponse) else response.body
    reply = kind(**{**vars(response), "body": body})
    reply.model = model
    return reply


def refuse_defect(response: Response[Any], defect: str) -> None:
    """Raise unless a response, or one piece of a stream, is an answer.

    Args:
        response: the response, or one piece.
        defect: of `find_defect`.

    Raises:
        UnexpectedContent: there is a defect; the message has the beginning of the body.
    """
    if defect:
        content = json.dumps(response.body, ensure_ascii=False, default=str).encode(
            "utf-8", "replace"
        )
        raise UnexpectedContent(
            tr(
                "HTTP {code}, but no answer: {defect}: {excerpt}",
                code=response.code,
                defect=defect,
                excerpt=quote_excerpt(content),
            ),
            request_id=response.request_id,
        )


def join_pieces(pieces: Sequence[ChatResponse], text: str, seconds: float) -> ChatResponse:
    """Return the reply that the pieces of a stream make up.

    Args:
        pieces: at least one, in order.
        text: the text of all pieces.
        seconds: the duration of the stream.
    """
    last = pieces[-1]
    bodies = [piece.body for piece in pieces]
    # it counts from the start
    usage = next((body["usage"] for body in reversed(bodies) if body.get("usage")), None)
    body: JsonObject = {**last.body, **({"usage": usage} if usage else {})}
    if "choices" in body:
        message: JsonObject = {"role": "assistant", "content": text}
        if reasoning := "".join(piece.reasoning for piece in pieces):
            message["reasoning_content"] = reasoning
        if tool_calls := wire.join_tool_calls(bodies):
            message["tool_calls"] = tool_calls
        reason = next(filter(None, map(wire.finish_reason, bodies)), None)
        body["choices"] = [{"index": 0, "message": message, "finish_reason": reason}]
    else:
        body["result"] = text
    statistic = {**last.statistic, "request_latency": seconds, "total_latency": seconds}
    response = Response(
        body, last.data_type, last.code, last.headers, statistic, request=last.request
    )
    return create_reply(ChatResponse, response, last.model)


def parse_arguments(text: object) -> JsonObject:
    """Return the arguments of a function call; what is not a JSON object is under the key ""."""
    try:
        if isinstance(text, str):
            value = json.loads(text)
        else:
            value = text
    except (ValueError, RecursionError):
        return {"": text}
    if isinstance(value, dict):
        return value
    return {"": value}


def plausible_count(tokens: int | None) -> int | None:
    """Return the count, None if it is negative or `MAX_TOKENS` or more; a server may send any."""
    if tokens is not None and 0 <= tokens < MAX_TOKENS:
        return tokens
    return None


def row_result_of(reply: Reply[Any], *, at_list_price: bool = False) -> RowResult:
    """Return the result of the row of a batch that got this reply.

    Args:
        reply: the reply.
        at_list_price: what it would cost on the platform is the cost of a sandbox answer too, which
            nobody bills.
    """
    usage = reply.usage
    if not reply.from_sandbox and plausible_count(usage.total_tokens) is None:
        cost = None
    elif at_list_price:
        cost = reply.list_price
    else:
        cost = reply.cost_range
    counts: JsonObject = {
        "prompt_tokens": plausible_count(usage.prompt_tokens),
        "completion_tokens": plausible_count(usage.completion_tokens),
        "cached_tokens": None,
        "reasoning_tokens": None,
    }
    details = usage.model_extra or {}
    if "prompt_tokens_details" in details:
        counts["cached_tokens"] = usage.cached_tokens
    if "completion_tokens_details" in details:
        counts["reasoning_tokens"] = usage.reasoning_tokens
    if reply.earlier:
        before = [row_result_of(each, at_list_price=at_list_price) for each in reply.earlier]
        cost = sum_prices([cost, *(each.cost_range for each in before)])
        for name, count in counts.items():
            values = [count, *(getattr(each, name) for each in before)]
            counts[name] = None if None in values else sum(values)
    texts: JsonObject = {}
    if isinstance(reply, ChatResponse):
        texts = {
            "text": hide_keys(reply.text),
            "reasoning": hide_keys(reply.reasoning) or None,
            "finish_reason": _finish_reason(reply.body),
        }
    return RowResult(
        **texts,
        **counts,
        cost_low=cost.low if cost else None,
        cost=cost.high if cost else None,
        seconds=reply.statistic.get("total_latency"),
        attempts=int(reply.statistic.get("attempts", 1)),
        request_id=hide_keys(str(reply.request_id)),
    )


def failed_result(error: Exception, *, at_list_price: bool = False) -> RowResult:
    """Return the result of a row that failed; an answer that is not in the requested format is kept
    and counted.
    """
    failure = RowResult.from_error(error)
    if not isinstance(error, UnreadableAnswer) or error.reply is None:
        return failure
    return replace(
        row_result_of(error.reply, at_list_price=at_list_price),
        error=failure.error,
        message=failure.message,
    )


def _finish_reason(body: Any) -> str | None:
    """Return why the model stopped, in v2's words; v1 has flags, and "normal" for "stop"."""
    if body.get("is_truncated"):
        return "length"
    if body.get("need_clear_history") or body.get("flag"):
        return "content_filter"
    reason = wire.finish_reason(body)
    if reason == "normal":
        return "stop"
    return reason


MAX_ENTRIES = 100_000
"""The number of calls in the log; older ones are dropped."""


@dataclass(slots=True)
class UsageEntry:
    """One call in the log; the fields are the columns of `usage()`, and nothing of prompt or
    answer.

    Attributes:
        at: Unix seconds of the start.
        seconds: its duration.
        cached_tokens, reasoning_tokens: parts of prompt and completion, 0 where the platform names
        none.
        cost_low, cost: CNY by list price, the ends of its range; None if unknown.
        error: the class of the exception that ended it, "" for a reply.
    """

    at: float
    model: str
    host: str
    seconds: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_low: float | None = None
    cost: float | None = None
    request_id: str = ""
    error: str = ""

    def record_reply(self, reply: ReplyT) -> ReplyT:
        """Copy tokens, cost and request id from a reply, and set the reply's model."""
        reply.model = self.model
        if (usage := reply.usage).total_tokens is not None:
            self.prompt_tokens = usage.prompt_tokens
            self.completion_tokens = usage.completion_tokens
            self.cached_tokens = usage.cached_tokens
            self.reasoning_tokens = usage.reasoning_tokens
        is_counted = usage.total_tokens is not None or "data" in reply.body  # not most pieces
        if is_counted and (cost := reply.cost_range) is not None:
            self.cost_low = cost.low
            self.cost = cost.high
        self.request_id = reply.request_id
        return reply


# without a lock, which a forked child could inherit locked
_entries: deque[UsageEntry] = deque(maxlen=MAX_ENTRIES)


@contextlib.contextmanager
def logged_call(kind: catalog.ModelKind, model: str, host: str) -> Iterator[UsageEntry]:
    """Log a call when it ends; the error of an unknown model names living ones.

    Args:
        kind: of the model.
        model: its id.
        host: of the platform.
    """
    entry = UsageEntry(time.time(), model, host)
    try:
        yield entry
    except BaseException as error:
        entry.error = type(error).__name__
        name_living_models(error, kind, model)
        raise
    finally:
        entry.seconds = max(time.time() - entry.at, 0.0)
        _entries.append(entry)


def entries() -> list[UsageEntry]:
    """Return the calls of this process, oldest first."""
    return list(_entries)


def usage() -> pd.DataFrame:
    """Return the calls of this process as a DataFrame, oldest first: time, model, tokens, cost,
    error.

    A notebook shows the last of them, and what all used.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = [asdict(entry) for entry in entries()]
    frame: pd.DataFrame = frame_class("UsageTable")(
        rows, columns=list(UsageEntry.__dataclass_fields__)
    )
    frame["at"] = pd.to_datetime(frame["at"], unit="s", utc=True)
    return frame
