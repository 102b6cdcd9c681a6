"""The progress of a job on stderr: one line that changes on a terminal, else a line now and
then.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from ..base.text import strip_controls, terminal_cells

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
    if sys.stderr.isatty():
        show = _rewrite
    else:
        show = _PlainLines()
    has_notice = False
    try:
        while not is_finished():
            step = describe()
            if step.notice and not has_notice:
                has_notice = True
                _print_line(step.notice)
            show(step)
            time.sleep(POLL_S)
        show(describe())
    finally:
        _print_line("")


def draw_line(step: ProgressStep, width: int) -> str:
    """Return a bar with its words, at most `width` cells wide."""
    if step.share is None:
        full = BAR_WIDTH
        bar = "·" * BAR_WIDTH
    else:
        full = round(BAR_WIDTH * min(max(step.share, 0.0), 1.0))
        bar = "━" * full + "─" * (BAR_WIDTH - full)
    line = f"{bar}  "
    text = " ".join(strip_controls(step.text).split())
    for character in text:
        if terminal_cells(line + character) > width:
            break
        line += character
    return line.rstrip()


def _print_line(text: str) -> None:
    """Print a line in place of the bar, "" for none."""
    if sys.stderr.isatty():
        bar = "\r\x1b[K"
    else:
        bar = ""
    if text:
        line = f"{strip_controls(text)}\n"
    else:
        line = ""
    sys.stderr.write(f"{bar}{line}")
    sys.stderr.flush()


def _rewrite(step: ProgressStep) -> None:
    line = draw_line(step, shutil.get_terminal_size().columns - 1)
    sys.stderr.write(f"\r{line}\x1b[K")
    sys.stderr.flush()


class _PlainLines:
    """Prints a line when it differs from the last one, every `PLAIN_INTERVAL_S` at most."""

    def __init__(self) -> None:
        self._line = ""
        self._printed_at = -PLAIN_INTERVAL_S

    def __call__(self, step: ProgressStep) -> None:
        line = " ".join(strip_controls(step.text).split())
        if line != self._line and time.monotonic() - self._printed_at >= PLAIN_INTERVAL_S:
            print(line, file=sys.stderr, flush=True)
            self._line = line
            self._printed_at = time.monotonic()
