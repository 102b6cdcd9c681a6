"""Which of A, B, C, D a free answer chose."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Final

LETTERS: Final = "ABCD"

_LETTER_LIST = "[{0}](?:[ 、,和及与]*[{0}])*"
_STATED_ANSWER = (
    r"(?:正确(?:的)?(?:答案|选项)|答案|answer|choice)\W{{0,3}}(?:应该|应当|应|就)?\W{{0,3}}(?:是|为|选择?|is)?"
    r"(?:选项|option)?[\s:*(\[{{\"'$]*(?:\\boxed\{{)?({0})(?![a-z])"
)
_SELECTED = r"(?<![不别没])(?:应?选择?(?:选项)?|\\boxed\{{)[\s:*(\[\"']*({0})(?![a-z])"
_LINE_START = r"^[\s*(\[#>]*({0})(?=\s*$|[\s]*[).:、,;\]*。]|\s+[^\sa-z])"
_ALONE = r"(?<![A-Za-z])({0})(?![A-Za-z']|\s+[a-z])"


def multiple_choice(output: str, reference: str, letters: str = LETTERS) -> float:
    r"""Return 1 when the answer chose what the reference did, else 0; NaN when the reference chose nothing.

    Args:
        output: free text: "B", "答案是 B。", "我选(B)，因为 A 不对", "\boxed{B}", "应选 A、C".
        reference: likewise.
        letters: what can be chosen.
    """
    expected = chosen_letters(reference, letters)
    return float(chosen_letters(output, letters) == expected) if expected else math.nan


def chosen_letters(text: str, letters: str = LETTERS) -> str:
    """Return the chosen letters in order, "" when the text chooses none or is ambiguous.

    The last statement of an answer ("答案是 B") has precedence; then the last selection ("选 B"); then a
    letter at the beginning of a line; then the only letter that stands alone.
    """
    normalized = unicodedata.normalize("NFKC", text)
    letter_list = _LETTER_LIST.format(re.escape(letters))
    for pattern in (_STATED_ANSWER, _SELECTED):
        if matches := re.findall(pattern.format(letter_list), normalized, re.IGNORECASE):
            return _sort_letters(matches[-1], letters)
    for pattern, flags in ((_LINE_START, re.MULTILINE | re.IGNORECASE), (_ALONE, re.NOFLAG)):
        matches = re.findall(pattern.format(letter_list), normalized, flags)
        choices = {_sort_letters(match, letters) for match in matches}
        if choices:
            return choices.pop() if len(choices) == 1 else ""
    return ""


def _sort_letters(match: str, letters: str) -> str:
    return "".join(letter for letter in letters if letter in match.upper())
