"""The command line: `qfnb sandbox`, `qfnb probe` and `qfnb doctor`; each command has a module of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import __version__, doctor
from .errors import QianfanError
from .probe import command as probe
from .sandbox import command as sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(prog="qfnb", description="Baidu Qianfan inside Jupyter.")
    parser.add_argument("--version", action="version", version=f"qfnb {__version__}")
    groups = parser.add_subparsers(required=True)
    for command in (doctor, probe, sandbox):
        command.add_parser(groups)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except QianfanError as error:
        print(f"qfnb: {error}", file=sys.stderr)
        return 1
