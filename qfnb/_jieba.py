"""Chinese word segmentation by jieba, as the console's scores use it."""

import functools
import importlib
import logging
import warnings
from collections.abc import Callable
from typing import Any

from . import config


@functools.cache
def load_cutter() -> Callable[[str], list[str]] | None:
    """Return jieba's function from text to words, None if jieba is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's own, at import, on newer Pythons
        try:
            jieba: Any = importlib.import_module("jieba")
        except ImportError:
            return None
    jieba.setLogLevel(logging.WARNING)
    # jieba's default is a fixed name in /tmp, which others can write
    cache = config.state_dir() / "words"
    cache.mkdir(mode=0o700, exist_ok=True)
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(cache)
    cut: Callable[[str], list[str]] = tokenizer.lcut
    return cut
