"""The JSON of a chat's reply, with the keys of both API versions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...wire import chat as wire

Body = Mapping[str, Any]

V1_VALUES: Final[Mapping[str, Callable[[Body], Any]]] = {
    "result": wire.text_of,
    "function_call": lambda body: _first_function(
        (wire.first_choice(body).get("message") or {}).get("tool_calls")
    ),
    "is_end": lambda body: wire.is_final(body) or bool(wire.first_choice(body).get("is_end")),
    "is_truncated": lambda body: wire.finish_reason(body) == "length",
    "need_clear_history": lambda body: bool(wire.first_choice(body).get("need_clear_history")),
    "ban_round": lambda body: wire.first_choice(body).get("ban_round"),
    "flag": lambda body: wire.first_choice(body).get("flag"),
    "finish_reason": lambda body: wire.finish_reason_v1(wire.finish_reason(body) or "stop"),
    "search_info": lambda body: (
        {"search_results": body["search_results"]} if body.get("search_results") else None
    ),
}
"""v1's key -> what a reply of v2, or one event of its stream, has for it; None where v1 has no such
key.
"""


def _first_function(calls: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    if calls:
        return dict(calls[0].get("function") or {})
    return None


class V1Dict(dict[str, Any]):
    """JSON as it came, which also answers by subscript, `get` and `in` what v1 would have had.

    It is iterated and encoded as it came.
    """

    def v1_value(self, key: object) -> Any:
        """Return what v1 has under a key that is missing here, None where it has nothing."""
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
    """A reply of a chat: one of v2 answers `V1_VALUES`, one of v1 `["choices"]`.

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
        """Return what v1 has under a key, None where it has nothing or this is a reply of v1."""
        if key not in V1_VALUES or not dict.__contains__(self, "choices"):
            return None
        if key == "is_end" and self.is_after_end:
            return True
        if key == "function_call" and self.calls:
            return _first_function(self.calls)
        return V1_VALUES[str(key)](dict(self))  # a plain dict: its keys are those that came
