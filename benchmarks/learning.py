"""Measure what training the sandbox's small model costs as the data grow.

Each training has a process of its own, so that its peak memory is its own; times are CPU time. The
demo is the quickstart's tea house with its 25 passes; the larger data mix questions whose answers
repeat, bookings by rule and facts that are asked once, and have as many passes.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
DATA = Path(__file__).parents[1] / "notebooks/data"
PASSES = 25
LIMITS = {800: 9.0, 2000: 15.0, 20_000: 120.0}
"""CPU seconds that a training of so many pairs may take."""

MAX_MEGABYTES = 500.0
MAX_EXPONENT = 1.2
MAX_SILENCE = 2.0
"""CPU seconds between two reports."""

Pair = tuple[str, str]


def tea_house(part: str = "train") -> list[Pair]:
    """Return the quickstart's training pairs, or those held out."""
    rows = map(
        json.loads, (DATA / f"teahouse_{part}.jsonl").read_text(encoding="utf-8").splitlines()
    )
    return [(row["prompt"], row["response"]) for row in rows]


def mixed_pairs(count: int) -> list[Pair]:
    """Return pairs: four tenths questions with 20 wordings each, three tenths bookings, three
    tenths facts.
    """
    chance = random.Random(count)
    characters = [chr(0x4E00 + offset) for offset in range(2500)]
    text = lambda size: "".join(chance.choices(characters, k=size))  # noqa: E731 - one expression
    pairs = []
    for _ in range(count * 4 // 10 // 20):
        topics = [text(4) for _ in range(3)]
        answer = text(30)
        pairs += [
            (f"{chance.choice(('请问', '我想', '怎么'))}{chance.choice(topics)}{text(1)}", answer)
            for _ in range(20)
        ]
    for _ in range(count * 3 // 10):
        day = chance.randint(1, 28)
        guests = chance.randint(2, 99)
        seat = chance.choice(("院子", "窗边", "大厅"))
        note = json.dumps({"日期": f"{day}日", "人数": guests, "位置": seat}, ensure_ascii=False)
        pairs.append((f"{text(2)}订{day}日的{seat}，{guests}位", note))
    pairs += [
        (f"{text(3)}的{chance.choice(('产地', '价格', '颜色'))}", text(10))
        for _ in range(count - len(pairs))
    ]
    chance.shuffle(pairs)
    return pairs


def measure(count: int) -> dict[str, float]:
    """Train once in this process; return its CPU seconds, its peak memory and the longest
    silence.
    """
    import resource

    from qianfan_sandbox.engines.builtin.training import Hyperparameters, train

    pairs = tea_house() if count == min(LIMITS) else mixed_pairs(count)
    calls = [time.process_time()]
    model = train(
        pairs,
        hyperparameters=Hyperparameters(epochs=PASSES),
        validation=pairs[::10],
        observer=lambda _: calls.append(time.process_time()),
    )
    end = time.process_time()
    right = sum(
        model.reply(prompt).text == answer for prompt, answer in pairs[:: len(pairs) // 200]
    )
    return {
        "pairs": len(pairs),
        "seconds": end - calls[0],
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "silence": max(
            later - earlier for earlier, later in zip(calls, [*calls[1:], end], strict=True)
        ),
        "right": right / len(pairs[:: len(pairs) // 200]),
    }


def measure_apart(count: int) -> dict[str, float]:
    """Train once in another process."""
    command = [sys.executable, __file__, str(count)]
    result = subprocess.run(
        command, env=os.environ | SINGLE_THREAD, capture_output=True, text=True, check=True
    )
    measured: dict[str, float] = json.loads(result.stdout)
    return measured


def exponent(small: dict[str, float], large: dict[str, float]) -> float:
    """Return the power of the number of pairs with which the cost grows between two trainings."""
    return math.log(large["seconds"] / small["seconds"]) / math.log(large["pairs"] / small["pairs"])


def main() -> None:
    """Print one line per size, and the exponent; end with an error where a limit is passed."""
    measured = []
    problems = []
    print(f"{'pairs':>7}{'CPU s':>8}{'peak MB':>9}{'silence s':>11}{'right on its data':>19}")
    for count, limit in LIMITS.items():
        row = measure_apart(count)
        measured.append(row)
        print(
            f"{count:>7,}{row['seconds']:>8.1f}{row['megabytes']:>9.0f}{row['silence']:>11.2f}{row['right']:>19.3f}"
        )
        problems += [f"{count:,} pairs took {row['seconds']:.1f} s, not {limit:g}"] * (
            row["seconds"] > limit
        )
        problems += [f"{count:,} pairs took {row['megabytes']:.0f} MB"] * (
            row["megabytes"] > MAX_MEGABYTES
        )
        problems += [f"{count:,} pairs: no report for {row['silence']:.1f} s"] * (
            row["silence"] > MAX_SILENCE
        )
    power = exponent(measured[1], measured[-1])
    print(f"cost grows with the number of pairs to the power of {power:.2f}")
    problems += [f"the exponent is {power:.2f}, not {MAX_EXPONENT:g}"] * (power > MAX_EXPONENT)
    if problems:
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()
