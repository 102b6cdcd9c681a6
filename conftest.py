"""The test session's surroundings: no keys from outside, a state folder and a sandbox of its
own.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

# tests and modules live as long as the session: looking through them is half the time of collecting
gc.disable()
for _name in [
    name for name in os.environ if name.startswith(("QIANFAN_", "OPENAI_", "QFNB_STATE"))
]:
    del os.environ[_name]
os.environ.pop("QFNB_DISPLAY", None)
# hundreds of processes would each compile all that they import
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# a shell's background job; kernels and commands would inherit it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["QFNB_STATE_DIR"] = tempfile.mkdtemp(prefix="qfnb-tests-")
# none of its judgements of speed: a loaded machine fails them
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")
LAST_NOTEBOOK = pytest.StashKey[Path]()
EVIDENCE = Path(os.environ["QFNB_STATE_DIR"]) / "evidence"
"""Where the sandboxes of a session write what was seen of them."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Collect evidence for FIDELITY.md when QFNB_EVIDENCE names a file."""
    if not os.environ.get("QFNB_EVIDENCE"):
        return
    from qfnb.sandbox import ensure, process  # noqa: PLC0415

    tests = str(Path(__file__).with_name("tests"))
    os.environ["QFNB_SANDBOX_EVIDENCE"] = str(EVIDENCE)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))
    process.SERVER_MODULE = "support.evidence_server"
    ensure()  # the kernels and command lines of the tests find this one


@pytest.fixture(autouse=True)
def _clean_settings() -> Iterator[None]:
    """Every test starts with settings and catalogue as they come."""
    from qfnb import config  # noqa: PLC0415
    from qfnb.wire import catalog  # noqa: PLC0415

    config.get_config()._overrides.clear()  # noqa: SLF001
    yield
    config.get_config()._overrides.clear()  # noqa: SLF001
    catalog.use_models(None)


@pytest.fixture
def chinese() -> Iterator[None]:
    """Messages are in Chinese during the test."""
    from qfnb import config  # noqa: PLC0415

    config.get_config().lang = "zh"
    yield
    config.get_config().lang = None


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Tell nbval what not to compare: pictures depend on a machine's fonts, Markdown says what the
    text says.
    """
    if getattr(collector, "skip_compare", None) is not None:
        collector.skip_compare += ("image/svg+xml", "text/html", "text/markdown")  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Run a notebook in its language, for a user who is new, on a sandbox that refuses what the
    platform has ended.
    """
    is_notebook = item.path.suffix == ".ipynb"
    if is_notebook:
        if item.session.stash.get(LAST_NOTEBOOK, None) != item.path:
            _forget_records()
            item.session.stash[LAST_NOTEBOOK] = item.path
        _set_strict(True)
        os.environ["QFNB_LANG"] = "zh" if item.path.name.endswith(".zh.ipynb") else "en"
    result = yield
    if is_notebook and (nextitem is None or nextitem.path != item.path):
        _set_strict(False)
        os.environ["QFNB_LANG"] = "en"
    return result


def _forget_records() -> None:
    from support.user_state import forget_records  # noqa: PLC0415

    forget_records()


def _set_strict(is_strict: bool) -> None:
    from qfnb.sandbox import ensure, process  # noqa: PLC0415

    response = process.control_request(ensure(), "POST", "/_sandbox/modes", {"strict": is_strict})
    assert response is not None
    assert response[0] == 200, response


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--shuffle SEED`."""
    parser.addoption(
        "--shuffle",
        metavar="SEED",
        help="run the files in a random order; tests of a file keep theirs",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files so that processors stay busy, or `--shuffle` them; give a late browser a
    second try.
    """
    if (seed := config.getoption("--shuffle")) is not None:
        files = sorted({item.path for item in items})
        random.Random(seed).shuffle(files)  # noqa: S311 - a seed repeats it
        position = {file: float(number) for number, file in enumerate(files)}
    else:
        position = _mix_files(items)
    items.sort(key=lambda item: position[item.path])
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Switch the garbage collector on for the tests; what was imported and collected is none of its
    business.
    """
    gc.freeze()
    gc.enable()


def _mix_files(items: list[pytest.Item]) -> dict[Path, float]:
    """Return where in the run each file comes, from 0 to 1.

    The browser's tests come first, one after the other. Files with kernels, which wait for them
    most of the time, and long ones, none of which may be the last, are spread over the first part
    of the others.
    """
    files = list(dict.fromkeys(item.path for item in items))
    with_kernels = {
        item.path
        for item in items
        if item.get_closest_marker("kernel") or item.path.suffix == ".ipynb"
    }
    long_files = {item.path for item in items if item.get_closest_marker("long")} - with_kernels
    position = {}
    for group, part in (
        (with_kernels, 0.8),
        (long_files, 0.6),
        (set(files) - with_kernels - long_files, 1.0),
    ):
        members = [file for file in files if file in group]
        position |= {file: part * number / len(members) for number, file in enumerate(members)}
    return position | {item.path: -1.0 for item in items if item.get_closest_marker("browser")}


class ByFile(LoadFileScheduling):
    """Hands out whole files, and the browser's files together: one browser at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "browser" if file.startswith("tests/browser/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Cells of a notebook, and tests that share a server, stay in one process and in order."""
    return ByFile(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the sandbox, keep what was seen when QFNB_EVIDENCE names a file, remove the state."""
    from support.fidelity import merge_evidence  # noqa: PLC0415

    from qfnb.sandbox import stop  # noqa: PLC0415

    stop()
    if report := os.environ.get("QFNB_EVIDENCE"):
        evidence = merge_evidence(EVIDENCE)
        Path(report).write_text(
            json.dumps(evidence, ensure_ascii=False, indent=1), encoding="utf-8"
        )
    shutil.rmtree(Path(os.environ["QFNB_STATE_DIR"]), ignore_errors=True)
