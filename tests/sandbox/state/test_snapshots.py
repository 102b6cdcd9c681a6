"""Snapshots of the whole state, created and restored while the server runs."""

import stat
import time

import pytest
from support.raw_http import connect, results, run_batch, signed_headers, storage_request, upload
from support.sandbox_thread import run_world

from qfnb.sandbox import ensure, stop

SNAPSHOTS = "/_sandbox/snapshots"


@pytest.fixture
def world(tmp_path):
    with run_world(tmp_path, time.monotonic) as world_:
        yield world_


@pytest.fixture
def http(world):
    with connect(world.address) as client:
        yield client


@pytest.fixture
def steer(world, http):
    """Make a control call; return its answer."""
    token = {"authorization": f"Bearer {world.address.control_token}"}
    return lambda method, path="", **body: http.request(
        method, SNAPSHOTS + path, json=body, headers=token
    )


@pytest.fixture
def restore(world, http):
    """Restore a snapshot; return the answer."""
    token = {"authorization": f"Bearer {world.address.control_token}"}
    return lambda name: http.post("/_sandbox/restore", json={"name": name}, headers=token)


def names(http):
    return sorted(row["filename"] for row in http.get("/v2/files").json()["data"])


def test_a_restore_removes_what_was_added_after_the_snapshot(http, steer, restore):
    upload(http, b"{}\n", "before.jsonl")
    assert steer("POST", name="one").status_code == 200
    upload(http, b"{}\n", "after.jsonl")
    assert names(http) == ["after.jsonl", "before.jsonl"]
    assert restore("one").json() == {"restored": "one"}
    assert names(http) == ["before.jsonl"]


def test_an_object_that_was_overwritten_has_its_old_content_again(world, http, steer, restore):
    path = "/bos/sandbox/a/b.txt"
    storage_request(world.address, http, "PUT", path, b"old")
    steer("POST", name="one")
    storage_request(world.address, http, "PUT", path, b"new")
    restore("one")
    assert storage_request(world.address, http, "GET", path).content == b"old"


def test_a_snapshot_can_be_restored_repeatedly(http, steer, restore):
    steer("POST", name="empty")
    for number in range(3):
        upload(http, b"{}\n", f"{number}.jsonl")
        assert restore("empty").status_code == 200
        assert names(http) == []


def test_an_issued_token_survives_a_restore(world, http, steer, restore):
    steer("POST", name="one")
    headers = signed_headers(world.address, "GET", "/v1/BCE-BEARER/token")
    token = http.get("/v1/BCE-BEARER/token", headers=headers).json()["token"]
    restore("one")
    assert http.get("/v2/files", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_numbers_and_the_clock_go_on_from_the_snapshot(world, http, steer, restore):
    world.clock.set(0)
    steer("POST", name="still")
    snapshot_time = world.clock.now()
    world.clock.set(1, 3600)
    restore("still")
    assert world.clock.now() == snapshot_time


def test_batches_work_after_a_restore(http, steer, restore):
    steer("POST", name="one")
    restore("one")
    row = {
        "custom_id": "1",
        "method": "POST",
        "url": "/v2/chat/completions",
        "body": {"messages": []},
    }
    row["body"] = {"model": "ernie-lite-8k", "messages": [{"role": "user", "content": "你好"}]}
    done = run_batch(http, [row])
    assert len(results(http, done["output_file_id"])) == 1


def test_snapshots_are_listed_and_removed(steer):
    for name in ("a", "b", "快照"):
        steer("POST", name=name)
    assert [row["name"] for row in steer("GET").json()["snapshots"]] == ["a", "b", "快照"]
    assert steer("DELETE", "/b").json() == {"removed": "b"}
    assert [row["name"] for row in steer("GET").json()["snapshots"]] == ["a", "快照"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "x" * 65, "a b", "a\0"])
def test_a_name_that_could_lead_elsewhere_is_refused(world, steer, name):
    assert steer("POST", name=name).status_code == 400
    assert not list(world.folder.glob("snapshots/*"))


def test_a_snapshots_name_is_used_once(steer):
    steer("POST", name="one")
    assert "already" in steer("POST", name="one").json()["error"]


def test_an_unknown_snapshot_is_named(steer, restore):
    for answer in (restore("none"), steer("DELETE", "/none")):
        assert (answer.status_code, "'none'" in answer.json()["error"]) == (404, True)


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "sandbox"
    stop(tmp_path / "sandbox")


@pytest.mark.fault("F85")
def test_only_its_user_can_read_the_state_and_its_copies(home):
    home.mkdir(mode=0o755)
    (home / "state.db").touch(mode=0o644)
    address = ensure(home)
    with connect(address) as http:
        upload(http, b"{}\n")
        token = {"authorization": f"Bearer {address.control_token}"}
        assert http.post(SNAPSHOTS, json={"name": "one"}, headers=token).status_code == 200
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*")}
    assert {"state.db", "state.db-wal", "state.db-shm", "server.log", "about.json"} <= set(modes)
    assert set(modes.values()) == {0o600, 0o700}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
