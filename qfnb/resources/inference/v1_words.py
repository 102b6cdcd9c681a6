"""Options and messages in the words of the API version that they go to: v1's become v2's, and v2's
become v1's.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..._notices import warn_once
from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport.platform import Platform
from ...wire import chat as wire, inference
from ...wire.endpoints import Endpoint
from .inference_model import InferenceCall, InferenceRequest
from .model_choice import find_target

V2_OPTIONS = inference.BODY_KEYS["chat.v2"] | {"suffix", "system", "think"}
"""Options of v2; the last three become other fields."""

_V1_OPTIONS = inference.BODY_KEYS["chat.v1"] | {"suffix"}
V1_ONLY = _V1_OPTIONS - V2_OPTIONS | {"function_call"}

_SEARCH_SWITCHES = ("enable_citation", "enable_trace")
_LENGTHS_V2 = ("max_completion_tokens", "max_tokens")

Options = dict[str, Any]


def to_v2_options(options: Mapping[str, Any], *, is_qianfan: bool = True) -> Options:
    """Return the options of a chat as v2 takes them; what has no meaning there is not sent, with
    one warning each.

    Args:
        options: validated options.
        is_qianfan: False for another server with OpenAI's API, which has neither search nor
            `penalty_score`.
    """
    sent = dict(options)
    _put_search_tool(sent)
    _rename(sent, "max_output_tokens", "max_tokens")
    _rename(sent, "user_id", "user")
    _put_functions(sent)
    _put_search(sent)
    for name in sorted(V1_ONLY & sent.keys()):
        del sent[name]
        warn_once(tr("{name}= is an option of v1 that v2 does not have: it is not sent", name=name))
    if is_qianfan:
        return sent
    _rename(sent, "penalty_score", "repetition_penalty")
    for name in ("extra_parameters", "web_search"):
        if sent.pop(name, None):
            warn_once(
                tr("{name}= is Qianfan's own option: it is not sent to another server", name=name)
            )
    return sent


def _rename(sent: Options, name: str, new_name: str) -> None:
    """Put an option under the name of the other version; if that is set, too, it wins, and a
    warning says so.
    """
    if name not in sent:
        return
    value = sent.pop(name)
    if sent.setdefault(new_name, value) != value:
        warn_once(
            tr(
                "{name}= and {new_name}= are one option: {new_name}= is sent",
                name=name,
                new_name=new_name,
            )
        )


def _put_functions(sent: Options) -> None:
    """Put v1's `functions`, and the choice of one, under v2's names, without what v2's functions do
    not have: examples, and the schema of responses.
    """
    tools = list(sent.get("tools", ()))
    present_names = {tool["function"].get("name") for tool in tools if "function" in tool}
    for function in sent.pop("functions", ()):
        if function.get("name") in present_names:
            continue
        fields = dict(function)
        for name in ("examples", "responses"):
            if fields.pop(name, None) is not None:
                warn_once(
                    tr("functions: {name} is of v1, v2 does not have it: it is not sent", name=name)
                )
        tools.append({"type": "function", "function": fields})
    if tools:
        sent["tools"] = tools
    choice = sent.pop("function_call", None)
    if isinstance(choice, Mapping):
        choice = {"type": "function", "function": dict(choice)}
    if choice is not None:
        sent.setdefault("tool_choice", choice)


def _put_search(sent: Options) -> None:
    """Put v1's switches of the search into `web_search`; v1 searched unless it was told not to, v2
    only if told to.
    """
    is_disabled = sent.pop("disable_search", None)
    switches = {name: sent.pop(name) for name in _SEARCH_SWITCHES if name in sent}
    if is_disabled is False or (not is_disabled and any(switches.values())):
        sent["web_search"] = {"enable": True, **switches, **(sent.get("web_search") or {})}


def _put_search_tool(sent: Options) -> None:
    """Put v1's tool `baidu_search`, which the platform ran itself, into `web_search`."""
    tools = sent.pop("tools", ())
    functions = [tool for tool in tools if tool.get("type") != "tool"]
    if functions:
        sent["tools"] = functions
    if len(functions) == len(tools):
        return
    if isinstance(sent.get("tool_choice"), Mapping) and sent["tool_choice"].get("type") == "tool":
        del sent["tool_choice"]
    sent.setdefault("web_search", {"enable": True})


def with_user(options: Mapping[str, Any], version: int) -> Options:
    """Return options with the end user under the name that a version has: `user_id` in v1, `user`
    in v2.
    """
    sent = dict(options)
    if version == 1:
        _rename(sent, "user", "user_id")
    else:
        _rename(sent, "user_id", "user")
    return sent


def build_for_version(
    call: InferenceCall[Any], v1: Endpoint[Any, Any], v2: Endpoint[Any, Any], platform: Platform
) -> InferenceRequest:
    """Return the request of a call that has the same fields in both versions, but for the end
    user's name.

    Args:
        call: whose options are the fields of the body.
        v1: the endpoint of v1, with the model in its path.
        v2: the endpoint of v2, with the model in the body.
        platform: the request goes to it.
    """
    version, model, _ = find_target(call.choice, platform)
    fields = with_user(call.options, version)
    if version == 1:
        return InferenceRequest(v1, v1.body(**fields), model)
    return InferenceRequest(v2, v2.body(model=model, **fields), model)


def to_v2_messages(messages: Sequence[wire.Message]) -> list[wire.Message]:
    """Return a conversation with v1's function calls, and their results, as tool calls with ids."""
    converted: list[wire.Message] = []
    open_calls: list[tuple[str, str]] = []  # name and id of the calls without a result
    for index, message in enumerate(messages):
        fields = message.model_dump()
        content = message.content or ""
        new_id = f"call_{index}"
        turn = message
        if message.role == "assistant":
            function = fields.pop("function_call", None)
            calls = fields.get("tool_calls") or []
            if function and not calls:
                arguments = function.get("arguments")
                if not isinstance(arguments, str):
                    arguments = json.dumps(arguments or {}, ensure_ascii=False)
                named = {"name": str(function.get("name", "")), "arguments": arguments}
                calls = [{"id": new_id, "type": "function", "function": named}]
                turn = wire.Message(**{**fields, "content": content, "tool_calls": calls})
            open_calls = [
                ((call.get("function") or {}).get("name", ""), call.get("id", "")) for call in calls
            ]
        elif message.role == "function":
            same_name = [call for call in open_calls if call[0] == fields.get("name")]
            call = next(iter(same_name or open_calls), ("", new_id))
            if call in open_calls:
                open_calls.remove(call)
            turn = wire.Message(role="tool", content=content, tool_call_id=call[1])
        converted.append(turn)
    return converted


def to_v1_options(options: Mapping[str, Any]) -> Options:
    """Return the options of a chat as v1 takes them; what it does not have is not sent, with one
    warning each.
    """
    sent = dict(options)
    if sent.pop("think", None) is not None:
        warn_once(tr("v1 of the API has no thinking: think= is not sent"))
    if isinstance(form := sent.get("response_format"), Mapping):
        sent["response_format"] = form["type"]
    for name in _LENGTHS_V2:
        _rename(sent, name, "max_output_tokens")
    _rename(sent, "user", "user_id")
    for tool in sent.pop("tools", None) or ():
        if "function" in tool:
            sent["functions"] = [*sent.get("functions", ()), tool["function"]]
        else:  # v1's own: {"type": "tool", ...}
            sent["tools"] = [*sent.get("tools", ()), tool]
    if search := sent.pop("web_search", None):
        sent["disable_search"] = not search.get("enable", False)
        sent |= {name: search[name] for name in _SEARCH_SWITCHES if name in search}
    for name in sorted((V2_OPTIONS - _V1_OPTIONS) & sent.keys()):
        del sent[name]
        warn_once(tr("{name}= is an option of v2 that v1 does not have: it is not sent", name=name))
    return sent


def to_v1(
    messages: Sequence[wire.Message], options: Mapping[str, Any]
) -> tuple[list[wire.Message], Options]:
    """Return conversation and options as v1 takes them: the persona is an option, roles alternate,
    calls are functions.

    Raises:
        InvalidArgumentError: a turn has a role that v1 does not accept there.
    """
    sent = to_v1_options(options)
    if messages[0].role == "system":
        sent["system"] = messages[0].content
        messages = messages[1:]
    names: dict[str, str] = {}  # id of a call -> its function
    converted: list[wire.Message] = []
    for index, message in enumerate(messages):
        extra = message.model_extra or {}
        calls = extra.get("tool_calls") or []
        turn = message
        if len(calls) == 1:
            function = calls[0].get("function") or {}
            names[calls[0].get("id", "")] = function.get("name", "")
            turn = wire.Message(
                role="assistant", content=message.content or "", function_call=function
            )
        elif message.role == "tool" and (name := names.get(extra.get("tool_call_id", ""))):
            turn = wire.Message(role="function", name=name, content=message.content)
        converted.append(turn)
        if (turn.role == "assistant") != bool(index % 2) or turn.role in {"system", "tool"}:
            raise InvalidArgumentError(
                tr(
                    "messages: turn {index} is {role!r}, v1 requires {expected_role} there: user "
                    "and assistant "
                    "take turns",
                    index=index + 1,
                    role=turn.role,
                    expected_role="assistant" if index % 2 else "user (or function)",
                )
            )
    return converted, sent
