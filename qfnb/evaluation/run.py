"""A run of an evaluation: models answer the questions, and the report follows when all of them have
answered.

A service is asked by `qfnb.batch`: its answers are on disk, and the same evaluation run again sends
only the questions without an answer. A model without a service answers on the platform. Any other
object with a `batch_do` is asked by that.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from .._jobs.row_result import RowResult
from .._jobs.worker_pool import validate_worker_count
from ..base.language import tr, tr_noop
from ..batching.api import batch, journal_name
from ..batching.batch import Batch
from ..batching.journal_reader import BatchRow
from ..connect import platform_info
from ..errors import InvalidArgumentError
from ..model import Model
from ..resources.inference.chat import ChatCompletion
from . import scoring_run
from .evaluator import LocalEvaluator
from .records import EvaluationState, RunningEvaluation
from .report import EvaluationResult, archive
from .samples import Question, Questions, Sample, cells_of, client_of, data_label, to_dataset


@dataclass(frozen=True)
class RunOptions:
    """How the questions are sent to the models."""

    workers: int  # questions at a time for each model
    budget: float | None  # CNY that each model may cost, None for no limit
    budget_tokens: int | None  # tokens that each model may use, None for no limit
    repeats: int  # answers to each question
    chat: Mapping[str, Any]  # of `ChatCompletion.do`, such as temperature

    def divided(self, parts: int) -> RunOptions:
        """Return the share of one of several prompts in what a model may do and cost."""
        if parts == 1:
            return self
        return replace(
            self,
            workers=max(1, validate_worker_count("workers", self.workers) // parts),
            budget=None if self.budget is None else self.budget / parts,
            budget_tokens=None if self.budget_tokens is None else self.budget_tokens // parts,
        )


class EvaluationRun:
    """Models that answer the same questions; created by `EvaluationManager.start`.

    When a model cannot be asked, the others are cancelled.

    Args:
        models: by their labels, the baseline first.
        prompted: the questions as each prompt asks them, by its name; "" without prompts.
        source: what the questions are from.
        options: how they are sent.
        build: makes the report of samples; its keywords are those of `build_report`.

    Attributes:
        models: their labels, the baseline first; with several prompts each model once for each.
        question_count: questions for each model.
        prompt_count, repeat_count: prompts that each model is asked by, and answers to each
            question.
        model_batches: the batch of each model, None for one that is not asked by a batch.
        scoring_steps: steps of the scoring, done and in all; (0, 0) before it begins.
        dataset: what the report calls the data.

    Raises:
        InvalidArgumentError: a model cannot be asked.
    """

    def __init__(
        self,
        models: Mapping[str, Any],
        prompted: Mapping[str, Sequence[Question]],
        source: Questions,
        options: RunOptions,
        build: Callable[..., EvaluationResult],
    ) -> None:
        cells = cells_of([*models], [*prompted])
        self.models = tuple(cells)
        self.question_count = len(next(iter(prompted.values())))
        self.prompt_count = len(prompted)
        self.repeat_count = options.repeats
        self.model_batches: list[Batch | None] = []
        self.scoring_steps = (0, 0)
        self.dataset = data_label(source)
        if "" not in prompted:
            self._facts = {"cells": cells}
        else:
            self._facts = {}
        self._build = build
        self._batches_by_target: defaultdict[tuple[str | None, ...], list[Batch]]
        self._batches_by_target = defaultdict(list)
        self._sample_collectors: list[Callable[[], Sequence[Sample]]] = []
        self._origins: dict[str, str] = {}
        self._report: EvaluationResult | None = None
        share = options.divided(len(prompted))
        is_as_it_is = "" in prompted and options.repeats == 1
        try:
            for label, (prompt, model) in cells.items():
                if is_as_it_is:
                    rows = source
                else:
                    rows = []
                self._start_model(label, models[model], prompt, prompted[prompt], rows, share)
        except BaseException:
            self.cancel()
            raise
        names = [each.name for each in self.batches]
        self._record = RunningEvaluation(self.models, self.question_count, names)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches that send the questions; models that answer on the platform have none."""
        return tuple(batch for batch in self.model_batches if batch is not None)

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
            state: EvaluationState = "failed"
            try:
                self._report = self._build(
                    [sample for collect in self._sample_collectors for sample in collect()],
                    notes=[_describe_origin(finished) for finished in self.batches],
                    origins=self._origins,
                    on_progress=self._count_steps,
                    dataset=self.dataset,
                    **self._facts,
                )
                state = "done"
            except BaseException:
                self.cancel()
                raise
            finally:
                self._record.end(state)
        return self._report

    def _start_model(
        self,
        label: str,
        model: Any,
        prompt: str,
        questions: Sequence[Question],
        source: Questions,
        options: RunOptions,
    ) -> None:
        asked = [*questions] * options.repeats
        running = None
        if isinstance(model, Model):
            target = model.service or model
        else:
            target = model
        if isinstance(target, Model):
            self._origins[label] = platform_info().name
            self._sample_collectors.append(lambda: answer_on_platform(label, target, asked, source))
        elif isinstance(client := _answering_client(target), ChatCompletion):
            running = started = self._start_batch(client, prompt, questions, options)
            self._origins[label] = started.job.request.platform
            self._sample_collectors.append(lambda: samples_of(label, asked, started.results()))
        else:
            conversations = [question.messages() for question in asked]
            task = client.batch_do(conversations, worker_num=options.workers)
            self._sample_collectors.append(
                lambda: samples_of(label, asked, map(to_row_result, task.results()))
            )
        self.model_batches.append(running)

    def _start_batch(
        self, chat: ChatCompletion, prompt: str, questions: Sequence[Question], options: RunOptions
    ) -> Batch:
        """Start a batch; a model that occurs twice answers twice, which shows its own variance.

        Repeats are in the journal of single answers, so that a larger number of them sends only
        what is missing.
        """
        earlier = self._batches_by_target[(*chat.resolve_target(None, None), prompt)]
        inputs = [question.batch_input() for question in questions]
        name = None
        if earlier:
            name = f"{earlier[0].name}-{len(earlier) + 1}"
        elif options.repeats > 1:
            name = journal_name(inputs, client=chat, **options.chat)
        started = batch(
            inputs * options.repeats,
            client=chat,
            name=name,
            workers=options.workers,
            budget=options.budget,
            budget_tokens=options.budget_tokens,
            invalid_rows="fail",
            allow_changed_input="keep",
            **options.chat,
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
    pre_processors: Sequence[scoring_run.PreProcessor],
    *,
    cluster: str = "",
    notes: Sequence[str] = (),
    on_progress: scoring_run.ProgressCallback = lambda *_: None,
    **facts: Any,
) -> EvaluationResult:
    """Return the report on answers; `facts` are further fields of it."""
    fields, failures = scoring_run.score_samples(samples, evaluators, pre_processors, on_progress)
    models = tuple(dict.fromkeys(sample.model for sample in samples))
    report = EvaluationResult(models=models, notes=(*notes, *failures), **facts, **fields)
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


UNANSWERED: Final = tr_noop("the platform gave no answer to this row")


def _answering_client(model: Any) -> Any:
    if not isinstance(model, (ChatCompletion, str)) and not hasattr(model, "get_res"):
        raise InvalidArgumentError(
            tr(
                "{kind} cannot be asked: give a Service, a Model, a trainer or a ChatCompletion",
                kind=type(model).__name__,
            )
        )
    return client_of(model)


def to_row_result(reply: Any) -> RowResult:
    """Return a reply, or the exception that came instead, as a batch would return it."""
    if isinstance(reply, BaseException):
        return RowResult.from_error(reply)
    seconds = getattr(reply, "statistic", {}).get("total_latency")
    return RowResult(text=str(reply["result"]), seconds=seconds)


def samples_of(
    label: str, questions: Sequence[Question], answers: Iterable[BatchRow | RowResult]
) -> list[Sample]:
    """Return questions with their answers; a question that occurs again is answered again, and an
    answer without text is a failed one.
    """
    repeats = Counter[int]()
    samples = []
    for question, answer in zip(questions, answers, strict=True):
        error = ""
        if answer.error:
            error = f"{answer.error}: {answer.message}".removesuffix(": ")
        elif answer.text is None:
            error = f"NoText: {tr('the reply has no text')}"
        sample = question.to_sample(
            label,
            answer.text or "",
            error=error,
            seconds=answer.seconds,
            finish_reason=answer.finish_reason,
            cost=answer.cost,
            cost_low=answer.cost_low,
            tokens=answer.completion_tokens,
            repeat=repeats[question.index],
        )
        samples.append(sample)
        repeats[question.index] += 1
    return samples


def answer_on_platform(
    label: str, model: Model, questions: Sequence[Question], source: Questions
) -> list[Sample]:
    """Let a published version answer; the platform may return its rows in any order."""
    texts_by_prompt: defaultdict[str, deque[str]] = defaultdict(deque)
    for row in model.batch_inference(to_dataset(source, questions)).list():
        texts_by_prompt[row["prompt"]].append(row.get("llm_output") or "")
    answers = []
    for question in questions:
        texts = texts_by_prompt[question.sent]
        if texts:
            text = texts.popleft()
        else:
            text = ""
        if text:
            answers.append(RowResult(text=text))
        else:
            answers.append(RowResult(error="NotAnswered", message=tr(UNANSWERED)))
    return samples_of(label, questions, answers)
