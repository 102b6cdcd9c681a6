"""Chinese words as jieba cuts them: the console counts its scores in them, and the sandbox does too."""

from __future__ import annotations

import functools
import importlib
import logging
import warnings
from collections.abc import Callable
from typing import Any

from . import config


@functools.cache
def load_cutter() -> Callable[[str], list[str]] | None:
    """Return what cuts a text into words, None where jieba is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, at import, on newer Pythons
        try:
            jieba: Any = importlib.import_module("jieba")
        except ImportError:
            return None
    jieba.setLogLevel(logging.WARNING)
    cache = config.state_dir() / "words"  # its own choice is a name in /tmp that anybody may have written
    cache.mkdir(mode=0o700, exist_ok=True)
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(cache)
    cut: Callable[[str], list[str]] = tokenizer.lcut
    return cut
