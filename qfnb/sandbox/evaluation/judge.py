"""How answers are judged: by the platform's rules, and by a referee that is a rule here and says so."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...metrics.rouge_bleu_chrf import rouge_l
from ...wire import evaluation as wire
from ..finetune import scores

UNSCORED = -1
"""What the referee gives when it cannot judge; such rows are in no mean."""

REFEREE_NAME = "沙盒的规则裁判，不是大模型 / the sandbox's rule, not a model"

NO_REFEREE_SCORES = {"avgJudgeScore": 0, "stdJudgeScore": 0, "medianJudgeScore": 0, "scoreDistribution": None}
NO_MANUAL_SCORES = {
    "manualAvgScore": 0,
    "goodCaseProportion": 0,
    "subjectiveImpression": "",
    "manualScoreDistribution": None,
}
"""What a report says where nobody has judged."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class AnswerJudge:
    """Judges the answers of one task."""

    similarity: bool
    accuracy: bool
    score_range: tuple[int, int] | None
    stop_words: frozenset[str]

    @classmethod
    def for_task(cls, task: Row) -> AnswerJudge:
        """Return the judge that a task asks for."""
        standard, modes = task["standard"], task["modes"]
        rules = standard.get("scoreModes") or () if wire.RULE in modes else ()
        prompt = standard.get("prompt") or {}
        score_range = (prompt.get("minScore", 0), prompt.get("maxScore", 5)) if wire.MODEL in modes else None
        return cls(
            wire.SIMILARITY in rules, wire.ACCURACY in rules, score_range, frozenset(task["stop_words"])
        )

    def __call__(self, answer: str, reference: str) -> dict[str, Any]:
        """Return the scores of an answer, those of the modes that were asked for."""
        result: dict[str, Any] = {}
        if self.similarity:
            result |= scores.similarity(answer, reference, self.stop_words)
        if self.accuracy:
            result |= scores.accuracy(answer, reference, self.stop_words)
        return result | (_referee_score(answer, reference, *self.score_range) if self.score_range else {})


def summarize(task: Row, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the effectMetric of one version: failed rows are in no mean, what was not asked for is 0."""
    answered = [row for row in rows if "error" not in row]
    rules = ("accuracy", "f1Score", *scores.SCORE_NAMES)
    score_range = AnswerJudge.for_task(task).score_range
    return {
        **{name: scores.mean_score(answered, name) for name in rules},
        **(_score_distribution(rows, score_range[1]) if score_range else NO_REFEREE_SCORES),
        **NO_MANUAL_SCORES,
    }


def _score_distribution(rows: Sequence[Row], max_score: int) -> dict[str, Any]:
    judge_scores = [int(row.get("judgeScore", UNSCORED)) for row in rows]
    scored = [score for score in judge_scores if score != UNSCORED] or [0]
    counts = Counter(judge_scores)
    return {
        "avgJudgeScore": round(statistics.fmean(scored), 4),
        "stdJudgeScore": round(statistics.pstdev(scored), 4),
        "medianJudgeScore": statistics.median(scored),
        "scoreDistribution": {str(score): counts[score] for score in range(UNSCORED, max_score + 1)},
    }


def _referee_score(answer: str, reference: str, min_score: int, max_score: int) -> dict[str, Any]:
    """Return points in the measure of what answer and reference have in common, with the reason."""
    if not reference.strip():
        return {"judgeScore": UNSCORED, "judgeReason": f"{REFEREE_NAME}：没有参考答案，无法打分。"}
    first, second = scores.words(answer), scores.words(reference)
    if first == second:
        return {
            "judgeScore": max_score,
            "judgeReason": f"{REFEREE_NAME}：与参考答案一致，得满分 {max_score} 分。",
        }
    overlap = rouge_l(first, second)
    score = min(max_score - 1, min_score + round((max_score - min_score) * overlap))
    measurement = (
        f"与参考答案的 ROUGE-L 为 {scores.format_percent(overlap)}，长度 {len(first)}/{len(second)} 词"
    )
    return {
        "judgeScore": score,
        "judgeReason": f"{REFEREE_NAME}：{measurement}，按 {min_score}-{max_score} 分折算为 {score} 分。",
    }
