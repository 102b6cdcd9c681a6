"""Prompts as objects: by frameworks, rendered, stored on the platform, improved and compared by
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..model.service import wait_for_state
from ..resources.console.consts import (
    PromptFrameworkType,
    PromptSceneType,
    PromptScoreStandard,
    PromptType,
)
from ..resources.inference.completion_plugin import Completion
from ..resources.management.prompt import Prompt as Templates
from ..wire import prompt as wire
from ..wire.prompt import PromptTemplate

_POLLING_INTERVAL_S = 1.0


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


@dataclass
class PromptLabel:
    """A label of the console."""

    id: int | str
    name: str
    color: str


class Prompt:
    """A prompt with variables.

    Args:
        template: the text.
        name: the name on the platform.
        id: `pt-...` on the platform.
        identifier: the pair that marks a variable: {} {{}} [] [[]] () (()).
        variables: their names; found in the text by default.
        labels: of the console.
        type: the user's own, or preset.
        scene_type: text, or images.
        framework_type: the framework that the text follows.
        negative_template: what an image must not show.
        negative_variables: the variables of `negative_template`.
        creator_name: who stored it.

    Raises:
        InvalidArgumentError: there is no template, or the pair or a variable is wrong.

    Source: the official SDK's common.Prompt.
    """

    def __init__(
        self,
        template: str | None = None,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the official SDK's word, as the next
        identifier: str = "{}",
        variables: Sequence[str] | None = None,
        labels: Sequence[PromptLabel] = (),
        type: PromptType = PromptType.User,  # noqa: A002
        scene_type: PromptSceneType = PromptSceneType.Text2Text,
        framework_type: PromptFrameworkType = PromptFrameworkType.NotUse,
        negative_template: str | None = None,
        negative_variables: Sequence[str] | None = None,
        creator_name: str | None = None,
    ) -> None:
        if template is None:
            raise InvalidArgumentError(tr("template is missing: write the text of the prompt"))
        self.name = name
        self.id = id
        self.identifier = identifier
        self.labels = list(labels)
        self.type = type
        self.creator_name = creator_name
        self.scene_type = scene_type
        self.framework_type = framework_type
        self.template = template
        self.negative_template = negative_template
        self.variables = self._names(template, variables)
        if negative_template is None:
            self.negative_variables = None
        else:
            self.negative_variables = self._names(negative_template, negative_variables)

    @classmethod
    def from_file(cls, path: str | Path, identifier: str = "{}") -> Prompt:
        """Return the prompt whose text is in a file."""
        return cls(template=Path(path).read_text(encoding="utf-8"), identifier=identifier)

    @classmethod
    def from_platform(cls, name: str) -> Prompt:
        """Return a stored prompt by its name, the user's own before a preset one.

        Raises:
            InvalidArgumentError: there is none.
        """
        for kind in (PromptType.User, PromptType.Preset):
            items = Templates.list(name=name, type=kind)["result"]["items"]
            for item in items:
                if item["templateName"] == name:
                    return cls._from_item(item)
        raise InvalidArgumentError(tr("there is no prompt {name!r} on the platform", name=name))

    @classmethod
    def _from_item(cls, item: Mapping[str, Any]) -> Prompt:
        labels = [
            PromptLabel(label["labelId"], label["labelName"], label["color"])
            for label in item["labels"]
        ]
        negative = item.get("negativeTemplateContent") or None
        return cls(
            template=item["templateContent"],
            name=item["templateName"],
            id=item["templatePK"],
            identifier=item["variableIdentifier"],
            variables=list(filter(None, item["templateVariables"].split(","))),
            labels=labels,
            type=PromptType(item["type"]),
            scene_type=PromptSceneType(item["sceneType"]),
            framework_type=PromptFrameworkType(item["frameworkType"]),
            negative_template=negative,
            creator_name=item.get("creatorName"),
        )

    def save_to_file(self, path: str | Path) -> None:
        """Write the text into a file."""
        Path(path).write_text(self.template, encoding="utf-8")

    def save_to_platform(self) -> None:
        """Store the prompt on the platform, or change the stored one.

        Raises:
            InvalidArgumentError: it has no name.
        """
        if self.name is None:
            raise InvalidArgumentError(tr("name is missing: the platform stores prompts by name"))
        changes: dict[str, Any] = {
            "name": self.name,
            "template": self.template,
            "identifier": self.identifier,
            "label_ids": [label.id for label in self.labels],
            "negative_template": self.negative_template,
        }
        if self.id is not None:
            self.id = Templates.update(self.id, **changes)["result"]["templatePK"]
            return
        kinds: dict[str, Any] = {"scene": self.scene_type, "framework": self.framework_type}
        reply = Templates.create(
            **changes, **kinds, variables=self.variables, negative_variables=self.negative_variables
        )
        self.id = reply["result"]["templatePK"]

    def delete(self) -> None:
        """Delete the user's own stored prompt; the object stays."""
        if self.id is not None and self.type != PromptType.Preset:
            Templates.delete(self.id)
            self.id = None

    def set_template(self, template: str) -> None:
        """Replace the text; its variables are read anew."""
        self.variables = self._names(template, None)
        self.template = template

    def set_negative_template(self, template: str) -> None:
        """Replace the negative text; its variables are read anew."""
        self.negative_variables = self._names(template, None)
        self.negative_template = template

    def render(self, **values: object) -> tuple[str, str | None]:
        """Return the text, and the negative text or None, with the values of the variables.

        Raises:
            InvalidArgumentError: names the variables that have no value.
        """
        text = PromptTemplate(self.template, self.identifier, tuple(self.variables)).render(
            **values
        )
        if self.negative_template is None:
            return text, None
        names = tuple(self.negative_variables or ())
        return text, PromptTemplate(self.negative_template, self.identifier, names).render(**values)

    def _names(self, template: str, variables: Sequence[str] | None) -> list[str]:
        return list(
            PromptTemplate(
                template, self.identifier, None if variables is None else tuple(variables)
            ).names
        )

    base_prompt = staticmethod(base_prompt)
    crispe_prompt = staticmethod(crispe_prompt)
    fewshot_prompt = staticmethod(fewshot_prompt)

    def optimize(
        self,
        optimize_quality: bool = True,
        simplify_prompt: bool = False,
        iteration_round: int = 1,
        enable_cot: bool = False,
        app_id: int | None = None,
        service_name: str | None = None,
    ) -> Prompt:
        """Return the prompt as the platform improves it.

        Args:
            optimize_quality: improve it.
            simplify_prompt: shorten it.
            iteration_round: 1 or 2.
            enable_cot: ask for steps.
            app_id: the application that is billed.
            service_name: the model that improves it.

        Raises:
            QianfanError: the platform failed.
        """
        payloads = (int(optimize_quality), int(simplify_prompt), iteration_round, int(enable_cot))
        operations = [
            {"opType": number, "payload": payload} for number, payload in enumerate(payloads, 1)
        ]
        task = Templates.create_optimization_task(self.template, operations, app_id, service_name)
        task_id = task["result"]["id"]
        reply = wait_for_state(
            lambda: Templates.get_optimization_task(task_id),
            lambda answer: str(answer["result"]["processStatus"]),
            done_states={str(wire.DONE)},
            failed_states={str(wire.FAILED)},
            interval=_POLLING_INTERVAL_S,
            label=tr("optimizing the prompt"),
        )
        return Prompt(reply["result"]["optimizeContent"], identifier=self.identifier)

    @dataclass
    class PromptEvaluateResult:
        """A prompt, its answers with scores, and a summary."""

        prompt: Prompt
        scene: list[dict[str, Any]]
        summary: str

    @classmethod
    def evaluate(
        cls,
        prompt_list: Sequence[Prompt],
        scenes: Sequence[Mapping[str, Any]],
        model: Completion,
        standard: PromptScoreStandard = PromptScoreStandard.Semantic,
    ) -> list[PromptEvaluateResult]:
        """Return one result for each prompt: its answers, their scores by the platform, and a
        summary.

        Args:
            prompt_list: the prompts.
            scenes: [{"args": values of the variables, "expected": the wanted answer}].
            model: answers the prompts.
            standard: meaning, regular expression or equality.
        """
        results = [
            cls.PromptEvaluateResult(prompt, answer_scenes(prompt.render, scenes, model), "")
            for prompt in prompt_list
        ]
        answers = [[scene["response"] for scene in result.scene] for result in results]
        bodies = [
            {"prompt": result.prompt.template, "scenes": result.scene, "response_list": row}
            for result, row in zip(results, answers, strict=True)
        ]
        rows = [
            {"scene": scene["expected"], "response_list": list(column)}
            for scene, column in zip(scenes, zip(*answers, strict=True), strict=True)
        ]
        summaries = Templates.evaluation_summary(bodies)["result"]["responses"]
        scores = Templates.evaluation_score(standard, rows)["result"]["scores"]
        for index, result in enumerate(results):
            result.summary = summaries[index]["response"]
            for scene, row in zip(result.scene, scores, strict=True):
                scene["score"] = row[index]
        return results
