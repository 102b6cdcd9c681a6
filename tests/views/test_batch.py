"""A batch's progress, drawn."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from support.attacks import ATTACKS
from support.strict_html import OUTPUT_ATTRIBUTES, OUTPUT_TAGS, assert_only, without_stylesheet

from qfnb._jobs.background_batch import BatchProgress, RowFailure
from qfnb.base.language import choose_language
from qfnb.views import batch, components

FAILED = RowFailure(7, "判断情感：很好", "ServerError", "[336100] Try again")
RUNNING = BatchProgress(
    "reviews", "ERNIE-Speed-8K", "running", 1000, 20, 320, 4, 9, 8, 8, 12_345, 678, 0.0123, 0.5, 12.5, 100.0,
    rate_limits="300 requests/min", latest_failures=(FAILED,), notes=("1,000 rows, 980 to ask",),
)  # fmt: skip
OVER = replace(RUNNING, ended_at=130.0, in_flight=0)


SUMMARY = """\
Batch · reviews: ● Running
ERNIE-Speed-8K
324 / 1,000 rows
12 s elapsed · about 54 s left · 12.5 rows/s · 8 of 8 at once · 20 rows from the cache · 9 retries
Succeeded: 320 · Failed: 4 · Tokens: 13,023 (12.3k in · 678 out) · Cost: ¥0.01 (2% of the budget of ¥0.5)
Rate limit: 300 requests/min
Before the start: 1,000 rows, 980 to ask"""
DETAILS = """
Latest failures, 1 of 4
Row  Input           Reason
  7  判断情感：很好  ServerError: [336100] Try again
to follow it: `%qfbatch show`
after a restart of the kernel: run the cell again, or `qfnb.resume('reviews')`"""
CHINESE = """\
批量 · reviews：● 运行中
ERNIE-Speed-8K
324 / 1,000 行
已用 12 秒 · 还需约 54 秒 · 每秒 12.5 行 · 8 路并发，8 行在途 · 20 行来自缓存 · 重试 9 次
成功：320 · 失败：4 · Tokens：13,023（输入 12.3k · 输出 678） · 费用：¥0.01（预算 ¥0.5 的 2%）"""


@pytest.fixture
def clock(monkeypatch):
    """Twelve seconds after the start."""
    monkeypatch.setattr("time.time", lambda: 112.0)


@pytest.fixture
def chinese():
    choose_language("zh")
    yield
    choose_language(None)


def live(progress, now=112.0):
    above, below = batch.live_html(progress, now=now)
    return components.stack(*above) + below


def test_a_running_batch_shows_its_facts(clock):
    assert batch.text(RUNNING) == SUMMARY + DETAILS
    assert "As of " in batch.bundle(RUNNING)["text/html"]
    assert "As of " not in live(RUNNING)


def test_a_batch_is_in_one_language(chinese, clock):
    quiet = replace(RUNNING, notes=(), rate_limits="")
    assert batch.summary_text(quiet) == CHINESE
    assert re.search('<div class="qf [a-z0-9]+" lang="zh-CN">', batch.html(OVER))
    assert 'lang="zh-CN"' in live(quiet)


@pytest.mark.parametrize(
    ("progress", "bar"),
    [
        (RUNNING, 'max="1000" value="324" aria-label="324 / 1,000 rows"'),
        (replace(RUNNING, total=None), 'aria-label="324 rows, total unknown"'),
        (replace(OVER, total=None, state="cancelled"), 'max="1" value="1" aria-label="324 rows'),
    ],
)
def test_the_bar_has_its_numbers_and_a_name(progress, bar):
    assert f"<progress {bar}" in live(progress)


@pytest.mark.parametrize(
    ("state", "going", "over"),
    [
        ("preparing", "○ Preparing", "○ Preparing"),
        ("paused", "‖ Paused", "‖ Paused"),
        ("waiting", "○ Waiting", "○ Waiting"),
        ("cancelled", "■ Cancelling…", "■ Cancelled"),
        ("stopped", "■ Ending…", "■ Ended early"),
        ("done", "✓ Done", "✓ Done, 4 rows failed"),
    ],
)
def test_a_state_is_said_in_words_with_its_reason(state, going, over):
    for progress, words in ((RUNNING, going), (OVER, over)):
        text = batch.text(replace(progress, state=state, reason="the budget is used up"))
        assert text.splitlines()[0] == f"Batch · reviews: {words}"
        assert text.splitlines()[2] == "the budget is used up"


def test_a_paused_batch_is_drawn_the_same_as_time_goes_by():
    paused = replace(RUNNING, state="paused")
    assert live(paused, now=200.0) == live(replace(paused, rate=0.1), now=900.0)


@pytest.mark.parametrize(
    "progress", [BatchProgress(), BatchProgress(total=0, ended_at=1.0, started_at=1.0)]
)
def test_a_batch_without_rows_draws(progress):
    assert_only(without_stylesheet(batch.html(progress)), OUTPUT_TAGS, OUTPUT_ATTRIBUTES)
    assert batch.text(progress)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"cost": None, "budget": None}, "price unknown"),
        ({"cost": None}, "budget ¥0.5"),
        ({"cost_low": 0.0051}, "¥0.0051–0.01"),
        ({"from_sandbox": True, "budget": None}, "Local sandbox</span>"),
        ({"from_sandbox": True}, ">free"),
        ({"mode": "offline"}, "offline batches"),
        ({"budget_tokens": 200_000}, "6% of the budget of 200,000"),
        ({"uncounted": 3}, "3 rows not counted"),
        ({"started_at": 37.0}, "1 min 15 s elapsed"),
        ({"started_at": -7388.0}, "2 h 05 min elapsed"),
    ],
)
def test_cost_platform_and_duration(facts, words):
    assert words in live(replace(RUNNING, **facts))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"state": "waiting"}, " left"),
        ({"total": None}, " left"),
        ({"mode": "offline", "in_flight": 0}, "of 8 at once"),
        ({"ended_at": 130.0}, "Rate limit"),
        ({"ended_at": 130.0}, " left"),
    ],
)
def test_nothing_is_said_that_is_not_known_or_over(facts, words):
    assert words not in live(replace(RUNNING, **facts))


@pytest.mark.parametrize(
    ("progress", "steps"),
    [
        (
            replace(OVER, state="cancelled"),
            ["to go on: run the cell again, or `qfnb.resume('reviews')`"],
        ),
        (replace(OVER, state="stopped", mode="shards"), ["to go on: run the cell again"]),
        (replace(OVER, state="done", mode="shards"), ["the failed rows: `failures()`"]),
        (replace(OVER, state="done", mode="shards", failed=0), []),
        (replace(RUNNING, name=""), ["to follow it: `%qfbatch show`"]),
        (replace(OVER, name=""), []),
    ],
)
def test_rows_without_an_answer_come_with_the_way_to_get_it(progress, steps):
    assert batch._next_steps(progress) == steps
    assert batch.BatchPanel(None)._go_on(progress) == "; ".join(["Answered rows are kept", *steps])
    assert all(step in batch.text(progress) for step in steps)


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_text_is_inert_in_every_field(attack):
    failure = RowFailure(0, attack, attack, attack)
    texts = dict.fromkeys(("name", "model", "rate_limits", "reason", "mode", "state"), attack)
    for progress in (RUNNING, OVER, replace(OVER, state="stopped")):
        hostile = replace(progress, latest_failures=(failure,) * 5, notes=(attack, attack), **texts)
        assert_only(without_stylesheet(batch.html(hostile)), OUTPUT_TAGS, OUTPUT_ATTRIBUTES)
        assert_only(live(hostile), OUTPUT_TAGS, OUTPUT_ATTRIBUTES)
        assert not set(batch.text(hostile)) & set("\x1b\x00\u202e")


class RecordingJob:
    """A batch that only notes what it is told."""

    def __init__(self, progress):
        self.progress = progress
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))


def build_panel(progress=RUNNING):
    job = RecordingJob(progress)
    panel = batch.BatchPanel(job)
    box = panel.build()
    panel.draw(progress)
    return job, panel, box.children[1].children


def test_the_buttons_and_the_slider_reach_the_batch():
    job, panel, (pause, cancel, slider) = build_panel()
    pause.click()
    panel.draw(replace(RUNNING, state="paused"))
    assert pause.description == "Resume"
    pause.click()
    slider.value = 20
    cancel.click()
    assert job.calls == [("pause",), ("resume",), ("resize", 20), ("cancel",)]
    panel.draw(RUNNING)
    assert (cancel.disabled, cancel.description) == (True, "Cancelling…"), "it was taken back"


def test_the_slider_follows_the_batch_without_telling_it():
    job, panel, (*_, slider) = build_panel(replace(RUNNING, workers=200))
    assert (slider.min, slider.max, slider.value) == (1, 200, 200)
    panel.draw(replace(RUNNING, workers=300))
    assert (slider.max, slider.value, job.calls) == (300, 300, [])


@pytest.mark.parametrize("state", ["cancelled", "stopped"])
def test_a_batch_that_ends_takes_no_more_orders(state):
    _, panel, buttons = build_panel()
    panel.draw(replace(RUNNING, state=state))
    assert all(button.disabled for button in buttons)


def test_in_static_mode_the_panel_is_its_state(monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    panel = batch.BatchPanel(RecordingJob(OVER))
    panel.show()
    panel.publish_final()
    assert capsys.readouterr().out.count("324 / 1,000") == 2


@pytest.fixture
def shell():
    """The IPython of this process, with qfnb loaded."""
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "qfnb")
    yield shell
    shell.run_line_magic("unload_ext", "qfnb")
    InteractiveShell.clear_instance()


def test_a_finished_batch_offers_lines_that_run_with_the_names_of_the_kernel(
    shell, sandbox, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    shell.user_ns["reviews"] = pd.DataFrame({"review": ["好", "不好"], "reference": ["正", "负"]})
    shell.run_cell("%qfbatch reviews --prompt '判断：{review}' -o answers").raise_error()
    shell.user_ns["answers"].wait()
    text = batch.text(shell.user_ns["answers"].progress)
    assert text.startswith("Batch · reviews")
    assert shell.user_ns["answers"].name in text.splitlines()[1]
    assert "Before the start" not in text
    lines = re.findall(r"`([^`]+)`", text)
    assert lines == [
        "answers.to_frame()", "%qfbatch save answers.csv answers", ("%qfeval only answers -o "
                              "report"), "pairs = answers.to_pairs()", "%qftrain new pairs"
    ]  # fmt: skip
    for line in lines:
        shell.run_cell(line).raise_error()
    assert shell.user_ns["pairs"]["prompt"].to_list() == ["判断：好", "判断：不好"]
    assert shell.user_ns["report"].models == ("ernie-4.5-turbo-128k",)
    name = shell.user_ns.pop("answers").name
    lines = re.findall(r"`(%[^`]+)`", batch.text(replace(OVER, name=name, state="done", failed=0)))
    assert len(lines) == 2
    for line in lines:
        shell.run_cell(line).raise_error()
    shell.user_ns["answers"].wait()
    assert shell.user_ns["answers"].progress.rows_name == "reviews"


def test_the_newest_finished_batch_is_saved_by_the_suffix_of_the_file(
    shell, sandbox, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    shell.user_ns["reviews"] = pd.DataFrame({"review": ["=1+1", "不好"]})
    shell.run_cell("%qfbatch reviews --prompt '判断：{review}' -o saved").raise_error()
    shell.user_ns["saved"].wait()
    capsys.readouterr()
    shell.run_cell("%qfbatch save a.xlsx").raise_error()
    assert capsys.readouterr().out.strip() == "Saved: a.xlsx (2 rows)"
    assert pd.read_excel("a.xlsx")["review"].tolist()[-1] == "不好"
    result = shell.run_cell("%qfbatch save a.doc saved")
    assert str(result.error_in_exec).startswith("'a.doc': the name must end in one of .jsonl, .csv")
