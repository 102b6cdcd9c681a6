"""Prompt templates on the platform: store, render, optimize and score them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...wire import prompt as wire
from ...wire.prompt import PromptTemplate as PromptTemplate
from ..console.consts import PromptFrameworkType, PromptSceneType, PromptScoreStandard, PromptType
from ..validation import list_or_none, validate_member, validate_record
from .operation import operation
from .prompt_v2 import Ids, PromptV2, join_variables, negative_text, validate_change


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
    ) -> wire.CreateTemplateV1:
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
        negative = negative_text(negative_template, is_image=scene == PromptSceneType.Text2Image)
        return wire.CreateTemplateV1(
            template_name=name,
            template_content=template,
            variable_identifier=identifier,
            template_variables=join_variables(template, identifier, variables) or "",
            scene_type=validate_member("scene", scene, PromptSceneType),
            framework_type=validate_member("framework", framework, PromptFrameworkType),
            label_ids=list_or_none(label_ids),
            negative_template_content=negative,
            negative_template_variables=join_variables(negative, identifier, negative_variables),
        )

    @operation(wire.INFO_V1)
    def info(id: int | str, **values: object) -> wire.RenderTemplate:  # noqa: A002 - the official SDK's word
        """Return a template, and as `content` its text with these values of its variables."""
        return wire.RenderTemplate.model_validate({**values, "id": str(id)})

    @operation(wire.UPDATE_V1)
    def update(
        id: int | str,  # noqa: A002
        name: str | None = None,
        label_ids: Ids | None = None,
        template: str | None = None,
        identifier: str | None = None,
        negative_template: str | None = None,
    ) -> wire.UpdateTemplate:
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
        validate_change(template, identifier)
        return wire.UpdateTemplate(
            template_id=id,
            template_name=name,
            label_ids=list_or_none(label_ids),
            template_content=template,
            variable_identifier=identifier,
            negative_template_content=negative_template,
        )

    @operation(wire.DELETE_V1)
    def delete(id: int | str) -> wire.TemplateRef:  # noqa: A002
        """Delete a template."""
        return wire.TemplateRef(template_id=id)

    @operation(wire.LIST_V1)
    def list(
        offset: int = 0,
        page_size: int = 10,
        name: str | None = None,
        label_ids: Ids = (),
        type: int | PromptType | None = None,  # noqa: A002
    ) -> wire.ListTemplates:
        """Return `total` and a page of templates, those that match every filter, newest first.

        Args:
            offset: index of the first row, from 0.
            page_size: rows of a page.
            name: a part of the name.
            label_ids: only templates with these labels.
            type: 1 preset, 2 your own; default: all.
        """
        return wire.ListTemplates(
            offset=offset,
            page_size=page_size,
            name=name,
            label_ids=list_or_none(label_ids) or [],
            type=None if type is None else validate_member("type", type, PromptType),
        )

    @operation(wire.LABELS_V1)
    def list_labels(offset: int = 0, page_size: int = 10) -> None:
        """Return `total` and a page of labels."""

    @operation(wire.OPTIMIZE)
    def create_optimization_task(
        content: str,
        operations: Sequence[Mapping[str, Any]],
        app_id: int | str | None = None,
        service_name: str | None = None,
    ) -> wire.Optimize:
        """Start optimizing a prompt; returns `id`, `task-...`.

        Args:
            content: the prompt.
            operations: [{"opType": 1 to 4, "payload": 1 or 0}].
            app_id: the application that is billed.
            service_name: the model that optimizes it.
        """
        return wire.Optimize(
            content=content,
            operations=[validate_record("operations", wire.OperationV1, row) for row in operations],
            app_id=app_id,
            service_name=service_name,
        )

    create_optimiztion_task = create_optimization_task  # the official SDK's spelling

    @operation(wire.OPTIMIZED)
    def get_optimization_task(task_id: str) -> wire.OptimizeRef:
        """Return an optimization: `optimizeContent` once `processStatus` is 2 (1 while it runs)."""
        return wire.OptimizeRef(id=task_id)

    @operation(wire.PREDICT)
    def evaluation_score(
        type: int | PromptScoreStandard,  # noqa: A002
        data: Sequence[Mapping[str, Any]],
    ) -> wire.Predict:
        """Return `scores`: for each row a list with the similarity of each answer to the expected
        one.

        Args:
            type: 1 meaning, 2 regular expression, 3 equality.
            data: [{"scene": the expected answer, "response_list": [answers]}].
        """
        kind = validate_member("type", type, PromptScoreStandard)
        return wire.Predict(type=kind, data=[{**row} for row in data])

    @operation(wire.SUMMARY)
    def evaluation_summary(data: Sequence[Mapping[str, Any]]) -> wire.Summarize:
        """Return `responses`: for each prompt a text that summarizes its results.

        Args:
            data: [{"prompt", "scenes": [{"variables", "expected_target", "response",
                "new_prompt"}], "response_list"}].
        """
        return wire.Summarize(data=[{**row} for row in data])

    V2 = PromptV2
