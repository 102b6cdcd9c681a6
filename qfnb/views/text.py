"""Words that several panels have in common: a line of text, a span of time."""

from __future__ import annotations

from .escape import strip_controls


def one_line(value: object, limit: int) -> str:
    """Return text on one line, cut when it is long."""
    text = " ".join(strip_controls(value).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def duration(seconds: float) -> str:
    """Return a span of time in at most two units."""
    whole_seconds = max(0, int(seconds))
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    if whole_seconds < 3600:
        return f"{whole_seconds // 60} min {whole_seconds % 60:02d} s"
    return f"{whole_seconds // 3600} h {whole_seconds % 3600 // 60:02d} min"
