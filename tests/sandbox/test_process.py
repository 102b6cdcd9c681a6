"""The sandbox's process: there is one, it is found again, restarts with its keys, and ends when it
is idle.
"""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from support.waiting import until

from qfnb import ChatCompletion, cli, doctor, errors
from qfnb.notebook import home as home_panel
from qfnb.sandbox import ensure, find, stop
from qfnb.views import home as view


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "sandbox"
    stop(tmp_path / "sandbox")


def test_many_who_ask_at_once_get_one_server(home):
    with ThreadPoolExecutor(8) as pool:
        addresses = list(pool.map(lambda _: ensure(home), range(8)))
    assert len({address.pid for address in addresses}) == 1


class Terminal(StringIO):
    def isatty(self):
        return True


def test_a_terminal_is_told_that_it_starts_and_it_is_found_again_and_stopped(home, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert find(home) is None
    assert ensure(home) == ensure(home)
    assert terminal.getvalue() == "starting the local sandbox…\n"
    assert stop(home)
    assert find(home) is None


def test_a_damaged_database_is_told_by_the_panel_the_doctor_and_the_next_answer(
    home, monkeypatch, capsys
):
    monkeypatch.setenv("QFNB_STATE_DIR", str(home.parent))
    home.mkdir()
    (home / "state.db").write_bytes(b"garbage" * 1000)
    said = [(cli.main(["chat", "你是谁"]), capsys.readouterr().err)[1] for _ in range(2)]
    (damaged,) = home.glob("state.*.old")
    assert [damaged.name in text for text in said] == [True, False]
    panel = view.bundle(home_panel.collect())
    assert all(
        damaged.name in text
        for text in [doctor.report(doctor.examine(reach=False)), *panel.values()]
    )
    home_panel.clean(0, asks=False)
    assert (doctor.describe_damage(), list(home.glob("state.*.*"))) == (None, [])


def test_a_call_right_after_a_broken_one_starts_it_again(sandbox, fault):
    fault("chat.v2", "stall", after=3)
    pieces = ChatCompletion().do("你是谁", stream=True)
    next(pieces)
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(errors.StreamInterrupted):
        list(pieces)
    assert ChatCompletion().do("你是谁", retry_count=1).text


def test_after_a_kill_it_comes_back_at_the_same_place_with_the_same_keys(home):
    before = ensure(home)
    os.kill(before.pid, signal.SIGKILL)
    after = ensure(home)
    assert after.pid != before.pid
    assert (after.url, after.api_key, after.secret_key) == (
        before.url,
        before.api_key,
        before.secret_key,
    )


def test_it_ends_when_it_is_idle(home):
    address = ensure(home, idle_minutes=0.005)
    until(lambda: not is_running(address.pid))  # asking it would keep it alive
    assert find(home) is None


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_status_shows_no_key(sandbox, capsys):
    assert cli.main(["sandbox", "status"]) == 0
    output = capsys.readouterr().out
    assert sandbox.url in output
    assert not any(key in output for key in (sandbox.api_key, sandbox.secret_key, sandbox.sk))


def test_only_its_user_can_read_its_keys(home):
    ensure(home)
    modes = [oct((home / name).stat().st_mode & 0o777) for name in ("server.json", "keys.json")]
    assert modes == ["0o600"] * 2
