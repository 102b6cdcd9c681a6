"""Measure shards: rows a second of one process against two, and what killed processes cost.

    python benchmarks/shards.py speed --rows 2000000 --engine ray
    python benchmarks/shards.py faults --rows 200000 --kills 20

`speed` sends to a server that answers at once, so that the client is the limit; `faults` kills worker processes at
random, and counts at the server how many questions were repeated. Both print the report, which says whether every row
is in exactly one part.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import stub

KEY = "bce-v3/ALTAK-x/y"


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=("speed", "faults"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--shard-rows", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--engine", default="local")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, stub.running(0.0 if options.measure == "speed" else 0.02) as url:
        os.environ |= {"QFNB_STATE_DIR": home, "QIANFAN_API_KEY": KEY, "QFNB_LANG": "en"}
        os.environ |= {"QIANFAN_BASE_URL": url, "QIANFAN_CONSOLE_API_BASE_URL": url}
        write_input(Path(home) / "in.jsonl", options.rows)
        if options.measure == "faults":
            run(Path(home), url, 2, options)
            return
        rates = [run(Path(home), url, processes, options) for processes in (1, 2)]
        print(f"two processes answer {rates[1] / rates[0]:.2f} times as many rows a second as one")


def write_input(path: Path, rows: int) -> None:
    """Write rows of 220 characters."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"review": f"{number} ".ljust(220, "x")}) + "\n" for number in range(rows))


def run(home: Path, url: str, processes: int, options: Any) -> float:
    """Run one job, kill processes where that is asked for, print the figures; return rows a second."""
    import psutil

    import qfnb

    chats, dice, started_at = stub.read_counters(url)["chats"], random.Random(1), time.monotonic()
    job = qfnb.batch_shards(
        home / "in.jsonl",
        "Classify: {review}",
        out=home / f"out-{processes}",
        engine=options.engine,
        processes=processes,
        workers=options.workers,
        shard_rows=options.shard_rows,
    )
    first_at, peak, killed = 0.0, 0, 0
    kill_at = [
        options.rows * (n + 1) // (options.kills + 1) for n in range(options.kills * (options.measure == "faults"))
    ]
    while not job.progress.is_finished:
        time.sleep(0.1)
        workers = [each for each in psutil.Process().children(recursive=True) if is_worker(each)]
        peak = max([peak, *(memory_of(each) for each in workers)])
        done = job.progress.ok
        first_at = first_at or (time.monotonic() if done else 0.0)
        if killed < len(kill_at) and done >= kill_at[killed] and workers:
            dice.choice(workers).kill()
            killed += 1
    job.wait()
    seconds, sent = time.monotonic() - (first_at or started_at), stub.read_counters(url)["chats"] - chats
    print(f"{processes} processes, {options.rows:,} rows: {options.rows / seconds:,.0f} rows/s after the first answer")
    bound = killed * options.workers
    print(f"peak {peak / 1e6:,.0f} MB a process · {killed} killed · {sent - options.rows:.0f} repeats, at most {bound}")
    print(job.progress.state, job.progress.reason, job.report(), sep="\n", flush=True)
    return float(options.rows / seconds)


def is_worker(process: Any) -> bool:
    """Return whether a process is a worker's, and alive."""
    try:
        return "local_worker" in " ".join(process.cmdline()) or process.name().startswith("ray::_run_shard")
    except Exception:  # noqa: BLE001 - it ended a moment ago
        return False


def memory_of(process: Any) -> int:
    """Return the resident bytes of a process, 0 when it has ended."""
    try:
        return int(process.memory_info().rss)
    except Exception:  # noqa: BLE001 - it ended a moment ago
        return 0


if __name__ == "__main__":
    main()
