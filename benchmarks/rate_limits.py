"""Batches of which some calls are refused: a table in virtual time, and four batches against a real server.

The table: 1, 3 and 10 % of the calls refused at random, with several `Retry-After`, with no limit, with 600 requests in
any minute and with 100 in any second; 16 workers, answers after 20 to 80 ms. The real server answers after 50 ms and
refuses 3.3 % of the calls.

    PYTHONPATH=tests python benchmarks/rate_limits.py
    PYTHONPATH=tests python benchmarks/rate_limits.py --real
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

from stub import CHAT_V2, http_reply, request_size
from support.rate_simulation import Server, send_all
from support.virtual_time import run_virtually

ROWS = 2000
LIMITS = {"no limit": (math.inf, 60.0, ROWS), "600/min": (600, 60.0, 3000), "100/s": (100, 1.0, 6000)}
SHARES = (0.01, 0.03, 0.1)
RETRY_AFTER_S = (None, 0.1, 1.0, 5.0, 30.0)


def print_table() -> None:
    """Print duration, as a multiple of the ideal where there is one, and refused share of each combination."""
    print(f"{'limit':10}{'share':>7}{'Retry-After':>13}{'duration':>16}{'refused':>10}")
    for name, share, retry_after in itertools.product(LIMITS, SHARES, RETRY_AFTER_S):
        limit, window, rows = LIMITS[name]
        server = Server(limit=limit, window=window, fault_share=share, retry_after=retry_after, rng=random.Random(1))
        seconds = run_virtually(send_all(server, rows))
        duration = f"{seconds:.0f} s" if limit == math.inf else f"{seconds / server.ideal_s(rows):.2f} x ideal"
        refused = server.refused / (rows + server.refused)
        print(f"{name:10}{share:>7.0%}{retry_after or 'none':>13}{duration:>16}{refused:>10.1%}", flush=True)


REFUSAL = json.dumps({"error": {"code": "rpm_rate_limit_exceeded", "message": "too fast"}}).encode()


@contextlib.contextmanager
def serve(share: float, retry_after: float | None) -> Iterator[str]:
    """Serve answers after 50 ms, and refusals at once for a share of the calls; yield the address."""
    rng = random.Random(1)
    more = "" if retry_after is None else f"Retry-After: {retry_after:g}\r\n"
    head = f"HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\n{more}Content-Length: {len(REFUSAL)}\r\n\r\n"
    answer, refusal = http_reply(CHAT_V2), head.encode() + REFUSAL

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = b""
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65536):
                buffer += data
                while (size := request_size(buffer)) and len(buffer) >= size:
                    buffer = buffer[size:]
                    is_refused = rng.random() < share
                    await asyncio.sleep(0 if is_refused else 0.05)
                    writer.write(refusal if is_refused else answer)
        writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))


def print_real_batches() -> None:
    """Print the seconds of batches against a server that refuses 3.3 % of the calls."""
    import os

    os.environ["QFNB_STATE_DIR"] = tempfile.mkdtemp()
    import qfnb

    for share, retry_after in ((0.0, None), *((0.033, wait) for wait in (None, 0.1, 1.0, 5.0))):
        with serve(share, retry_after) as address:
            chat = qfnb.ChatCompletion(model=f"refused-{share}-{retry_after}", base_url=address, api_key="test-key")
            started_at = time.monotonic()
            batch = qfnb.batch(
                [f"question {n}" for n in range(ROWS)], client=chat, workers=16, name=f"b{share}-{retry_after}"
            )
            batch.wait()
            seconds = time.monotonic() - started_at
            words = "no refusals" if not share else f"3.3 % refused, Retry-After {retry_after or 'none'}"
            print(f"{words:40}{batch.progress.ok:>6} rows in {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    if "--real" in sys.argv:
        print_real_batches()
    else:
        print_table()
