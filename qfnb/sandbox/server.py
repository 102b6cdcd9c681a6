"""The sandbox's process from inside: lock, port, keys, address file, idle exit.

Run as `python -m qfnb.sandbox.server FOLDER IDLE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from .._private_files import write_private
from .process import EXIT_LOCKED, VERSION, Address

if TYPE_CHECKING:
    from uvicorn import Server

    from .state.world import World

IDLE_SECONDS = 75
"""How long an idle connection is kept: longer than clients keep theirs (30 s), so that none is closed just
as a request goes out on it."""


def main(folder: Path, idle_seconds: float) -> None:
    """Serve until it is stopped, or idle for some seconds."""
    lock = FileLock(folder / "server.lock", mode=0o600)  # the system releases it however the process ends
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SystemExit(EXIT_LOCKED) from None
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # two threads make small matrices slower, not faster
    try:
        asyncio.run(_serve(folder, idle_seconds))
    finally:
        lock.release()


async def _serve(folder: Path, idle_seconds: float) -> None:
    import uvicorn  # noqa: PLC0415 - after the thread limits are set

    from .app import build_app  # noqa: PLC0415
    from .http.head_timeout import HeadTimeoutProtocol  # noqa: PLC0415
    from .state.store import StateError  # noqa: PLC0415
    from .state.world import World  # noqa: PLC0415

    listener = _bind(folder)
    address = _address(folder, listener.getsockname()[1])
    try:
        world = World(folder, address)
    except StateError as error:
        raise SystemExit(str(error)) from None  # the last line of the log, which the client's error has
    options = uvicorn.Config(
        build_app(world),
        http=HeadTimeoutProtocol,
        log_level="warning",
        lifespan="off",
        access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(options)
    world.request_stop = lambda: setattr(server, "should_exit", True)
    watcher = asyncio.create_task(_watch(server, world, address, idle_seconds))
    try:
        await server.serve(sockets=[listener])
    finally:
        watcher.cancel()
        world.close()
        with contextlib.suppress(OSError):
            (folder / "server.json").unlink()


async def _watch(server: Server, world: World, address: Address, idle_seconds: float) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    write_private(world.folder / "server.json", json.dumps(asdict(address)))
    await asyncio.to_thread(world.warm_up)
    while world.idle_seconds() < idle_seconds:
        await asyncio.sleep(min(1.0, idle_seconds / 4))
    server.should_exit = True


def _bind(folder: Path) -> socket.socket:
    """Bind to loopback, to the previous port if it is free: other clients can then keep their address."""
    previous_port = _read_json(folder / "port.json").get("port", 0)
    for port in (previous_port, 0):
        # asyncio sets TCP_NODELAY only if the protocol is given; without it an answer takes 40 ms
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        write_private(folder / "port.json", json.dumps({"port": listener.getsockname()[1]}))
        return listener
    raise SystemExit("no port of 127.0.0.1 is free")


def _address(folder: Path, port: int) -> Address:
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
    return Address(
        url=f"http://127.0.0.1:{port}",
        pid=os.getpid(),
        version=VERSION,
        control_token=secrets.token_urlsafe(24),
        **keys,
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def run() -> None:
    """Serve with the arguments of the command line; closing the terminal does not end it."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    main(Path(sys.argv[1]), float(sys.argv[2]))


if __name__ == "__main__":
    run()
