"""Multiple choice: which letters an answer chooses, in Chinese or English, and whether they are the
right ones.

The text is cut into words that matter here; letters that belong together are one mention, and the
words beside
a mention say what is meant: "选 B", "B 正确", "排除 B", "not B", "B or C". What can be read in two
ways is no choice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from .choice_words import Token, cut_tokens

CHOICE_LETTERS: Final = "ABCD"


def multiple_choice(output: str, reference: str, letters: str = CHOICE_LETTERS) -> float:
    r"""Return 1 when the answer chose what the reference did, else 0; NaN when the reference chose
    nothing.

    Args:
        output: free text: "B", "答案是 B。", "我选(B)，因为 A 不对", "\boxed{B}", "应选 A、C".
        reference: likewise.
        letters: what can be chosen.
    """
    expected = chosen_letters(reference, letters)
    if expected:
        return float(chosen_letters(output, letters) == expected)
    return math.nan


def chosen_letters(text: str, letters: str = CHOICE_LETTERS) -> str:
    """Return the chosen letters in order, "" when the text chooses none or is ambiguous.

    The last statement of an answer ("答案是 B", "选 B", "so B") has precedence; then what is called
    right; then a letter at the beginning of a line; then the only letter that stands alone. What is
    called wrong is not chosen.
    """
    mentions = _find_mentions(cut_tokens(text, letters))
    if answers := [mention for mention in mentions if mention.role == "answer"]:
        if not answers[-1].is_hedged:
            last = answers[-1:]
        else:
            last = [mention for mention in answers if mention.is_hedged]
        return _letters_of(last, letters)
    wrong = {
        letter for mention in mentions if mention.role == "wrong" for letter in mention.letters
    }
    if right := [mention for mention in mentions if mention.role == "right"]:
        if any(wrong & {*mention.letters} for mention in right):
            return ""
        return _letters_of(right, letters)
    remaining = [
        mention
        for mention in mentions
        if mention.role == "plain" and not wrong & {*mention.letters}
    ]
    if len({mention.letters for mention in remaining if mention.is_label}) > 1:
        return ""
    chosen = [mention for mention in remaining if mention.is_at_line_start] or remaining
    if len({mention.letters for mention in chosen}) == 1:
        return _letters_of(chosen[:1], letters)
    return ""


Role = Literal["answer", "right", "wrong", "plain", "none"]


@dataclass(frozen=True)
class _Mention:
    """Letters that belong together, and what the text says of them."""

    letters: str
    role: Role
    is_ambiguous: bool  # "B or C"
    is_hedged: bool  # "可能是 B"
    is_label: bool  # "B. Paris"
    is_at_line_start: bool


def _letters_of(mentions: Sequence[_Mention], letters: str) -> str:
    if any(mention.is_ambiguous for mention in mentions):
        return ""
    chosen = {letter for mention in mentions for letter in mention.letters}
    if len(chosen) > 1 and any(mention.is_hedged for mention in mentions):
        return ""
    return "".join(letter for letter in letters if letter in chosen)


_BEFORE = frozenset({"filler", "is", "so", "select", "answer", "not", "out", "either", "doubt"})
_CUES = frozenset({"is", "so", "select", "answer", "either"})
_STOPS = frozenset({"stop", "question", "dot"})
_VERDICTS = frozenset({"wrong", "right", "out", "not"})


def _find_mentions(tokens: Sequence[Token]) -> list[_Mention]:
    mentions = list[_Mention]()
    start = 0
    while start < len(tokens):
        if tokens[start].kind != "letters":
            start += 1
            continue
        end = _find_end(tokens, start)
        role = _find_role(tokens, start, end)
        comma = next((n for n in range(start, end) if tokens[n].kind == "comma"), end)
        if role in {"wrong", "right"} and comma < end and _is_answer(_chain_before(tokens, start)):
            end = comma  # "the answer is B, A is wrong"
            role = "answer"
        run = tokens[start:end]
        letters = "".join(
            sorted({letter for token in run if token.kind == "letters" for letter in token.text})
        )
        is_ambiguous = any(token.kind in {"or", "either"} for token in run)
        behind = next(
            (n for n in range(end, len(tokens)) if tokens[n].kind not in {"filler", "is"}), end
        )
        is_hedged = "either" in _chain_before(tokens, start) + [
            token.kind for token in tokens[behind : behind + 1]
        ]
        mentions.append(
            _Mention(
                letters, role, is_ambiguous, is_hedged, run[0].is_label, run[0].is_at_line_start
            )
        )
        start = end
    return mentions


def _find_end(tokens: Sequence[Token], start: int) -> int:
    """Return the end of letters that belong together: "A、B 和 C", "A or B", "A, B" in their
    order.
    """
    end = start + 1
    while end < len(tokens):
        joint = end
        while joint < len(tokens) and tokens[joint].kind in {"and", "or", "either", "comma"}:
            joint += 1
        joints = {token.kind for token in tokens[end:joint]}
        if "or" in joints:
            joint += joint < len(tokens) and tokens[joint].kind == "is"
        if joint == len(tokens) or tokens[joint].kind != "letters":
            break
        if joints == {"comma"} and tokens[joint].text <= tokens[end - 1].text:
            break  # "B, A is wrong"
        end = joint + 1
    return end


def _chain_before(tokens: Sequence[Token], start: int) -> list[str]:
    """Return the kinds of the words directly before letters, the nearest first."""
    first = start
    while first and tokens[first - 1].kind in _BEFORE:
        first -= 1
    kinds = [token.kind for token in tokens[first:start]][::-1]
    follows_letters = first > 0 and tokens[first - 1].kind == "letters"
    if follows_letters:
        return [kind for kind in kinds if kind != "is"]
    return kinds


def _is_answer(chain: Sequence[str]) -> bool:
    return not {"not", "out", "doubt"} & {*chain} and bool(_CUES & {*chain})


def _find_role(tokens: Sequence[Token], start: int, end: int) -> Role:
    clause = next((n for n in range(start, 0, -1) if tokens[n - 1].kind in _STOPS | {"comma"}), 0)
    chain = _chain_before(tokens, start)
    verdict = _verdict_after(tokens, end)
    is_reason = any(token.kind == "because" for token in tokens[clause:start])
    is_supposed = any(token.kind == "supposing" for token in tokens[clause:start])
    if is_supposed or "doubt" in chain or verdict == "none":
        return "none"
    if {"not", "out"} & {*chain} or verdict == "wrong":
        return "wrong"
    if _is_answer(chain):
        if is_reason:
            return "none"
        return "answer"
    return verdict or _verdict_of_clause(tokens, end) or "plain"


def _verdict_after(tokens: Sequence[Token], start: int) -> Role | None:
    """Return what the words directly after letters say of them."""
    n = start
    while n < len(tokens) and tokens[n].kind in {"filler", "is", "either"}:
        n += 1
    if n == len(tokens):
        return None
    kind = tokens[n].kind
    if kind in {"question", "others"}:
        return "none"
    if kind not in _VERDICTS | {"answer"}:
        return None
    following = n + 1
    while following < len(tokens) and tokens[following].kind in _BEFORE | {"right"}:
        following += 1
    next_kind = tokens[following].kind if following < len(tokens) else ""
    if next_kind == "question":
        return "none"
    if kind in {"not", "answer"} and next_kind == "letters":
        return None  # "B, not C"
    return cast("Role", kind) if kind in {"right", "answer"} else "wrong"


def _verdict_of_clause(tokens: Sequence[Token], start: int) -> Role | None:
    """Return what a clause of its own says of the letters before: "A 说地球是平的，错误"."""
    for n in range(start, len(tokens)):
        if tokens[n].kind == "letters" or (tokens[n].kind in _STOPS and n > start):
            return None
        if tokens[n].kind in {"comma", "dot"}:
            end = next(
                (k for k in range(n + 1, len(tokens)) if tokens[k].kind in _STOPS | {"comma"}),
                len(tokens),
            )
            is_verdict_only = all(
                token.kind in _VERDICTS | {"filler", "is"} for token in tokens[n + 1 : end]
            )
            if is_verdict_only and (verdict := _verdict_after(tokens, n + 1)):
                return verdict
    return None
