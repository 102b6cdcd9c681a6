"""The journal of labels: one SQLite file beside those of batches, for all kernels and people of
this account.

Labels are only added, each in a transaction of its own, so panels that are open at once lose none;
one that is taken back stays with the time at which that was done. They are known by the texts, not
by the report: the same answers in another report have the same labels.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Final, Literal

from .. import config
from ..base.language import tr
from ..batching.fork_safe_sqlite import open_for_step
from ..errors import QianfanError
from .samples import Sample

FILE_NAME: Final = "labels.db"
SCHEMA_VERSION: Final = 1
TABLES: Final = """
create table if not exists label(
    id integer primary key, item blob not null, kind text not null, verdict text not null, person
    text not null,
    prompt text not null, reference text not null, first text not null, second text not null,
    first_model text not null, second_model text not null, shown_first text not null, seed integer
    not null,
    labelled real not null, withdrawn real);
create index if not exists label_by_item on label(item)
"""

Kind = Literal["pair", "score"]
SKIP: Final = "skip"
TIE: Final = "tie"
MIRRORED: Final = {"first": "second", "second": "first"}


class LabelsError(QianfanError):
    """The file of the labels cannot be used."""


@dataclass(frozen=True)
class LabelRecord:
    """A person's word on a question; the names of the fields are columns of the journal.

    Attributes:
        item: the key of question and answers.
        verdict: "first", "second" or "tie" of a pair, a number for a single answer; "skip" of
            either.
        person: who labelled, "" where nobody was named.
        first, second: the answers; `second` is "" for a single one.
        shown_first: which of the two was shown as A: "first" or "second".
        seed: by which sides and order were shuffled.
        labelled: Unix seconds.
    """

    item: bytes
    kind: Kind
    verdict: str
    person: str
    prompt: str
    reference: str
    first: str
    second: str
    first_model: str
    second_model: str
    shown_first: str
    seed: int
    labelled: float = 0.0

    def seen_from(self, first: str) -> LabelRecord:
        """Return the label with the answer `first` as the first one."""
        if first == self.first or self.kind != "pair":
            return self
        return replace(
            self,
            verdict=MIRRORED.get(self.verdict, self.verdict),
            first=self.second,
            second=self.first,
            first_model=self.second_model,
            second_model=self.first_model,
            shown_first=MIRRORED[self.shown_first],
        )


COLUMNS: Final = tuple(each.name for each in fields(LabelRecord))
_NAMES: Final = ", ".join(COLUMNS)


def pair_item(first: Sample, second: Sample) -> bytes:
    """Return the key of a question and two answers, whichever is the first."""
    return _hash("pair", first, sorted((first.output, second.output)))


def score_item(sample: Sample, scale: tuple[float, float]) -> bytes:
    """Return the key of a question and an answer that gets a score on a scale."""
    return _hash("score", sample, [sample.output, *scale])


def add_label(label: LabelRecord) -> int:
    """Store a label at once; return its number.

    Raises:
        LabelsError: the file cannot be used.
    """
    marks = ", ".join("?" * len(COLUMNS))
    values = astuple(replace(label, labelled=time.time()))
    statement = f"insert into label({_NAMES}) values ({marks}) returning id"  # noqa: S608 - names of our own
    return int(_query(statement, values)[0][0])


def withdraw_label(number: int) -> None:
    """Take a label back; the line stays in the journal.

    Raises:
        LabelsError: the file cannot be used.
    """
    _query("update label set withdrawn = ? where id = ?", (time.time(), number))


def read_labels(items: Iterable[bytes]) -> list[tuple[int, LabelRecord]]:
    """Return the labels of items with their numbers, the oldest first, without those taken back.

    Raises:
        LabelsError: the file cannot be used.
    """
    if not (config.state_dir() / FILE_NAME).exists():
        return []
    statement = f"select id, {_NAMES} from label where withdrawn is null and item = ?"  # noqa: S608
    rows = _query(statement, *((item,) for item in dict.fromkeys(items)))
    return [(number, LabelRecord(*values)) for number, *values in sorted(rows)]


def latest_labels(items: Iterable[bytes]) -> dict[bytes, dict[str, LabelRecord]]:
    """Return the last label of each person for each item that has one.

    Raises:
        LabelsError: the file cannot be used.
    """
    latest: dict[bytes, dict[str, LabelRecord]] = {}
    for _, label in read_labels(items):
        latest.setdefault(label.item, {})[label.person] = label
    return latest


def joint_verdict(verdicts: Mapping[str, LabelRecord], first: str) -> str | None:
    """Return the verdict of several people on an item: that of the majority; a tie, or no verdict,
    where that is open.

    Args:
        verdicts: the label of each person.
        first: the answer that counts as the first.
    """
    labels = [label.seen_from(first) for label in verdicts.values() if label.verdict != SKIP]
    if not labels:
        return None
    if labels[0].kind == "score":
        return f"{statistics.median_low(float(label.verdict) for label in labels):g}"
    (verdict, n), *others = Counter(label.verdict for label in labels).most_common()
    if others and others[0][1] == n:
        return TIE
    return verdict


def _query(statement: str, *values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, run with each of the values."""
    path = config.state_dir() / FILE_NAME
    rows = []
    try:
        with open_for_step(path, TABLES, SCHEMA_VERSION) as database:
            for each in values:
                rows += database.execute(statement, each).fetchall()
    except (sqlite3.Error, OSError, ValueError) as error:
        raise LabelsError(
            tr("the labels cannot be read or written: {path}: {reason}", path=path, reason=error)
        ) from None
    return rows


def _hash(kind: Kind, sample: Sample, answers: Sequence[object]) -> bytes:
    context = [sample.row.get(name) for name in ("system", "history")]
    content = json.dumps(
        [kind, sample.prompt, context, answers], ensure_ascii=True, sort_keys=True, default=str
    )
    return hashlib.blake2b(content.encode(), digest_size=16).digest()
