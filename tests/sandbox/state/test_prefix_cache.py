"""The prefix cache: what is found again, for whom, and for how long."""

from qfnb.base.text import count_tokens
from qianfan_sandbox.state.world import BLOCK_CHARS, MAX_BLOCKS, SECONDS, PrefixCache

TEXT = "本条规定适用于所有参加者，" * 200
TOKENS = count_tokens(TEXT)


def cache(times=(0.0,)):
    now = list(times)
    return PrefixCache(lambda: now.pop(0) if len(now) > 1 else now[0])


def test_the_whole_blocks_of_a_repeated_prompt_are_cached():
    prefixes = cache()
    assert prefixes.read("key", TEXT) == 0
    cached = prefixes.read("key", TEXT)
    assert TOKENS - BLOCK_CHARS <= cached <= TOKENS


def test_only_the_equal_beginning_is_cached():
    prefixes = cache()
    prefixes.read("key", TEXT)
    half = TEXT[: len(TEXT) // 2]
    assert prefixes.read("key", half + "别的内容。" * 300) <= count_tokens(half)
    assert prefixes.read("key", "别" + TEXT) == 0


def test_another_key_has_another_cache():
    prefixes = cache()
    prefixes.read("one", TEXT)
    assert prefixes.read("two", TEXT) == 0


def test_a_prefix_is_kept_from_its_last_use():
    prefixes = cache([0.0, SECONDS - 1, 2 * SECONDS - 2, 4 * SECONDS])
    assert [prefixes.read("key", TEXT) > 0 for _ in range(4)] == [False, True, True, False]


def test_the_oldest_prefixes_are_dropped():
    prefixes = cache()
    prefixes.read("key", TEXT)
    prefixes.read("key", "".join(map(str, range(MAX_BLOCKS * BLOCK_CHARS // 5))))
    assert prefixes.read("key", TEXT) == 0
