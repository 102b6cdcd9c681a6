"""C-Eval and CMMLU: questions with four choices, in a CSV file for each subject, in a folder for
each split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...base.language import tr
from ...base.text import did_you_mean, format_value
from ...errors import DatasetError, InvalidArgumentError
from ...metrics.choice import CHOICE_LETTERS
from .benchmark import Benchmark, Request, read_table
from .subjects import CEVAL, CMMLU, Subject

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
