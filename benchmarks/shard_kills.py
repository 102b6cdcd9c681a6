"""A job of shards whose processes are killed at random moments, and started again, until it has
ended.

`python benchmarks/shard_kills.py drive ARGUMENTS` is the driver, `... cluster` keeps a Ray cluster
of this computer.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

PROCESSES: Final = {"local": 1, "ray": 2}

WORKERS: Final = ("ray::_run_shard",)
ACTOR: Final = "ray::ServiceActor"

VICTIMS: Final = {"local": ("driver",), "ray": ("worker", "worker", "driver", "actor")}

MAX_STARTS: Final = 200
"""Drivers in all; a job that needs more does not end."""


@dataclass
class Outcome:
    """How a job went.

    Attributes:
        processes: at once.
        workers: rows in flight of each process.
        killed: number of killed processes, by kind.
        ends: why drivers ended before the job was done, with numbers.
        state: of the last one.
        seconds: from the first driver's start.
    """

    processes: int
    workers: int
    killed: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    state: str = ""
    seconds: float = 0.0

    @property
    def bound(self) -> int:
        """Rows that may be repeated: those in flight in the killed processes; a driver takes its
        workers along.
        """
        return self.workers * (self.killed["worker"] + self.processes * self.killed["driver"])

    def lines(self) -> list[str]:
        """Return all of it in words."""
        killed = ", ".join(f"{n} times the {kind}" for kind, n in self.killed.items()) or "nothing"
        ends = [
            f"a driver ended by itself ({n} times): {reason}" for reason, n in self.ends.items()
        ]
        return [f"{self.state} after {self.seconds:,.0f} s; killed {killed}", *ends]


def run(url: str, arguments: dict[str, Any], rows: int, kills: int, seed: int) -> Outcome:
    """Run the job until it has ended, and kill processes at random numbers of answers meanwhile."""
    dice = random.Random(seed)
    started_at = time.monotonic()
    outcome = Outcome(PROCESSES[arguments["engine"]], arguments["workers"])
    kinds = [
        VICTIMS[arguments["engine"]][number % len(VICTIMS[arguments["engine"]])]
        for number in range(kills)
    ]
    dice.shuffle(kinds)
    plan = sorted(
        zip([dice.uniform(0.02, 0.97) * rows for _ in kinds], kinds, strict=True), reverse=True
    )
    with _cluster() if arguments["engine"] == "ray" else nullcontext() as cluster:
        address, keeper = cluster or (None, None)
        for _ in range(MAX_STARTS):
            result = _drive(url, arguments | {"address": address}, keeper, plan, outcome)
            if result is not None:
                outcome.state = result["state"]
                if result["state"] in {"done", "failed"} or "budget" in result["reason"]:
                    break
                outcome.ends[f"{result['state']}: {result['reason']}"] += 1
    outcome.seconds = time.monotonic() - started_at
    return outcome


def _drive(
    url: str,
    arguments: dict[str, Any],
    keeper: Any,
    plan: list[tuple[float, str]],
    outcome: Outcome,
) -> dict[str, Any] | None:
    """Run one driver until it ends; return what it says, None where it was killed."""
    command = [sys.executable, __file__, "drive", json.dumps(arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        while driver.poll() is None:
            time.sleep(0.05)
            if plan and _count_answers(url) >= plan[-1][0]:
                kind = plan[-1][1]
                names = {"worker": WORKERS, "driver": (), "actor": (ACTOR,)}[kind]
                parent = psutil.Process(driver.pid) if keeper is None else keeper
                victims = processes_of(parent, *names) if names else [driver]
                if victims:
                    random.choice(victims).kill()
                    outcome.killed[kind] += 1
                    plan.pop()
        assert driver.stdout is not None
        lines = [
            line for line in driver.stdout.read().splitlines() if line.startswith("{")
        ]  # Ray writes there too
    if driver.returncode < 0:
        return None
    failure = json.dumps({"state": "failed", "reason": f"exit code {driver.returncode}"})
    end: dict[str, Any] = json.loads([failure, *lines][-1])
    return end


def processes_of(parent: Any, *names: str) -> list[Any]:
    """Return the living processes below one whose command line or title has one of the names."""
    try:
        children = parent.children(recursive=True)
    except psutil.Error:
        return []
    return [child for child in children if any(name in _title(child) for name in names)]


def _title(process: Any) -> str:
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else " ".join(process.cmdline())
    except psutil.Error:  # it ended a moment ago
        return ""


def _count_answers(url: str) -> int:
    with urllib.request.urlopen(f"{url}/_answered") as reply:
        return int(json.loads(reply.read()))


@contextmanager
def _cluster() -> Iterator[tuple[str, Any]]:
    """Keep a Ray cluster for the time of the block; the values are its address and the process that
    keeps it.
    """
    os.environ["RAY_AUTH_MODE"] = (
        "token"  # an address alone would not have the driver send the computer's token
    )
    command = [sys.executable, __file__, "cluster"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdout is not None
        address = next(line for line in keeper.stdout if line.startswith("address ")).split()[1]
        yield address, psutil.Process(keeper.pid)


def _keep_cluster() -> None:
    from qfnb.batching.shards.ray_engine import _connect

    context = _connect("local").get_runtime_context()
    print("address", context.gcs_address, flush=True)
    sys.stdin.read()


def _drive_here(arguments: dict[str, Any]) -> None:
    import qfnb

    job = qfnb.batch_shards(**arguments)
    job.wait()
    print(json.dumps({"state": job.progress.state, "reason": job.progress.reason}), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    _keep_cluster() if sys.argv[1] == "cluster" else _drive_here(json.loads(sys.argv[2]))
