"""How many tokens a text has: counted by the platform, or estimated here without a call."""

from __future__ import annotations

import re
from typing import Any, Literal

from ...errors import InvalidArgumentError
from ...transport.client import CallOptions
from ...wire import inference as wire
from .inference_model import InferenceModel, InferenceRequest, PreparedCall
from .reply import Reply

_CJK = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W_]+")


class TokenizerResponse(Reply[wire.TokenizerReply]):
    """The platform's count."""


class Tokenizer(InferenceModel[TokenizerResponse]):
    """Count tokens.

    Source: the official SDK's Tokenizer.
    """

    reply_type = TokenizerResponse

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
        request = InferenceRequest(wire.TOKENIZER, record, record.model)
        return self._create_call(lambda *_: request, CallOptions())
