"""How answers are judged: by the platform's rules, and by a referee that is a rule here and says so."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..wire import evaluation as wire
from . import scores

UNSCORED = -1
"""What the referee gives when it cannot judge; such rows are in no mean."""

REFEREE = "沙盒的规则裁判，不是大模型 / the sandbox's rule, not a model"

NO_POINTS = {"avgJudgeScore": 0, "stdJudgeScore": 0, "medianJudgeScore": 0, "scoreDistribution": None}
NO_PEOPLE = {
    "manualAvgScore": 0,
    "goodCaseProportion": 0,
    "subjectiveImpression": "",
    "manualScoreDistribution": None,
}
"""What a report says where nobody has judged."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Judge:
    """Judges the answers of one task."""

    similarity: bool
    accuracy: bool
    points: tuple[int, int] | None
    stop_words: frozenset[str]

    @classmethod
    def of(cls, task: Row) -> Judge:
        """Return the judge that a task asks for."""
        standard, modes = task["standard"], task["modes"]
        rules = standard.get("scoreModes") or () if wire.RULE in modes else ()
        prompt = standard.get("prompt") or {}
        points = (prompt.get("minScore", 0), prompt.get("maxScore", 5)) if wire.MODEL in modes else None
        return cls(wire.SIMILARITY in rules, wire.ACCURACY in rules, points, frozenset(task["stop_words"]))

    def __call__(self, answer: str, reference: str) -> dict[str, Any]:
        """Return the scores of an answer, those of the modes that were asked for."""
        found: dict[str, Any] = {}
        if self.similarity:
            found |= scores.similarity(answer, reference, self.stop_words)
        if self.accuracy:
            found |= scores.accuracy(answer, reference, self.stop_words)
        return found | (_refereed(answer, reference, *self.points) if self.points else {})


def summary(task: Row, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the effectMetric of one version: failed rows are in no mean, what was not asked for is 0."""
    good = [row for row in rows if "error" not in row]
    rules = ("accuracy", "f1Score", *scores.NAMES)
    points = Judge.of(task).points
    return {
        **{name: scores.mean(good, name) for name in rules},
        **(_distribution(rows, points[1]) if points else NO_POINTS),
        **NO_PEOPLE,
    }


def _distribution(rows: Sequence[Row], most: int) -> dict[str, Any]:
    given = [int(row.get("judgeScore", UNSCORED)) for row in rows]
    scored = [points for points in given if points != UNSCORED] or [0]
    counted = Counter(given)
    return {
        "avgJudgeScore": round(statistics.fmean(scored), 4),
        "stdJudgeScore": round(statistics.pstdev(scored), 4),
        "medianJudgeScore": statistics.median(scored),
        "scoreDistribution": {str(points): counted[points] for points in range(UNSCORED, most + 1)},
    }


def _refereed(answer: str, reference: str, low: int, high: int) -> dict[str, Any]:
    """Return points in the measure of what answer and reference have in common, with the reason."""
    if not reference.strip():
        return {"judgeScore": UNSCORED, "judgeReason": f"{REFEREE}：没有参考答案，无法打分。"}
    first, second = scores.words(answer), scores.words(reference)
    if first == second:
        return {"judgeScore": high, "judgeReason": f"{REFEREE}：与参考答案一致，得满分 {high} 分。"}
    alike = scores.rouge_l(first, second)
    points = min(high - 1, low + round((high - low) * alike))
    measured = f"与参考答案的 ROUGE-L 为 {scores.percent(alike)}，长度 {len(first)}/{len(second)} 词"
    return {
        "judgeScore": points,
        "judgeReason": f"{REFEREE}：{measured}，按 {low}-{high} 分折算为 {points} 分。",
    }
