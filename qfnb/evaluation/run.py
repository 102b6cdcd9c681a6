"""A run of an evaluation: models answer the questions, and the report follows when all of them have answered.

A service is asked by `qfnb.batch`: its answers are on disk, and the same evaluation run again sends only the
questions without an answer. A model without a service answers on the platform. Any other object with a
`batch_do` is asked by that.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .._jobs.row_result import RowResult
from .._language import tr, tr_noop
from ..batching.api import batch
from ..batching.batch import Batch
from ..batching.journal_reader import BatchRow
from ..connect import platform_info
from ..errors import InvalidArgumentError
from ..model import Model
from ..resources.inference.chat import ChatCompletion
from . import scoring_run
from .evaluator import LocalEvaluator
from .records import EvaluationState, RunningEvaluation
from .report import EvaluationResult
from .samples import Question, Questions, Sample, label_in_notebook, to_dataset, trained_model, unique_labels

UNANSWERED: Final = tr_noop("the platform gave no answer to this row")


@dataclass(frozen=True)
class RunOptions:
    """How the questions are sent to the models."""

    workers: int = 8  # questions at a time for each model
    budget: float | None = None  # CNY that each model may cost, None for no limit
    budget_tokens: int | None = None  # tokens that each model may use, None for no limit
    options: Mapping[str, Any] = field(default_factory=dict)  # of `ChatCompletion.do`, such as temperature


class EvaluationRun:
    """Models that answer the same questions; created by `EvaluationManager.start`.

    Attributes:
        models: their labels, the baseline first.
        model_batches: the batch of each model, None for one that is not asked by a batch.
        scoring_steps: steps of the scoring, done and in all; (0, 0) before it begins.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        evaluators: Sequence[LocalEvaluator],
        pre_processors: Sequence[scoring_run.PreProcessor] = (),
        *,
        cluster: str = "",
    ) -> None:
        self.models: tuple[str, ...] = ()
        self.model_batches: list[Batch | None] = []
        self.scoring_steps = (0, 0)
        self._questions, self._evaluators = questions, evaluators
        self._pre_processors, self._cluster = pre_processors, cluster
        self._batches_by_target: defaultdict[tuple[str | None, str | None], list[Batch]] = defaultdict(list)
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

    def start(self, models: Sequence[Any], source: Questions, options: RunOptions) -> None:
        """Send the questions to models; when one cannot be asked, the others are cancelled.

        Raises:
            InvalidArgumentError: a model cannot be asked.
        """
        targets = [trained_model(model) for model in models]
        for target in targets:
            if isinstance(target, Model) and not target.name:
                target.auto_complete_info()
        self.models = unique_labels([label_in_notebook(model) for model in models])
        try:
            for label, model in zip(self.models, targets, strict=True):
                self._start_model(label, model, source, options)
        except BaseException:
            self.cancel()
            raise
        self._recorded = RunningEvaluation(self.models, self.question_count, [each.name for each in self.batches])

    def cancel(self) -> None:
        """Send no more questions; `report` then has the answers so far, and the rest as failed rows."""
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
        )

    def _record_end(self, state: EvaluationState) -> None:
        if self._recorded is not None:
            self._recorded.end(state)

    def _start_model(self, label: str, model: Any, source: Questions, options: RunOptions) -> None:
        questions, running = self._questions, None
        target = model.service or model if isinstance(model, Model) else model
        if isinstance(target, Model):
            self._origins[label] = platform_info().name
            self._sample_collectors.append(lambda: _run_on_platform(label, target, questions, source))
        elif isinstance(client := _client_of(target), ChatCompletion):
            running = started = self._start_batch(client, options)
            self._origins[label] = started.job.request.platform
            self._sample_collectors.append(lambda: _samples_of(label, questions, started.results()))
        else:
            conversations = [question.messages() for question in questions]
            task = client.batch_do(conversations, worker_num=options.workers)
            self._sample_collectors.append(lambda: _samples_of(label, questions, map(_to_row_result, task.results())))
        self.model_batches.append(running)

    def _start_batch(self, chat: ChatCompletion, options: RunOptions) -> Batch:
        """Start a batch; a model that occurs twice answers twice, which shows its own variance."""
        earlier = self._batches_by_target[chat.resolve_target(None, None)]
        started = batch(
            [question.batch_input() for question in self._questions],
            client=chat,
            name=f"{earlier[0].name}-{len(earlier) + 1}" if earlier else None,
            workers=options.workers,
            budget=options.budget,
            budget_tokens=options.budget_tokens,
            invalid_rows="fail",
            **options.options,
        )
        earlier.append(started)
        return started

    def _count_steps(self, done: int, total: int) -> None:
        self.scoring_steps = done, total

    def __repr__(self) -> str:
        return f"<evaluation of {', '.join(self.models)} on {self.question_count} questions: {self.batches!r}>"


def build_report(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[scoring_run.PreProcessor] = (),
    *,
    cluster: str = "",
    notes: Sequence[str] = (),
    origins: Mapping[str, str] | None = None,
    on_progress: scoring_run.ProgressCallback | None = None,
) -> EvaluationResult:
    """Return the report on answers."""
    scored = scoring_run.score_samples(samples, evaluators, pre_processors, on_progress)
    models = tuple(dict.fromkeys(sample.model for sample in samples))
    report = EvaluationResult(models=models, notes=tuple(notes), origins=origins or {}, **scored.report_fields)
    return report.with_clusters(cluster) if cluster else report


def _client_of(model: Any) -> Any:
    """Return the object whose `batch_do` asks a model."""
    if isinstance(model, (ChatCompletion, str)):
        return ChatCompletion(model=model) if isinstance(model, str) else model
    if not hasattr(model, "get_res"):
        raise InvalidArgumentError(
            tr(
                "{kind} cannot be asked: give a Service, a Model, a trainer or a ChatCompletion",
                kind=type(model).__name__,
            )
        )
    return model.get_res()


def _to_row_result(reply: Any) -> RowResult:
    """Return a reply, or the exception that came instead, as a batch would return it."""
    if isinstance(reply, BaseException):
        return RowResult.from_error(reply)
    seconds = getattr(reply, "statistic", {}).get("total_latency")
    return RowResult(text=str(reply["result"]), seconds=seconds)


def _samples_of(label: str, questions: Sequence[Question], answers: Iterable[BatchRow | RowResult]) -> list[Sample]:
    return [_sample_of(label, question, answer) for question, answer in zip(questions, answers, strict=True)]


def _sample_of(label: str, question: Question, answer: BatchRow | RowResult) -> Sample:
    """Return a question with its answer; an answer without text is a failed one."""
    error = f"{answer.error}: {answer.message}".removesuffix(": ") if answer.error else ""
    if not error and answer.text is None:
        error = f"NoText: {tr('the reply has no text')}"
    return question.to_sample(
        label,
        answer.text or "",
        error=error,
        seconds=answer.seconds,
        finish_reason=answer.finish_reason,
        cost=answer.cost,
        cost_low=answer.cost_low,
        tokens=answer.completion_tokens,
    )


def _run_on_platform(label: str, model: Model, questions: Sequence[Question], source: Questions) -> list[Sample]:
    """Let a published version answer; the platform may return its rows in any order."""
    texts_by_prompt: defaultdict[str, deque[str]] = defaultdict(deque)
    for row in model.batch_inference(to_dataset(source, questions)).list():
        texts_by_prompt[row["prompt"]].append(row.get("llm_output") or "")
    samples = []
    for question in questions:
        texts = texts_by_prompt[question.prompt]
        text = texts.popleft() if texts else ""
        samples.append(question.to_sample(label, text, error="" if text else f"NotAnswered: {tr(UNANSWERED)}"))
    return samples


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
    return f"{line}: {progress.reason}" if progress.reason else line
