"""`qfnb migrate`: code for the official SDK becomes code for qfnb, in a copy."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from typer import Argument, Option

from ..base.language import tr, tr_noop, trn
from ..errors import InvalidArgumentError
from ..migration.migrate import (
    Migration,
    copy_path,
    list_files,
    migrate as migrate_file,
    write_copy,
)
from ..migration.unit import Finding, FindingKind
from ..redact import redact
from . import common
from .exit_codes import DONE, FAILED, NEGATIVE

MAX_PLACES: Final = 5
"""Places that are named of one message."""


def migrate(
    path: Annotated[
        Path, Argument(metavar="PATH", help=tr_noop("A module, a notebook, or a folder of them."))
    ],
    *,
    out: Annotated[
        Path | None,
        Option("-o", "--out", metavar="PATH", help=tr_noop("Where the copy goes (NAME_qfnb).")),
    ] = None,
    in_place: Annotated[
        bool, Option("--in-place", help=tr_noop("Change the files themselves."))
    ] = False,
    diff: Annotated[
        bool, Option("--diff", help=tr_noop("Print the changes as a diff; write nothing."))
    ] = False,
    check: Annotated[
        bool,
        Option(
            "--check", help=tr_noop("Write nothing; exit code 3 where a file still uses the SDK.")
        ),
    ] = False,
    as_json: common.JsonFlag = False,
) -> int:
    """Migrate files; return the exit code.

    Raises:
        InvalidArgumentError: there is no such file, or it is no module or notebook; nothing was
            written.
    """
    if in_place and out is not None:
        raise InvalidArgumentError(tr("--in-place and --out: only one of them can be used"))
    migrations, problems = _read_all(list(list_files(path)), path)
    rows = []
    for migration in migrations:
        is_written = bool(migration.changed_units) and not (diff or check)
        target = migration.path if in_place else copy_path(migration.path, path, out)
        if is_written:
            write_copy(migration, target)
        rows.append(_to_row(migration, target if is_written else None))
    if as_json:
        common.print_json({"files": rows, "problems": problems})
    else:
        _print_report(migrations, rows, problems, diff=diff)
    if problems:
        return FAILED
    return NEGATIVE if check and migrations else DONE


def _read_all(files: list[Path], root: Path) -> tuple[list[Migration], list[str]]:
    """Return what becomes of the files that use the SDK, and what is wrong with those that cannot
    be read.
    """
    migrations = []
    problems = []
    for file in files:
        try:
            migration = migrate_file(file)
        except InvalidArgumentError as error:
            if file == root:
                raise
            problems.append(str(error))
        else:
            migrations += [migration] if migration.findings else []
    return migrations, problems


def _to_row(migration: Migration, target: Path | None) -> dict[str, Any]:
    findings = [
        {"kind": each.kind, "cell": each.cell, "line": each.line, "message": each.message}
        for each in migration.findings
        if each.message
    ]
    return {
        "path": str(migration.path),
        "copy": str(target) if target else None,
        "findings": findings,
    }


def _print_report(
    migrations: list[Migration], rows: list[dict[str, Any]], problems: list[str], *, diff: bool
) -> None:
    """Print what was changed and what is to be done; beside a diff, which goes to stdout alone, to
    stderr.
    """
    say = common.say if diff else print
    for migration, row in zip(migrations, rows, strict=True):
        if diff:
            print(redact(migration.diff()), end="")
        say(f"{migration.path} → {row['copy']}" if row["copy"] else str(migration.path))
        for line in _describe_findings(migration.findings):
            say(f"  {line}")
    for problem in problems:
        common.say(f"qfnb: {problem}")
    kinds = Counter(
        finding.kind
        for migration in migrations
        for finding in migration.findings
        if finding.message
    )
    if not migrations:
        say(tr("Nothing here uses the SDK."))
        return
    changed = trn("{n} change", "{n} changes", kinds["changed"])
    notes = trn("{n} note", "{n} notes", kinds["note"])
    manual = trn("{n} thing to do by hand", "{n} things to do by hand", kinds["manual"])
    say(tr("{changed}, {notes}, {manual}", changed=changed, notes=notes, manual=manual))


def _describe_findings(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line for each message, with all places that it is about."""
    kinds = {"changed": tr("changed"), "note": tr("note"), "manual": tr("by hand")}
    places: dict[tuple[FindingKind, str], list[str]] = {}
    for each in findings:
        cell = tr("code cell {cell}, line {line}", cell=each.cell, line=each.line)
        name = cell if each.cell else tr("line {line}", line=each.line)
        if each.message:
            places.setdefault((each.kind, each.message), []).append(name)
    for (kind, message), names in places.items():
        where = tr(", ").join([*names[:MAX_PLACES], *(["..."] if len(names) > MAX_PLACES else [])])
        yield tr("{where}: {kind}: {message}", where=where, kind=kinds[kind], message=message)
