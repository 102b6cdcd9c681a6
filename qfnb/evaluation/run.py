"""A run of an evaluation: models answer the questions, and the report follows when all of them have
answered.

A service is asked by `qfnb.batch`: its answers are on disk, and the same evaluation run again sends
only the questions without an answer. A model without a service answers on the platform. Any other
object with a `batch_do` is asked by that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._jobs.worker_pool import validate_worker_count
from ..base.language import tr
from ..batching.api import batch, journal_name
from ..batching.batch import Batch
from ..connect import platform_info
from ..model import Model
from ..resources.inference.chat import ChatCompletion
from . import scoring_run
from .answers import answer_on_platform, client_of, samples_of, to_row_result
from .evaluator import LocalEvaluator
from .prompts import cells_of
from .records import EvaluationState, RunningEvaluation
from .report import EvaluationResult, archive
from .samples import (
    Question,
    Questions,
    Sample,
    data_label,
    label_in_notebook,
    trained_model,
    unique_labels,
)


@dataclass(frozen=True)
class RunOptions:
    """How the questions are sent to the models."""

    workers: int = 8  # questions at a time for each model
    budget: float | None = None  # CNY that each model may cost, None for no limit
    budget_tokens: int | None = None  # tokens that each model may use, None for no limit
    # of `ChatCompletion.do`, such as temperature
    options: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 1  # answers to each question

    def divided(self, parts: int) -> RunOptions:
        """Return the share of one of several prompts in what a model may do and cost."""
        if parts == 1:
            return self
        workers = max(1, validate_worker_count("workers", self.workers) // parts)
        if self.budget is None:
            budget = None
        else:
            budget = self.budget / parts
        if self.budget_tokens is None:
            tokens = None
        else:
            tokens = self.budget_tokens // parts
        return replace(self, workers=workers, budget=budget, budget_tokens=tokens)


@dataclass(frozen=True)
class _Asked:
    """What one model is asked by one prompt."""

    questions: Sequence[Question]
    prompt: str  # its name, "" without prompts
    source: Questions  # what the questions are from


class EvaluationRun:
    """Models that answer the same questions; created by `EvaluationManager.start`.

    Attributes:
        models: their labels, the baseline first; with several prompts each model once for each.
        prompt_count, repeat_count: prompts that each model is asked by, and answers to each
        question.
        model_batches: the batch of each model, None for one that is not asked by a batch.
        scoring_steps: steps of the scoring, done and in all; (0, 0) before it begins.
        dataset: what the report calls the data.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        evaluators: Sequence[LocalEvaluator],
        pre_processors: Sequence[scoring_run.PreProcessor] = (),
        *,
        cluster: str = "",
        prompted: Mapping[str, Sequence[Question]] | None = None,
        **facts: Any,
    ) -> None:
        self.models: tuple[str, ...] = ()
        self.prompt_count = len(prompted or " ")
        self.repeat_count = 1
        self.model_batches: list[Batch | None] = []
        self.scoring_steps = (0, 0)
        self.dataset = ""
        self._questions = questions
        self._evaluators = evaluators
        self._pre_processors = pre_processors
        self._cluster = cluster
        self._prompted = dict(prompted or {})
        self._facts = facts
        self._batches_by_target: defaultdict[tuple[str | None, ...], list[Batch]] = defaultdict(
            list
        )
        self._sample_collectors: list[Callable[[], Sequence[Sample]]] = []
        self._origins: dict[str, str] = {}
        self._report: EvaluationResult | None = None
        self._recorded: RunningEvaluation | None = None

    @property
    def question_count(self) -> int:
        """Number of questions for each model."""
        return len(self._questions)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches that send the questions; models that answer on the platform have none."""
        return tuple(batch for batch in self.model_batches if batch is not None)

    def start(
        self, models: Sequence[Any] | Mapping[str, Any], source: Questions, options: RunOptions
    ) -> None:
        """Send the questions to models, or to models by label; when one cannot be asked, the others
        are cancelled.

        Raises:
            InvalidArgumentError: a model cannot be asked.
        """
        if not isinstance(models, Mapping):
            named = None
        else:
            named = models
        models = [*(models if named is None else named.values())]
        self.dataset = data_label(source)
        targets = [trained_model(model) for model in models]
        for target in targets:
            if isinstance(target, Model) and not target.name:
                target.auto_complete_info()
        self.repeat_count = options.repeats
        names = tuple(named or unique_labels([label_in_notebook(model) for model in models]))
        prompted = self._prompted or {"": self._questions}
        if self._prompted:
            self._facts["cells"] = cells_of(names, [*prompted])
        self.models = tuple(self._facts.get("cells", names))
        cells = [(target, prompt) for target in targets for prompt in prompted]
        try:
            for label, (model, prompt) in zip(self.models, cells, strict=True):
                asked = _Asked(prompted[prompt], prompt, source)
                self._start_model(label, model, asked, options.divided(len(prompted)))
        except BaseException:
            self.cancel()
            raise
        self._recorded = RunningEvaluation(
            self.models, self.question_count, [each.name for each in self.batches]
        )

    def cancel(self) -> None:
        """Send no more questions; `report` then has the answers so far, and the rest as failed
        rows.
        """
        for running in self.batches:
            running.cancel()

    def report(self) -> EvaluationResult:
        """Wait for the answers, score them, and return the report.

        An interrupt cancels the batches, which keep their answers.
        """
        if self._report is None:
            try:
                self._report = self._build_report()
            except BaseException:
                self.cancel()
                self._record_end("failed")
                raise
            self._record_end("done")
        return self._report

    def _build_report(self) -> EvaluationResult:
        return build_report(
            [sample for collect in self._sample_collectors for sample in collect()],
            self._evaluators,
            self._pre_processors,
            cluster=self._cluster,
            notes=[_describe_origin(finished) for finished in self.batches],
            origins=self._origins,
            on_progress=self._count_steps,
            dataset=self.dataset,
            **self._facts,
        )

    def _record_end(self, state: EvaluationState) -> None:
        if self._recorded is not None:
            self._recorded.end(state)

    def _start_model(self, label: str, model: Any, asked: _Asked, options: RunOptions) -> None:
        questions = [*asked.questions] * options.repeats
        running = None
        if isinstance(model, Model):
            target = model.service or model
        else:
            target = model
        if isinstance(target, Model):
            source = [] if asked.prompt or options.repeats > 1 else asked.source
            self._origins[label] = platform_info().name
            self._sample_collectors.append(
                lambda: answer_on_platform(label, target, questions, source)
            )
        elif isinstance(client := client_of(target), ChatCompletion):
            running = started = self._start_batch(client, asked, options)
            self._origins[label] = started.job.request.platform
            self._sample_collectors.append(lambda: samples_of(label, questions, started.results()))
        else:
            conversations = [question.messages() for question in questions]
            task = client.batch_do(conversations, worker_num=options.workers)
            self._sample_collectors.append(
                lambda: samples_of(label, questions, map(to_row_result, task.results()))
            )
        self.model_batches.append(running)

    def _start_batch(self, chat: ChatCompletion, asked: _Asked, options: RunOptions) -> Batch:
        """Start a batch; a model that occurs twice answers twice, which shows its own variance.

        Repeats are in the journal of single answers, so that a larger number of them sends only
        what is missing.
        """
        earlier = self._batches_by_target[(*chat.resolve_target(None, None), asked.prompt)]
        inputs = [question.batch_input() for question in asked.questions]
        if not (options.repeats > 1 and not earlier):
            name = None
        else:
            name = journal_name(inputs, client=chat, **options.options)
        started = batch(
            inputs * options.repeats,
            client=chat,
            name=f"{earlier[0].name}-{len(earlier) + 1}" if earlier else name,
            workers=options.workers,
            budget=options.budget,
            budget_tokens=options.budget_tokens,
            invalid_rows="fail",
            allow_changed_input="keep",
            **options.options,
        )
        earlier.append(started)
        return started

    def _count_steps(self, done: int, total: int) -> None:
        self.scoring_steps = done, total

    def __repr__(self) -> str:
        return (
            f"<evaluation of {', '.join(self.models)} on {self.question_count} questions: "
            f"{self.batches!r}>"
        )


def build_report(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[scoring_run.PreProcessor] = (),
    *,
    cluster: str = "",
    notes: Sequence[str] = (),
    origins: Mapping[str, str] | None = None,
    on_progress: scoring_run.ProgressCallback | None = None,
    **facts: Any,
) -> EvaluationResult:
    """Return the report on answers; `facts` are further fields of it."""
    scored = scoring_run.score_samples(samples, evaluators, pre_processors, on_progress)
    models = tuple(dict.fromkeys(sample.model for sample in samples))
    lines = (*notes, *scored.failures)
    report = EvaluationResult(
        models=models, notes=lines, origins=origins or {}, **facts, **scored.report_fields
    )
    if cluster:
        report = report.with_clusters(cluster)
    archive.keep(report)
    return report


def _describe_origin(finished: Batch) -> str:
    """Return the origin of a model's answers: the platform or the sandbox, and the batch."""
    progress = finished.progress
    line = tr(
        "{model}: {ok} of {total} answered, {platform}, batch {name}",
        model=progress.model,
        ok=progress.ok,
        total=progress.total,
        platform=tr("local sandbox") if progress.from_sandbox else finished.job.request.platform,
        name=progress.name,
    )
    if progress.reason:
        return f"{line}: {progress.reason}"
    return line
