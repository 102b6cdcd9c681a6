"""Batches as shards: cut, answered by several processes under one limit and one budget, and lost on
the way.
"""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from IPython.core.formatters import DisplayFormatter
from support import chat_script
from support.lease_simulation import Cluster, busiest_minute, simulate
from support.rate_simulation import Server
from support.scripted_server import http_answer
from support.waiting import until

import qfnb
from qfnb.batching.journal_store import delete_journal, journal_path
from qfnb.batching.shards.budget_ledger import BudgetLedger
from qfnb.batching.shards.job_service import JobService
from qfnb.batching.shards.leased_limiter import LeasedRateLimiter
from qfnb.batching.shards.metered_chat import Account, MeteredChat
from qfnb.batching.shards.output_files import ShardError
from qfnb.batching.shards.output_store import OutputStore
from qfnb.batching.shards.plan import ID_COLUMN, plan_shards
from qfnb.batching.shards.slot_limiter import SlotLimiter
from qfnb.errors import ConnectionFailed, DatasetError, InvalidArgumentError, QianfanError
from qfnb.resources.management.storage import Storage
from qfnb.views import formatters

pytestmark = pytest.mark.long

FULL = bool(os.environ.get("QFNB_FULL"))
"""`make bench` runs the long forms."""

WORKERS = 4


@pytest.fixture
def folder(tmp_path):
    """A folder with the reviews of two files, 100 rows each."""
    path = tmp_path / "in"
    path.mkdir()
    for name in ("a", "b"):
        write_rows(
            path / f"{name}.jsonl", [{"review": f"{tmp_path.name} {name} {n}"} for n in range(100)]
        )
    return path


def write_rows(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def start(folder, **options):
    return qfnb.batch_shards(**arguments_of(folder, **options))


def arguments_of(folder, **options):
    limits = {"shard_rows": 40, "processes": 2, "workers": WORKERS}
    return {
        "rows": str(folder),
        "prompt": "Classify: {review}",
        "out": str(folder.parent / "out"),
        **limits,
        **options,
    }


def read_parts(job):
    return [
        json.loads(line)
        for path in job.parts()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def test_two_workers_keep_ninety_five_percent_of_one_limit_and_never_exceed_it():
    server = Server(600, has_headers=True)
    cluster = simulate(server, seconds=120, rpm=600)
    assert len(cluster.answered) >= 0.95 * 1200
    assert busiest_minute(cluster.answered) <= 600
    assert server.refused == 0


@pytest.mark.fault("F58")
def test_workers_fall_to_half_and_stop_without_their_limiter_and_the_next_one_exceeds_nothing():
    def die(cluster: Cluster) -> None:
        cluster.limiter = None

    def begin_again(cluster: Cluster) -> None:
        cluster.limiter = SlotLimiter(is_restarted=True)

    server = Server(600, has_headers=True)
    cluster = simulate(server, seconds=100, events=[(40, die), (50, begin_again)])
    assert busiest_minute(cluster.answered) <= 600
    assert not [time for time in cluster.answered if 44.5 < time < 50], (
        "stopped two leases after the last contact"
    )
    assert 0 < len([time for time in cluster.answered if 42.2 < time < 44.5]) <= 12, (
        "half of twenty in two seconds"
    )
    assert len([time for time in cluster.answered if time > 60]) >= 0.95 * 400, (
        "the limit was remembered"
    )


@pytest.mark.parametrize("tpm", [60_000, None], ids=["set", "learned from headers"])
def test_a_token_limit_is_shared_by_the_tokens_that_calls_use(tpm):
    server = Server(60_000, unit="tokens", has_headers=True, latency_s=(0.5, 2.0))
    cluster = simulate(server, seconds=120, rows_in_flight=50, tpm=tpm)
    assert len(cluster.answered) * server.units_per_call >= 0.95 * 120_000
    assert server.refused == 0


def test_a_single_refusal_leaves_no_limit_behind():
    server = Server(fault_share=0.004, rng=random.Random(0))
    cluster = simulate(server, seconds=30, rows_in_flight=4)
    assert server.refused > 3
    assert len(cluster.answered) > 60 * server.refused, "none costs more than seconds"
    assert cluster.limiter.requests.ceiling is None


def test_allowances_never_exceed_the_budget_and_a_lost_one_counts_as_used(tmp_path):
    path = tmp_path / "budget.json"
    dice = random.Random(1)
    ledger = BudgetLedger({"tokens": 1000.0}, path)
    used = dict.fromkeys("abc", 0.0)
    for step in range(200):
        name = dice.choice("abc")
        allowance = ledger.renew(name, {"tokens": used[name]}, {"tokens": 7.0}, 20)["tokens"]
        used[name] += 7.0 * dice.randint(0, int((allowance - used[name]) // 7))
        ledger = ledger if step % 20 else BudgetLedger({"tokens": 1000.0}, path)
        assert ledger.promised("tokens") <= 1000
    assert 986 < sum(used.values()) <= 1000


def test_a_csv_is_cut_between_rows_and_not_inside_a_cell(tmp_path):
    path = tmp_path / "in.csv"
    cells = [f'"line {n}\nand a ""second"" one"' if n % 3 else f"plain {n}" for n in range(20)]
    path.write_text(
        "text,n\n" + "".join(f"{cell},{n}\n" for n, cell in enumerate(cells)), encoding="utf-8"
    )
    shards = plan_shards(path, 7)
    rows = [row for shard in shards for row in shard.items()]
    assert [shard.rows for shard in shards] == [7, 7, 6]
    assert [int(row["n"]) for row in rows] == list(range(20))
    assert rows[1]["text"] == 'line 1\nand a "second" one'
    assert [row[ID_COLUMN] for row in rows] == [f"in.csv#{n}" for n in range(20)]


def test_parquet_is_cut_between_row_groups_and_inside_large_ones(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    with parquet.ParquetWriter(
        tmp_path / "in.parquet", pyarrow.schema([("n", pyarrow.int64())])
    ) as writer:
        for start_, stop in ((0, 30), (30, 50), (50, 170)):
            writer.write_table(pyarrow.table({"n": list(range(start_, stop))}))
    shards = plan_shards(tmp_path / "in.parquet", 50)
    assert [(shard.start, shard.stop) for shard in shards] == [
        (0, 50),
        (50, 100),
        (100, 150),
        (150, 170),
    ]
    assert [row["n"] for shard in shards for row in shard.items()] == list(range(170))


def test_files_that_do_not_fit_are_named_before_anything_is_sent(tmp_path):
    (tmp_path / "a.csv").write_text("text\nx\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("txt\nx\n", encoding="utf-8")
    with pytest.raises(
        InvalidArgumentError, match=r"the columns of b\.csv are not those of a\.csv: text, txt"
    ):
        plan_shards(tmp_path)
    (tmp_path / "c.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(DatasetError, match=r"c\.parquet.*not Parquet"):
        plan_shards(tmp_path / "c.parquet")
    with pytest.raises(InvalidArgumentError, match="several kinds"):
        plan_shards(tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"empty: there is no file"):
        (tmp_path / "empty").mkdir()
        plan_shards(tmp_path / "empty")


def test_a_parquet_file_that_is_damaged_inside_is_named_when_it_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "in.parquet"
    parquet.write_table(
        pyarrow.table({"n": [f"text {n}" for n in range(3000)]}), path, row_group_size=1000
    )
    content = bytearray(path.read_bytes())
    middle = parquet.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    first, damaged, last = plan_shards(path, 1000)
    with pytest.raises(DatasetError, match=r"in\.parquet"):
        list(damaged.items())
    assert [len(list(shard.items())) for shard in (first, last)] == [1000, 1000]


def test_an_output_folder_has_one_run_at_a_time(tmp_path, monkeypatch):
    stores = [OutputStore(tmp_path, ".jsonl") for _ in range(2)]
    stores[0].create()
    assert stores[0].claim.take() is False
    with pytest.raises(ShardError, match="in use by another process"):
        stores[1].claim.take()
    stores[0].claim.release()
    owner = tmp_path / "_qfnb" / "owner.json"
    elsewhere = '{"host": "elsewhere", "pid": 7, "seen": 9e12}'
    owner.write_text(elsewhere, encoding="utf-8")
    with pytest.raises(ShardError, match="process 7 on elsewhere"):
        stores[1].claim.take()
    owner.unlink()
    stores[1].claim.take()
    owner.write_text(elsewhere, encoding="utf-8")  # it took the folder while this computer slept
    monkeypatch.setattr("qfnb.batching.shards.folder_claim.HEARTBEAT_S", 0)
    with pytest.raises(ShardError, match="process 7 on elsewhere"):
        stores[1].claim.keep()
    stores[1].claim.release()
    assert owner.exists()


@contextlib.contextmanager
def file_size_limit(size):
    """A disk that is full: no file of this process may be larger."""
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, earlier[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)


def test_a_full_output_disk_is_named_and_leaves_no_part(folder):
    shard = plan_shards(folder)[0]
    store = OutputStore(folder.parent / "out", ".jsonl")
    store.create()

    def write(path):
        path.write_bytes(bytes(10_000))
        return {"bytes": 10_000}

    with (
        file_size_limit(5000),
        pytest.raises(ShardError, match="out cannot be written: File too large"),
    ):
        store.publish_part(shard, write)
    assert [path.name for path in store.folder.iterdir()] == ["_qfnb"]
    store.publish_part(shard, write)
    assert store.read_report(shard) == {"bytes": 10_000}
    store.part_path(shard).write_bytes(bytes(9_999))
    with pytest.raises(ShardError, match="it has 9,999 bytes instead of 10,000; delete it"):
        store.read_report(shard)


def test_a_budget_that_cannot_be_stored_stops_the_job_and_promises_nothing(tmp_path):
    service = JobService()
    service.open_job(
        "job",
        limits=(None, None),
        budget={"tokens": 100.0},
        ledger_path=str(tmp_path / "b"),
        workers=1,
    )
    account = Account({"tokens": 10.0})
    limiter = LeasedRateLimiter()
    report = limiter.take_report() | {"job": "job", "shard": "s", "attempt": "a", "progress": {}}
    with file_size_limit(0):
        answer = service.exchange(report | {"money": account.take_report(5)})
    assert (answer["state"], answer["allowance"]) == ("stopped", {"tokens": 0.0})
    assert (
        "cannot be written to the output folder: File too large" in service.status("job")["reason"]
    )
    (tmp_path / "b").write_text("{", encoding="utf-8")
    with pytest.raises(QianfanError, match="the use of the budget so far cannot be read"):
        BudgetLedger({"tokens": 100.0}, tmp_path / "b")


@pytest.mark.fault("F69")
def test_a_killed_worker_costs_its_rows_in_flight_and_the_same_call_again_sends_nothing(
    folder, count_requests, hold, tmp_path
):
    hold(90)
    qfnb.get_config().tpm_limit = 10_000_000
    job = start(folder)
    until(lambda: job.progress.ok >= 60)
    worker = next(iter(job._engine._processes.values()))
    if sys.platform == "linux":  # settings may be keys: they go through a pipe
        assert b"TPM_LIMIT" not in Path(f"/proc/{worker.pid}/environ").read_bytes()
    os.kill(worker.pid, signal.SIGKILL)
    hold(release=True)
    job.wait()
    assert job.progress.state == "done", job.progress.reason
    formatter = DisplayFormatter()
    formatters.register(formatter)
    assert "200 / 200 rows" in formatter.format(job)[0]["text/plain"]
    report = job.report()
    assert report.is_complete
    assert sorted(row[ID_COLUMN] for row in read_parts(job)) == sorted(
        f"{f}.jsonl#{n}" for f in "ab" for n in range(100)
    )
    assert count_requests()["answered"] <= 200 + WORKERS
    again = start(folder)
    again.wait()
    assert again.progress.cached == again.progress.ok == 200
    assert count_requests()["answered"] <= 200 + WORKERS
    with pytest.raises(ShardError, match="the answers of another job") as error:
        start(folder, prompt="Translate: {review}")
    assert "prompt: 'Classify: {review}', now 'Translate: {review}'" in str(error.value)
    with pytest.raises(ShardError, match="parts and journals of rows that the input does not have"):
        start(folder, shard_rows=39)


DRIVER = "import json, sys, qfnb; qfnb.batch_shards(**json.loads(sys.argv[1])).wait()"


@pytest.mark.fault("F69")
def test_a_killed_driver_takes_its_workers_along_and_the_next_one_goes_on_from_their_journals(
    folder, count_requests, hold
):
    hold(90)
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(arguments_of(folder))]
    ) as driver:
        until(lambda: count_requests()["answered"] >= 90)
        driver.kill()
    job = start(folder)
    hold(release=True)
    job.wait()
    assert job.progress.state == "done", job.progress.reason
    assert job.report().is_complete
    ids = sorted(row[ID_COLUMN] for row in read_parts(job))
    assert ids == sorted(f"{name}.jsonl#{n}" for name in "ab" for n in range(100))
    assert count_requests()["answered"] <= 200 + 2 * WORKERS


@pytest.mark.fault("F69")
def test_a_computer_that_is_lost_costs_what_was_answered_since_the_last_copy(
    folder, count_requests, hold
):
    hold(90)
    bucket = f"bos:/sandbox/{folder.parent.name}"
    job = start(folder, out=bucket, budget_tokens=100_000)
    until(lambda: job.progress.ok >= 90)
    job.cancel()
    job.wait()
    hold(release=True)
    copies = Storage.list(f"{bucket}/_qfnb/journals/")
    assert copies
    for copy in copies:
        delete_journal(f"shard-{job.progress.name}-{Path(copy).stem}")
    with pytest.raises(ShardError, match=r"journals of rows .* have any more"):
        start(folder, out=bucket, shard_rows=39)
    with pytest.raises(ShardError, match="the answers of another job"):
        start(folder, out=bucket, prompt="Translate: {review}")
    again = start(folder, out=bucket, budget_tokens=100_000)
    again.wait()
    assert (again.progress.state, again.report().is_complete) == ("done", True)
    assert again.failures().empty
    assert {str(part).rpartition("/")[0] for part in again.parts()} == {bucket}
    assert count_requests()["answered"] <= 200 + 2 * WORKERS


def test_a_shard_that_another_process_still_works_on_is_waited_for_and_not_asked_again(
    folder, count_requests
):
    (folder / "b.jsonl").unlink()
    first = start(folder, shard_rows=100)
    first.wait()
    (task,) = first._tasks
    (part,) = first.parts()
    answered = count_requests()["answered"]
    with FileLock(journal_path(task.journal_name).with_suffix(".shard")):
        part.rename(folder / "part")
        again = start(folder, shard_rows=100)
        (folder / "part").rename(part)
    again.wait()
    assert (again.progress.state, again.report().is_complete) == ("done", True)
    assert count_requests()["answered"] == answered


def test_a_job_that_is_cancelled_shows_all_rows_that_were_answered(folder, hold):
    hold(90)
    job = start(folder)
    until(lambda: job.progress.ok == 90)
    job.cancel()
    job.wait()
    assert (job.progress.state, job.progress.ok, job.progress.in_flight) == ("cancelled", 90, 0)


def test_a_budget_is_kept_and_a_broken_file_takes_no_other_with_it(folder, capfd):
    with (folder / "b.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    job = start(folder, budget_tokens=2600, processes=1, model="ernie-speed-8k")
    job.wait()
    assert "ernie-speed-8k ended" not in capfd.readouterr().err, (
        "the parent warns, not each process again"
    )
    assert job.progress.state == "stopped"
    assert "the budget of 2,600 tokens allows no more" in job.progress.reason
    assert 2000 < job.progress.prompt_tokens + job.progress.completion_tokens <= 2600
    job = start(folder, processes=1, model="ernie-speed-8k")
    job.wait()
    assert job.progress.state == "stopped"
    assert "not JSON" in job.progress.reason
    report = job.report()
    assert (report.done, report.shards, report.is_complete) == (5, 6, False)
    assert job.failures().empty


def test_an_answer_that_is_lost_on_the_way_is_paid_for_again(scripted):
    answer = chat_script.whole(
        "yes", usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    )
    refusal = [http_answer(b'{"error": {"code": "server_busy"}}', status="503 x")]
    server = scripted([answer[0][:-5]], refusal, answer, [answer[0][:-5]])
    account = Account({"tokens": 10.0})
    account.apply({"tokens": 1000.0})
    chat = MeteredChat(account)
    chat.do("x", model="metered", retry_count=3)
    assert account.used == {"tokens": 10.0 + 7}, "the 503 costs nothing"
    with pytest.raises(ConnectionFailed):
        chat.do("x", model="metered", retry_count=1)
    assert account.used == {"tokens": 10.0 + 7 + 7}
    assert len(server.requests) == 4
    assert account.take_report(0)["in_flight"] == 0
