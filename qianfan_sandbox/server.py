"""The sandbox's process from inside: lock, port, keys, address file, idle exit.

Run as `python -m qianfan_sandbox.server FOLDER IDLE_SECONDS`, or by `qfnb sandbox serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from qfnb.base.private_files import write_private
from qfnb.wire.base import JsonObject
from qfnb.wire.sandbox import EXIT_LOCKED, VERSION, Address

if TYPE_CHECKING:
    from uvicorn import Server

    from .state.world import World

IDLE_SECONDS = 75
"""How long an idle connection is kept: longer than clients keep theirs (30 s), so that none is
closed just as a request goes out on it.
"""

API_KEY_VARIABLE = "QFNB_SANDBOX_API_KEY"
"""A variable with the API key to accept; without it a key is made once and stored."""


@dataclass(frozen=True)
class Binding:
    """Where the server listens, and where clients reach it.

    Attributes:
        host: an address of this computer; 0.0.0.0 is all of them.
        port: 0 is the previous port if it is free, else any.
        url: what clients write, as `http://sandbox:8899`; default: loopback. Its host is answered
            beside localhost.
    """

    host: str = "127.0.0.1"
    port: int = 0
    url: str = ""


def main(folder: Path, idle_seconds: float, binding: Binding | None = None) -> None:
    """Serve until it is stopped, or idle for some seconds."""
    # the system releases it however the process ends
    lock = FileLock(folder / "server.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SystemExit(EXIT_LOCKED) from None
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # two threads make small matrices slower, not faster
    try:
        asyncio.run(_serve(folder, idle_seconds, binding or Binding()))
    finally:
        lock.release()


async def _serve(folder: Path, idle_seconds: float, binding: Binding) -> None:
    import uvicorn  # noqa: PLC0415 - after the thread limits are set

    from .app import build_app  # noqa: PLC0415
    from .state.store import StateError  # noqa: PLC0415
    from .state.world import World  # noqa: PLC0415

    listener = _bind(folder, binding)
    address = _address(folder, binding.url or f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        world = World(folder, address)
    except StateError as error:
        # the last line of the log, which the client's error has
        raise SystemExit(str(error)) from None
    options = uvicorn.Config(
        build_app(world),
        log_level="warning",
        lifespan="off",
        access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(options)
    world.request_stop = lambda: setattr(server, "should_exit", True)
    # uvicorn raises them again when it has ended: nothing is left to do
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: world.request_stop())
    watcher = asyncio.create_task(_watch(server, world, address, idle_seconds))
    try:
        await server.serve(sockets=[listener])
    finally:
        watcher.cancel()
        world.close()
        with contextlib.suppress(OSError):
            (folder / "server.json").unlink()


async def _watch(server: Server, world: World, address: Address, idle_seconds: float) -> None:
    from .engines.builtin.engine import base_model  # noqa: PLC0415 - with uvicorn, after it

    while not server.started:
        await asyncio.sleep(0.005)
    write_private(world.folder / "server.json", json.dumps(asdict(address)))
    await asyncio.to_thread(base_model)
    while world.idle_seconds() < idle_seconds:
        await asyncio.sleep(min(1.0, idle_seconds / 4))
    server.should_exit = True


def _bind(folder: Path, binding: Binding) -> socket.socket:
    """Bind to a port, the previous one if there is a choice: other clients can then keep their
    address.
    """
    previous_port = _read_json(folder / "port.json").get("port", 0)
    for port in (binding.port,) if binding.port else (previous_port, 0):
        # asyncio sets TCP_NODELAY only if the protocol is given; without it an answer takes 40 ms
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((binding.host, port))
        except OSError:
            listener.close()
            continue
        write_private(folder / "port.json", json.dumps({"port": listener.getsockname()[1]}))
        return listener
    raise SystemExit(f"port {binding.port or 0} of {binding.host} is not free")


def _address(folder: Path, url: str) -> Address:
    """Return the address with this sandbox's keys, which are created once and stored."""
    keys = _read_json(folder / "keys.json")
    if not keys:
        keys = {
            "api_key": f"bce-v3/ALTAK-sandbox{secrets.token_hex(6)}/{secrets.token_hex(20)}",
            "access_key": f"ALTAKsandbox{secrets.token_hex(6)}",
            "secret_key": secrets.token_hex(16),
            "ak": f"sandbox{secrets.token_hex(8)}",
            "sk": secrets.token_hex(16),
            "bucket": "sandbox",
        }
        write_private(folder / "keys.json", json.dumps(keys))
    if api_key := os.environ.get(API_KEY_VARIABLE):
        keys["api_key"] = api_key
    return Address(
        url=url, pid=os.getpid(), version=VERSION, control_token=secrets.token_urlsafe(24), **keys
    )


def _read_json(path: Path) -> JsonObject:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def run() -> None:
    """Serve with the arguments of the command line.

    In the background (without `--bind`) closing the terminal does not end it.
    """
    parser = ArgumentParser(prog="python -m qianfan_sandbox.server")
    parser.add_argument("folder", type=Path)
    parser.add_argument("idle_seconds", type=float)
    parser.add_argument("--bind")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    if options.bind is None and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    binding = Binding(options.bind or Binding.host, options.port, options.url)
    main(options.folder, options.idle_seconds, binding)


if __name__ == "__main__":
    run()
