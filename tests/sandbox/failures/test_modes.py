"""Strict and lenient sandboxes."""

import time

import pytest
from support.raw_http import connect
from support.sandbox_thread import run_world

from qfnb import config, errors
from qfnb.sandbox import ensure


@pytest.fixture
def world(tmp_path):
    with run_world(tmp_path, time.monotonic) as world:
        now = config.get_config()
        now.access_key = world.address.access_key
        now.secret_key = world.address.secret_key
        now.bos_base_url = f"{world.address.url}/bos"
        yield world


@pytest.fixture
def http(world):
    with connect(world.address) as client:
        yield client


def test_modes_stay_until_they_are_changed(tmp_path):
    with run_world(tmp_path, time.monotonic) as first:
        first.set_modes({"strict": True})
    with run_world(tmp_path, time.monotonic) as second:
        assert second.modes.model_dump() == {"strict": True}


@pytest.mark.parametrize(("value", "strict"), [("1", True), ("0", False), ("", False)])
def test_the_environment_makes_a_server_strict(tmp_path, monkeypatch, value, strict):
    monkeypatch.setenv("QFNB_SANDBOX_STRICT", value)
    with run_world(tmp_path, time.monotonic) as world:
        assert world.modes.strict is strict


def test_a_wrong_variable_is_named_and_no_server_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_SANDBOX_STRICT", "perhaps")
    with pytest.raises(errors.SandboxError, match="QFNB_SANDBOX_STRICT=perhaps: must be 1 or 0"):
        ensure(tmp_path)


def test_a_mode_that_does_not_exist_is_named(world, http):
    headers = {"authorization": "Bearer control"}
    answer = http.post("/_sandbox/modes", json={"strickt": True}, headers=headers)
    assert (answer.status_code, "strickt" in answer.json()["error"]) == (400, True)
