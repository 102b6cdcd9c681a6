"""Whether the fields of a composed answer are like those of training: known keys, and values that
are whole.

A generator that copies character by character may stop too early, go on too long, write a key twice
or take the value of another field, each step being likely. What it was trained on says more: the
keys of an answer, the words between which the values of a field stand in a question, and that they
are not cut there. What a field never had in training is as unlikely as Good and Turing estimate it.
(Good 1953, "The population frequencies of species and the estimation of population parameters".)

Rows of training with other values in their fields teach a generator to copy names that it has not
seen; without them it learns how long the names of its training are, and which characters they have.
(Fadaee, Bisazza and Monz 2017, arXiv 1705.00440, augment rare words likewise.)
"""

from __future__ import annotations

import contextlib
import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from qfnb.wire.base import JsonObject

from .features import MAX_PROMPT, Pair, common_characters

MAX_SHARE_OF_NEW = 0.1
"""The estimated share of new events in a field from which one more says nothing."""

MAX_EVENTS = 1000  # different ones that are counted in a field

# of a context in another field, from which a value that stands there is that field's
MIN_SIGHTINGS = 3

MARKS = re.compile(r"[^\w.']+|[.'](?!\w)")  # between the values of an answer that is not JSON

KEYS = "keys"
WORDS = "words"

VALUE = "\0"
"""What stands for a value in a question."""

SUBSTITUTED_VALUES = 0.7
"""The share of the values of a row that are replaced."""

MIN_DIGITS = 3  # of a number that is replaced; smaller ones are counts and dates

MAX_LETTERS = 11
MAX_WORDS = 3

LONGER_NUMBERS = 0.3
"""The share of the replaced numbers that get one digit more."""

AnswerField = tuple[str, str]
"""A field of an answer, with its value."""


class AnswerLayout(NamedTuple):
    """An answer as its keys, or its marks, and its fields."""

    keys: str
    fields: list[AnswerField]
    has_repeated_key: bool = False

    @classmethod
    def of(cls, answer: str) -> AnswerLayout:
        """Return the layout of an answer: that of JSON, or of values between marks."""
        repeated: list[str] = []

        def read_object(items: list[tuple[str, Any]]) -> JsonObject:
            counts = Counter(key for key, _ in items)
            repeated.extend(key for key, count in counts.items() if count > 1)
            return dict(items)

        value = None
        if answer.startswith(("{", "[")):
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(answer, object_pairs_hook=read_object)
        if value is None:
            marks = "".join(MARKS.findall(answer))
            values = [word for word in MARKS.split(answer) if word]
            return cls(marks, [(f"{marks}{number}", word) for number, word in enumerate(values)])
        fields = list(_leaves(value, ""))
        return cls(
            " ".join(["JSON", *dict.fromkeys(name for name, _ in fields)]), fields, bool(repeated)
        )


def _leaves(value: Any, path: str) -> Iterator[AnswerField]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{path}/")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


class FieldCounts:
    """How often each event was seen in the fields of the answers that a generator was trained on.

    Args:
        counts: the counts by field: of keys, of words of the questions that are no values, of what
            stands before a value, of values that are not in their question, and of values that are
            a part of a word.
    """

    def __init__(self, counts: dict[str, Counter[str]] | None = None) -> None:
        self.counts = counts or {}

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> FieldCounts:
        """Count the events of pairs."""
        counts = cls()
        rows: list[tuple[str, AnswerLayout]] = []
        for prompt, answer in pairs:
            question = prompt[:MAX_PROMPT].lower()
            layout = AnswerLayout.of(answer)
            rows.append((question, layout))
            frame = _masked(question, [value for _, value in layout.fields])
            for word in set(_tokenize_field(frame)):
                counts._count(WORDS, word)
        for question, layout in rows:
            counts._count(KEYS, layout.keys)
            for name, value in layout.fields:
                first_occurrence = counts._events(question, layout, value)[0]
                for side, event in first_occurrence.items():
                    counts._count(f"{side} {name}", event)
        return counts

    def extended(self, other: FieldCounts) -> FieldCounts:
        """Return the counts of both."""
        names = self.counts.keys() | other.counts.keys()
        empty: Counter[str] = Counter()
        return FieldCounts(
            {name: self.counts.get(name, empty) + other.counts.get(name, empty) for name in names}
        )

    def plausibility(self, prompt: str, answer: str) -> float:
        """Return 1, or how likely (0-1) the least likely event of an answer is; 0 if it has a key
        twice.
        """
        layout = AnswerLayout.of(answer)
        if layout.has_repeated_key:
            return 0.0
        question = prompt[:MAX_PROMPT].lower()
        fields = [self._plausibility_of(field, question, layout) for field in layout.fields]
        return min([self._likelihood(KEYS, layout.keys), *fields])

    def _plausibility_of(self, field: AnswerField, question: str, layout: AnswerLayout) -> float:
        """Return how likely a field is: its value at the best of its places, a place by its least
        likely event.
        """
        name, value = field
        occurrences = self._events(question, layout, value)
        best = 0.0
        for events in occurrences:
            likelihoods = []
            for side, event in events.items():
                likelihoods.append(self._likelihood_in(side, name, event, layout))
            best = max(best, min(likelihoods))
        return best

    def _events(self, prompt: str, layout: AnswerLayout, value: str) -> list[dict[str, str]]:
        """Return the events of each occurrence of a value in a question, those of its absence if
        there is none.
        """
        value = value.lower()
        starts = []
        if value:
            starts = [match.start() for match in re.finditer(f"(?={re.escape(value)})", prompt)]
        if not starts:
            return [{"value": value}]
        values = [item.lower() for _, item in layout.fields]
        others = [item for item in values if item != value]
        occurrences = []
        for start in starts:
            before = prompt[:start]
            after = prompt[start + len(value) :]
            masked = _masked(before, others)
            edges = [
                self._edge(value[::-1], before[::-1], masked[::-1], -1),
                self._edge(value, after, _masked(after, others), 1),
            ]
            occurrences.append(
                {
                    "value": "",
                    "context": "".join(_tokenize_field(masked)[-2:]),
                    "edges": " ".join(edges),
                    "shared": "yes" if values.count(value) > len(starts) else "",
                }
            )
        return occurrences

    def _edge(self, value: str, neighbours: str, masked: str, step: int) -> str:
        """Return what is odd about the end of a value in a text: "cut", "blank" or "word", which is
        none of a value.

        Args:
            value: read towards its end.
            neighbours: the text beyond that end.
            masked: the same with signs for values.
            step: 1 if the text is read forwards, -1 if backwards.
        """
        if value[-1].isspace():
            return "blank"
        if self._is_cut(value[-1], neighbours, masked, step):
            return "cut"
        last_word = re.search(r"[a-z]+$|[^\W\da-z_]$", value)
        if last_word is None or last_word.start() == 0:
            return ""
        if self._is_word(last_word[0][::step]):
            return "word"
        return ""

    def _is_cut(self, last: str, neighbours: str, masked: str, step: int) -> bool:
        """Return whether a value goes on beyond its last character."""
        if last.isdigit():
            return neighbours[:1].isdigit()
        if last.isascii():
            if not last.isalpha():
                return False
            if re.match("['-]?[a-z]", neighbours):
                return True
            following = re.match(" ([a-z]+)", masked)
            return following is not None and not self._is_word(following[1][::step])
        character = masked[:1]
        return character.isalpha() and not character.isascii() and not self._is_word(character)

    def _is_word(self, word: str) -> bool:
        """Return whether questions have a word that is no part of a value."""
        return self.counts.get(WORDS, Counter[str]())[word] > 0

    def _likelihood_in(self, side: str, name: str, event: str, layout: AnswerLayout) -> float:
        if side == "context":
            fields = [field for field, _ in layout.fields if field != name]
            counters = [self.counts.get(f"{side} {field}", Counter[str]()) for field in fields]
            if all(counter[event] < MIN_SIGHTINGS for counter in counters):
                return 1.0
        return self._likelihood(f"{side} {name}", event)

    def _count(self, name: str, event: str) -> None:
        counter = self.counts.setdefault(name, Counter())
        if event in counter or len(counter) < MAX_EVENTS:
            counter[event] += 1

    def _likelihood(self, name: str, event: str) -> float:
        counter = self.counts.get(name, Counter[str]())
        if counter[event]:
            return 1.0
        once = sum(count == 1 for count in counter.values())
        share_of_new = (once + 1) / (counter.total() + 1)
        if share_of_new <= MAX_SHARE_OF_NEW:
            return share_of_new
        return 1.0


def _masked(text: str, values: Sequence[str]) -> str:
    """Return a text with a sign for each value in it that is no part of a number or of a word of
    letters.
    """
    for value in sorted(
        {value.lower() for value in values if value and value.lower() in text},
        key=len,
        reverse=True,
    ):
        text = re.sub(
            f"{_no_more('<', value[0])}{re.escape(value)}{_no_more('', value[-1])}", VALUE, text
        )
    return text


def _no_more(side: str, edge: str) -> str:
    if edge.isdigit():
        return rf"(?{side}!\d)"
    if edge.isascii() and edge.isalpha():
        return f"(?{side}![a-z])"
    return ""


def _tokenize_field(text: str) -> list[str]:
    """Return the words of a text: of letters with the blanks before them, of digits, or single
    characters.
    """
    return re.findall(r"[a-z]+|\S", re.sub(r"\d+", "0", text))


def substitute(pair: Pair, random: np.random.Generator) -> Pair:
    """Return a row with other values in the fields that it copies once, the row itself if there are
    none.
    """
    prompt, answer = pair
    for _, value in AnswerLayout.of(answer).fields:
        if (
            len(value) > 1
            and prompt.count(value) == answer.count(value) == 1
            and random.random() < SUBSTITUTED_VALUES
        ):
            new_value = _similar(value, random)
            prompt = prompt.replace(value, new_value)
            answer = answer.replace(value, new_value)
    return prompt, answer


def _similar(value: str, random: np.random.Generator) -> str:
    """Return a value of the same kind, not always of the same length."""

    def draw(characters: str, count: int) -> str:
        return "".join(
            characters[index] for index in random.integers(len(characters), size=max(1, count))
        )

    if any(char.isdigit() for char in value):
        if len(value) < MIN_DIGITS:
            return value
        longer = ""
        if value[-1].isdigit() and random.random() < LONGER_NUMBERS:
            longer = draw(string.digits, 1)
        return re.sub(r"\d", lambda _: draw(string.digits, 1), value) + longer
    if value.isascii():
        words = [
            draw(string.ascii_lowercase, int(random.integers(2, MAX_LETTERS + 1)))
            for _ in range(random.integers(1, MAX_WORDS + 1))
        ]
        return " ".join(word.capitalize() if value[0].isupper() else word for word in words)
    return draw(common_characters(), len(value) + int(random.integers(-1, 3)))
