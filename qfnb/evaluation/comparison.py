"""`compare`: two models on one card, or prompts times models as a matrix."""

from collections.abc import Sequence
from typing import Any, Final, Unpack, overload

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..metrics import recipes
from ..resources.inference.arguments import ChatOptions
from .benchmarks.benchmark import Benchmark
from .evaluator import LocalEvaluator, ScoringFunction, to_evaluator
from .local_evaluators import evaluators_by_name
from .manager import EvaluationManager
from .prompts import AS_IT_IS, Prompts
from .report import EvaluationResult
from .report.card import Card
from .report.matrix import Matrix
from .samples import Questions

Metric = str | LocalEvaluator | ScoringFunction
DEFAULT_METRICS: Final = ("rouge_l", "exact_match")


@overload
def compare(
    base: Any,
    tuned: Any,
    dataset: Questions,
    *,
    metrics: Sequence[Metric] | None = None,
    recipe: str = recipes.DEFAULT,
    n: int = 1,
    k: int | Sequence[int] | None = None,
    cluster: str = "",
    worker_num: int = 8,
    budget: float | None = None,
    budget_tokens: int | None = None,
    **options: Unpack[ChatOptions],
) -> Card[EvaluationResult]: ...
@overload
def compare(
    *,
    dataset: Questions,
    models: Sequence[Any],
    prompts: Prompts | None = None,
    metrics: Sequence[Metric] | None = None,
    recipe: str = recipes.DEFAULT,
    n: int = 1,
    k: int | Sequence[int] | None = None,
    cluster: str = "",
    worker_num: int = 8,
    budget: float | None = None,
    budget_tokens: int | None = None,
    **options: Unpack[ChatOptions],
) -> Matrix[EvaluationResult]: ...
def compare(
    base: Any = None,
    tuned: Any = None,
    dataset: Questions | None = None,
    *,
    models: Sequence[Any] | None = None,
    prompts: Prompts | None = None,
    metrics: Sequence[Metric] | None = None,
    recipe: str = recipes.DEFAULT,
    n: int = 1,
    k: int | Sequence[int] | None = None,
    **options: Any,
) -> Card[EvaluationResult] | Matrix[EvaluationResult]:
    """Ask two models the same questions, and return a card: better, worse or cannot tell, and the
    evidence.

    With `models` and `prompts` every model answers every question by every prompt, and a matrix is
    returned: the cells with their intervals, the effect of prompts and of models, and the best
    cell.

    Args:
        base: a service, a model, a trainer, a `ChatCompletion` or the name of a preset model.
        tuned: likewise.
        dataset: rows with prompt and response that neither model was trained on, or a benchmark of
            `evaluation.benchmarks`.
        models: instead of `base` and `tuned`, any number of such models, the baseline first.
        prompts: templates over the columns of the data, `{name: "...{prompt}..."}`, or a list of
            them; the first is the baseline.
        metrics: names (`rouge_l`, `bleu4`, ...), evaluators, or functions of your own that take any
            of `input`, `reference` and `output` and return a number; the first decides. Default
            those of a benchmark, else `rouge_l` and `exact_match`.
        recipe: how named metrics are counted.
        n: answers to each question, by each model and prompt; intervals and tests count questions,
            not answers.
        k: of pass@k, 1 to n; by default 1 and n.
        **options: `cluster`, a column whose rows belong together (of a benchmark with six subjects
            or more, the subject); `worker_num`, questions at a time for each model (8); `budget`,
            CNY that each model may cost; `budget_tokens`, for models without a known price; the
            others are those of `ChatCompletion.do`, for all questions.

    Raises:
        InvalidArgumentError: models or questions are missing, a metric, a prompt, n or k is wrong,
            or a model cannot be asked.
    """
    is_matrix = models is not None or prompts is not None
    if isinstance(models, str) or (models is not None and not isinstance(models, Sequence)):
        raise InvalidArgumentError(tr("models={value!r}: it is a list", value=models))
    if dataset is None:
        raise InvalidArgumentError(
            tr("which questions? Give dataset=[...], rows with prompt and response")
        )
    if models is not None and (base is not None or tuned is not None):
        raise InvalidArgumentError(tr("give base and tuned, or models=[...], not both"))
    if metrics is None:
        if isinstance(dataset, Benchmark):
            metrics = dataset.metrics
        else:
            metrics = DEFAULT_METRICS
    manager = EvaluationManager(local_evaluators=resolve_evaluators(metrics, recipe))
    if models is None:
        compared = [base, tuned]
    else:
        compared = list(models)
    if not is_matrix:
        return manager.start(compared, dataset, n=n, k=k, **options).report().card()
    if models is None:
        compared = [model for model in compared if model is not None]
    templates = {"prompt": AS_IT_IS} if prompts is None else prompts
    return (
        manager.start(compared, dataset, prompts=templates, n=n, k=k, **options).report().matrix()
    )


def resolve_evaluators(
    metrics: Sequence[Metric], recipe: str = recipes.DEFAULT
) -> list[LocalEvaluator]:
    """Return the evaluators of metrics by name, of functions, and those that are evaluators
    already.

    Raises:
        InvalidArgumentError: it is no list, or a metric is unknown.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Sequence) or not metrics:
        raise InvalidArgumentError(
            tr(
                "metrics={value}: it is a list, e.g. {example}",
                value=repr(metrics),
                example=list(DEFAULT_METRICS),
            )
        )
    return [
        evaluators_by_name([m], recipe)[0] if isinstance(m, str) else to_evaluator(m)
        for m in metrics
    ]
