"""The home panel: platform and key, what runs in all kernels, recent reports, disk, what to try
next; and as cards of their own the platform with its keys, the results of `doctor`, the sandbox.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..base.language import tr, tr_noop, trn
from ..base.text import labelled
from ..doctor import CheckResult, report
from ..sandbox import process
from ..wire.prices import PriceRange
from . import components, formats
from .components import Html, Kind, with_code
from .display import Bundle
from .formats import when

MAX_ROWS: Final = 12
"""Rows of a table; the newest."""

NO_KEY: Final = tr_noop("none yet; after `%qfauth set` the same cells run on Qianfan")


@dataclass(frozen=True)
class Access:
    """The platform that calls go to, and with what.

    Attributes:
        platform: in a few words.
        address: of a sandbox that runs, "" for none.
        keys: where each key comes from, by its name; never a key.
        models: the default models by setting.
    """

    platform: str
    is_sandbox: bool = False
    address: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)


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
    now = time.time()
    subtitle = f"{tr('version {version}', version=home.version)} · {formats.as_of(now)}"
    facts = {name: with_code(value) for name, value in _access_facts(home.access)}
    if home.usage.calls:
        used = tr(
            "{calls} · {tokens} tokens · {cost}",
            calls=trn("{n} call", "{n} calls", home.usage.calls),
            tokens=f"{home.usage.tokens:,}",
            cost=formats.cost(home.usage.cost, is_free=home.access.is_sandbox),
        )
        facts[tr("This kernel")] = components.to_html(used)
    if home.quickstart:
        facts[tr("Quickstart")] = components.path(home.quickstart)
    steps = []
    for command, meaning in home.next_steps.items():
        steps.append((components.code(command), with_code(meaning)))
    problem = ""
    if home.problem:
        problem = components.note("bad", home.problem, role="alert")
    damage = ""
    if home.damage:
        damage = components.note("warn", *map(with_code, home.damage))
    is_idle = not (home.activities or home.reports)
    total = size(sum(home.disk.values()))
    disk = components.folds((tr("Disk"), total, _disk_table(home)))
    return components.bundle(
        "qfnb",
        components.header(
            "qfnb",
            pill=components.pill(*_state(home)),
            subtitle=subtitle,
            is_sandbox=home.access.is_sandbox,
        ),
        problem,
        damage,
        components.side_by_side(
            components.part(tr("Platform and key"), components.facts(*facts.items())),
            components.part(tr("Things to try"), components.facts(*steps)),
        ),
        _activities(home, now),
        _reports(home, now),
        components.dim_lines(tr(NOTHING) if is_idle else ""),
        Html(disk, labelled(tr("Disk"), f"{total} · {home.folder}")),
        components.next_steps(tr("free disk space: `%qf clean`")),
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


def _state(home: Home) -> tuple[Kind, str]:
    """Return the colour and the words of what qfnb does now, in all notebooks."""
    if home.problem:
        return "bad", tr("Not usable")
    running = [activity for activity in home.activities if activity.kind == "run"]
    if not running:
        return "ok", tr("Ready")
    if len(running) == 1:
        return "run", running[0].state
    return "run", trn("{n} job runs", "{n} jobs run", len(running))


def _activities(home: Home, now: float) -> Html:
    rows = []
    for activity in home.activities[:MAX_ROWS]:
        name = components.to_html(activity.name)
        subject = components.to_html(activity.subject)
        command = activity.command
        rows.append(
            (
                Html(f"{name}<br><small>{subject}</small>", f"{name.text} · {subject.text}"),
                components.pill(activity.kind, activity.state, activity.sign),
                activity.amount or "—",
                when(activity.seen_at, now),
                components.code(command) if command.startswith("%") else command,
            )
        )
    heads = (tr("Job"), tr("State"), tr("Progress"), tr("Last sign"), tr("Go on"))
    table = components.table(heads, rows, is_wide=True)
    return components.part(tr("In progress, in all notebooks"), table)


def _reports(home: Home, now: float) -> Html:
    rows = []
    for each in home.reports[:MAX_ROWS]:
        models = " · ".join(each.models)
        rows.append((Path(each.path).name, models, each.path, when(each.saved, now)))
    heads = (tr("Report"), tr("Models"), tr("File"), tr("Written"))
    return components.part(tr("Recent reports"), components.table(heads, rows, is_wide=True))


def _disk_table(home: Home) -> Html:
    parts = sorted(home.disk.items(), key=lambda item: -item[1])
    rows = []
    for name, count in parts:
        if count:
            rows.append((name, size(count)))
    return components.table((tr("Part"), tr("Size")), rows, numeric={1}, caption=home.folder)


def _access_facts(access: Access) -> list[tuple[str, str]]:
    """Return the settings by label; code stands between backquotes."""
    keys = [labelled(f"`{name}`", source) for name, source in access.keys.items()]
    facts = [(tr("Platform"), access.platform), (tr("Key"), " · ".join(keys) or tr(NO_KEY))]
    for name, value in access.models.items():
        facts.append((tr("Default model") if name == "model" else name, value))
    return facts


def access_bundle(access: Access) -> Bundle:
    """Return the platform, its keys and the default models."""
    facts = _access_facts(access)
    pill = components.pill("idle", tr("Not checked"))
    if access.is_sandbox:
        facts.append((tr("Address"), access.address or tr("it starts with the first call")))
        pill = components.pill("ok", tr("Ready"))
    step = tr("to check it: `%qfauth doctor`")
    return _card(tr("Platform and key"), pill, facts, step, is_sandbox=access.is_sandbox)


def findings_bundle(findings: Sequence[CheckResult]) -> Bundle:
    """Return the results of `doctor`: first the problems, with their remedies, then the rest."""
    wrong = [finding for finding in findings if finding.state != "ok"]
    wrong.sort(key=lambda finding: finding.state)
    notes = []
    for finding in wrong:
        words = labelled(finding.topic, finding.text)
        sign = components.SIGNS[finding.state]
        notes.append(components.note(finding.state, words, with_code(finding.remedy), sign=sign))
    facts = []
    for finding in findings:
        lines = filter(None, (finding.text, finding.remedy))
        if finding.state == "ok":
            facts.append((finding.topic, "\n".join(lines)))
    pill = components.pill("ok", tr("Nothing is wrong"))
    if wrong:
        problems = trn("{n} problem", "{n} problems", len(wrong))
        pill = components.pill(wrong[0].state, problems)
    step = tr("for a bug report, as text without secrets: `qfnb doctor`")
    card = _card(tr("Check-up"), pill, facts, step, *notes)
    return card | {"text/plain": report(list(findings))}


def sandbox_bundle() -> Bundle:
    """Return the state of the sandbox."""
    facts = process.describe()
    if facts:
        pill = components.pill("run", tr("Running"))
        step = tr("to stop it: `%qfsandbox stop`")
    else:
        pill = components.pill("idle", tr("Not running"))
        step = tr("it starts with the first call")
    return _card(tr("Local sandbox"), pill, [*facts.items()], step)


def _card(
    title: str,
    pill: Html,
    facts: Sequence[tuple[str, str]],
    step: str,
    *notes: Html,
    is_sandbox: bool = False,
) -> Bundle:
    """Return a panel of notes and facts that ends in the next step."""
    rows = []
    for name, value in facts:
        html = with_code(value)
        rows.append((name, Html(html.replace("\n", "<br>"), html.text)))
    content = ""
    if rows:
        content = components.facts(*rows)
    head = components.header(title, pill=pill, is_sandbox=is_sandbox)
    return components.bundle(title, head, *notes, content, components.next_steps(step))
