"""How numbers, times and costs are written: one format for each, in the user's language; and text
from models, servers and data files, made inert before it is drawn: escaped, cleaned, cut.
"""

from __future__ import annotations

import html as entities
import time
from typing import Any, Final

from ..base.language import tr, tr_noop, trn
from ..base.text import clip, diff_texts, duration, strip_controls as strip_controls
from ..wire.prices import PriceRange

MIN_SHARED: Final = 0.4
"""Share of two texts that must be the same for their differences to be marked: below, all would be
marked.
"""

CONTEXT_CHARS: Final = 40
"""Equal characters that are kept before and after a difference, in long texts."""

UNKNOWN_PRICE = tr_noop("price unknown")
FREE = tr_noop("free")


def cost(price: PriceRange | None, *, is_free: bool = False) -> str:
    """Return a cost in CNY: `¥12.40`, `¥0.0033`, `¥0.20–0.25`, "price unknown"; "free" for the
    sandbox.

    Where a budget is rehearsed on the sandbox there is a price: `free (¥0.0033 by list price)`.
    """
    if is_free and not (price and price.high):
        return tr(FREE)
    if price is None:
        return tr(UNKNOWN_PRICE)
    low = _yuan(price.low)
    high = _yuan(price.high)
    if low == high:
        amount = f"¥{high}"
    else:
        amount = f"¥{low}–{high}"
    if is_free:
        return tr("free ({cost} by list price)", cost=amount)
    return amount


def _yuan(amount: float) -> str:
    """Return an amount with two decimals; below one fen with two significant digits."""
    if amount == 0:
        return "0"
    if amount >= 0.01:
        return f"{amount:,.2f}"
    if amount >= 1e-4:
        return f"{amount:.2g}"
    return f"{amount:.6f}".rstrip("0")


def compact(count: float) -> str:
    """Return a count for a remark: `860`, `2.2k`, `1.3M`."""
    for limit, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= limit:
            return f"{count / limit:.1f}{unit}"
    return f"{count:g}"


def rate(rows_per_second: float | None) -> str:
    """Return a speed, `8.2 rows/s`; "" where it is not known."""
    if rows_per_second is None:
        return ""
    return tr("{rate} rows/s", rate=f"{rows_per_second:.1f}")


def seconds(value: float) -> str:
    """Return a time: `0.48 s` below ten seconds, else in at most two units."""
    if value >= 10:
        return duration(value)
    return tr("{seconds} s", seconds=f"{value:.1f}" if value >= 1 else f"{value:.2f}")


def when(timestamp: float, now: float) -> str:
    """Return a time: with its date when it was not today, and the date alone when it was not this
    year.
    """
    moment = time.localtime(timestamp)
    today = time.localtime(now)
    form = "%Y-%m-%d"
    if moment[0] == today[0]:
        form = "%m-%d %H:%M"
    if moment[:3] == today[:3]:
        form = "%H:%M"
    return time.strftime(form, moment)


def as_of(timestamp: float) -> str:
    """Return when a saved state was true: `As of 10:42:07`."""
    return tr("As of {time}", time=time.strftime("%H:%M:%S", time.localtime(timestamp)))


def escape(text: object) -> str:
    """Return text that is inert inside HTML, attributes included."""
    return entities.escape(strip_controls(text), quote=True)


NO_FORMULAS: Final = 'class="mathjax_ignore tex2jax_ignore"'
FORMULA: Final = 'class="mathjax_process tex2jax_process"'
"""Attributes of elements in which a page typesets no formulas, and of a formula within; MathJax 3
and 2 read them.
"""


def without_formulas(html: str) -> str:
    """Return HTML in which a page typesets only elements with `FORMULA`: TeX can draw links and
    styles.
    """
    if html.startswith(f"<div {NO_FORMULAS}>"):
        return html
    return f"<div {NO_FORMULAS}>{html}</div>"


def inert(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return a bundle whose HTML is `without_formulas`."""
    if bundle.get("text/html"):
        return bundle | {"text/html": without_formulas(bundle["text/html"])}
    return bundle


def dotted(*texts: str) -> str:
    """Return texts in one line with dots between them; empty ones are left out."""
    return " · ".join(filter(None, texts))


def one_line(value: object, limit: int) -> str:
    """Return text on one line, cut when it is long."""
    return clip(" ".join(strip_controls(value).split()), limit)


def mark_difference(expected: str, text: str, max_chars: int) -> str:
    """Return a text as HTML, with what it has more than the expected one, and what it lacks,
    marked.

    Nothing is marked where the texts are equal or have less than `MIN_SHARED` in common. Of a long
    text the parts around differences are shown.
    """
    expected = strip_controls(expected)
    text = strip_controls(text)
    if expected and expected != text:
        edits = diff_texts(expected, text)
    else:
        edits = []
    shared = 2 * sum(len(part) for kind, part in edits if kind == "equal")
    if shared < MIN_SHARED * (len(expected) + len(text)) or not edits:
        return escape(cut_text(text, max_chars))
    tags = {"equal": "{}", "insert": "<ins>{}</ins>", "delete": "<del>{}</del>"}
    remaining = max_chars
    marked = ""
    for kind, part in edits:
        shown = part
        hidden = len(part) - 2 * CONTEXT_CHARS
        if kind == "equal" and hidden > CONTEXT_CHARS and len(text) > max_chars:
            shown = f"{part[:CONTEXT_CHARS]}… (+{hidden:,}) …{part[-CONTEXT_CHARS:]}"
        if remaining > 0:
            marked += tags[kind].format(escape(cut_text(shown, remaining)))
        remaining -= len(shown)
    return marked


def cut_text(text: str, max_chars: int) -> str:
    """Return a text of at most `max_chars` characters and the number of those that were cut off."""
    if len(text) <= max_chars:
        return text
    hidden = len(text) - max_chars
    return f"{text[:max_chars]}… ({trn('{n} character more', '{n} characters more', hidden)})"
