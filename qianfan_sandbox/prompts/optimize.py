"""Prompt optimization and scoring by plain rules; every answer says that it is the sandbox's."""

import re
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from qfnb.base.language import tr, trn
from qfnb.metrics.rouge_bleu_chrf import rouge_l
from qfnb.wire import prompt_v1 as wire

from ..http.call import Call, emulates
from ..state.store import random_id

SANDBOX_FIELDS = {"engine": "qfnb rules, not a language model"}
TASK = "optimization"
MAX_PROMPT_LENGTH = 20_000
MAX_PATTERN_LENGTH = 200
"""In characters."""

_POLITE_WORDS = re.compile(r"(请你?|麻烦你?|帮我|帮忙|能不能|可以吗|谢谢)")

RULES: dict[int, Callable[[str], str]] = {
    1: lambda text: f"你是这一领域的专家。{text}\n请写得具体、准确，不确定的内容请说明。",
    2: lambda text: re.sub(r"\s+", " ", _POLITE_WORDS.sub("", text)).strip(),
    3: lambda text: f"{text}\n请按要点分条列出。",
    4: lambda text: f"{text}\n请先一步一步地思考，再给出结论。",
}
"""What the operations do here: improve, shorten, in points, step by step; the platform's own are
not published.
"""


@emulates(wire.OPTIMIZE)
def optimize(call: Call, body: wire.Optimize) -> dict[str, Any]:
    """Begin to optimize a prompt."""
    if not body.content.strip() or len(body.content) > MAX_PROMPT_LENGTH:
        raise call.invalid("content", f"1 to {MAX_PROMPT_LENGTH} characters")
    for operation in body.operations:
        call.validate_choice("operations.opType", operation.op_type, RULES)
    optimized = body.content
    op_types = {row.op_type for row in body.operations if row.payload}
    # shorten first: it would undo the rest
    for op_type in sorted(op_types, key=lambda number: number != 2):
        optimized = RULES[op_type](optimized)
    task = call.world.store.add(
        TASK,
        random_id("task-", 16),
        content=body.content,
        operations=[operation.to_wire() for operation in body.operations],
        improved=optimized,
        plan=call.world.lifecycle.plan((wire.RUNNING, "optimize"), final=wire.DONE),
    )
    return {"id": task["id"]}


@emulates(wire.OPTIMIZED)
def describe_optimization(call: Call, body: wire.OptimizeRef) -> dict[str, Any]:
    """Describe an optimization."""
    task = call.find(TASK, body.id, "id", "optimization")
    state = call.world.lifecycle.state(task["plan"])
    return {
        "id": task["id"],
        "content": task["content"],
        "operations": task["operations"],
        "processStatus": state,
        "optimizeContent": task["improved"] if state == wire.DONE else "",
        "sandbox": SANDBOX_FIELDS,
    }


@emulates(wire.PREDICT)
def predict(call: Call, body: wire.Predict) -> dict[str, Any]:
    """Score answers from 0 to 1: by meaning, by a regular expression, or by equality."""
    call.validate_choice("type", body.type, (wire.SEMANTIC, wire.REGEX, wire.EXACT))
    scores = []
    for row in body.data:
        expected = str(row.get("scene") or row.get("prompt") or "")
        score = _scorer(call, body.type, expected)
        answers = _get_list(call, row, "response_list")
        scores.append([round(float(score(str(answer))), 4) for answer in answers])
    return {"scores": scores, "errorCode": 0, "errorMsg": "", "sandbox": SANDBOX_FIELDS}


@emulates(wire.SUMMARY)
def summarize(call: Call, body: wire.Summarize) -> dict[str, Any]:
    """Summarize how similar the answers of each prompt are to the expected ones."""
    rows = []
    for number, row in enumerate(body.data):
        similarities = [
            _similarity(str(scene.get("expected_target", "")), str(scene.get("response", "")))
            for scene in _get_list(call, row, "scenes")
            if isinstance(scene, dict)
        ]
        rows.append(
            {"id": number, "response": _summary_text(similarities), "errorCode": 0, "errorMsg": ""}
        )
    return {"responses": rows, "sandbox": SANDBOX_FIELDS}


def _similarity(expected: str, answer: str) -> float:
    first, second = ("".join(text.lower().split()) for text in (expected, answer))
    return rouge_l(second, first) if first else float(not second)


def _scorer(call: Call, kind: int, expected: str) -> Callable[[str], float]:
    if kind == wire.SEMANTIC:
        return partial(_similarity, expected)
    if kind == wire.EXACT:
        return lambda answer: expected.strip() == answer.strip()
    try:
        pattern = re.compile(expected if len(expected) <= MAX_PATTERN_LENGTH else "(")
    except (re.error, OverflowError, RecursionError):
        raise call.invalid(
            "data",
            f"{expected[:40]!r} is not a regular expression of at most {MAX_PATTERN_LENGTH} "
            "characters",
        ) from None
    return lambda answer: pattern.search(answer[:MAX_PROMPT_LENGTH]) is not None


def _get_list(call: Call, row: dict[str, Any], field: str) -> list[Any]:
    value = row.get(field) or []
    if not isinstance(value, list):
        raise call.invalid("data", f"{field} is a list")
    return value


def _summary_text(similarities: list[float]) -> str:
    if not similarities:
        return tr("The sandbox has no scenes to compare.")
    return trn(
        "The sandbox compared {n} scene by its wording: {share:.0%} like what was expected.",
        "The sandbox compared {n} scenes by their wording: on average {share:.0%} like what was "
        "expected.",
        len(similarities),
        share=statistics.fmean(similarities),
    )
