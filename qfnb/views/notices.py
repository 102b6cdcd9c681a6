"""Remarks with which nothing is wrong, as one grey line in a notebook; in a terminal they stay
lines of the log.
"""

import logging
import sys

from .._notices import LOGGER


class NoticeHandler(logging.Handler):
    """Shows remarks in the cell that runs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a remark."""
        from . import components, display  # noqa: PLC0415 - `import qfnb` stays fast

        if display.display_mode() == "text":
            if not logging.getLogger("qfnb").hasHandlers():  # as Python itself does
                sys.stderr.write(f"{record.getMessage()}\n")
            return
        text = record.getMessage()
        display.publish(
            {"text/plain": text, "text/html": components.output(components.dim_lines(text))}
        )


def register() -> None:
    """Show remarks in this process; repeated calls have no effect."""
    if not LOGGER.handlers:
        LOGGER.addHandler(NoticeHandler())


def unregister() -> None:
    """Leave remarks to the log."""
    LOGGER.handlers.clear()
