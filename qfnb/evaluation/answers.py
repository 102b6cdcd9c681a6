"""The answers of models as samples, whoever gave them: a batch, the platform, or any object with a
`batch_do`.
"""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from .._jobs.row_result import RowResult
from ..base.language import tr, tr_noop
from ..batching.journal_reader import BatchRow
from ..errors import InvalidArgumentError
from ..metrics.units import characters
from ..model import Model
from ..resources.inference.chat import ChatCompletion
from .samples import Question, Questions, Sample, to_dataset

Flag = Literal["empty", "repetition", "truncated", "refusal", "wrong_language"]

TRUNCATED_REASONS: Final = frozenset({"length", "max_tokens"})
NGRAM: Final = 4
MIN_UNITS: Final = 8
"""Units below which an answer is never called repetitive."""

TAIL_UNITS: Final = 100  # units at the end that are checked separately: models fall into loops late
MIN_LOOP_SHARE: Final = 0.5
REFUSAL_WINDOW: Final = 200
"""Characters at the beginning that are searched for a refusal."""

_UNABLE = r"\b(can'?t|cannot|can not|unable|not able)\b"
_REFUSALS: Final = (
    r"(抱歉|对不起|遗憾|不好意思)[^。！？\n]{0,30}(无法|不能|不便|没办法|没有办法|不可以)[^。！？\n]{0,12}",
    r"(我|本模型|本助手)(目前|暂时|还|并)?(无法|不能|不便)[^。！？\n]{0,6}",
)
_REQUEST_VERBS = (
    r"(回答|提供|协助|帮助|满足|讨论|生成|给出|回应|评论|处理你的|处理您的|完成你的|完成您的|继续)"
)
_REFUSAL = re.compile(
    rf"(?:{'|'.join(_REFUSALS)}){_REQUEST_VERBS}"
    r"|作为(一个|一款|一名)?(ai|人工智能|大?语言模型|大模型)[^。！？\n]{0,30}(无法|不能|不便|没有能力|还没学|还没有学)"
    r"|(换个|换一个)话题(吧|试试|聊)|聊点别的"
    rf"|\b(i'?m|i am) (sorry|afraid)\b[^.!?\n]{{0,40}}{_UNABLE}"
    r"|\bi (can'?t|cannot|can not|won'?t|am unable to|am not able to) "
    r"(help|assist|provide|answer|comply|discuss|fulfill|generate|do that)"
    rf"|\bas an? (ai|artificial intelligence|(large )?language model)\b[^.!?\n]{{0,60}}{_UNABLE}",
    re.IGNORECASE,
)
_OTHER_LANGUAGE_REQUEST = re.compile(
    r"翻译|译成|译为|英文|英语|日文|日语|韩文|韩语|中文|汉语|代码|translat|english|chinese|japanese|korean|code",
    re.IGNORECASE,
)
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SCRIPTS: Final = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "zh": re.compile("[\u3400-\u9fff\uf900-\ufaff]"),
    "en": re.compile("[A-Za-z]{2,}"),
}


def degenerate_flags(
    output: str,
    *,
    finish_reason: str | None = None,
    prompt: str = "",
    reference: str = "",
    language: str | None = None,
) -> tuple[Flag, ...]:
    """Return in which ways an answer is degenerate, whether or not it is right; () for a good one.

    A refusal or repetition that the reference has too is not degenerate.

    Args:
        output: the answer.
        finish_reason: of the reply; `length` means that the answer was cut off.
        prompt: the question; its language is the expected one without a reference.
        reference: the expected answer.
        language: `zh`, `en`, `ja` or `ko` instead of the reference's.
    """
    if not output.strip():
        if finish_reason in TRUNCATED_REASONS:
            return ("empty", "truncated")
        return ("empty",)
    expected = (
        language
        or detect_language(reference)
        or ("" if _OTHER_LANGUAGE_REQUEST.search(prompt) else detect_language(prompt))
    )
    actual = detect_language(output)
    checks: dict[Flag, bool] = {
        "repetition": repetition(output) >= MIN_LOOP_SHARE > repetition(reference),
        "truncated": finish_reason in TRUNCATED_REASONS,
        "refusal": is_refusal(output) and not is_refusal(reference),
        "wrong_language": bool(expected and actual and expected != actual),
    }
    return tuple(flag for flag, is_set in checks.items() if is_set)


def repetition(text: str) -> float:
    """Return the share of repeated 4-grams, in the whole text or in its end, whichever is higher.

    0-1; 0 for fewer than eight units.
    """
    units = characters(text)
    if len(units) < MIN_UNITS:
        return 0.0
    return max(_repeated_share(units), _repeated_share(units[-TAIL_UNITS:]))


def is_refusal(text: str) -> bool:
    """Return whether an answer declines, in Chinese or English; only its beginning is searched."""
    return _REFUSAL.search(text[:REFUSAL_WINDOW].replace("’", "'")) is not None


def detect_language(text: str) -> str:
    """Return the language of most of a text: zh, en, ja or ko; "" when it is ambiguous.

    An English word counts as much as a Chinese character; code in fences does not count.
    """
    plain = _FENCED.sub(" ", text)
    counts = {name: len(script.findall(plain)) for name, script in _SCRIPTS.items()}
    if counts["ja"] * 4 >= counts["zh"]:  # Japanese is written with Chinese characters too
        counts["ja"] += counts.pop("zh") if counts["ja"] else 0
    total = sum(counts.values())
    dominant = max(counts, key=lambda name: counts[name])
    if total >= NGRAM and counts[dominant] > 0.6 * total:
        return dominant
    return ""


def _repeated_share(units: tuple[str, ...]) -> float:
    ngrams = [units[start : start + NGRAM] for start in range(len(units) - NGRAM + 1)]
    return 1 - len(set(ngrams)) / len(ngrams)


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
