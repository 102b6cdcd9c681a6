"""The message catalogues: `make messages` collects what the code says; translators fill in the .po
files.

A message that is no longer said leaves its catalogue; a changed one is marked fuzzy until it is
translated again.
"""

from __future__ import annotations

import ast
import functools
import os
from pathlib import Path
from typing import TypeGuard

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "qfnb"
SANDBOX = ROOT / "qianfan_sandbox"
ARGUMENTS = {"tr": 1, "tr_noop": 1, "trn": 2, "MagicOption": 1}
"""Functions that take messages -> how many of their first arguments are one."""


@functools.cache
def extract_template() -> Catalog:
    """Return every message of the code, with the files that say it.

    Babel's own extractor does not see calls within f-strings before Python 3.12.
    """
    template = Catalog()
    for path in sorted([*PACKAGE.rglob("*.py"), *SANDBOX.rglob("*.py")]):
        for call in filter(_is_message, ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
            texts = [argument.value for argument in call.args[: ARGUMENTS[call.func.id]]]
            template.add(
                tuple(texts) if len(texts) > 1 else texts[0],
                locations=[(path.relative_to(ROOT).as_posix(), 0)],
            )
    return template


def _is_message(node: ast.AST) -> TypeGuard[ast.Call]:
    if (
        not isinstance(node, ast.Call)
        or not isinstance(node.func, ast.Name)
        or node.func.id not in ARGUMENTS
    ):
        return False
    # tr(LABELS[x]): marked where it stands
    return bool(node.args) and isinstance(node.args[0], ast.Constant)


def catalogue_path(language: str) -> Path:
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "qfnb.po"


def read_catalogue(language: str) -> Catalog:
    """Return a catalogue as it is in its file; an empty one where there is no file."""
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update_catalogue(language: str) -> Catalog:
    """Merge the messages of the code into a catalogue, and write it."""
    catalogue = read_catalogue(language)
    catalogue.update(extract_template(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    path = catalogue_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(
            file, catalogue, width=120, sort_output=True, include_lineno=False, omit_header=True
        )
    return catalogue


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the messages of the code that a catalogue does not translate, or only doubtfully."""
    missing = []
    for message in extract_template():
        key = message.id[0] if isinstance(message.id, tuple) else message.id
        translation = catalogue.get(key)
        if key and (
            translation is None or translation.fuzzy or not all(_strings(translation.string))
        ):
            missing.append(key)
    return missing


def _strings(value: object) -> list[str]:
    return list(value) if isinstance(value, (tuple, list)) else [str(value or "")]


def compile_stale_catalogue(language: str = "zh") -> None:
    """Compile a catalogue that is newer than what was compiled from it, as in a checkout that is
    not installed.
    """
    source = catalogue_path(language)
    compiled = source.with_suffix(".mo")
    if compiled.exists() and compiled.stat().st_mtime >= source.stat().st_mtime:
        return
    # several processes of a test run may do this at once
    draft = compiled.with_suffix(f".{os.getpid()}")
    with draft.open("wb") as file:
        write_mo(file, read_catalogue(language))
    draft.replace(compiled)


def main() -> None:
    missing = untranslated(update_catalogue("zh"))
    compile_stale_catalogue()
    print(*missing, sep="\n")
    print(f"{len(missing)} messages without a Chinese translation")


if __name__ == "__main__":
    main()
