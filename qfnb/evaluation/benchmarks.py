"""Benchmarks people know, read from disk and scored by their rules: `load("ceval", "ceval-exam/",
split="val")`.

| name | files | metric | reported |
|---|---|---|---|
| `ceval` | `dev/`, `val/`, `test/`, each with a `SUBJECT_val.csv` and so on | `choice` | mean of the subjects' means |
| `cmmlu` | `dev/` and `test/`, each with a `SUBJECT.csv` for each subject | `choice` | mean of the subjects' means |
| `gsm8k` | `train.jsonl` and `test.jsonl`, or one such file | `number` | mean |

Nothing is downloaded. Sources: Huang et al. 2023 (arXiv 2305.08322), Li et al. 2023 (arXiv
2306.09212), Cobbe et al. 2021 (arXiv 2110.14168).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from .._jsonl_csv_parquet import RowError
from ..base.language import tr, tr_noop, trn
from ..base.text import did_you_mean, format_value, labelled
from ..dataset.file_reader import read_path
from ..errors import DatasetError, InvalidArgumentError
from ..metrics.choice import CHOICE_LETTERS
from ..metrics.number import find_number

MIN_CLUSTERS: Final = 6
"""Subjects from which intervals and tests take them for clusters: signs of five cannot reach p =
0.05.
"""


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
        if not self.groups:
            return ()
        return tuple(dict.fromkeys(str(row[self.groups[-1]]) for row in self.rows))

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
        facts = {"title": self.title, "split": self.split, "shots": self.shots}
        return {"benchmark": {**facts, "groups": [*self.groups]}}

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        counts = [trn("{n} question", "{n} questions", len(self.rows))]
        if self.subjects:
            counts.insert(0, trn("{n} subject", "{n} subjects", len(self.subjects)))
        return f"<Benchmark {self.name}: {tr(', ').join(counts)}>"


def describe(benchmark: Mapping[str, Any]) -> str:
    """Return the title, the split and the number of examples of a benchmark, of which a report has
    these facts.
    """
    words = [str(benchmark.get("title", "")), benchmark.get("split")]
    if shots := benchmark.get("shots", 0):
        words.append(trn("{n} example", "{n} examples", shots))
    return tr(", ").join(filter(None, words))


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


def _read_rows(
    path: Path, columns: Sequence[str], expected: str
) -> Iterator[tuple[int | None, dict[str, str]]]:
    """Yield the rows of a file with their lines: these columns at least, none of them empty.

    Raises:
        DatasetError: a column or a cell is missing, or the file cannot be read or has no rows.
    """
    for location, row in read_path(path):
        problem = ""
        if isinstance(row, RowError):
            problem = row.reason
        elif not isinstance(row, Mapping):
            problem = tr(
                "expected {expected}, found {value}", expected=expected, value=format_value(row)
            )
        else:
            cells = {str(name).strip(): str(cell).strip() for name, cell in row.items()}
            for name in columns:
                if name not in cells:
                    problem = tr(
                        "there is no column {name}{hint}: the columns are {names}; {expected}",
                        name=repr(name),
                        hint=did_you_mean(name, cells),
                        names=tr(", ").join(map(repr, cells)),
                        expected=expected,
                    )
                elif not cells[name]:
                    problem = problem or tr("column {column!r} is empty", column=name)
        if problem:
            raise DatasetError(problem, path=str(path), line=location.line)
        yield location.line, cells


def _choose_split(split: str | None, names: Sequence[str]) -> str:
    """Return the split, by default the first of these."""
    if split is not None and split not in names:
        raise InvalidArgumentError(
            tr(
                "split={value}: it is one of {names}",
                value=format_value(split),
                names=tr(", ").join(names),
            )
        )
    return split or names[0]


def _read_examples(
    path: Path, shots: int, read: Callable[[Path], Iterator[dict[str, str]]]
) -> list[dict[str, str]]:
    """Return the first rows of a file as earlier turns; nothing is read for none."""
    if not shots:
        return []
    if not path.is_file():
        raise DatasetError(
            tr("the examples of shots={shots} are missing: shots=0 asks without", shots=shots),
            path=str(path),
        )
    turns = [*read(path)][:shots]
    if len(turns) < shots:
        raise DatasetError(
            tr("{n} examples for shots={shots}", n=len(turns), shots=shots), path=str(path)
        )
    return turns


TITLE: Final = "GSM8K"
EXPECTED: Final = '{"question": "...", "answer": "... #### 42"}'
INSTRUCTION: Final = (
    "Solve the problem step by step. Write the final number in the last line, after ####."
)
MARK: Final = "####"
_CALCULATION: Final = re.compile(r"<<[^<>]*>>")
"""A calculator's annotation, `<<6*7=42>>`: in the data for training, and no part of an answer."""


def load_gsm8k(
    path: Path, subjects: Sequence[str] | None, split: str | None, shots: int | None
) -> Benchmark:
    """Return the questions of a split, `test` by default, or those of a file."""
    refused = {"subjects": (subjects, TITLE)}
    if path.is_dir():
        split = _choose_split(split, ("test", "train"))
        path = path / f"{split}.jsonl"
    else:
        refused["split"] = (split, tr("a single file"))
    for name, (value, title) in refused.items():
        if value:
            raise InvalidArgumentError(
                tr(
                    "{name}={value}: {title} has no {name}",
                    name=name,
                    value=format_value(value),
                    title=title,
                )
            )
    history = _read_examples(path.parent / "train.jsonl", shots or 0, partial(_problems, True))
    rows: list[dict[str, Any]] = [*_problems(False, path)]
    if history:
        rows = [row | {"history": history} for row in rows]
    return Benchmark(TITLE, rows, ("number",), split or "", shots or 0)


def _problems(is_example: bool, path: Path) -> Iterator[dict[str, str]]:
    """Yield the problems of a file; the response is the number, of an example with its steps."""
    for line, row in _read_rows(path, ("question", "answer"), EXPECTED):
        solution, mark, number = _CALCULATION.sub("", row["answer"]).rpartition(MARK)
        if not mark or find_number(number) is None:
            raise DatasetError(
                tr(
                    "'answer' has no number after {mark}: {value}; expected {expected}",
                    mark=MARK,
                    value=format_value(row["answer"]),
                    expected=EXPECTED,
                ),
                path=str(path),
                line=line,
            )
        response = number.strip()
        if is_example:
            response = f"{solution.strip()}\n{MARK} {response}"
        yield {"prompt": f"{row['question']}\n\n{INSTRUCTION}", "response": response}


class Subject(NamedTuple):
    """A subject of an exam."""

    chinese: str
    category: str
    # its answers are other ones elsewhere, or it is taught nowhere else
    is_china_specific: bool = False


def _parse(names: Mapping[str, str]) -> dict[str, Subject]:
    """Return subjects by name; a name with a star is specific to China."""
    subjects = {}
    for category, text in names.items():
        for pair in text.split(", "):
            name, chinese = pair.split()
            subjects[name.rstrip("*")] = Subject(chinese, category, name.endswith("*"))
    return subjects


_CEVAL_SUBJECTS: Final = {
    "STEM": (
        "computer_network 计算机网络, operating_system 操作系统, computer_architecture 计算机组成, "
        "college_programming 大学编程, college_physics 大学物理, college_chemistry 大学化学, "
        "advanced_mathematics 高等数学, probability_and_statistics 概率统计, discrete_mathematics 离散数学, "
        "electrical_engineer 注册电气工程师, metrology_engineer 注册计量师, high_school_mathematics 高中数学, "
        "high_school_physics 高中物理, high_school_chemistry 高中化学, high_school_biology 高中生物, "
        "middle_school_mathematics 初中数学, middle_school_biology 初中生物, middle_school_physics 初中物理, "
        "middle_school_chemistry 初中化学, veterinary_medicine 兽医学"
    ),
    "Social Science": (
        "college_economics 大学经济学, business_administration 工商管理, marxism 马克思主义基本原理, "
        "mao_zedong_thought 毛泽东思想和中国特色社会主义理论体系概论, education_science 教育学, "
        "teacher_qualification 教师资格, high_school_politics 高中政治, high_school_geography 高中地理, "
        "middle_school_politics 初中政治, middle_school_geography 初中地理"
    ),
    "Humanities": (
        "modern_chinese_history 近代史纲要, ideological_and_moral_cultivation 思想道德修养与法律基础, logic 逻辑学, "
        "law 法学, chinese_language_and_literature 中国语言文学, art_studies 艺术学, "
        "professional_tour_guide 导游资格, legal_professional 法律职业资格, high_school_chinese 高中语文, "
        "high_school_history 高中历史, middle_school_history 初中历史"
    ),
    "Other": (
        "civil_servant 公务员, sports_science 体育学, plant_protection 植物保护, basic_medicine 基础医学, "
        "clinical_medicine 临床医学, urban_and_rural_planner 注册城乡规划师, accountant 注册会计师, "
        "fire_engineer 注册消防工程师, environmental_impact_assessment_engineer 环境影响评价工程师, "
        "tax_accountant 税务师, physician 医师资格"
    ),
}
_CMMLU_SUBJECTS: Final = {
    "STEM": (
        "anatomy 解剖学, astronomy 天文学, college_actuarial_science 大学精算学, "
        "college_engineering_hydrology 大学工程水文学, college_mathematics 大学数学, "
        "college_medical_statistics 大学医学统计, computer_science 计算机科学, conceptual_physics 概念物理学, "
        "electrical_engineering 电气工程, elementary_mathematics 初等数学, genetics 遗传学, "
        "high_school_biology 高中生物, high_school_chemistry 高中化学, high_school_mathematics 高中数学, "
        "high_school_physics 高中物理学, machine_learning 机器学习, virology 病毒学"
    ),
    "Humanities": (
        "arts 艺术学, chinese_history* 中国历史, chinese_literature* 中国文学, college_law 大学法律, "
        "global_facts 全球事实, international_law 国际法学, jurisprudence 法理学, logical 逻辑学, "
        "marxist_theory 马克思主义理论, philosophy 哲学, professional_law 专业法学, world_history 世界历史, "
        "world_religions 世界宗教"
    ),
    "Social Science": (
        "ancient_chinese* 古汉语, business_ethics 商业伦理, chinese_civil_service_exam* 中国公务员考试, "
        "chinese_food_culture* 中国饮食文化, chinese_foreign_policy* 中国外交政策, "
        "chinese_teacher_qualification* 中国教师资格, college_education 大学教育学, economics 经济学, "
        "education 教育学, elementary_chinese* 小学语文, ethnology* 民族学, high_school_geography 高中地理, "
        "high_school_politics* 高中政治, journalism 新闻学, management 管理学, marketing 市场营销, "
        "modern_chinese* 现代汉语, professional_accounting 专业会计, professional_psychology 专业心理学, "
        "public_relations 公共关系, security_study 安全研究, sociology 社会学"
    ),
    "Other": (
        "agronomy 农学, chinese_driving_rule* 中国驾驶规则, clinical_knowledge 临床知识, "
        "college_medicine 大学医学, computer_security 计算机安全, "
        "construction_project_management* 建设工程管理, elementary_commonsense* 小学常识, "
        "elementary_information_and_technology 小学信息技术, food_science 食品科学, human_sexuality 人类性行为, "
        "legal_and_moral_basis 法律与道德基础, nutrition 营养学, professional_medicine 专业医学, "
        "sports_science 体育学, traditional_chinese_medicine* 中医中药"
    ),
}

CEVAL: Final = _parse(_CEVAL_SUBJECTS)
"""Source: the authors' table of subjects, Huang et al. 2023."""

CMMLU: Final = _parse(_CMMLU_SUBJECTS)
"""Source: the authors' table of subjects, Li et al. 2023."""

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


def _load_exam(
    exam: _Exam, folder: Path, names: Sequence[str] | None, split: str | None, shots: int | None
) -> Benchmark:
    """Return the questions of an exam; the split `test` of C-Eval only where its answers are
    there.
    """
    split = _choose_split(split, exam.splits)
    if shots is None:
        shots = DEFAULT_SHOTS
    if split == DEV and shots:
        raise InvalidArgumentError(
            tr("split='dev' has the examples: shots=0 asks for its questions")
        )
    read = partial(_questions, exam)
    rows: list[dict[str, Any]] = []
    for name in _choose_subjects(exam, folder, split, names):
        subject = exam.by_name.get(name, Subject(name, "Other"))
        facts: dict[str, Any] = {SUBJECT: name, CATEGORY: subject.category}
        if subject.is_china_specific:
            facts[CHINA] = "China specific"
        facts["system"] = exam.system.format(subject=subject.chinese)
        if history := _read_examples(exam.path(folder, DEV, name), shots, read):
            facts["history"] = history
        rows += [row | facts for row in read(exam.path(folder, split, name))]
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
    for name in names or ():
        if name not in present:
            raise InvalidArgumentError(
                tr(
                    "subjects: there is no {path}{hint}",
                    path=exam.path(folder, split, str(name)),
                    hint=did_you_mean(str(name), present),
                )
            )
    return [*dict.fromkeys(names or present)]


def _questions(exam: _Exam, path: Path) -> Iterator[dict[str, str]]:
    columns = [exam.question, *CHOICE_LETTERS]
    names = tr(", ").join([*columns, exam.answer])
    expected = tr("{title} has {names}", title=exam.title, names=names)
    if path.parent.name != "test" or exam is not _CEVAL:
        columns.append(exam.answer)
    for line, row in _read_rows(path, columns, expected):
        if exam.answer not in row:
            raise DatasetError(
                tr(
                    "the test has no answers, which only the authors of {title} have: split='val'",
                    title=exam.title,
                ),
                path=str(path),
                line=line,
            )
        answer = row[exam.answer].upper()
        if answer not in [*CHOICE_LETTERS]:
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


LOADERS: Final[Mapping[str, Callable[..., Benchmark]]] = {
    "ceval": partial(_load_exam, _CEVAL),
    "cmmlu": partial(_load_exam, _CMMLU),
    "gsm8k": load_gsm8k,
}
"""What reads each benchmark, by its name."""


def load(
    name: str,
    path: str | Path,
    *,
    subjects: Sequence[str] | None = None,
    split: str | None = None,
    shots: int | None = None,
) -> Benchmark:
    """Read a benchmark from disk: questions that `compare`, `EvaluationManager` and `%qfeval` take,
    with its metrics.

    Args:
        name: `ceval`, `cmmlu` or `gsm8k`.
        path: its folder; of `gsm8k` a file, too.
        subjects: of C-Eval and CMMLU, as in the names of the files; default all that are there.
        split: `val` (default) or `test` of C-Eval, `test` (default) or `dev` of CMMLU, `test`
            (default) or `train` of GSM8K.
        shots: examples before each question, from the split `dev` (of GSM8K from `train`); default
            5 for C-Eval and CMMLU, 0 for others.

    Raises:
        InvalidArgumentError: the benchmark, a subject, the split or the number of shots is unknown.
        DatasetError: a file is missing, not readable or not of this shape; names file, line and
            column.
    """
    loader = LOADERS.get(str(name).strip().lower().replace("-", ""))
    if loader is None:
        raise InvalidArgumentError(
            tr(
                "benchmark {name} is unknown{hint}: it is one of {names}",
                name=format_value(name),
                hint=did_you_mean(str(name), LOADERS),
                names=tr(", ").join(LOADERS),
            )
        )
    if shots is not None and (not isinstance(shots, int) or isinstance(shots, bool) or shots < 0):
        raise InvalidArgumentError(
            tr("shots={value}: examples before each question, 0 or more", value=repr(shots))
        )
    if subjects is not None and (isinstance(subjects, str) or not subjects):
        raise InvalidArgumentError(
            tr(
                "subjects={value}: a list of names, or None for all of them",
                value=format_value(subjects),
            )
        )
    folder = Path(path).expanduser()
    if not folder.exists():
        raise InvalidArgumentError(tr("{path} does not exist", path=folder))
    return loader(folder, subjects, split, shots)
