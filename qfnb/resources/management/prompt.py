"""Prompt templates on the platform: store, render, optimize and score them; console v2 is
`Prompt.V2`. System memories: facts about an application that models remember.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ...wire import prompt as wire
from ...wire.prompt import PromptTemplate as PromptTemplate, validate_identifier
from ..console.consts import PromptFrameworkType, PromptSceneType, PromptScoreStandard, PromptType
from ..validation import validate_choice, validate_member
from .operation import Fields, Id, operation, record_operation

Ids = Sequence[Id]


class PromptV2:
    """Templates and labels. Source: API pages of /v2/promptTemplates and /v2/promptLabels."""

    @operation(wire.CREATE)
    def create(
        template_name: str,
        template_content: str,
        labels: Ids | None = None,
        variable_identifier: str = "{}",
        scene_type: str = wire.TEXT,
        variables: Sequence[str] | None = None,
        negative_template: str | None = None,
        negative_variables: Sequence[str] | None = None,
        hyper_parameters: Mapping[str, Any] | None = None,
    ) -> Fields:
        """Store a template; returns `templateId`, `pt-...`.

        Args:
            template_name: the template's name.
            template_content: the template's text.
            labels: ids `pl-...`.
            variable_identifier: the pair that marks a variable: {} {{}} [] [[]] () (()).
            scene_type: TextToText or TextToImage.
            variables: 2 to 30 letters, digits and _ each; found in the text by default.
            negative_template: what an image must not show; only with TextToImage.
            negative_variables: the variables of `negative_template`.
            hyper_parameters: stored with it, for calls of a model.

        Raises:
            InvalidArgumentError: the pair, a variable or the scene is wrong.
        """
        validate_choice("scene_type", scene_type, (wire.TEXT, wire.IMAGE))
        negative = negative_template if scene_type == wire.IMAGE else None
        pair = variable_identifier
        return {
            "template_variables": _join_variables(template_content, pair, variables) or "",
            "labels": labels or None,
            "negative_template_content": negative,
            "negative_template_variables": _join_variables(negative, pair, negative_variables),
            "hyper_parameters": hyper_parameters or None,
        }

    @operation(wire.INFO)
    def info(template_id: Id, **values: object) -> wire.TemplateRef:
        """Return a template, and as `content` its text with these values of its variables."""
        return wire.TemplateRef.model_validate({**values, "template_id": str(template_id)})

    @operation(wire.UPDATE)
    def update(
        template_id: Id,
        template_name: str | None = None,
        labels: Ids | None = None,
        template_content: str | None = None,
        variable_identifier: str | None = None,
        negative_template_content: str | None = None,
        hyper_parameters: Mapping[str, Any] | None = None,
    ) -> Fields:
        """Change a template; omitted fields stay as they are.

        Args:
            template_id: `pt-...`.
            template_name: its new name.
            labels: its new labels, `pl-...`.
            template_content: its new text.
            variable_identifier: the pair that marks a variable: {} {{}} [] [[]] () (()).
            negative_template_content: its new negative text.
            hyper_parameters: its new hyper-parameters.

        Raises:
            InvalidArgumentError: the pair, or with it a variable, is wrong.
        """
        _validate_change(template_content, variable_identifier)
        return {"labels": labels or None, "hyper_parameters": hyper_parameters or None}

    delete = record_operation(wire.DELETE, "Delete a template.")

    list = record_operation(
        wire.LIST,
        """Return a page of templates.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
            name: a part of the name.
            label_ids: only templates with these labels, `pl-...`.
            type: System or Custom; default: both.
        """,
    )

    @operation(wire.CREATE_LABELS)
    def create_label(name: str | Sequence[str]) -> Fields:
        """Create one or more labels; returns them."""
        return {"name": [name] if isinstance(name, str) else [*name]}

    list_labels = record_operation(
        wire.LABELS,
        """Return a page of labels, the newest first.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
        """,
    )

    delete_label = record_operation(
        wire.DELETE_LABEL, "Delete a label, and remove it from the templates that have it."
    )


def _join_variables(text: str | None, identifier: str, names: Sequence[str] | None) -> str | None:
    """Return the names of a text's variables, joined by commas; None without a text.

    Args:
        text: the text of a template.
        identifier: the pair that marks a variable.
        names: the variables; default: those in the text.

    Raises:
        InvalidArgumentError: the pair, or a variable, is wrong.
    """
    if text is None:
        return None
    template = PromptTemplate(text, identifier, None if names is None else tuple(names))
    return ",".join(template.names)


def _validate_change(template: str | None, identifier: str | None) -> None:
    """Check the new text of a template; without its pair only the platform can do that.

    Raises:
        InvalidArgumentError: the pair, or a variable, is wrong.
    """
    if identifier is not None:
        validate_identifier(identifier)
        PromptTemplate(template or "", identifier)


class Prompt:
    """Templates of prompts; the platform recommends `V2`. Source: API pages of prompts."""

    @operation(wire.CREATE_V1)
    def create(
        name: str,
        template: str,
        identifier: str = "{}",
        scene: int | PromptSceneType = PromptSceneType.Text2Text,
        framework: int | PromptFrameworkType = PromptFrameworkType.NotUse,
        variables: Sequence[str] | None = None,
        label_ids: Ids | None = None,
        negative_template: str | None = None,
        negative_variables: Sequence[str] | None = None,
    ) -> Fields:
        """Store a template; returns `templateId` (an int) and `templatePK` (`pt-...`).

        Args:
            name: the template's name.
            template: the template's text.
            identifier: the pair that marks a variable: {} {{}} [] [[]] () (()).
            scene: 1 text, 2 images.
            framework: 0 none, 1 basic, 2 CRISPE, 3 few shots.
            variables: 2 to 30 letters, digits and _ each; found in the text by default.
            label_ids: labels.
            negative_template: what an image must not show; only with scene 2.
            negative_variables: the variables of `negative_template`.

        Raises:
            InvalidArgumentError: the pair, a variable, the scene or the framework is wrong.
        """
        negative = negative_template if scene == PromptSceneType.Text2Image else None
        return {
            "template_name": name,
            "template_content": template,
            "variable_identifier": identifier,
            "template_variables": _join_variables(template, identifier, variables) or "",
            "scene_type": validate_member("scene", scene, PromptSceneType),
            "framework_type": validate_member("framework", framework, PromptFrameworkType),
            "label_ids": label_ids or None,
            "negative_template_content": negative,
            "negative_template_variables": _join_variables(
                negative, identifier, negative_variables
            ),
        }

    @operation(wire.INFO_V1)
    def info(id: Id, **values: object) -> wire.RenderTemplate:  # noqa: A002 - the official SDK's word
        """Return a template, and as `content` its text with these values of its variables."""
        return wire.RenderTemplate.model_validate({**values, "id": str(id)})

    @operation(wire.UPDATE_V1)
    def update(
        id: Id,  # noqa: A002
        name: str | None = None,
        label_ids: Ids | None = None,
        template: str | None = None,
        identifier: str | None = None,
        negative_template: str | None = None,
    ) -> Fields:
        """Change a template; omitted fields stay as they are.

        Args:
            id: the template.
            name: its new name.
            label_ids: its new labels.
            template: its new text.
            identifier: the pair that marks a variable: {} {{}} [] [[]] () (()).
            negative_template: its new negative text.

        Raises:
            InvalidArgumentError: the pair, or with it a variable, is wrong.
        """
        _validate_change(template, identifier)
        return {
            "template_id": id,
            "template_name": name,
            "label_ids": label_ids or None,
            "template_content": template,
            "variable_identifier": identifier,
            "negative_template_content": negative_template,
        }

    @operation(wire.DELETE_V1)
    def delete(id: Id) -> Fields:  # noqa: A002
        """Delete a template."""
        return {"template_id": id}

    @operation(wire.LIST_V1)
    def list(
        offset: int = 0,
        page_size: int = 10,
        name: str | None = None,
        label_ids: Ids = (),
        type: int | PromptType | None = None,  # noqa: A002
    ) -> Fields:
        """Return `total` and a page of templates, those that match every filter, newest first.

        Args:
            offset: index of the first row, from 0.
            page_size: rows of a page.
            name: a part of the name.
            label_ids: only templates with these labels.
            type: 1 preset, 2 your own; default: all.
        """
        return {"type": None if type is None else validate_member("type", type, PromptType)}

    list_labels = record_operation(wire.LABELS_V1, "Return `total` and a page of labels.")

    create_optimization_task = record_operation(
        wire.OPTIMIZE,
        """Start optimizing a prompt; returns `id`, `task-...`.

        Args:
            content: the prompt.
            operations: [{"opType": 1 to 4, "payload": 1 or 0}].
            app_id: the application that is billed.
            service_name: the model that optimizes it.
        """,
    )

    create_optimiztion_task = create_optimization_task  # the official SDK's spelling

    @operation(wire.OPTIMIZED)
    def get_optimization_task(task_id: str) -> Fields:
        """Return an optimization: `optimizeContent` once `processStatus` is 2 (1 while it runs)."""
        return {"id": task_id}

    @operation(wire.PREDICT)
    def evaluation_score(
        type: int | PromptScoreStandard,  # noqa: A002
        data: Sequence[Mapping[str, Any]],
    ) -> Fields:
        """Return `scores`: for each row a list with the similarity of each answer to the expected
        one.

        Args:
            type: 1 meaning, 2 regular expression, 3 equality.
            data: [{"scene": the expected answer, "response_list": [answers]}].
        """
        kind = validate_member("type", type, PromptScoreStandard)
        return {"type": kind, "data": [{**row} for row in data]}

    @operation(wire.SUMMARY)
    def evaluation_summary(data: Sequence[Mapping[str, Any]]) -> Fields:
        """Return `responses`: for each prompt a text that summarizes its results.

        Args:
            data: [{"prompt", "scenes": [{"variables", "expected_target", "response",
                "new_prompt"}], "response_list"}].
        """
        return {"data": [{**row} for row in data]}

    V2 = PromptV2


class Memory:
    """Write and read system memories. Source: API pages of /v2/memory."""

    @operation(wire.CREATE_MEMORY)
    def create_system_memory(app_id: Id, description: str) -> Fields:
        """Create a memory of an application; returns `systemMemoryId`, `sm-...`."""
        return {"app_id": str(app_id)}

    describe_system_memories = record_operation(
        wire.LIST_MEMORIES,
        """Return a page of memories without their entries, the newest first, 100 by default.

        Args:
            app_id: only memories of this application.
            marker: the last id of the page before.
            max_keys: rows of a page, 100 by default.
        """,
        "app_id",
    )

    describe_system_memory = record_operation(
        wire.DESCRIBE_MEMORY, "Return a memory with its entries."
    )

    modify_system_memory = record_operation(wire.MODIFY_MEMORY, "Replace all entries of a memory.")

    delete_system_memory = record_operation(wire.DELETE_MEMORY, "Delete a memory.")
