"""Which of A, B, C, D a free answer chose."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Final

LETTERS: Final = "ABCD"

_LIST = "[{0}](?:[ 、,和及与]*[{0}])*"
_SAID = (
    r"(?:正确(?:的)?(?:答案|选项)|答案|answer|choice)\W{{0,3}}(?:应该|应当|应|就)?\W{{0,3}}(?:是|为|选择?|is)?"
    r"(?:选项|option)?[\s:*(\[{{\"'$]*(?:\\boxed\{{)?({0})(?![a-z])"
)
_CHOSEN = r"(?<![不别没])(?:应?选择?(?:选项)?|\\boxed\{{)[\s:*(\[\"']*({0})(?![a-z])"
_BEGINNING = r"^[\s*(\[#>]*({0})(?=\s*$|[\s]*[).:、,;\]*。]|\s+[^\sa-z])"
_ALONE = r"(?<![A-Za-z])({0})(?![A-Za-z']|\s+[a-z])"


def choice(output: str, reference: str, letters: str = LETTERS) -> float:
    r"""Return 1 when the answer chose what the reference did, else 0; NaN when the reference chose nothing.

    Args:
        output: free text: "B", "答案是 B。", "我选(B)，因为 A 不对", "\boxed{B}", "应选 A、C".
        reference: likewise.
        letters: what can be chosen.
    """
    expected = chosen(reference, letters)
    return float(chosen(output, letters) == expected) if expected else math.nan


def chosen(text: str, letters: str = LETTERS) -> str:
    """Return the chosen letters in order, "" when none is or when it cannot be told.

    What is called the answer comes first, the last time that it is; then what is said to be selected; then
    a letter that a line begins with; then the only letter that stands alone.
    """
    plain = unicodedata.normalize("NFKC", text)
    several = _LIST.format(re.escape(letters))
    for pattern in (_SAID, _CHOSEN):
        if found := re.findall(pattern.format(several), plain, re.IGNORECASE):
            return _sorted(found[-1], letters)
    for pattern, flags in ((_BEGINNING, re.MULTILINE | re.IGNORECASE), (_ALONE, re.NOFLAG)):
        found = re.findall(pattern.format(several), plain, flags)
        kinds = {_sorted(one, letters) for one in found}
        if kinds:
            return kinds.pop() if len(kinds) == 1 else ""
    return ""


def _sorted(found: str, letters: str) -> str:
    return "".join(letter for letter in letters if letter in found.upper())
