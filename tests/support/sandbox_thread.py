"""A sandbox in a thread of the test's process: the test can set its clock and its world."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from qfnb import config
from qfnb.sandbox.process import VERSION, Address
from qianfan_sandbox.engines.builtin.engine import base_model
from qianfan_sandbox.server import IDLE_SECONDS
from qianfan_sandbox.state.world import World
from support.evidence import build_app_with_evidence
from support.waiting import until


def point_at(address: Address) -> None:
    """Point the settings at a sandbox."""
    settings = config.get_config()
    settings.base_url = settings.console_api_base_url = settings.iam_base_url = address.url
    settings.api_key = address.api_key
    settings.access_key = address.access_key
    settings.secret_key = address.secret_key


@contextlib.contextmanager
def run_world(folder: Path, clock: Callable[[], float]) -> Iterator[World]:
    """Serve a world over HTTP, and point the settings at it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    key = "bce-v3/ALTAK-sandboxtest/0123456789abcdef"
    address = Address(url, 1, VERSION, "sandbox", "control", key, "ak", "sk", "app", "secret")
    world = World(folder, address, clock)
    base_model()
    app = build_app_with_evidence(world)
    options = uvicorn.Config(
        app, log_level="error", lifespan="off", access_log=False, timeout_keep_alive=IDLE_SECONDS
    )
    server = uvicorn.Server(options)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    point_at(address)
    try:
        yield world
    finally:
        server.should_exit = True
        thread.join(180)
        world.close()
        listener.close()
