"""Real local tools behind plugins and function calls: arithmetic, the calendar, charts from numbers."""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FORMULA = re.compile(r"[\d(][\d\s.+\-*/%()×÷（）]*[\d)）]")
_PAIRS = re.compile(r"([\u4e00-\u9fffA-Za-z]+)\s*[:：为是]?\s*(\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

MIN_SIMILARITY = 0.12
"""Similarity of a question to a function's description from which the function is wanted."""


def run_tool(question: str) -> tuple[str, str, str] | None:
    """Return (tool, what it was asked, what it found) for a question that a tool can answer."""
    formula = next(
        (m.group() for m in _FORMULA.finditer(question) if re.search(r"[+\-*/%×÷]", m.group())), ""
    )
    if formula and (value := calculate(formula)) is not None:
        return "calculator", formula, f"{value:.10g}"
    if re.search(r"今天|日期|星期|几号|today|date", question, re.IGNORECASE):
        now = datetime.now().astimezone()
        return "calendar", "today", f"{now:%Y-%m-%d} 星期{'一二三四五六日'[now.weekday()]}"
    return None


def calculate(formula: str) -> float | None:
    """Return the value of a formula, None when it is none."""
    plain = formula.translate(str.maketrans("×÷（）", "*/()"))
    if len(plain) > 200:
        return None
    try:
        return _evaluate(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return None


def build_chart(question: str) -> dict[str, Any] | None:
    """Return the ECharts option of a bar chart of the numbers in a text, None when there are none."""
    pairs = _PAIRS.findall(question)
    if not pairs:
        return None
    names, values = [name for name, _ in pairs], [float(value) for _, value in pairs]
    return {
        "xAxis": {"type": "category", "data": names},
        "yAxis": {"type": "value"},
        "series": [{"type": "bar", "data": values}],
    }


def choose_function(functions: Sequence[Mapping[str, Any]], question: str) -> tuple[str, str] | None:
    """Return (name, arguments as JSON) of the function that a question is about, None when none is near."""
    from ..engines.builtin.features import relevance  # noqa: PLC0415 - numpy

    descriptions = [f"{f.get('name', '')} {f.get('description', '')}" for f in functions]
    if not descriptions:
        return None
    scores = relevance(question, descriptions)
    best = max(range(len(scores)), key=scores.__getitem__)
    if scores[best] < MIN_SIMILARITY:
        return None
    arguments = _extract_arguments(
        (functions[best].get("parameters") or {}).get("properties") or {}, question
    )
    return str(functions[best].get("name", "")), json.dumps(arguments, ensure_ascii=False)


def _evaluate(node: ast.AST) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.operand))
    raise ValueError


def _extract_arguments(properties: Mapping[str, Any], question: str) -> dict[str, Any]:
    numbers = iter(_NUMBER.findall(question))
    arguments: dict[str, Any] = {}
    for name, schema in properties.items():
        kind, choices = schema.get("type"), schema.get("enum")
        if choices:
            arguments[name] = next((choice for choice in choices if str(choice) in question), choices[0])
        elif kind in {"number", "integer"}:
            if (number := next(numbers, None)) is not None:
                arguments[name] = float(number) if kind == "number" else int(float(number))
        else:
            arguments[name] = _subject(question)
    return arguments


def _subject(question: str) -> str:
    """Return what a question is about: a quotation, or its first words without the polite ones."""
    quotation = re.search(r"[“\"'「](.+?)[”\"'」]", question)
    if quotation:
        return quotation.group(1)
    stripped = re.sub(r"^(请问|请|帮我|麻烦|查一下|查询|看看)+", "", question.strip())
    subject: str = re.split(r"[的，,。？?！! ]", stripped)[0]
    return subject or question
