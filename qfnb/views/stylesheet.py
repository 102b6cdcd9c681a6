"""The stylesheet `look.css`: whole for a page with live outputs, and for one static output the
rules that it may use.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from hashlib import blake2s
from importlib.resources import files
from typing import Final

ROOT: Final = ".qf.qf.qf"
"""The selector around all rules of the sheet."""

_STATEMENT: Final = re.compile(r"[^{};]+(?:;|\{(?:[^{}]|\{[^{}]*\})*\})")
_UNMATCHED: Final = re.compile(r":not\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]|::?[\w-]+|\.jp-[\w-]+")
_OUTERMOST: Final = re.compile(r"&\s?([^\s{]+)")
_NAME: Final = re.compile(r"(?<![\w-])[a-z][\w-]*")


@cache
def whole_sheet() -> str:
    """Return all of `look.css`, minified."""
    source = files(__package__).joinpath("look.css").read_text(encoding="utf-8")
    spaced = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL))
    return re.sub(r"\s*([{};,>])\s*|(?<=[a-z]:)\s+", r"\1", spaced).replace(";}", "}").strip()


def output_sheet(html: str) -> tuple[str, str]:
    """Return the rules that an output needs, and the class of the element that they apply to.

    The class is the sheet's own, so that the sheets of the outputs of a page do not change each
    other's order.
    """
    classes = " ".join(re.findall(r'class="([^"]*)"', html)).split()
    elements = re.findall(r"<([a-z][a-z0-9]*)", html)
    known = {name for _, names in _parsed_sheet()[1] for name in names}
    return _sheet_of(frozenset(known & {*classes, *elements}))


@lru_cache(maxsize=256)
def _sheet_of(names: frozenset[str]) -> tuple[str, str]:
    before, statements, after = _parsed_sheet()
    used = [text for text, needed in statements if not needed or names & needed]
    while True:  # variables that nothing reads are left out, then those that only they read
        content = "".join(used)
        kept = [line for line in used if line[:2] != "--" or f"var({line.split(':')[0]}" in content]
        if len(kept) == len(used):
            break
        used = kept
    name = "qf" + blake2s(content.encode(), digest_size=4).hexdigest()
    if "progress" not in names:
        after = ""
    return f"{before}{ROOT}{{{content}}}{after}".replace(ROOT, f".qf.qf.{name}"), name


@cache
def _parsed_sheet() -> tuple[str, list[tuple[str, frozenset[str]]], str]:
    """Return what stands before the root's rule, its declarations and rules with the classes and
    elements one of which an output needs for each, and what stands after it.
    """
    before, nested = whole_sheet().split(ROOT + "{", 1)
    statements = []
    end = 0
    while match := _STATEMENT.match(nested, end):
        end = match.end()
        selectors = _UNMATCHED.sub("", match[0])
        # of each selector the outermost element, which all of its rule is within
        outermost = " ".join(_OUTERMOST.findall(selectors[: selectors.rfind("{") + 1]))
        statements.append((match[0], frozenset(_NAME.findall(outermost))))
    return before, statements, nested[end + 1 :]
