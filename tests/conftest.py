"""Fixtures: the sandbox as a real process, and scripted servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest
from support.messages import compile_stale_catalogue
from support.raw_http import open_client, set_clock
from support.scripted_server import Answer, ScriptedServer

from qfnb import config
from qfnb.sandbox import Address, ensure

os.environ["QFNB_LANG"] = "en"  # whatever the computer speaks
compile_stale_catalogue()


@pytest.fixture
def sandbox() -> Address:
    """The session's sandbox, alive."""
    return ensure()


@pytest.fixture
def control(sandbox: Address) -> Iterator[httpx.Client]:
    """A client of the sandbox's own control."""
    headers = {"authorization": f"Bearer {sandbox.control_token}"}
    with open_client(sandbox.url, headers=headers) as client:
        yield client


@pytest.fixture
def fault(control: httpx.Client) -> Iterator[Callable[..., None]]:
    """Make the next call of an endpoint go wrong; what no call has met goes with the test."""
    yield lambda endpoint, kind, **more: control.post(
        "/_sandbox/faults", json={"endpoint": endpoint, "fault": kind, **more}
    ).raise_for_status()
    # a sandbox that the test has killed has no faults
    with contextlib.suppress(httpx.TransportError):
        control.delete("/_sandbox/faults")


@pytest.fixture
def hold(control: httpx.Client) -> Iterator[Callable[..., None]]:
    """Hold the chat calls after the next ones until `hold(release=True)` or the test's end;
    `hold(3)` lets three go.
    """

    def hold_after(calls: int = 0, *, release: bool = False) -> None:
        earlier = control.get("/_sandbox/faults").json()["faults"]
        for fault, times in () if release else (("slow", calls), ("hold", None)):
            body = {"endpoint": "chat.v2", "fault": fault, "times": times}
            control.post("/_sandbox/faults", json=body).raise_for_status()
        for fault in earlier:  # now the new rules decide, and what was held goes on
            control.delete(f"/_sandbox/faults/{fault['id']}").raise_for_status()

    yield hold_after
    control.delete("/_sandbox/faults").raise_for_status()


@pytest.fixture
def clock(sandbox: Address) -> Iterator[Callable[..., None]]:
    """Stop the sandbox's clock, and with it its jobs: they answer a slice of their rows for each
    `clock(advance=1)`.

    The clock goes on with `clock(speed=1)`, or when the test has ended.
    """
    set_clock(sandbox, speed=0)
    yield partial(set_clock, sandbox)
    set_clock(ensure(), speed=1)


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers, and point the settings at the newest."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers: list[asyncio.Server] = []

    def start(*answers: Answer) -> ScriptedServer:
        script = ScriptedServer(list(answers))
        opening = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(script.serve, "127.0.0.1", 0), loop
        )
        servers.append(opening.result(180))
        script.url = f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"
        now = config.get_config()
        now.base_url = now.console_api_base_url = now.iam_base_url = script.url
        now.api_key = "bce-v3/ALTAK-test/canary0123456789"
        return script

    yield start
    asyncio.run_coroutine_threadsafe(_close_servers(servers), loop).result(180)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(180)
    loop.close()


async def _close_servers(servers: list[asyncio.Server]) -> None:
    for listener in (listener for server in servers for listener in server.sockets):
        asyncio.get_running_loop().remove_reader(listener.fileno())
    await (
        _pass_turns()
        # Python 3.11 leaks a connection that was accepted, and has no transport yet, when a server
        # closes
    )
    for server in servers:
        server.close()
    begun: set[asyncio.Task[object]] = set()
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        if tasks <= begun:  # only a task that has begun closes its connection when it is cancelled
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        begun = tasks
        await _pass_turns()  # what is accepted now has a task in the next turns


async def _pass_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
