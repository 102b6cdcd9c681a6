"""How models answer the questions of an evaluation: by a batch with a journal, or on the platform.

A service is asked by `qfnb.batch`: what was answered is on disk, and the same evaluation run again asks only
for what is missing. A model without a service answers on the platform. Anything else with a `batch_do` is
asked by it.
"""

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
from .samples import Question, Questions, Sample, to_dataset

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
