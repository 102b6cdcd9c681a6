"""Log lines on and off, under the official SDK's names."""

import logging
from logging.handlers import RotatingFileHandler
from typing import Any

TRACE_LEVEL = 5
"""The level of `log_trace`."""

_MAX_BYTES = 100 * 1024 * 1024

logger = logging.getLogger("qfnb")

_formatter = logging.Formatter(
    "[%(levelname)s][%(asctime)s] %(filename)s:%(lineno)d: %(message)s", "%Y-%m-%d %H:%M:%S"
)


def log_info(message: object, *args: object, **params: Any) -> None:
    """Log a message of the level INFO."""
    logger.log(logging.INFO, message, *args, stacklevel=2, **params)


def log_debug(message: object, *args: object, **params: Any) -> None:
    """Log a message of the level DEBUG."""
    logger.log(logging.DEBUG, message, *args, stacklevel=2, **params)


def log_error(message: object, *args: object, **params: Any) -> None:
    """Log a message of the level ERROR."""
    logger.log(logging.ERROR, message, *args, stacklevel=2, **params)


def log_warn(message: object, *args: object, **params: Any) -> None:
    """Log a message of the level WARNING."""
    logger.log(logging.WARNING, message, *args, stacklevel=2, **params)


def log_trace(message: object, *args: object, **params: Any) -> None:
    """Log a message of the level TRACE."""
    logger.log(TRACE_LEVEL, message, *args, stacklevel=2, **params)


def enable_log(log_level: int | str = logging.INFO) -> None:
    """Show log lines of qfnb from this level on, e.g. `"DEBUG"`, where no logging is configured."""
    logger.setLevel(log_level)
    if not logger.hasHandlers():
        _add_handler(logging.StreamHandler())


def disable_log() -> None:
    """Show log lines of the highest level only."""
    logger.setLevel(logging.CRITICAL)


def redirect_log_to_file(file_path: str) -> None:
    """Write log lines into a file instead; of 100 MB, and seven earlier ones, at most."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    _add_handler(
        RotatingFileHandler(file_path, maxBytes=_MAX_BYTES, backupCount=7, encoding="utf-8")
    )


def _add_handler(handler: logging.Handler) -> None:
    handler.setFormatter(_formatter)
    logger.addHandler(handler)
