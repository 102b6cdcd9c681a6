"""Compiles the message catalogues when the package is built or installed."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MessageCatalogues(BuildHookInterface):
    """Writes a .mo beside each .po before files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile every language.

        Not by `pybabel compile`: it takes a catalogue without a header for a doubtful one, and leaves it out.
        """
        for path in Path(self.root).glob("qfnb/locale/*/LC_MESSAGES/*.po"):
            with path.open("rb") as source, path.with_suffix(".mo").open("wb") as compiled:
                write_mo(compiled, read_po(source, locale=path.parts[-3]))
