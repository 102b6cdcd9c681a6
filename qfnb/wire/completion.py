"""Completion, v1 (`/completions/<endpoint>`): a prompt that is continued."""

from __future__ import annotations

from .base import Endpoint, Record
from .chat import V1_PREFIX, ChatReply


class CompletionRequest(Record):
    """What both kinds of completion model take; further options travel as they are."""

    prompt: str
    stream: bool = False


COMPLETION_V1 = Endpoint(
    "completion.v1", V1_PREFIX + "/completions/{model}", CompletionRequest, ChatReply, plane="v1"
)
