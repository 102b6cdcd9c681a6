"""Shards in object stores: a bucket of the platform, and what fsspec reaches."""

import json
import os
import re

import pytest

import qfnb
from qfnb.batching.shards import output as output_module
from qfnb.batching.shards.output import Output, ShardError
from qfnb.batching.shards.plan import plan_shards
from qfnb.errors import InvalidArgumentError
from qfnb.resources.management.storage import Storage


@pytest.fixture
def bucket(sandbox, tmp_path):
    """The address of a folder in the sandbox's bucket that no other test has."""
    return f"bos:/sandbox/{tmp_path.parent.name}/{tmp_path.name}"


@pytest.fixture
def shard(tmp_path):
    """A shard of one row."""
    (tmp_path / "in.jsonl").write_text('{"review": "fine"}\n', encoding="utf-8")
    return plan_shards(tmp_path / "in.jsonl")[0]


def write_part(path):
    path.write_bytes(b"12345")
    return {"bytes": 5}


def test_a_bucket_has_no_lock_and_one_driver_by_its_signs_of_life(bucket, monkeypatch):
    stores = [Output(bucket, ".jsonl") for _ in range(2)]
    stores[0].claim()
    with pytest.raises(ShardError, match=f"in use by process {os.getpid()} on"):
        stores[1].claim()
    owner = json.loads(Storage.read(f"{bucket}/_qfnb/owner.json"))
    Storage.upload(
        f"{bucket}/_qfnb/owner.json",
        json.dumps(owner | {"pid": 2**31 - 1, "claim": "dead"}).encode(),
    )
    stores[1].claim()  # a process of this computer that is no more is not waited for
    monkeypatch.setattr(output_module, "HEARTBEAT_S", 0)
    with pytest.raises(ShardError, match="in use by process"):
        stores[0].keep_claim()
    stores[0].release_claim()
    elsewhere = owner | {"host": "elsewhere", "claim": "other"}
    Storage.upload(f"{bucket}/_qfnb/owner.json", json.dumps(elsewhere).encode())
    with pytest.raises(ShardError, match="on elsewhere"):
        stores[0].claim()
    monkeypatch.setattr(output_module, "LOST_AFTER_S", 0)
    stores[0].claim()
    stores[0].release_claim()
    assert Storage.list(bucket) == []


@pytest.mark.parametrize("storage", ["bos:/elsewhere/out", "failing://out"])
def test_an_upload_that_fails_leaves_no_part_and_says_why(storage, shard, sandbox):
    if storage.startswith("failing"):
        register_failing_storage()
    store = Output(storage, ".jsonl")
    with pytest.raises(ShardError, match=r"out cannot be written: .*(bucket|broken pipe)") as error:
        store.publish_part(shard, write_part)
    assert error.value.__suppress_context__
    if storage.startswith("failing"):
        assert (store.parts(), store.read_report(shard)) == (set(), None)


def register_failing_storage():
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem

    class FailingFileSystem(MemoryFileSystem):
        """An object store that takes small objects, and half of a part before the connection
        breaks.
        """

        protocol = "failing"
        store = {}  # noqa: RUF012
        pseudo_dirs = [""]  # noqa: RUF012

        def put_file(self, lpath, rpath, **options):
            if "part-" in rpath:
                raise ConnectionError("broken pipe")
            super().put_file(lpath, rpath, **options)

    fsspec.register_implementation("failing", FailingFileSystem, clobber=True)


def test_a_part_in_a_bucket_is_done_when_it_is_whole(bucket, shard, tmp_path):
    store = Output(bucket, ".jsonl")
    assert store.read_report(shard) is None
    store.publish_part(shard, write_part)
    assert store.read_reports([shard]) == {shard.digest: {"bytes": 5}}
    with store.part_here(shard) as path:
        assert path.read_bytes() == b"12345"
    Storage.upload(store.part_path(shard), b"123")
    with pytest.raises(ShardError, match="it has 3 bytes instead of 5; delete it"):
        store.read_report(shard)
    assert not store.fetch_journal(shard, tmp_path / "copy")


def test_shards_behind_addresses_are_those_of_the_same_files_here(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder = tmp_path / "in" / "deep"
    storage = fsspec.filesystem("memory")
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(50)), encoding="utf-8")
    (folder / "a.csv").write_text(
        "n,x\n" + "".join(f'"{n}\n",1\n' for n in range(50)), encoding="utf-8"
    )
    parquet.write_table(pyarrow.table({"n": range(50)}), folder / "a.parquet", row_group_size=10)
    for path in folder.iterdir():
        storage.put_file(str(path), f"memory://{tmp_path.name}/{path.suffix}/deep/{path.name}")
    for path in [*folder.iterdir()]:
        address = f"memory://{tmp_path.name}/{path.suffix}"
        here = plan_shards(tmp_path / "in" / f"*/*{path.suffix}", 20)
        for rows in (f"{address}/deep/", f"{address}/*/*", f"{address}/deep/{path.name}"):
            there = plan_shards(rows, 20)
            assert [shard.digest for shard in there] == [shard.digest for shard in here]
            assert [[*shard] for shard in there] == [[*shard] for shard in here]
        assert [shard.file for shard in plan_shards(address, 20)] == [f"deep/{path.name}"] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "s3:/bucket/out"}, "an address has two slashes, as in s3://bucket/folder"),
        ({"out": "s3://"}, "names no bucket"),
        ({"out": "bos:/"}, "names no bucket"),
        ({"out": "s3://id:secret@bucket/out"}, "must not have keys in it"),
        ({"out": "nowhere://bucket/out"}, "pip install 'qfnb|Protocol not known: nowhere"),
        (
            {"rows": "bos:/bucket/in"},
            "shards read buckets by the S3 interface: rows='s3://bucket/folder'",
        ),
        ({"rows": "{folder}", "out": "{folder}"}, "is inside rows="),
        ({"rows": "{folder}", "out": "{folder}/out"}, "is inside rows="),
        ({"rows": "{folder}/*.jsonl", "out": "{folder}"}, "is inside rows="),
    ],
)
def test_what_is_no_input_or_output_is_refused_before_anything_is_sent(
    options, message, shard, tmp_path
):
    options = {name: value.format(folder=tmp_path) for name, value in options.items()}
    arguments = {
        "rows": shard.path,
        "prompt": "Classify: {review}",
        "out": str(tmp_path / "out"),
        **options,
    }
    with pytest.raises(InvalidArgumentError, match=message) as error:
        qfnb.batch_shards(**arguments)
    assert not re.search("secret", str(error.value))
