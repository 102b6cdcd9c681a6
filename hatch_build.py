"""Compiles the message catalogues when the package is built or installed."""

from pathlib import Path
from typing import Any

from babel.messages.frontend import CommandLineInterface
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MessageCatalogues(BuildHookInterface):
    """Writes a .mo beside each .po before files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile every language."""
        locale = str(Path(self.root) / "qfnb" / "locale")
        CommandLineInterface().run(["pybabel", "--quiet", "compile", "--directory", locale, "--domain", "qfnb"])
