"""Improving and scoring prompts by plain rules; every answer says that it is the sandbox's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from ...wire import prompt as wire
from ..http.call import Call, emulates
from ..state.store import random_id

SANDBOX_FIELDS = {"engine": "qfnb rules, not a language model"}
TASK = "optimization"
MAX_PROMPT_LENGTH = 20_000
"""Characters of a prompt."""

MAX_PATTERN_LENGTH = 200
_POLITE_WORDS = re.compile(r"(请你?|麻烦你?|帮我|帮忙|能不能|可以吗|谢谢)")

RULES: dict[int, Callable[[str], str]] = {
    1: lambda text: f"你是这一领域的专家。{text}\n请写得具体、准确，不确定的内容请说明。",
    2: lambda text: re.sub(r"\s+", " ", _POLITE_WORDS.sub("", text)).strip(),
    3: lambda text: f"{text}\n请按要点分条列出。",
    4: lambda text: f"{text}\n请先一步一步地思考，再给出结论。",
}
"""What the operations do here: better, shorter, in points, step by step; the platform's are not known."""


@emulates(wire.OPTIMIZE)
def optimize(call: Call, body: wire.Optimize) -> dict[str, Any]:
    """Begin to improve a prompt."""
    if not body.content.strip() or len(body.content) > MAX_PROMPT_LENGTH:
        raise call.invalid("content", f"1 to {MAX_PROMPT_LENGTH} characters")
    for operation in body.operations:
        call.validate_choice("operations.opType", operation.op_type, RULES)
    op_types = [operation.op_type for operation in body.operations if operation.payload]
    task = call.world.store.add(
        TASK,
        random_id("task-", 16),
        content=body.content,
        operations=[operation.to_wire() for operation in body.operations],
        improved=_apply_rules(body.content, op_types),
        plan=call.world.lifecycle.plan((wire.RUNNING, "optimize"), final=wire.DONE),
    )
    return {"id": task["id"]}


@emulates(wire.OPTIMIZED)
def describe_optimization(call: Call, body: wire.OptimizeRef) -> dict[str, Any]:
    """Describe an improvement."""
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
    """Score answers from 0 to 1."""
    score_answer = {wire.SEMANTIC: bigram_similarity, wire.REGEX: _regex_score, wire.EXACT: _exact_score}.get(
        body.type
    )
    if score_answer is None:
        raise call.invalid("type", f"{body.type}; 1 meaning, 2 regular expression, 3 equality")
    scores = []
    for row in body.data:
        expected = str(row.get("scene") or row.get("prompt") or "")
        if score_answer is _regex_score:
            _validate_pattern(call, expected)
        scores.append([round(score_answer(expected, answer), 4) for answer in _answers(call, row)])
    return {"scores": scores, "errorCode": 0, "errorMsg": "", "sandbox": SANDBOX_FIELDS}


@emulates(wire.SUMMARY)
def summarize(call: Call, body: wire.Summarize) -> dict[str, Any]:
    """Sum up how near the answers of each prompt are to what was expected."""
    rows = []
    for number, row in enumerate(body.data):
        scenes = [scene for scene in _get_list(call, row, "scenes") if isinstance(scene, dict)]
        similarities = [
            bigram_similarity(str(scene.get("expected_target", "")), str(scene.get("response", "")))
            for scene in scenes
        ]
        rows.append({"id": number, "response": _summary_text(similarities), "errorCode": 0, "errorMsg": ""})
    return {"responses": rows, "sandbox": SANDBOX_FIELDS}


def bigram_similarity(expected: str, answer: str) -> float:
    """Return how many pairs of neighbouring characters two texts share, from 0 to 1."""
    expected_bigrams, answer_bigrams = _bigrams(expected), _bigrams(answer)
    total = expected_bigrams.total() + answer_bigrams.total()
    return 2 * (expected_bigrams & answer_bigrams).total() / total if total else float(expected == answer)


def _apply_rules(text: str, operations: list[int]) -> str:
    for operation in sorted(
        set(operations), key=lambda kind: kind != 2
    ):  # shorten first, or it undoes the rest
        text = RULES[operation](text)
    return text


def _bigrams(text: str) -> Counter[str]:
    compact = "".join(text.lower().split())
    return Counter(compact[i : i + 2] for i in range(len(compact) - 1)) or Counter(
        [compact] if compact else []
    )


def _regex_score(expected: str, answer: str) -> float:
    return float(re.search(expected, answer[:MAX_PROMPT_LENGTH]) is not None)


def _exact_score(expected: str, answer: str) -> float:
    return float(expected.strip() == answer.strip())


def _answers(call: Call, row: dict[str, Any]) -> list[str]:
    return [str(answer) for answer in _get_list(call, row, "response_list")]


def _get_list(call: Call, row: dict[str, Any], field: str) -> list[Any]:
    value = row.get(field) or []
    if not isinstance(value, list):
        raise call.invalid("data", f"{field} is a list")
    return value


def _validate_pattern(call: Call, pattern: str) -> None:
    try:
        re.compile(pattern)
        is_valid = len(pattern) <= MAX_PATTERN_LENGTH
    except (re.error, OverflowError, RecursionError):
        is_valid = False
    if not is_valid:
        raise call.invalid("data", f"{pattern[:40]!r} is no regular expression of that length")


def _summary_text(similarities: list[float]) -> str:
    if not similarities:
        return "沙盒：没有场景可以比较。"
    mean = sum(similarities) / len(similarities)
    return (
        f"沙盒按字面比较了 {len(similarities)} 个场景：与期望的平均相似度 {mean:.0%}，"
        f"最高 {max(similarities):.0%}，最低 {min(similarities):.0%}。"
    )
