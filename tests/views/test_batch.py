"""A batch's progress, drawn."""

import html
import re
from dataclasses import replace

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from support.attacks import ATTACKS
from support.strict_html import OUTPUT_ATTRIBUTES, OUTPUT_TAGS, assert_only, without_stylesheet

from qfnb._jobs.batch_progress import BatchProgress, RowFailure
from qfnb.base.language import choose_language
from qfnb.views import batch, components, display, panel

FAILED = RowFailure(7, "判断情感：很好", "ServerError", "[336100] Try again")
RUNNING = BatchProgress(
    "reviews", "ERNIE-Speed-8K", "running", 1000, 20, 320, 4, 9, 8, 8, 12_345, 678, 0.0123, 0.5, 12.5, 100.0,
    rate_limits="300 requests/min", latest_failures=(FAILED,), notes=("1,000 rows, 980 to ask",),
)  # fmt: skip
OVER = replace(RUNNING, ended_at=130.0, in_flight=0)


@pytest.fixture
def chinese():
    choose_language("zh")
    yield
    choose_language(None)


def live(progress, now=112.0):
    above, below = batch.live_html(progress, now=now)
    return components.stack(*above) + below


@pytest.mark.parametrize(
    "part",
    [
        "Batch · reviews",
        "ERNIE-Speed-8K",
        "Running",
        "324 / 1,000 rows",
        "12.5 rows/s",
        "about 54 s left",
        "8 of 8 at once",
        "20 rows from the cache",
        "9 retries",
        "13,023",
        "12.3k in · 678 out",
        "¥0.01",
        "2% of the budget of ¥0.5",
        "Rate limit: 300 requests/min",
        "980 to ask",
        "判断情感：很好",
        "ServerError",
        "[336100] Try again",
    ],
)
def test_a_running_batch_shows_its_facts_in_both_forms(monkeypatch, part):
    monkeypatch.setattr(batch.time, "time", lambda: 112.0)
    assert part in live(RUNNING)
    assert part in batch.text(RUNNING)


@pytest.mark.parametrize(
    "part",
    [
        "批量 · reviews",
        "运行中",
        "324 / 1,000 行",
        "每秒 12.5 行",
        "还需约 54 秒",
        "成功",
        "预算 ¥0.5 的 2%",
        "限速：",
    ],
)
def test_a_panel_is_in_one_language(chinese, part):
    html = live(replace(RUNNING, notes=(), rate_limits="60 RPM"))
    assert part in html
    assert 'lang="zh-CN"' in html
    assert "Running" not in html
    assert "rows" not in html


def test_an_output_names_its_language(chinese):
    assert re.search('<div class="qf [a-z0-9]+" lang="zh-CN">', batch.html(OVER))


def test_the_bar_has_its_numbers_and_a_name():
    assert '<progress max="1000" value="324" aria-label="324 / 1,000 rows">' in live(RUNNING)
    assert "Latest failures, 1 of 4" in live(RUNNING)


@pytest.mark.parametrize(
    ("state", "going", "over"),
    [
        ("preparing", "Preparing", "Preparing"),
        ("paused", "Paused", "Paused"),
        ("waiting", "Waiting", "Waiting"),
        ("cancelled", "Cancelling", "Cancelled"),
        ("stopped", "Ending", "Ended early"),
        ("done", "Done", "Done, 4 rows failed"),
    ],
)
def test_a_state_is_said_in_words_with_its_reason(state, going, over):
    now, then = (
        replace(value, state=state, reason="the budget is used up") for value in (RUNNING, OVER)
    )
    assert f"{going}</span>" in live(now) or f"{going}…</span>" in live(now)
    assert f"{over}</span>" in batch.html(then)
    assert going in batch.text(now)
    assert over in batch.text(then)
    for shown in (live(now), batch.html(then), batch.text(now), batch.text(then)):
        assert "the budget is used up" in shown


def test_a_paused_batch_is_drawn_the_same_as_time_goes_by():
    paused = replace(RUNNING, state="paused")
    assert live(paused, now=200.0) == live(replace(paused, rate=0.1), now=900.0)


@pytest.mark.parametrize("state", ["waiting", "cancelled"])
def test_only_a_running_batch_says_how_long_it_will_take(state):
    assert " left" not in live(replace(RUNNING, state=state))


def test_an_offline_batch_speaks_of_rows_in_flight_only_while_it_asks_online():
    offline = replace(RUNNING, mode="offline")
    assert "of 8 at once" in live(offline)
    assert "of 8 at once" not in live(replace(offline, in_flight=0))


def test_an_unknown_total_has_no_share_and_no_end():
    html = live(replace(RUNNING, total=None))
    assert '<progress aria-label="324 rows, total unknown">' in html
    assert " left" not in html
    assert 'max="1" value="1"' in batch.html(replace(OVER, total=None, state="cancelled"))


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
        ({"budget": None}, "¥0.01"),
        ({"cost_low": 0.0051}, "¥0.0051–0.01"),
        ({"from_sandbox": True, "budget": None}, "Local sandbox</span>"),
        ({"from_sandbox": True}, ">free"),
        ({"mode": "offline"}, "offline batches"),
        ({"budget_tokens": 200_000}, "6% of the budget of 200,000"),
        ({"uncounted": 3}, "3 rows not counted"),
        ({"uncounted": 1}, "1 row not counted"),
    ],
)
def test_cost_and_platform(facts, words):
    assert words in live(replace(RUNNING, **facts))


@pytest.mark.parametrize(
    ("seconds", "words"), [(9.7, "9 s"), (75, "1 min 15 s"), (7500, "2 h 05 min")]
)
def test_a_duration_is_written_in_two_units(seconds, words):
    assert f"{words} elapsed" in live(RUNNING, now=100.0 + seconds)


def test_an_end_shows_the_speed_on_the_whole_and_nothing_that_was_passing():
    html = batch.html(replace(OVER, state="cancelled"))
    assert "10.1 rows/s" in html
    for passing in (" left", "at once", "Rate limit", "As of"):
        assert passing not in html


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (replace(OVER, state="cancelled"), "to go on: run the cell again"),
        (replace(OVER, state="stopped"), "qfnb.resume('reviews')"),
        (replace(OVER, state="stopped", mode="shards"), "to go on: run the cell again"),
        (replace(OVER, state="done", mode="shards"), "the failed rows: "),
        (replace(OVER, state="done"), "ask only the failed rows again"),
        (RUNNING, "%qfbatch show"),
        (replace(RUNNING, name=""), "%qfbatch show"),
    ],
)
def test_rows_without_an_answer_come_with_the_way_to_get_it(progress, words):
    assert words in batch.text(progress)
    page = (
        html.unescape(batch.html(progress))
        if progress.is_finished
        else batch.BatchPanel(None)._go_on(progress)
    )
    assert words in page


def test_shards_go_on_by_the_cell_and_not_by_resume():
    assert not [
        state
        for state in ("done", "stopped")
        if "resume" in batch.text(replace(OVER, state=state, mode="shards"))
    ]


@pytest.mark.parametrize(
    "progress", [replace(OVER, state="done", failed=0), replace(OVER, name="")]
)
def test_where_nothing_is_missing_nothing_is_advised(progress):
    assert "run the cell again" not in batch.text(progress)


def test_a_saved_panel_that_is_not_at_its_end_is_dated():
    assert "As of " in batch.bundle(RUNNING)["text/html"]
    assert "As of " not in live(RUNNING)


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


def test_a_failure_of_a_hundred_thousand_characters_is_a_line():
    failure = RowFailure(3, "问\n" * 50_000, "ServerError", "x\n" * 50_000)
    progress = replace(RUNNING, latest_failures=(failure,) * 5)
    assert len(live(progress)) < 6000
    assert len(batch.text(progress).splitlines()) <= 16


class RecordingJob:
    """A batch that only notes what it is told."""

    def __init__(self, progress):
        self.progress = progress
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))


def build_controls(progress=RUNNING):
    job = RecordingJob(progress)
    panel_controls = batch.BatchPanel(job)
    box = panel_controls.build()
    panel_controls.draw(progress)
    return job, panel_controls, box


def buttons(box):
    return box.children[1].children


def test_the_buttons_and_the_slider_reach_the_batch():
    task, panel_controls, box = build_controls()
    pause, cancel, slider = buttons(box)
    pause.click()
    panel_controls.draw(replace(RUNNING, state="paused"))
    assert pause.description == "Resume"
    pause.click()
    slider.value = 20
    cancel.click()
    assert task.calls == [("pause",), ("resume",), ("resize", 20), ("cancel",)]
    assert cancel.disabled
    assert cancel.description == "Cancelling…"
    panel_controls.draw(RUNNING)
    assert cancel.disabled, "a cancel on its way was taken back"


def test_the_slider_follows_the_batch_without_telling_it():
    task, panel_controls, box = build_controls(replace(RUNNING, workers=200))
    slider = buttons(box)[2]
    assert (slider.min, slider.max, slider.value) == (1, 200, 200)
    panel_controls.draw(replace(RUNNING, workers=300))
    assert (slider.max, slider.value) == (300, 300)
    assert not task.calls


@pytest.mark.parametrize("state", ["cancelled", "stopped"])
def test_a_batch_that_ends_takes_no_more_orders(state):
    _, panel_controls, box = build_controls()
    panel_controls.draw(replace(RUNNING, state=state))
    assert all(part.disabled for part in buttons(box))


def test_in_static_mode_the_panel_is_its_state(monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    panel = batch.BatchPanel(RecordingJob(OVER))
    panel.show()
    panel.publish_final()
    assert capsys.readouterr().out.count("324 / 1,000") == 2
    assert display.display_mode() == "text"


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
    assert list(shell.user_ns["answers"].to_frame().columns[:3]) == ["review", "reference", "text"]
    report = shell.user_ns["report"]
    assert (report.records[0].prompt, report.dataset, report.from_sandbox) == (
        "判断：好",
        "answers",
        True,
    )
    assert report.models == ("ernie-4.5-turbo-128k",)
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
    readers = {
        "a.csv": pd.read_csv,
        "a.jsonl": lambda path: pd.read_json(path, lines=True),
        "a.xlsx": pd.read_excel,
        "a.parquet": pd.read_parquet,
    }
    for name, read in readers.items():
        capsys.readouterr()
        shell.run_cell(f"%qfbatch save {name}").raise_error()
        assert capsys.readouterr().out.strip() == f"Saved: {name} (2 rows)"
        assert read(name)["review"].tolist()[-1] == "不好"
        assert read(name)["text"].notna().all()
    result = shell.run_cell("%qfbatch save a.doc saved")
    assert str(result.error_in_exec).startswith("'a.doc': the name must end in one of .jsonl, .csv")


def test_a_batch_of_an_earlier_kernel_is_saved_by_its_name(shell, sandbox, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shell.user_ns["reviews"] = ["好"]
    shell.run_cell("%qfbatch reviews --name earlier-kernel -o old").raise_error()
    shell.user_ns.pop("old").wait()
    panel.RECENT_PANELS.clear()
    shell.run_cell("%qfbatch save a.csv earlier-kernel").raise_error()
    assert pd.read_csv("a.csv")["prompt"].tolist() == ["好"]
