"""A batch's progress, drawn."""

from dataclasses import replace

import pytest
from support.attacks import ATTACKS
from support.strict_html import assert_only

from qfnb._jobs.batch_progress import BatchProgress, RowFailure
from qfnb.views import batch, display

FAILED = RowFailure(7, "判断情感：很好", "ServerError", "[336100] Try again")
RUNNING = BatchProgress(
    "reviews", "ERNIE-Speed-8K", "running", 1000, 20, 320, 4, 9, 8, 8, 12_345, 678, 0.0123, 0.5, 12.5, 100.0,
    rate_limits="300 requests/min (平台 platform)", latest_failures=(FAILED,), notes=("1,000 rows, 980 to ask",),
)  # fmt: skip
OVER = replace(RUNNING, ended_at=130.0, in_flight=0)

TAGS = {"div", "b", "progress", "table", "caption", "tr", "th", "td"}
ATTRIBUTES = {"style", "scope", "max", "value", "aria-label"}


@pytest.mark.parametrize(
    "part",
    [
        "reviews · ERNIE-Speed-8K",
        "运行中 running",
        "324 / 1,000 行 rows（32%）",
        "12.5 rows/s",
        "left ≈ 54 s",
        "in flight 8 / 8 workers",
        "成功 ok 320 · 失败 failed 4 · 重试 retried 9 · 已有 cached 20",
        "12,345 in + 678 out",
        "¥0.0123 / ¥0.5 预算 budget（2%）",
        "300 requests/min (平台 platform)",
        "980 to ask",
        "判断情感：很好",
        "ServerError",
        "[336100] Try again",
    ],
)
def test_a_running_batch_shows_what_is_known_of_it(part):
    assert part in batch.html(RUNNING, now=112.0)
    assert part in batch.text(RUNNING)


def test_the_bar_has_its_numbers_and_a_name():
    label = 'aria-label="324 / 1,000 行 rows（32%）"'
    assert f'<progress max="1000" value="324" {label}' in batch.html(RUNNING)
    assert "latest failures（1 / 4）" in batch.html(RUNNING)


@pytest.mark.parametrize(
    ("state", "going", "over"),
    [
        ("preparing", "准备中 preparing", "准备中 preparing"),
        ("paused", "已暂停 paused", "已暂停 paused"),
        ("waiting", "等待中 waiting", "等待中 waiting"),
        ("cancelled", "正在取消 cancelling", "已取消 cancelled"),
        ("stopped", "正在停止 stopping", "已提前停止 stopped early"),
        ("done", "完成 done", "4 行失败 / done, 4 rows failed"),
    ],
)
def test_a_state_is_said_in_words_with_its_reason(state, going, over):
    now, then = (replace(value, state=state, reason="预算已到") for value in (RUNNING, OVER))
    for show in (batch.text, batch.html):
        assert going in show(now)
        assert over in show(then)
        assert "预算已到" in show(then)


def test_a_paused_batch_is_drawn_the_same_as_time_goes_by():
    paused = replace(RUNNING, state="paused")
    assert batch.html(paused, now=200.0) == batch.html(replace(paused, rate=0.1), now=900.0)


@pytest.mark.parametrize("state", ["waiting", "cancelled"])
def test_only_a_running_batch_says_how_long_it_will_take(state):
    assert "left ≈" not in batch.html(replace(RUNNING, state=state), now=112.0)


def test_an_offline_batch_speaks_of_workers_only_while_it_asks_online():
    offline = replace(RUNNING, mode="offline")
    assert "workers" in batch.html(offline)
    assert "workers" not in batch.html(replace(offline, in_flight=0))


def test_an_unknown_total_has_no_share_and_no_end():
    html = batch.html(replace(RUNNING, total=None), now=112.0)
    assert "324 / ?" in html
    assert "<progress  aria-label" in html
    assert "left ≈" not in html
    assert "%）</b>" not in html
    assert 'max="1" value="0"' in batch.html(replace(OVER, total=None, state="cancelled"))


@pytest.mark.parametrize("progress", [BatchProgress(), BatchProgress(total=0, ended_at=1.0, started_at=1.0)])
def test_a_batch_without_rows_draws(progress):
    assert_only(batch.html(progress), TAGS, ATTRIBUTES)
    assert batch.text(progress)


def test_a_share_is_never_rounded_up_to_the_whole():
    assert "99%" in batch.html(replace(RUNNING, total=100_000, ok=99_999, failed=0))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"cost": None, "budget": None}, "价格未知 price not known"),
        ({"cost": None}, "price not known / ¥0.5 预算 budget<"),
        ({"budget": None}, "费用 cost ¥0.0123<"),
        ({"cost_low": 0.01}, "费用 cost ¥0.01–0.0123 / ¥0.5"),
        ({"from_sandbox": True, "budget": None}, "本地沙盒 sandbox<"),
        ({"from_sandbox": True}, "本地沙盒 sandbox · 费用 cost ¥0.0123 / ¥0.5"),
        ({"mode": "offline"}, "离线 offline"),
        ({"budget_tokens": 200_000}, " / 200,000 预算 budget（"),
        ({"uncounted": 3}, "（3 行未知 rows not counted）"),
    ],
)
def test_cost_and_platform(facts, words):
    assert words in batch.html(replace(RUNNING, **facts))


@pytest.mark.parametrize(("seconds", "words"), [(9.7, "9 s"), (75, "1 min 15 s"), (7500, "2 h 05 min")])
def test_a_span_of_time_is_said_in_two_units(seconds, words):
    assert f"elapsed {words}" in batch.html(RUNNING, now=100.0 + seconds)


def test_an_end_shows_the_speed_on_the_whole_and_nothing_that_was_passing():
    shown = batch.html(replace(OVER, state="cancelled"))
    assert "10.1 rows/s" in shown
    for passing in ("left ≈", "in flight", "limit:", "snapshot"):
        assert passing not in shown


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (replace(OVER, state="cancelled"), "to go on: 重新运行原单元格 re-run its cell"),
        (replace(OVER, state="stopped"), "qfnb.resume('reviews')"),
        (replace(OVER, state="done"), "ask failed rows again"),
        (RUNNING, "`%qfbatch show` follows it"),
        (replace(RUNNING, name=""), "`%qfbatch show` follows it"),
    ],
)
def test_what_is_missing_comes_with_the_way_to_get_it(progress, words):
    assert words in batch.text(progress)
    assert words.replace("'", "&#x27;") in batch.html(progress)


@pytest.mark.parametrize("progress", [replace(OVER, state="done", failed=0), replace(OVER, name="")])
def test_where_nothing_is_missing_or_kept_nothing_is_advised(progress):
    assert "re-run" not in batch.text(progress)


def test_a_moving_panel_leaves_the_advice_for_saved_ones_out():
    assert "snapshot" not in batch.html(RUNNING, is_live=True)
    assert "snapshot" in batch.bundle(RUNNING)["text/html"]


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_text_is_inert_in_every_field(attack):
    failure = RowFailure(0, attack, attack, attack)
    texts = dict.fromkeys(("name", "model", "rate_limits", "reason", "mode", "state"), attack)
    for progress in (RUNNING, OVER, replace(OVER, state="stopped")):
        hostile = replace(progress, latest_failures=(failure,) * 5, notes=(attack, attack), **texts)
        assert_only(batch.html(hostile), TAGS, ATTRIBUTES)
        assert not set(batch.text(hostile)) & set("\x1b\x00\u202e")


def test_a_failure_of_a_hundred_thousand_characters_is_a_line():
    failure = RowFailure(3, "问\n" * 50_000, "ServerError", "x\n" * 50_000)
    progress = replace(RUNNING, latest_failures=(failure,) * 5)
    assert len(batch.html(progress)) < 6000
    assert len(batch.text(progress).splitlines()) < 16


class RecordingJob:
    """A batch that only notes what it is told."""

    def __init__(self, progress):
        self.progress, self.calls = progress, []

    def __getattr__(self, name):
        return lambda *given: self.calls.append((name, *given))


def build_controls(progress=RUNNING):
    job = RecordingJob(progress)
    panel_controls = batch.BatchControls(job)
    box = panel_controls.build()
    panel_controls.draw(progress)
    return job, panel_controls, box


def test_the_buttons_and_the_slider_reach_the_batch():
    task, panel_controls, box = build_controls()
    pause, cancel, slider = box.children[0].children
    pause.click()
    panel_controls.draw(replace(RUNNING, state="paused"))
    assert pause.description == "继续 Resume"
    pause.click()
    slider.value = 20
    cancel.click()
    assert task.calls == [("pause",), ("resume",), ("resize", 20), ("cancel",)]
    assert cancel.disabled
    assert cancel.description == "正在取消 cancelling…"
    panel_controls.draw(RUNNING)
    assert cancel.disabled, "a cancel on its way was taken back"


def test_the_slider_follows_the_batch_without_telling_it():
    task, panel_controls, box = build_controls(replace(RUNNING, workers=200))
    slider = box.children[0].children[2]
    assert (slider.min, slider.max, slider.value) == (1, 200, 200)
    panel_controls.draw(replace(RUNNING, workers=300))
    assert (slider.max, slider.value) == (300, 300)
    assert not task.calls


@pytest.mark.parametrize("state", ["cancelled", "stopped"])
def test_a_batch_that_ends_takes_no_more_orders(state):
    _, panel_controls, box = build_controls()
    panel_controls.draw(replace(RUNNING, state=state))
    assert all(part.disabled for part in box.children[0].children)


def test_in_static_mode_the_panel_is_its_state(monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    panel = batch.BatchPanel(RecordingJob(OVER))
    panel.show()
    panel.publish_final()
    assert capsys.readouterr().out.count("324 / 1,000") == 2
    assert display.display_mode() == "text"
