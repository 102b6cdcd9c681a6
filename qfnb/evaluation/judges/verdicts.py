"""Verdicts of judges: scores and preferences parsed from replies, and how far judges agree beyond
chance.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self, TypeVar

from ...base.language import tr
from ...metrics.exact_json import find_json_object

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NUMBER = r"(-?\d+(?:\.\d+)?)(?![\d.]*\d)(?!\s*[-~到至]\s*\d)\s*(?:/\s*(\d+))?"
_SCORE_LABELS = r"(?:评分|得分|分数|打分|score|rating)[\"'*\s]*[:=是为][\"'*\s\[(]*"
_SCORE = re.compile(_SCORE_LABELS + _NUMBER, re.IGNORECASE)
_BARE_SCORE = re.compile(rf"[*\s]*{_NUMBER}\s*分?[.。*\s]*")
_REASON = re.compile(
    r"(?:原因|理由|reason|rationale)[\"'*\s]*[::][\"'*\s]*(.+)", re.IGNORECASE | re.DOTALL
)
_SCORE_NAMES: Final = ("score", "评分", "得分", "分数", "打分", "rating")
_REASON_NAMES: Final = ("reason", "原因", "理由", "rationale")

_BETTER = re.compile(
    r"(?:结论|更好的?(?:回答|是)?|胜者|获胜者|verdict|winner|better)[\"'*\s]*[:=是为][\"'*\s\[(]*"
    r"(?:回答|答案|助手|answer|assistant)?\s*(a|b|平局|平手|相当|tie|c)(?![a-z])",
    re.IGNORECASE,
)
_BETTER_NAMES: Final = ("结论", "verdict", "winner", "better")
_BRACKETED = re.compile(r"\[\[\s*(a|b|c|tie|平局)\s*\]\]", re.IGNORECASE)
_LONE_PREFERENCE = re.compile(r"[*\s\"'(\[]*(a|b|平局|平手|tie)[*\s\"'.。)\]]*", re.IGNORECASE)
_ANSWER_WORD = re.compile(r"^(回答|答案|助手|answer|assistant)\s*")
_PREFERENCES: Final = {
    "a": "A",
    "b": "B",
    **dict.fromkeys(("c", "tie", "平局", "平手", "相当"), "tie"),
}


Winner = Literal["first", "second", "tie"]


@dataclass(frozen=True)
class PairVerdict:
    """One question, judged twice; the names of the fields are stored in reports.

    Attributes:
        given_order, swapped_order: the winner with the first answer shown first, and shown second;
        None for
            no verdict.
        first, second: labels of the models, "" where only texts are compared.
        index, repeat: of the question in the dataset, and which answer to it.
        metric: what the verdict counts for.
    """

    given_order: Winner | None
    swapped_order: Winner | None
    first: str = ""
    second: str = ""
    index: int = 0
    repeat: int = 0
    metric: str = ""

    @property
    def outcome(self) -> Winner | None:
        """The winner of both verdicts, "tie" where they differ, None where one of them is
        missing.
        """
        if self.given_order is None or self.swapped_order is None:
            return None
        if self.given_order == self.swapped_order:
            return self.given_order
        return "tie"

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the verdict that a report has as JSON; unknown fields of later versions are left
        out.
        """
        return cls(**{each.name: value[each.name] for each in fields(cls) if each.name in value})


@dataclass(frozen=True)
class Verdict:
    """A judge's score of one answer.

    Attributes:
        score: None where no score can be read, or none in the range.
        reason: in the judge's words, "" without one.
        text: the whole reply.
        error: the reason of a missing score, "" otherwise.
        cost: CNY by list price, None where it is not known.
    """

    score: float | None
    reason: str = ""
    text: str = ""
    error: str = ""
    cost: float | None = 0.0

    @property
    def value(self) -> float:
        """The score as a metric: NaN when it is missing."""
        if self.score is None:
            return math.nan
        return self.score


def parse_verdict(
    text: str, max_score: float, min_score: float = 0, cost: float | None = 0.0
) -> Verdict:
    """Return the score and the reason in a judge's reply.

    Understood are JSON with `score` or 评分, lines of 评分 and 原因, and a number alone, full-width
    or not. With two different scores, or one outside the range, the score counts as missing.
    """
    normalized = _normalize(text)
    fields = find_json_object(normalized) or {}
    matches = _score_matches(normalized, fields)
    scores = {float(match[1]) for match in matches if match[2] in {None, f"{max_score:g}"}}
    reason = next((str(fields[name]) for name in _REASON_NAMES if name in fields), "")
    if not reason and (reason_match := _REASON.search(normalized)):
        reason = reason_match[1].strip()
    if len(scores) == 1 and min_score <= min(scores) <= max_score:
        return Verdict(scores.pop(), reason, text, "", cost)
    problem = tr(
        "no score of {low}-{high}, or more than one, in {reply}",
        low=f"{min_score:g}",
        high=f"{max_score:g}",
        reply=repr(normalized[:60]),
    )
    return Verdict(None, reason, text, problem, cost)


def parse_preference(text: str) -> str | None:
    """Return which of two answers a judge prefers: "A", "B" or "tie"; None when that cannot be
    read.
    """
    normalized = _normalize(text)
    fields = find_json_object(normalized) or {}
    words = [str(fields[name]) for name in _BETTER_NAMES if name in fields]
    words = words or _BRACKETED.findall(normalized) or _BETTER.findall(normalized)
    if not words and (lone_match := _LONE_PREFERENCE.fullmatch(normalized)):
        words = [lone_match[1]]
    preferences = {
        _PREFERENCES.get(_ANSWER_WORD.sub("", word.strip().casefold())) for word in words
    }
    if len(preferences) == 1:
        return preferences.pop()
    return None


def _normalize(text: str) -> str:
    """Return a reply without the model's thinking, full-width characters as half-width ones."""
    return unicodedata.normalize("NFKC", _THINKING.sub("", text)).strip()


def _score_matches(normalized: str, fields: Mapping[str, Any]) -> list[re.Match[str]]:
    """Return the scores of a reply: those of its JSON object, of its lines, or a number alone."""
    values = [fields[name] for name in _SCORE_NAMES if name in fields]
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    in_json = [match for text in texts if (match := _BARE_SCORE.fullmatch(text))]
    alone = _BARE_SCORE.fullmatch(normalized)
    return in_json or [*_SCORE.finditer(normalized)] or ([alone] if alone else [])


Label = TypeVar("Label", bound=Hashable)
Ratings = Sequence[Label | None]


@dataclass(frozen=True)
class Agreement:
    """How far two or more judges agree.

    Attributes:
        n: answers that all of them judged.
        missing: answers that at least one of them did not judge.
        percent: share of pairs of judges that give the same label, 0-100.
        kappa: 1 for full agreement, 0 for no more than chance; NaN when only one label occurs.
        method: Cohen's kappa for two judges, Fleiss' for more.
    """

    n: int
    missing: int
    percent: float
    kappa: float
    method: str

    def __repr__(self) -> str:
        return (
            f"{self.percent:.0f} % agreement, {self.method} kappa {self.kappa:.2f} "
            f"(n = {self.n}, {self.missing} missing)"
        )


def compute_agreement(ratings: Sequence[Ratings[Label]]) -> Agreement:
    """Return how far judges agree, over the answers that all of them judged.

    Args:
        ratings: for each judge the label of each answer, None for a missing one; all of one length.
    """
    rows = list(zip(*ratings, strict=True))
    complete_rows = [
        [label for label in row if label is not None] for row in rows if None not in row
    ]
    shares = [_observed_share(row) for row in complete_rows]
    if shares:
        percent = 100 * sum(shares) / len(shares)
    else:
        percent = math.nan
    is_pair = len(ratings) == 2
    pairs = zip(*complete_rows, strict=True) if is_pair else ()
    if is_pair and complete_rows:
        kappa = cohen_kappa(*pairs)
    else:
        kappa = fleiss_kappa(complete_rows)
    n_missing = len(rows) - len(complete_rows)
    return Agreement(
        len(complete_rows), n_missing, percent, kappa, "Cohen's" if is_pair else "Fleiss'"
    )


def cohen_kappa(first: Sequence[Label], second: Sequence[Label]) -> float:
    """Return Cohen's kappa of two judges (1960); NaN when both always give the same single
    label.
    """
    n = len(first)
    if not n:
        return math.nan
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    first_counts = Counter(first)
    second_counts = Counter(second)
    chance = sum(first_counts[label] * second_counts[label] for label in first_counts) / n**2
    return _beyond_chance(observed, chance)


def fleiss_kappa(rows: Sequence[Sequence[Label]]) -> float:
    """Return Fleiss' kappa (1971); NaN when only one label occurs.

    Args:
        rows: for each answer the labels of two or more judges, the same number for all answers.
    """
    if not rows:
        return math.nan
    observed = sum(map(_observed_share, rows)) / len(rows)
    totals = Counter(label for row in rows for label in row)
    return _beyond_chance(observed, sum((count / totals.total()) ** 2 for count in totals.values()))


def _observed_share(row: Sequence[Label]) -> float:
    """Return the share of pairs of judges that gave an answer the same label."""
    n_judges = len(row)
    return sum(count * (count - 1) for count in Counter(row).values()) / (n_judges * (n_judges - 1))


def _beyond_chance(observed: float, chance: float) -> float:
    if chance >= 1:
        return math.nan
    return (observed - chance) / (1 - chance)
