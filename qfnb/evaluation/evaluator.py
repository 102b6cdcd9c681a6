"""What measures an answer: evaluators that run here, and the names of those that run on the platform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..metrics import recipes


class LocalEvaluator(ABC):
    """Subclass it: `evaluate` returns the metrics of one answer, each a number, by name; NaN for "n/a"."""

    @abstractmethod
    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002
        """Return the metrics of one answer.

        Args:
            input: the prompt.
            reference: the expected answer.
            output: the model's answer.
        """

    def evaluate_all(
        self, inputs: Sequence[str], references: Sequence[str], outputs: Sequence[str]
    ) -> list[dict[str, float]]:
        """Return the metrics of many answers; evaluators that ask somebody ask for all at once."""
        return [self.evaluate(*row) for row in zip(inputs, references, outputs, strict=True)]

    def summarize(self, metric_dataset: Any) -> dict[str, Any] | None:
        """Return what is to be said of one model's metrics as a whole, None for nothing.

        Args:
            metric_dataset: a `qfnb.Dataset` with a row per answer: its texts and its metrics.
        """
        return None

    def describe(self) -> Mapping[str, str]:
        """Return what each metric is, by name, with its recipe."""
        return {}


@dataclass(frozen=True)
class MetricEvaluator(LocalEvaluator):
    """A metric of `qfnb.metrics.recipes` by its name: `MetricEvaluator("bleu4", recipe="qianfan")`.

    Raises:
        InvalidArgumentError: there is no such metric or recipe.
    """

    metric: str
    recipe: str = recipes.DEFAULT

    def __post_init__(self) -> None:
        recipes.describe(self.metric, self.recipe)

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {self.metric: recipes.score(self.metric, output, reference, self.recipe)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        return {self.metric: recipes.describe(self.metric, self.recipe)}


class ExactMatchEvaluator(MetricEvaluator):
    """1 when the answer is the reference after normalisation, else 0."""

    def __init__(self) -> None:
        super().__init__("exact_match")


class F1Evaluator(MetricEvaluator):
    """F1 of the units that answer and reference share: characters, or with `recipe="qianfan"` words."""

    def __init__(self, recipe: str = recipes.DEFAULT) -> None:
        super().__init__("f1", recipe)


class RougeLEvaluator(MetricEvaluator):
    """ROUGE-L by the characters of the `strict` recipe, or by another recipe."""

    def __init__(self, recipe: str = recipes.DEFAULT) -> None:
        super().__init__("rouge_l", recipe)


@dataclass(frozen=True)
class QianfanEvaluator(ABC):
    """An evaluator that runs on the platform."""

    mode: ClassVar[str] = ""

    @abstractmethod
    def conf(self) -> dict[str, Any]:
        """Return what the platform is told of it."""


@dataclass(frozen=True)
class QianfanRuleEvaluator(QianfanEvaluator):
    """Rules: ROUGE and BLEU (similarity), the answer being the reference (accuracy). Source: seed 000.

    `stop_words` is the `bos:/bucket/key` of a list of words that do not count.
    """

    using_similarity: bool = False
    using_accuracy: bool = False
    stop_words: str | None = None
    mode: ClassVar[str] = "rule"

    def __post_init__(self) -> None:
        if not (self.using_similarity or self.using_accuracy):
            raise InvalidArgumentError(
                "QianfanRuleEvaluator needs using_similarity=True or using_accuracy=True (至少选一项)"
            )

    def conf(self) -> dict[str, Any]:  # noqa: D102
        modes = {"similarity": self.using_similarity, "accuracy": self.using_accuracy}
        stop_words = {"stopWordsPath": self.stop_words} if self.stop_words else {}
        return {"scoreModes": [name for name, used in modes.items() if used], **stop_words}


REFEREE_STEPS = """1. 仔细阅读问题和参考答案。
2. 比较模型的回答与参考答案在事实、完整性和表达上的差别。
3. 按评分标准给出一个整数分，回答与问题无关时给最低分。
4. 用一句话说明理由。"""

REFEREE_TEMPLATE = """你是评分员。请按步骤为模型的回答打分。
指标：{metric}
步骤：
{steps}
最高分：{max_score}
问题：{{prompt}}
参考答案：{{response}}
模型的回答：{{completion}}
只输出分数和理由。"""


@dataclass(frozen=True)
class QianfanRefereeEvaluator(QianfanEvaluator):
    """A large model as referee; `app_id` is the application that is charged."""

    app_id: int = 0
    prompt_metrics: str = "综合得分"
    prompt_steps: str = REFEREE_STEPS
    prompt_max_score: int = 5
    mode: ClassVar[str] = "model"

    def __post_init__(self) -> None:
        if self.app_id <= 0 or self.prompt_max_score < 1:
            raise InvalidArgumentError(
                f"QianfanRefereeEvaluator(app_id={self.app_id!r}, prompt_max_score="
                f"{self.prompt_max_score!r}): "
                "an application's number, and a score from 1 (应用 ID 在控制台的应用接入页)"
            )

    def conf(self) -> dict[str, Any]:  # noqa: D102
        content = REFEREE_TEMPLATE.format(
            metric=self.prompt_metrics, steps=self.prompt_steps, max_score=self.prompt_max_score
        )
        prompt = {
            "templateName": "裁判员模型打分模板",
            "templateContent": content,
            "metric": self.prompt_metrics,
            "steps": self.prompt_steps,
            "maxScore": self.prompt_max_score,
        }
        return {"appId": self.app_id, "prompt": prompt}


@dataclass(frozen=True)
class ManualEvaluatorDimension:
    """What people are to judge."""

    dimension: str
    description: str | None = None


@dataclass(frozen=True)
class QianfanManualEvaluator(QianfanEvaluator):
    """People, on the platform's page; 满意度 is always the first dimension, and there are four at most."""

    evaluation_dimensions: Sequence[ManualEvaluatorDimension | str] = field(default_factory=tuple)
    mode: ClassVar[str] = "manual"

    def conf(self) -> dict[str, Any]:  # noqa: D102
        dimensions = [
            d if isinstance(d, ManualEvaluatorDimension) else ManualEvaluatorDimension(d)
            for d in self.evaluation_dimensions
        ]
        other_dimensions = [d for d in dimensions if d.dimension != FIRST_DIMENSION]
        if len(other_dimensions) > MAX_DIMENSIONS - 1:
            raise InvalidArgumentError(
                f"{len(other_dimensions) + 1} dimensions: {MAX_DIMENSIONS} at most, {FIRST_DIMENSION} included"
            )
        all_dimensions = [ManualEvaluatorDimension(FIRST_DIMENSION), *other_dimensions]
        return {
            "evaluationDimension": [
                {"dimension": d.dimension} | ({"description": d.description} if d.description else {})
                for d in all_dimensions
            ]
        }


FIRST_DIMENSION, MAX_DIMENSIONS = "满意度", 4
