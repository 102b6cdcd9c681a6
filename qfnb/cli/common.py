"""Options that several commands have."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..base.language import tr
from ..base.text import strip_controls, terminal_cells
from ..errors import InvalidArgumentError
from ..notebook.parser import MagicOption

POLL_S: Final = 0.1
"""Seconds between two looks at a job."""

PLAIN_INTERVAL_S: Final = 15.0
"""Seconds between two lines where stderr is no terminal: a log of an hour has 240."""

BAR_WIDTH: Final = 24


class ProgressStep(NamedTuple):
    """How far a job is: the finished share, None where it is not known, that in words, and what is
    said once.
    """

    share: float | None
    text: str
    notice: str = ""


def follow(is_finished: Callable[[], bool], describe: Callable[[], ProgressStep]) -> None:
    """Show a job until it has finished; an interrupt ends the showing, not the job.

    Args:
        is_finished: returns whether it has ended, well or badly.
        describe: returns how far it is.
    """
    line = _Line()
    notice = ""
    try:
        while not is_finished():
            step = describe()
            if step.notice and not notice:
                notice = step.notice
                line.clear()
                say(strip_controls(notice))
            line.show(step)
            time.sleep(POLL_S)
        line.show(describe())
    finally:
        line.clear()


class _Line:
    """The line that says how far a job is: rewritten on a terminal, else printed again when it has
    changed, every `PLAIN_INTERVAL_S` at most.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._text = ""
        self._printed_at = -PLAIN_INTERVAL_S

    def clear(self) -> None:
        """Remove it from a terminal."""
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, step: ProgressStep) -> None:
        """Say how far the job is."""
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{draw_line(step, width)}\x1b[K", end="", file=sys.stderr, flush=True)
            return
        text = " ".join(strip_controls(step.text).split())
        if text != self._text and time.monotonic() - self._printed_at >= PLAIN_INTERVAL_S:
            say(text)
            self._text = text
            self._printed_at = time.monotonic()


def draw_line(step: ProgressStep, width: int) -> str:
    """Return a bar with its words, at most `width` cells wide."""
    bar = "·" * BAR_WIDTH
    if step.share is not None:
        full = round(BAR_WIDTH * min(max(step.share, 0.0), 1.0))
        bar = "━" * full + "─" * (BAR_WIDTH - full)
    line = f"{bar}  "
    for character in " ".join(strip_controls(step.text).split()):
        if terminal_cells(line + character) > width:
            break
        line += character
    return line.rstrip()


JSON = MagicOption("Print one JSON object to stdout, for programs.", "--json", dest="as_json")
SCHEMA = MagicOption(
    "A JSON Schema; each answer is an object that fits it.", "--schema", "FILE", parse=Path
)


def read_schema(path: Path) -> dict[str, Any]:
    """Return the JSON Schema in a file.

    Raises:
        InvalidArgumentError: it cannot be read.
    """
    try:
        schema = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        reason: object = error.strerror
    except ValueError as error:
        reason = error
    else:
        if isinstance(schema, dict):
            return schema
        reason = tr("it holds no object")
    raise InvalidArgumentError(
        tr("--schema {path}: cannot be read: {reason}", path=path, reason=reason)
    )


def print_json(value: Mapping[str, Any]) -> None:
    """Print an object as JSON, one line; NaN and infinity are null."""
    text = json.dumps(value, default=str)
    cleaned = json.loads(text, parse_constant=lambda _: None)
    print(json.dumps(cleaned, ensure_ascii=False))


def say(text: str) -> None:
    """Print a message for the person at the terminal to stderr; stdout has results only."""
    print(text, file=sys.stderr, flush=True)


def sandbox_mark(*, is_sandbox: bool) -> str:
    """Return the mark of what came from the local sandbox, "" for what did not."""
    from ..views import components  # noqa: PLC0415

    if is_sandbox:
        return f"[{tr(components.SANDBOX_MARK)}]"
    return ""
