"""Measure batches of chats: requests per second, CPU and memory of qfnb beside other clients.

Each client runs in its own process against the same server (`stub.py`), warms up uncounted with one
request per worker, and then asks as many as all others: a batch's start and end count, in the
proportion that they have in a batch. A client that would need more than ten seconds asks fewer, and
is not asked again; rounds are interleaved and medians shown; one that fails is left out with a
note. What is worth keeping are the ratios.

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

Client = Callable[[list[str]], None]
"""Sends all of these questions, with the concurrency that it was created for."""

Measurement = dict[str, float]

MODEL = "ernie-4.5-turbo-128k"
KEY = "bce-v3/ALTAK-x/y"
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
MAX_SECONDS = 10.0
ROWS = {100: 5_000, 1000: 15_000}
"""Seconds that a round may take, and its requests by number of workers."""

LOADS = {"0x100": (0.0, 100), "50x100": (0.05, 100), "50x1000": (0.05, 1000)}
"""Server's delay in seconds, and workers."""

MEASURES = {"rate": "requests/s", "cpu": "CPU ms/request", "memory": "peak MB"}


def qfnb_batch_do(workers: int) -> Client:
    """`batch_do`, as in the official SDK: results in memory."""
    import qfnb

    chat = qfnb.ChatCompletion(version="2", model=MODEL)
    return lambda texts: raise_if_failed(chat.batch_do(texts, worker_num=workers).results())


def qfnb_batch(workers: int) -> Client:
    """`qfnb.batch`, with a journal; each run has another name, so that none resumes an earlier
    one.
    """
    import qfnb

    batch: Any = getattr(qfnb, "batch", None)
    if not callable(batch):
        raise SystemExit("there is no qfnb.batch")
    return lambda texts: batch(
        texts, model=MODEL, workers=workers, name=f"bench-{time.time_ns()}"
    ).wait()


def official(version: Any, workers: int) -> Client:
    """The official SDK: with an API key (v2), or with an IAM pair that signs each request (v1)."""
    import qianfan

    chat = qianfan.ChatCompletion(
        version=version, model=MODEL if version == "2" else "ERNIE-Lite-8K"
    )
    return lambda texts: raise_if_failed(
        chat.batch_do([conversation(t) for t in texts], worker_num=workers).results()
    )


def openai(transport: str, workers: int) -> Client:
    """OpenAI's client as it comes, or over aiohttp, as its README recommends for concurrency."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    async def send(text: str) -> None:
        await client.chat.completions.create(model=MODEL, messages=conversation(text))

    http_client: Any = DefaultAioHttpClient() if transport == "aiohttp" else None
    client: Any = AsyncOpenAI(max_retries=0, http_client=http_client)
    return with_workers(send, workers, asyncio.Runner())


def aiohttp(workers: int) -> Client:
    """The least code around aiohttp."""
    from aiohttp import ClientSession, TCPConnector

    async def open_session() -> ClientSession:
        return ClientSession(connector=TCPConnector(limit=0), headers=HEADERS)

    async def send(text: str) -> None:
        async with session.post(url, data=content(text)) as answer:
            json.loads(await answer.read())

    runner = asyncio.Runner()
    url = f"{os.environ['STUB']}/v2/chat/completions"
    session = runner.run(open_session())
    return with_workers(send, workers, runner)


def httpx(workers: int) -> Client:
    """One shared client with a pool as large as the number of workers."""
    from httpx import AsyncClient, Limits

    async def send(text: str) -> None:
        json.loads((await client.post(url, content=content(text))).content)

    url = f"{os.environ['STUB']}/v2/chat/completions"
    limits = Limits(max_connections=workers, max_keepalive_connections=workers)
    client = AsyncClient(limits=limits, headers=HEADERS, timeout=600, trust_env=False)
    return with_workers(send, workers, asyncio.Runner())


CLIENTS: dict[str, Callable[[int], Client]] = {
    "qfnb batch_do": qfnb_batch_do,
    "qfnb.batch": qfnb_batch,
    "qianfan v2": partial(official, "2"),
    "qianfan v1": partial(official, "1"),
    "openai": partial(openai, "httpx"),
    "openai/aiohttp": partial(openai, "aiohttp"),
    "aiohttp": aiohttp,
    "httpx": httpx,
    "sockets": lambda workers: stub.raw_client(os.environ["STUB"], workers),
}
OWN_CLIENTS = ("qfnb.batch", "qfnb batch_do")
"""Shown as absolute values; the others as ratios to the first of these."""


def conversation(text: str) -> list[dict[str, str]]:
    """Return one question as messages."""
    return [{"role": "user", "content": text}]


def content(text: str) -> bytes:
    """Return one question as a request's body."""
    return json.dumps({"model": MODEL, "messages": conversation(text)}, ensure_ascii=False).encode()


def with_workers(
    send: Callable[[str], Awaitable[object]], workers: int, runner: asyncio.Runner
) -> Client:
    """Return a batch for a client without one: workers that pull from an iterator."""

    async def run_worker(pending: Iterator[str]) -> None:
        for text in pending:
            await send(text)

    async def many(texts: list[str]) -> None:
        pending = iter(texts)
        await asyncio.gather(*[run_worker(pending) for _ in range(workers)])

    return lambda texts: runner.run(many(texts))


def raise_if_failed(results: list[Any]) -> None:
    """Raise the first failure among the results of a batch."""
    failed = [result for result in results if isinstance(result, Exception)]
    if failed:
        raise failed[0]


def measure(client: str, workers: int) -> Measurement:
    """Measure one client in this process."""
    run = CLIENTS[client](workers)
    texts = [f"第{i}个问题：你是谁？请用一句话回答。" for i in range(workers)]
    start = time.perf_counter()
    run(texts)
    rate = workers / (time.perf_counter() - start)
    amount = max(workers, min(ROWS[workers], round(rate * MAX_SECONDS)))
    texts = [f"第{i}个问题：今天做什么？请用一句话回答。" for i in range(amount)]
    gc.collect()
    return measure_run(run, texts)


def measure_run(run: Client, texts: list[str]) -> Measurement:
    """Measure one run; the server's count of requests must agree with the client's."""
    counters_before = stub.read_counters(os.environ["STUB"])
    start = time.perf_counter()
    cpu_seconds = time.process_time()
    run(texts)
    seconds = time.perf_counter() - start
    cpu_seconds = time.process_time() - cpu_seconds
    counters_after = stub.read_counters(os.environ["STUB"])
    rows = len(texts)
    extra_requests = counters_after["chats"] - counters_before["chats"] - rows
    assert extra_requests in {0, 1}, (
        f"{extra_requests:+g} requests for {rows} rows"
    )  # the official SDK sends one of them twice
    return {
        "rate": rows / seconds,
        "cpu": cpu_seconds / rows * 1e3,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": seconds,
        "busy": (counters_after["cpu"] - counters_before["cpu"]) / seconds,
    }


def measure_in_process(client: str, workers: int, env: dict[str, str]) -> Measurement | str:
    """Measure one client in a new process; return the reason if it fails."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", client, str(workers)]
    process = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    lines = [line for line in process.stdout.splitlines() if line.startswith("RESULT")]
    if lines:
        return dict(json.loads(lines[-1].removeprefix("RESULT")))
    return (process.stderr.splitlines() or ["no output"])[-1]


def environment(url: str, home: str) -> dict[str, str]:
    """Return environment variables that point every client at a server, with fake keys."""
    prefixes = ("QIANFAN_", "QFNB_", "OPENAI_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(prefixes)},
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


def run_rounds(
    clients: list[str], loads: list[str], count: int
) -> dict[str, dict[str, list[Measurement]]]:
    """Return the measurements by load and client; the clients take turns."""
    measurements: dict[str, dict[str, list[Measurement]]] = {
        load: {client: [] for client in clients} for load in loads
    }
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {load: stack.enter_context(stub.running(LOADS[load][0])) for load in loads}
        for load, client in [
            (load, client) for _ in range(count) for load in loads for client in clients
        ]:
            previous = measurements[load][client]
            if not previous or previous[-1]["seconds"] < MAX_SECONDS:
                measurement = measure_in_process(
                    client, LOADS[load][1], environment(urls[load], home)
                )
                previous += [] if isinstance(measurement, str) else [measurement]
                report(load, client, measurement)
    return measurements


def report(load: str, client: str, measurement: Measurement | str) -> None:
    """Print one measurement to stderr as soon as it is done."""
    if isinstance(measurement, dict):
        measurement = (
            f"{measurement['rate']:.0f}/s, {measurement['cpu']:.2f} ms, server "
            f"{measurement['busy']:.0%}"
        )
    print(f"  {load:8} {client:16} {measurement}", file=sys.stderr)


def format_table(measurements: dict[str, dict[str, list[Measurement]]]) -> Iterator[str]:
    """Yield the lines of the table: absolute values of qfnb, ratios of the others."""
    clients = [
        name for name in CLIENTS if any(measurements[load].get(name) for load in measurements)
    ]
    base = next((own_client for own_client in OWN_CLIENTS if own_client in clients), "")
    yield f"{'':26}" + "".join(f"{name:>15}" for name in clients)
    for measured, title in MEASURES.items():
        for load, by_client in measurements.items():
            values = {
                name: statistics.median(measurement[measured] for measurement in by_client[name])
                for name in clients
                if by_client[name]
            }
            cells = [format_cell(name, values, base, faster=measured == "rate") for name in clients]
            yield f"{title + ', ' + load:26}" + "".join(f"{text:>15}" for text in cells)
    if base:
        yield (
            f"x: how many times as fast {base} is, and how many times the CPU and memory the "
            "other needs"
        )
    yield from format_headroom(
        [
            measurement
            for by in measurements.values()
            for name in by
            if name != "sockets"
            for measurement in by[name]
        ]
    )


def format_cell(name: str, values: Measurement, base: str, *, faster: bool) -> str:
    """Return one cell; a ratio above 1 means that qfnb is better."""
    if name not in values:
        return "-"
    if name in OWN_CLIENTS or base not in values:
        return f"{values[name]:.0f}" if values[name] >= 10 else f"{values[name]:.2f}"
    ratio = values[base] / values[name] if faster else values[name] / values[base]
    return f"{ratio:.2f}x"


def format_headroom(measurements: list[Measurement]) -> Iterator[str]:
    """Yield how busy the server was: it must not be what is measured."""
    if measurements:
        busiest = max(measurements, key=lambda measurement: measurement["busy"])
        yield (
            f"server: at most {busiest['busy']:.0%} of a core, at {busiest['rate']:.0f} requests/s"
        )


def main() -> None:
    """Print the table; or, with --one, the measurement of a single client."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--loads", nargs="+", choices=LOADS, default=list(LOADS), metavar="DELAYxWORKERS"
    )
    parser.add_argument(
        "--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS), metavar="CLIENT"
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print("RESULT" + json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    measurements = run_rounds(options.clients, options.loads, options.rounds)
    print("\n".join(format_table(measurements)))


if __name__ == "__main__":
    main()
