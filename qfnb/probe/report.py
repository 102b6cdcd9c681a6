"""The report of a probe: Markdown that can be pasted into an issue, and its lines for the
terminal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..wire import catalog
from .check import Check, Finding, Verdict, mapping
from .costs import CostLimit
from .exchange import Exchange
from .sharing import clean_message, to_json_line, to_shared

MARKS: dict[Verdict, str] = {"as assumed": "✓", "differs": "✗", "not tested": "–"}

MAX_DETAILS_CHARS = 6000
"""Of one check's exchanges in the report; the cassette has all."""


@dataclass(frozen=True)
class Result:
    """A check that has ended, its findings and exchanges."""

    check: Check
    findings: Sequence[Finding]
    exchanges: Sequence[Exchange]

    @property
    def differs(self) -> bool:
        """Whether the platform differs from an assumption."""
        return any(finding.verdict == "differs" for finding in self.findings)


@dataclass(frozen=True)
class Circumstances:
    """What was probed, when and with which keys, without the keys."""

    platform: str
    keys: Sequence[str]
    version: str
    date: str
    limit: CostLimit


def count_verdicts(results: Sequence[Result]) -> str:
    """Return e.g. "40 as assumed, 2 differ, 3 not tested"."""
    counts = Counter(finding.verdict for result in results for finding in result.findings)
    words: dict[Verdict, str] = {
        "as assumed": "as assumed",
        "differs": "differ",
        "not tested": "not tested",
    }
    return ", ".join(f"{counts[verdict]} {word}" for verdict, word in words.items())


def spent(results: Sequence[Result]) -> str:
    """Return what the answers cost by their usage and the list price, at most; those without a
    price are counted.
    """
    cny = 0.0
    unpriced = 0
    for exchange in {id(row): row for result in results for row in result.exchanges}.values():
        model = str(exchange.request.body.get("model") or "")
        if not model or not exchange.is_success:
            continue
        usage = _last_usage(exchange)
        row = catalog.find_model(None, model)
        rows = exchange.body.get("data")
        images = len(rows) if row and "image" in row.modality_out and isinstance(rows, list) else 0
        prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
        completion = usage.get("completion_tokens", usage.get("output_tokens"))
        cost = catalog.reply_cost(model, prompt, completion, images=images)
        cny = cny + (cost.high if cost else 0)
        unpriced = unpriced + (cost is None)
    return f"by usage and list price CNY {cny:.4f}" + (
        f", {unpriced} answers without a price" if unpriced else ""
    )


def _last_usage(exchange: Exchange) -> Mapping[str, int]:
    """Return the usage of an answer, of a stream that of its last event that has one; only whole
    numbers.
    """
    bodies = [exchange.body, *(mapping(event, "response") or event for event in exchange.events)]
    usages = [usage for body in bodies if (usage := mapping(body, "usage"))]
    return {
        name: count
        for name, count in (usages[-1] if usages else {}).items()
        if type(count) is int and count >= 0
    }


def terminal_lines(result: Result) -> list[str]:
    """Return a check's findings as lines."""
    lines = [f"{result.check.name}: {result.check.title}"]
    for finding in result.findings:
        observed = (
            "" if finding.verdict == "as assumed" else f" → {clean_message(finding.observed)}"
        )
        lines.append(f"  {MARKS[finding.verdict]} {finding.assumption}{observed}")
    return lines


def to_markdown(results: Sequence[Result], circumstances: Circumstances) -> str:
    """Return the report: what differs first, then all findings, then the exchanges of what
    differs.
    """
    rows = [_row(result.check.name, finding) for result in results for finding in result.findings]
    differing = [row for row in rows if row.startswith("| ✗")]
    head = [
        "# qfnb probe",
        "",
        f"- platform: {circumstances.platform}, {circumstances.date}, qfnb {circumstances.version}",
        f"- keys: {', '.join(circumstances.keys) or 'none'}",
        f"- {count_verdicts(results)}",
        (
            f"- cost: CNY {circumstances.limit.cny:.4f} at most{_unpriced(circumstances.limit)}; "
            f"{spent(results)}"
        ),
        "- Texts, ids and keys are removed; numbers, names of fields and codes are as received.",
        "",
    ]
    parts = [*head, "## What differs", "", *(_table(differing) if differing else ["Nothing."]), ""]
    parts += ["## All findings", "", *_table(rows), ""]
    for result in results:
        if result.differs:
            parts += _details(result)
    return "\n".join(parts)


def to_cassette(results: Sequence[Result]) -> str:
    """Return all exchanges as JSON lines."""
    return "".join(
        to_json_line({"check": result.check.name, **to_shared(exchange)})
        for result in results
        for exchange in result.exchanges
    )


def _unpriced(limit: CostLimit) -> str:
    return f", {', '.join(limit.unpriced)} without a price" if limit.unpriced else ""


def _table(rows: Sequence[str]) -> list[str]:
    return ["|  | check | assumed | seen |", "| --- | --- | --- | --- |", *rows]


def _row(name: str, finding: Finding) -> str:
    cells = (name, finding.assumption, clean_message(finding.observed))
    return (
        f"| {MARKS[finding.verdict]} | "
        + " | ".join(cell.replace("|", "\\|") for cell in cells)
        + " |"
    )


def _details(result: Result) -> list[str]:
    shared = [
        json.dumps(to_shared(exchange), ensure_ascii=False, indent=1)
        for exchange in result.exchanges
    ]
    text = "\n".join(shared)
    if len(text) > MAX_DETAILS_CHARS:
        text = text[:MAX_DETAILS_CHARS] + "\n... the rest is in the cassette"
    summary = f"<details><summary>{result.check.name}: exchanges</summary>"
    return [summary, "", "```json", text, "```", "", "</details>", ""]
