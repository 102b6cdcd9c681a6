"""Options that several commands have."""

from __future__ import annotations

import json
import math
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
    show = _rewrite if sys.stderr.isatty() else _PlainLines()
    notice = ""
    try:
        while not is_finished():
            step = describe()
            if step.notice and not notice:
                notice = step.notice
                _print_line(notice)
            show(step)
            time.sleep(POLL_S)
        show(describe())
    finally:
        _print_line("")


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


def _print_line(text: str) -> None:
    """Print a line in place of the bar, "" for none."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if text:
        sys.stderr.write(f"{strip_controls(text)}\n")
    sys.stderr.flush()


def _rewrite(step: ProgressStep) -> None:
    line = draw_line(step, shutil.get_terminal_size().columns - 1)
    print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)


class _PlainLines:
    """Prints a line when it differs from the last one, every `PLAIN_INTERVAL_S` at most."""

    def __init__(self) -> None:
        self._line = ""
        self._printed_at = -PLAIN_INTERVAL_S

    def __call__(self, step: ProgressStep) -> None:
        line = " ".join(strip_controls(step.text).split())
        if line != self._line and time.monotonic() - self._printed_at >= PLAIN_INTERVAL_S:
            say(line)
            self._line = line
            self._printed_at = time.monotonic()


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
    """Print an object as JSON, one line; NaN is null."""
    cleaned = {
        name: None if isinstance(item, float) and math.isnan(item) else item
        for name, item in value.items()
    }
    print(json.dumps(cleaned, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """Print a message for the person at the terminal to stderr; stdout has results only."""
    print(text, file=sys.stderr, flush=True)


def sandbox_mark(*, is_sandbox: bool) -> str:
    """Return the mark of what came from the local sandbox, "" for what did not."""
    from ..views import components  # noqa: PLC0415

    if is_sandbox:
        return f"[{tr(components.SANDBOX_MARK)}]"
    return ""
