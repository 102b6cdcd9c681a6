"""Local evaluators with options of their own, how answers degenerate, and evaluators by name."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal

from ..base.language import tr
from ..base.text import format_value
from ..errors import InvalidArgumentError
from ..metrics import recipes
from ..metrics.choice import CHOICE_LETTERS, multiple_choice
from ..metrics.exact_json import json_fields
from ..metrics.number import is_equal_number
from ..metrics.units import characters
from .evaluator import LocalEvaluator, MetricEvaluator


@dataclass(frozen=True)
class JsonFieldsEvaluator(LocalEvaluator):
    """The share of the reference's JSON fields that the answer has right.

    Args:
        fields: the names that count, default all of the reference.
        name: of the metric.
    """

    fields: Sequence[str] | None = None
    name: str = "json_fields"
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {self.name: json_fields(output, reference, self.fields)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        fields = tr("JSON fields (all)")
        if self.fields:
            fields = tr("JSON fields ({names})", names=tr(", ").join(self.fields))
        return {self.name: recipes.with_version("json_fields", fields)}


@dataclass(frozen=True)
class ChoiceEvaluator(LocalEvaluator):
    """1 when the answer chose the same letters as the reference, in whatever words, else 0."""

    letters: str = CHOICE_LETTERS
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"choice": multiple_choice(output, reference, self.letters)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        choice = tr("choice of {letters}", letters=self.letters)
        return {"choice": recipes.with_version("choice", choice)}


@dataclass(frozen=True)
class NumberEvaluator(LocalEvaluator):
    """1 when the number of the answer is the reference's, in whatever notation and unit of its
    kind, else 0.

    Args:
        tolerance: the largest relative difference, from 0; 0.01 is one percent.

    Raises:
        InvalidArgumentError: the tolerance is negative or no number.
    """

    tolerance: float = 0.0
    needs_reference = True

    def __post_init__(self) -> None:
        if not isinstance(self.tolerance, (int, float)) or not 0 <= self.tolerance < math.inf:
            raise InvalidArgumentError(
                tr(
                    "tolerance={value}: must be a number from 0; 0.01 is one percent",
                    value=format_value(self.tolerance),
                )
            )

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"number": is_equal_number(output, reference, self.tolerance)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        if not self.tolerance:
            return {"number": recipes.describe("number")}
        return {"number": tr("number, equal within {percent:g}%", percent=100 * self.tolerance)}


Flag = Literal["empty", "repetition", "truncated", "refusal", "wrong_language"]

TRUNCATED_REASONS: Final = frozenset({"length", "max_tokens"})
NGRAM: Final = 4
MIN_UNITS: Final = 8
"""Units below which an answer is never called repetitive."""

TAIL_UNITS: Final = 100  # units at the end that are checked separately: models fall into loops late
MIN_LOOP_SHARE: Final = 0.5
REFUSAL_WINDOW: Final = 200
"""Characters at the beginning that are searched for a refusal."""

_UNABLE = r"\b(can'?t|cannot|can not|unable|not able)\b"
_REFUSALS: Final = (
    r"(抱歉|对不起|遗憾|不好意思)[^。！？\n]{0,30}(无法|不能|不便|没办法|没有办法|不可以)[^。！？\n]{0,12}",
    r"(我|本模型|本助手)(目前|暂时|还|并)?(无法|不能|不便)[^。！？\n]{0,6}",
)
_REQUEST_VERBS = (
    r"(回答|提供|协助|帮助|满足|讨论|生成|给出|回应|评论|处理你的|处理您的|完成你的|完成您的|继续)"
)
_REFUSAL = re.compile(
    rf"(?:{'|'.join(_REFUSALS)}){_REQUEST_VERBS}"
    r"|作为(一个|一款|一名)?(ai|人工智能|大?语言模型|大模型)[^。！？\n]{0,30}(无法|不能|不便|没有能力|还没学|还没有学)"
    r"|(换个|换一个)话题(吧|试试|聊)|聊点别的"
    rf"|\b(i'?m|i am) (sorry|afraid)\b[^.!?\n]{{0,40}}{_UNABLE}"
    r"|\bi (can'?t|cannot|can not|won'?t|am unable to|am not able to) "
    r"(help|assist|provide|answer|comply|discuss|fulfill|generate|do that)"
    rf"|\bas an? (ai|artificial intelligence|(large )?language model)\b[^.!?\n]{{0,60}}{_UNABLE}",
    re.IGNORECASE,
)
_OTHER_LANGUAGE_REQUEST = re.compile(
    r"翻译|译成|译为|英文|英语|日文|日语|韩文|韩语|中文|汉语|代码|translat|english|chinese|japanese|korean|code",
    re.IGNORECASE,
)
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SCRIPTS: Final = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "zh": re.compile("[\u3400-\u9fff\uf900-\ufaff]"),
    "en": re.compile("[A-Za-z]{2,}"),
}


def degenerate_flags(
    output: str, *, finish_reason: str | None = None, prompt: str = "", reference: str = ""
) -> tuple[Flag, ...]:
    """Return in which ways an answer is degenerate, whether or not it is right; () for a good one.

    A refusal or repetition that the reference has too is not degenerate.

    Args:
        output: the answer.
        finish_reason: of the reply; `length` means that the answer was cut off.
        prompt: the question; its language is the expected one without a reference.
        reference: the expected answer.
    """
    is_truncated = finish_reason in TRUNCATED_REASONS
    if not output.strip():
        if is_truncated:
            return ("empty", "truncated")
        return ("empty",)
    expected = detect_language(reference)
    if not expected and not _OTHER_LANGUAGE_REQUEST.search(prompt):
        expected = detect_language(prompt)
    actual = detect_language(output)
    checks: dict[Flag, bool] = {
        "repetition": repetition(output) >= MIN_LOOP_SHARE > repetition(reference),
        "truncated": is_truncated,
        "refusal": is_refusal(output) and not is_refusal(reference),
        "wrong_language": bool(expected and actual) and expected != actual,
    }
    return tuple(flag for flag, is_set in checks.items() if is_set)


def repetition(text: str) -> float:
    """Return the share of repeated 4-grams, in the whole text or in its end, whichever is higher.

    0-1; 0 for fewer than eight units.
    """
    units = characters(text)
    if len(units) < MIN_UNITS:
        return 0.0
    return max(_repeated_share(units), _repeated_share(units[-TAIL_UNITS:]))


def is_refusal(text: str) -> bool:
    """Return whether an answer declines, in Chinese or English; only its beginning is searched."""
    return _REFUSAL.search(text[:REFUSAL_WINDOW].replace("’", "'")) is not None


def detect_language(text: str) -> str:
    """Return the language of most of a text: zh, en, ja or ko; "" when it is ambiguous.

    An English word counts as much as a Chinese character; code in fences does not count.
    """
    plain = _FENCED.sub(" ", text)
    counts = {name: len(script.findall(plain)) for name, script in _SCRIPTS.items()}
    # Japanese is written with Chinese characters too
    if counts["ja"] and counts["ja"] * 4 >= counts["zh"]:
        counts["ja"] += counts.pop("zh")
    total = sum(counts.values())
    dominant, count = max(counts.items(), key=itemgetter(1))
    if total >= NGRAM and count > 0.6 * total:
        return dominant
    return ""


def _repeated_share(units: tuple[str, ...]) -> float:
    ngrams = [units[start : start + NGRAM] for start in range(len(units) - NGRAM + 1)]
    return 1 - len(set(ngrams)) / len(ngrams)


@dataclass(frozen=True)
class GuardEvaluator(LocalEvaluator):
    """1 for a degenerate answer (see `degenerate_flags`), else 0, and the share of it that is
    repetition.
    """

    lower_is_better = frozenset({"degenerate", "repetition"})

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        flags = degenerate_flags(output, prompt=input, reference=reference)
        return {"degenerate": float(bool(flags)), "repetition": repetition(output)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        return {
            "degenerate": tr(
                "empty, repetitive, a refusal or in the wrong language; less is better"
            ),
            "repetition": tr("share of repeated n-grams; less is better"),
        }


@dataclass(frozen=True)
class OpenCompassLocalEvaluator(LocalEvaluator):
    """An OpenCompass evaluator, called for one answer at a time.

    Of what its `score` returns only numbers count; others (its `details`, say) are left out.
    """

    open_compass_evaluator: Any

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        scores = self.open_compass_evaluator.score(predictions=[output], references=[reference])
        numbers = {}
        for name, value in scores.items():
            if isinstance(value, (int, float)):
                numbers[name] = float(value)
        return numbers


METRIC_NAMES: Final = (*recipes.METRICS, "degenerate")
"""All names that `evaluators_by_name`, `%qfeval --metrics` and Tab know."""


def evaluators_by_name(
    metrics: Sequence[str], recipe: str = recipes.DEFAULT
) -> list[LocalEvaluator]:
    """Return an evaluator for each metric: `evaluators_by_name(["rouge_l", "bleu4"],
    recipe="qianfan")`.

    Args:
        metrics: of `METRIC_NAMES`.
        recipe: a name of `recipes.RECIPES`.

    Raises:
        InvalidArgumentError: a metric or the recipe is unknown.
    """
    if isinstance(metrics, str):
        raise InvalidArgumentError(
            tr("metrics={name}: it is a list of names, [{name}]", name=repr(metrics))
        )
    evaluators: list[LocalEvaluator] = []
    for name in metrics:
        if name == "degenerate":
            evaluators.append(GuardEvaluator())
        else:
            evaluators.append(MetricEvaluator(name, recipe))
    return evaluators
