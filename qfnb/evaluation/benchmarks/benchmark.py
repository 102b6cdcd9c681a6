"""A benchmark as a value, and its files as rows with their lines; each mistake in a file is
explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from ..._jsonl_csv_parquet import RowError, describe_no_rows, read_csv, read_jsonl
from ...base.language import tr, tr_noop, trn
from ...base.text import did_you_mean, format_value, labelled
from ...errors import DatasetError, InvalidArgumentError

MIN_CLUSTERS: Final = 6
"""Subjects from which intervals and tests take them for clusters: signs of five cannot reach p =
0.05.
"""

Line = tuple[int, Mapping[str, Any]]
"""The number of a line, from 1, and its row."""


@dataclass(frozen=True)
class Request:
    """What `load` is to read."""

    path: Path
    subjects: Sequence[str] | None
    split: str | None
    shots: int | None

    def choose_split(self, *names: str) -> str:
        """Return the split, by default the first of these.

        Raises:
            InvalidArgumentError: it is another one.
        """
        if self.split is not None and self.split not in names:
            raise InvalidArgumentError(
                tr(
                    "split={value}: it is one of {names}",
                    value=format_value(self.split),
                    names=tr(", ").join(names),
                )
            )
        return self.split or names[0]

    def refuse(self, title: str, *names: str) -> None:
        """Refuse arguments that a benchmark has no use for.

        Raises:
            InvalidArgumentError: one is set.
        """
        for name in names:
            if value := getattr(self, name):
                raise InvalidArgumentError(
                    tr(
                        "{name}={value}: {title} has no {name}",
                        name=name,
                        value=format_value(value),
                        title=title,
                    )
                )


@dataclass(frozen=True)
class Benchmark:
    """The questions of a benchmark with its metrics: `qfnb.compare("ernie-4.5-turbo-128k", tuned,
    benchmark)`.

    Attributes:
        title: as its authors write it.
        rows: with prompt, response and, where there are, history (the examples), subject and
            category.
        metrics: names of those that score it by its rules.
        split, shots: which questions, and how many examples stand before each.
        groups: columns over which reports average: the last has the subjects, those before it group
            the subjects.
    """

    title: str
    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    metrics: Sequence[str]
    split: str = ""
    shots: int = 0
    groups: tuple[str, ...] = ()

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows."""
        return self.rows

    @property
    def name(self) -> str:
        """What reports call the data."""
        return describe(self.report_fields["benchmark"])

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects, none where the benchmark has none."""
        if self.groups:
            return tuple(dict.fromkeys(str(row[self.groups[-1]]) for row in self.rows))
        return ()

    @property
    def cluster(self) -> str:
        """The column whose rows belong together, "" where too few subjects are there to tell them
        from chance.
        """
        if len(self.subjects) >= MIN_CLUSTERS:
            return self.groups[-1]
        return ""

    @property
    def report_fields(self) -> dict[str, Any]:
        """What reports keep of it."""
        facts = {
            "title": self.title,
            "split": self.split,
            "shots": self.shots,
            "groups": [*self.groups],
        }
        return {"benchmark": facts}

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<Benchmark {self.name}: {self._counts()}>"

    def _counts(self) -> str:
        if self.subjects:
            subjects = [trn("{n} subject", "{n} subjects", len(self.subjects))]
        else:
            subjects = []
        return tr(", ").join([*subjects, trn("{n} question", "{n} questions", len(self.rows))])


def describe(benchmark: Mapping[str, Any]) -> str:
    """Return the title, the split and the number of examples of a benchmark, of which a report has
    these facts.
    """
    shots = benchmark.get("shots", 0)
    parts = [benchmark.get("split"), trn("{n} example", "{n} examples", shots) if shots else ""]
    return tr(", ").join([str(benchmark.get("title", "")), *(str(part) for part in parts if part)])


_EXAM_NOTE: Final = tr_noop(
    "lm-eval compares the log-likelihoods of A to D, which an API does not give; here the letter "
    "that is written "
    "counts, so published figures differ"
)
NOTES: Final[Mapping[str, str]] = {
    "C-Eval": _EXAM_NOTE,
    "CMMLU": _EXAM_NOTE,
    "GSM8K": tr_noop(
        "the final number counts in whatever form it is written, which is neither lm-eval's "
        "strict-match nor its "
        "flexible-extract: published figures differ"
    ),
}
"""In what the scores of a benchmark differ from lm-eval's, by its title."""


def difference_note(benchmark: Mapping[str, Any]) -> str:
    """Return in what the scores of a report on a benchmark differ from lm-eval's, "" where nothing
    is known.
    """
    title = str(benchmark.get("title", ""))
    if title in NOTES:
        return labelled(title, tr(NOTES[title]))
    return ""


def read_table(path: Path, columns: Sequence[str], expected: str) -> Iterator[Line]:
    """Yield the rows of a CSV file with these columns at least, none of them empty.

    Raises:
        DatasetError: a column or a cell is missing, or the file is not CSV in UTF-8 or has no rows.
    """
    with _open(path) as file:
        rows = read_csv(file, str(path))
        heading = [name.strip() for name in next(rows, (1, []))[1]]
        size = path.stat().st_size
        if size and (missing := [name for name in columns if name not in heading]):
            raise DatasetError(
                tr(
                    "there is no column {name}{hint}: the columns are {names}; {expected}",
                    name=repr(missing[0]),
                    hint=did_you_mean(missing[0], heading),
                    names=tr(", ").join(map(repr, heading)),
                    expected=expected,
                ),
                path=str(path),
                line=1,
            )
        is_empty = True
        for line, cells in rows:
            yield line, _to_row(heading, cells, columns, str(path), line)
            is_empty = False
    if is_empty:
        raise DatasetError(describe_no_rows(path.suffix, size), path=str(path))


def _to_row(
    heading: Sequence[str], cells: Sequence[str], columns: Sequence[str], name: str, line: int
) -> dict[str, str]:
    if len(cells) != len(heading):
        raise DatasetError(
            tr("{n} cells, and the heading has {columns}", n=len(cells), columns=len(heading)),
            path=name,
            line=line,
        )
    row = {column: cell.strip() for column, cell in zip(heading, cells, strict=True)}
    if empty := next((column for column in columns if not row[column]), None):
        raise DatasetError(tr("column {column!r} is empty", column=empty), path=name, line=line)
    return row


def read_objects(path: Path, columns: Mapping[str, type], expected: str) -> Iterator[Line]:
    """Yield the objects of a file of JSON lines.

    Args:
        path: the file.
        columns: {key: class of its value}, all of which each object must have.
        expected: an example of a line, for messages.

    Raises:
        DatasetError: a line is no such object, or the file is not UTF-8 or has none.
    """
    is_empty = True
    with _open(path) as file:
        for line, value in read_jsonl(file, str(path), expected):
            if problem := _object_problem(value, columns, expected):
                raise DatasetError(problem, path=str(path), line=line)
            yield line, cast("Mapping[str, Any]", value)
            is_empty = False
    if is_empty:
        raise DatasetError(describe_no_rows(path.suffix, 0), path=str(path))


def _object_problem(value: object, columns: Mapping[str, type], expected: str) -> str:
    if isinstance(value, RowError):
        return value.reason
    if not isinstance(value, Mapping):
        return tr(
            "expected {expected}, found {value}", expected=expected, value=format_value(value)
        )
    for name, kind in columns.items():
        if (cell := value.get(name)) is None:
            return tr("there is no {name!r}; expected {expected}", name=name, expected=expected)
        if not isinstance(cell, kind) or not cell:
            return tr(
                "{name!r} is {value}; expected {expected}",
                name=name,
                value=format_value(cell),
                expected=expected,
            )
    return ""


def _open(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        reason = error.strerror or str(error)
        raise DatasetError(tr("cannot be read: {reason}", reason=reason), path=str(path)) from None
