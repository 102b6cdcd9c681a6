"""What the log of `faulty_server.py` and the parts of a job prove."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from faulty_server import OUTCOMES, SPENT, TOKENS, WINDOW_S, Entry
from shard_kills import Outcome

MAX_REFUSED: Final = {True: 0.01, False: 0.05}
"""Share of refused requests, with headers and without."""

MIN_USED: Final = 0.95
"""Share of the limit that is used where nothing is killed."""


class Proof(NamedTuple):
    """A claim with its figures, and whether it holds."""

    is_true: bool
    text: str


def describe(entries: Sequence[Entry]) -> str:
    """Return the requests in words."""
    counts = Counter(entry.outcome for entry in entries)
    return f"{len(entries):,} requests: " + ", ".join(
        f"{counts[name]:,} {name}" for name in OUTCOMES if counts[name]
    )


def prove(entries: Sequence[Entry], out: Path, outcome: Outcome, options: Any) -> list[Proof]:
    """Return the claims of one run."""
    proofs = [_prove_repeats(entries, outcome)]
    if outcome.state == "done":
        proofs += [_prove_rows(out, options.rows)]
    elif not options.budget:
        proofs += [Proof(False, f"the job is {outcome.state}")]
    if options.budget:
        spent = sum(TOKENS for entry in entries if entry.outcome in SPENT)
        proofs += [
            Proof(spent <= options.budget, f"{spent:,} tokens used, budget {options.budget:,}")
        ]
    if limit := min(options.rpm or 10**9, (options.tpm or 10**9 * TOKENS) // TOKENS):
        proofs += _prove_limit(entries, limit, options) if limit < 10**9 else []
    return proofs


def _prove_rows(out: Path, rows: int) -> Proof:
    """Every input row is in exactly one part, with its answer or an error."""
    counts = Counter[str]()
    failed = 0
    wrong = 0
    for path in out.glob("part-*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            number = record["review"].split(".")[0].removeprefix("row ")
            counts[number] += 1
            failed += bool(record["error"])
            wrong += not record["error"] and record["text"] != f"answer {number}."
    is_exact = len(counts) == rows and max(counts.values()) == 1 and not wrong
    text = (
        f"{rows:,} rows in, {counts.total():,} out, {len(counts):,} of them different; "
        f"{failed:,} failed, {wrong} wrong"
    )
    return Proof(is_exact, text)


def _prove_repeats(entries: Sequence[Entry], outcome: Outcome) -> Proof:
    answers = Counter(
        entry.row for entry in entries if entry.outcome in {"answered", "slow answer"}
    )
    repeats = answers.total() - len(answers)
    return Proof(
        repeats <= outcome.bound, f"{repeats:,} rows answered twice, at most {outcome.bound:,}"
    )


def _prove_limit(entries: Sequence[Entry], limit: int, options: Any) -> list[Proof]:
    refused = sum(entry.outcome == "refused" for entry in entries)
    bound = MAX_REFUSED[bool(options.headers)]
    sent = [entry.came_at for entry in entries if not entry.outcome.startswith("429")]
    accepted = [
        entry.came_at for entry in entries if not entry.outcome.startswith(("429", "refused"))
    ]
    minutes = (max(sent) - min(sent)) / WINDOW_S
    used = len(accepted) / (limit * minutes)
    proofs = [
        Proof(
            refused <= bound * len(entries),
            f"{refused / len(entries):.2%} refused, at most {bound:.0%}",
        ),
        Proof(
            _busiest_minute(accepted) <= limit,
            f"{_busiest_minute(accepted):,} in the busiest minute of {limit:,}",
        ),
    ]
    if options.headers:
        proofs += [
            Proof(
                _busiest_minute(sent) <= limit,
                f"{_busiest_minute(sent):,} sent in it, refused ones included",
            )
        ]
    if not options.kills:
        proofs += [
            Proof(used >= MIN_USED, f"{used:.1%} of the limit used in {minutes:.1f} minutes")
        ]
    return proofs


def _busiest_minute(times: Iterable[float]) -> int:
    ordered = sorted(times)
    start = 0
    most = 0
    for end, time in enumerate(ordered):
        while ordered[start] <= time - WINDOW_S:
            start += 1
        most = max(most, end - start + 1)
    return most
