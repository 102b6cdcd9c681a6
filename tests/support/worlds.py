"""A sandbox in a thread of the test's own process: its clock and its world are the test's to set."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from qfnb import config
from qfnb.sandbox.app import build
from qfnb.sandbox.process import VERSION, Address
from qfnb.sandbox.server import IDLE_SECONDS
from qfnb.sandbox.world import World


@contextlib.contextmanager
def world_of(folder: Path, clock: Callable[[], float]) -> Iterator[World]:
    """Serve a world over HTTP, and point the settings at it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    key = "bce-v3/ALTAK-sandboxtest/0123456789abcdef"
    address = Address(url, 1, VERSION, "sandbox", "control", key, "ak", "sk", "app", "secret")
    world = World(folder, address, clock)
    world.warm_up()
    options = uvicorn.Config(
        build(world),
        log_level="error",
        lifespan="off",
        access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
    )
    server = uvicorn.Server(options)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.002)
    now = config.get_config()
    now.base_url = now.console_api_base_url = now.iam_base_url = url
    now.api_key = key
    try:
        yield world
    finally:
        server.should_exit = True
        thread.join(10)
        world.close()
        listening.close()
