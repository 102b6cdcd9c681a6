"""Ask several models the same questions and score the answers. Source: seed 000 (EvaluationManager)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..errors import InvalidArgumentError
from . import online
from .evaluator import LocalEvaluator, QianfanEvaluator
from .report import EvaluationResult, Sample

Row = Mapping[str, Any]


class Task(Protocol):
    """A running batch."""

    def results(self) -> Sequence[Any]:
        """Return replies and exceptions, in the order of the questions."""
        ...


class Chat(Protocol):
    """What asks."""

    def batch_do(self, messages_list: Sequence[Any], worker_num: int | None = None) -> Task:
        """Ask many conversations."""
        ...


class Model(Protocol):
    """What is evaluated, e.g. a `qfnb.model.Service`."""

    def get_res(self) -> Chat:
        """Return what asks it."""
        ...


class Questions(Protocol):
    """What is asked, e.g. a `qfnb.dataset.Dataset`."""

    def list(self) -> Sequence[Row]:
        """Return rows with prompt and response."""
        ...


class EvaluationManager:
    """Evaluate models on a dataset.

    Args:
        local_evaluators: what measures each answer, here.
        qianfan_evaluators: evaluators of the platform; see the errors.

    Raises:
        InvalidArgumentError: not exactly one kind of evaluator was given.
    """

    def __init__(
        self,
        local_evaluators: Sequence[LocalEvaluator] | None = None,
        qianfan_evaluators: Sequence[QianfanEvaluator] | None = None,
    ) -> None:
        if bool(local_evaluators) == bool(qianfan_evaluators):
            raise InvalidArgumentError(
                "give local_evaluators=[...] or qianfan_evaluators=[...], one of the two: "
                "e.g. EvaluationManager(local_evaluators=[ExactMatchEvaluator()])"
            )
        self.local_evaluators = list(local_evaluators or ())
        self.qianfan_evaluators = list(qianfan_evaluators or ())

    def eval(
        self, llms: Iterable[Model], dataset: Questions, *, worker_num: int = 8
    ) -> EvaluationResult | None:
        """Ask every model every question of the dataset, and score the answers.

        A question that fails is reported as failed, never scored as a wrong answer.

        Args:
            llms: the models, the baseline first.
            dataset: rows with prompt and response.
            worker_num: questions asked at a time.

        Raises:
            InvalidArgumentError: no model, no question, or evaluators that this version cannot run.
        """
        models = list(llms)
        if self.qianfan_evaluators:
            if not models:
                raise InvalidArgumentError("nothing to evaluate: no model was given")
            return online.evaluate(self.qianfan_evaluators, models, dataset)  # type: ignore[arg-type]
        rows = dataset.list()
        if not models or not rows:
            raise InvalidArgumentError(f"nothing to evaluate: {len(models)} models, {len(rows)} questions")
        labels = _unique([_label(model) for model in models])
        samples = [
            sample
            for label, model in zip(labels, models, strict=True)
            for sample in self._ask(label, model, rows, worker_num)
        ]
        names = dict.fromkeys(name for sample in samples for name in sample.scores)
        return EvaluationResult(tuple(samples), tuple(labels), tuple(names))

    def _ask(self, label: str, model: Model, rows: Sequence[Row], worker_num: int) -> list[Sample]:
        conversations = [[{"role": "user", "content": row["prompt"]}] for row in rows]
        replies = model.get_res().batch_do(conversations, worker_num=worker_num).results()
        return [
            self._score(label, index, row, reply)
            for index, (row, reply) in enumerate(zip(rows, replies, strict=True))
        ]

    def _score(self, label: str, index: int, row: Row, reply: Any) -> Sample:
        prompt, reference = str(row["prompt"]), str(row["response"])
        if isinstance(reply, BaseException):
            error = f"{type(reply).__name__}: {reply}"
            return Sample(label, index, prompt, reference, "", {}, None, error)
        output = str(reply["result"])
        scores: dict[str, float] = {}
        for evaluator in self.local_evaluators:
            scores |= evaluator.evaluate(prompt, reference, output)
        seconds = getattr(reply, "statistic", {}).get("total_latency")
        return Sample(label, index, prompt, reference, output, scores, seconds)


def _label(model: object) -> str:
    return str(getattr(model, "label", "") or model)


def _unique(labels: Sequence[str]) -> list[str]:
    """Number labels that occur more than once."""
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: place + 1].count(label)})"
        for place, label in enumerate(labels)
    ]
