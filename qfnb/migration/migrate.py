"""A file of code for the SDK, and its copy for qfnb."""

import difflib
import io
import json
import os
import re
import shutil
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..base.language import tr
from ..base.private_files import write_atomically
from ..errors import InvalidArgumentError
from .calls import review_calls
from .imports import rewrite_imports, rewrite_references
from .program import SDK, Program
from .settings import review_settings, review_shell_lines
from .unit import Finding, Unit, apply_edits, read_cell

NOTEBOOK: Final = ".ipynb"
SUFFIXES: Final = frozenset([".py", NOTEBOOK])
COPY_MARK: Final = "_qfnb"
"""What the name of a copy ends with, before the suffix."""

_SKIPPED: Final = frozenset(["__pycache__", "node_modules", "site-packages"])

MAX_FILE_BYTES: Final = 50_000_000


@dataclass(frozen=True)
class Migration:
    """What becomes of a file.

    Attributes:
        path: of the file.
        content: of the copy, in bytes.
        findings: in the order of the lines.
        changed_units: text of a module or cell before and after, with the number of the code cell.
    """

    path: Path
    content: bytes
    findings: tuple[Finding, ...] = ()
    changed_units: tuple[tuple[int | None, str, str], ...] = ()

    def diff(self) -> str:
        """Return the changes as a unified diff, for a notebook cell by cell."""
        parts = []
        for cell, before, after in self.changed_units:
            name = (
                tr("{path}, code cell {cell}", path=self.path, cell=cell)
                if cell
                else str(self.path)
            )
            lines = difflib.unified_diff(_lines(before), _lines(after), name, name)
            parts.append("".join(line if line.endswith("\n") else line + "\n" for line in lines))
        return "".join(parts)


def migrate(path: Path) -> Migration:
    """Return what becomes of a module or notebook; nothing is written.

    Raises:
        InvalidArgumentError: it is no module or notebook, or has no Python that can be parsed.
    """
    content = _read(path)
    if path.suffix == NOTEBOOK:
        return _migrate_notebook(path, content)
    text, encoding = _decode(path, content)
    unit = Unit(text, text)
    try:
        unit.tree  # noqa: B018 - parsed here, where the error is explained
    except (SyntaxError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(
            tr("{path}, {problem}", path=path, problem=_explain_syntax(error))
        ) from None
    findings = _review([unit])
    after = _apply(unit, findings)
    return Migration(
        path, after.encode(encoding), findings, ((None, text, after),) if after != text else ()
    )


def _read(path: Path) -> bytes:
    if path.suffix not in SUFFIXES:
        raise InvalidArgumentError(
            tr("{path}: must be a module (.py), a notebook (.ipynb) or a folder", path=path)
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidArgumentError(
                tr("{path}: is larger than 50 MB; clear the outputs first", path=path)
            )
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(
            tr("{path}: cannot be read: {reason}", path=path, reason=error.strerror or error)
        ) from None


def _decode(path: Path, content: bytes) -> tuple[str, str]:
    """Return a module's text with its line ends, and its encoding."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding), encoding
    except (SyntaxError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(
            tr("{path}: cannot be read: {reason}", path=path, reason=error)
        ) from None


def _explain_syntax(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    reason = getattr(error, "msg", None) or error
    return tr("line {line}: no valid Python: {reason}", line=line or 1, reason=reason)


def _migrate_notebook(path: Path, content: bytes) -> Migration:
    notebook = _parse_notebook(path, content)
    cells = [
        cell
        for cell in notebook["cells"]
        if isinstance(cell, dict) and cell.get("cell_type") == "code"
    ]
    units = [read_cell(_source(cell), number) for number, cell in enumerate(cells, 1)]
    readable = []
    problems = []
    for unit in units:
        try:
            unit.tree  # noqa: B018
        except (SyntaxError, ValueError, RecursionError) as error:
            message = tr("{problem}; the cell stays as it is", problem=_explain_syntax(error))
            problems.append(
                Finding("manual", message, getattr(error, "lineno", None) or 1, unit.cell)
            )
        else:
            readable.append(unit)
    if problems and not readable:
        raise InvalidArgumentError(
            f"{path}, {tr('code cell {cell}', cell=1)}, {problems[0].message}"
        )
    mentioned = [problem for problem in problems if SDK in units[(problem.cell or 1) - 1].text]
    findings = tuple(
        sorted([*_review(readable), *mentioned], key=lambda each: (each.cell or 0, each.line))
    )
    changes = [(unit.cell, unit.text, _apply(unit, findings)) for unit in readable]
    changes = [(cell, before, after) for cell, before, after in changes if before != after]
    for number, _, after in changes:
        cell = cells[(number or 1) - 1]
        cell["source"] = _lines(after) if isinstance(cell["source"], list) else after
    return Migration(
        path, _dump(notebook, content) if changes else content, findings, tuple(changes)
    )


def _parse_notebook(path: Path, content: bytes) -> dict[str, Any]:
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(
            tr("{path}: is no notebook: {reason}", path=path, reason=error)
        ) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise InvalidArgumentError(tr("{path}: is no notebook: it has no nbformat", path=path))
    if notebook["nbformat"] < 4 or not isinstance(notebook.get("cells"), list):
        raise InvalidArgumentError(
            tr(
                "{path}: is a notebook of format {version}: open and save it in Jupyter first",
                path=path,
                version=notebook["nbformat"],
            )
        )
    metadata = notebook.get("metadata") or {}
    language = (metadata.get("kernelspec") or {}).get("language") or (
        metadata.get("language_info") or {}
    ).get("name")
    if language not in {None, "python", "ipython"}:
        raise InvalidArgumentError(
            tr("{path}: is a notebook of {language}, not of Python", path=path, language=language)
        )
    return notebook


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(map(str, source))


def _dump(notebook: dict[str, Any], content: bytes) -> bytes:
    """Return a notebook as JSON, indented and escaped as it was."""
    text = content.decode("utf-8-sig")
    indent = re.match(r"\{\s*?\n([ \t]*)", text)
    dumped = json.dumps(notebook, ensure_ascii=text.isascii(), indent=indent[1] if indent else None)
    return (dumped + ("\n" if text.endswith("\n") else "")).encode()


def _review(units: list[Unit]) -> tuple[Finding, ...]:
    """Return the findings of a program, each message once for a line; none where it does not use
    the SDK.
    """
    program = Program(units)
    if not program.aliases and not any(
        SDK in unit.lines[number - 1] for unit in units for number in unit.shell_lines
    ):
        return ()
    findings = dict.fromkeys(finding for unit in units for finding in _review_unit(program, unit))
    return tuple(sorted(findings, key=lambda each: (each.cell or 0, each.line)))


def _review_unit(program: Program, unit: Unit) -> Iterator[Finding]:
    for rule in (
        rewrite_imports,
        rewrite_references,
        review_calls,
        review_settings,
        review_shell_lines,
    ):
        yield from rule(program, unit)


def _apply(unit: Unit, findings: tuple[Finding, ...]) -> str:
    return apply_edits(
        unit.text, (edit for each in findings if each.cell == unit.cell for edit in each.edits)
    )


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


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
        yield from (Path(folder, name) for name in sorted(files) if Path(name).suffix in SUFFIXES)


def _is_skipped(folder: Path) -> bool:
    return (
        folder.name.startswith(".") or folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists()
    )


def copy_path(file: Path, root: Path, out: Path | None) -> Path:
    """Return where the copy of a file goes.

    Args:
        file: the file.
        root: what the user named: the file, or a folder above it.
        out: a folder for the copies, or the name of the copy; None for a name beside `root`.
    """
    if file == root:
        if out is None:
            return file.with_name(f"{file.stem}{COPY_MARK}{file.suffix}")
        return out if out.suffix == file.suffix else out / file.name
    return (
        out or root.resolve().with_name(f"{root.resolve().name}{COPY_MARK}")
    ) / file.relative_to(root)


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
