"""Completion, v1 (`/completions/<endpoint>`): a prompt that is continued."""

from __future__ import annotations

from .base import Record
from .chat import V1_PREFIX, ChatReply
from .endpoints import Endpoint


class CompletionRequest(Record):
    """What both kinds of completion model take; further options travel as they are."""

    prompt: str
    stream: bool = False


COMPLETION_V1 = Endpoint(
    "completion.v1", V1_PREFIX + "/completions/{model}", CompletionRequest, ChatReply, plane="v1"
)
