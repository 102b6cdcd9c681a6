"""Prompt templates and labels as both versions of the interface use them; the variables of a
template are validated.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from qfnb.errors import InvalidArgumentError
from qfnb.wire import prompt_v1 as wire
from qfnb.wire.prompt_template import PromptTemplate

from ..http.call import CREATOR, Call
from ..state.store import Document, random_id

TEMPLATE = "template"  # kinds of documents
LABEL = "label"
MAX_NAME_LENGTH = 100


def template_fields(call: Call, body: Any) -> dict[str, Any]:
    """Return the fields of a new template that both versions name alike."""
    name = body.template_name.strip()
    identifier = body.variable_identifier
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise call.invalid("templateName", f"1 to {MAX_NAME_LENGTH} characters")
    if not body.template_content.strip():
        raise call.invalid("templateContent", "it must not be empty")
    negative = body.negative_template_content
    return {
        "name": name,
        "content": body.template_content,
        "identifier": identifier,
        "variables": _parse_variables(
            call, body.template_content, identifier, body.template_variables
        ),
        "negative": negative,
        "negative_variables": _parse_variables(
            call, negative or "", identifier, body.negative_template_variables or ""
        ),
    }


def get_template(call: Call, key: int | str, field: str = "templateId") -> Document:
    """Return a template by its id or number."""
    return call.find(TEMPLATE, key, field, "template")


def delete_template(call: Call, body: Any) -> bool:
    """Delete a template."""
    call.world.store.remove(TEMPLATE, get_template(call, body.template_id)["id"])
    return True


def add_template(call: Call, **fields: Any) -> Document:
    """Add a template."""
    template = {"hyper_parameters": None, "framework": 0, **fields}
    return call.world.store.add(TEMPLATE, random_id("pt-", 16), **template)


def update_template(call: Call, template: Document, body: Any, **fields: Any) -> None:
    """Change the fields of a template that a request has; the variables follow from the text."""
    identifier = body.variable_identifier or template["identifier"]
    changes = {
        "name": body.template_name,
        "content": body.template_content,
        "identifier": body.variable_identifier,
        "negative": body.negative_template_content,
        **fields,
    }
    if body.template_content is not None or body.variable_identifier is not None:
        text = template["content"] if body.template_content is None else body.template_content
        changes["variables"] = _parse_variables(call, text, identifier, None)
    if body.negative_template_content is not None:
        changes["negative_variables"] = _parse_variables(
            call, body.negative_template_content, identifier, None
        )
    call.world.store.update(
        template["id"], **{name: value for name, value in changes.items() if value is not None}
    )


def get_label_ids(call: Call, field: str, keys: Sequence[int | str] | None) -> list[str]:
    """Return the ids of labels by their ids or numbers."""
    return [call.find(LABEL, key, field, "label")["id"] for key in keys or ()]


def search_templates(
    call: Call, name: str | None, label_ids: Sequence[int | str] | None
) -> list[Document]:
    """Return the templates, newest first, that have a text in name or content and at least one of
    some labels.
    """
    store = call.world.store
    wanted_label_ids = {label["id"] for key in label_ids or () if (label := store.get(LABEL, key))}
    return [
        row
        for row in reversed(store.all(TEMPLATE))
        if (not name or name in row["name"] or name in row["content"])
        and (not label_ids or wanted_label_ids & set(row["labels"]))
    ]


def fill_template(template: Document, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a template with its variables replaced; a variable without a value
    stays.
    """
    sources = {"content": (template["content"], template["variables"])}
    if template["negative"]:
        sources["negativeContent"] = (template["negative"], template["negative_variables"])
    return {
        field: PromptTemplate(text, template["identifier"], tuple(names)).fill(values)
        for field, (text, names) in sources.items()
    }


def template_to_wire(template: Document, labels: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a template that both versions name alike, with its labels in the
    version's own shape.

    An image's template has `negativeTemplateVariables` only if it has variables: the official SDK
    relies on it.
    """
    row = {
        "templateName": template["name"],
        "templateContent": template["content"],
        "templateVariables": ",".join(template["variables"]),
        "variableIdentifier": template["identifier"],
        "labels": labels,
        "creatorName": CREATOR,
        "hyperParameters": template["hyper_parameters"],
    }
    if template["scene"] == wire.IMAGE:
        row["negativeTemplateContent"] = template["negative"] or ""
        if template["negative_variables"]:
            row["negativeTemplateVariables"] = ",".join(template["negative_variables"])
    return row


def labels_of_template(call: Call, template: Document) -> list[Document]:
    """Return the labels of a template."""
    return [row for id_ in template["labels"] if (row := call.world.store.get(LABEL, id_))]


def _parse_variables(call: Call, text: str, identifier: str, names: str | None) -> list[str]:
    variable_names = (
        None if names is None else tuple(name.strip() for name in names.split(",") if name.strip())
    )
    try:
        return list(PromptTemplate(text, identifier, variable_names).names)
    except InvalidArgumentError as error:
        field = "variableIdentifier" if "identifier=" in str(error) else "templateVariables"
        raise call.invalid(field, str(error)) from None
