"""A benchmark as a value, and its files as rows with their lines; each mistake in a file is
explained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from ..._jsonl_csv_parquet import RowError, describe_no_rows, read_csv, read_jsonl
from ...base.language import tr, tr_noop, trn
from ...base.text import did_you_mean, format_value, labelled
from ...errors import DatasetError, InvalidArgumentError
from ...metrics.choice import CHOICE_LETTERS
from ...metrics.number import find_number
from .subjects import CEVAL, CMMLU, Subject

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


TITLE: Final = "GSM8K"
EXPECTED: Final = '{"question": "...", "answer": "... #### 42"}'
INSTRUCTION: Final = (
    "Solve the problem step by step. Write the final number in the last line, after ####."
)
MARK: Final = "####"
_CALCULATION: Final = re.compile(r"<<[^<>]*>>")
"""A calculator's annotation, `<<6*7=42>>`: in the data for training, and no part of an answer."""


def load_gsm8k(request: Request) -> Benchmark:
    """Return the questions of a split, `test` by default, or those of a file."""
    request.refuse(TITLE, "subjects")
    folder = request.path
    split = ""
    if folder.is_dir():
        split = request.choose_split("test", "train")
        path = folder / f"{split}.jsonl"
    else:
        request.refuse(tr("a single file"), "split")
        path = folder
        folder = folder.parent
    shots = request.shots or 0
    history = [
        {"prompt": row["prompt"], "response": row["solution"]}
        for row in islice(_read(folder, shots), shots)
    ]
    if len(history) < shots:
        raise DatasetError(
            tr("{n} examples for shots={shots}", n=len(history), shots=shots),
            path=str(folder / "train.jsonl"),
        )
    rows = [row | ({"history": history} if history else {}) for row in _rows(path)]
    return Benchmark(TITLE, rows, ("number",), split, shots)


def _read(folder: Path, shots: int) -> Iterator[dict[str, Any]]:
    """Yield the examples; nothing is read for none."""
    path = folder / "train.jsonl"
    if shots and not path.is_file():
        raise DatasetError(
            tr("the examples of shots={shots} are missing: shots=0 asks without", shots=shots),
            path=str(path),
        )
    if shots:
        return _rows(path)
    return iter(())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line, value in read_objects(path, {"question": str, "answer": str}, EXPECTED):
        solution, mark, number = _CALCULATION.sub("", value["answer"]).rpartition(MARK)
        if not mark or find_number(number) is None:
            raise DatasetError(
                tr(
                    "'answer' has no number after {mark}: {value}; expected {expected}",
                    mark=MARK,
                    value=format_value(value["answer"]),
                    expected=EXPECTED,
                ),
                path=str(path),
                line=line,
            )
        reference = number.strip()
        text = f"{solution.strip()}\n{MARK} {reference}"
        yield {
            "prompt": f"{value['question'].strip()}\n\n{INSTRUCTION}",
            "response": reference,
            "solution": text,
        }


SUBJECT: Final = "subject"
CATEGORY: Final = "category"
CHINA: Final = "china_specific"
DEFAULT_SHOTS: Final = 5
DEV: Final = "dev"  # the split with the examples


@dataclass(frozen=True)
class _Exam:
    """What differs between the two."""

    title: str
    splits: tuple[str, ...]
    question: str  # the column of the question
    answer: str  # the column of the right letter
    system: str  # what is said before the questions, for the name of the subject
    ending: str  # the last line of a question
    by_name: Mapping[str, Subject]
    groups: tuple[str, ...]
    suffix: str = ""  # of the names of files, before `.csv`, for the name of the split

    @property
    def expected(self) -> str:
        names = [self.question, *CHOICE_LETTERS, self.answer]
        return tr("{title} has {names}", title=self.title, names=tr(", ").join(names))

    def path(self, folder: Path, split: str, subject: str) -> Path:
        return folder / split / f"{subject}{self.suffix.format(split=split)}.csv"


_CEVAL = _Exam(
    title="C-Eval",
    splits=("val", "test", "dev"),
    question="question",
    answer="answer",
    system="以下是中国关于{subject}考试的单项选择题，请选出其中的正确答案。",
    ending="答案：",
    by_name=CEVAL,
    groups=(CATEGORY, SUBJECT),
    suffix="_{split}",
)
_CMMLU = _Exam(
    title="CMMLU",
    splits=("test", "dev"),
    question="Question",
    answer="Answer",
    system="以下是关于{subject}的单项选择题，请直接给出正确答案的选项。",
    ending="答案是：",
    by_name=CMMLU,
    groups=(CATEGORY, CHINA, SUBJECT),
)


def load_ceval(request: Request) -> Benchmark:
    """Return the questions of C-Eval; the split `test` only where its answers are there."""
    return _load(_CEVAL, request)


def load_cmmlu(request: Request) -> Benchmark:
    """Return the questions of CMMLU."""
    return _load(_CMMLU, request)


def _load(exam: _Exam, request: Request) -> Benchmark:
    split = request.choose_split(*exam.splits)
    if request.shots is None:
        shots = DEFAULT_SHOTS
    else:
        shots = request.shots
    if split == DEV and shots:
        raise InvalidArgumentError(
            tr("split='dev' has the examples: shots=0 asks for its questions")
        )
    rows: list[dict[str, Any]] = []
    for name in _choose_subjects(exam, request.path, split, request.subjects):
        if shots:
            history = _examples(exam, request.path, name, shots)
        else:
            history = []
        subject = exam.by_name.get(name, Subject(name, "Other"))
        facts: dict[str, Any] = {SUBJECT: name, CATEGORY: subject.category}
        facts |= {CHINA: "China specific"} if subject.is_china_specific else {}
        facts |= {
            "system": exam.system.format(subject=subject.chinese),
            **({"history": history} if history else {}),
        }
        rows += [row | facts for row in _questions(exam, exam.path(request.path, split, name))]
    groups = tuple(group for group in exam.groups if any(group in row for row in rows))
    return Benchmark(exam.title, rows, ("choice",), split, shots, groups)


def _choose_subjects(
    exam: _Exam, folder: Path, split: str, names: Sequence[str] | None
) -> list[str]:
    """Return the subjects that are asked for, by default all that are there."""
    if not (folder / split).is_dir():
        raise DatasetError(
            tr("there is no folder {split}: {title} has a folder for each of {names}",
               split=repr(split), title=exam.title, names=tr(", ").join(sorted(exam.splits))),
            path=str(folder),
        )  # fmt: skip
    ending = f"{exam.suffix.format(split=split)}.csv"
    files = sorted(path.name for path in (folder / split).iterdir() if path.name[:1] != ".")
    present = [name.removesuffix(ending) for name in files if name.endswith(ending)]
    if not present:
        raise DatasetError(
            tr(
                "no file is called SUBJECT{ending}: {title} has one for each subject",
                ending=ending,
                title=exam.title,
            ),
            path=str(folder / split),
        )
    if unknown := [name for name in names or () if name not in present]:
        raise InvalidArgumentError(
            tr(
                "subjects: there is no {path}{hint}",
                path=exam.path(folder, split, str(unknown[0])),
                hint=did_you_mean(str(unknown[0]), present),
            )
        )
    if names:
        return [*dict.fromkeys(names)]
    return present


def _examples(exam: _Exam, folder: Path, name: str, shots: int) -> list[dict[str, str]]:
    path = exam.path(folder, DEV, name)
    if not path.is_file():
        raise DatasetError(
            tr("the examples of shots={shots} are missing: shots=0 asks without", shots=shots),
            path=str(path),
        )
    turns = [*_questions(exam, path)]
    if len(turns) < shots:
        raise DatasetError(
            tr("{n} examples for shots={shots}", n=len(turns), shots=shots), path=str(path)
        )
    return turns[:shots]


def _questions(exam: _Exam, path: Path) -> Iterator[dict[str, str]]:
    for line, row in read_table(path, _columns(exam, path), exam.expected):
        answer = row[exam.answer].upper()
        if answer not in CHOICE_LETTERS or len(answer) != 1:
            raise DatasetError(
                tr(
                    "column {column!r} is {value}: it is one of {letters}",
                    column=exam.answer,
                    value=format_value(row[exam.answer]),
                    letters=tr(", ").join(CHOICE_LETTERS),
                ),
                path=str(path),
                line=line,
            )
        choices = [f"{letter}. {row[letter]}" for letter in CHOICE_LETTERS]
        lines = [row[exam.question], *choices, exam.ending]
        yield {"prompt": "\n".join(lines), "response": answer}


def _columns(exam: _Exam, path: Path) -> list[str]:
    """Return the columns that a file must have.

    Raises:
        DatasetError: it is a test without answers, which the authors keep to themselves.
    """
    columns = [exam.question, *CHOICE_LETTERS]
    if path.parent.name == "test" and "val" in exam.splits:
        with path.open("rb") as file:
            heading = file.readline().decode("utf-8-sig", "replace").strip().split(",")
        if exam.question in heading and exam.answer not in heading:
            raise DatasetError(
                tr(
                    "the test has no answers, which only the authors of {title} have: split='val'",
                    title=exam.title,
                ),
                path=str(path),
                line=1,
            )
    return [*columns, exam.answer]
