"""Batches of which some calls are refused: a table in virtual time, and batches against a real
server.

The table: 1, 3 and 10 % of the calls refused at random, with several `Retry-After`, with no limit,
with 600 requests in any minute and with 100 in any second; 16 workers, answers after 20 to 80 ms.
`--real`: a server that answers after 50 ms refuses 3.3 % of the calls. `--limits`: it allows 60
requests in any minute, in headers or by refusals, to one process or to two; 130 rows, which need
two minutes at the limit.

    PYTHONPATH=tests python benchmarks/rate_limits.py
    PYTHONPATH=tests python benchmarks/rate_limits.py --real
    PYTHONPATH=tests python benchmarks/rate_limits.py --limits
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from stub import CHAT_V2, http_reply, request_size
from support.rate_simulation import Server, send_all
from support.virtual_time import run_virtually

ROWS = 2000
LIMITS = {
    "no limit": (math.inf, 60.0, ROWS),
    "600/min": (600, 60.0, 3000),
    "100/s": (100, 1.0, 6000),
}
SHARES = (0.01, 0.03, 0.1)
RETRY_AFTER_S = (None, 0.1, 1.0, 5.0, 30.0)


def print_table() -> None:
    """Print duration, as a multiple of the ideal where there is one, and refused share of each
    combination.
    """
    print(f"{'limit':10}{'share':>7}{'Retry-After':>13}{'duration':>16}{'refused':>10}")
    for name, share, retry_after in itertools.product(LIMITS, SHARES, RETRY_AFTER_S):
        limit, window, rows = LIMITS[name]
        server = Server(
            limit=limit,
            window=window,
            fault_share=share,
            retry_after=retry_after,
            rng=random.Random(1),
        )
        seconds = run_virtually(send_all(server, rows))
        duration = (
            f"{seconds:.0f} s"
            if limit == math.inf
            else f"{seconds / server.ideal_s(rows):.2f} x ideal"
        )
        refused = server.refused / (rows + server.refused)
        print(
            f"{name:10}{share:>7.0%}{retry_after or 'none':>13}{duration:>16}{refused:>10.1%}",
            flush=True,
        )


REFUSAL = {"error": {"code": "rpm_rate_limit_exceeded", "message": "too fast"}}


@contextlib.contextmanager
def serve(server: Server) -> Iterator[str]:
    """Serve answers after 50 ms and refusals at once, as `server` decides; yield the address."""
    answer = http_reply(CHAT_V2, headers=server.headers)
    wait = {} if server.retry_after is None else {"Retry-After": f"{server.retry_after:g}"}
    refusal = http_reply(REFUSAL, status="429 Too Many Requests", headers=wait)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = b""
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65536):
                buffer += data
                while (size := request_size(buffer)) and len(buffer) >= size:
                    buffer = buffer[size:]
                    is_accepted = server.accepts()
                    await asyncio.sleep(0.05 if is_accepted else 0)
                    writer.write(answer if is_accepted else refusal)
        writer.close()

    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v2"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))


def send_batch(address: str, rows: int) -> tuple[float, int]:
    """Send a batch with 16 workers; return its seconds and the rows that were answered."""
    import qfnb

    chat = qfnb.ChatCompletion(model="ernie-4.5-turbo-128k", base_url=address, api_key="test-key")
    started_at = time.monotonic()
    questions = [f"question {n}" for n in range(rows)]
    batch = qfnb.batch(questions, client=chat, workers=16, name=f"batch-{uuid.uuid4().hex}")
    batch.wait()
    return time.monotonic() - started_at, batch.progress.ok


def print_real_batches() -> None:
    """Print the seconds of batches against a server that refuses 3.3 % of the calls."""
    for share, retry_after in ((0.0, None), *((0.033, wait) for wait in (None, 0.1, 1.0, 5.0))):
        # nothing is learned from the batch before
        os.environ["QFNB_STATE_DIR"] = tempfile.mkdtemp()
        with serve(
            Server(fault_share=share, retry_after=retry_after, rng=random.Random(1))
        ) as address:
            seconds, answered = send_batch(address, ROWS)
        words = (
            "no refusals" if not share else f"3.3 % refused, Retry-After {retry_after or 'none'}"
        )
        print(f"{words:40}{answered:>6} rows in {seconds:.1f} s", flush=True)


def print_real_limits() -> None:
    """Print what becomes of 130 rows under 60 requests a minute, all four cases at the same
    time.
    """
    with ThreadPoolExecutor() as pool:
        cases = itertools.product((True, False), (1, 2))
        for line in pool.map(lambda case: measure_limit(*case), cases):
            print(line, flush=True)


def measure_limit(has_headers: bool, processes: int) -> str:
    """Return a line on the calls of processes that share a limit."""
    server = Server(limit=60, has_headers=has_headers)
    environment = os.environ | {"QFNB_STATE_DIR": tempfile.mkdtemp()}
    with serve(server) as address:
        command = [sys.executable, __file__, "--send", address, str(130 // processes)]
        started_at = time.monotonic()
        senders = [subprocess.Popen(command, env=environment) for _ in range(processes)]
        for sender in senders:
            sender.wait()
        seconds = time.monotonic() - started_at
    words = f"60/min {'in headers' if has_headers else 'by refusals'}, {processes} processes"
    return f"{words:40}{server.refused:>3} of {130 + server.refused} calls refused, {seconds:.0f} s"


if __name__ == "__main__":
    if "--send" in sys.argv:
        send_batch(sys.argv[-2], int(sys.argv[-1]))
    elif "--limits" in sys.argv:
        print_real_limits()
    elif "--real" in sys.argv:
        print_real_batches()
    else:
        print_table()
