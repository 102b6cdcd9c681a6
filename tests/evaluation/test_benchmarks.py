"""Benchmarks from disk: their files, their rules, their averages, and what is wrong with a file."""

import json
import math
import statistics

import pytest
from support.reports import FixedModel

import qfnb
from qfnb import InvalidArgumentError
from qfnb.errors import DatasetError
from qfnb.evaluation import EvaluationManager, Report, benchmarks
from qfnb.evaluation.benchmarks import CEVAL, CMMLU

SUBJECTS = ("law", "logic", "marxism", "accountant", "physician", "college_physics")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def exam(folder, subjects=SUBJECTS, n=4):
    for subject in subjects:
        rows = "".join(
            f'{i},"{i} + 1, {subject}?",{i},{i + 1},{i + 2},{i + 3},B\n' for i in range(n)
        )
        write(folder / "val" / f"{subject}_val.csv", f"id,question,A,B,C,D,answer\n{rows}")
        write(
            folder / "dev" / f"{subject}_dev.csv",
            "id,question,A,B,C,D,answer,explanation\n0,0+0?,1,0,2,3,b,so\n" * 1,
        )
    return folder


def cmmlu(folder):
    for split in ("dev", "test"):
        for subject in ("agronomy", "chinese_history", "arts"):
            write(folder / split / f"{subject}.csv", ",Question,A,B,C,D,Answer\n0,1+1?,2,3,4,5,A\n")
    return folder


def gsm8k(folder):
    line = {
        "question": "Ann has 3 pens and buys 4. How many?",
        "answer": "3+4=<<3+4=7>>7 pens.\n#### 1,007",
    }
    for split in ("train", "test"):
        write(folder / f"{split}.jsonl", f"{json.dumps(line)}\n" * 3)
    return folder


def test_ceval_has_its_examples_its_choices_and_the_chinese_name_of_its_subject(tmp_path):
    benchmark = benchmarks.load("ceval", exam(tmp_path), subjects=["law"], shots=1)
    row = benchmark.list()[0]
    assert row["prompt"] == "0 + 1, law?\nA. 0\nB. 1\nC. 2\nD. 3\n答案："
    assert row["history"] == [{"prompt": "0+0?\nA. 1\nB. 0\nC. 2\nD. 3\n答案：", "response": "B"}]
    assert "法学" in row["system"]
    assert (row["response"], row["category"], benchmark.metrics, benchmark.cluster) == (
        "B", "Humanities", ("choice",), "",
    )  # fmt: skip


def test_all_subjects_of_the_papers_have_a_category():
    assert (
        len(CEVAL),
        len(CMMLU),
        sum(subject.is_china_specific for subject in CMMLU.values()),
    ) == (52, 67, 15)


def test_a_report_averages_over_subjects_not_over_questions(tmp_path):
    folder = exam(tmp_path)
    write(folder / "val" / "law_val.csv", "id,question,A,B,C,D,answer\n" + "1,q,a,b,c,d,A\n" * 40)
    benchmark = benchmarks.load("ceval", folder, shots=0)
    report = qfnb.compare(
        FixedModel("a", ["B"] * 60), FixedModel("b", ["答案是 A"] * 60), benchmark
    ).report  # "b" is right on law only
    averages = report.averages.set_index(["model", "column", "value"])["mean"]
    assert report.summary["mean"].tolist() == [pytest.approx(20 / 60), pytest.approx(40 / 60)]
    assert (averages["a", "", ""], averages["b", "", ""]) == (
        pytest.approx(5 / 6),
        pytest.approx(1 / 6),
    )
    assert (averages["b", "category", "Humanities"], averages["b", "subject", "law"]) == (0.5, 1)
    assert report.cluster == "subject"
    assert "mean of the means of 6 subjects: a 0.833" in repr(report)
    assert Report.from_json(report.to_json()).averages.equals(report.averages)


def test_cmmlu_has_the_average_of_what_is_specific_to_china(tmp_path):
    benchmark = benchmarks.load("cmmlu", cmmlu(tmp_path), shots=1)
    report = EvaluationManager(local_evaluators=[qfnb.evaluation.ChoiceEvaluator()]).eval(
        [FixedModel("m", ["B", "A", "A"])], benchmark
    )
    averages = report.averages.set_index("value")["mean"]
    assert (averages["China specific"], averages["Other"]) == (1, 0)


def test_gsm8k_has_the_number_and_examples_without_the_calculator(tmp_path):
    benchmark = benchmarks.load("gsm8k", gsm8k(tmp_path), shots=2)
    row = benchmark.list()[0]
    assert (row["response"], len(row["history"])) == ("1,007", 2)
    assert row["history"][0]["response"] == "3+4=7 pens.\n#### 1,007"
    card = qfnb.compare(
        FixedModel("a", ["7"] * 3), FixedModel("b", ["so 8\n#### 1007"] * 3), benchmark
    )
    assert (card.metric, card.difference) == ("number", 1)


def broken(folder, name, text):
    write(folder / "val" / f"{name}_val.csv", text)
    return folder


HEADING = "id,question,A,B,C,D,answer\n"
WRONG_EXAMS = {
    "wrong column": (f"{HEADING}1,q,a,b,c,d,A\n".replace("question", "questoin"), {"shots": 0}, (r"law_val.csv:2: "
                                                                            r".*'question'.*questoin")),
    "answer out of "
    "A-D": (f"{HEADING}1,q,a,b,c,d,E\n", {"shots": 0}, r"law_val.csv:2: column 'answer' is 'E'"),
    "empty choice": (f"{HEADING}1,q,a,,c,d,A\n", {"shots": 0}, (r"law_val.csv:2: column 'B' is "
                                                               r"empty")),
    "a cell too many": (f"{HEADING}1,q,a,b,c,d,A,x\n", {"shots": 0}, r"law_val.csv:2: 8 cells.* 7"),
    "only a heading": (HEADING, {"shots": 0}, r"law_val.csv: there are no rows"),
    "empty file": ("", {"shots": 0}, r"law_val.csv: the file is empty"),
    "no examples": (f"{HEADING}1,q,a,b,c,d,A\n", {}, (r"law_dev.csv: the examples of shots=5 are "
                                                     r"missing: shots=0")),
    "no split": (f"{HEADING}1,q,a,b,c,d,A\n", {"split": "test"}, (r"no folder 'test'.*dev, test, "
                                                                 r"val")),
    "split": (f"{HEADING}1,q,a,b,c,d,A\n", {"split": "vall"}, r"split='vall'.*val, test, dev"),
    "subject": (f"{HEADING}1,q,a,b,c,d,A\n", {"subjects": ["lw"]}, r"lw_val.csv; did you mean law"),
    "shots": (f"{HEADING}1,q,a,b,c,d,A\n", {"shots": -1}, r"shots=-1"),
    "a text of subjects": (f"{HEADING}1,q,a,b,c,d,A\n", {"subjects": "law"}, (r"subjects='law': a "
                                                                             r"list")),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_EXAMS)
def test_what_is_wrong_with_an_exam_is_named(tmp_path, what):
    text, arguments, message = WRONG_EXAMS[what]
    with pytest.raises(InvalidArgumentError, match=message):
        benchmarks.load("ceval", broken(tmp_path, "law", text), **arguments)


def test_a_test_without_answers_says_who_has_them(tmp_path):
    write(tmp_path / "test" / "law_test.csv", "id,question,A,B,C,D\n1,q,a,b,c,d\n")
    with pytest.raises(DatasetError, match=r"law_test.csv:2: .*no answers.*split='val'"):
        benchmarks.load("ceval", tmp_path, split="test", shots=0)


WRONG_LINES = {
    "no number": ("gsm8k", {"question": "q", "answer": "seven"}, (r":1: 'answer' has no number "
                                                                 r"after ####")),
    "no question": ("gsm8k", {"answer": "#### 7"}, r":1: there is no column 'question'"),
    "a list": ("gsm8k", [1], r":1: expected \{\"question\""),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_LINES)
def test_what_is_wrong_with_a_line_is_named(tmp_path, what):
    name, value, message = WRONG_LINES[what]
    with pytest.raises(DatasetError, match=message):
        benchmarks.load(name, write(tmp_path / "lines.jsonl", json.dumps(value)))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [("ceva", {}, "did you mean ceval"), ("gsm8k", {"subjects": ["law"]}, "GSM8K has no subjects")],
)
def test_a_benchmark_takes_no_argument_that_it_has_no_use_for(tmp_path, name, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        benchmarks.load(name, tmp_path, **arguments)


def test_the_average_of_subjects_has_the_interval_of_their_means(tmp_path):
    benchmark = benchmarks.load("ceval", exam(tmp_path), shots=0)
    answers = [letter for n in range(6) for letter in ("B" * (n % 4) + "A" * 4)[:4]]
    report = qfnb.compare(models=[FixedModel("m", answers)], dataset=benchmark).report
    overall = report.averages.iloc[0]
    means = report.averages.query("column == 'subject'")["mean"]
    assert overall["mean"] == pytest.approx(statistics.fmean(means))
    half = 2.5706 * statistics.stdev(means) / math.sqrt(6)  # t with five degrees of freedom
    assert overall["ci_low"] < overall["mean"] - 0.9 * half
    assert overall["ci_high"] > overall["mean"] + 0.9 * half
    assert overall["units"] == 6
