"""Token lengths of rows, and warnings: duplicates, near-duplicates, conflicts, rows too long for a
model.

Two texts are nearly the same if they have the same words in the same order, without regard to case,
punctuation, spaces and polite words ("please"), but for one word that one of them has and the other
lacks. A Chinese character counts as a word; numbers are never left out. Who was trained on one has
learnt the answer to the other.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

from ..base.language import tr, trn
from ..base.text import clip, listed
from ..resources.inference.embedding_reranker_tokenizer import Tokenizer
from ..wire import catalog
from .row_formats import row_key
from .schema import Row, Schema

SAMPLE_SIZE = 400  # rows that are counted for an estimate


def row_tokens(row: Row, schema: Schema) -> int:
    """Return the tokens of all texts of a row."""
    return sum(map(count_tokens, map(row.get, schema.columns)))


def estimate_tokens(rows: Sequence[Row], schema: Schema) -> tuple[int, bool]:
    """Return the tokens of all rows, and whether they were counted; beyond `SAMPLE_SIZE` rows they
    are estimated.
    """
    count_row = partial(row_tokens, schema=schema)
    if len(rows) <= SAMPLE_SIZE:
        return sum(map(count_row, rows)), True
    step = len(rows) / SAMPLE_SIZE
    sample = [rows[int(index * step)] for index in range(SAMPLE_SIZE)]
    return round(sum(map(count_row, sample)) * step), False


def count_tokens(value: Any) -> int:
    """Return the tokens of a text, or of all texts in turns and lists."""
    if isinstance(value, str):
        return _TOKENIZER.count_tokens(value)
    if isinstance(value, dict):
        return sum(map(count_tokens, value.values()))
    if isinstance(value, list):
        return sum(map(count_tokens, value))
    return 0


_TOKENIZER = Tokenizer()


MAX_COMPARED_ROWS: Final = 20_000
"""Rows of a dataset that are compared: the first ones. 20,000 of 12 to 40 words take a second."""

_MAX_WORDS = 80  # of a text in which one word may be left out; a longer one must be equal
_POLITE = re.compile(r"请问|麻烦|您好|你好|请|\b(?:please|hello|hi|kindly)\b")
_WORDS = re.compile(r"[^\W\d_\u2e80-\u9fff\uf900-\ufaff]+|\d+|[\u2e80-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True)
class NearDuplicates:
    """The inputs of a dataset that nearly repeat others.

    Attributes:
        count: how many do.
        compared: how many were compared.
        pair: one of them, and the text that it repeats; None without any.
    """

    count: int = 0
    compared: int = 0
    pair: tuple[str, str] | None = None

    def describe_overlap(self) -> str:
        """Return what it means where the inputs are for evaluation, and the others are trained
        on.
        """
        return trn(
            "{n} of {compared} evaluation rows nearly repeats a training row: scores will look too "
            "good.",
            "{n} of {compared} evaluation rows nearly repeat training rows: scores will look too "
            "good.",
            self.count,
            compared=f"{self.compared:,}",
        )

    def describe_pair(self) -> str:
        """Return the pair as a sentence, "" without any."""
        if self.pair is None:
            return ""
        one, two = self.pair
        return tr("For example “{one}” and “{two}”.", one=clip(one, 80), two=clip(two, 80))


def find_near_duplicates(texts: Sequence[str], references: Sequence[str] = ()) -> NearDuplicates:
    """Return which texts nearly repeat, or repeat, one of the references; without references, an
    earlier text.

    Args:
        texts: the inputs that are looked at.
        references: the inputs that they may repeat.
    """
    whole: dict[str, str] = {}  # texts by their words, and by all but one of their words
    shortened: dict[str, str] = {}
    pairs = []
    for number, text in enumerate((*references, *texts)):
        words = _question_tokens(text)
        key = " ".join(words)
        shorter_keys = _shorter_keys(words)
        is_text = number >= len(references)
        candidates = [whole.get(key), shortened.get(key), *map(whole.get, shorter_keys)]
        earlier_text = next(filter(None, candidates), None)
        if is_text and earlier_text is not None:
            pairs.append((text, earlier_text))
        if not (is_text and references):
            whole.setdefault(key, text)
            shortened.update(dict.fromkeys(shorter_keys, text))
    example = next((pair for pair in pairs if pair[0] != pair[1]), pairs[0] if pairs else None)
    return NearDuplicates(len(pairs), len(texts), example)


def input_texts(rows: Iterable[Row], schema: Schema) -> list[str]:
    """Return the texts that a model reads of the first `MAX_COMPARED_ROWS` rows: earlier questions
    and the last one.
    """
    inputs = []
    for row in islice(rows, MAX_COMPARED_ROWS):
        texts = [turn["prompt"] for turn in row.get("history") or ()]
        for column in schema.inputs:
            texts.append(str(row.get(column) or ""))
        inputs.append(" ".join(texts))
    return inputs


def _question_tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORDS.findall(_POLITE.sub(" ", plain)) or [text]


def _shorter_keys(words: list[str]) -> Iterable[str]:
    """Return the keys of a text with one of its words left out, numbers excepted."""
    if not 1 < len(words) <= _MAX_WORDS:
        return ()
    keys = []
    for position, word in enumerate(words):
        if not word.isdecimal():
            keys.append(" ".join(words[:position] + words[position + 1 :]))
    return keys


@dataclass(frozen=True)
class Findings:
    """Warnings about a dataset, which can be used all the same; false without any."""

    rows: int  # the number of rows
    duplicates: int  # rows that are identical to an earlier one
    conflicts: int  # rows with the input of an earlier one and another answer
    limit: int | None = None  # tokens that a row may have, None when no limit is known
    too_long: tuple[int, ...] = ()  # numbers of the rows that have more, from 1; the first ten
    too_long_count: int = 0  # the number of all rows that have more
    near_duplicates: NearDuplicates = field(
        default_factory=NearDuplicates
    )  # inputs that nearly repeat an earlier one, equal ones aside

    def __bool__(self) -> bool:
        return bool(self.items())

    def __str__(self) -> str:
        return "\n".join(self.lines()) or trn(
            "{n} row, nothing noticeable", "{n} rows, nothing noticeable", self.rows
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def lines(self) -> list[str]:
        """Return the warnings with what to do, one per line."""
        lines = []
        for statement, remedy in self.items():
            lines.append(f"{statement} {remedy}".replace("`", ""))
        return lines

    def items(self) -> list[tuple[str, str]]:
        """Return the warnings, each with what to do; code in what to do stands between
        backquotes.
        """
        items = []
        if self.duplicates:
            statement = trn(
                "{n} row is the same as an earlier one.",
                "{n} rows are the same as an earlier one.",
                self.duplicates,
            )
            items.append((statement, tr("Without them: `ds = ds.deduplicate()`")))
        if self.conflicts:
            statement = trn(
                "{n} row has the question of an earlier one and another answer.",
                "{n} rows have the question of an earlier one and another answer.",
                self.conflicts,
            )
            items.append(
                (statement, tr("Keep one answer to each: `ds = ds.deduplicate(by=['prompt'])`"))
            )
        if (pair := self.near_duplicates.pair) is not None:
            statement = trn(
                "{n} question nearly repeats an earlier one.",
                "{n} questions nearly repeat an earlier one.",
                self.near_duplicates.count,
            )
            remedy = tr(
                "“{one}” and “{two}”, for example. Held-out rows should not repeat training rows: "
                "keep one of each.",
                one=clip(pair[0], 60),
                two=clip(pair[1], 60),
            )
            items.append((statement, remedy))
        if self.too_long_count:
            statement = trn(
                "{n} row has more than {limit} tokens, by estimate.",
                "{n} rows have more than {limit} tokens, by estimate.",
                self.too_long_count,
                limit=f"{self.limit:,}",
            )
            numbers = listed(self.too_long)
            if self.too_long_count > len(self.too_long):
                numbers += ", …"
            items.append(
                (statement, tr("Shorten or drop them (numbers from 1): {rows}", rows=numbers))
            )
        return items


def check_rows(
    rows: Sequence[Row], schema: Schema, model: str | None = None, max_tokens: int | None = None
) -> Findings:
    """Return warnings about rows."""
    limit = max_tokens
    if model and not limit and (model_row := catalog.find_model("chat", model)):
        limit = model_row.max_input or model_row.context
    distinct_rows = {*map(row_key, rows)}
    distinct_inputs = {row_key(row, ("system", "history", *schema.inputs)) for row in rows}
    long_rows = []
    for number, row in enumerate(rows, 1):
        if limit and row_tokens(row, schema) > limit:
            long_rows.append(number)
    return Findings(
        len(rows),
        len(rows) - len(distinct_rows),
        len(distinct_rows) - len(distinct_inputs),
        limit,
        tuple(long_rows[:10]),
        len(long_rows),
        find_near_duplicates([*dict.fromkeys(input_texts(rows, schema))]),
    )
