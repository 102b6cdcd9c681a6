"""The prefix cache: which beginnings of prompts were read before, by key and model."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from qfnb.base.text import count_tokens

BLOCK_CHARS = 128
MIN_TOKENS = 64
SECONDS = 600.0
MAX_BLOCKS = 50_000
"""A prefix is whole blocks of characters, has at least these tokens, and is kept for this long
after its last use.
"""


class PrefixCache:
    """Remembers prompts by the hashes of their blocks, each of which covers all blocks before
    it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._expiries: OrderedDict[bytes, float] = OrderedDict()

    def read(self, owner: str, prompt: str) -> int:
        """Return how many tokens of a prompt are cached, and cache all of it.

        Args:
            owner: the key and the model that the prompt is of.
            prompt: the whole text that the model reads.
        """
        now = self._now()
        cached_chars = 0
        is_cached = True
        digest = hashlib.blake2b(owner.encode("utf-8", "replace"), digest_size=12)
        for end in range(BLOCK_CHARS, len(prompt) + 1, BLOCK_CHARS):
            digest.update(prompt[end - BLOCK_CHARS : end].encode("utf-8", "replace"))
            block = digest.digest()
            is_cached = is_cached and self._expiries.get(block, 0.0) > now
            cached_chars = end if is_cached else cached_chars
            self._expiries[block] = now + SECONDS
            self._expiries.move_to_end(block)
        while len(self._expiries) > MAX_BLOCKS:
            self._expiries.popitem(last=False)
        tokens = count_tokens(prompt[:cached_chars])
        return tokens if tokens >= MIN_TOKENS else 0
