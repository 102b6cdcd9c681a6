"""Measure shards: rows a second of one process of Ray against two, and what faults and killed
processes cost.

    python benchmarks/shards.py speed --rows 80000 --shard-rows 10000
    python benchmarks/shards.py faults --rows 200000 --engine ray --kills 20 --faults 0.1
    python benchmarks/shards.py faults --rows 36000 --rpm 12000 --headers
    python benchmarks/shards.py faults --rows 20000 --workers 8 --faults 0.033 --kind "429 with
    Retry-After"

`speed` sends to a server that answers at once, so that the computer is the limit, or after
`--delay` seconds, so that the rows in flight are. `faults` sends to one with faults and limits,
kills Ray's workers and actor and the driver (the only process with `--engine local`) at random, and
exits with 1 when the server's log and the parts do not prove what the documentation promises; see
`shard_proofs.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import faulty_server
import shard_kills
import shard_proofs
import stub

KEY = "bce-v3/ALTAK-x/y"


def main() -> int:
    """Measure what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measure", choices=("speed", "faults"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--shard-rows", type=int, default=2_500)
    parser.add_argument(
        "--workers", type=int, default=50, metavar="N", help="rows in flight in each process"
    )
    parser.add_argument("--engine", default="local", choices=("local", "ray"))
    parser.add_argument(
        "--delay", type=float, default=0.0, metavar="S", help="before the server of `speed` answers"
    )
    faults = parser.add_argument_group("faults")
    faults.add_argument(
        "--kills", type=int, default=0, metavar="N", help="processes that are killed"
    )
    faults.add_argument(
        "--faults", type=float, default=0.0, metavar="SHARE", help="of the requests that go wrong"
    )
    faults.add_argument(
        "--kind", choices=faulty_server.FAULT_WEIGHTS, help="the only fault; by default all of them"
    )
    faults.add_argument("--rpm", type=int, help="requests a minute that the server allows")
    faults.add_argument("--tpm", type=int, help="tokens a minute that the server allows")
    faults.add_argument(
        "--headers", action=argparse.BooleanOptionalAction, help="the server names its limits"
    )
    faults.add_argument("--budget", type=int, metavar="TOKENS")
    faults.add_argument("--seed", type=int, default=1, help="of faults and kills")
    parser.add_argument(
        "--keep", metavar="FOLDER", help="an empty folder for log and parts, which stay"
    )
    options = parser.parse_args()
    if options.measure == "speed" and options.rows < 4 * options.shard_rows:
        parser.error(
            "--rows must be four times --shard-rows or more: the last shard of two processes has "
            "only one"
        )
    with (
        nullcontext(options.keep)
        if options.keep
        else tempfile.TemporaryDirectory(prefix="qfnb-shards-") as home
    ):
        return (
            measure_speed(Path(home), options)
            if options.measure == "speed"
            else prove(Path(home), options)
        )


def set_environment(home: Path, url: str) -> None:
    """Have this process and its children call the server, and leave nothing behind."""
    os.environ |= {"QFNB_STATE_DIR": str(home), "QIANFAN_API_KEY": KEY, "QFNB_LANG": "en"}
    os.environ |= {"QIANFAN_BASE_URL": url, "QIANFAN_CONSOLE_API_BASE_URL": url}


def write_input(path: Path, rows: int) -> Path:
    """Write rows of 220 characters; return the path."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"review": f"row {number}. ".ljust(220, "x")}) + "\n"
            for number in range(rows)
        )
    return path


def measure_speed(home: Path, options: Any) -> int:
    """Compare one process with two."""
    with stub.running(options.delay) as url:
        set_environment(home, url)
        rows = write_input(home / "in.jsonl", options.rows)
        rates = [run(rows, home / f"out-{processes}", processes, options) for processes in (1, 2)]
    print(f"two processes answer {rates[1] / rates[0]:.2f} times as many rows a second as one")
    return 0


def run(rows: Path, out: Path, processes: int, options: Any) -> float:
    """Run one job and print the figures; return rows a second."""
    import psutil

    import qfnb

    started_at = time.monotonic()
    first_at = 0.0
    peak = 0
    limits = {"processes": processes, "workers": options.workers, "shard_rows": options.shard_rows}
    job = qfnb.batch_shards(rows, "Classify: {review}", out=out, engine="ray", **limits)
    while not job.progress.is_finished:
        time.sleep(0.1)
        workers = shard_kills.processes_of(psutil.Process(), *shard_kills.WORKERS)
        peak = max([peak, *map(memory_of, workers)])
        first_at = first_at or (time.monotonic() if job.progress.ok else 0.0)
    job.wait()
    rate = options.rows / (time.monotonic() - (first_at or started_at))
    print(
        f"{processes} processes, {options.rows:,} rows: {rate:,.0f} rows/s after the first answer"
    )
    print(f"peak {peak / 1e6:,.0f} MB a process")
    print(job.progress.state, job.progress.reason, job.report(), sep="\n", flush=True)
    return rate


def memory_of(process: Any) -> int:
    """Return the resident bytes of a process, 0 when it has ended."""
    try:
        return int(process.memory_info().rss)
    except Exception:  # noqa: BLE001 - it ended a moment ago
        return 0


def prove(home: Path, options: Any) -> int:
    """Run a job under faults and kills, and print the proofs; return 1 when one fails."""
    log = str(home / "requests.log")
    limits = {
        "faults": options.faults,
        "kind": options.kind,
        "rpm": options.rpm,
        "tpm": options.tpm,
        "headers": bool(options.headers),
    }
    with faulty_server.running(faulty_server.Script(log, seed=options.seed, **limits)) as url:
        set_environment(home, url)
        arguments = {
            "rows": str(write_input(home / "in.jsonl", options.rows)),
            "prompt": "Classify: {review}",
            "out": str(home / "out"),
            "engine": options.engine,
            "processes": 2 if options.engine == "ray" else None,
            "workers": options.workers,
            "shard_rows": options.shard_rows,
            "budget_tokens": options.budget,
        }
        outcome = shard_kills.run(url, arguments, options.rows, options.kills, options.seed)
    print(*outcome.lines(), sep="\n")
    entries = faulty_server.read_log(log)
    print(shard_proofs.describe(entries))
    proofs = shard_proofs.prove(entries, home / "out", outcome, options)
    for proof in proofs:
        print(f"{'proved' if proof.is_true else 'FAILED'}  {proof.text}", flush=True)
    return 0 if all(proof.is_true for proof in proofs) else 1


if __name__ == "__main__":
    sys.exit(main())
