"""Snapshots of the whole state, created and restored while the server runs."""

import stat

import pytest
from support.raw_http import connect, signed_headers, upload

from qfnb.sandbox import ensure, stop

SNAPSHOTS = "/_sandbox/snapshots"


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


def test_an_issued_token_survives_a_restore(world, http, steer, restore):
    steer("POST", name="one")
    headers = signed_headers(world.address, "GET", "/v1/BCE-BEARER/token")
    token = http.get("/v1/BCE-BEARER/token", headers=headers).json()["token"]
    restore("one")
    assert http.get("/v2/files", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_snapshots_are_listed_and_removed(steer):
    for name in ("a", "b", "快照"):
        steer("POST", name=name)
    assert [row["name"] for row in steer("GET").json()["snapshots"]] == ["a", "b", "快照"]
    assert steer("DELETE", "/b").json() == {"removed": "b"}
    assert [row["name"] for row in steer("GET").json()["snapshots"]] == ["a", "快照"]


@pytest.mark.parametrize("name", ["", "..", "../x", ".hidden", "x" * 65])
def test_a_name_that_could_lead_elsewhere_is_refused(world, steer, name):
    assert steer("POST", name=name).status_code == 400
    assert not list(world.folder.glob("snapshots/*"))


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
