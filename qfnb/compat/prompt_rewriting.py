"""Prompts that models write: frameworks to fill in, and rounds of answers, criticism and
rewriting.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.completion_plugin import Completion
from ..wire.prompt_template import PromptTemplate

SAMPLE = "输入：\n{{input}}\n\n期望的输出：\n{{expect}}\n\n模型的输出：\n{{response}}"
FEEDBACK = (
    "下面的 prompt 由我编写：\n{{current_prompt}}\n\n用它得到了这些结果：\n{{samples}}\n\n"
    "请指出这个 prompt 的不足，说明它为什么没有得到期望的输出，不要直接改写它。"
)
UPDATE = (
    "下面的 prompt 由我编写：\n{{current_prompt}}\n\n用它得到了这些结果：\n{{samples}}\n\n对它的意见是：\n{{feedback}}"
    "\n\n请根据意见改写这个 prompt，必须保留这些变量：{{variables}}。把新的 prompt 写在 <START> 与 <END> 之间。"
)
SHORTER = (
    "下面的 prompt 由我编写：\n{{current_prompt}}\n\n请在不改变含义的前提下使它更简短，必须保留这些变量："
    "{{variables}}。把新的 prompt 写在 <START> 与 <END> 之间。"
)
"""The prompts that ask models to criticize and rewrite."""


def base_prompt(
    prompt: str, background: str = "", additional_data: str = "", output_schema: str = ""
) -> str:
    """Return a prompt of the basic framework: one line for each part, an empty line for what is "".

    Args:
        prompt: what to do.
        background: what to know.
        additional_data: data to use.
        output_schema: the form of the answer.
    """
    parts = {"背景信息": background, "补充数据": additional_data, "输出格式": output_schema}
    return "\n".join(
        [f"指令:{prompt}", *(f"{label}:{text}" if text else "" for label, text in parts.items())]
    )


def crispe_prompt(
    statement: str,
    capacity: str = "",
    insight: str = "",
    personality: str = "",
    experiment: str = "",
) -> str:
    """Return a prompt of the CRISPE framework: one line for each part that is not "".

    Args:
        statement: what to do.
        capacity: the model's role.
        insight: what to know.
        personality: the style of the answer.
        experiment: the limits of the answer.
    """
    parts = {
        "能力与角色": capacity,
        "背景信息": insight,
        "指令": statement,
        "输出风格": personality,
        "输出范围": experiment,
    }
    return "\n".join(f"{label}：{text}" for label, text in parts.items() if text)


def fewshot_prompt(prompt: str = "", examples: Sequence[tuple[str, str]] = ()) -> str:
    """Return a prompt with examples, (input, output) each.

    Raises:
        InvalidArgumentError: there is no example.
    """
    if not examples:
        raise InvalidArgumentError(tr("examples is empty: write at least one (input, output)"))
    return "\n\n".join(
        [
            *([prompt] if prompt else []),
            *(f"输入:{first}\n输出:{second}" for first, second in examples),
        ]
    )


def answer_scenes(
    render: Callable[..., tuple[str, str | None]],
    scenes: Sequence[Mapping[str, Any]],
    model: Completion,
) -> list[dict[str, Any]]:
    """Return the answers to a prompt, in the form in which the platform scores them.

    Args:
        render: returns the prompt for values of its variables.
        scenes: [{"args": values, "expected": the wanted answer}].
        model: answers.
    """
    rows: list[dict[str, Any]] = [
        {
            "new_prompt": render(**scene["args"])[0],
            "variables": scene["args"],
            "expected_target": scene["expected"],
        }
        for scene in scenes
    ]
    return [{**row, "response": model.do(row["new_prompt"])["result"]} for row in rows]


def rewrite_by_samples(
    template: PromptTemplate,
    example: Any,
    texts: Mapping[str, str],
    rounds: int,
    infer_config: Mapping[str, Any],
    optimize_config: Mapping[str, Any],
) -> str:
    """Return a prompt's text after rounds of answers, criticism and rewriting; see
    `Prompt.apo_by_sample`.

    Args:
        template: the prompt.
        example: rows, or None.
        texts: "sample", "feedback" and "update" in place of the module's own.
        rounds: from 1.
        infer_config: of the model that answers.
        optimize_config: of the model that criticizes and rewrites.

    Raises:
        InvalidArgumentError: there are no rows for the variables, or the number of rounds is wrong.
    """
    if rounds < 1:
        raise InvalidArgumentError(
            tr("iteration_round={rounds}: must be at least 1", rounds=rounds)
        )
    rows = [{}] if example is None else [dict(row) for row in example]
    if template.names and example is None:
        raise InvalidArgumentError(
            tr("example is missing: the prompt has variables, so it needs rows with their values")
        )
    column = getattr(example, "reference_column", None) or "expected_output"
    for _ in range(rounds):
        answers = [
            _ask(template.render(**{name: row[name] for name in template.names}), infer_config)
            for row in rows
        ]
        samples = "\n===\n".join(
            _fill(
                texts.get("sample", SAMPLE),
                input=json.dumps({name: row[name] for name in template.names}, ensure_ascii=False),
                expect=row.get(column, ""),
                response=answer,
            )
            for row, answer in zip(rows, answers, strict=True)
        )
        values = {
            "current_prompt": template.template,
            "samples": samples,
            "variables": _marked(template),
        }
        feedback = _ask(_fill(texts.get("feedback", FEEDBACK), **values), optimize_config)
        text = _ask(
            _fill(texts.get("update", UPDATE), feedback=feedback, **values), optimize_config
        )
        template = PromptTemplate(_between_marks(text), template.identifier, template.names)
    return template.template


def shorten(template: PromptTemplate, request: str | None, config: Mapping[str, Any]) -> str:
    """Return a shorter text of a prompt, written by a model.

    Args:
        template: the prompt.
        request: asks for it: {{current_prompt}}, {{variables}}; None for the module's own.
        config: the model's name and options.
    """
    values = {"current_prompt": template.template, "variables": _marked(template)}
    return _between_marks(_ask(_fill(request or SHORTER, **values), config))


def _ask(text: str, config: Mapping[str, Any]) -> str:
    return str(ChatCompletion().do([{"role": "user", "content": text}], **config).text)


def _fill(text: str, **values: object) -> str:
    return PromptTemplate(text, "{{}}", tuple(values)).fill(values)


def _marked(template: PromptTemplate) -> str:
    middle = len(template.identifier) // 2
    return " ".join(
        f"{template.identifier[:middle]}{name}{template.identifier[middle:]}"
        for name in template.names
    )


def _between_marks(text: str) -> str:
    match = re.search(r"<START>(.*)<END>", text, re.DOTALL)
    return (match[1] if match else text).strip()
