"""`qfnb migrate`: code for the official SDK becomes code for qfnb, in a copy."""

import ast
import difflib
import io
import json
import os
import re
import shutil
import tokenize
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .._command_line import DONE, FAILED, NEGATIVE, Command, Word
from ..base.language import tr, tr_noop, trn
from ..base.private_files import write_atomically
from ..errors import InvalidArgumentError
from ..notebook.parser import MagicOption
from ..redact import redact
from . import common

try:
    from ..compat import codemod
except ModuleNotFoundError as error:
    raise InvalidArgumentError(
        tr("qfnb migrate needs LibCST: pip install 'qfnb[migrate]'")
    ) from error

MAX_PLACES: Final = 5
"""Places that are named of one message."""

_SKIPPED: Final = frozenset(["__pycache__", "node_modules", "site-packages"])
_PYTHON_MAGIC: Final = re.compile(r"\s*%%(capture|debug|prun|time|timeit)\b")
_MAGIC: Final = re.compile(r"\s*(%|!|\?)|[\w, ]+=\s*[%!]|\s*[\w.]+\?+\s*$")
_SDK_NAME: Final = re.compile(r"(?<![\w.'\"/])qianfan(?=\.\w)")
_HIDDEN: Final = re.compile(r"(?:pass  )?# qfnb-hidden (\d+)$", re.MULTILINE)
_CELL: Final = "\n# qfnb-cell\n"


@dataclass(frozen=True)
class Migration:
    """What becomes of a file: the bytes of its copy, findings (code cell, line, kind, message), and
    the texts of its module or cells before and after.
    """

    path: Path
    content: bytes
    findings: list[tuple[int, int, str, str]]
    changes: list[tuple[str, str]]

    def diff(self) -> str:
        """Return the changes as a unified diff."""
        lines: list[str] = []
        for before, after in self.changes:
            pair = (before.splitlines(), after.splitlines())
            lines += difflib.unified_diff(*pair, str(self.path), str(self.path), lineterm="")
        return "".join(f"{line}\n" for line in lines)


def migrate_file(path: Path) -> Migration:
    """Return the rewritten module or notebook; nothing is written.

    Raises:
        InvalidArgumentError: it is neither, or has no Python that can be parsed.
    """
    try:
        if path.suffix == ".ipynb":
            return _migrate_notebook(path, path.read_bytes())
        if path.suffix == ".py":
            return _migrate_module(path, path.read_bytes())
    except SyntaxError as error:
        problem = _explain(error)
        raise InvalidArgumentError(tr("{path}, {problem}", path=path, problem=problem)) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        message = tr("{path}: cannot be read: {reason}", path=path, reason=reason)
        raise InvalidArgumentError(message) from None
    raise InvalidArgumentError(
        tr("{path}: must be a module (.py), a notebook (.ipynb) or a folder", path=path)
    )


def _explain(error: SyntaxError) -> str:
    return tr("line {line}: no valid Python: {reason}", line=error.lineno or 1, reason=error.msg)


def _migrate_module(path: Path, content: bytes) -> Migration:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    before = content.decode(encoding)
    after, findings = codemod.rewrite(before)
    rows = [(0, *finding) for finding in findings]
    return Migration(
        path, after.encode(encoding), rows, [(before, after)] if after != before else []
    )


def _migrate_notebook(path: Path, content: bytes) -> Migration:
    """Migrate the cells as one module, since they share their names; lines that are no Python are
    hidden meanwhile.
    """
    notebook = json.loads(content)
    is_notebook = isinstance(notebook, dict) and isinstance(notebook.get("cells"), list)
    if not is_notebook:
        raise ValueError(tr("it is no notebook of format 4: open and save it in Jupyter first"))
    cells = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    hidden: list[str] = []
    rows: list[tuple[int, int, str, str]] = []
    sources = []
    firsts = [1]
    for number, cell in enumerate(cells, 1):
        lines = "".join(cell.get("source", "")).split("\n")
        source = _hide_magics(lines, hidden)
        try:
            ast.parse(source)
        except SyntaxError as error:
            if any(codemod.SDK in line for line in lines):
                message = tr("{problem}; the cell stays as it is", problem=_explain(error))
                rows.append((number, error.lineno or 1, "manual", message))
            source = "\n".join(_hide(line, hidden) for line in lines)
        sources.append(source)
        firsts.append(firsts[-1] + len(lines) + 1)
    module, findings = codemod.rewrite(_CELL.join(sources))
    for line, kind, message in findings:
        number = sum(first <= line for first in firsts)
        rows.append((number, line - firsts[number - 1] + 1, kind, message))
    changes = []
    for cell, rewritten in zip(cells, module.split(_CELL), strict=bool(cells)):
        before = "".join(cell.get("source", ""))
        after = _HIDDEN.sub(lambda match: _rename(hidden[int(match[1])]), rewritten)
        if findings and after != before:
            changes.append((before, after))
            is_list = isinstance(cell["source"], list)
            cell["source"] = after.splitlines(keepends=True) if is_list else after
    return Migration(path, _dump(notebook, content) if changes else content, sorted(rows), changes)


def _dump(notebook: dict[str, Any], content: bytes) -> bytes:
    """Return a notebook as JSON, indented and escaped as it was."""
    text = content.decode("utf-8-sig")
    indent = re.match(r"\{\s*?\n([ \t]*)", text)
    dumped = json.dumps(notebook, ensure_ascii=text.isascii(), indent=indent[1] if indent else None)
    return (dumped + ("\n" if text.endswith("\n") else "")).encode()


def _hide_magics(lines: list[str], hidden: list[str]) -> str:
    """Return the source of a cell in which lines that are IPython's are comments."""
    source = "\n".join(lines)
    magic = source.lstrip().partition("\n")[0]
    if magic.startswith("%%") and not _PYTHON_MAGIC.match(magic):
        return "\n".join(_hide(line, hidden) for line in lines)
    rows = []
    is_continued = False
    for line in lines:
        is_magic = is_continued or _MAGIC.match(line) is not None
        if not is_magic:
            rows.append(line)
        elif is_continued or line.startswith("%%"):
            rows.append(_hide(line, hidden))
        else:
            rows.append(_hide(line, hidden, "pass  "))
        is_continued = is_magic and line.endswith("\\")
    return "\n".join(rows)


def _hide(line: str, hidden: list[str], keyword: str = "") -> str:
    text = line.lstrip()
    hidden.append(text)
    return f"{line.removesuffix(text)}{keyword}# qfnb-hidden {len(hidden) - 1}"


def _rename(line: str) -> str:
    if line.startswith("%"):
        return _SDK_NAME.sub("qfnb", line)
    return line


def list_files(path: Path) -> Iterator[Path]:
    """Yield a file, or the modules and notebooks below a folder, without environments and hidden
    folders.

    Raises:
        InvalidArgumentError: there is no such file or folder.
    """
    if not path.exists():
        raise InvalidArgumentError(tr("{path}: there is no such file or folder", path=path))
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not _is_skipped(Path(folder, name)))
        yield from (
            Path(folder, name) for name in sorted(files) if name.endswith((".py", ".ipynb"))
        )


def _is_skipped(folder: Path) -> bool:
    is_environment = (folder / "pyvenv.cfg").exists()
    return folder.name.startswith(".") or folder.name in _SKIPPED or is_environment


def copy_path(file: Path, root: Path, out: Path | None) -> Path:
    """Return where the copy of a file goes.

    Args:
        file: the file.
        root: what the user named: the file, or a folder above it.
        out: a folder for the copies, or the name of the copy; None for a name beside `root`.
    """
    if file == root:
        if out is None:
            return file.with_name(f"{file.stem}_qfnb{file.suffix}")
        if out.suffix == file.suffix:
            return out
        return out / file.name
    beside = root.resolve().with_name(f"{root.resolve().name}_qfnb")
    return (out or beside) / file.relative_to(root)


def write_copy(migration: Migration, target: Path) -> None:
    """Write the copy of a file.

    Raises:
        InvalidArgumentError: a file with other content is there, or the copy cannot be written.
    """
    if target != migration.path and target.exists() and target.read_bytes() != migration.content:
        raise InvalidArgumentError(
            tr("{path} exists already: delete it, or name another with --out", path=target)
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(target) as file:
        file.write(migration.content)
        shutil.copymode(migration.path, file.name)


def migrate(options: Namespace) -> int:
    """Migrate files; return the exit code.

    Raises:
        InvalidArgumentError: there is no such file, or it is no module or notebook; nothing was
            written.
    """
    if options.in_place and options.out is not None:
        raise InvalidArgumentError(tr("--in-place and --out: only one of them can be used"))
    path = Path(options.path)
    migrations, problems = _read_all(path)
    targets: dict[Path, Path] = {}
    for migration in migrations:
        if migration.changes and not (options.diff or options.check):
            target = migration.path
            if not options.in_place:
                target = copy_path(migration.path, path, options.out)
            write_copy(migration, target)
            targets[migration.path] = target
    _print_report(migrations, targets, problems, diff=options.diff)
    if problems:
        return FAILED
    if options.check and migrations:
        return NEGATIVE
    return DONE


def _read_all(root: Path) -> tuple[list[Migration], list[str]]:
    """Return the rewritten files that use the SDK, and the errors of those that cannot be read."""
    migrations = []
    problems = []
    for file in list_files(root):
        try:
            migration = migrate_file(file)
        except InvalidArgumentError as error:
            if file == root:
                raise
            problems.append(str(error))
            continue
        if migration.findings:
            migrations.append(migration)
    return migrations, problems


def _print_report(
    migrations: list[Migration], targets: dict[Path, Path], problems: list[str], *, diff: bool
) -> None:
    """Print what was changed and what is to be done, each message with the lines that it is about;
    beside a diff, which goes to stdout alone, to stderr.
    """
    say = common.say if diff else print
    kinds = {"changed": tr("changed"), "note": tr("note"), "manual": tr("by hand")}
    counts: Counter[str] = Counter()
    for migration in migrations:
        if diff:
            print(redact(migration.diff()), end="")
        target = targets.get(migration.path)
        say(f"{migration.path} → {target}" if target else str(migration.path))
        lines: dict[tuple[str, str], list[str]] = {}
        for cell, line, kind, message in migration.findings:
            name = tr("line {line}", line=line)
            if cell:
                name = tr("code cell {cell}, line {line}", cell=cell, line=line)
            lines.setdefault((kind, message), []).append(name)
            counts[kind] += 1
        for (kind, message), names in lines.items():
            shown = names[:MAX_PLACES] + ["..."] * (len(names) > MAX_PLACES)
            where = tr(", ").join(shown)
            text = tr("{where}: {kind}: {message}", where=where, kind=kinds[kind], message=message)
            say(f"  {text}")
    for problem in problems:
        common.say(f"qfnb: {problem}")
    if not migrations:
        say(tr("Nothing here uses the SDK."))
        return
    changed = trn("{n} change", "{n} changes", counts["changed"])
    notes = trn("{n} note", "{n} notes", counts["note"])
    manual = trn("{n} thing to do by hand", "{n} things to do by hand", counts["manual"])
    say(tr("{changed}, {notes}, {manual}", changed=changed, notes=notes, manual=manual))


COMMAND = Command(
    migrate,
    [
        MagicOption("Where the copy goes (NAME_qfnb).", "--out", "PATH", "-o", parse=Path),
        MagicOption("Change the files themselves.", "--in-place"),
        MagicOption("Print the changes as a diff; write nothing.", "--diff"),
        MagicOption("Write nothing; exit code 3 where a file still uses the SDK.", "--check"),
    ],
    [Word("path", "PATH", tr_noop("A module, a notebook, or a folder of them."))],
)
