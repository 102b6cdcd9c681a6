"""The last step of a training: score what came out of it. Source: the official SDK's EvaluateAction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dataset import Dataset
from ..errors import InvalidArgumentError
from ..evaluation import EvaluationManager
from ..evaluation.evaluator import LocalEvaluator
from .base import BaseAction, Facts
from .consts import ActionState


class EvaluateAction(BaseAction):
    """Score the model, or its service, on a dataset; adds eval_res, an `EvaluationResult`.

    Args:
        eval_dataset: rows with prompt and response that were not trained on.
        evaluators: all local (they ask the deployed service) or all of the platform (they take the model).
    """

    def __init__(
        self, eval_dataset: Dataset | None = None, evaluators: Sequence[Any] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.eval_dataset, self.evaluators = eval_dataset, list(evaluators)

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Ask and score.

        Raises:
            InvalidArgumentError: there is nothing to ask, to ask with, or to score by.
        """
        facts = {**(input or {}), **kwargs}
        if self.eval_dataset is None or not self.evaluators:
            raise InvalidArgumentError("EvaluateAction needs an eval_dataset and evaluators: give them again")
        is_local = all(isinstance(evaluator, LocalEvaluator) for evaluator in self.evaluators)
        target = facts.get("service") if is_local else facts.get("model")
        if target is None:
            raise InvalidArgumentError(
                "local evaluators ask a service: give a deploy_config"
                if is_local
                else "there is no model to evaluate"
            )
        self.action_event(ActionState.Running, "evaluating", {})
        manager = EvaluationManager(
            **{"local_evaluators" if is_local else "qianfan_evaluators": self.evaluators}
        )
        return {"eval_res": manager.eval([target], self.eval_dataset)}
