"""Stream and batch for minutes against a faulty server on this computer, and exit with 1 when
something grows.

Ten rounds of 1,000 streams, a tenth of them cancelled at random, and 2,000 rows of a batch; one
request of twenty goes wrong. After each round, when all has ended: open descriptors (without idle
connections, which are used again), threads, tasks of the I/O loop, memory. The first three may not
be higher after the last round than after the third, but for `SPARE`; memory may grow by
`MAX_GROWTH` bytes for each request of the rounds after the third (the slope of the line through
their values). The log of `qfnb.usage()` is emptied before: it keeps 100,000 calls by design.

    python benchmarks/soak.py --rounds 10 --seconds 600
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

STREAMS = 1_000
ROWS = 2_000
ROUNDS = 10
"""Streams and rows of a round; rounds."""

WORKERS = 40
CANCELLED = 0.1
FAULTY = 0.05
"""Requests at once; shares of streams that are cancelled, and of requests that go wrong."""

SETTLED = 3
SPARE = 3
MAX_GROWTH = 256
"""The round that the others are compared with; descriptors, threads or tasks more; bytes a
request.
"""

PIECES = 20
TEXT = "好" * 20
USAGE = {"prompt_tokens": 5, "completion_tokens": 20, "total_tokens": 25}


class Sample(NamedTuple):
    """What the process has after a round."""

    descriptors: int
    threads: int
    tasks: int
    memory: int


def _head(status: str, kind: str, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}\r\n".encode()


def _whole(body: Any, status: str = "200 OK", more: str = "") -> bytes:
    content = json.dumps(body).encode()
    return _head(status, "application/json", f"content-length: {len(content)}\r\n{more}") + content


def _chat(choice: dict[str, Any]) -> dict[str, Any]:
    choices = [{"index": 0, "finish_reason": None, **choice}]
    return {
        "id": "as-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": choices,
    }


ANSWER = _whole(
    _chat({"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"})
    | {"usage": USAGE}
)
FAULTS = (
    _whole(
        {"error": {"code": "rpm_rate_limit_exceeded", "message": "slow down"}},
        "429 Too Many",
        "retry-after: 0.05\r\n",
    ),
    _whole({"error": {"code": "internal_error", "message": "broken"}}, "500 Broken"),
    _whole({"error": {"code": "server_busy", "message": "busy"}}, "503 Busy"),
    _head("200 OK", "text/html", "content-length: 15\r\n") + b"<html>no</html>",
    ANSWER[:-10],  # cut: the connection is closed
    b"not HTTP at all\r\n\r\n",
    b"",
)


def _event(choice: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(_chat(choice))}\n\n".encode()


STREAM_HEAD = _head("200 OK", "text/event-stream", "connection: close\r\n")
STREAM = [_event({"delta": {"content": TEXT[:1]}})] * PIECES
STREAM_END = _event({"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n"


async def _serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _answer(reader, writer):
            pass
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; return whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    is_stream = b'"stream":true' in (await reader.readexactly(length)).replace(b" ", b"")
    if random.random() < FAULTY:
        fault = random.choice(FAULTS)
        writer.write(STREAM_HEAD + STREAM[0] if is_stream and not fault else fault)
        return fault in FAULTS[:4]
    if not is_stream:
        writer.write(ANSWER)
        return True
    writer.write(STREAM_HEAD)
    for piece in [*STREAM, STREAM_END]:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    return False


async def _serve() -> None:
    """Serve until standard input ends."""
    server = await asyncio.start_server(_serve_connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # whatever is under way


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"


async def _read_streams(count: int) -> dict[str, int]:
    """Read streams, `WORKERS` at once; return how they ended."""
    import qfnb

    chat = qfnb.ChatCompletion(version=2)
    ends = {"complete": 0, "cancelled": 0, "failed": 0}
    numbers = iter(range(count))

    async def read() -> None:
        async for _ in await chat.ado("你好", stream=True, retry_count=2):
            pass

    async def work() -> None:
        for _ in numbers:
            reading = asyncio.ensure_future(read())
            if random.random() < CANCELLED:
                await asyncio.sleep(random.random() * 0.05)
                reading.cancel()
            await asyncio.wait({reading})
            end = (
                "cancelled"
                if reading.cancelled()
                else "failed"
                if reading.exception()
                else "complete"
            )
            ends[end] += 1

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return ends


def _send_rows(number: int, count: int) -> dict[str, int]:
    """Send the rows of one batch; return how many were answered."""
    import qfnb

    batch = qfnb.batch(
        [f"{number} {row}" for row in range(count)], name=f"soak-{number}", workers=WORKERS
    )
    batch.wait()
    return {"answered": batch.progress.ok, "failed rows": batch.progress.failed}


def _take_sample() -> Sample:
    """Return what the process has, when nothing is under way."""
    from qfnb.resources.inference import usage_log
    from qfnb.transport import event_loop, http

    usage_log._entries.clear()  # noqa: SLF001 - it grows to 100,000 calls, and then no more

    async def count() -> int:
        return len(asyncio.all_tasks()) - 1

    for _ in range(50):
        gc.collect()
        if (tasks := event_loop.run(count())) == 0:
            break
        time.sleep(0.1)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    connectors = [
        session.connector
        for connections in http._transports.values()  # noqa: SLF001 - what users do not see is what is counted
        for session in (connections._session, connections._fresh_session)  # noqa: SLF001
    ]
    n_idle = sum(
        each.is_connected()
        for pool in connectors
        for queue in pool._conns.values()  # noqa: SLF001
        for each, _ in queue
    )
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(
        n_open - n_idle, threading.active_count(), tasks, pages * os.sysconf("SC_PAGE_SIZE")
    )


def _find_growth(samples: list[Sample], requests_per_round: int) -> list[str]:
    """Return what grows, in words."""
    settled = samples[SETTLED - 1 :]
    problems = [
        f"{name} grew from {getattr(settled[0], name)} to {getattr(settled[-1], name)}"
        for name in ("descriptors", "threads", "tasks")
        if getattr(settled[-1], name) > getattr(settled[0], name) + SPARE
    ]
    slope = statistics.linear_regression(
        range(len(settled)), [sample.memory for sample in settled]
    ).slope
    bytes_per_request = slope / requests_per_round
    print(
        f"memory: {bytes_per_request:+.0f} bytes a request after round {SETTLED}; {MAX_GROWTH} "
        "are allowed"
    )
    return problems + (
        [f"memory grew by {bytes_per_request:.0f} bytes a request"]
        if bytes_per_request > MAX_GROWTH
        else []
    )


def main(rounds: int, seconds: float) -> int:
    """Run the rounds, print a table, and return the exit code."""
    started_at = time.monotonic()
    samples = list[Sample]()
    with tempfile.TemporaryDirectory(prefix="qfnb-soak-") as folder, _server() as url:
        os.environ |= {"QFNB_STATE_DIR": folder, "QIANFAN_API_KEY": "bce-v3/ALTAK-test/0123456789"}
        os.environ |= {"QIANFAN_BASE_URL": url, "QIANFAN_CONSOLE_API_BASE_URL": url}
        print(
            "round seconds  streams: complete cancelled failed  rows: answered failed  fds "
            "threads tasks      MB"
        )
        for number in range(1, rounds + 1):
            ends = asyncio.run(_read_streams(STREAMS)) | _send_rows(number, ROWS)
            samples.append(sample := _take_sample())
            elapsed_s = time.monotonic() - started_at
            counts = (
                "{complete:>17} {cancelled:>9} {failed:>6} {answered:>15} {failed rows:>6}".format(
                    **ends
                )
            )
            print(
                f"{number:>5} {elapsed_s:>7.0f} {counts} {sample.descriptors:>4} "
                f"{sample.threads:>7} {sample.tasks:>5}"
                f" {sample.memory / 1e6:>7.1f}",
                flush=True,
            )
            if elapsed_s > seconds and number < rounds:
                print(f"ended after {elapsed_s:.0f} s")
                break
    if len(samples) < SETTLED + 3:
        print("too few rounds to tell")
        return 1
    problems = _find_growth(samples, STREAMS + ROWS)
    print("\n".join(problems) or "nothing grows")
    return bool(problems)


if __name__ == "__main__":
    if "--serve" in sys.argv:
        asyncio.run(_serve())
        sys.exit()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    sys.exit(main(options.rounds, options.seconds))
