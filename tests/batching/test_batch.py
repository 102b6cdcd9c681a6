"""Batches over HTTP: every row once, nothing lost, and what stops them."""

import asyncio
import json
import os
import re
import threading

import pandas as pd
import pytest
from support.scripted_server import http_answer
from support.waiting import until

import qfnb
from qfnb.batching import journal_reader
from qfnb.batching.journal_reader import JournalError
from qfnb.batching.journal_store import delete_journal, journal_path
from qfnb.errors import InvalidArgumentError
from qfnb.views import formats

pytestmark = pytest.mark.long


def rows(count, template="第 {} 个问题"):
    return [template.format(number) for number in range(count)]


def wait_for_progress(batch):
    batch.wait()
    return batch.progress


def test_every_row_is_asked_exactly_once(count_requests):
    count = 2000 if os.environ.get("QFNB_FULL") else 400
    batch = qfnb.batch(rows(count), workers=32, name="once")
    assert wait_for_progress(batch).ok == count
    expected = {"came": count, "answered": count, "distinct": count, "distinct_answered": count}
    assert count_requests() == {**expected, "most": 1, "most_answered": 1}


def test_rows_come_from_the_journal_page_by_page(count_requests, monkeypatch):
    monkeypatch.setattr("qfnb.batching.row_pipeline.PAGE_SIZE", 50)
    prompts = rows(120, "记得 {}")
    first = qfnb.batch([*prompts[:60], prompts[0]], workers=16, name="pages")
    assert wait_for_progress(first).ok == 61
    batch = qfnb.batch([*prompts, prompts[0], prompts[119]], workers=16, name="pages")
    assert (wait_for_progress(batch).ok, batch.progress.cached) == (122, 61)
    assert [row.input for row in batch.results()] == [*prompts, prompts[0], prompts[119]]
    assert count_requests()["came"] == 122


def test_rows_are_iterated_over_in_a_coroutine_while_they_are_answered(hold):
    hold(2)
    # the first row is among those let go
    batch = qfnb.batch(rows(12, "异步 {}"), workers=1, name="async-rows")

    async def collect():
        numbers = []
        async for row in batch:
            hold(release=True)
            numbers.append((row.number, row.ok))
        again = await qfnb.abatch(rows(12, "异步 {}"), name="async-rows")
        return numbers, again.progress.ok

    assert asyncio.run(collect()) == ([(number, True) for number in range(12)], 12)


def test_an_iterator_is_read_while_it_is_asked(hold):
    read = []

    def endless():
        for number in range(5000):
            read.append(number)
            yield f"流 {number}"

    hold(20)
    batch = qfnb.batch(endless(), workers=2, name="stream")
    until(lambda: batch.finished_count() >= 20)
    batch.cancel()
    hold(release=True)
    batch.wait()
    assert len(read) <= 2500, "only the look-ahead and two pages were read"
    assert batch.progress.state == "cancelled"


def test_identical_rows_are_asked_once_when_asked_for(count_requests):
    assert wait_for_progress(qfnb.batch(["甲", "甲"], name="no-dedupe")).cached == 0
    batch = qfnb.batch(["乙", "丙", "乙", "乙"], dedupe=True, name="dedupe")
    answers = batch.results()
    assert count_requests()["came"] == 4
    assert answers[0].text == answers[2].text
    assert (batch.progress.ok, batch.progress.cached) == (4, 2)


@pytest.mark.fault("F80")
@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"rows": ["丙"]}, "answers to 2 rows that are not in this input"),
        ({"model": "ERNIE-Speed-8K"}, "were sent otherwise .model"),
        ({"system": "你是诗人"}, "were sent otherwise .options"),
        ({"prompt": "{prompt}?"}, "were sent otherwise .prompt"),
    ],
)
def test_another_batch_may_not_use_the_journal(sandbox, other, message):
    qfnb.batch(["甲", "乙"], name="mine").wait()
    with pytest.raises(JournalError, match=message):
        qfnb.batch(**{"rows": ["甲", "乙"], "name": "mine", **other})
    assert wait_for_progress(qfnb.batch(["甲", "乙"], name="mine")).cached == 2


def test_a_failed_row_is_an_error_in_its_place_and_asked_again_by_the_next_run(
    fault, count_requests
):
    with qfnb.testing():
        fault("chat.v2", "status", status=400)
        first = qfnb.batch(rows(5), name="failed", workers=1, canary=0)
        assert [answer.ok for answer in first.results()] == [False, True, True, True, True]
        assert first.progress.latest_failures[0].error == "APIError"
        assert wait_for_progress(qfnb.batch(rows(5), name="failed")).ok == 5
    assert count_requests()["came"] == 6


@pytest.mark.parametrize("kind", ["status", "reset"])
def test_a_third_of_all_calls_may_fail_and_every_row_is_answered(
    repeat_fault, count_requests, kind
):
    repeat_fault(kind, 0.3)
    with qfnb.testing():
        batch = qfnb.batch(rows(200, f"{kind} {{}}"), workers=16, name=f"faults-{kind}")
        assert wait_for_progress(batch).ok == 200
    assert count_requests()["distinct_answered"] == 200
    assert batch.progress.retried > 20


def test_an_outage_is_waited_for(control, fault, count_requests):
    body = {"endpoint": "chat.v2", "fault": "status", "status": 503, "times": 24}
    control.post("/_sandbox/faults", json=body).raise_for_status()
    states = set()
    with qfnb.testing(0.01):
        batch = qfnb.batch(rows(60, "停 {}"), workers=8, name="outage", retry_count=1)
        until(lambda: states.add(batch.progress.state) or batch.progress.is_finished)
    assert batch.progress.ok == 60
    assert "waiting" in states


def test_a_host_that_cannot_be_reached_is_said_at_once_and_how_long_it_is_tried():
    qfnb.get_config().api_key = "bce-v3/ALTAK-test/0123456789abcdef"
    qfnb.get_config().base_url = "http://127.0.0.1:9"
    batch = qfnb.batch(rows(30, "断网 {}"), model="ernie-5.1", name="no-network", retry_count=1)
    until(lambda: batch.progress.state == "waiting")
    assert re.search(
        r"cannot be reached.*; tried again until \d\d:\d\d:\d\d", batch.progress.reason
    )
    batch.cancel()
    assert wait_for_progress(batch).finished_rows < 20


@pytest.mark.fault("F56")
def test_refusals_without_end_stop_the_batch_with_their_reason_and_it_can_be_resumed(
    repeat_fault, count_requests, control
):
    repeat_fault("status", status=429)
    with qfnb.testing():
        batch = qfnb.batch(rows(40, "拒 {}"), workers=4, name="refused")
        stopped = wait_for_progress(batch)
        assert (stopped.state, stopped.finished_rows < 40) == ("stopped", True)
        assert "no answer for 600 s: [rpm_rate_limit_exceeded]" in stopped.reason
        assert count_requests()["came"] < 400, "twenty minutes of four workers are no storm"
        control.request("DELETE", "/_sandbox/faults").raise_for_status()
        batch.resume()
        assert wait_for_progress(batch).ok == 40


def test_first_rows_that_all_fail_spare_the_others(repeat_fault, count_requests):
    repeat_fault("status", status=400)
    progress = wait_for_progress(qfnb.batch(rows(500), name="canary"))
    assert progress.state == "stopped"
    assert "the first rows all failed" in progress.reason
    assert count_requests()["came"] == 3


def test_a_wrong_key_stops_the_batch_and_a_right_one_goes_on(sandbox, count_requests):
    config = qfnb.get_config()
    config.base_url = config.console_api_base_url = sandbox.url
    config.api_key = "bce-v3/ALTAK-sandbox/wrong"
    batch = qfnb.batch(rows(300), name="key", canary=0)
    assert wait_for_progress(batch).state == "stopped"
    assert "AuthError" in batch.progress.reason
    assert batch.progress.finished_rows <= 10
    assert {answer.error for answer in batch.results()} == {"AuthError", "NotAsked"}
    config.api_key = sandbox.api_key
    batch.resume()
    assert wait_for_progress(batch).ok == 300


def test_model_persona_and_options_go_with_every_row(scripted):
    server = scripted(answer_with_usage())
    options = {"model": "my-own", "system": "诗人", "temperature": 0.5}
    qfnb.batch(["甲", "乙"], "{prompt}？", name="body", **options).wait()
    bodies = [json.loads(request.split(b"\r\n\r\n", 1)[1]) for request in server.requests]
    assert {(body["model"], body["temperature"]) for body in bodies} == {("my-own", 0.5)}
    contents = sorted([each["content"] for each in body["messages"]] for body in bodies)
    assert contents == [["诗人", "乙？"], ["诗人", "甲？"]]


def answer_with_usage(**usage):
    reply = {
        "id": "1",
        "choices": [{"message": {"content": "好"}, "finish_reason": "stop"}],
        "usage": usage,
    }
    return [http_answer(json.dumps(reply).encode())]


def test_a_budget_is_rehearsed_on_the_sandbox_at_list_price(sandbox):
    questions = [f"{number} 加 1 等于几？" for number in range(200)]
    plan = qfnb.estimate(questions, model="ernie-4.5-turbo-128k")
    assert plan.cost == pytest.approx(0.0966, rel=0.01)
    assert "free (≈ 0.0" in repr(plan)
    batch = qfnb.batch(
        questions, model="ernie-4.5-turbo-128k", budget=0.002, workers=2, name="rehearsal"
    )
    progress = wait_for_progress(batch)
    assert 0.0015 < progress.cost <= 0.002
    assert "the budget of 0.002 CNY allows no more" in progress.reason
    assert "the sandbox bills nothing" in progress.reason
    assert re.fullmatch(
        r"free \(¥0.00\d+ by list price\)", formats.cost(progress.cost_range, is_free=True)
    )


def test_a_budget_in_tokens_holds_for_a_model_without_a_price(scripted):
    server = scripted(answer_with_usage(prompt_tokens=60, completion_tokens=40, total_tokens=100))
    batch = qfnb.batch(rows(200), model="my-own", budget_tokens=2000, workers=4, name="tokens")
    progress = wait_for_progress(batch)
    assert "the budget of 2,000 tokens allows no more" in progress.reason
    assert 1000 < progress.prompt_tokens + progress.completion_tokens <= 2000
    assert len(server.requests) == progress.ok < 200
    assert progress.cost is None
    wait_for_progress(more := qfnb.resume("tokens", budget_tokens=3000))
    assert 2000 < more.progress.prompt_tokens + more.progress.completion_tokens <= 3000


def test_answers_that_were_lost_on_the_way_count_in_the_budget(scripted):
    answer = answer_with_usage(prompt_tokens=60, completion_tokens=40, total_tokens=100)
    scripted(answer, *[[answer[0][:-5]]] * 4, answer)
    with qfnb.testing():
        limits = {"budget_tokens": 1000, "workers": 1, "retry_count": 5}
        batch = qfnb.batch(rows(20), model="my-own", name="lost", **limits)
        assert wait_for_progress(batch).ok == 6, "four of ten did not arrive"
    assert batch.spent()["tokens"] == 1000


def test_a_budget_ends_when_the_platform_does_not_count(scripted):
    scripted(answer_with_usage())
    batch = qfnb.batch(rows(50), model="my-own", budget_tokens=10_000, workers=1, name="uncounted")
    assert "the tokens of an answered row are not known" in wait_for_progress(batch).reason
    assert batch.progress.ok < 5


def test_cancel_sends_nothing_more_and_keeps_what_is_answered(hold, count_requests):
    hold(20)
    batch = qfnb.batch(rows(200), workers=8, name="cancel")
    until(lambda: count_requests()["came"] == 28 and batch.finished_count() == 20)
    batch.cancel()
    hold(release=True)
    batch.wait()
    assert count_requests()["came"] == 28
    assert sum(answer.ok for answer in batch.results()) == batch.finished_count() >= 20


def test_pause_and_resume(hold, count_requests):
    hold(10)
    batch = qfnb.batch(rows(60), workers=2, name="pause")
    until(lambda: count_requests()["came"] == 12)
    batch.pause()
    hold(release=True)
    until(lambda: not batch.progress.in_flight and batch.progress.state == "paused")
    assert count_requests()["came"] == batch.finished_count() == 12
    batch.resume()
    assert wait_for_progress(batch).ok == 60


def test_more_and_fewer_at_once_while_it_works(hold, count_requests):
    hold()
    batch = qfnb.batch(rows(400), workers=2, name="resize", canary=0)
    until(lambda: count_requests()["came"] == 2)
    batch.resize(20)
    until(lambda: count_requests()["came"] == 20)
    batch.resize(1)
    hold(20)  # the new rule holds the 21st request after these
    until(lambda: batch.finished_count() >= 20 and batch.progress.in_flight == 1)
    with pytest.raises(InvalidArgumentError, match="workers=0"):
        batch.resize(0)
    batch.cancel()
    hold(release=True)
    batch.wait()


def test_resume_by_name_needs_no_input(hold, count_requests):
    hold(10)
    first = qfnb.batch(pd.DataFrame({"q": rows(50)}), "问：{q}", name="by-name", workers=4)
    until(lambda: first.finished_count() >= 10)
    first.cancel()
    hold(release=True)
    first.wait()
    batch = qfnb.resume("by-name", workers=16)
    assert wait_for_progress(batch).ok == 50
    assert list(batch.to_frame()["q"]) == rows(50)
    assert count_requests()["most_answered"] == 1


def test_answers_of_the_sandbox_are_not_taken_for_the_platforms(sandbox):
    qfnb.batch(["甲"], name="where").wait()
    qfnb.get_config().api_key = "bce-v3/ALTAK-test/x"
    with pytest.raises(JournalError, match="are from sandbox"):
        qfnb.resume("where")
    with pytest.raises(JournalError, match="platform: 'sandbox', now"):
        qfnb.batch(["甲"], name="where")


def test_interrupting_the_wait_cancels(hold, interrupt, sandbox):
    hold(20)
    batch = qfnb.batch(rows(500), name="interrupted")
    with pytest.raises(KeyboardInterrupt) as interrupted:
        interrupt(lambda: batch.finished_count() >= 20)
        batch.wait()
    assert "goes on from there" in interrupted.value._render_traceback_()[0]
    hold(release=True)
    batch.wait()
    assert batch.progress.state == "cancelled"


@pytest.mark.fault("F85")
def test_a_journal_is_private_and_can_be_deleted(sandbox):
    batch = qfnb.batch(["甲"], name="private")
    batch.wait()
    path = journal_path("private")
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert journal_reader.read_facts(path)[1].ok == 1
    delete_journal("private")
    assert not list(path.parent.glob("private.*"))


def test_a_results_file_that_cannot_be_written_leaves_the_answers_and_the_journal(
    sandbox, tmp_path
):
    out = tmp_path / "folder" / "x.jsonl"
    out.parent.mkdir()
    batch = qfnb.batch(rows(30, "文件 {}"), name="no-file", out=out)
    out.parent.chmod(0o500)
    out.parent.rename(tmp_path / "gone")
    progress = wait_for_progress(batch)
    assert (progress.ok, progress.state) == (30, "done")
    assert "no results file" in progress.reason
    assert wait_for_progress(qfnb.batch(rows(30, "文件 {}"), name="no-file")).cached == 30


def test_a_broken_input_keeps_the_rows_that_were_read_and_is_not_taken_for_its_end(sandbox):
    def broken():
        yield from rows(1300, "破 {}")
        raise OSError("gone")

    batch = qfnb.batch(broken(), workers=32, name="broken-resumed")
    wait_for_progress(batch)
    batch.resume()
    progress = wait_for_progress(batch)
    assert (progress.state, progress.ok, progress.total) == ("stopped", 1300, None)


def test_an_input_that_blocks_does_not_hold_up_a_cancel(sandbox):
    unblock = threading.Event()

    def blocking():
        yield from rows(1001, "堵 {}")
        unblock.wait(180)
        yield from rows(40, "通 {}")

    batch = qfnb.batch(blocking(), workers=50, name="blocking")
    until(lambda: batch.finished_count() >= 1001)
    batch.cancel()
    batch.wait()
    assert batch.progress.state == "cancelled"
    unblock.set()
    batch.resume()
    assert (wait_for_progress(batch).ok, batch.progress.total) == (1041, 1041)


def test_iteration_yields_what_is_final(control, sandbox):
    control.post(
        "/_sandbox/faults",
        json={"endpoint": "chat.v2", "fault": "status", "status": 400, "times": 5},
    )
    qfnb.batch(rows(5, "终 {}"), name="final", canary=0).wait()
    assert all(row.ok for row in qfnb.batch(rows(5, "终 {}"), name="final"))
    control.post("/_sandbox/faults", json={"endpoint": "chat.v2", "fault": "status", "times": 9})
    with qfnb.testing(0.02):
        assert all(
            row.ok for row in qfnb.batch(rows(5, "末 {}"), name="final-2", retry_count=1, canary=0)
        )


def test_pause_cancel_and_resume_in_any_order(hold, sandbox):
    hold()
    batch = qfnb.batch(rows(60, "序 {}"), workers=4, name="orders")
    batch.pause()
    batch.cancel()
    batch.wait()
    batch.resume()
    batch.resume()
    batch.cancel()
    batch.wait()
    assert batch.progress.state == "cancelled"
    hold(release=True)
    batch.resume()
    batch.cancel()
    batch.resume()
    assert (wait_for_progress(batch).ok, batch.progress.state) == (60, "done")


def test_odd_replies_are_written_down(scripted):
    usage = {"prompt_tokens": 10**30, "completion_tokens": 1, "total_tokens": 1}
    replies = []
    for odd in ("\ud800", {"a": 1}):
        choice = {"message": {"content": "半个 \ud83d 字"}, "finish_reason": odd}
        body = {"id": "\ud800", "choices": [choice], "usage": usage}
        replies.append([http_answer(json.dumps(body).encode())])
    scripted(*replies)
    batch = qfnb.batch(["甲", "乙"], model="m", name="odd")
    assert ["半个" in row.text for row in batch.results()] == [True, True]


def test_a_deleted_journal_stops_the_batch(hold, sandbox, monkeypatch):
    hold()
    monkeypatch.setattr("qfnb.batching.batch.SYNC_INTERVAL_S", 0.05)
    batch = qfnb.batch(rows(500, "删 {}"), name="deleted", workers=2)
    journal_path("deleted").unlink()
    hold(release=True)
    progress = wait_for_progress(batch)
    assert progress.state == "stopped"
    assert "the journal was deleted" in progress.reason
