"""The question that `%qfchat --explain` asks: the notebook's last exception, without any secret."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from .. import config
from ..errors import InvalidArgumentError
from ..redact import redact

MAX_CHARS = 6000
"""Characters of the traceback; its end says most."""


def build_explain_prompt(shell: Any, question: str = "") -> str:
    """Return a prompt about the last exception of the notebook.

    Raises:
        InvalidArgumentError: there was none.
    """
    error = getattr(sys, "last_value", None)
    if error is None:
        raise InvalidArgumentError("there was no exception in this notebook yet (还没有异常可以解释)")
    traceback_text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    for secret in config.credentials():
        traceback_text = traceback_text.replace(secret, "***")
    cells = shell.user_ns.get("In") or [""]
    cell = redact(str(cells[-2] if len(cells) > 1 else cells[-1]))[-MAX_CHARS:]
    request = question or "用中文简要说明这个异常的原因，并给出修改后的代码。"
    return f"{request}\n\n最近的单元格：\n{cell}\n\n异常：\n{redact(traceback_text)[-MAX_CHARS:]}"
