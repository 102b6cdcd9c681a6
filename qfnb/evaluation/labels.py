"""Answers of a report before a person, one question after the other; without a front end it is
driven from Python.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..base.language import tr
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from . import label_journal as journal
from .report import EvaluationResult, question_fields, select_samples
from .report.judging import HumanAgreement, label_scale, measure_agreement
from .samples import Sample

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    "index", "label", "person", "prompt", "reference", "first", "second", "shown_first", "seed",
    "labelled",
)  # fmt: skip
PAIR_WORDS: Final = ("a", "b", journal.TIE, journal.SKIP)
RIGHT_WORDS: Final = {"right": 1, "wrong": 0}


@dataclass(frozen=True)
class LabelTask:
    """What a person is asked; nothing in it says which model answered.

    Attributes:
        index: of the question in the dataset.
        a, b: the answers, in shuffled sides; `b` is "" where one answer gets a score.
        label: the person's earlier word on it, "" without one.
    """

    index: int
    prompt: str
    reference: str
    a: str
    b: str = ""
    label: str = ""


@dataclass(frozen=True)
class _Item:
    """A question with the answers that are labelled."""

    key: bytes
    first: Sample
    second: Sample | None
    is_mirrored: bool  # whether the second answer is shown as A


class Labels:
    """The labels of people on a report's answers: two of them side by side, or the only one with a
    score.

    Each label is in a journal on this computer before the next question comes; the same call goes
    on where it was, in a new kernel too. Order and sides are shuffled by the seed, so that the
    labels so far are a random sample.

    Args:
        report: the report.
        base, tuned: the two models, by default the first and the last.
        rows: indexes of the questions, default all that both have answered with different texts.
        person: who labels; two people's labels of the same answers are both counted.
        seed: of order and sides; it is stored with each label.

    Raises:
        InvalidArgumentError: the report does not have such models or questions, or nothing can be
            labelled.
    """

    def __init__(
        self,
        report: EvaluationResult,
        *,
        base: str | None = None,
        tuned: str | None = None,
        rows: Iterable[int] | None = None,
        person: str = "",
        seed: int = 0,
    ) -> None:
        if not isinstance(person, str) or not isinstance(seed, int):
            raise InvalidArgumentError(
                tr(
                    "person={person!r}, seed={seed!r}: a text and a whole number",
                    person=person,
                    seed=seed,
                )
            )
        self.report = report
        self.person = person
        self.seed = seed
        self.models = (base or report.models[0], tuned or report.models[-1])
        self.kind: journal.Kind = "score" if self.models[0] == self.models[1] else "pair"
        self.scale = label_scale(report)
        self._lock = threading.RLock()
        self._items = self._shuffled_items(rows)
        stored = journal.read_labels(self._items)
        self._history = [(label.item, number) for number, label in stored if label.person == person]
        self._current: bytes | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What `add` takes."""
        if self.kind == "pair":
            return PAIR_WORDS
        low, high = map(int, self.scale)
        if high == 1:
            return (*RIGHT_WORDS, journal.SKIP)
        return (*map(str, range(low, high + 1)), journal.SKIP)

    @property
    def total(self) -> int:
        """The number of questions."""
        return len(self._items)

    @property
    def done(self) -> int:
        """The number of questions that this person has labelled or skipped."""
        return sum(self.person in people for people in journal.latest_labels(self._items).values())

    def next(self) -> LabelTask | None:
        """Return the question that is due, None when all are labelled."""
        with self._lock:
            labels = journal.latest_labels(self._items)
            for key in self._items if self._current is None else ():
                if self.person not in labels.get(key, {}):
                    self._current = key
                    break
            if self._current is None:
                return None
            item = self._items[self._current]
            label = labels.get(item.key, {}).get(self.person)
            return self._task(item, label)

    def add(self, word: str | float) -> LabelTask | None:
        """Store a label of the question that is due; return the next one.

        Args:
            word: "a", "b", "tie" or "skip"; for single answers a score ("right" and "wrong" on a
                scale of 0 and 1).

        Raises:
            InvalidArgumentError: it is something else, or no question is due.
        """
        if isinstance(word, (int, float)):
            text = f"{word:g}"
        else:
            text = str(word).strip().casefold()
        allowed = self.words
        if "right" in allowed:
            allowed = (*allowed, "0", "1")
        if text not in allowed:
            raise InvalidArgumentError(
                tr(
                    "{word!r} is no label: it is one of {words}",
                    word=word,
                    words=tr(", ").join(self.words),
                )
            )
        with self._lock:
            if self.next() is None or self._current is None:
                raise InvalidArgumentError(tr("all {n} questions are labelled", n=self.total))
            label = self._to_label(self._items[self._current], text)
            self._history.append((self._current, journal.add_label(label)))
            self._current = None
            return self.next()

    def undo(self) -> LabelTask | None:
        """Take the last label back, and return its question; None when there is none of this
        person.
        """
        with self._lock:
            if not self._history:
                return None
            self._current, number = self._history.pop()
            journal.withdraw_label(number)
            return self.next()

    def back(self) -> LabelTask | None:
        """Return the question before the one that is due, with its label, which another `add`
        replaces.
        """
        with self._lock:
            earlier = list(dict.fromkeys(item for item, _ in self._history))
            if self._current in earlier:
                earlier = earlier[: earlier.index(self._current)]
            if earlier:
                self._current = earlier[-1]
            return self.next()

    def to_frame(self) -> pd.DataFrame:
        """Return the labels of all people: a row each, the newest word of a person on a
        question.
        """
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

        models = dict(zip(("first", "second"), self.models, strict=True))
        rows = []
        for key, people in journal.latest_labels(self._items).items():
            first = self._items[key].first
            second = self._items[key].second
            for label in people.values():
                seen = label.seen_from(first.output)
                row = {name: getattr(seen, name, None) for name in COLUMNS}
                row["index"] = first.index
                row["label"] = models.get(seen.verdict, seen.verdict)
                row["prompt"] = first.prompt
                row["reference"] = first.reference
                row["first"] = first.output
                row["second"] = second.output if second else ""
                rows.append(row)
        return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("labelled", ignore_index=True)

    def counts(self) -> Mapping[str, int]:
        """Return how many questions have which label, of all people together; `skip` where nobody
        decided.
        """
        latest = journal.latest_labels(self._items)
        return Counter(
            journal.joint_verdict(people, self._items[key].first.output) or journal.SKIP
            for key, people in latest.items()
        )

    def to_dpo(self) -> Dataset:
        """Return the pairs that were decided as preferences to train on: `LLMFinetune(dataset=...)`
        in DPO mode.

        Raises:
            InvalidArgumentError: no pair is decided, or single answers were labelled.
        """
        pairs = []
        for key, people in journal.latest_labels(self._items).items():
            first = self._items[key].first
            second = self._items[key].second
            verdict = journal.joint_verdict(people, first.output)
            if second is not None and verdict in {"first", "second"}:
                chosen, rejected = first.output, second.output
                if verdict == "second":
                    chosen, rejected = rejected, chosen
                pairs.append(question_fields(first) | {"chosen": chosen, "rejected": rejected})
        if not pairs:
            raise InvalidArgumentError(
                tr("no pair of answers has a label that prefers one of them")
            )
        return Dataset(pairs, name="labels", schema="preference")

    def agreement(self, metric: str | None = None) -> HumanAgreement:
        """Return how far a metric of the report agrees with the labels; by default that of the
        judge.

        Raises:
            InvalidArgumentError: the report does not have the metric, or has none.
        """
        name = metric or next(iter(self.report.judges), None)
        return measure_agreement(self.report, name, self.models)

    def _shuffled_items(self, rows: Iterable[int] | None) -> dict[bytes, _Item]:
        first_samples, second_samples = (self.report.samples_of(model) for model in self.models)
        items: dict[bytes, _Item] = {}
        for first in select_samples(first_samples, rows):
            second = second_samples.get(first.index)
            if first.error or second is None or second.error:
                continue
            answers = first.output, second.output
            if self.kind == "score":
                key = journal.score_item(first, self.scale)
                second = None
            elif first.output.strip() != second.output.strip():
                key = journal.pair_item(first, second)
            else:
                continue
            chance = random.Random(f"{self.seed}:{key.hex()}:{first.output < answers[1]}")  # noqa: S311
            items[key] = _Item(key, first, second, chance.random() < 0.5)
        if not items:
            raise InvalidArgumentError(
                tr("nothing to label: no question has two different answers")
            )
        keys = sorted(items)
        random.Random(self.seed).shuffle(keys)  # noqa: S311 - no secret
        return {key: items[key] for key in keys}

    def _task(self, item: _Item, label: journal.LabelRecord | None) -> LabelTask:
        a, b = item.first.output, item.second.output if item.second else ""
        if item.second and item.is_mirrored:
            a, b = b, a
        word = ""
        if label is not None:
            words = {verdict: word for word, verdict in self._verdicts(item).items()}
            verdict = label.seen_from(item.first.output).verdict
            word = words.get(verdict, verdict)
        return LabelTask(item.first.index, item.first.prompt, item.first.reference, a, b, word)

    def _verdicts(self, item: _Item) -> dict[str, str]:
        """Return what is stored for words that are not stored as they are."""
        if self.kind == "pair" and item.is_mirrored:
            return {"a": "second", "b": "first"}
        if self.kind == "pair":
            return {"a": "first", "b": "second"}
        return {word: str(score) for word, score in RIGHT_WORDS.items() if word in self.words}

    def _to_label(self, item: _Item, word: str) -> journal.LabelRecord:
        first = item.first
        second = item.second
        verdicts = self._verdicts(item)
        return journal.LabelRecord(
            item.key, self.kind, verdicts.get(word, word), self.person, first.prompt,
            first.reference, first.output, second.output if second else "", self.models[0],
            self.models[1] if second else "", verdicts.get("a", "first"), self.seed,
        )  # fmt: skip

    def __repr__(self) -> str:
        return tr("{done} of {n} questions labelled", done=self.done, n=self.total)
