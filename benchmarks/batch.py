"""Measure batches of chats: requests per second, CPU and memory of qfnb beside other clients.

Each client runs in its own process against the same server (`stub.py`), warms up uncounted with one request
per worker, and then asks as many as all others: a batch's start and end count, in the proportion that they
have in a batch. A client that would need more than ten seconds asks fewer, and is not asked again; rounds are
interleaved and medians shown; one that fails is left out with a note. What is worth keeping are the ratios.

    python benchmarks/batch.py --rounds 1 --loads 0x100 --clients 'qfnb batch_do' aiohttp
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import stub

Run = Callable[[list[str]], None]
"""Asks all of these questions, so many at once as it was made for."""

Found = dict[str, float]

MODEL = "ernie-lite-8k"
KEY = "bce-v3/ALTAK-x/y"
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
PATIENCE, ROWS = 10.0, {100: 5_000, 1000: 15_000}
"""Seconds that a round may take, and its requests by the number of workers."""

LOADS = {"0x100": (0.0, 100), "50x100": (0.05, 100), "50x1000": (0.05, 1000)}
"""Server's delay in seconds, and workers."""

MEASURES = {"rate": "requests/s", "cpu": "CPU ms/request", "memory": "peak MB"}


def qfnb_batch_do(workers: int) -> Run:
    """The call of the official SDK's shape: results in memory."""
    import qfnb

    chat = qfnb.ChatCompletion(version="2", model=MODEL)
    return lambda texts: whole(chat.batch_do(texts, worker_num=workers).results())


def qfnb_batch(workers: int) -> Run:
    """The one that keeps a journal; each run has a name of its own, so that none resumes another."""
    import qfnb

    batch: Any = getattr(qfnb, "batch", None)
    if not callable(batch):
        raise SystemExit("there is no qfnb.batch")
    return lambda texts: batch(texts, model=MODEL, workers=workers, name=f"bench-{time.time_ns()}").wait()


def official(version: Any, workers: int) -> Run:
    """The official SDK: with an API key (v2), or with an IAM pair that signs each request (v1)."""
    import qianfan

    chat = qianfan.ChatCompletion(version=version, model=MODEL)
    return lambda texts: whole(chat.batch_do([conversation(t) for t in texts], worker_num=workers).results())


def openai(over: str, workers: int) -> Run:
    """OpenAI's client as it comes, or over aiohttp, as its README recommends for concurrency."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    async def ask(text: str) -> None:
        await client.chat.completions.create(model=MODEL, messages=conversation(text))

    http_client: Any = DefaultAioHttpClient() if over == "aiohttp" else None
    client: Any = AsyncOpenAI(max_retries=0, http_client=http_client)
    return pulled(ask, workers, asyncio.Runner())


def aiohttp(workers: int) -> Run:
    """What a person would write who needs nothing but speed."""
    from aiohttp import ClientSession, TCPConnector

    async def opened() -> ClientSession:
        return ClientSession(connector=TCPConnector(limit=0), headers=HEADERS)

    async def ask(text: str) -> None:
        async with session.post(url, data=content(text)) as answer:
            json.loads(await answer.read())

    runner, url = asyncio.Runner(), f"{os.environ['STUB']}/v2/chat/completions"
    session = runner.run(opened())
    return pulled(ask, workers, runner)


def httpx(workers: int) -> Run:
    """One shared client with a pool as large as the number of workers."""
    from httpx import AsyncClient, Limits

    async def ask(text: str) -> None:
        json.loads((await client.post(url, content=content(text))).content)

    url = f"{os.environ['STUB']}/v2/chat/completions"
    limits = Limits(max_connections=workers, max_keepalive_connections=workers)
    client = AsyncClient(limits=limits, headers=HEADERS, timeout=600, trust_env=False)
    return pulled(ask, workers, asyncio.Runner())


CLIENTS: dict[str, Callable[[int], Run]] = {
    "qfnb batch_do": qfnb_batch_do,
    "qfnb.batch": qfnb_batch,
    "qianfan v2": partial(official, "2"),
    "qianfan v1": partial(official, "1"),
    "openai": partial(openai, "httpx"),
    "openai/aiohttp": partial(openai, "aiohttp"),
    "aiohttp": aiohttp,
    "httpx": httpx,
    "sockets": lambda workers: stub.flood(os.environ["STUB"], workers),
}
OWN = ("qfnb.batch", "qfnb batch_do")
"""Shown as they are; the others as ratios to the first of these that is there."""


def conversation(text: str) -> list[dict[str, str]]:
    """Return one question as messages."""
    return [{"role": "user", "content": text}]


def content(text: str) -> bytes:
    """Return one question as a request's body."""
    return json.dumps({"model": MODEL, "messages": conversation(text)}, ensure_ascii=False).encode()


def pulled(ask: Callable[[str], Awaitable[object]], workers: int, runner: asyncio.Runner) -> Run:
    """Return how a client without a batch call does one: workers that pull from an iterator."""

    async def work(pending: Iterator[str]) -> None:
        for text in pending:
            await ask(text)

    async def many(texts: list[str]) -> None:
        pending = iter(texts)
        await asyncio.gather(*[work(pending) for _ in range(workers)])

    return lambda texts: runner.run(many(texts))


def whole(results: list[Any]) -> None:
    """Refuse a batch with a failed request in it."""
    failed = [result for result in results if isinstance(result, Exception)]
    if failed:
        raise failed[0]


def measure(client: str, workers: int) -> Found:
    """Return what one client does, in this process, which is its own."""
    run = CLIENTS[client](workers)
    texts = [f"第{i}个问题：你是谁？请用一句话回答。" for i in range(workers)]
    start = time.perf_counter()
    run(texts)
    rate = workers / (time.perf_counter() - start)
    amount = max(workers, min(ROWS[workers], round(rate * PATIENCE)))
    texts = [f"第{i}个问题：今天做什么？请用一句话回答。" for i in range(amount)]
    gc.collect()
    return counted(run, texts)


def counted(run: Run, texts: list[str]) -> Found:
    """Return one run in numbers; the server's count of requests must agree with the client's."""
    before = stub.work(os.environ["STUB"])
    start, spent = time.perf_counter(), time.process_time()
    run(texts)
    seconds, spent = time.perf_counter() - start, time.process_time() - spent
    after, rows = stub.work(os.environ["STUB"]), len(texts)
    more = after["chats"] - before["chats"] - rows
    assert more in {0, 1}, f"{more:+g} requests for {rows} rows"  # the official SDK sends one of them twice
    return {
        "rate": rows / seconds,
        "cpu": spent / rows * 1e3,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": seconds,
        "busy": (after["cpu"] - before["cpu"]) / seconds,
    }


def apart(client: str, workers: int, env: dict[str, str]) -> Found | str:
    """Return what one client does in a process of its own, or why it does nothing."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", client, str(workers)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if lines:
        return dict(json.loads(lines[-1].removeprefix("RESULT")))
    return (done.stderr.splitlines() or ["it said nothing"])[-1]


def environment(url: str, home: str) -> dict[str, str]:
    """Return the variables that point every client at a server, with keys that open nothing."""
    own = ("QIANFAN_", "QFNB_", "OPENAI_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(own)},
        "STUB": url,
        "QIANFAN_BASE_URL": url,
        "QIANFAN_CONSOLE_API_BASE_URL": url,
        "QIANFAN_IAM_BASE_URL": url,
        "QIANFAN_API_KEY": KEY,
        "QIANFAN_BEARER_TOKEN": KEY,
        "QIANFAN_ACCESS_KEY": "fake",
        "QIANFAN_SECRET_KEY": "fake",
        "OPENAI_BASE_URL": f"{url}/v2",
        "OPENAI_API_KEY": KEY,
        "QIANFAN_DISABLE_EB_SDK": "true",
        "QIANFAN_LOG_LEVEL": "ERROR",
        "QFNB_DISPLAY": "text",
        "QFNB_STATE_DIR": home,
        "NO_PROXY": "127.0.0.1",
    }


def rounds(clients: list[str], loads: list[str], times: int) -> dict[str, dict[str, list[Found]]]:
    """Return what was found by load and client, the clients taking turns."""
    found: dict[str, dict[str, list[Found]]] = {load: {client: [] for client in clients} for load in loads}
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {load: stack.enter_context(stub.running(LOADS[load][0])) for load in loads}
        for load, client in [(load, client) for _ in range(times) for load in loads for client in clients]:
            before = found[load][client]
            if not before or before[-1]["seconds"] < PATIENCE:
                one = apart(client, LOADS[load][1], environment(urls[load], home))
                before += [] if isinstance(one, str) else [one]
                note(load, client, one)
    return found


def note(load: str, client: str, one: Found | str) -> None:
    """Say what came out, while the rest is being measured."""
    if isinstance(one, dict):
        one = f"{one['rate']:.0f}/s, {one['cpu']:.2f} ms, server {one['busy']:.0%}"
    print(f"  {load:8} {client:16} {one}", file=sys.stderr)


def table(found: dict[str, dict[str, list[Found]]]) -> Iterator[str]:
    """Yield the lines: what qfnb does as it is, what the others do as ratios."""
    clients = [name for name in CLIENTS if any(found[load].get(name) for load in found)]
    base = next((own for own in OWN if own in clients), "")
    yield f"{'':26}" + "".join(f"{name:>15}" for name in clients)
    for measured, title in MEASURES.items():
        for load, by_client in found.items():
            values = {
                name: statistics.median(one[measured] for one in by_client[name])
                for name in clients
                if by_client[name]
            }
            cells = [cell(name, values, base, faster=measured == "rate") for name in clients]
            yield f"{title + ', ' + load:26}" + "".join(f"{text:>15}" for text in cells)
    if base:
        yield f"x: {base} is so many times as fast, and the other needs so many times the CPU and memory"
    yield from headroom(
        [one for by in found.values() for name in by if name != "sockets" for one in by[name]]
    )


def cell(name: str, values: Found, base: str, *, faster: bool) -> str:
    """Return one value; a ratio above 1 speaks for qfnb."""
    if name not in values:
        return "-"
    if name in OWN or base not in values:
        return f"{values[name]:.0f}" if values[name] >= 10 else f"{values[name]:.2f}"
    ratio = values[base] / values[name] if faster else values[name] / values[base]
    return f"{ratio:.2f}x"


def headroom(ones: list[Found]) -> Iterator[str]:
    """Yield how far the server was from being what was measured."""
    if ones:
        busiest = max(ones, key=lambda one: one["busy"])
        yield f"server: at most {busiest['busy']:.0%} of a core, at {busiest['rate']:.0f} requests/s"


def main() -> None:
    """Print the table; or, with --one, what a single client does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS), metavar="DELAYxWORKERS")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS), metavar="CLIENT")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print("RESULT" + json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    found = rounds(options.clients, options.loads, options.rounds)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
