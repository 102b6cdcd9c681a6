"""An evaluation under way: models are being asked, and the report comes when all of them have answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..batching.batch import Batch
from ..errors import InvalidArgumentError
from ..model import Model
from . import measuring
from .asking import Asked, Terms
from .evaluator import LocalEvaluator
from .questions import Question
from .report import EvaluationResult
from .samples import Sample


class Evaluation:
    """Models being asked the same questions; made by `EvaluationManager.start`.

    Attributes:
        models: their labels, the baseline first.
        steps: how many steps of the scoring are done, and of how many; (0, 0) before it begins.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        evaluators: Sequence[LocalEvaluator],
        pre_processors: Sequence[measuring.PreProcessor] = (),
        *,
        cluster: str = "",
    ) -> None:
        self.models: tuple[str, ...] = ()
        self.steps = (0, 0)
        self._questions, self._evaluators = questions, evaluators
        self._pre_processors, self._cluster = pre_processors, cluster
        self._asked = Asked()
        self._report: EvaluationResult | None = None

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches that ask; models that answer on the platform have none."""
        return tuple(self._asked.batches)

    def ask(self, models: Sequence[Any], given: Any, terms: Terms) -> None:
        """Begin to ask models; when one cannot be asked, the others are not asked on.

        Raises:
            InvalidArgumentError: one is nothing that can be asked.
        """
        for model in models:
            if isinstance(model, Model) and not model.name:
                model.auto_complete_info()
        self.models = unique([label_of(model) for model in models])
        try:
            for label, model in zip(self.models, models, strict=True):
                self._asked.add(label, model, self._questions, given, terms)
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Ask nothing more; `report` then has what was answered, and the rest as failed rows."""
        self._asked.cancel()

    def report(self) -> EvaluationResult:
        """Wait for the answers, score them, and return the report."""
        if self._report is None:
            samples = self._asked.samples()
            self._report = report_of(
                samples,
                self._evaluators,
                self._pre_processors,
                cluster=self._cluster,
                notes=[_origin(begun) for begun in self.batches],
                counted=self._count,
            )
        return self._report

    def _count(self, done: int, total: int) -> None:
        self.steps = done, total

    def __repr__(self) -> str:
        return (
            f"<evaluation of {', '.join(self.models)} on {len(self._questions)} questions: {self.batches!r}>"
        )


def report_of(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[measuring.PreProcessor] = (),
    *,
    cluster: str = "",
    notes: Sequence[str] = (),
    counted: measuring.Counted | None = None,
) -> EvaluationResult:
    """Return the report on answers."""
    found = measuring.measure(samples, evaluators, pre_processors, counted)
    models = tuple(dict.fromkeys(sample.model for sample in samples))
    report = EvaluationResult(models=models, notes=tuple(notes), **found.facts)
    return report.clustered(cluster) if cluster else report


def label_of(model: Any) -> str:
    """Return what tables call a model."""
    if isinstance(model, str):
        return model
    names = (getattr(model, name, None) for name in ("label", "name", "endpoint", "model", "id"))
    return next((str(name) for name in names if name), str(model))


def unique(labels: Sequence[str]) -> tuple[str, ...]:
    """Number labels that occur more than once.

    Raises:
        InvalidArgumentError: a numbered label is another one's own.
    """
    found = tuple(
        label if labels.count(label) == 1 else f"{label} ({labels[: place + 1].count(label)})"
        for place, label in enumerate(labels)
    )
    if len(set(found)) < len(found):
        raise InvalidArgumentError(
            f"models of one name: {', '.join(labels)}; name them differently (名称重复)"
        )
    return found


def _origin(begun: Batch) -> str:
    """Return where answers are from."""
    now = begun.progress
    where = "本地沙盒 sandbox" if now.from_sandbox else begun.order.plan.platform
    ended = f", {now.state}: {now.reason}" if now.reason else ""
    return f"{now.model}: {now.ok} of {now.total} answered, {where}, batch {now.name}{ended}"
