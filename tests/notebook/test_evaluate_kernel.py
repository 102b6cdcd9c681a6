"""`%qfeval` in a real kernel: the panel moves, the report takes its place, ■ keeps what was
answered.
"""

import time
from types import SimpleNamespace

import pandas as pd
import pytest
from support.kernel import is_live, request_counts

from qfnb.errors import InvalidArgumentError
from qfnb.evaluation import EvaluationManager, ExactMatchEvaluator
from qfnb.notebook.evaluate_inputs import find_only_report

pytestmark = pytest.mark.kernel

SETUP = """\
import qfnb, time, pandas as pd
from qfnb import Service
base, other = Service(model="ernie-4.5-turbo-128k", name="base"), Service(model="ernie-5.1", name="other")
talks = pd.DataFrame({"prompt": [f"第 {n} 问 %s" for n in range(%d)], "response": "九点开门"})
"""
START = "%qfeval base other --data talks -w 4 -o report"


@pytest.fixture
def start_evaluation(kernel):
    """Start evaluations of new questions, a given number of them; cancel those that still run at
    the end.
    """

    def start(rows, line=START, **how):
        kernel.run(SETUP % (time.time_ns(), rows))
        return kernel.run(line, **how)

    yield start
    kernel.run("%qfeval cancel")
    kernel.run("%qfeval wait")


def test_the_panel_moves_while_another_cell_is_busy_and_becomes_the_report(
    kernel, start_evaluation, hold, busy_cell
):
    hold(20)
    before = set(kernel.open_comms)
    cell = start_evaluation(150, live=True)
    assert is_live(cell.outputs[0])
    with busy_cell():
        for _ in range(3):
            count = len(set(kernel.widget_texts))
            hold(20)
            kernel.until(lambda: len(set(kernel.widget_texts)) > count)  # noqa: B023 - called at once
    hold(release=True)
    waited = kernel.run("%qfeval wait", live=True)
    assert waited.status == "ok"
    assert waited.text.startswith("Cannot tell whether other or base is better: ")
    kernel.until(lambda: not is_live(cell.outputs[0]) and kernel.open_comms == before)
    assert len(cell.outputs) == 1
    assert "Evaluation: other and base" in cell.text
    assert "ROUGE-L" in cell.text
    assert (
        kernel.value("(type(report).__name__, len(report.records))") == "('EvaluationResult', 300)"
    )


@pytest.mark.parametrize("live", [True, False])
def test_an_interrupt_cancels_and_scores_what_was_answered(
    kernel, start_evaluation, hold, control, live
):
    hold(20)
    before = request_counts(control).get("chat.v2", 0)
    started_cell = start_evaluation(200, live=live)
    cell = kernel.start("print('waiting')\n%qfeval wait", live=live)
    kernel.until(
        lambda: "waiting" in cell.text and request_counts(control).get("chat.v2", 0) >= before + 24
    )
    kernel.listen(0.5)
    kernel.interrupt()
    kernel.wait(cell)
    hold(release=True)
    assert cell.status == "error"
    assert len(cell.error) == 1
    assert kernel.run("%qfeval wait").status == "ok"
    request_count = request_counts(control)
    answered = int(kernel.value("sum(not sample.error for sample in report.records)"))
    assert 20 <= answered < 400
    waited_cell = kernel.run("%qfeval wait")
    kernel.until(lambda: "Cancelled with" in (started_cell if live else waited_cell).text)
    assert request_counts(control) == request_count


def test_the_same_cell_again_shows_the_same_evaluation_and_afterwards_sends_nothing(
    kernel, start_evaluation, hold, control
):
    hold(20)
    start_evaluation(60, live=True)
    kernel.run("first = report")
    again = kernel.run(START, live=True)
    assert is_live(again.outputs[0])
    assert kernel.value("report is first") == "True"
    hold(release=True)
    kernel.run("%qfeval wait")
    request_count = request_counts(control)
    kernel.run(START)
    kernel.run("%qfeval wait")
    assert request_counts(control) == request_count


def test_a_report_that_is_not_there_yet_is_waited_for_and_a_browser_says_so(
    kernel, start_evaluation, hold, tmp_path
):
    hold(20)
    start_evaluation(30)
    assert "is still running" in kernel.run("%qfeval browse report").text
    assert "neither an evaluation nor its report has 'sumary'" in kernel.run("report.sumary").text
    saving = kernel.start(f"print(report.save({str(tmp_path / 'r.html')!r}))")
    hold(release=True)
    kernel.wait(saving)
    assert saving.status == "ok"
    assert (tmp_path / "r.html").is_file()


def test_a_report_of_the_library_needs_no_name_while_it_is_the_only_one():
    rows = pd.DataFrame({"prompt": ["一"], "reference": ["甲"], "llm_output": ["甲"]})
    report, other = (
        EvaluationManager(local_evaluators=[ExactMatchEvaluator()]).eval_only(rows)
        for _ in range(2)
    )
    shell = SimpleNamespace(user_ns={"rep": report, "same": report, "n": 1}, user_ns_hidden={})
    assert find_only_report(shell) is report
    shell.user_ns["later"] = other
    with pytest.raises(InvalidArgumentError, match="rep, same, later"):
        find_only_report(shell)


def test_one_model_a_judge_and_a_metric_of_your_own(kernel, start_evaluation):
    kernel.run(
        "from qfnb.evaluation import FunctionEvaluator\ndef polite(output): return '我' in output\n"
        "polite = FunctionEvaluator(polite)"
    )
    start_evaluation(
        6, "%qfeval ERNIE-Speed-8K --data talks --metrics polite,chrf --judge other -o report"
    )
    assert kernel.run("%qfeval wait").status == "ok"
    assert kernel.value("report.metric_names") == "('polite', 'chrf', 'judge_score')"
    assert kernel.value("report.summaries['ERNIE-Speed-8K']['judge_score_unread']") == "6"
    assert kernel.run("%qfeval rescore report --judge other -o again").status == "ok"
    assert kernel.value("again.summaries['ERNIE-Speed-8K']['judge_score_replayed']") == "6"


def test_prompts_and_repeats_make_a_matrix_and_a_typing_error_in_a_prompt_sends_nothing(
    kernel, start_evaluation, control
):
    kernel.run("short, long = 'In short: {prompt}', '{prompt} {response}'")
    before = request_counts(control).get("chat.v2", 0)
    start_evaluation(
        4, "%qfeval base other --data talks --prompts short,long --repeats 3 -o report"
    )
    assert "Evaluation: 2 prompts × 2 models" in kernel.run("%qfeval wait").text
    assert request_counts(control).get("chat.v2", 0) - before == 4 * 2 * 2 * 3
    assert kernel.value("(len(report.records), type(report.matrix()).__name__)") == "(48, 'Matrix')"
    assert (
        "best mean" in kernel.run("%qfeval compare report").text
        or "same mean" in kernel.run("report").text
    )
    for line, words in (("--prompts short,lnog", ("did you mean "
                                                 "long")), (("--repeats 2 --pass-at "
                                                           "3"), "--pass-at 3"),
                        ("--prompts short,short", "named twice"), ("--pass-at x", "whole numbers"),
                        ("--repeats 0", "--repeats 0"), ("--prompts talks", "a list of templates")):  # fmt: skip
        assert words in kernel.run(f"%qfeval base --data talks {line}").text
    assert request_counts(control).get("chat.v2", 0) - before == 48


def test_a_benchmark_is_asked_with_its_metric_and_the_report_says_which_it_is(kernel, tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "law_val.csv").write_text(
        "id,question,A,B,C,D,answer\n1,q?,a,b,c,d,A\n", encoding="utf-8"
    )
    kernel.run(SETUP % ("x", 3))
    assert kernel.run(f"%qfeval base --benchmark ceval:{tmp_path} --shots 0 -o exam").status == "ok"
    assert "C-Eval, val" in kernel.run("%qfeval wait").text
    assert kernel.run("exam.metric_names, exam.dataset").text == "(('choice',), 'C-Eval, val')"


def test_answers_that_there_are_are_scored_without_asking(kernel, start_evaluation, control):
    start_evaluation(2)
    kernel.run("%qfeval wait")
    kernel.run(
        "df = pd.DataFrame({'q': ['一', '二'], 'a': ['甲', '乙'], 'b': ['甲', None], 'label': ['甲', "
        "'乙']})"
    )
    request_count = request_counts(control)
    line = "%qfeval only df --outputs a,b --input q --reference label --metrics exact_match -o mine"
    assert "Cannot tell whether b or a is better" in kernel.run(line).text
    assert kernel.value("[score.n for score in mine.model_scores]") == "[2, 1]"
    assert "bleu4" in kernel.run("%qfeval rescore report --metrics bleu4 -o scored_again").text
    assert kernel.value("scored_again.metric_names") == "('bleu4',)"
    assert request_counts(control) == request_count


def test_a_report_is_saved_loaded_compared_and_browsed(kernel, start_evaluation, tmp_path):
    start_evaluation(8)
    kernel.run("%qfeval wait")
    for name in ("r.html", "r.json"):
        assert name in kernel.run(f"%qfeval save report {tmp_path / name}").text
    assert "Local sandbox</title>" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert kernel.run(f"%qfeval load {tmp_path / 'r.json'} -o again").status == "ok"
    assert kernel.value("again.records == report.records") == "True"
    assert "whether other or base is better" in kernel.run("%qfeval compare again base other").text
    assert "Questions 1–8 of 8" in kernel.run("%qfeval browse again -o view").text
    assert kernel.value("view.choose(search='第 3 问').rows") == "[3]"


def test_a_dry_run_sends_nothing_and_wrong_rows_can_be_kept(kernel, start_evaluation, control):
    before = request_counts(control)
    dry = start_evaluation(5, "%qfeval base other --data talks --judge base --dry-run")
    assert "144" not in dry.text
    assert "10" in dry.text
    assert request_counts(control) == before
    kernel.run("talks.loc[1, 'response'] = None")
    kernel.run(f"{START} --keep-wrong-rows")
    kernel.run("%qfeval wait")
    assert kernel.value("[score.n for score in report.model_scores]") == "[4, 4, 4, 4]"


def test_a_model_that_cannot_be_asked_is_an_error_after_the_report(
    kernel, start_evaluation, fault, control
):
    fault("chat.v2", "status", status=401, times=None)
    start_evaluation(20)
    cell = kernel.run("%qfeval wait")
    control.delete("/_sandbox/faults").raise_for_status()
    assert cell.outputs[0]["output_type"] == "display_data"
    assert cell.status == "error"
    assert len(cell.error) <= 3


def test_a_service_that_nobody_named_is_called_as_its_variable(kernel, start_evaluation):
    kernel.run(
        "from qfnb import ChatCompletion, Service; mine = ChatCompletion(endpoint='abcdefgh_shop')"
    )
    kernel.run("tuned = Service(endpoint='abcdefgh_tea', name='svc_m_task_0a1b2c')")
    dry = start_evaluation(5, "%qfeval mine tuned base --data talks --dry-run")
    assert [name in dry.text for name in ("mine", "tuned", "base", "abcdefgh", "svc_m_task")] == [
        True
    ] * 3 + [False] * 2
