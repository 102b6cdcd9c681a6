"""The judges that a line of `%qfeval` names, and how they judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._language import tr
from ..errors import InvalidArgumentError
from . import evaluate_inputs

if TYPE_CHECKING:
    from ..evaluation.background import CancellableJudge
    from ..evaluation.evaluator import LocalEvaluator


def resolve_judges(
    shell: Any, names: str | None, *, is_pairwise: bool, fresh: bool
) -> tuple[list[CancellableJudge], list[LocalEvaluator]]:
    """Return the models that judge, and evaluators for them; several that give points are a panel.

    Args:
        shell: the notebook's, None without one.
        names: separated by commas.
        is_pairwise: whether they compare two answers.
        fresh: whether they are asked again what the journal has.

    Raises:
        InvalidArgumentError: a model is unknown, or an option is about a judge and none is named.
    """
    from ..evaluation import JudgePanel, LocalJudgeEvaluator, PairwiseJudge  # noqa: PLC0415 - %load_ext stays fast
    from ..evaluation.background import CancellableJudge  # noqa: PLC0415

    words = [word.strip() for word in (names or "").split(",") if word.strip()]
    if not words and (is_pairwise or fresh):
        option = "--pairwise" if is_pairwise else "--fresh"
        raise InvalidArgumentError(tr("{option} is about a judge: --judge MODEL names one", option=option))
    judges = [CancellableJudge(evaluate_inputs.resolve_model(shell, word)) for word in words]
    if is_pairwise:
        metric = PairwiseJudge.metric_name
        metrics = [metric] if len(judges) == 1 else [f"{metric}_{n}" for n in range(1, len(judges) + 1)]
        return judges, [
            PairwiseJudge(judge, metric_name=name, fresh=fresh) for judge, name in zip(judges, metrics, strict=True)
        ]
    evaluators = [LocalJudgeEvaluator(model=judge, fresh=fresh) for judge in judges]
    return judges, [JudgePanel(evaluators)] if len(evaluators) > 1 else [*evaluators]
