"""Offline mode end to end on the sandbox: split, uploaded, polled, joined by key, the rest sent
online.
"""

import base64
import io
import json
import subprocess
import sys

import pytest
from PIL import Image
from pydantic import BaseModel, field_validator
from support.waiting import until

import qfnb
from qfnb.batching import offline
from qfnb.batching.journal import Journal
from qfnb.batching.journal_store import journal_path
from qfnb.errors import InvalidArgumentError
from qfnb.resources.management.batches import Batches
from qfnb.wire.batches import UNFINISHED_CODE

pytestmark = pytest.mark.long


class Greeting(BaseModel):
    """What the model says."""

    text: str


class Silence(Greeting):
    """What no model says."""

    @field_validator("text")
    @classmethod
    def is_silent(cls, text: str) -> str:
        if text:
            raise ValueError("not silent")
        return text


def rows(count, template="离线 {}"):
    return [template.format(number) for number in range(count)]


def job_ids():
    return {job.id for job in Batches.list(limit=100).data.data}


def new_jobs(before):
    return [job for job in Batches.list(limit=100).data.data if job.id not in before]


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(offline, "MAX_ROWS", 40)


def test_rows_are_handed_over_in_files_and_joined_in_order(small_files, count_requests):
    batch = qfnb.batch(rows(100, "files {}"), mode="offline", name="offline-files")
    batch.wait()
    progress = batch.progress
    assert (progress.ok, progress.failed, progress.state) == (100, 0, "done")
    assert [answer.input for answer in batch.results()] == rows(100, "files {}")
    assert count_requests()["came"] == 0, "no row was asked online"


def test_an_iterator_of_more_files_than_jobs_are_allowed_is_handed_over_bit_by_bit(
    small_files, count_requests, clock
):
    batch = qfnb.batch(iter(rows(1100, "流 {}")), mode="offline", name="offline-stream")
    until(lambda: "files wait" in batch.progress.reason or batch.progress.is_finished)
    assert "8 files wait" in batch.progress.reason
    clock(speed=1)
    batch.wait()
    assert (batch.progress.ok, batch.progress.total) == (1100, 1100)
    assert count_requests()["came"] == 0


def test_a_platform_that_allows_no_more_jobs_is_waited_for(fault, count_requests):
    fault("batches.create", "status", code=UNFINISHED_CODE, status=400, times=3)
    batch = qfnb.batch(rows(3, "等 {}"), mode="offline", name="offline-wait")
    until(lambda: "1 files wait" in batch.progress.reason or batch.progress.is_finished)
    batch.wait()
    assert (batch.progress.ok, batch.progress.state) == (3, "done")
    assert count_requests()["came"] == 0


def test_conversations_with_pictures_and_options_go_along(sandbox):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    content = [
        {"type": "text", "text": "这是什么？"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    options = {"model": "ernie-4.5-turbo-vl", "system": "你是诗人", "temperature": 0.5}
    talk = [{"role": "user", "content": content}]
    batch = qfnb.batch([talk], mode="offline", name="offline-vision", **options)
    assert [(answer.ok, answer.message) for answer in batch.results()] == [(True, "")]


@pytest.mark.parametrize(("kind", "is_parsed"), [(Greeting, True), (Silence, False)])
def test_an_answer_that_is_not_in_the_format_is_asked_for_again_online(
    count_requests, kind, is_parsed
):
    name = f"format-{kind.__name__}"
    row = qfnb.batch(
        ["你好"], "{prompt}！", mode="offline", name=name, response_format=kind
    ).results()[0]
    assert isinstance(row.parsed, kind) == is_parsed
    assert row.error == ("" if is_parsed else "UnreadableAnswer")
    assert count_requests()["came"] == (0 if is_parsed else 1)


def test_a_budget_makes_the_files_smaller(sandbox):
    batch = qfnb.batch(
        rows(100, "省 {}"), mode="offline", name="offline-budget", budget_tokens=2000
    )
    batch.wait()
    progress = batch.progress
    assert progress.state == "stopped"
    assert "the budget of 2,000 tokens" in progress.reason
    assert 0 < progress.ok < 100
    assert progress.prompt_tokens + progress.completion_tokens <= 2000


def test_rows_that_a_job_refuses_are_failed_in_their_place(sandbox):
    long = "天" * 300_000
    batch = qfnb.batch(["你好", long], mode="offline", name="offline-long")
    answers = batch.results()
    assert [answer.ok for answer in answers] == [True, False]
    assert "too_long" in answers[1].message


SCRIPT = """
import sys, qfnb
batch = qfnb.batch([f"死 {n}" for n in range(300)], mode="offline", name="offline-killed")
print("started", flush=True)
batch.wait()
"""


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_a_killed_kernel_finds_its_job_again_and_starts_none_twice(count_requests, mode):
    before = job_ids()
    script = SCRIPT.replace("killed", mode)
    running = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    until(lambda: job_ids() - before)
    running.kill()
    running.communicate()
    batch = qfnb.batch(rows(300, "死 {}"), mode=mode, name=f"offline-{mode}")
    batch.wait()
    assert batch.progress.ok == 300
    assert len(job_ids() - before) == 1
    assert count_requests()["came"] == 0, "the job was paid for already"


def cancel_in_the_middle(name, clock, before):
    """Start a batch, and cancel it when its job has answered some rows."""
    batch = qfnb.batch(rows(1000, f"{name} {{}}"), mode="offline", name=name)
    until(lambda: clock(advance=1) or any(job.request_counts.completed for job in new_jobs(before)))
    until(lambda: "Running" in batch.progress.reason)
    batch.cancel()
    batch.wait()
    return batch


def test_cancel_stops_the_job_and_keeps_what_it_answered(clock):
    batch = cancel_in_the_middle("offline-cancel", clock, job_ids())
    progress = batch.progress
    assert progress.state == "cancelled"
    assert 0 < progress.ok < 1000
    assert sum(answer.ok for answer in batch.results()) == progress.ok
    clock(speed=1)
    batch.resume()
    batch.wait()
    assert batch.progress.ok == 1000


def test_a_job_that_takes_long_to_stop_is_joined_by_the_next_run(
    clock, count_requests, monkeypatch
):
    monkeypatch.setattr(offline, "MAX_POLLS_AFTER_STOP", 0)
    before = job_ids()
    batch = cancel_in_the_middle("offline-slow-stop", clock, before)
    assert "still stopping" in batch.progress.reason
    clock(speed=1)
    batch = qfnb.resume("offline-slow-stop")
    batch.wait()
    assert batch.progress.ok + batch.progress.cached == 1000
    assert sum(job.request_counts.completed for job in new_jobs(before)) == 1000
    assert count_requests()["came"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "later"}, "mode='later'"),
        (
            {"mode": "offline", "client": qfnb.ChatCompletion(api_key="bce-v3/ALTAK-a/b")},
            "keys of the settings",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        qfnb.batch(["你好"], **arguments)


def test_a_job_that_an_earlier_version_handed_over_through_a_bucket_is_not_asked_again(
    count_requests,
):
    qfnb.batch(["桶"], name="offline-bucket").wait()
    came = count_requests()["came"]
    journal = Journal(journal_path("offline-bucket"))
    journal.database.execute("delete from answer")
    job = {"number": 0, "via": "bos", "uploaded": "bos:/mine/qfnb/x-0/", "id": "task-1"}
    journal.set_facts(jobs=json.dumps([job]))
    journal.close()
    batch = qfnb.resume("offline-bucket")
    batch.wait()
    assert "its answers are at bos:/mine/qfnb/x-0/" in batch.progress.reason
    assert count_requests()["came"] == came
