"""Measure qfnb beside the official SDK and the openai client, in the same run, against the same sandbox.

Absolute times belong to the machine; what is worth keeping is the ratio. Each client runs in its own
process, so that none pays for another's imports or threads. Rounds alternate; the median round counts.
A stream comes at the sandbox's pace, so what is measured there is the client's own work.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from qfnb.cli import environment
from qfnb.sandbox import ensure

ROUNDS = 3
CALLS = 100
AT_ONCE = 32

CLIENTS = {
    "qfnb": """
import qfnb
chat = qfnb.ChatCompletion(version="2", model="ernie-lite-8k")
ask = lambda: chat.do(messages=SAY)
stream = lambda: list(chat.do(messages=SAY, stream=True))
later = lambda: chat.ado(messages=SAY)
""",
    "qianfan": """
import qianfan
chat = qianfan.ChatCompletion(version="2", model="ernie-lite-8k")
ask = lambda: chat.do(messages=SAY)
stream = lambda: list(chat.do(messages=SAY, stream=True))
later = lambda: chat.ado(messages=SAY)
""",
    "openai": """
import openai
once, often = openai.OpenAI(max_retries=0), openai.AsyncOpenAI(max_retries=0)
say = dict(model="ernie-lite-8k", messages=SAY)
ask = lambda: once.chat.completions.create(**say)
stream = lambda: list(once.chat.completions.create(**say, stream=True))
later = lambda: often.chat.completions.create(**say)
""",
}

MEASURE = f"""
import asyncio, json, time
SAY = [{{"role": "user", "content": "你好"}}]
start = time.perf_counter()
exec(CODE)
result = {{"import, ms": (time.perf_counter() - start) * 1e3}}

def each(act, calls, clock):
    act()
    start = clock()
    for _ in range(calls):
        act()
    return (clock() - start) / calls * 1e3

async def together(calls={CALLS}):
    gate = asyncio.Semaphore({AT_ONCE})
    async def one():
        async with gate:
            await later()
    await one()
    start = time.perf_counter()
    await asyncio.gather(*[one() for _ in range(calls)])
    return (time.perf_counter() - start) / calls * 1e3

result["one answer, ms"] = each(ask, {CALLS}, time.perf_counter)
result["one streamed answer, CPU ms"] = each(stream, 5, time.process_time)
result["one of {AT_ONCE} at once, ms"] = asyncio.run(together())
print("RESULT" + json.dumps(result))
"""


def measure(client: str, env: dict[str, str]) -> dict[str, float]:
    """Return what one client took, in a process of its own."""
    code = f"CODE = {CLIENTS[client]!r}\n{MEASURE}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        raise SystemExit(f"{client} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(lines[-1].removeprefix("RESULT"))
    return found


def main() -> None:
    """Print one table: milliseconds of qfnb, and how many times as long the others take."""
    quiet = {"QIANFAN_DISABLE_EB_SDK": "true", "QIANFAN_LOG_LEVEL": "ERROR", "NO_PROXY": "127.0.0.1"}
    env: dict[str, str] = {**os.environ, **environment(ensure()), **quiet}
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in CLIENTS}
    for _ in range(ROUNDS):
        for name in CLIENTS:
            rounds[name].append(measure(name, env))
    print(f"{'':32}{'qfnb':>10}{'qianfan':>12}{'openai':>12}")
    for what in rounds["qfnb"][0]:
        taken = {name: statistics.median(found[what] for found in rounds[name]) for name in CLIENTS}
        ratios = "".join(f"{taken[name] / taken['qfnb']:>11.1f}x" for name in ("qianfan", "openai"))
        print(f"{what:32}{taken['qfnb']:>10.2f}{ratios}")


if __name__ == "__main__":
    main()
