"""Prompt templates and labels, console v2 (`Prompt.V2`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...wire import prompt as wire
from ...wire.prompt import PromptTemplate, validate_identifier
from ..validation import dict_or_none, list_or_none, validate_choice
from .operation import operation

Ids = Sequence[int | str]


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
    ) -> wire.CreateTemplate:
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
        is_image = scene_type == wire.IMAGE
        validate_choice("scene_type", scene_type, (wire.TEXT, wire.IMAGE))
        negative = negative_text(negative_template, is_image=is_image)
        return wire.CreateTemplate(
            template_name=template_name,
            template_content=template_content,
            variable_identifier=variable_identifier,
            template_variables=join_variables(template_content, variable_identifier, variables)
            or "",
            scene_type=scene_type,
            labels=list_or_none(labels),
            negative_template_content=negative,
            negative_template_variables=join_variables(
                negative, variable_identifier, negative_variables
            ),
            hyper_parameters=dict_or_none(hyper_parameters or None),
        )

    @operation(wire.INFO)
    def info(template_id: int | str, **values: object) -> wire.TemplateRef:
        """Return a template, and as `content` its text with these values of its variables."""
        return wire.TemplateRef.model_validate({**values, "template_id": str(template_id)})

    @operation(wire.UPDATE)
    def update(
        template_id: int | str,
        template_name: str | None = None,
        labels: Ids | None = None,
        template_content: str | None = None,
        variable_identifier: str | None = None,
        negative_template_content: str | None = None,
        hyper_parameters: Mapping[str, Any] | None = None,
    ) -> wire.ModifyTemplate:
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
        validate_change(template_content, variable_identifier)
        return wire.ModifyTemplate(
            template_id=template_id,
            template_name=template_name,
            labels=list_or_none(labels),
            template_content=template_content,
            variable_identifier=variable_identifier,
            negative_template_content=negative_template_content,
            hyper_parameters=dict_or_none(hyper_parameters or None),
        )

    @operation(wire.DELETE)
    def delete(template_id: int | str) -> None:
        """Delete a template."""

    @operation(wire.LIST)
    def list(
        marker: str | None = None,
        max_keys: int | None = None,
        page_reverse: bool | None = None,
        name: str | None = None,
        label_ids: Ids | None = None,
        type: str | None = None,  # noqa: A002
    ) -> None:
        """Return a page of templates.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
            name: a part of the name.
            label_ids: only templates with these labels, `pl-...`.
            type: System or Custom; default: both.
        """

    @operation(wire.CREATE_LABELS)
    def create_label(name: str | Sequence[str]) -> wire.CreateLabels:
        """Create one or more labels; returns them."""
        return wire.CreateLabels(name=[name] if isinstance(name, str) else [*name])

    @operation(wire.LABELS)
    def list_labels(
        marker: str | None = None, max_keys: int | None = None, page_reverse: bool | None = None
    ) -> None:
        """Return a page of labels, the newest first.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
        """

    @operation(wire.DELETE_LABEL)
    def delete_label(label_id: int | str) -> None:
        """Delete a label, and remove it from the templates that have it."""


def join_variables(text: str | None, identifier: str, names: Sequence[str] | None) -> str | None:
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


def negative_text(text: str | None, *, is_image: bool) -> str | None:
    """Return the negative text of an image template, None for a text template, as the official SDK
    does.
    """
    if is_image:
        return text
    return None


def validate_change(template: str | None, identifier: str | None) -> None:
    """Check the new text of a template; without its pair only the platform can do that.

    Raises:
        InvalidArgumentError: the pair, or a variable, is wrong.
    """
    if identifier is not None:
        validate_identifier(identifier)
        PromptTemplate(template or "", identifier)
