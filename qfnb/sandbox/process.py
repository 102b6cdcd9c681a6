"""The sandbox's process from outside: start it on demand, find it, stop it. Standard library only.

Several kernels can start it at once: the server holds a file lock as long as it runs, so there is
only one; the others wait for its address file. It outlives the kernel that started it, and ends
when it is idle.
"""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from .. import config
from ..base.language import tr, tr_noop
from ..errors import SandboxError
from ..wire.sandbox import EXIT_LOCKED, VERSION, Address as Address

SERVER_MODULE = "qianfan_sandbox.server"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0

MODES = {
    "strict=False": tr_noop("lenient: older models answer too"),
    "strict=True": tr_noop("strict: what the platform has ended is refused"),
}
BUILT_IN_ENGINE = tr_noop("qfnb local model")
"""As in the label `engines.protocol.BUILT_IN`."""


def default_home() -> Path:
    """Return the folder of this user's sandbox."""
    return config.state_dir() / "sandbox"


def ensure(home: Path | None = None, *, idle_minutes: float = 30) -> Address:
    """Return the running sandbox of a folder, starting it if necessary.

    Args:
        home: the folder of its state; default: this user's.
        idle_minutes: minutes without a request, a training or a stream after which it ends.

    Raises:
        SandboxError: it did not start; the message has the reason from its log.
    """
    folder = home or default_home()
    if (running := find(folder)) is not None:
        return running
    prepare_folder(folder)
    # a kernel's is none: its panels show that they wait
    if sys.stderr is not None and sys.stderr.isatty():
        print(tr("starting the local sandbox…"), file=sys.stderr)  # noqa: T201 - the terminal would be silent for seconds
    process = _spawn(folder, idle_minutes)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if (running := find(folder)) is not None:
            return running
        if process.poll() not in {None, EXIT_LOCKED}:
            raise SandboxError(_failure_message(folder, tr("did not start")))
        time.sleep(0.01)
    raise SandboxError(
        _failure_message(folder, tr("did not answer within {wait:g} s", wait=START_TIMEOUT_S))
    )


def find(home: Path | None = None) -> Address | None:
    """Return the running sandbox of a folder, None when it does not answer."""
    address = _read_address(home or default_home())
    if address is None:
        return None
    # a busy computer answers late
    health = control_call(address, "GET", "/_sandbox/health", timeout=5.0) or {}
    if health.get("pid") != address.pid:
        return None
    if address.version != VERSION:
        stop(home)
        return None
    return address


def stop(home: Path | None = None) -> bool:
    """Stop a running sandbox and wait for its end; return whether it was running."""
    folder = home or default_home()
    address = _read_address(folder)
    if address is None or control_call(address, "POST", "/_sandbox/stop") is None:
        return False
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline and _read_address(folder) is not None:
        time.sleep(0.02)
    return True


def reset(home: Path | None = None) -> None:
    """Stop the sandbox and delete its state: datasets, models, services and keys."""
    folder = home or default_home()
    stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def log_path(home: Path | None = None) -> Path:
    """Return the path of the server's log."""
    return (home or default_home()) / "server.log"


def damaged_databases() -> list[Path]:
    """Return the databases that could not be read and were moved aside, the oldest first."""
    return sorted(default_home().glob("state.*.old"))


def claim_damage_notice() -> str:
    """Return the sentence about such a database that no user was told yet, "" for none; each is
    told once.
    """
    for path in damaged_databases():
        with contextlib.suppress(OSError):  # the file of another kernel is there
            path.with_suffix(".told").touch(mode=0o600, exist_ok=False)
            return tr(
                "the sandbox began anew: its database was damaged, and is now {name}",
                name=path.name,
            )
    return ""


def control_call(
    address: Address, method: str, path: str, body: Any = None, *, timeout: float = 5.0
) -> dict[str, Any] | None:
    """Make a control call; return its answer, None without an answer or without success. See
    `control_request`.
    """
    response = control_request(address, method, path, body, timeout=timeout)
    if response is not None and response[0] == 200:
        return response[1]
    return None


def control_request(
    address: Address, method: str, path: str, body: Any = None, *, timeout: float = 30.0
) -> tuple[int, dict[str, Any]] | None:
    """Make a control call; return the HTTP status and the answer, None without an answer.

    Args:
        address: the running sandbox.
        method: the HTTP method.
        path: e.g. `/_sandbox/health`.
        body: the JSON body; default: an empty object.
        timeout: seconds to wait for the answer.
    """
    host, _, port = address.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    headers = {
        "Authorization": f"Bearer {address.control_token}",
        "Content-Type": "application/json",
    }
    try:
        connection.request(method, path, json.dumps(body or {}), headers)
        response = connection.getresponse()
        value: dict[str, Any] = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return response.status, value


def ask_control(
    method: str, path: str, body: Mapping[str, Any] | None = None, address: Address | None = None
) -> dict[str, Any]:
    """Return the reply of a sandbox's control interface.

    Args:
        method: HTTP method.
        path: below `/_sandbox/`.
        body: JSON to send.
        address: of the sandbox; by default the one that runs.

    Raises:
        SandboxError: no sandbox runs, or it refused; the message says why.
    """
    address = address or find()
    if address is None:
        raise SandboxError(tr("no sandbox is running; `qfnb sandbox start` starts it"))
    reply = control_request(address, method, f"/_sandbox/{path}", body)
    if reply is None:
        raise SandboxError(tr("the sandbox does not answer: see `qfnb sandbox logs`"))
    status, value = reply
    if status != 200:
        raise SandboxError(str(value.get("error", value)))
    return value


def describe() -> dict[str, str]:
    """Return the facts of the running sandbox by label; none where none runs."""
    address = find()
    if address is None:
        return {}
    now = control_call(address, "GET", "/_sandbox/health") or {}
    engine = now.get("engine") or {}
    modes = [f"{name}={value}" for name, value in (now.get("modes") or {}).items()]
    count = now.get("trainings")
    streams = now.get("streams")
    return {
        tr("Address"): f"{address.url} (pid {address.pid})",
        tr("At work"): tr(
            "trainings: {trainings}, open streams: {streams}", trainings=count, streams=streams
        ),
        tr("Engine"): _say_engine(str(engine.get("label"))),
        tr("Modes"): " · ".join(tr(MODES.get(mode, mode)) for mode in modes),
        tr("State folder"): str(default_home()),
    }


def _say_engine(label: str) -> str:
    """Return an engine's label in the user's language; the names of models stay."""
    name = label.removesuffix(", not ERNIE")
    if name == label:
        return label
    return tr("{engine}, not ERNIE", engine=tr(name))


def _read_address(folder: Path) -> Address | None:
    try:
        value = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        return Address(**{field_.name: value[field_.name] for field_ in fields(Address)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def prepare_folder(folder: Path) -> None:
    """Make the folder of the state and its log.

    Raises:
        SandboxError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            if log_path(folder).stat().st_size > 1_000_000:
                log_path(folder).replace(folder / "server.log.old")
        log_path(folder).touch(mode=0o600)
    except OSError as error:
        raise SandboxError(
            tr(
                "the sandbox cannot write its folder {folder}: {reason}\nset QFNB_STATE_DIR to a "
                "writable "
                "folder, or set a key",
                folder=folder,
                reason=error.strerror,
            )
        ) from None


def _spawn(folder: Path, idle_minutes: float) -> subprocess.Popen[bytes]:
    detach_options: dict[str, Any] = {"start_new_session": True}
    if os.name != "posix":
        detach_options = {"creationflags": 0x00000008 | 0x00000200}
    command = [sys.executable, "-m", SERVER_MODULE, str(folder), str(idle_minutes * 60)]
    secret_names = {
        f"QIANFAN_{name.upper()}" for name in (*config.KEY_NAMES, "bearer_token", "proxy")
    }
    environment = {name: value for name, value in os.environ.items() if name not in secret_names}
    with log_path(folder).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            **detach_options,
        )
    # A thread waits for its end, so that it does not remain as a zombie.
    threading.Thread(target=process.wait, name="qfnb-sandbox-watch", daemon=True).start()
    return process


def run_in_foreground(folder: Path, host: str, port: int, url: str) -> int:
    """Run the server in place of this process, where the system can; return its exit code.

    Args:
        folder: the folder of its state.
        host: the address to listen on; 0.0.0.0 is all of this computer.
        port: the port, 0 for the previous one if it is free.
        url: what clients write; "" for loopback.
    """
    command = [sys.executable, "-m", SERVER_MODULE, str(folder), "inf"]
    command += ["--bind", host, "--port", str(port), "--url", url]
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 - signals reach the server itself
    return subprocess.call(command)  # noqa: S603 - our own module, no shell


def _failure_message(folder: Path, event: str) -> str:
    try:
        lines = log_path(folder).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    reason = next(
        (line.strip() for line in reversed(lines) if line.strip()), tr("its log is empty")
    )
    return tr(
        "the sandbox {event}: {reason}\nsee `qfnb sandbox logs`, or set a key: %qfauth set",
        event=event,
        reason=reason[:400],
    )
