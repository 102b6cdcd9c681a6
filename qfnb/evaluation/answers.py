"""The answers of models as samples, whoever gave them: a batch, the platform, or any object with a
`batch_do`.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from .._jobs.row_result import RowResult
from ..base.language import tr, tr_noop
from ..batching.journal_reader import BatchRow
from ..errors import InvalidArgumentError
from ..model import Model
from ..resources.inference.chat import ChatCompletion
from .samples import Question, Questions, Sample, to_dataset

UNANSWERED: Final = tr_noop("the platform gave no answer to this row")


def client_of(model: Any) -> Any:
    """Return the object whose `batch_do` asks a model."""
    if isinstance(model, (ChatCompletion, str)):
        if isinstance(model, str):
            return ChatCompletion(model=model)
        return model
    if not hasattr(model, "get_res"):
        raise InvalidArgumentError(
            tr(
                "{kind} cannot be asked: give a Service, a Model, a trainer or a ChatCompletion",
                kind=type(model).__name__,
            )
        )
    return model.get_res()


def to_row_result(reply: Any) -> RowResult:
    """Return a reply, or the exception that came instead, as a batch would return it."""
    if isinstance(reply, BaseException):
        return RowResult.from_error(reply)
    seconds = getattr(reply, "statistic", {}).get("total_latency")
    return RowResult(text=str(reply["result"]), seconds=seconds)


def samples_of(
    label: str, questions: Sequence[Question], answers: Iterable[BatchRow | RowResult]
) -> list[Sample]:
    """Return questions with their answers; a question that occurs again is answered again."""
    repeats = Counter[int]()
    samples = []
    for question, answer in zip(questions, answers, strict=True):
        samples.append(replace(_sample_of(label, question, answer), repeat=repeats[question.index]))
        repeats[question.index] += 1
    return samples


def _sample_of(label: str, question: Question, answer: BatchRow | RowResult) -> Sample:
    """Return a question with its answer; an answer without text is a failed one."""
    if answer.error:
        error = f"{answer.error}: {answer.message}".removesuffix(": ")
    else:
        error = ""
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
        answers.append(
            RowResult(text=text) if text else RowResult(error="NotAnswered", message=tr(UNANSWERED))
        )
    return samples_of(label, questions, answers)
