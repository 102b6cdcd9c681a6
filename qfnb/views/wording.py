"""Words that several panels have in common: a line of text, a span of time."""

from __future__ import annotations

from .safety import plain


def clipped(value: object, most: int) -> str:
    """Return text on one line, cut when it is long."""
    text = " ".join(plain(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def span(seconds: float) -> str:
    """Return a span of time in at most two units."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
