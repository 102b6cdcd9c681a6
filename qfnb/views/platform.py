"""The platform and its keys, what `doctor` has found, and the sandbox: as cards, and as text for a
terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..base.language import tr, tr_noop, trn
from ..base.text import labelled
from ..doctor import CheckResult, report
from ..sandbox import process
from . import components
from .components import Html, Kind
from .display import Bundle

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


def access_facts(access: Access) -> list[tuple[str, str]]:
    """Return the settings by label; code stands between backquotes."""
    keys = [labelled(f"`{name}`", source) for name, source in access.keys.items()]
    models = [
        (tr("Default model") if name == "model" else name, value)
        for name, value in access.models.items()
    ]
    return [(tr("Platform"), access.platform), (tr("Key"), " · ".join(keys) or tr(NO_KEY)), *models]


def access_bundle(access: Access) -> Bundle:
    """Return the platform, its keys and the default models."""
    address = access.address or tr("it starts with the first call")
    facts = access_facts(access) + ([(tr("Address"), address)] if access.is_sandbox else [])
    pill: tuple[Kind, str] = (
        ("ok", tr("Ready")) if access.is_sandbox else ("idle", tr("Not checked"))
    )
    step = tr("to check it: `%qfauth doctor`")
    return _card(tr("Platform and key"), pill, facts, step, is_sandbox=access.is_sandbox)


def findings_bundle(findings: Sequence[CheckResult]) -> Bundle:
    """Return the results of `doctor`: first the problems, with their remedies, then the rest."""
    wrong = sorted(
        (finding for finding in findings if finding.state != "ok"),
        key=lambda finding: finding.state,
    )
    notes = [
        components.note(
            finding.state,
            labelled(finding.topic, finding.text),
            components.with_code(finding.remedy),
            sign=components.SIGNS[finding.state],
        )
        for finding in wrong
    ]
    facts = [
        (f.topic, "\n".join(filter(None, (f.text, f.remedy)))) for f in findings if f.state == "ok"
    ]
    pill: tuple[Kind, str] = "ok", tr("Nothing is wrong")
    if wrong:
        pill = wrong[0].state, trn("{n} problem", "{n} problems", len(wrong))
    bundle = _card(
        tr("Check-up"),
        pill,
        facts,
        tr("for a bug report, as text without secrets: `qfnb doctor`"),
        notes,
    )
    return bundle | {"text/plain": report(list(findings))}


def sandbox_bundle() -> Bundle:
    """Return the state of the sandbox."""
    facts = process.describe()
    if not facts:
        return _card(
            tr("Local sandbox"),
            ("idle", tr("Not running")),
            [],
            tr("it starts with the first call"),
        )
    return _card(
        tr("Local sandbox"),
        ("run", tr("Running")),
        [*facts.items()],
        tr("to stop it: `%qfsandbox stop`"),
    )


def _card(
    title: str,
    state: tuple[Kind, str],
    facts: Sequence[tuple[str, str]],
    step: str,
    notes: Sequence[Html] = (),
    *,
    is_sandbox: bool = False,
) -> Bundle:
    """Return a panel of notes and facts that ends in the next step."""
    kind, words = state
    panel = components.panel(
        title,
        components.header(title, pill=components.pill(kind, words), is_sandbox=is_sandbox),
        *notes,
        components.facts(*((name, _lines(value)) for name, value in facts)) if facts else "",
        components.footer(components.with_code(step)),
    )
    lines = [labelled(name, value.replace("`", "")) for name, value in facts]
    return {
        "text/plain": "\n".join([*(lines or [f"{title}: {words}"]), step.replace("`", "")]),
        "text/html": components.output(panel),
    }


def _lines(value: str) -> Html:
    return Html(components.with_code(value).replace("\n", "<br>"))
