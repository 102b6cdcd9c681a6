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

from ..batching.batch import Batch
from ..batching.reading import Answer
from ..batching.starting import batch
from ..errors import InvalidArgumentError
from ..model import Model
from ..resources.chat import ChatCompletion
from ..resources.outcome import Outcome
from .questions import Question, Questions, source_of
from .samples import Sample

UNANSWERED: Final = "NotAnswered: the platform gave no answer to this row (平台未作答)"


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


class Askable(Protocol):
    """What is evaluated, e.g. a `qfnb.model.Service`."""

    def get_res(self) -> Chat:
        """Return what asks it."""
        ...


Answers = Callable[[], Sequence[Sample]]


@dataclass(frozen=True)
class Terms:
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
class Asked:
    """Who is being asked: batches under way, and for each model what waits for its answers."""

    batches: list[Batch] = field(default_factory=list)
    waiting: list[Answers] = field(default_factory=list)
    _known: dict[tuple[str | None, str | None], list[Batch]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(
        self, label: str, model: Any, questions: Sequence[Question], given: Questions, terms: Terms
    ) -> None:
        """Begin to ask a model; `given` is where the questions are from.

        Raises:
            InvalidArgumentError: it is nothing that can be asked.
        """
        service = model.service or model if isinstance(model, Model) else model
        if isinstance(service, Model):
            self.waiting.append(lambda: _on_platform(label, service, questions, given))
        elif isinstance(chat := _chat(service), ChatCompletion):
            begun = self._begin(chat, questions, terms)
            self.waiting.append(lambda: _of_batch(label, begun, questions))
        else:
            talks = [question.messages() for question in questions]
            task = chat.batch_do(talks, worker_num=terms.workers)
            self.waiting.append(lambda: _of_replies(label, task.results(), questions))

    def samples(self) -> list[Sample]:
        """Wait for all answers; whatever interrupts that cancels the batches, which keep what they have."""
        try:
            return [sample for answers in self.waiting for sample in answers()]
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Ask no new row of any model."""
        for begun in self.batches:
            begun.cancel()

    def _begin(self, chat: ChatCompletion, questions: Sequence[Question], terms: Terms) -> Batch:
        """Start a batch; a model that occurs twice is asked twice, so that its own noise can be seen."""
        same = self._known[chat.named(None, None)]
        begun = batch(
            [question.item() for question in questions],
            asking=chat,
            name=f"{same[0].name}-{len(same) + 1}" if same else None,
            workers=terms.workers,
            budget=terms.budget,
            wrong_rows="keep",
            **terms.options,
        )
        same.append(begun)
        self.batches.append(begun)
        return begun


def _chat(model: Any) -> Any:
    if isinstance(model, (ChatCompletion, str)):
        return ChatCompletion(model=model) if isinstance(model, str) else model
    if not hasattr(model, "get_res"):
        raise InvalidArgumentError(
            f"{type(model).__name__} cannot be asked: give a Service, a Model or a ChatCompletion (无法提问)"
        )
    return model.get_res()


def _of_batch(label: str, begun: Batch, questions: Sequence[Question]) -> list[Sample]:
    return [
        _sample(label, question, answer) for question, answer in zip(questions, begun.results(), strict=True)
    ]


def _of_replies(label: str, replies: Sequence[Any], questions: Sequence[Question]) -> list[Sample]:
    return [_replied(label, *pair) for pair in zip(questions, replies, strict=True)]


def _replied(label: str, question: Question, reply: Any) -> Sample:
    if isinstance(reply, BaseException):
        return _sample(label, question, Outcome.failed(reply))
    seconds = getattr(reply, "statistic", {}).get("total_latency")
    return _sample(label, question, Outcome(text=str(reply["result"]), seconds=seconds))


def _sample(label: str, question: Question, answer: Answer | Outcome) -> Sample:
    """Return what became of a question; what has no text failed, whatever it says."""
    error = f"{answer.error}: {answer.message}".removesuffix(": ") if answer.error else ""
    if not error and answer.text is None:
        error = "NoText: the reply has no text (回复中没有文本)"
    return question.answered(
        label,
        answer.text or "",
        error=error,
        seconds=answer.seconds,
        finish_reason=answer.finish_reason,
        cost=answer.cost,
        tokens=answer.completion_tokens,
    )


def _on_platform(label: str, model: Model, questions: Sequence[Question], given: Questions) -> list[Sample]:
    """Let a published version answer; the platform may give its rows in any order."""
    said: defaultdict[str, deque[str]] = defaultdict(deque)
    for row in model.batch_inference(source_of(given, questions)).list():
        said[row["prompt"]].append(row.get("llm_output") or "")
    texts = [said[question.prompt].popleft() if said[question.prompt] else "" for question in questions]
    return [
        question.answered(label, text, error="" if text else UNANSWERED)
        for question, text in zip(questions, texts, strict=True)
    ]
