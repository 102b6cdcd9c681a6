"""Options and messages in the words of the API version that they go to: v1's become v2's, and v2's
become v1's.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..._notices import warn_once
from ...base.language import tr
from ...base.text import did_you_mean
from ...errors import InvalidArgumentError
from ...transport.platform import Platform
from ...wire import chat as wire, inference
from ...wire.endpoints import Endpoint
from .call_sender import InferenceRequest
from .client_options import CLIENT_NAMES
from .model_choice import ModelChoice, find_target

V2_OPTIONS = inference.BODY_KEYS["chat.v2"] | {"suffix", "system", "think"}
V1_OPTIONS = inference.BODY_KEYS["chat.v1"] | {"suffix"}
V1_ONLY = V1_OPTIONS - V2_OPTIONS | {"function_call"}
V2_ONLY = V2_OPTIONS - V1_OPTIONS

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
    if "tools" in sent:
        _put_search_tool(sent)
    if V1_ONLY & sent.keys():
        _rename(sent, "max_output_tokens", "max_tokens")
        _rename(sent, "user_id", "user")
        _put_functions(sent)
        _put_search(sent)
        for name in sorted(V1_ONLY & sent.keys()):
            del sent[name]
            warn_once(
                tr("{name}= is an option of v1 that v2 does not have: it is not sent", name=name)
            )
    if not is_qianfan:
        _rename(sent, "penalty_score", "repetition_penalty")
        for name in ("extra_parameters", "web_search"):
            if sent.pop(name, None):
                warn_once(
                    tr(
                        "{name}= is Qianfan's own option: it is not sent to another server",
                        name=name,
                    )
                )
    _warn_unknown(sent, is_qianfan=is_qianfan)
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
    """Put v1's `functions`, and the choice of one, under v2's names; v1's search tool is a search
    of v2.
    """
    present_names = {
        tool["function"].get("name") for tool in sent.get("tools", ()) if "function" in tool
    }
    functions = [
        each for each in sent.pop("functions", ()) if each.get("name") not in present_names
    ]
    tools = [{"type": "function", "function": _to_v2_function(each)} for each in functions]
    if tools:
        sent["tools"] = [*sent.get("tools", ()), *tools]
    choice = sent.pop("function_call", None)
    if choice is not None:
        is_named = isinstance(choice, Mapping)
        sent.setdefault(
            "tool_choice", {"type": "function", "function": dict(choice)} if is_named else choice
        )


def _to_v2_function(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function of v1 without what v2's functions do not have: examples, and the schema of
    responses.
    """
    unknown = sorted({"examples", "responses"} & function.keys())
    for name in unknown:
        warn_once(tr("functions: {name} is of v1, v2 does not have it: it is not sent", name=name))
    return {name: value for name, value in function.items() if name not in unknown}


def _put_search(sent: Options) -> None:
    """Put v1's switches of the search into `web_search`; v1 searched unless it was told not to, v2
    only if told to.
    """
    is_disabled = sent.pop("disable_search", None)
    switches = {
        name: value for name in _SEARCH_SWITCHES if (value := sent.pop(name, None)) is not None
    }
    if is_disabled is False or (not is_disabled and any(switches.values())):
        search = sent.get("web_search") or {}
        sent["web_search"] = {"enable": True, **switches, **search}


def _put_search_tool(sent: Options) -> None:
    """Put v1's tool `baidu_search`, which the platform ran itself, into `web_search`."""
    if not any(tool.get("type") == "tool" for tool in sent["tools"]):
        return
    tools = [tool for tool in sent.pop("tools") if tool.get("type") != "tool"]
    sent |= {"tools": tools} if tools else {}
    if isinstance(sent.get("tool_choice"), Mapping) and sent["tool_choice"].get("type") == "tool":
        del sent["tool_choice"]
    sent.setdefault("web_search", {"enable": True})


def _warn_unknown(sent: Mapping[str, Any], *, is_qianfan: bool) -> None:
    """Warn once of each option that no version has, which is sent; of another server's, of a
    misspelt one only.
    """
    for name in sent.keys() - V2_OPTIONS:
        suggestion = did_you_mean(name, V2_OPTIONS | V1_ONLY | CLIENT_NAMES)
        if suggestion or is_qianfan:
            warn_once(
                tr(
                    "{name}= is not an option of v2 chat and is sent as it is{suggestion}",
                    name=name,
                    suggestion=suggestion,
                )
            )


def with_user(options: Mapping[str, Any], version: int) -> Options:
    """Return options with the end user under the name that a version has: `user_id` in v1, `user`
    in v2.
    """
    sent = dict(options)
    _rename(sent, *(("user", "user_id") if version == 1 else ("user_id", "user")))
    return sent


def build_for_version(
    choice: ModelChoice,
    v1: Endpoint[Any, Any],
    v2: Endpoint[Any, Any],
    fields: Mapping[str, Any],
    platform: Platform,
) -> InferenceRequest:
    """Return the request of a call that has the same fields in both versions, but for the end
    user's name.

    Args:
        choice: which model is asked.
        v1: the endpoint of v1, with the model in its path.
        v2: the endpoint of v2, with the model in the body.
        fields: of the body.
        platform: the request goes to it.
    """
    version, model, _ = find_target(choice, platform)
    sent = with_user(fields, version)
    if version == 1:
        return InferenceRequest(v1, v1.body(**sent), model)
    return InferenceRequest(v2, v2.body(model=model, **sent), model)


def to_v2_messages(messages: Sequence[wire.Message]) -> list[wire.Message]:
    """Return a conversation with v1's function calls, and their results, as tool calls with ids."""
    converted: list[wire.Message] = []
    open_calls: list[tuple[str, str]] = []  # name and id of the calls without a result
    for index, message in enumerate(messages):
        extra = message.model_extra or {}
        turn = message
        if message.role == "assistant":
            calls = list(extra.get("tool_calls") or ())
            if not calls and (function := extra.get("function_call")):
                calls = [
                    {"id": f"call_{index}", "type": "function", "function": _to_v2_call(function)}
                ]
                fields = {name: value for name, value in message if name != "function_call"}
                turn = wire.Message(
                    **{**fields, "content": message.content or "", "tool_calls": calls}
                )
            open_calls = [
                ((call.get("function") or {}).get("name", ""), call.get("id", "")) for call in calls
            ]
        elif message.role == "function":
            same_name = [call for call in open_calls if call[0] == extra.get("name")]
            call_id = f"call_{index}"
            if call := next(iter(same_name or open_calls), None):
                open_calls.remove(call)
                call_id = call[1]
            turn = wire.Message(role="tool", content=message.content or "", tool_call_id=call_id)
        converted.append(turn)
    return converted


def _to_v2_call(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        text = arguments
    else:
        text = json.dumps(arguments or {}, ensure_ascii=False)
    return {"name": str(function.get("name", "")), "arguments": text}


def has_v1_calls(messages: Sequence[wire.Message]) -> bool:
    """Return whether a conversation has v1's function calls or their results."""
    return any(
        each.role == "function" or (each.model_extra or {}).get("function_call")
        for each in messages
    )


def to_v1_options(options: Mapping[str, Any]) -> Options:
    """Return the options of a chat as v1 takes them; what it does not have is not sent, with one
    warning each.
    """
    options_v1 = dict(options)
    if options_v1.pop("think", None) is not None:
        warn_once(tr("v1 of the API has no thinking: think= is not sent"))
    if isinstance(form := options_v1.get("response_format"), Mapping):
        options_v1["response_format"] = form["type"]
    for name in _LENGTHS_V2:
        _rename(options_v1, name, "max_output_tokens")
    _rename(options_v1, "user", "user_id")
    tools = options_v1.pop("tools", None) or ()
    if functions := [tool["function"] for tool in tools if "function" in tool]:
        options_v1["functions"] = [*options_v1.get("functions", ()), *functions]
    # v1's own: {"type": "tool", ...}
    if own_tools := [tool for tool in tools if "function" not in tool]:
        options_v1["tools"] = own_tools
    if search := options_v1.pop("web_search", None):
        options_v1["disable_search"] = not search.get("enable", False)
        options_v1 |= {name: search[name] for name in _SEARCH_SWITCHES if name in search}
    for name in sorted(V2_ONLY & options_v1.keys()):
        del options_v1[name]
        warn_once(tr("{name}= is an option of v2 that v1 does not have: it is not sent", name=name))
    return options_v1


def to_v1(
    messages: list[wire.Message], options_: Mapping[str, Any]
) -> tuple[list[wire.Message], Options]:
    """Return conversation and options as v1 takes them: the persona is an option, roles alternate,
    calls are functions.

    Raises:
        InvalidArgumentError: a turn has a role that v1 does not accept there.
    """
    options_v1 = to_v1_options(options_)
    first = messages[0]
    if first.role == "system":
        options_v1.setdefault("system", first.content)
        messages = messages[1:]
    messages = _to_v1_messages(messages)
    for index, message in enumerate(messages):
        if (message.role == "assistant") != bool(index % 2) or message.role in {"system", "tool"}:
            if index % 2:
                expected_role = "assistant"
            else:
                expected_role = "user (or function)"
            raise InvalidArgumentError(
                tr(
                    "messages: turn {index} is {role!r}, v1 requires {expected_role} there: user "
                    "and assistant "
                    "take turns",
                    index=index + 1,
                    role=message.role,
                    expected_role=expected_role,
                )
            )
    return messages, options_v1


def _to_v1_messages(messages: Sequence[wire.Message]) -> list[wire.Message]:
    """Return a conversation with tool calls as v1's function calls, which are one in a turn."""
    names: dict[str, str] = {}  # id of a call -> its function
    converted: list[wire.Message] = []
    for message in messages:
        extra = message.model_extra or {}
        turn = message
        calls = list(extra.get("tool_calls") or ())
        if len(calls) == 1:
            function = calls[0].get("function") or {}
            names[calls[0].get("id", "")] = function.get("name", "")
            turn = wire.Message(
                role="assistant", content=message.content or "", function_call=function
            )
        elif message.role == "tool" and (name := names.get(extra.get("tool_call_id", ""))):
            turn = wire.Message(role="function", name=name, content=message.content)
        converted.append(turn)
    return converted
