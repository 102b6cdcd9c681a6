"""Processes for the official SDK that need not import each time what the SDK depends on.

    python tests/support/sdk_processes.py

imports the dependencies and then, for each line on its input, forks a child that runs one piece of
code and ends as any program does; the answer is the child's exit code. The SDK itself is imported
by the children.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

DEPENDENCIES = ("aiohttp", "aiolimiter", "cachetools", "multiprocess", "pandas", "prompt_toolkit", "pyarrow.csv", "pyarrow.json",
                "pyarrow.parquet", "pydantic.v1", "requests", "rich.console", "rich.table", "tenacity", "typer", "yaml")  # fmt: skip
"""What takes long of that which the SDK imports; without one of them, its children take longer."""

TIMEOUT_S = 180


class SdkProcesses:
    """Runs code in children of one process, whose environment they get before they import anything
    of the SDK.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._files = [folder / name for name in ("stdout", "stderr")]
        command = [sys.executable, "-W", "ignore", __file__]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def run(self, code: str, environment: Mapping[str, str]) -> tuple[int, str, str]:
        """Return the exit code of code, what it printed and its errors."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"code": code, "environment": dict(environment), "folder": str(Path.cwd())}
        late = threading.Timer(TIMEOUT_S, self.kill)
        late.start()
        print(
            json.dumps(order | {"files": [str(file) for file in self._files]}),
            file=self._process.stdin,
            flush=True,
        )
        answer = self._process.stdout.readline()
        late.cancel()
        assert answer, f"the code took longer than {TIMEOUT_S} s, as an earlier one may have"
        return (int(answer), *(file.read_text(encoding="utf-8") for file in self._files))

    def kill(self) -> None:
        """End the process and the child that runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process."""
        self.kill()
        self._process.communicate()


def _next_code() -> str:
    """Serve one order after another; return, in a child, the code that it is to run."""
    for line in sys.stdin:
        order = json.loads(line)
        if not (child := os.fork()):
            for number, path in enumerate(order["files"], 1):
                with Path(path).open("wb") as file:
                    os.dup2(file.fileno(), number)
            os.environ.clear()
            os.environ.update(order["environment"])
            os.chdir(order["folder"])
            return str(order["code"])
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit()


if __name__ == "__main__":
    for name in DEPENDENCIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    exec(compile(_next_code(), "<code>", "exec"), {"__name__": "__main__"})
