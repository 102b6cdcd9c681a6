"""Evaluators: those that run here, and the settings of those that run on the platform."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Literal, Self

from pydantic.fields import FieldInfo

from .._jobs.row_result import summarize_error
from ..base.language import tr
from ..errors import InvalidArgumentError
from ..metrics import recipes


class Evaluator:
    """The base of all evaluators."""

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002
        """Return the metrics of one answer by name; none where the platform counts them."""
        return {}

    def summarize(self, metric_dataset: Any) -> dict[str, Any] | None:
        """Return numbers on one model as a whole, by name; None for none.

        Args:
            metric_dataset: a dataset with a row per answer: its texts and its metrics.
        """
        return None


class EvaluationFailure(str):
    """Class and message of the error that an evaluator raised on an answer; it stands where a score
    would.
    """

    __slots__ = ()


class LocalEvaluator(Evaluator, ABC):
    """The base of evaluators that run here; a subclass has to define `evaluate`.

    What reports, charts and `%qfeval` have to know of the metrics is declared by the properties,
    which a subclass overrides by a property or by a plain attribute: `lower_is_better =
    frozenset({"errors"})`. What a subclass annotates is a keyword of its constructor: `class
    Mine(LocalEvaluator): limit: int = 3`, `Mine(limit=5)`.
    """

    def __init__(self, **values: Any) -> None:
        names = {
            name for kind in type(self).__mro__ for name in vars(kind).get("__annotations__", ())
        }
        if unknown := tr(", ").join(values.keys() - names):
            raise TypeError(
                tr("{kind} has no field {names}", kind=type(self).__name__, names=unknown)
            )
        for name in names:
            default = getattr(type(self), name, None)
            if isinstance(default, FieldInfo):
                default = default.get_default(call_default_factory=True)
            setattr(self, name, values.get(name, default))

    @property
    def needs_reference(self) -> bool:
        """Whether answers are compared with a reference; `%qfeval` then demands one in each row."""
        return False

    @property
    def lower_is_better(self) -> Collection[str]:
        """The metrics of which lower scores are the better ones."""
        return frozenset()

    @property
    def scales(self) -> Mapping[str, tuple[float, float]]:
        """{metric: (lowest, highest possible score)}, for metrics that are not 0-1."""
        return {}

    @property
    def judge_models(self) -> Mapping[str, str]:
        """{metric: name of the model that judges}, of the metrics that a model gives."""
        return {}

    @abstractmethod
    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002
        """Return the metrics of one answer by name, each a number; NaN for "not applicable".

        Args:
            input: the prompt.
            reference: the expected answer.
            output: the model's answer.
        """

    def evaluate_all(
        self, inputs: Sequence[str], references: Sequence[str], outputs: Sequence[str]
    ) -> list[dict[str, float]]:
        """Return the metrics of many answers, by name for each; evaluators that call a model
        override it.

        An answer on which `evaluate` raises has the error in place of its scores.

        Args:
            inputs: the prompts.
            references: the expected answers.
            outputs: the models' answers, all three of one length.
        """
        results: list[dict[str, Any]] = []
        for row in zip(inputs, references, outputs, strict=True):
            try:
                results.append(self.evaluate(*row))
            except Exception as error:  # noqa: BLE001 - it is the user's code: the other rows keep their scores
                failure = EvaluationFailure(f"{type(error).__name__}: {summarize_error(error)}")
                results.append(dict.fromkeys(self._failure_names(), failure))
        return results

    def _failure_names(self) -> Collection[str]:
        return self.describe().keys() or [type(self).__name__]

    def describe(self) -> Mapping[str, str]:
        """Return {metric: how it is counted}."""
        return {}


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
        if None in (self.given_order, self.swapped_order):
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
class MetricEvaluator(LocalEvaluator):
    """A metric of `qfnb.metrics.recipes` by its name: `MetricEvaluator("bleu4", recipe="qianfan")`.

    Raises:
        InvalidArgumentError: the metric or the recipe is unknown.
    """

    metric: str
    recipe: str = recipes.DEFAULT
    needs_reference = True

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
    """F1 of the units that answer and reference share: characters, or with `recipe="qianfan"`
    words.
    """

    def __init__(self, recipe: str = recipes.DEFAULT) -> None:
        super().__init__("f1", recipe)


class RougeLEvaluator(MetricEvaluator):
    """ROUGE-L by the characters of the `strict` recipe, or by another recipe."""

    def __init__(self, recipe: str = recipes.DEFAULT) -> None:
        super().__init__("rouge_l", recipe)


@dataclass(frozen=True)
class QianfanEvaluator(Evaluator, ABC):
    """An evaluator that runs on the platform."""

    mode: ClassVar[str] = ""

    @abstractmethod
    def conf(self) -> dict[str, Any]:
        """Return its settings as the platform takes them."""


@dataclass(frozen=True)
class QianfanRuleEvaluator(QianfanEvaluator):
    """Rules: ROUGE and BLEU (similarity), equality with the reference (accuracy). Source: seed 000.

    Args:
        using_similarity: score by ROUGE and BLEU.
        using_accuracy: score by accuracy and F1.
        stop_words: `bos:/bucket/key` of a list of words that do not count.

    Raises:
        InvalidArgumentError: neither is chosen.
    """

    using_similarity: bool = False
    using_accuracy: bool = False
    stop_words: str | None = None
    mode: ClassVar[str] = "rule"

    def __post_init__(self) -> None:
        if not (self.using_similarity or self.using_accuracy):
            raise InvalidArgumentError(
                tr("QianfanRuleEvaluator needs using_similarity=True or using_accuracy=True")
            )

    def conf(self) -> dict[str, Any]:  # noqa: D102
        modes = {"similarity": self.using_similarity, "accuracy": self.using_accuracy}
        conf: dict[str, Any] = {"scoreModes": [name for name, used in modes.items() if used]}
        if self.stop_words:
            conf["stopWordsPath"] = self.stop_words
        return conf


REFEREE_METRICS: Final = "综合得分"
REFEREE_MAX_SCORE: Final = 5
REFEREE_STEPS = """1. 仔细阅读问题和参考答案。
2. 比较模型的回答与参考答案在事实、完整性和表达上的差别。
3. 按评分标准给出一个整数分，回答与问题无关时给最低分。
4. 用一句话说明理由。"""

REFEREE_TEMPLATE = """你是评分员。请按步骤为模型的回答打分。
指标：{metric}
步骤：
{steps}
最高分：{max_score}
问题：{{src}}
参考答案：{{tgt}}
模型的回答：{{prediction}}
只输出分数和理由。"""


@dataclass(frozen=True)
class QianfanRefereeEvaluator(QianfanEvaluator):
    """A large model as referee.

    Args:
        app_id: the application that is charged.
        prompt_metrics: the criteria.
        prompt_steps: how to judge.
        prompt_max_score: the highest score, from 1.

    Raises:
        InvalidArgumentError: `app_id` or `prompt_max_score` is below 1.
    """

    app_id: int = 0
    prompt_metrics: str = REFEREE_METRICS
    prompt_steps: str = REFEREE_STEPS
    prompt_max_score: int = REFEREE_MAX_SCORE
    mode: ClassVar[str] = "model"

    def __post_init__(self) -> None:
        if self.app_id <= 0 or self.prompt_max_score < 1:
            raise InvalidArgumentError(
                tr(
                    "QianfanRefereeEvaluator(app_id={app_id}, prompt_max_score={score}): app_id "
                    "is the number of an "
                    "application, from the console; the score is 1 or more",
                    app_id=repr(self.app_id),
                    score=repr(self.prompt_max_score),
                )
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


FIRST_DIMENSION: Final = "满意度"
MAX_DIMENSIONS: Final = 4


@dataclass(frozen=True)
class ManualEvaluatorDimension:
    """A quality that people judge."""

    dimension: str
    description: str | None = None


@dataclass(frozen=True)
class QianfanManualEvaluator(QianfanEvaluator):
    """People, on the platform's page, by at most four dimensions, of which 满意度 is always the
    first.
    """

    evaluation_dimensions: Sequence[ManualEvaluatorDimension | str] = field(default_factory=tuple)
    mode: ClassVar[str] = "manual"

    def conf(self) -> dict[str, Any]:  # noqa: D102
        dimensions = [{"dimension": FIRST_DIMENSION}]
        for each in self.evaluation_dimensions:
            if isinstance(each, str):
                name = each
            else:
                name = each.dimension
            if name != FIRST_DIMENSION:
                dimensions.append({"dimension": name})
                if not isinstance(each, str) and each.description:
                    dimensions[-1]["description"] = each.description
        if len(dimensions) > MAX_DIMENSIONS:
            raise InvalidArgumentError(
                tr(
                    "{n} dimensions: {most} at most, {first} included",
                    n=len(dimensions),
                    most=MAX_DIMENSIONS,
                    first=FIRST_DIMENSION,
                )
            )
        return {"evaluationDimension": dimensions}


ScoringFunction = Callable[..., float | Mapping[str, float]]
"""A function of any of `input`, `reference` and `output`; it returns a number, or numbers by
name.
"""


@dataclass(frozen=True)
class FunctionEvaluator(LocalEvaluator):
    """A scoring function of your own, whose name is the metric's:
    `FunctionEvaluator(day_is_right)`.

    Args:
        function: takes any of `input`, `reference` and `output` by these names; returns a number or
            a truth value, higher being better, or a dictionary of them.

    Raises:
        InvalidArgumentError: its parameters have other names.
    """

    function: ScoringFunction

    def __post_init__(self) -> None:
        names = self._parameters()
        if not names or not names.keys() <= {"input", "reference", "output"}:
            raise InvalidArgumentError(
                tr(
                    "{function}({parameters}) cannot score: name its parameters output (the "
                    "answer), reference "
                    "(the expected answer) and input (the question), those that it needs",
                    function=self._name(),
                    parameters=", ".join(names),
                )
            )

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        values = {"input": input, "reference": reference, "output": output}
        score = self.function(**{name: values[name] for name in self._parameters()})
        if isinstance(score, Mapping):
            return dict(score)
        return {self._name(): score}

    def _failure_names(self) -> Collection[str]:
        return [self._name()]

    @property
    def needs_reference(self) -> bool:  # noqa: D102
        return "reference" in self._parameters()

    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    def _name(self) -> str:
        return str(getattr(self.function, "__name__", type(self.function).__name__))


def to_evaluator(value: LocalEvaluator | ScoringFunction) -> LocalEvaluator:
    """Return an evaluator as it is, and a function as an evaluator.

    Raises:
        InvalidArgumentError: it is neither.
    """
    if isinstance(value, LocalEvaluator):
        return value
    if inspect.isclass(value) or not callable(value):
        raise InvalidArgumentError(
            tr(
                "{value!r} cannot score: give an evaluator, such as ExactMatchEvaluator(), or a "
                "function",
                value=value,
            )
        )
    return FunctionEvaluator(value)
