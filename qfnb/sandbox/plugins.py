"""Plugins: an application that uses local tools, and the platform's own chart plugin."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from ..wire import plugin as wire
from . import tools
from .answers import mark_of, said, usage_of
from .engines import text_of
from .inference import answer_v1, check_talk, reply_of
from .routing import Call, Stream, emulates, refuse_call
from .talks import talk_of


@emulates(wire.PLUGIN_V1)
async def application(call: Call, body: wire.PluginRequest) -> dict[str, Any] | Stream:
    """Answer `/plugin/<endpoint>/`: with a local tool where one fits, else with the base model."""
    if not body.query.strip() or len(body.query) > wire.MOST_CHARS:
        raise refuse_call(call, f"query must have 1 to {wire.MOST_CHARS} characters")
    used = tools.run(body.query)
    if used is None:
        reply = await said(call, call.world.base(), talk_of(body.query, body.model_extra))
    else:
        reply = reply_of(
            f"{used[1]} = {used[2]}" if used[0] == "calculator" else used[2], kind=f"tool {used[0]}"
        )
    more: dict[str, Any] = {"log_id": int(time.time() * 1000)}
    if used is not None and (body.model_extra or {}).get("verbose"):
        more["meta_info"] = {"plugin_id": used[0], "request": used[1], "response": used[2]}
    return answer_v1(call, reply, [body.query], body.stream, more=more)


@emulates(wire.OWN_PLUGIN_V1)
def own_plugins(call: Call, body: wire.OwnPluginRequest) -> dict[str, Any] | Stream:
    """Answer `/erniebot/plugins`: eChart draws the numbers of the question."""
    check_talk(call, body.messages)
    unknown = [name for name in body.plugins if name not in wire.OWN_PLUGINS]
    if unknown or not 1 <= len(body.plugins) <= 3:
        raise refuse_call(call, f"plugins must be one to three of {', '.join(wire.OWN_PLUGINS)}")
    question = text_of(body.messages[-1].content)
    option = tools.chart(question) if "eChart" in body.plugins else None
    said = "图表已生成。" if option else "（本地沙盒）没有可以画成图表的数字。"
    reply = reply_of(said, kind="tool eChart")
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
            _events(call, info, metas, reply.text, usage_of([question], reply.text), mark_of(reply))
        )
    more = {"plugin_info": [info], "plugin_metas": metas}
    whole = answer_v1(call, reply, [question], stream=False, more=more)
    assert isinstance(whole, dict)
    return whole


async def _events(
    call: Call, info: dict[str, Any], metas: list[dict[str, Any]], text: str, usage: Any, mark: Any
) -> AsyncIterator[dict[str, Any]]:
    head = {"id": call.id, "object": "chat.completion", "created": int(time.time()), "sandbox": mark}
    yield {"_event": "pluginMeta", **head, "plugin_metas": metas}
    yield {"_event": "plugin", **head, "sentence_id": 0, "plugin_info": [info]}
    end = {"sentence_id": 0, "is_end": True, "is_truncated": False, "result": text, "usage": usage}
    yield {"_event": "chat", **head, **end, "need_clear_history": False}
