"""The home panel: platform and key, what runs in all kernels, recent reports, disk, what to try
next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..base.language import tr, tr_noop, trn
from ..base.text import labelled
from ..wire.prices import PriceRange
from . import components, formats
from .components import Html, Kind
from .display import Bundle
from .formats import when
from .platform import Access, access_facts
from .text import one_line

MAX_ROWS: Final = 12
"""Rows of a table; the newest."""


@dataclass(frozen=True)
class Activity:
    """A training, batch or evaluation that has not ended.

    Attributes:
        name: by which its magic finds it.
        subject: the model or models.
        kind, state, sign: colour, words and sign of the state; "" for the usual sign of the colour.
        share: the finished part, 0 to 1; None where it is not known.
        amount: that in words.
        seen_at: Unix seconds of the last sign of it.
        command: continues or shows it.
    """

    name: str
    subject: str
    kind: Kind
    state: str
    share: float | None
    amount: str
    seen_at: float
    command: str
    sign: str = ""


@dataclass(frozen=True)
class Report:
    """A report that was written to a file."""

    path: str
    models: tuple[str, ...]
    saved: float


@dataclass(frozen=True)
class KernelUsage:
    """What the calls of this kernel used; the cost is None where a price is unknown."""

    calls: int
    tokens: int
    cost: PriceRange | None


@dataclass(frozen=True)
class Home:
    """What the panel shows.

    Attributes:
        access: the platform and its keys.
        problem: why no platform can be used, "" where one can.
        damage: that the sandbox began anew, and where its damaged database is; empty where it did
            not.
        disk: bytes of each part of the state folder, by what is in it.
        next_steps: command -> what it does.
        quickstart: the path of the first notebook, "" where there is none.
    """

    version: str
    access: Access
    problem: str
    damage: Sequence[str]
    usage: KernelUsage
    activities: Sequence[Activity]
    reports: Sequence[Report]
    folder: str
    disk: Mapping[str, int]
    next_steps: Mapping[str, str]
    quickstart: str = ""


NOTHING: Final = tr_noop("Nothing in progress, and no saved report yet.")


def bundle(home: Home) -> Bundle:
    """Return the panel in every static format."""
    return {"text/plain": text(home), "text/html": html(home)}


def html(home: Home) -> Html:
    """Return the panel as an output of its own."""
    now = time.time()
    pill = components.pill(*_state(home))
    subtitle = f"{tr('version {version}', version=home.version)} · {formats.as_of(now)}"
    facts = {name: components.with_code(value) for name, value in _facts(home)}
    if home.quickstart:
        facts[tr("Quickstart")] = components.path(home.quickstart)
    steps = [
        (components.code(command), components.with_code(meaning))
        for command, meaning in home.next_steps.items()
    ]
    blocks = [
        components.header("qfnb", pill=pill, subtitle=subtitle, is_sandbox=home.access.is_sandbox),
        components.note("bad", home.problem, role="alert") if home.problem else "",
        components.note("warn", *map(components.with_code, home.damage)) if home.damage else "",
        components.side_by_side(
            components.part(tr("Platform and key"), components.facts(*facts.items())),
            components.part(tr("Things to try"), components.facts(*steps)),
        ),
        _activities_html(home, now),
        _reports_html(home, now),
        components.dim_lines(tr(NOTHING)) if not (home.activities or home.reports) else "",
        components.folds((tr("Disk"), size(sum(home.disk.values())), _disk_html(home))),
        components.footer(components.with_code(tr("free disk space: `%qf clean`"))),
    ]
    return components.output(components.panel("qfnb", *blocks))


def text(home: Home) -> str:
    """Return the panel as lines of text."""
    now = time.time()
    if home.access.is_sandbox:
        mark = f" [{tr(components.SANDBOX_MARK)}]"
    else:
        mark = ""
    lines = [f"qfnb {home.version}{mark}", *([f"✕ {home.problem}"] if home.problem else [])]
    lines += [f"⚠ {' '.join(home.damage)}"] if home.damage else []
    lines += [f"  {labelled(name, value)}" for name, value in (*_facts(home), _disk(home))]
    if home.activities:
        lines.append(tr("In progress, in all notebooks"))
        lines += [
            "  "
            + " · ".join(
                filter(
                    None, (a.name, a.subject, a.state, a.amount, when(a.seen_at, now), a.command)
                )
            )
            for a in home.activities[:MAX_ROWS]
        ]
    if home.reports:
        lines.append(tr("Recent reports"))
        lines += [
            f"  {r.path} · {tr(', ').join(r.models)} · {when(r.saved, now)}"
            for r in home.reports[:MAX_ROWS]
        ]
    lines += [] if home.activities or home.reports else [tr(NOTHING)]
    lines += [
        tr("Things to try"),
        *(f"  {command} · {meaning}" for command, meaning in home.next_steps.items()),
    ]
    return "\n".join(
        one_line(line, 300) if line[:2] != "  " else f"  {one_line(line, 300)}" for line in lines
    )


def size(count: int) -> str:
    """Return a number of bytes: `860 kB`, `212 MB`, `1.3 GB`."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e7:
        return f"{count / 1e6:.0f} MB"
    if count >= 1e6:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB"


def _facts(home: Home) -> list[tuple[str, str]]:
    used = tr(
        "{calls} · {tokens} tokens · {cost}",
        calls=trn("{n} call", "{n} calls", home.usage.calls),
        tokens=f"{home.usage.tokens:,}",
        cost=formats.cost(home.usage.cost, is_free=home.access.is_sandbox),
    )
    return [
        *access_facts(home.access),
        *([(tr("This kernel"), used)] if home.usage.calls else []),
        *([(tr("Quickstart"), home.quickstart)] if home.quickstart else []),
    ]


def _disk(home: Home) -> tuple[str, str]:
    return tr("Disk"), f"{size(sum(home.disk.values()))} · {home.folder}"


def _state(home: Home) -> tuple[Kind, str]:
    """Return the colour and the words of what qfnb does now, in all notebooks."""
    if home.problem:
        return "bad", tr("Not usable")
    running = [activity for activity in home.activities if activity.kind == "run"]
    if not running:
        return "ok", tr("Ready")
    return "run", running[0].state if len(running) == 1 else trn(
        "{n} job runs", "{n} jobs run", len(running)
    )


def _activities_html(home: Home, now: float) -> Html:
    if not home.activities:
        return Html("")
    rows = [
        (
            Html(f"{components.to_html(a.name)}<br><small>{components.to_html(a.subject)}</small>"),
            components.pill(a.kind, a.state, a.sign),
            a.amount or "—",
            when(a.seen_at, now),
            components.code(a.command) if a.command.startswith("%") else a.command,
        )
        for a in home.activities[:MAX_ROWS]
    ]
    heads = (tr("Job"), tr("State"), tr("Progress"), tr("Last sign"), tr("Go on"))
    table = components.table(heads, rows, is_wide=True)
    return components.part(tr("In progress, in all notebooks"), table)


def _reports_html(home: Home, now: float) -> Html:
    if not home.reports:
        return Html("")
    rows = [
        (Path(r.path).name, " · ".join(r.models), r.path, when(r.saved, now))
        for r in home.reports[:MAX_ROWS]
    ]
    heads = (tr("Report"), tr("Models"), tr("File"), tr("Written"))
    return components.part(tr("Recent reports"), components.table(heads, rows, is_wide=True))


def _disk_html(home: Home) -> Html:
    rows = [
        (name, size(count))
        for name, count in sorted(home.disk.items(), key=lambda item: -item[1])
        if count
    ]
    return components.table((tr("Part"), tr("Size")), rows, numeric={1}, caption=home.folder)
