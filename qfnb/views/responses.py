"""Replies of the Responses API, drawn as answers of chat models are."""

import json

from ..resources.inference.responses import ResponseReply
from . import chat
from .display import Bundle


def bundle(reply: ResponseReply) -> Bundle:
    """Return a reply in every format; function calls stand where an answer has no text."""
    calls = (
        f"`{call.name}({json.dumps(call.arguments, ensure_ascii=False)})`"
        for call in reply.tool_calls
    )
    answer = chat.StreamedAnswer(
        str(reply.body.get("model") or ""),
        reply.text or "\n\n".join(calls),
        "done",
        reply.statistic.get("total_latency", 0.0),
        from_sandbox=reply.from_sandbox,
        request_id=reply.id,
        reasoning=reply.reasoning,
        **chat.usage_facts([reply]),
    )
    return chat.answers_bundle([answer])
