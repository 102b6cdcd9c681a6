"""The stylesheet `look.css`: whole for a page with live outputs, and for one static output the
rules that it uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from hashlib import blake2s
from importlib.resources import files
from typing import Final, NamedTuple

ROOT: Final = ".qf.qf.qf"
"""The selector around all rules of the sheet."""

_FUNCTION = re.compile(r":(is|not|has|where|nth-child)\(([^()]*)\)")
_NEGATION = re.compile(r":not\((?:[^()]|\([^()]*\))*\)")
_NAME = re.compile(r"(?<![\w-])[a-z][\w-]*")


class CssRule(NamedTuple):
    """A rule: its text, and the selectors each of which is a list of sets; of each set an output
    needs one name.
    """

    text: str
    selectors: tuple[tuple[frozenset[str], ...], ...]

    def is_used(self, names: frozenset[str]) -> bool:
        """Return whether the rule can match in an output with these classes and elements."""
        return any(all(names & options for options in selector) for selector in self.selectors)


class Sheet(NamedTuple):
    """The parts of `look.css`: the rules before the root's, its own declarations, the rules within,
    those after.
    """

    before: str
    declarations: tuple[str, ...]
    rules: tuple[CssRule, ...]
    after: str


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
    sheet = _parsed_sheet()
    rules = "".join(rule.text for rule in sheet.rules if rule.is_used(names))
    content = "".join(_used_declarations(sheet.declarations, rules)) + rules
    name = "qf" + blake2s(content.encode(), digest_size=4).hexdigest()
    if "progress" in names:
        after = sheet.after
    else:
        after = ""
    return f"{sheet.before}{ROOT}{{{content}}}{after}".replace(ROOT, f".qf.qf.{name}"), name


def _used_declarations(declarations: tuple[str, ...], rules: str) -> list[str]:
    """Return the root's declarations without the variables that nothing reads."""
    used = list(declarations)
    while True:
        text = rules + "".join(used)
        kept = [
            line
            for line in used
            if not line.startswith("--") or f"var({line.split(':')[0]}" in text
        ]
        if len(kept) == len(used):
            return kept
        used = kept


@cache
def _known_names() -> frozenset[str]:
    rules = _parsed_sheet().rules
    return frozenset(
        name
        for rule in rules
        for selector in rule.selectors
        for options in selector
        for name in options
    )


@cache
def _parsed_sheet() -> Sheet:
    before, nested = whole_sheet().split(ROOT + "{", 1)
    declarations: list[str] = []
    rules: list[CssRule] = []
    for prelude, block in _statements(nested):
        if block is None:
            declarations.append(prelude)
        else:
            if prelude.startswith("@"):
                preludes = re.findall(r"([^{}]+)\{", block)
            else:
                preludes = [prelude]
            selectors = (
                _options(part) for each in preludes for part in _split(each.split(";")[-1])
            )
            rules.append(CssRule(f"{prelude}{{{block}}}", tuple(selectors)))
    end = sum(map(len, declarations)) + sum(len(rule.text) for rule in rules)
    return Sheet(before, tuple(declarations), tuple(rules), nested[end + 1 :])


def _statements(css: str) -> Iterator[tuple[str, str | None]]:
    """Yield the declarations, without a block, and the rules of a block, until it ends."""
    start = 0
    while css[start] != "}":
        end = re.compile("[;{]").search(css, start).start()  # type: ignore[union-attr]
        if css[end] == ";":
            yield css[start : end + 1], None
            start = end + 1
            continue
        depth = 1
        close = end
        while depth:
            close += 1
            depth += {"{": 1, "}": -1}.get(css[close], 0)
        yield css[start:end], css[end + 1 : close]
        start = close + 1


def _split(selectors: str) -> list[str]:
    """Split at the commas outside of parentheses."""
    return re.split(r",(?![^()]*\))", selectors)


def _options(selector: str) -> tuple[frozenset[str], ...]:
    """Return the class names that an output needs for a selector: one by one, and of each `:is()`
    and `:has()` any.
    """
    options = []
    plain = _NEGATION.sub("", re.sub(r"\[[^\]]*\]", "", selector))
    while match := _FUNCTION.search(plain):
        function, content = match.groups()
        if function in {"is", "has"}:
            options.append(_names(content))
        plain = plain.replace(match[0], "")
    options += [frozenset([name]) for name in _names(plain)]
    return tuple(filter(None, options))


def _names(selector: str) -> frozenset[str]:
    """Return classes and elements of an output; those of JupyterLab are around it."""
    names = _NAME.findall(re.sub(r"::?[\w-]+", "", selector))
    return frozenset(name for name in names if not name.startswith("jp-"))
