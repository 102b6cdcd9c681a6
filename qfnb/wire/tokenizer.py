"""How many tokens a text has, by the platform's count."""

from __future__ import annotations

from .base import Record
from .chat import V1_PREFIX, Usage
from .endpoints import Endpoint


class TokenizerRequest(Record):
    """A text, and the model whose tokens count."""

    prompt: str
    model: str = "ernie-3.5-8k"


class TokenizerReply(Record):
    """The count, in `usage`."""

    id: str = ""
    object: str = "tokenizer.erniebot"
    created: int = 0
    usage: Usage | None = None


TOKENIZER = Endpoint(
    "tokenizer.v1", V1_PREFIX + "/tokenizer/erniebot", TokenizerRequest, TokenizerReply, plane="v1"
)
