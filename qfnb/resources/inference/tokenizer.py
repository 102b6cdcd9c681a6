"""How many tokens a text has: counted by the platform, or estimated here without a call."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Literal

from ...errors import InvalidArgumentError
from ...transport.client import CallOptions
from ...wire import tokenizer as wire
from .inference_model import InferenceModel, PreparedCall, Route
from .reply import Reply, create_reply

_CJK = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W_]+")


class TokenizerResponse(Reply[wire.TokenizerReply]):
    """The platform's count."""


class Tokenizer(InferenceModel[TokenizerResponse]):
    """Count tokens.

    Source: the official SDK's Tokenizer.
    """

    def count_tokens(
        self, text: str, mode: Literal["local", "remote"] = "local", model: str = "ERNIE-3.5-8K"
    ) -> int:
        """Return how many tokens a text has.

        Args:
            text: any text.
            mode: `local` estimates (0.625 per Chinese character, 1 per word) without a call; `remote` asks
                the platform.
            model: whose tokens count.

        Raises:
            InvalidArgumentError: the mode is neither.
        """
        if mode == "local":
            others, characters = _CJK.subn(" ", text)
            return int(0.625 * characters + len(_WORD.findall(others)))
        if mode != "remote":
            raise InvalidArgumentError(f"mode={mode!r}: it is 'local' or 'remote'")
        return self._run(self.prepare(text, model)).usage.total_tokens or 0

    def prepare(
        self, item: str, model: str = "ERNIE-3.5-8K", **options: Any
    ) -> PreparedCall[TokenizerResponse]:
        """Return the call for one text."""
        record = wire.TokenizerRequest(prompt=item, model=model.lower(), **options)
        route = Route(wire.TOKENIZER, record, record.model)
        return PreparedCall(lambda _platform: route, partial(create_reply, TokenizerResponse), CallOptions())
