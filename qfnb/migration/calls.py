"""Calls of the SDK: models that have ended, v1, and what has no meaning on v2."""

import ast
from collections.abc import Iterator
from typing import Final

from ..base.language import tr, tr_noop
from ..resources.inference.model_choice import V1_ENDED
from ..resources.inference.v1_words import V1_ONLY
from ..wire import catalog
from .program import INFERENCE_METHODS, SDK, Program
from .unit import Edit, Finding, Unit

KINDS: Final[dict[str, catalog.ModelKind]] = {
    "ChatCompletion": "chat",
    "Completion": "completion",
    "Embedding": "embedding",
    "Reranker": "reranker",
    "Text2Image": "text2image",
    "Image2Text": "image2text",
    "Qianfan": "chat",
    "AsyncQianfan": "chat",
}
"""Classes that ask a model -> the kind of model."""

ENDED_CLASSES: Final = {
    "Plugin": tr_noop(
        "plugins ended with v1 on {date}: ChatCompletion takes tools= and web_search="
    ),
    "Tokenizer": tr_noop(
        "remote counting ended with v1 on {date}: mode='local' counts without a call"
    ),
}

POSITIONS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("ChatCompletion", ""): ("version",),
    ("Model", ""): ("set_id", "id", "task_id", "job_id", "name"),
    ("Reranker", "do"): ("", "", "top_n", "model", "endpoint"),
    ("Reranker", "ado"): ("", "", "top_n", "model", "endpoint"),
}
"""Class and method -> the SDK's arguments by position, where qfnb has others there; "" for those
that are the same.
"""

TRANSLATED: Final = frozenset(
    [
        "disable_search",
        "enable_citation",
        "enable_trace",
        "function_call",
        "functions",
        "max_output_tokens",
        "user_id",
    ]
)
"""Options of v1 for which v2 has words of its own."""


def review_calls(program: Program, unit: Unit) -> Iterator[Finding]:
    """Yield what has to be said about the calls of a unit."""
    reviewed: set[ast.AST] = set()
    for node in ast.walk(unit.tree):
        if isinstance(node, ast.Call):
            class_name, method = program.class_of(node)
            if class_name != "Model" or program.path_of(node.func).startswith(f"{SDK}.model"):
                yield from _name_arguments(unit, node, POSITIONS.get((class_name, method), ()))
            if (
                class_name in KINDS
                or class_name in ENDED_CLASSES
                or (not class_name and method in INFERENCE_METHODS)
            ):
                reviewed |= {keyword.value for keyword in node.keywords}
                yield from _review_call(unit, node, class_name, method)
            elif program.path_of(node.func):  # a training names its models otherwise
                reviewed |= {*node.args, *(keyword.value for keyword in node.keywords)}
        elif isinstance(node, ast.Constant) and node not in reviewed:
            yield from _review_text(unit, node)


def _name_arguments(unit: Unit, call: ast.Call, names: tuple[str, ...]) -> Iterator[Finding]:
    """Yield the names for arguments whose position is another in qfnb."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    for argument, name in zip(call.args, names, strict=False):
        if name:
            start, _ = unit.span(argument)
            message = tr("{name}= is named, since its position is another in qfnb", name=name)
            yield Finding(
                "changed", message, argument.lineno, unit.cell, (Edit(start, start, f"{name}="),)
            )


def _review_call(unit: Unit, call: ast.Call, class_name: str, method: str) -> Iterator[Finding]:
    values = {keyword.arg: keyword.value for keyword in call.keywords}
    if class_name in ENDED_CLASSES and (class_name == "Plugin") == (method == ""):
        mode = values.get("mode")
        if not (isinstance(mode, ast.Constant) and mode.value == "local"):
            yield _finding(unit, call, "manual", tr(ENDED_CLASSES[class_name], date=V1_ENDED))
    if isinstance(model := values.get("model"), ast.Constant) and isinstance(model.value, str):
        yield from _replace_model(unit, model, KINDS.get(class_name))
    version = values.get("version") or (
        call.args[0] if class_name == "ChatCompletion" and not method and call.args else None
    )
    if class_name in KINDS and isinstance(version, ast.Constant) and version.value in {1, "1"}:
        message = tr(
            "version 1 of the inference API ended on {date}: version 2 is asked", date=V1_ENDED
        )
        yield Finding(
            "changed", message, version.lineno, unit.cell, unit.replace(version, "1", "2")
        )
    if class_name in {"ChatCompletion", "Completion"}:
        for name in sorted((V1_ONLY - TRANSLATED).intersection(filter(None, values))):
            message = tr(
                "{name}= is an option of v1 that v2 does not have: it is not sent", name=name
            )
            yield _finding(unit, values[name], "note", message)
    if class_name in KINDS and "endpoint" in values:
        message = tr(
            "a service that was deployed for v1 has not answered since {date}: deploy its model "
            "again and name the "
            "new endpoint",
            date=V1_ENDED,
        )
        yield _finding(unit, call, "manual", message)


def _replace_model(
    unit: Unit, constant: ast.Constant, kind: catalog.ModelKind | None
) -> Iterator[Finding]:
    """Yield the replacement of a model that has ended."""
    name = str(constant.value)
    row = catalog.find_model(kind, name) or catalog.find_model(None, name)
    if row is None or row.status != "retired":
        return
    replacement = catalog.living_replacement(row.kind, name)
    ended = (
        tr("{name} ended {ended}", name=name, ended=row.ended)
        if row.ended
        else tr("{name} has ended", name=name)
    )
    edits = unit.replace(constant, name, replacement.id) if replacement else ()
    if replacement is None or not edits:
        message = tr("{ended}: name another model", ended=ended)
        yield _finding(unit, constant, "manual", message)
        return
    message = tr("{ended}: {replacement} is asked", ended=ended, replacement=replacement.id)
    if row.kind == "embedding":
        message = tr(
            "{message}; its vectors are different: embed again what you have stored",
            message=message,
        )
    yield Finding("changed", message, constant.lineno, unit.cell, edits)


def _review_text(unit: Unit, constant: ast.Constant) -> Iterator[Finding]:
    """Yield a note where a text that stands elsewhere is the name of a model that has ended."""
    name = constant.value
    row = catalog.find_model(None, name) if isinstance(name, str) else None
    if (
        not isinstance(name, str)
        or row is None
        or row.status != "retired"
        or name.lower() not in map(str.lower, (row.id, row.name, *row.aliases))
    ):
        return
    if replacement := catalog.living_replacement(row.kind, name):
        message = tr(
            "{name} is the name of a model that has ended: a call asks {replacement} instead, and "
            "says so",
            name=name,
            replacement=replacement.id,
        )
        yield _finding(unit, constant, "note", message)


def _finding(unit: Unit, node: ast.expr, kind: str, message: str) -> Finding:
    return Finding(kind, message, node.lineno, unit.cell)  # type: ignore[arg-type]
