"""Measure single and streamed answers of qfnb beside the official SDK and the openai client, in the
same run.

Absolute times belong to the machine; what is worth keeping is the ratio. Each client runs in its
own process, so that none pays for another's imports or threads, against a server that hardly costs
anything (`stub.py`). Rounds alternate; the median round counts. A stream is measured twice: pieces
as fast as they come, which shows what a piece costs, and 2 ms apart, where each of them also wakes
up the client.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import Any

import stub
from batch import environment

ROUNDS = 5
CALLS = 300
CONCURRENCY = 32
PIECE_INTERVAL = 0.002
"""Seconds between two pieces of the slow stream."""

CLIENTS = {
    "qfnb": """
import qfnb
chat = qfnb.ChatCompletion(version="2", model="ernie-4.5-turbo-128k")
ask = lambda: chat.do(messages=SAY)
stream = lambda: list(chat.do(messages=SAY, stream=True))
async def astream():
    return [piece async for piece in await chat.ado(messages=SAY, stream=True)]
later = lambda: chat.ado(messages=SAY)
""",
    "qianfan": """
import qianfan
chat = qianfan.ChatCompletion(version="2", model="ernie-4.5-turbo-128k")
ask = lambda: chat.do(messages=SAY)
stream = lambda: list(chat.do(messages=SAY, stream=True))
async def astream():
    return [piece async for piece in await chat.ado(messages=SAY, stream=True)]
later = lambda: chat.ado(messages=SAY)
""",
    "openai": """
import openai
once, often = openai.OpenAI(max_retries=0), openai.AsyncOpenAI(max_retries=0)
say = dict(model="ernie-4.5-turbo-128k", messages=SAY)
ask = lambda: once.chat.completions.create(**say)
stream = lambda: list(once.chat.completions.create(**say, stream=True))
async def astream():
    return [piece async for piece in await often.chat.completions.create(**say, stream=True)]
later = lambda: often.chat.completions.create(**say)
""",
}

ANSWERS = f"""
import asyncio, json, statistics, time
SAY = [{{"role": "user", "content": "你好"}}]
start = time.perf_counter()
exec(CODE)
result = {{"import and first client, ms": (time.perf_counter() - start) * 1e3}}

def took(act):
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1e3

async def together(calls={CALLS}):
    gate = asyncio.Semaphore({CONCURRENCY})
    async def one():
        async with gate:
            await later()
    await one()
    start = time.perf_counter()
    await asyncio.gather(*[one() for _ in range(calls)])
    return (time.perf_counter() - start) / calls * 1e3

ask()
result["one answer, ms (median)"] = statistics.median(took(ask) for _ in range({CALLS}))
result["one of {CONCURRENCY} at once, ms"] = asyncio.run(together())
print("RESULT" + json.dumps(result))
"""

STREAMS = """
import asyncio, json, time
SAY = [{"role": "user", "content": "你好"}]
exec(CODE)

async def awaited():
    await astream()
    start = time.process_time()
    return len(await astream()), time.process_time() - start

stream()
start = time.process_time()
pieces = len(stream())
result = {"a piece": (time.process_time() - start) / pieces * 1e6}
pieces, spent = asyncio.run(awaited())
result["a piece, awaited"] = spent / pieces * 1e6
print("RESULT" + json.dumps(result))
"""


def measure(client: str, script: str, env: dict[str, str]) -> dict[str, float]:
    """Run a script with one client in a new process; return its results."""
    code = f"CODE = {CLIENTS[client]!r}\n{script}"
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        raise SystemExit(f"{client} failed:\n{process.stderr[-2000:]}")
    result: dict[str, float] = json.loads(lines[-1].removeprefix("RESULT"))
    return result


def measure_round(client: str, fast: dict[str, str], slow: dict[str, str]) -> dict[str, float]:
    """Return one round of a client: answers and fast streams at one server, slow streams at the
    other.
    """
    result = measure(client, ANSWERS, fast)
    for env, unit in ((fast, "CPU us"), (slow, f"CPU us, {PIECE_INTERVAL * 1e3:g} ms apart")):
        result |= {
            f"{metric}, {unit}": value for metric, value in measure(client, STREAMS, env).items()
        }
    return result


def main() -> None:
    """Print one table: the values of qfnb, and the ratios of the others."""
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in CLIENTS}
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        fast, slow = (
            environment(stack.enter_context(stub.running(0.0, pace)), home)
            for pace in (0.0, PIECE_INTERVAL)
        )
        for _ in range(ROUNDS):
            for name in CLIENTS:
                rounds[name].append(measure_round(name, fast, slow))
    print(f"{'':44}{'qfnb':>10}{'qianfan':>12}{'openai':>12}")
    for metric in rounds["qfnb"][0]:
        medians = {
            name: statistics.median(result[metric] for result in rounds[name]) for name in CLIENTS
        }
        ratios = "".join(
            f"{medians[name] / medians['qfnb']:>11.1f}x" for name in ("qianfan", "openai")
        )
        print(f"{metric:44}{medians['qfnb']:>10.2f}{ratios}")


if __name__ == "__main__":
    main()
