"""An evaluation under way: models are being asked, and the report comes when all of them have answered."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from .._jobs.row_result import RowResult
from ..batching.api import batch
from ..batching.batch import Batch
from ..batching.journal_reader import BatchRow
from ..errors import InvalidArgumentError
from ..model import Model
from ..resources.inference.chat import ChatCompletion
from . import scoring_run
from .evaluator import LocalEvaluator
from .report import EvaluationResult
from .samples import Question, Questions, Sample, model_label, to_dataset, unique_labels

UNANSWERED: Final = "NotAnswered: the platform gave no answer to this row (平台未作答)"


class BatchTask(Protocol):
    """A running batch."""

    def results(self) -> Sequence[Any]:
        """Return replies and exceptions, in the order of the questions."""
        ...


class BatchClient(Protocol):
    """What asks."""

    def batch_do(self, messages_list: Sequence[Any], worker_num: int | None = None) -> BatchTask:
        """Ask many conversations."""
        ...


class HasClient(Protocol):
    """What is evaluated, e.g. a `qfnb.model.Service`."""

    def get_res(self) -> BatchClient:
        """Return what asks it."""
        ...


CollectSamples = Callable[[], Sequence[Sample]]


@dataclass(frozen=True)
class RunOptions:
    """How models are asked.

    Attributes:
        workers: rows asked at once of each model.
        budget: CNY that each model may cost, None for no limit.
        options: of `ChatCompletion.do`, such as temperature.
    """

    workers: int = 8
    budget: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class ModelRuns:
    """Who is being asked: batches under way, and for each model what waits for its answers."""

    model_batches: list[Batch | None] = field(default_factory=list)
    sample_collectors: list[CollectSamples] = field(default_factory=list)
    _batches_by_model: dict[tuple[str | None, str | None], list[Batch]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def start(
        self, label: str, model: Any, questions: Sequence[Question], source: Questions, options: RunOptions
    ) -> None:
        """Begin to ask a model; `source` is where the questions are from.

        Raises:
            InvalidArgumentError: it is nothing that can be asked.
        """
        target = model.service or model if isinstance(model, Model) else model
        if isinstance(target, Model):
            self.sample_collectors.append(lambda: _run_on_platform(label, target, questions, source))
        elif isinstance(client := _client_of(target), ChatCompletion):
            batch_run = self._start_batch(client, questions, options)
            self.model_batches.append(batch_run)
            self.sample_collectors.append(lambda: _samples_of_batch(label, batch_run, questions))
            return
        else:
            conversations = [question.messages() for question in questions]
            task = client.batch_do(conversations, worker_num=options.workers)
            self.sample_collectors.append(lambda: _samples_of_replies(label, task.results(), questions))
        self.model_batches.append(None)

    def collect_samples(self) -> list[Sample]:
        """Wait for all answers; whatever interrupts that cancels the batches, which keep what they have."""
        try:
            return [sample for collect in self.sample_collectors for sample in collect()]
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Ask no new row of any model."""
        for batch_run in self.model_batches:
            if batch_run is not None:
                batch_run.cancel()

    def _start_batch(self, chat: ChatCompletion, questions: Sequence[Question], options: RunOptions) -> Batch:
        """Start a batch; a model that occurs twice is asked twice, so that its own noise can be seen."""
        earlier = self._batches_by_model[chat.resolve_target(None, None)]
        batch_run = batch(
            [question.batch_input() for question in questions],
            client=chat,
            name=f"{earlier[0].name}-{len(earlier) + 1}" if earlier else None,
            workers=options.workers,
            budget=options.budget,
            invalid_rows="fail",
            **options.options,
        )
        earlier.append(batch_run)
        return batch_run


def _client_of(model: Any) -> Any:
    if isinstance(model, (ChatCompletion, str)):
        return ChatCompletion(model=model) if isinstance(model, str) else model
    if not hasattr(model, "get_res"):
        raise InvalidArgumentError(
            f"{type(model).__name__} cannot be asked: give a Service, a Model or a ChatCompletion (无法提问)"
        )
    return model.get_res()


def _samples_of_batch(label: str, batch_run: Batch, questions: Sequence[Question]) -> list[Sample]:
    return [
        _sample_of_answer(label, question, answer)
        for question, answer in zip(questions, batch_run.results(), strict=True)
    ]


def _samples_of_replies(label: str, replies: Sequence[Any], questions: Sequence[Question]) -> list[Sample]:
    return [_sample_of_reply(label, *pair) for pair in zip(questions, replies, strict=True)]


def _sample_of_reply(label: str, question: Question, reply: Any) -> Sample:
    if isinstance(reply, BaseException):
        return _sample_of_answer(label, question, RowResult.from_error(reply))
    seconds = getattr(reply, "statistic", {}).get("total_latency")
    return _sample_of_answer(label, question, RowResult(text=str(reply["result"]), seconds=seconds))


def _sample_of_answer(label: str, question: Question, answer: BatchRow | RowResult) -> Sample:
    """Return what became of a question; what has no text failed, whatever it says."""
    error = f"{answer.error}: {answer.message}".removesuffix(": ") if answer.error else ""
    if not error and answer.text is None:
        error = "NoText: the reply has no text (回复中没有文本)"
    return question.to_sample(
        label,
        answer.text or "",
        error=error,
        seconds=answer.seconds,
        finish_reason=answer.finish_reason,
        cost=answer.cost,
        tokens=answer.completion_tokens,
    )


def _run_on_platform(
    label: str, model: Model, questions: Sequence[Question], source: Questions
) -> list[Sample]:
    """Let a published version answer; the platform may give its rows in any order."""
    texts_by_prompt: defaultdict[str, deque[str]] = defaultdict(deque)
    for row in model.batch_inference(to_dataset(source, questions)).list():
        texts_by_prompt[row["prompt"]].append(row.get("llm_output") or "")
    texts = [
        texts_by_prompt[question.prompt].popleft() if texts_by_prompt[question.prompt] else ""
        for question in questions
    ]
    return [
        question.to_sample(label, text, error="" if text else UNANSWERED)
        for question, text in zip(questions, texts, strict=True)
    ]


class EvaluationRun:
    """Models being asked the same questions; made by `EvaluationManager.start`.

    Attributes:
        models: their labels, the baseline first.
        scoring_steps: how many steps of the scoring are done, and of how many; (0, 0) before it begins.
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
        self.scoring_steps = (0, 0)
        self._questions, self._evaluators = questions, evaluators
        self._pre_processors, self._cluster = pre_processors, cluster
        self._runs = ModelRuns()
        self._report: EvaluationResult | None = None

    @property
    def question_count(self) -> int:
        """Number of questions for each model."""
        return len(self._questions)

    @property
    def model_batches(self) -> tuple[Batch | None, ...]:
        """The batch of each model, None for one that answers on the platform."""
        return tuple(self._runs.model_batches)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches that send the questions; models that answer on the platform have none."""
        return tuple(batch for batch in self.model_batches if batch is not None)

    def start(self, models: Sequence[Any], source: Any, options: RunOptions) -> None:
        """Begin to ask models; when one cannot be asked, the others are not asked on.

        Raises:
            InvalidArgumentError: one is nothing that can be asked.
        """
        for model in models:
            if isinstance(model, Model) and not model.name:
                model.auto_complete_info()
        self.models = unique_labels([model_label(model) for model in models])
        try:
            for label, model in zip(self.models, models, strict=True):
                self._runs.start(label, model, self._questions, source, options)
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Ask nothing more; `report` then has what was answered, and the rest as failed rows."""
        self._runs.cancel()

    def report(self) -> EvaluationResult:
        """Wait for the answers, score them, and return the report."""
        if self._report is None:
            samples = self._runs.collect_samples()
            self._report = build_report(
                samples,
                self._evaluators,
                self._pre_processors,
                cluster=self._cluster,
                notes=[_describe_origin(batch_run) for batch_run in self.batches],
                on_progress=self._count_steps,
            )
        return self._report

    def _count_steps(self, done: int, total: int) -> None:
        self.scoring_steps = done, total

    def __repr__(self) -> str:
        return (
            f"<evaluation of {', '.join(self.models)} on {len(self._questions)} questions: {self.batches!r}>"
        )


def build_report(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[scoring_run.PreProcessor] = (),
    *,
    cluster: str = "",
    notes: Sequence[str] = (),
    on_progress: scoring_run.ProgressCallback | None = None,
) -> EvaluationResult:
    """Return the report on answers."""
    scored = scoring_run.score_samples(samples, evaluators, pre_processors, on_progress)
    models = tuple(dict.fromkeys(sample.model for sample in samples))
    report = EvaluationResult(models=models, notes=tuple(notes), **scored.report_fields)
    return report.with_clusters(cluster) if cluster else report


def _describe_origin(batch_run: Batch) -> str:
    """Return where answers are from."""
    progress = batch_run.progress
    platform = "本地沙盒 sandbox" if progress.from_sandbox else batch_run.job.request.platform
    ending = f", {progress.state}: {progress.reason}" if progress.reason else ""
    return f"{progress.model}: {progress.ok} of {progress.total} answered, {platform}, batch {progress.name}{ending}"
