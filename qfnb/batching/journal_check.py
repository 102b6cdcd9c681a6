"""`qfnb.check_batch`: whether a journal and its results file are whole, and what to do where they
are not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from .._jobs.row_result import RESULT_COLUMNS
from ..base.language import tr, trn
from ..errors import DatasetError
from . import journal, journal_reader
from .file_access import describe_file
from .input_files import InputFiles
from .journal_reader import NOT_ASKED, BatchRow, JournalCounts, JournalError
from .journal_store import existing_journal_path, load_request_spec
from .output_file import csv_cell, input_cells, result_columns

MAX_NAMED_ROWS = 10
"""Rows that a message names."""


@dataclass(frozen=True)
class BatchCheck:
    """What a check of a batch says.

    Attributes:
        name: of the batch.
        counts: of its journal, None where it cannot be read.
        missing: rows without an answer.
        problems: what is damaged and what to do; none for a batch that is whole.
    """

    name: str
    counts: JournalCounts | None = None
    missing: int = 0
    problems: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged; rows may still be without an answer."""
        return not self.problems

    def __repr__(self) -> str:
        lines = [
            tr("{name}: damaged", name=self.name)
            if self.problems
            else tr("{name}: whole", name=self.name)
        ]
        if self.counts is not None:
            numbers = {"rows": self.counts.rows, "ok": self.counts.ok, "failed": self.counts.failed}
            text = tr(
                "{rows:,} rows: {ok:,} answered, {failed:,} failed, {n:,} not asked",
                n=self.missing,
                **numbers,
            )
            lines.append(text)
        return "\n".join([*lines, *(f"⚠ {problem}" for problem in self.problems)])


def check_batch(name: str) -> BatchCheck:
    """Return whether a batch's journal, the files it refers to and its results file are whole;
    nothing is changed.

    Raises:
        InvalidArgumentError: no batch has this name.
    """
    path = existing_journal_path(name)
    try:
        facts, counts = journal_reader.read_facts(path)
        problems = [*_check_database(path), *_check_files(facts.get("files", ""))]
        names = dict[str, None]()
        missing = 0
        damaged = list[int]()
        for row in journal_reader.read_rows(path):
            names |= dict.fromkeys(input_cells(row))
            missing += row.error == NOT_ASKED
            damaged += [row.number] if row.error == JournalError.__name__ else []
        if damaged:
            problems.append(
                tr("changed on the disk: {rows}; resume asks them again", rows=_name_rows(damaged))
            )
        if facts.get("complete") == "1" and (out := facts.get("out")):
            form = load_request_spec(path, facts.get("plan", "{}")).response_format
            results = result_columns(names, form.field_names if form else ())
            problems += _check_output(path, Path(out), results)
    except (JournalError, DatasetError) as error:
        return BatchCheck(name, problems=(str(error),))
    return BatchCheck(name, counts, missing, tuple(problems))


def _check_database(path: Path) -> Iterator[str]:
    with journal_reader.open_readonly(path) as database:
        rows, last = database.execute(
            "select count(*), coalesce(max(number), -1) from row"
        ).fetchone()
        if rows != last + 1:
            yield tr(
                "{n} rows of the input are not there: run the batch again with its input",
                n=last + 1 - rows,
            )
        if database.execute("pragma user_version").fetchone()[0] < journal.SCHEMA_VERSION:
            yield tr(
                "written by an earlier version of qfnb: `resume` brings it up to date, then check "
                "it again"
            )
            return
        places, _, names = journal.find_damage(database)
        if places:
            yield trn(
                "{n} answer has changed on the disk: resume asks it again",
                "{n} answers have changed on the disk: resume asks them again",
                len(places),
            )
        if names:
            yield tr("facts that have changed on the disk: {names}", names=tr(", ").join(names))


def _check_files(stored: str) -> Iterator[str]:
    for file in InputFiles.from_json(stored).files if stored else ():
        try:
            is_same = describe_file(file.path) == file
        except DatasetError as error:
            yield str(error)
            continue
        if not is_same:
            yield tr(
                "{path} has changed since the batch began: put it back as it was", path=file.path
            )


def _check_output(journal: Path, path: Path, results: Sequence[str]) -> Iterator[str]:
    """Compare a results file with the journal, row by row."""
    remedy = tr(
        "write it again: qfnb.resume({name!r}).save({path!r})", name=journal.stem, path=str(path)
    )
    if not path.is_file():
        yield tr("the results file {path} is not there; {remedy}", path=path, remedy=remedy)
        return
    is_csv = path.suffix.lower() == ".csv"
    text, error = (results[-len(RESULT_COLUMNS) :][index] for index in (0, 8))
    written = InputFiles([describe_file(str(path))]).items()
    count = 0
    differing = list[int]()
    try:
        for row, record in zip_longest(journal_reader.read_rows(journal), written):
            count += record is not None
            if (
                row is not None
                and isinstance(record, dict)
                and not _is_same(row, record, (text, error), is_csv=is_csv)
            ):
                differing.append(row.number)
    except DatasetError as problem:
        yield f"{problem}; {remedy}"
        return
    rows = journal_reader.read_facts(journal)[1].rows
    if count != rows:
        numbers = {"count": count, "rows": rows}
        yield tr(
            "{path} has {count} rows, and the input {rows}; {remedy}",
            path=path,
            remedy=remedy,
            **numbers,
        )
    if differing:
        yield tr(
            "{path} differs from the journal: {rows}; {remedy}",
            path=path,
            rows=_name_rows(differing),
            remedy=remedy,
        )


def _is_same(
    row: BatchRow, record: dict[str, object], names: tuple[str, str], *, is_csv: bool
) -> bool:
    values = (row.text, row.error)
    if is_csv:
        expected = tuple(csv_cell(value) or "" for value in values)
    else:
        expected = values
    return tuple(record.get(name) for name in names) == expected


def _name_rows(numbers: Sequence[int]) -> str:
    named = tr("row {row}", row=tr(", ").join(map(str, numbers[:MAX_NAMED_ROWS])))
    if len(numbers) <= MAX_NAMED_ROWS:
        return named
    return f"{named}…"
