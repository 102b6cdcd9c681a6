"""Batches as shards: cut, answered one after another under one limit and one budget, and lost on
the way.
"""

import contextlib
import json
import os
import re
import resource
import subprocess
import sys

import pytest
from IPython.core.formatters import DisplayFormatter
from support.waiting import until

import qfnb
from qfnb.batching.journal_store import delete_journal
from qfnb.batching.preflight import Preflight
from qfnb.batching.shards.output import Output, ShardError
from qfnb.batching.shards.plan import ID_COLUMN, plan_shards
from qfnb.batching.shards.sharded_batch import Budget
from qfnb.errors import InvalidArgumentError
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
    limits = {"shard_rows": 40, "workers": WORKERS}
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


def test_allowances_and_use_together_never_exceed_the_budget():
    budget = Budget(Preflight(1, 1, budget_tokens=1000), {"before": {"tokens": 100}})
    first = budget.allow("first", 3)
    assert [first, budget.allow("second", 2), budget.allow("third", 1)] == [{"tokens": 300}] * 3
    assert budget.allow("fourth", 1) == {"tokens": 0}
    budget.settle("first", {"tokens": 120})
    assert budget.allow("first", 1) == {"tokens": 300}
    assert "the budget of 1,000 tokens allows no more: 1,000 tokens" in budget.problem()


def test_a_csv_is_cut_between_rows_and_not_inside_a_cell(tmp_path):
    path = tmp_path / "in.csv"
    cells = [f'"line {n}\nand a ""second"" one"' if n % 3 else f"plain {n}" for n in range(20)]
    path.write_text(
        "text,n\n" + "".join(f"{cell},{n}\n" for n, cell in enumerate(cells)), encoding="utf-8"
    )
    shards = plan_shards(path, 7)
    rows = [row for shard in shards for row in shard]
    assert [len(shard) for shard in shards] == [7, 7, 6]
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
    assert [row["n"] for shard in shards for row in shard] == list(range(170))


def test_an_output_folder_has_one_run_at_a_time(tmp_path):
    outputs = [Output(tmp_path, ".jsonl") for _ in range(2)]
    outputs[0].claim()
    with pytest.raises(ShardError, match="in use by another process"):
        outputs[1].claim()
    outputs[0].release_claim()
    outputs[1].claim()
    outputs[1].release_claim()


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
    output = Output(folder.parent / "out", ".jsonl")
    output.claim()
    output.release_claim()

    def write(path):
        path.write_bytes(bytes(10_000))
        return {"bytes": 10_000}

    with (
        file_size_limit(5000),
        pytest.raises(ShardError, match="out cannot be written: File too large"),
    ):
        output.publish_part(shard, write)
    assert [path.name for path in (folder.parent / "out").iterdir()] == ["_qfnb"]
    output.publish_part(shard, write)
    assert output.read_report(shard) == {"bytes": 10_000}
    output.part_path(shard).write_bytes(bytes(9_999))
    with pytest.raises(ShardError, match="it has 9,999 bytes instead of 10,000; delete it"):
        output.read_report(shard)


def test_every_row_is_in_one_part_and_the_same_call_again_sends_nothing(folder, count_requests):
    job = start(folder)
    job.wait()
    assert job.progress.state == "done", job.progress.reason
    formatter = DisplayFormatter()
    formatters.register(formatter)
    assert "200 / 200 rows" in formatter.format(job)[0]["text/plain"]
    assert job.report().is_complete
    assert sorted(row[ID_COLUMN] for row in read_parts(job)) == all_ids()
    again = start(folder)
    again.wait()
    assert again.progress.cached == again.progress.ok == 200
    assert count_requests()["answered"] == 200
    with pytest.raises(ShardError, match="the answers of another job") as error:
        start(folder, prompt="Translate: {review}")
    assert "prompt: 'Classify: {review}', now 'Translate: {review}'" in str(error.value)
    with pytest.raises(ShardError, match="parts and journals of rows that the input does not have"):
        start(folder, shard_rows=39)


def all_ids():
    return sorted(f"{name}.jsonl#{n}" for name in "ab" for n in range(100))


DRIVER = "import json, sys, qfnb; qfnb.batch_shards(**json.loads(sys.argv[1])).wait()"


@pytest.mark.fault("F69")
def test_after_a_killed_process_the_next_one_goes_on_from_its_journal(folder, count_requests, hold):
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
    assert sorted(row[ID_COLUMN] for row in read_parts(job)) == all_ids()
    assert count_requests()["answered"] <= 200 + WORKERS


@pytest.mark.fault("F69")
def test_a_computer_that_is_lost_costs_what_was_answered_since_the_last_copy(
    folder, count_requests, hold
):
    hold(90)
    job = start(folder, budget_tokens=100_000)
    until(lambda: job.progress.ok >= 90)
    job.cancel()
    job.wait()
    hold(release=True)
    copies = [*(folder.parent / "out" / "_qfnb" / "journals").glob("*.db")]
    assert copies
    for copy in copies:
        delete_journal(f"shard-{job.progress.name}-{copy.stem}")
    with pytest.raises(ShardError, match=r"journals of rows .* have any more"):
        start(folder, shard_rows=39)
    again = start(folder, budget_tokens=100_000)
    again.wait()
    assert (again.progress.state, again.report().is_complete) == ("done", True)
    assert again.failures().empty
    assert count_requests()["answered"] <= 200 + 2 * WORKERS


def test_a_budget_is_kept_and_a_broken_file_takes_no_other_with_it(folder, capfd):
    with (folder / "b.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    job = start(folder, budget_tokens=2600, model="ernie-speed-8k")
    job.wait()
    assert "ernie-speed-8k ended" not in capfd.readouterr().err, (
        "the parent warns, not each process again"
    )
    assert job.progress.state == "stopped"
    assert "the budget of 2,600 tokens allows no more" in job.progress.reason
    assert 2000 < job.progress.prompt_tokens + job.progress.completion_tokens <= 2600
    job = start(folder, budget_tokens=2601, model="ernie-speed-8k")
    job.wait()
    assert "the budget of 2,601 tokens allows no more" in job.progress.reason
    assert job.progress.prompt_tokens + job.progress.completion_tokens <= 2601
    job = start(folder, model="ernie-speed-8k")
    job.wait()
    assert job.progress.state == "stopped"
    assert "not JSON" in job.progress.reason
    report = job.report()
    assert (report.done, report.shards, report.is_complete) == (5, 6, False)
    assert job.failures().empty


def test_shards_behind_addresses_are_those_of_the_same_files_here(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder = tmp_path / "in" / "deep"
    storage = fsspec.filesystem("memory")
    folder.mkdir(parents=True)
    write_rows(folder / "a.jsonl", [{"n": n} for n in range(50)])
    (folder / "a.csv").write_text("n,x\n" + '"1\n",1\n' * 50, encoding="utf-8")
    parquet.write_table(pyarrow.table({"n": range(50)}), folder / "a.parquet", row_group_size=10)
    for path in [*folder.iterdir()]:
        address = f"memory://{tmp_path.name}/{path.suffix}"
        storage.put_file(str(path), f"{address}/deep/{path.name}")
        here = plan_shards(tmp_path / "in" / f"*/*{path.suffix}", 20)
        for rows in (f"{address}/deep/", f"{address}/*/*", f"{address}/deep/{path.name}"):
            there = plan_shards(rows, 20)
            assert [shard.digest for shard in there] == [shard.digest for shard in here]
            assert [[*shard] for shard in there] == [[*shard] for shard in here]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "s3://id:secret@bucket/out"}, "must be a folder that all machines can write"),
        ({"rows": "s3://id:secret@bucket/in"}, "must not have keys in it"),
        (
            {"rows": "bos:/bucket/in"},
            "shards read buckets by the S3 interface: rows='s3://bucket/folder'",
        ),
        ({"rows": "{folder}", "out": "{folder}/out"}, "is inside rows="),
        ({"rows": "{folder}/*.jsonl", "out": "{folder}"}, "is inside rows="),
    ],
)
def test_what_is_no_input_or_output_is_refused_before_anything_is_sent(options, message, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"review": "fine"}\n', encoding="utf-8")
    options = {name: value.format(folder=tmp_path) for name, value in options.items()}
    arguments = {
        "rows": str(tmp_path / "in.jsonl"),
        "prompt": "Classify: {review}",
        "out": str(tmp_path / "out"),
        **options,
    }
    with pytest.raises(InvalidArgumentError, match=message) as error:
        qfnb.batch_shards(**arguments)
    assert not re.search("secret", str(error.value))
