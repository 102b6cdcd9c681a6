"""Plugins: an application that uses local tools, and the platform's own chart plugin."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from ...wire import inference
from ..engines.protocol import content_text
from ..http.call import Call, Stream, emulates
from . import tools
from .chat import build_v1_answer, tool_reply, validate_messages
from .request import prompt_conversation
from .response import ask_model, count_usage, sandbox_mark


@emulates(inference.PLUGIN_V1)
async def answer_application(call: Call, body: inference.AppPluginRequest) -> dict[str, Any] | Stream:
    """Answer `/plugin/<endpoint>/`: with a local tool where one fits, else with the base model."""
    if not body.query.strip() or len(body.query) > inference.MAX_PLUGIN_QUERY_CHARS:
        raise call.refusal(f"query must have 1 to {inference.MAX_PLUGIN_QUERY_CHARS} characters")
    tool_result = tools.run_tool(body.query)
    if tool_result is None:
        reply = await ask_model(
            call, call.world.engines.base_model(), prompt_conversation(body.query, body.model_extra)
        )
    else:
        reply = tool_reply(
            f"{tool_result[1]} = {tool_result[2]}" if tool_result[0] == "calculator" else tool_result[2],
            kind=f"tool {tool_result[0]}",
        )
    extra: dict[str, Any] = {"log_id": int(time.time() * 1000)}
    if tool_result is not None and (body.model_extra or {}).get("verbose"):
        extra["meta_info"] = {
            "plugin_id": tool_result[0],
            "request": tool_result[1],
            "response": tool_result[2],
        }
    return build_v1_answer(call, reply, [body.query], body.stream, extra=extra)


@emulates(inference.BUILTIN_PLUGIN_V1)
def answer_own_plugins(call: Call, body: inference.BuiltinPluginRequest) -> dict[str, Any] | Stream:
    """Answer `/erniebot/plugins`: eChart draws the numbers of the question."""
    validate_messages(call, body.messages)
    unknown = [name for name in body.plugins if name not in inference.BUILTIN_PLUGINS]
    if unknown or not 1 <= len(body.plugins) <= 3:
        raise call.refusal(f"plugins must be one to three of {', '.join(inference.BUILTIN_PLUGINS)}")
    question = content_text(body.messages[-1].content)
    option = tools.build_chart(question) if "eChart" in body.plugins else None
    text = "图表已生成。" if option else "（本地沙盒）没有可以画成图表的数字。"
    reply = tool_reply(text, kind="tool eChart")
    info = {
        "plugin_id": "eChart",
        "plugin_name": "eChart",
        "plugin_req": json.dumps({"query": question}, ensure_ascii=False),
        "plugin_resp": json.dumps({"option": option}, ensure_ascii=False),
        "status": "2",
        "api_id": "eChart.plot",
    }
    metas = [{"plugin_id": "eChart", "plugin_name": "eChart"}]
    if body.stream:
        return Stream(
            _stream_events(
                call, info, metas, reply.text, count_usage([question], reply.text), sandbox_mark(reply)
            )
        )
    extra = {"plugin_info": [info], "plugin_metas": metas}
    answer = build_v1_answer(call, reply, [question], stream=False, extra=extra)
    assert isinstance(answer, dict)
    return answer


async def _stream_events(
    call: Call, info: dict[str, Any], metas: list[dict[str, Any]], text: str, usage: Any, mark: Any
) -> AsyncIterator[dict[str, Any]]:
    head = {"id": call.id, "object": "chat.completion", "created": int(time.time()), "sandbox": mark}
    yield {"_event": "pluginMeta", **head, "plugin_metas": metas}
    yield {"_event": "plugin", **head, "sentence_id": 0, "plugin_info": [info]}
    last = {"sentence_id": 0, "is_end": True, "is_truncated": False, "result": text, "usage": usage}
    yield {"_event": "chat", **head, **last, "need_clear_history": False}
