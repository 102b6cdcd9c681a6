"""Measure how a batch grows with its rows: requests per second, peak memory, bytes of the journal
and of the output.

Each number of rows runs in a process of its own against a server that answers at once (`stub.py`).
The rows are a JSONL file of 220 characters each, as long as those of
`tests/batching/test_memory.py`. Ten times in a run, stderr has
what its last tenth took: processor time depends on other programs less than the rate does, and
memory not at all.

    python benchmarks/growth.py 20000 2000000 --out parquet
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import batch as clients
import stub

WORKERS = 100
FILLER = "字" * 200


def write_rows(path: Path, count: int) -> None:
    """Write a JSONL file of prompts with 220 characters."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(f'{{"prompt": "第 {number:012} 行 {FILLER}"}}\n')


def measure(path: str, count: int, ending: str) -> dict[str, float]:
    """Measure one batch in this process."""
    import qfnb

    warm_up = [f"第 {number} 个问题" for number in range(WORKERS)]
    qfnb.batch(warm_up, model=clients.MODEL, workers=WORKERS, name="warm-up").wait()
    out = Path(path).with_name(f"results.{ending}") if ending else None
    start = time.perf_counter()
    cpu_start = time.process_time()
    running = qfnb.batch(
        path, model=clients.MODEL, workers=WORKERS, name=f"growth-{count}", out=out
    )
    watch(running, count)
    running.wait()
    seconds = time.perf_counter() - start
    cpu_seconds = time.process_time() - cpu_start
    assert running.progress.ok == count, running.progress
    return {
        "rows": count,
        "rows/s": count / seconds,
        "CPU ms/row": cpu_seconds / count * 1e3,
        "peak MB": peak_megabytes(),
        "journal bytes/row": running.job.path.stat().st_size / count,
        "output bytes/row": out.stat().st_size / count if out else 0,
    }


def watch(running: Any, count: int) -> None:
    """Print what each tenth of the rows took, until the last."""
    rows = 0
    start = time.perf_counter()
    cpu_start = time.process_time()
    while not running.progress.is_finished:
        time.sleep(0.2)
        finished_rows = running.progress.finished_rows
        if (step := finished_rows - rows) < count / 10:
            continue
        now = time.perf_counter()
        cpu_now = time.process_time()
        rate = step / (now - start)
        cpu = (cpu_now - cpu_start) / step * 1e3
        text = (
            f"{finished_rows:,} rows: rows/s {rate:,.0f}, CPU ms/row {cpu:.3f}, peak MB "
            f"{peak_megabytes():.0f}"
        )
        print(text, file=sys.stderr, flush=True)
        rows = finished_rows
        start = now
        cpu_start = cpu_now


def peak_megabytes() -> float:
    """Return the highest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_in_process(folder: Path, count: int, ending: str, url: str) -> dict[str, float]:
    """Measure one batch in a new process."""
    path = folder / f"rows-{count}.jsonl"
    write_rows(path, count)
    command = [
        sys.executable,
        "-W",
        "ignore",
        __file__,
        str(count),
        "--one",
        str(path),
        "--out",
        ending,
    ]
    environment = clients.environment(url, str(folder))
    cpu_start = stub.read_counters(url)["cpu"]
    process = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    path.unlink()
    result: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return result | {
        "server CPU ms/row": (stub.read_counters(url)["cpu"] - cpu_start) / count * 1e3
    }


def main() -> None:
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rows", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--out", choices=["", "csv", "jsonl", "parquet"], default="")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.rows[0], options.out)))
        return
    with tempfile.TemporaryDirectory() as folder, stub.running(0.0) as url:
        first: dict[str, float] = {}
        for count in options.rows:
            result = measure_in_process(Path(folder), count, options.out, url)
            first = first or result
            result |= {
                f"{name} of the first": result[name] / first[name]
                for name in ("rows/s", "CPU ms/row")
            }
            print(
                ", ".join(f"{name} {value:,.5g}" for name, value in result.items()),
                f"load {os.getloadavg()[0]:.1f}",
            )


if __name__ == "__main__":
    main()
