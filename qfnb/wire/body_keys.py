"""The keys that the bodies of inference requests may have; the platform may refuse or ignore
others.

Sources: API pages of 2026 (v2), the official SDK's tables of models (v1). Those of v2 chat that no
page settles are among them, as is `extra_parameters`, which the official SDK adds to every body.
"""

from collections.abc import Mapping
from typing import Final

from . import chat, inference
from .base import JsonMapping

_EVERYWHERE = frozenset(["extra_parameters", "model", "stream"])
_SAMPLING = frozenset(
    ["frequency_penalty", "penalty_score", "presence_penalty", "repetition_penalty", "seed", "stop",
    "temperature",
     "top_k", "top_p"]
)  # fmt: skip
_CHAT_V2 = (_EVERYWHERE | _SAMPLING) | {
    "enable_thinking", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "messages",
    "metadata", "n",
    "parallel_tool_calls", "reasoning_effort", "response_format", "safety", "stream_options",
    "thinking",
    "thinking_budget", "tool_choice", "tools", "top_logprobs", "user", "web_search",
}  # fmt: skip
_CHAT_V1 = (_EVERYWHERE | _SAMPLING) | {
    "disable_search", "enable_citation", "enable_system_memory", "enable_trace",
    "enable_user_memory", "functions",
    "max_output_tokens", "messages", "min_output_tokens", "response_format", "system",
    "system_memory_id",
    "tool_choice", "tools", "trace_number", "user_id", "user_memory_extract_level", "user_setting",
}  # fmt: skip
_PICTURE_V2 = _EVERYWHERE | {
    "guidance", "image", "n", "negative_prompt", "prompt", "prompt_extend", "refer_image",
    "response_format", "seed",
    "size", "steps", "user", "watermark",
}  # fmt: skip

BODY_KEYS: Final[Mapping[str, frozenset[str]]] = {
    chat.CHAT_V2.name: _CHAT_V2,
    chat.CHAT_V1.name: _CHAT_V1,
    inference.COMPLETION_V2.name: (_EVERYWHERE | _SAMPLING)
    | {"max_completion_tokens", "max_tokens", "prompt", "stream_options", "suffix", "user"},
    inference.COMPLETION_V1.name: (_EVERYWHERE | _SAMPLING)
    | {"max_output_tokens", "prompt", "user_id"},
    inference.EMBEDDING_V2.name: _EVERYWHERE | {"encoding_format", "input", "user"},
    inference.EMBEDDING_V1.name: _EVERYWHERE | {"input", "user_id"},
    inference.RERANK_V2.name: _EVERYWHERE | {"documents", "query", "top_n", "user"},
    inference.RERANK_V1.name: _EVERYWHERE | {"documents", "query", "top_n", "user_id"},
    inference.TEXT2IMAGE_V2.name: _PICTURE_V2,
    inference.MUSESTEAMER_IMAGE_V2.name: _PICTURE_V2,
    inference.IMAGE_EDIT_V2.name: _PICTURE_V2,
}
"""The name of an endpoint -> the keys of its body, for the endpoints whose keys are documented."""


def unknown_keys(endpoint: str, body: JsonMapping) -> list[str]:
    """Return the keys of a body that its endpoint does not take: those with a value, and v1's form
    of function calls.

    Args:
        endpoint: the endpoint's name; of one that is not in `BODY_KEYS` every key is taken.
        body: the JSON object.
    """
    keys = [key for key, value in body.items() if value is not None]
    unknown = sorted(set(keys) - BODY_KEYS.get(endpoint, frozenset(keys)))
    if endpoint != chat.CHAT_V2.name:
        return unknown
    for index, message in enumerate(body.get("messages") or ()):
        if message.get("role") == "function":
            unknown.append(f"messages.{index}.role")
        if message.get("function_call") is not None:
            unknown.append(f"messages.{index}.function_call")
    return unknown
