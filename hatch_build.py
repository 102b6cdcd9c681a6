"""Compiles the message catalogues when the package is built or installed, and prepares its
description.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(
    r" ?!\[[^\]]*\]\((?!https?:)[^)]*\)|^\[中文\]\(README.zh.md\)\n\n", re.MULTILINE
)
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)")


class MessageCatalogues(BuildHookInterface):
    """Writes a .mo beside each .po before files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile every language.

        Not by `pybabel compile`: it takes a catalogue without a header for a doubtful one, and
        leaves it out.
        """
        from babel.messages.mofile import write_mo  # noqa: PLC0415 - the description is read before it is installed
        from babel.messages.pofile import read_po  # noqa: PLC0415

        for path in Path(self.root).glob("qfnb/locale/*/LC_MESSAGES/*.po"):
            with path.open("rb") as source, path.with_suffix(".mo").open("wb") as compiled:
                write_mo(compiled, read_po(source, locale=path.parts[-3]))


class Description(MetadataHookInterface):
    """Makes the package's description of README.md; a package index has none of the repository's
    files.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the description: pictures of the repository are left out, links into it are their
        words.
        """
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = _LINK.sub(r"\1", _PICTURE.sub("", text))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
