"""The command `qfnb probe`: says what it would send and cost, asks, sends, and writes report and
cassette.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from typer import Option

from .. import __version__, connect
from ..base.language import tr, tr_noop, trn
from ..config import get_config
from ..errors import CredentialsError, InvalidArgumentError
from ..transport import event_loop
from ..transport.platform import Platform
from . import batch_checks, inference_checks, platform_checks  # noqa: F401 - they register their checks
from .check import CHECKS, Check, plan
from .costs import cost_limit
from .exchange import sender
from .report import (
    Circumstances,
    Result,
    count_verdicts,
    spent,
    terminal_lines,
    to_cassette,
    to_markdown,
)
from .run import run_checks

DIFFERENCES_EXIT_CODE = 3

_MISSING = {
    "iam": tr_noop("needs an IAM pair (QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY)"),
    "pictures": tr_noop("needs --pictures"),
    "create": tr_noop("needs --create"),
}


class _Allowed(NamedTuple):
    """What the user allows a probe to do."""

    pictures: bool
    create: bool


def probe(
    *,
    only: Annotated[
        list[str] | None,
        Option(metavar="NAME,…", help=tr_noop("Some of the checks; --dry-run lists them all.")),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help=tr_noop("Print requests and cost, and send nothing."))
    ] = False,
    yes: Annotated[bool, Option("--yes", help=tr_noop("Do not ask before sending."))] = False,
    pictures: Annotated[
        bool, Option("--pictures", help=tr_noop("Also draw two pictures."))
    ] = False,
    create: Annotated[
        bool, Option("--create", help=tr_noop("Also create files and batches, and cancel them."))
    ] = False,
    out: Annotated[
        Path, Option(metavar="FOLDER", help=tr_noop("Where report and cassette go."))
    ] = Path(),
    sandbox: Annotated[
        bool, Option("--sandbox", help=tr_noop("Probe the local sandbox instead of the platform."))
    ] = False,
) -> int:
    """Run the command; return the exit code.

    Raises:
        InvalidArgumentError: a check does not exist, or the folder cannot be written to.
        CredentialsError: no key is set.
    """
    checks = _selected_checks(only)
    platform = _find_platform(sandbox=sandbox)
    allowed = _Allowed(pictures, create)
    runnable = [check for check in checks if not _missing_need(check, platform, allowed)]
    limit = cost_limit(request for check in runnable for request in plan(check.steps()))
    _print_plan(checks, platform, allowed, shows_requests=dry_run)
    print(
        f"\n{f'{platform.name} ({platform.host})' if platform else tr('no key is set')} · {limit}"
    )
    if dry_run:
        return 0
    if platform is None:
        raise CredentialsError(
            tr(
                "qfnb probe needs a key of the platform, and none is set: set QIANFAN_API_KEY "
                "(and, for fine-tuning, "
                "QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY)\n`qfnb probe --sandbox` tries it on "
                "the sandbox"
            )
        )
    if not yes and not _confirm():
        print(tr("nothing was sent"))
        return 1
    now = datetime.now(UTC)
    results = list[Result]()
    path = _new_file(out, f"qfnb-probe-{now:%Y%m%d-%H%M%S}")
    host = platform.host if platform.name == "qianfan" else "not the public host"
    circumstances = Circumstances(
        f"{platform.name} ({host})",
        platform.credentials.kinds(),
        __version__,
        f"{now:%Y-%m-%d %H:%M} UTC",
        limit,
    )
    try:
        event_loop.run(_run_all(runnable, results))
    finally:  # what was asked is paid for: an interrupted probe writes what it has
        path.write_text(to_markdown(results, circumstances), encoding="utf-8")
        path.with_suffix(".jsonl").write_text(to_cassette(results), encoding="utf-8")
        print(f"\n{count_verdicts(results)}; {spent(results)}")
        print(tr("report: {path}", path=path))
        print(tr("cassette: {path}", path=path.with_suffix(".jsonl")))
    return DIFFERENCES_EXIT_CODE if any(result.differs for result in results) else 0


async def _run_all(checks: Sequence[Check], results: list[Result]) -> None:
    async for result in run_checks(checks, sender(await connect.aclient())):
        results.append(result)
        print("\n".join(terminal_lines(result)), flush=True)


def _selected_checks(only: Sequence[str] | None) -> list[Check]:
    names = [name for text in only or () for name in text.split(",") if name]
    if unknown := sorted(set(names) - CHECKS.keys()):
        names_ = ", ".join(CHECKS)
        raise InvalidArgumentError(
            tr(
                "--only {name}: there is no such check; they are {names}",
                name=unknown[0],
                names=names_,
            )
        )
    return [CHECKS[name] for name in names] or list(CHECKS.values())


def _find_platform(*, sandbox: bool) -> Platform | None:
    """Return the platform of the settings, None without a key; the sandbox only on request."""
    if sandbox:
        get_config().platform = "sandbox"
    return (
        connect.current_platform() if sandbox or connect.platform_info().name != "sandbox" else None
    )


def _missing_need(check: Check, platform: Platform | None, allowed: _Allowed) -> str:
    """Return what a check needs and does not have, "" if it can run."""
    has = {
        "": True,
        "iam": platform is not None
        and bool(platform.credentials.access_key)
        and not platform.openai,
        "pictures": allowed.pictures,
        "create": allowed.create,
    }
    return "" if has[check.needs] else tr(_MISSING[check.needs])


def _print_plan(
    checks: Sequence[Check], platform: Platform | None, allowed: _Allowed, *, shows_requests: bool
) -> None:
    for check in checks:
        requests = plan(check.steps())
        missing = _missing_need(check, platform, allowed)
        size = (
            missing
            or f"{trn('{n} request', '{n} requests', len(requests))} · {cost_limit(requests)}"
        )
        print(f"{tr('{name}: {value}', name=check.name, value=tr(check.title))} — {size}")
        if shows_requests and not missing:
            for label, count in Counter(request.label for request in requests).items():
                print(f"    {label}" + (f" × {count}" if count > 1 else ""))


def _confirm() -> bool:
    if not sys.stdin.isatty():
        raise InvalidArgumentError(
            tr("there is no terminal to ask: run it with --yes, or look first with --dry-run")
        )
    return input(tr("type yes to send these requests: ")).strip().lower() == "yes"


def _new_file(folder: Path, stem: str) -> Path:
    """Return the path of an empty report: before anything is sent it is known that it can be
    written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (path := folder / f"{stem}.md").touch()
    except OSError as error:
        raise InvalidArgumentError(
            tr(
                "--out {folder}: cannot be written to: {reason}",
                folder=folder,
                reason=error.strerror,
            )
        ) from None
    return path
