"""`%qfbatch` in a real kernel: the panel moves, ■ keeps what is done, a new kernel asks only what
is missing.
"""

import re
import time

import pytest
from support.kernel import Kernel, is_live, max_per_second, record_messages, request_counts

pytestmark = pytest.mark.kernel

ROWS = (
    "import time, pandas as pd\ndf = pd.DataFrame({'review': [f'第 {n} 条' for n in range(%d)], "
    "'stars': 5})"
)
START = '%qfbatch df --prompt "判断 {review}" -w 4 -o result'


@pytest.fixture
def start_batch(kernel):
    """Start batches of so many rows that no test had before; cancel what is left of them."""

    def start(rows, line=START, **how):
        kernel.run(ROWS % rows)
        kernel.run(f"df['review'] += ' {time.time_ns()}'")
        return kernel.run(line, **how)

    yield start
    kernel.run("result.cancel(); result.wait(); del result")


def test_a_live_panel_moves_while_another_cell_is_busy_and_ends_static(
    kernel, start_batch, hold, busy_cell, monkeypatch
):
    before = set(kernel.open_comms)
    messages = record_messages(kernel, monkeypatch)
    hold(20)
    cell = start_batch(300, live=True)
    assert is_live(cell.outputs[0])
    assert len(kernel.open_comms - before) <= 15
    with busy_cell():
        for _ in range(5):
            count = len(set(kernel.widget_texts))
            hold(20)
            kernel.until(lambda: len(set(kernel.widget_texts)) > count)  # noqa: B023 - called at once
    hold(release=True)
    assert "300 / 300 rows" in kernel.run("%qfbatch wait", live=True).text
    kernel.until(lambda: not is_live(cell.outputs[0]) and kernel.open_comms == before)
    assert len(cell.outputs) == 1
    assert "300 / 300" in cell.text
    assert "Done" in cell.html
    redraws = [at for at, kind, _ in messages if kind in {"comm_msg", "update_display_data"}]
    assert max_per_second(redraws) <= 13


def test_a_paused_panel_is_silent(kernel, start_batch, hold):
    hold(20)
    start_batch(100, live=True)
    kernel.run("%qfbatch pause")
    hold(release=True)
    kernel.until(
        lambda: (
            kernel.value("(result.progress.state, result.progress.in_flight)") == "('paused', 0)"
        )
    )
    kernel.until_silent()
    hold(20)
    kernel.run("%qfbatch resume result", live=True)
    assert kernel.value("result.progress.state") == "'running'"


@pytest.mark.parametrize("line", ["%qfbatch wait", "result.wait()"])
@pytest.mark.parametrize("live", [True, False])
def test_an_interrupt_sends_nothing_more_and_keeps_what_is_done(
    kernel, start_batch, hold, control, line, live
):
    hold(20)
    before = request_counts(control).get("chat.v2", 0)
    start_batch(300, live=live)
    cell = kernel.start(f"print('waiting')\n{line}", live=live)
    kernel.until(
        lambda: "waiting" in cell.text and request_counts(control).get("chat.v2") == before + 24
    )
    kernel.listen(0.5)
    request_count = request_counts(control)
    kernel.interrupt()
    kernel.wait(cell)
    hold(release=True)
    assert cell.status == "error"
    if line == "%qfbatch wait":
        assert len(cell.error) == 1
        assert "%qfbatch resume batch-" in cell.error[0]
    kernel.run("result.wait()")
    assert request_counts(control) == request_count
    done = int(kernel.value("result.progress.ok"))
    assert 20 <= done <= 24
    assert kernel.value("int(result.to_frame()['error'].isna().sum())") == str(done)
    assert kernel.value("result.progress.state") == "'cancelled'"


@pytest.mark.fault("F72")
def test_a_static_notebook_gets_one_line_and_then_the_panel_from_the_cell_that_waits(
    kernel, start_batch
):
    first = start_batch(30)
    assert len(first.text.strip().splitlines()) == 1
    assert "%qfbatch wait" in first.text
    second = kernel.run("%qfbatch wait")
    assert len(second.outputs) == 1
    assert set(second.outputs[0]["data"]) == {"text/plain", "text/html"}
    assert "30 / 30" in second.text
    assert kernel.run("%qfbatch wait result").text == second.text


@pytest.mark.fault("F69")
def test_a_killed_kernel_and_the_same_cell_again_ask_only_what_is_missing(hold, control):
    hold(40)
    control.post("/_sandbox/register", json={"on": True})
    data = ROWS % 120 + f"\ndf['review'] += ' {time.time_ns()}'"
    kernels = [Kernel()]
    try:
        kernels[0].run(data)
        kernels[0].run(START, live=True)
        kernels[0].run("while result.progress.finished_rows < 40: time.sleep(0.01)")
        kernels[0].close()
        hold(release=True)
        kernels.append(Kernel())
        kernels[1].run(data)
        cell = kernels[1].run(START, live=True)
        assert kernels[1].run("result.wait()").status == "ok"
        kernels[1].until(lambda: "120 / 120" in cell.text)
    finally:
        kernels[-1].close()
    counts = control.get("/_sandbox/register").json()
    control.post("/_sandbox/register", json={"on": False})
    assert counts["distinct_answered"] == 120
    assert counts["came"] <= 120 + 4, "more was repeated than what was in flight"
    assert "120 / 120" in cell.text
    assert int(re.search(r"(\d+) rows from the cache", cell.text)[1]) >= 40


@pytest.mark.fault("F66")
def test_running_the_cell_again_while_it_runs_shows_the_same_batch(kernel, start_batch, hold):
    hold(60)
    cell = start_batch(400, live=True)
    kernel.run("first = result")
    again = kernel.run(START.replace("-w 4", "-w 6"), live=True)
    assert is_live(again.outputs[0])
    assert kernel.value("(result is first, result.progress.workers)") == "(True, 6)"
    other = kernel.run(
        "while result.progress.finished_rows < 40: time.sleep(0.01)\nprint('mine')", live=True
    )
    assert other.texts == ["mine\n"]
    assert [len(each.outputs) for each in (cell, again)] == [1, 1]


@pytest.mark.fault("F67")
def test_a_page_that_is_closed_costs_the_batch_nothing_and_the_panel_can_be_shown_again(
    kernel, start_batch, hold
):
    hold(60)
    start_batch(200, live=True)
    kernel.close_comms()
    cell = kernel.run("while result.progress.finished_rows < 40: time.sleep(0.01)", live=True)
    assert (cell.status, cell.outputs) == ("ok", [])
    shown = kernel.run("%qfbatch show", live=True)
    assert is_live(shown.outputs[0])
    hold(release=True)
    assert kernel.run("%qfbatch wait", live=True).status == "ok"
    kernel.until(lambda: not is_live(shown.outputs[0]))
    assert "200 / 200" in shown.text


def test_the_newest_is_meant_and_others_by_variable_or_name(kernel, start_batch, hold):
    hold()
    start_batch(200, START + " --name older")
    kernel.run("older = result")
    kernel.run('%qfbatch df --prompt "另一个 {review}" --name newer -o result')
    assert "newer" in kernel.run("%qfbatch show").text
    assert "older" in kernel.run("%qfbatch show older").text
    kernel.run("%qfbatch cancel\nresult.wait()")
    assert (
        kernel.value("(result.progress.state, older.progress.is_finished)")
        == "('cancelled', False)"
    )
    kernel.run("%qfbatch cancel older")
    hold(release=True)
    kernel.run("older.wait()")
    assert kernel.value("older.progress.state") == "'cancelled'"
    assert {"older", "newer"} <= set(kernel.run("%qfbatch list").text.split())


def test_a_batch_goes_on_by_its_name_and_is_deleted_by_its_name(kernel, start_batch, hold):
    hold(10)
    start_batch(60, START + " --name going")
    kernel.run("%qfbatch cancel")
    hold(release=True)
    kernel.run("result.wait()\ndel result")
    assert kernel.run("%qfbatch resume going -w 9 -o result").status == "ok"
    assert "60 / 60" in kernel.run("%qfbatch wait going").text
    assert kernel.run("%qfbatch delete going").status == "ok"
    assert "there is no batch 'gone'" in kernel.run("%qfbatch resume gone").text


def test_a_variable_with_the_name_of_a_verb_is_reachable(kernel, start_batch):
    kernel.run("wait = ['你好', '再见']")
    start_batch(1, "%qfbatch start wait -o result")
    assert "2 / 2" in kernel.run("%qfbatch wait").text
    kernel.run("%qfbatch -m ERNIE-4.0-8K wait -o result")
    kernel.run("del wait")
    assert "✓ Done" in kernel.run("%qfbatch wait").text


TEXT = "判断 {{\"json\": [1]}} 'single' $HOME \\n %d：\n\n  {stars}"
FILLED = "判断 {\"json\": [1]} 'single' $HOME \\n %d：\n\n  5"


@pytest.mark.fault("F75")
@pytest.mark.parametrize("form", ["cell", "line"])
def test_the_prompt_goes_through_as_it_is_written(kernel, start_batch, control, fault, form):
    fault("chat.v2", "status", status=400, times=None)
    text, filled_prompt = (
        one if form == "cell" else one.replace("\n", " ").replace("'", "‘")
        for one in (TEXT, FILLED)
    )
    line = (
        f"%%qfbatch df -o result\n{text}"
        if form == "cell"
        else f"%qfbatch df --prompt '{text}' -o result"
    )
    start_batch(2, line)
    kernel.run("result.wait()")
    control.delete("/_sandbox/faults").raise_for_status()
    assert kernel.value("result.progress.latest_failures[0].input") == repr(filled_prompt)


def test_wrong_rows_can_be_kept_and_a_dry_run_sends_nothing(kernel, start_batch, control):
    kernel.run("holes = pd.DataFrame({'review': ['好', None]})")
    before = request_counts(control)
    assert "1 cannot be sent" in kernel.run("%qfbatch holes --prompt {review} --dry-run").text
    assert request_counts(control) == before
    start_batch(1, "%qfbatch holes --prompt {review} --keep-wrong-rows -o result")
    assert "Succeeded: 1 · Failed: 1" in kernel.run("%qfbatch wait").text
