"""What cleaning does to rows: the platform's operations by their names, as simple rules.

The platform keeps its word lists, language models and thresholds to itself; here a repetition is counted over
ten signs or five words, perplexity is that of the dataset's own pairs of signs, and few words are flagged.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import row_formats

BITS = 64
PERPLEXITY = "filter_check_perplexity"
FLAGGED = ("赌博", "色情", "毒品", "枪支", "诈骗", "porn", "casino")
TRADITIONAL = str.maketrans(
    "這個們來說時為對會過還後發開學國動樣現經從頭問話點長門間見關電車馬書東風飛機體聽讀寫語請謝歡愛買賣錢銀鐵紅綠藍黃龍鳥魚"
    "貓豬雞麼嗎給誰讓與無員業産產種術務處難題義樂習師醫藥歷軍農廣報設計運進遠選邊達連區縣場報紙號碼網絡資訊環線數據萬億",
    "这个们来说时为对会过还后发开学国动样现经从头问话点长门间见关电车马书东风飞机体听读写语请谢欢爱买卖钱银铁红绿蓝黄龙鸟鱼"
    "猫猪鸡么吗给谁让与无员业产产种术务处难题义乐习师医药历军农广报设计运进远选边达连区县场报纸号码网络资讯环线数据万亿",
)

_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\ufe0f\u200d\U0001f1e6-\U0001f1ff]+")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\t]")
_WEB = re.compile(
    r"</?[A-Za-z][^<>]*>|(?:https?://|www\.)[\w\-./?%&=#:~+@!$',;*()\[\]]+|&[a-z]{2,8};", re.ASCII
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_IP = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_NUMBERS = re.compile(
    r"(?<!\d)(?:\d{17}[\dXx]|\d{16,19}|(?:\+?86[- ]?)?1[3-9]\d{9}|0\d{2,3}-\d{7,8})(?![\dXx])"
)
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+")

Change = Callable[[str], str]
Operations = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass
class Cleaned:
    """What is left of some rows, how many each operation dropped, and how many were changed."""

    kept: list[Any] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    changed: int = 0


def problem_of(operations: Operations) -> str:
    """Return what is wrong with a list of operations, "" when nothing is."""
    for group, steps in operations.items():
        if group not in KNOWN:
            return f"{group!r}; the groups are {', '.join(KNOWN)}"
        for step in steps:
            name, arguments = step.get("name"), step.get("args") or {}
            if name not in KNOWN[group]:
                return f"{group}.{name}; there are {', '.join(KNOWN[group])}"
            if not isinstance(arguments, Mapping) or not all(map(_is_number, arguments.values())):
                return f"{group}.{name}.args: the values are numbers"
            missing = [key for key in KNOWN[group][name] if key not in arguments]
            if missing:
                return f"{group}.{name}.args: {missing[0]} is missing"
    return ""


def cleaned(found: Sequence[Any], operations: Operations) -> Cleaned:
    """Return what the operations leave of some rows: changed first, then filtered, then without likes."""
    result, changes, tests = Cleaned(), _changes(operations), _tests(found, operations)
    for row in found:
        after = row_formats.map_texts(row, lambda text: _through(changes, text))
        whole = "\n".join(row_formats.all_texts(after))
        failed = "empty" if row_formats.has_blank_text(after) else _first_failed(tests, whole)
        if failed:
            result.dropped[failed] += 1
        else:
            result.changed += after != row
            result.kept.append(after)
    return result


class Twins:
    """Texts that were seen, found again by others that differ in few bits of their simhash."""

    def __init__(self, distance: int) -> None:
        self._distance, self._bands = distance, max(1, min(distance + 1, BITS))
        self._seen: dict[tuple[int, int], list[int]] = {}

    def is_new(self, text: str) -> bool:
        """Tell whether no like text was seen, and remember this one then.

        Of distance + 1 bands two such hashes have one in common, so only those need to be compared.
        """
        value = simhash(text)
        width = math.ceil(BITS / self._bands)
        keys = [(band, value >> band * width & (1 << width) - 1) for band in range(self._bands)]
        near = {other for key in keys for other in self._seen.get(key, ())}
        if any((value ^ other).bit_count() <= self._distance for other in near):
            return False
        for key in keys:
            self._seen.setdefault(key, []).append(value)
        return True


def simhash(text: str) -> int:
    """Return 64 bits that differ little between texts that differ little."""
    import numpy as np  # noqa: PLC0415 - half of the start-up time

    pieces = {text[place : place + 3] for place in range(max(1, len(text) - 2))}
    digests = b"".join(hashlib.blake2b(piece.encode(), digest_size=BITS // 8).digest() for piece in pieces)
    votes = np.unpackbits(np.frombuffer(digests, np.uint8)).reshape(-1, BITS)
    return int.from_bytes(np.packbits(votes.sum(axis=0) * 2 > len(votes)).tobytes())


def _surprise(found: Sequence[Any]) -> Callable[[str], float]:
    """Return the perplexity of a text under the pairs of signs of all rows."""
    whole = [text for row in found for text in row_formats.all_texts(row)]
    first = Counter(sign for text in whole for sign in text[:-1])
    both = Counter(text[place : place + 2] for text in whole for place in range(len(text) - 1))
    signs = len(first) + 1

    def perplexity(text: str) -> float:
        pairs = [text[place : place + 2] for place in range(len(text) - 1)]
        bits = sum(math.log((both[pair] + 1) / (first[pair[0]] + signs)) for pair in pairs)
        return math.exp(-bits / len(pairs)) if pairs else 1.0

    return perplexity


def _changes(operations: Operations) -> list[Change]:
    groups = ("clean", "desensitization")
    return [CHANGES[step["name"]] for group in groups for step in operations.get(group, ())]


def _tests(found: Sequence[Any], operations: Operations) -> list[tuple[str, Callable[[str], bool]]]:
    """Return the tests that a row has to pass, each with its name."""
    made: list[tuple[str, Callable[[str], bool]]] = []
    for step in operations.get("filter", ()):
        name, given = step["name"], step["args"]
        if name == PERPLEXITY:
            made.append((name, partial(_is_expected, _surprise(found), given["perplexity_max_cutoff"])))
        else:
            made.append((name, partial(TESTS[name], given)))
    near = operations.get("deduplication", ())
    made += [(step["name"], Twins(int(step["args"]["distance"])).is_new) for step in near]
    return made


def _is_expected(surprise: Callable[[str], float], most: float, text: str) -> bool:
    return surprise(text) <= most


def _first_failed(tests: Sequence[tuple[str, Callable[[str], bool]]], text: str) -> str:
    return next((name for name, test in tests if not test(text)), "")


def _through(changes: Iterable[Change], text: str) -> str:
    for change in changes:
        text = change(text)
    return text


def _without(text: str, categories: str) -> str:
    kept = (sign for sign in text if sign in "\n\r\t" or unicodedata.category(sign) not in categories.split())
    return "".join(kept)


def _repeated(pieces: list[str]) -> float:
    counts = Counter(pieces)
    return sum(count for count in counts.values() if count > 1) / max(len(pieces), 1)


def _runs(parts: Any, length: int) -> list[str]:
    return ["\0".join(parts[place : place + length]) for place in range(len(parts) - length + 1)]


def _share(text: str, test: Callable[[str], bool]) -> float:
    signs = [sign for sign in text if not sign.isspace()]
    return sum(map(test, signs)) / max(len(signs), 1)


def _is_known_language(sign: str) -> bool:
    return sign.isascii() or "\u3000" <= sign <= "\u9fff" or "\uff00" <= sign <= "\uffef"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


CHANGES: dict[str, Change] = {
    "remove_emoji": lambda text: _EMOJI.sub("", text),
    "remove_invisible_character": lambda text: _without(text, "Cc Cf"),
    "replace_uniform_whitespace": lambda text: _SPACES.sub(" ", text),
    "remove_non_meaning_characters": lambda text: _without(text.replace("\ufffd", ""), "Co Cn Cs"),
    "replace_traditional_chinese_to_simplified": lambda text: text.translate(TRADITIONAL),
    "remove_web_identifiers": lambda text: _WEB.sub("", text),
    "replace_emails": lambda text: _EMAIL.sub("[EMAIL]", text),
    "replace_ip": lambda text: _IP.sub("[IP]", text),
    "replace_identifier": lambda text: _NUMBERS.sub("[ID]", text),
}
TESTS: dict[str, Callable[[Mapping[str, float], str], bool]] = {
    "filter_check_number_words": lambda given, text: (
        given["number_words_min_cutoff"] <= len(_WORD.findall(text)) <= given["number_words_max_cutoff"]
    ),
    "filter_check_word_repetition_removal": lambda given, text: (
        _repeated(_runs(_WORD.findall(text), 5)) <= given["word_repetition_max_cutoff"]
    ),
    "filter_check_character_repetition_removal": lambda given, text: (
        _repeated(_runs(text, 10)) <= given["default_character_repetition_max_cutoff"]
    ),
    "filter_check_special_characters": lambda given, text: (
        _share(text, lambda sign: not sign.isalnum()) <= given["special_characters_max_cutoff"]
    ),
    "filter_check_flagged_words": lambda given, text: (
        sum(text.lower().count(word) for word in FLAGGED) / max(len(_WORD.findall(text)), 1)
        <= given["flagged_words_max_cutoff"]
    ),
    "filter_check_lang_id": lambda given, text: (
        _share(text, _is_known_language) >= given["lang_id_min_cutoff"]
    ),
}
_CUTOFFS = {
    "filter_check_number_words": ("number_words_min_cutoff", "number_words_max_cutoff"),
    "filter_check_word_repetition_removal": ("word_repetition_max_cutoff",),
    "filter_check_character_repetition_removal": ("default_character_repetition_max_cutoff",),
    "filter_check_special_characters": ("special_characters_max_cutoff",),
    "filter_check_flagged_words": ("flagged_words_max_cutoff",),
    "filter_check_lang_id": ("lang_id_min_cutoff",),
    PERPLEXITY: ("perplexity_max_cutoff",),
}
_MASKS = ("replace_emails", "replace_ip", "replace_identifier")
KNOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "clean": {name: () for name in CHANGES if name not in _MASKS},
    "filter": _CUTOFFS,
    "deduplication": {"deduplication_simhash": ("distance",)},
    "desensitization": dict.fromkeys(_MASKS, ()),
}
