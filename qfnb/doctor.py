"""What a bug report needs to say and what usually is wrong: `qfnb doctor`, `%qfauth doctor`. It
holds no secret.

Every check is a function that returns findings; a check that fails itself is a finding too.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from . import config, connect
from .base.language import language, tr, tr_noop
from .base.text import labelled
from .errors import ConnectionFailed, QianfanError, RequestTimeoutError
from .redact import redact

State = Literal["ok", "warn", "bad"]

SIGNS: Final[dict[State, str]] = {"ok": "✓", "warn": "⚠", "bad": "✕"}  # of the text that is pasted

PACKAGES: Final = (
    "ipykernel", "ipywidgets", "ipython", "jupyterlab", "notebook", "httpx", "aiohttp", "pandas",
    "numpy", "matplotlib",
    "pydantic",
)  # fmt: skip
"""Packages whose versions decide how qfnb behaves."""

NETWORK_FILE_SYSTEMS: Final = frozenset({
    "9p", "ceph", "cifs", "fuse.sshfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "virtiofs",
})  # fmt: skip
"""File systems on which SQLite's write-ahead log and file locks may not hold."""

MIN_FREE_BYTES: Final = 500 * 1024**2
"""Free space below which the state folder is called full."""


@dataclass(frozen=True)
class CheckResult:
    """One line of the report.

    Attributes:
        topic: what was looked at, in the user's language.
        state: `ok`, `warn` (something will not work) or `bad` (nothing will).
        text: what is so.
        remedy: what to do, "" where nothing is to be done.
    """

    topic: str
    state: State
    text: str
    remedy: str = ""


def examine(*, reach: bool = True) -> list[CheckResult]:
    """Return the results of all checks of this computer, kernel, keys and platform.

    Args:
        reach: also ask the platform; a call of no cost.
    """
    findings: dict[tuple[str, str], CheckResult] = {}  # of the same, the first
    for name, check in CHECKS:
        topic = tr(name)
        lines: list[Line] = []
        if check is check_reachability and not reach:
            continue
        try:
            lines += check()
        except QianfanError as error:
            lines.append(_describe_error(error))
        except Exception as error:  # noqa: BLE001 - a broken installation is what is looked for
            lines.append(("bad", f"{type(error).__name__}: {error}", ""))
        for state, text, remedy in lines:
            finding = CheckResult(topic, state, paste_safe(text), paste_safe(remedy))
            findings.setdefault((finding.text, finding.remedy), finding)
    return list(findings.values())


def _describe_error(error: QianfanError, host: str = "") -> Line:
    """Return an error as a finding: what happened, and what to do about it."""
    reason, *hints = str(error).splitlines()
    if host not in reason:
        reason = labelled(host, reason)
    if "`" not in "".join(hints):
        hints.append(tr("Check the variables QIANFAN_*; to see which platform is used: `%qfauth`"))
    remedy = tr("; ").join(hints)
    if isinstance(error, (ConnectionFailed, RequestTimeoutError)):
        remedy = tr(
            "Check the network. Set HTTPS_PROXY if it needs a proxy, and QIANFAN_BASE_URL and "
            "QIANFAN_CONSOLE_API_BASE_URL if it has a gateway; to go on without a network: "
            "`%qfauth sandbox`"
        )
    return "bad", reason, remedy


def report(findings: list[CheckResult]) -> str:
    """Return findings as text that may be pasted anywhere."""
    lines = []
    topic = ""
    for finding in findings:
        text = finding.text
        if finding.topic != topic:
            topic = finding.topic
            text = labelled(topic, text)
        lines.append(f"{SIGNS[finding.state]} {text}")
        if finding.remedy:
            lines.append(f"    → {finding.remedy}")
    return "\n".join(lines)


def paste_safe(text: str) -> str:
    """Return text without secrets and without the user's name in paths."""
    home = str(Path.home())
    return redact(text.replace(home, "~") if len(home) > 1 else text)


Line = tuple[State, str, str]
"""State, text and remedy of a finding."""


def check_python() -> Iterator[Line]:
    """Yield versions of qfnb, Python and the system, and the language of what is shown."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "ok", f"qfnb {_version('qfnb')} · {python} · {system} · {language()}", ""


def check_front_end() -> Iterator[Line]:
    """Yield where the code runs."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        yield "ok", tr("no notebook: a program or a terminal"), ""
        return
    hosts = ("COLAB_RELEASE_TAG", "VSCODE_PID", "JUPYTERHUB_USER")
    kind = "ipykernel" if hasattr(shell, "kernel") else "terminal"
    yield "ok", " ".join([kind, *(name for name in hosts if os.environ.get(name))]), ""


def check_packages() -> Iterator[Line]:
    """Yield the versions of the packages that decide how qfnb behaves."""
    versions = {name: _version(name) for name in PACKAGES}
    versions["SQLite"] = sqlite3.sqlite_version
    installed = [f"{name} {version}" for name, version in versions.items() if version]
    yield "ok", ", ".join(installed), ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def check_state_folder() -> Iterator[Line]:
    """Yield where journals, runs and the sandbox are kept, and whether that is a good place."""
    folder = config.state_dir()
    free = shutil.disk_usage(folder).free
    text = tr("{folder}, {free} GB free", folder=folder, free=f"{free / 1e9:,.1f}")
    if free >= MIN_FREE_BYTES:
        yield "ok", text, ""
    else:
        full = tr("Set QFNB_STATE_DIR to another folder, or free some space: `%qf clean`")
        yield "warn", text, full
    if not os.access(folder, os.W_OK):
        remedy = tr(
            "Set it to a folder of yours, then restart the kernel: `export QFNB_STATE_DIR=~/qfnb`"
        )
        yield "bad", tr("it cannot be written to"), remedy
    kind = file_system(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        remedy = tr(
            "SQLite's locks may not hold on it; set it to a local disk: `export "
            "QFNB_STATE_DIR=/var/tmp/qfnb`"
        )
        yield "warn", tr("it is a network folder ({kind})", kind=kind), remedy
    if (damage := describe_damage()) is not None:
        yield "warn", *damage


def describe_damage() -> tuple[str, str] | None:
    """Return that the sandbox began anew, and where its damaged database is; None while there is
    none.
    """
    from .sandbox import process  # noqa: PLC0415 - only reports need it

    paths = process.damaged_databases()
    if not paths:
        return None
    names = tr(", ").join(f"{path.parent.name}/{path.name}" for path in paths)
    text = tr(
        "The sandbox's database was damaged, so it began anew: what was trained or deployed "
        "before is gone."
    )
    remedy = tr(
        "The damaged file is {names} in the state folder; to delete it: `%qf clean`", names=names
    )
    return text, remedy


def file_system(path: Path) -> str:
    """Return the type of the file system that a path is on, "" where the system does not tell."""
    import psutil  # noqa: PLC0415 - of ipykernel

    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    for parent in (path, *path.parents):
        if str(parent) in mounts:
            return str(mounts[str(parent)]).lower()
    return ""


def check_proxy() -> Iterator[Line]:
    """Yield the proxy that calls go through."""
    import httpx  # noqa: PLC0415 - the transport's

    from .transport import http  # noqa: PLC0415

    current = config.settings()
    proxy = http.proxy_for(httpx.URL(current.console_api_base_url), current.proxy)
    yield "ok", http.without_password(proxy) if proxy else tr("none"), ""


def check_keys() -> Iterator[Line]:
    """Yield the platform, the kinds of keys and where they come from."""
    current = connect.platform_info()
    if current.name == "sandbox":
        remedy = tr("To reach Qianfan, set QIANFAN_API_KEY, or type a key: `%qfauth set`")
        yield "ok", tr("no key is set: calls go to the local sandbox"), remedy
        return
    sources = [
        tr("{key} from {source}", key=name, source=source)
        for name, source in current.sources.items()
    ]
    kinds = tr(", ").join(current.kinds)
    yield "ok", f"{current.name} · {kinds} · {tr(', ').join(sources)}", ""


def check_reachability() -> Iterator[Line]:
    """Yield whether the platform answers, and how fast."""
    current = connect.platform_info()
    if current.name == "sandbox" and not current.host:
        yield "ok", tr("the sandbox starts with the first call"), ""
        return
    from .transport import event_loop, model_list  # noqa: PLC0415 - a call is made now

    started_at = time.perf_counter()
    try:
        count = len(event_loop.run(model_list.fetch_models(connect.client())))
    except QianfanError as error:
        yield _describe_error(error, current.host)
        return
    ms = f"{1000 * (time.perf_counter() - started_at):.0f}"
    text = tr("{host}: {count} models in {ms} ms", host=current.host, count=count, ms=ms)
    yield "ok", text, ""


CHECKS: Final[list[tuple[str, Callable[[], Iterator[Line]]]]] = [
    (tr_noop("Versions"), check_python),
    (tr_noop("Packages"), check_packages),
    (tr_noop("Front end"), check_front_end),
    (tr_noop("State folder"), check_state_folder),
    (tr_noop("Proxy"), check_proxy),
    (tr_noop("Keys"), check_keys),
    (tr_noop("Platform"), check_reachability),
]
