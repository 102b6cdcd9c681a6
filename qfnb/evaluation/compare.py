"""`qfnb.compare`: is the second model better than the first, and is it real?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from ..errors import InvalidArgumentError
from ..metrics import recipes
from ..resources.inference.options import ChatOptions
from .evaluator import LocalEvaluator
from .evaluators import evaluators_by_name
from .manager import EvaluationManager
from .samples import Questions
from .report.card import Card

DEFAULT_METRICS = ("rouge_l", "exact_match")


def compare(
    base: Any,
    tuned: Any,
    dataset: Questions,
    *,
    metrics: Sequence[str | LocalEvaluator] = DEFAULT_METRICS,
    recipe: str = recipes.DEFAULT,
    cluster: str = "",
    worker_num: int = 8,
    budget: float | None = None,
    **options: Unpack[ChatOptions],
) -> Card:
    """Ask two models the same questions, and return a card: better, worse or cannot tell, and the evidence.

    Args:
        base: a service, a model, a `ChatCompletion` or the name of a preset model.
        tuned: likewise.
        dataset: rows with prompt and response that neither was trained on.
        metrics: names (`rouge_l`, `bleu4`, ...) or evaluators; the first decides.
        recipe: how the named ones are counted.
        cluster: a column whose rows belong together.
        worker_num: questions asked at a time of each model.
        budget: CNY that each model may cost.
        **options: of `ChatCompletion.do`, for all questions.

    Raises:
        InvalidArgumentError: there are no questions, no such metric, or something cannot be asked.
    """
    manager = EvaluationManager(local_evaluators=_resolve_evaluators(metrics, recipe))
    run = manager.start(
        [base, tuned], dataset, cluster=cluster, worker_num=worker_num, budget=budget, **options
    )
    return run.report().card()


def _resolve_evaluators(metrics: Sequence[str | LocalEvaluator], recipe: str) -> list[LocalEvaluator]:
    if isinstance(metrics, str) or not metrics:
        raise InvalidArgumentError(
            f"metrics={metrics!r}: it is a list, e.g. {list(DEFAULT_METRICS)} (须为非空列表)"
        )
    return [
        evaluators_by_name([metric], recipe)[0] if isinstance(metric, str) else metric for metric in metrics
    ]
