"""The stylesheet `look.css`: whole for a page with live outputs, and for one static output the
rules that it uses.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from hashlib import blake2s
from importlib.resources import files
from typing import Final

Needs = list[frozenset[str]]
"""Classes and elements; of each set an output needs one for a selector to match."""

ROOT: Final = ".qf.qf.qf"
"""The selector around all rules of the sheet."""

_STATEMENT: Final = re.compile(r"[^{};]+(?:;|\{(?:[^{}]|\{[^{}]*\})*\})")
_PRELUDE: Final = re.compile(r"[^{};]+(?=\{)")
_COMMA: Final = re.compile(r",(?![^()]*\))")
_ANY_OF: Final = re.compile(r":(?:is|has)\(([^()]*)\)")
_FOREIGN: Final = re.compile(r"\[[^\]]*\]|\.jp-[\w-]+")
_UNMATCHED: Final = re.compile(r":not\((?:[^()]|\([^()]*\))*\)|::?[\w-]+(?:\([^()]*\))?")
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
    return _sheet_of(_known_names() & {*classes, *elements})


@lru_cache(maxsize=256)
def _sheet_of(names: frozenset[str]) -> tuple[str, str]:
    before, statements, after = _parsed_sheet()
    used = [text for text, selectors in statements if _is_used(selectors, names)]
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


def _is_used(selectors: list[Needs], names: frozenset[str]) -> bool:
    """Return whether one of the selectors of a rule can match; a declaration has none."""
    if not selectors:
        return True
    return any(all(names & options for options in needs) for needs in selectors)


@cache
def _known_names() -> frozenset[str]:
    names: set[str] = set()
    for _, selectors in _parsed_sheet()[1]:
        for needs in selectors:
            names.update(*needs)
    return frozenset(names)


@cache
def _parsed_sheet() -> tuple[str, list[tuple[str, list[Needs]]], str]:
    """Return what stands before the root's rule, its declarations and rules with what their
    selectors need, and what stands after it.
    """
    before, nested = whole_sheet().split(ROOT + "{", 1)
    statements = []
    end = 0
    while match := _STATEMENT.match(nested, end):
        end = match.end()
        selectors: list[Needs] = []
        for prelude in _PRELUDE.findall(match[0]):
            if not prelude.startswith("@"):
                selectors += map(_read_needs, _COMMA.split(prelude))
        statements.append((match[0], selectors))
    return before, statements, nested[end + 1 :]


def _read_needs(selector: str) -> Needs:
    own = _FOREIGN.sub("", selector)
    options = [frozenset(_NAME.findall(names)) for names in _ANY_OF.findall(own)]
    plain = _UNMATCHED.sub("", _ANY_OF.sub("", own))
    return [*filter(None, options), *(frozenset([name]) for name in _NAME.findall(plain))]
