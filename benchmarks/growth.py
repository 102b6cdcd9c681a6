"""Measure how a batch grows with its rows: requests per second, peak memory, bytes of the journal and of the output.

Each number of rows runs in a process of its own against a server that answers at once (`stub.py`). The rows are a
JSONL file of 220 characters each, as long as those of `tests/batching/test_memory.py`.

    python benchmarks/growth.py 20000 200000 --out parquet
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

import batch as clients
import stub

WORKERS = 100
FILLER = "字" * 200


def write_rows(path: Path, count: int) -> None:
    """Write a JSONL file of prompts with 220 characters."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            line = json.dumps({"prompt": f"第 {number:012} 行 {FILLER}"}, ensure_ascii=False)
            file.write(f"{line}\n")


def measure(path: str, count: int, ending: str) -> dict[str, float]:
    """Measure one batch in this process."""
    import qfnb

    warm_up = [f"第 {number} 个问题" for number in range(WORKERS)]
    qfnb.batch(warm_up, model=clients.MODEL, workers=WORKERS, name="warm-up").wait()
    out = Path(path).with_name(f"results.{ending}") if ending else None
    start, cpu_seconds = time.perf_counter(), time.process_time()
    running = qfnb.batch(path, model=clients.MODEL, workers=WORKERS, name=f"growth-{count}", out=out)
    running.wait()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_seconds
    assert running.progress.ok == count, running.progress
    return {
        "rows": count,
        "rows/s": count / seconds,
        "CPU ms/row": cpu_seconds / count * 1e3,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "journal bytes/row": running.job.path.stat().st_size / count,
        "output bytes/row": out.stat().st_size / count if out else 0,
    }


def measure_in_process(folder: Path, count: int, ending: str, url: str) -> dict[str, float]:
    """Measure one batch in a new process."""
    path = folder / f"rows-{count}.jsonl"
    write_rows(path, count)
    command = [sys.executable, "-W", "ignore", __file__, str(count), "--one", str(path), "--out", ending]
    process = subprocess.run(
        command, env=clients.environment(url, str(folder)), capture_output=True, text=True, check=False
    )
    path.unlink()
    if process.returncode:
        raise SystemExit(process.stderr[-2000:])
    result: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--out", choices=["", "csv", "jsonl", "parquet"], default="")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.rows[0], options.out)))
        return
    with tempfile.TemporaryDirectory() as folder, stub.running(0.0) as url:
        for count in options.rows:
            result = measure_in_process(Path(folder), count, options.out, url)
            print(", ".join(f"{name} {value:,.5g}" for name, value in result.items()), f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
