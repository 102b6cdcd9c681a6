"""The options that a route knows: one that it does not know is sent, with one warning that has the nearest name."""

from collections.abc import Mapping
from typing import Any

from ..._language import tr
from ..._text import did_you_mean
from .arguments import ChatOptions
from .thinking import SPELLINGS, warn_once

V2_CHAT_OPTIONS = frozenset(ChatOptions.__annotations__) | {
    *SPELLINGS, "enable_system_memory", "enable_trace", "extra_parameters", "function_call", "logit_bias", "logprobs",
    "max_tokens", "metadata", "n", "parallel_tool_calls", "repetition_penalty", "safety", "stream_options",
    "system_memory_id", "top_k", "top_logprobs", "trace_number", "web_search",
}  # fmt: skip
"""Options of `/v2/chat/completions`: its page, and names of v1 and of OpenAI that it may take."""


def warn_unknown_options(options: Mapping[str, Any], *, is_qianfan: bool) -> None:
    """Warn once of each option that v2 of chat does not know.

    Args:
        options: of the call.
        is_qianfan: False for another server, which may have options of its own: only a misspelt one is named.
    """
    for name in options.keys() - V2_CHAT_OPTIONS:
        suggestion = did_you_mean(name, V2_CHAT_OPTIONS)
        if suggestion or is_qianfan:
            warn_once(
                tr(
                    "{name}= is not an option of v2 chat and is sent as it is{suggestion}",
                    name=name,
                    suggestion=suggestion,
                )
            )
