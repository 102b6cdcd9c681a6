"""The JSON of a chat's reply, with the keys of both API versions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...wire import chat as wire

Body = Mapping[str, Any]

V1_VALUES: Final[Mapping[str, Callable[[Body], Any]]] = {
    "result": wire.text_of,
    "function_call": lambda body: _first_function((wire.first_choice(body).get("message") or {}).get("tool_calls")),
    "is_end": wire.is_final,
    "is_truncated": lambda body: wire.finish_reason(body) == "length",
    "need_clear_history": lambda body: bool(wire.first_choice(body).get("need_clear_history")),
    "ban_round": lambda body: wire.first_choice(body).get("ban_round"),
    "flag": lambda body: wire.first_choice(body).get("flag"),
    "finish_reason": lambda body: wire.finish_reason_v1(wire.finish_reason(body) or "stop"),
    "search_info": lambda body: {"search_results": body["search_results"]} if body.get("search_results") else None,
}
"""v1's key -> what a reply of v2, or one event of its stream, has for it; None where v1 has no such key."""


def _first_function(calls: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    return dict(calls[0].get("function") or {}) if calls else None


class ChatBody(dict[str, Any]):
    """The JSON as it came, which also answers the keys that the other API version has.

    A reply of v2 answers `V1_VALUES` by subscript, `get` and `in`, a reply of v1 `["choices"]`; it is iterated and
    encoded as it came.

    Attributes:
        calls: the whole function calls of a stream, in the piece that ends it.
    """

    calls: Sequence[Mapping[str, Any]] = ()

    def __missing__(self, key: str) -> Any:
        if key == "choices" and self.get("result") is not None:
            message = {"role": "assistant", "content": self["result"]}
            if function := self.get("function_call"):
                message["tool_calls"] = [{"id": "", "type": "function", "function": function}]
            return [{"index": 0, "message": message, "finish_reason": self.get("finish_reason")}]
        if (value := self._v1_value(key)) is None:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, `default` if neither version has it."""
        if dict.__contains__(self, key):
            return self[key]
        value = self._v1_value(key)
        return default if value is None else value

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or self._v1_value(key) is not None

    def _v1_value(self, key: object) -> Any:
        if key not in V1_VALUES or not dict.__contains__(self, "choices"):
            return None
        if key == "function_call" and self.calls:
            return _first_function(self.calls)
        return V1_VALUES[str(key)](dict(self))  # a plain dict: its keys are those that came
