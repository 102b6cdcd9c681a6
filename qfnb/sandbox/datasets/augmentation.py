"""New rows after the example of others: the same questions in other words, with the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

PHRASES = (
    "请问，{}",
    "我想了解一下：{}",
    "{}请简要说明。",
    "帮我看看这个问题：{}",
    "有人问：“{}”该怎么回答？",
    "对于下面的问题，请给出回答。\n{}",
    "你好，{}谢谢！",
    "能不能告诉我，{}",
)
"""What a question is put into; `{}` is the question."""


def phrased_anew(found: Sequence[list[dict[str, Any]]], wanted: int, threshold: float) -> list[Any]:
    """Return up to so many new rows; none is as like its example as the threshold, or there already."""
    made: list[Any] = []
    known = {row[-1]["prompt"] for row in found}
    for row, prompt in _candidates(found):
        if len(made) >= wanted:
            break
        before = row[-1]["prompt"]
        if prompt not in known and SequenceMatcher(None, before, prompt).ratio() <= threshold:
            known.add(prompt)
            made.append([*row[:-1], row[-1] | {"prompt": prompt}])
    return made


def _candidates(found: Sequence[list[dict[str, Any]]]) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Yield every row once with each phrase, all rows with the first phrase before any with the second."""
    for phrase in PHRASES:
        for row in found:
            yield row, phrase.format(row[-1]["prompt"])
