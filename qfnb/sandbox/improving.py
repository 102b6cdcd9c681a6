"""Improving and scoring prompts by plain rules; every answer says that it is the sandbox's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..wire import prompt as wire
from .routing import Call, emulates, refuse_call
from .store import random_id

MARK = {"engine": "qfnb rules, not a language model"}
TASK = "optimization"
LONGEST = 20_000
"""Characters of a prompt."""

LONGEST_PATTERN = 200
_POLITE = re.compile(r"(请你?|麻烦你?|帮我|帮忙|能不能|可以吗|谢谢)")

RULES: dict[int, Callable[[str], str]] = {
    1: lambda text: f"你是这一领域的专家。{text}\n请写得具体、准确，不确定的内容请说明。",
    2: lambda text: re.sub(r"\s+", " ", _POLITE.sub("", text)).strip(),
    3: lambda text: f"{text}\n请按要点分条列出。",
    4: lambda text: f"{text}\n请先一步一步地思考，再给出结论。",
}
"""What the operations do here: better, shorter, in points, step by step; the platform's are not known."""


@emulates(wire.OPTIMIZE)
def optimize(call: Call, body: wire.Optimize) -> dict[str, Any]:
    """Begin to improve a prompt."""
    if not body.content.strip() or len(body.content) > LONGEST:
        raise refuse_call(call, f"param[content] invalid: 1 to {LONGEST} characters")
    for operation in body.operations:
        if operation.op_type not in RULES:
            raise refuse_call(call, f"param[operations] invalid: opType {operation.op_type}; it is 1 to 4")
    wanted = [operation.op_type for operation in body.operations if operation.payload]
    task = call.world.store.add(
        TASK,
        random_id("task-", 16),
        content=body.content,
        operations=[operation.to_wire() for operation in body.operations],
        improved=_improved(body.content, wanted),
        plan=call.world.lifecycle.plan((wire.RUNNING, "optimize"), then=wire.DONE),
    )
    return {"id": task["id"]}


@emulates(wire.OPTIMIZED)
def optimized(call: Call, body: wire.OptimizeRef) -> dict[str, Any]:
    """Describe an improvement."""
    task = call.world.store.get(TASK, body.id)
    if task is None:
        raise refuse_call(call, f"param[id] invalid: there is no optimization {body.id}")
    state = call.world.lifecycle.state(task["plan"])
    return {
        "id": task["id"],
        "content": task["content"],
        "operations": task["operations"],
        "processStatus": state,
        "optimizeContent": task["improved"] if state == wire.DONE else "",
        "sandbox": MARK,
    }


@emulates(wire.PREDICT)
def predict(call: Call, body: wire.Predict) -> dict[str, Any]:
    """Score answers from 0 to 1."""
    score = {wire.SEMANTIC: likeness, wire.REGEX: _found, wire.EXACT: _same}.get(body.type)
    if score is None:
        raise refuse_call(
            call, f"param[type] invalid: {body.type}; 1 meaning, 2 regular expression, 3 equality"
        )
    scores = []
    for row in body.data:
        expected = str(row.get("scene") or row.get("prompt") or "")
        if score is _found:
            _check_pattern(call, expected)
        scores.append([round(score(expected, answer), 4) for answer in _answers(call, row)])
    return {"scores": scores, "errorCode": 0, "errorMsg": "", "sandbox": MARK}


@emulates(wire.SUMMARY)
def summarize(call: Call, body: wire.Summarize) -> dict[str, Any]:
    """Sum up how near the answers of each prompt are to what was expected."""
    rows = []
    for number, row in enumerate(body.data):
        scenes = [scene for scene in _list_of(call, row, "scenes") if isinstance(scene, dict)]
        near = [
            likeness(str(scene.get("expected_target", "")), str(scene.get("response", "")))
            for scene in scenes
        ]
        rows.append({"id": number, "response": _summary(near), "errorCode": 0, "errorMsg": ""})
    return {"responses": rows, "sandbox": MARK}


def likeness(expected: str, answer: str) -> float:
    """Return how many pairs of neighbouring characters two texts share, from 0 to 1."""
    one, other = _pairs(expected), _pairs(answer)
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else float(expected == answer)


def _improved(text: str, operations: list[int]) -> str:
    for operation in sorted(
        set(operations), key=lambda kind: kind != 2
    ):  # shorten first, or it undoes the rest
        text = RULES[operation](text)
    return text


def _pairs(text: str) -> Counter[str]:
    plain = "".join(text.lower().split())
    return Counter(plain[i : i + 2] for i in range(len(plain) - 1)) or Counter([plain] if plain else [])


def _found(expected: str, answer: str) -> float:
    return float(re.search(expected, answer[:LONGEST]) is not None)


def _same(expected: str, answer: str) -> float:
    return float(expected.strip() == answer.strip())


def _answers(call: Call, row: dict[str, Any]) -> list[str]:
    return [str(answer) for answer in _list_of(call, row, "response_list")]


def _list_of(call: Call, row: dict[str, Any], field: str) -> list[Any]:
    found = row.get(field) or []
    if not isinstance(found, list):
        raise refuse_call(call, f"param[data] invalid: {field} is a list")
    return found


def _check_pattern(call: Call, pattern: str) -> None:
    try:
        re.compile(pattern)
        fits = len(pattern) <= LONGEST_PATTERN
    except (re.error, OverflowError, RecursionError):
        fits = False
    if not fits:
        raise refuse_call(
            call, f"param[data] invalid: {pattern[:40]!r} is no regular expression of that length"
        )


def _summary(near: list[float]) -> str:
    if not near:
        return "沙盒：没有场景可以比较。"
    mean = sum(near) / len(near)
    return (
        f"沙盒按字面比较了 {len(near)} 个场景：与期望的平均相似度 {mean:.0%}，"
        f"最高 {max(near):.0%}，最低 {min(near):.0%}。"
    )
