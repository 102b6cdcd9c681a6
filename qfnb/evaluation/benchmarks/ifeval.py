"""IFEval: prompts with instructions that a program can check, such as "no commas" or "at least 300
words".

Four scores: whether all instructions of a prompt are followed, and which share of them; each
strict, or loose: then an instruction is followed, too, where it is without the answer's first line,
its last line, its asterisks, or several of these. A report has the accuracies by prompt and by
instruction. Source: Zhou et al. 2023 (arXiv 2311.07911).
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...base.language import tr
from ...base.text import did_you_mean, format_value
from ...errors import DatasetError, InvalidArgumentError
from ..evaluator import LocalEvaluator
from .benchmark import Benchmark, Request, read_objects
from .ifeval_rules import RULES, Rule

TITLE: Final = "IFEval"
EXPECTED: Final = (
    '{"key": 1, "prompt": "...", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'
)
COLUMNS: Final = {"prompt": str, "instruction_id_list": list, "kwargs": list}
COUNT: Final = "instructions"
"""The column with the number of a prompt's instructions."""

Instruction = tuple[str, Mapping[str, Any]]
"""The name of a rule, and its arguments."""


def load_ifeval(request: Request) -> Benchmark:
    """Return the prompts; the instructions of each are its reference, a line of JSON for each of
    them.
    """
    request.refuse(TITLE, "subjects", "split", "shots")
    path = request.path
    if path.is_dir():
        files = sorted(path.glob("*.jsonl"))
        if len(files) != 1:
            names = tr(", ").join(file.name for file in files) or tr("none")
            raise DatasetError(
                tr("the folder must have one .jsonl file, and has {names}", names=names),
                path=str(path),
            )
        (path,) = files
    rows = []
    for line, value in read_objects(path, COLUMNS, EXPECTED):
        try:
            instructions = list(_parse_instructions(value["instruction_id_list"], value["kwargs"]))
        except InvalidArgumentError as error:
            raise DatasetError(str(error), path=str(path), line=line) from None
        lines = [
            json.dumps({"id": name, **arguments}, ensure_ascii=False)
            for name, arguments in instructions
        ]
        rows.append({"prompt": value["prompt"], "response": "\n".join(lines), COUNT: len(lines)})
    weights = {name: COUNT for name in IFEvalEvaluator.names if name.startswith("instruction")}
    return Benchmark(TITLE, rows, ("ifeval",), weights=weights)


def _parse_instructions(names: Sequence[Any], arguments: Sequence[Any]) -> Iterator[Instruction]:
    """Yield instructions; arguments without a value are left out, as are those of other rules.

    Raises:
        InvalidArgumentError: a rule is unknown, or an argument is missing or of another kind.
    """
    if not names or len(names) != len(arguments):
        raise InvalidArgumentError(
            tr(
                "{names} names in 'instruction_id_list' and {n} in 'kwargs': as many of each, and "
                "one at least",
                names=len(names),
                n=len(arguments),
            )
        )
    for name, values in zip(names, arguments, strict=True):
        rule = RULES.get(str(name))
        if rule is None:
            raise InvalidArgumentError(
                tr(
                    "'instruction_id_list' has {name}{hint}: it is one of {names}",
                    name=format_value(name),
                    hint=did_you_mean(str(name), RULES),
                    names=tr(", ").join(RULES),
                )
            )
        if not isinstance(values, Mapping):
            raise InvalidArgumentError(
                tr("'kwargs' has {value}: it has objects", value=format_value(values))
            )
        yield str(name), _parse_arguments(str(name), rule, values)


def _parse_arguments(name: str, rule: Rule, values: Mapping[str, Any]) -> dict[str, Any]:
    parsed = {}
    for key, is_valid in rule.arguments.items():
        if not is_valid(values.get(key)):
            value = format_value(values.get(key))
            raise InvalidArgumentError(
                tr("'kwargs' of {name}: {key} is {value}", name=name, key=key, value=value)
            )
        parsed[key] = values[key]
    return parsed


def read_reference(reference: str) -> list[Instruction]:
    """Return the instructions of a reference, none where it has another form."""
    try:
        objects = [json.loads(line) for line in reference.splitlines() if line.strip()]
        names = [value.pop("id") for value in objects]
        return [*_parse_instructions(names, objects)]
    except (ValueError, AttributeError, TypeError, KeyError):
        return []


@dataclass(frozen=True)
class IFEvalEvaluator(LocalEvaluator):
    """Whether an answer follows the instructions of an IFEval prompt, which are its reference."""

    names = ("prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose")
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, Any]:  # noqa: A002, D102
        if not (instructions := read_reference(reference)):
            return dict.fromkeys(self.names, math.nan)
        strict = [is_followed(instruction, output) for instruction in instructions]
        texts = loose_texts(output)
        loose = [
            followed or any(is_followed(instruction, text) for text in texts)
            for followed, instruction in zip(strict, instructions, strict=True)
        ]
        values = (*_shares(strict), *_shares(loose))
        broken = [
            name for (name, _), followed in zip(instructions, strict, strict=True) if not followed
        ]
        return dict(zip(self.names, values, strict=True)) | {"not_followed": tr(", ").join(broken)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        rules = tr(
            "IFEval's 25 rules by their description; languages and sentences by rules of qfnb"
        )
        return {
            "prompt_strict": tr(
                "prompts all of whose instructions are followed; {rules}", rules=rules
            ),
            "instruction_strict": tr("share of a prompt's instructions that are followed"),
            "prompt_loose": tr(
                "prompts all of whose instructions are followed, if need be without first line, "
                "last line or asterisks"
            ),
            "instruction_loose": tr(
                "share of a prompt's instructions followed, if need be without first line, last "
                "line or asterisks"
            ),
        }


def _shares(followed: Sequence[bool]) -> tuple[float, float]:
    return float(all(followed)), sum(followed) / len(followed)


def is_followed(instruction: Instruction, output: str) -> bool:
    """Return whether an answer follows an instruction; an empty one follows none."""
    name, arguments = instruction
    return bool(output.strip()) and RULES[name].is_followed(output, **arguments)


def loose_texts(output: str) -> list[str]:
    """Return an answer without its first line, its last line or its asterisks, in all combinations,
    each once.
    """
    lines = output.split("\n")
    cuts = [
        "\n".join(lines[first:end]).strip()
        for first, end in itertools.product((0, 1), (len(lines), -1))
    ]
    return [*dict.fromkeys([*cuts, *(cut.replace("*", "") for cut in cuts)])]
