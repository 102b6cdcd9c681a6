"""The platform's cleaning operations by name: plain patterns change texts, all others are only recorded."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Operations = Mapping[str, Sequence[Mapping[str, Any]]]
"""Group of operations -> its steps, each `{"name": ..., "args": {...}}`."""

_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\ufe0f\u200d\U0001f1e6-\U0001f1ff]+")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\t]")
_WEB = re.compile(
    r"</?[A-Za-z][^<>]*>|(?:https?://|www\.)[\w\-./?%&=#:~+@!$',;*()\[\]]+|&[a-z]{2,8};", re.ASCII
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_IP = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_IDENTIFIER = re.compile(
    r"(?<!\d)(?:\d{17}[\dXx]|\d{16,19}|(?:\+?86[- ]?)?1[3-9]\d{9}|0\d{2,3}-\d{7,8})(?![\dXx])"
)


def _without_categories(text: str, *categories: str) -> str:
    """Return a text without the characters of some Unicode categories; line breaks and tabs stay."""
    return "".join(char for char in text if char in "\n\r\t" or unicodedata.category(char) not in categories)


TEXT_CHANGES: dict[str, Callable[[str], str]] = {
    "remove_emoji": lambda text: _EMOJI.sub("", text),
    "remove_invisible_character": lambda text: _without_categories(text, "Cc", "Cf"),
    "replace_uniform_whitespace": lambda text: _SPACES.sub(" ", text),
    "remove_non_meaning_characters": lambda text: _without_categories(
        text.replace("\ufffd", ""), "Co", "Cn", "Cs"
    ),
    "remove_web_identifiers": lambda text: _WEB.sub("", text),
    "replace_emails": lambda text: _EMAIL.sub("[EMAIL]", text),
    "replace_ip": lambda text: _IP.sub("[IP]", text),
    "replace_identifier": lambda text: _IDENTIFIER.sub("[ID]", text),
}
"""What the operations of the groups `clean` and `desensitization` do to a text."""

_MASKS = ("replace_emails", "replace_ip", "replace_identifier")
REQUIRED_ARGUMENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "clean": {
        name: ()
        for name in (*TEXT_CHANGES, "replace_traditional_chinese_to_simplified")
        if name not in _MASKS
    },
    "filter": {
        "filter_check_number_words": ("number_words_min_cutoff", "number_words_max_cutoff"),
        "filter_check_word_repetition_removal": ("word_repetition_max_cutoff",),
        "filter_check_character_repetition_removal": ("default_character_repetition_max_cutoff",),
        "filter_check_special_characters": ("special_characters_max_cutoff",),
        "filter_check_flagged_words": ("flagged_words_max_cutoff",),
        "filter_check_lang_id": ("lang_id_min_cutoff",),
        "filter_check_perplexity": ("perplexity_max_cutoff",),
    },
    "deduplication": {"deduplication_simhash": ("distance",)},
    "desensitization": dict.fromkeys(_MASKS, ()),
}
"""Group -> operation -> the names of its arguments, which are numbers."""


def find_problem(operations: Operations) -> str:
    """Return what is wrong with a list of operations, "" when nothing is."""
    for group, steps in operations.items():
        if group not in REQUIRED_ARGUMENTS:
            return f"{group!r}; the groups are {', '.join(REQUIRED_ARGUMENTS)}"
        allowed = REQUIRED_ARGUMENTS[group]
        for step in steps:
            name, arguments = step.get("name"), step.get("args") or {}
            if name not in allowed:
                return f"{group}.{name}; there are {', '.join(allowed)}"
            if not isinstance(arguments, Mapping) or not all(map(_is_number, arguments.values())):
                return f"{group}.{name}.args: the values are numbers"
            missing = [key for key in allowed[name] if key not in arguments]
            if missing:
                return f"{group}.{name}.args: {missing[0]} is missing"
    return ""


def text_change(operations: Operations) -> Callable[[str], str]:
    """Return the function that does the operations to a text: those of `clean` first, then the masks."""
    steps = [step["name"] for group in ("clean", "desensitization") for step in operations.get(group, ())]
    changes = [TEXT_CHANGES[name] for name in steps if name in TEXT_CHANGES]

    def change(text: str) -> str:
        for apply in changes:
            text = apply(text)
        return text

    return change


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
