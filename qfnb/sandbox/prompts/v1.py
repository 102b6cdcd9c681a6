"""Prompt templates and labels: one store, both views. Whoever keeps a template has its variables checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidArgumentError
from ...wire import prompt as wire
from ...wire.prompt_template import PromptTemplate
from ..http import timestamps
from ..http.call import CREATOR, Call, emulates
from ..http.paging import page_by_offset
from ..state.store import Document, random_id

TEMPLATE, LABEL = "template", "label"
MAX_LABELS, MAX_NAME_LENGTH = 100, 100


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateTemplate) -> dict[str, Any]:
    """Keep a template."""
    call.validate_choice("sceneType", body.scene_type, (wire.TEXT, wire.IMAGE))
    call.validate_range("frameworkType", body.framework_type, 0, 3)
    template = add_template(
        call,
        scene=body.scene_type,
        framework=body.framework_type,
        labels=get_label_ids(call, "labelIds", body.label_ids),
        **template_fields(call, body),
    )
    return _ids_to_wire(template)


@emulates(wire.INFO)
def info(call: Call, body: wire.RenderTemplate) -> dict[str, Any]:
    """Describe a template, and fill it with the values that are given."""
    template = call.find(TEMPLATE, body.id, "id", "template")
    return {**_template_to_wire(call, template), **fill_template(template, body.model_extra or {})}


@emulates(wire.UPDATE)
def update(call: Call, body: wire.UpdateTemplate) -> dict[str, Any]:
    """Change a template."""
    template = call.find(TEMPLATE, body.template_id, "templateId", "template")
    labels = None if body.label_ids is None else get_label_ids(call, "labelIds", body.label_ids)
    update_template(call, template, body, labels=labels)
    return _ids_to_wire(template)


@emulates(wire.DELETE)
def delete(call: Call, body: wire.TemplateRef) -> bool:
    """Delete a template."""
    call.world.store.remove(TEMPLATE, call.find(TEMPLATE, body.template_id, "templateId", "template")["id"])
    return True


@emulates(wire.LIST)
def list_templates(call: Call, body: wire.ListTemplates) -> dict[str, Any]:
    """List templates; the sandbox has no preset ones."""
    rows = [] if body.type == wire.PRESET else search_templates(call, body.name, body.label_ids)
    page = page_by_offset(call, rows, body.offset, body.page_size)
    return {"total": len(rows), "items": [_template_to_wire(call, row) for row in page]}


@emulates(wire.LABELS)
def list_labels(call: Call, body: wire.ListLabels) -> dict[str, Any]:
    """List labels; they are made by v2."""
    rows = call.world.store.all(LABEL)[::-1]
    page = page_by_offset(call, rows, body.offset, body.page_size)
    return {"total": len(rows), "items": [_label_to_wire(row) for row in page]}


def template_fields(call: Call, body: Any) -> dict[str, Any]:
    """Return the fields of a new template that both views name alike."""
    name, identifier = body.template_name.strip(), body.variable_identifier
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise call.invalid("templateName", f"1 to {MAX_NAME_LENGTH} characters")
    if not body.template_content.strip():
        raise call.invalid("templateContent", "it must not be empty")
    negative = body.negative_template_content
    return {
        "name": name,
        "content": body.template_content,
        "identifier": identifier,
        "variables": _parse_variables(call, body.template_content, identifier, body.template_variables),
        "negative": negative,
        "negative_variables": _parse_variables(
            call, negative or "", identifier, body.negative_template_variables or ""
        ),
    }


def add_template(call: Call, **fields: Any) -> Document:
    """Add a template."""
    template = {"hyper_parameters": None, "framework": 0, **fields}
    return call.world.store.add(TEMPLATE, random_id("pt-", 16), **template)


def update_template(call: Call, template: Document, body: Any, **fields: Any) -> None:
    """Change what a request names of a template; variables follow the text."""
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
    """Return the ids of labels, or refuse one that does not exist."""
    return [call.find(LABEL, key, field, "label")["id"] for key in keys or ()]


def search_templates(call: Call, name: str | None, label_ids: Sequence[int | str] | None) -> list[Document]:
    """Return the templates with a text in their name or content and with one of some labels, newest first."""
    store = call.world.store
    wanted_label_ids = {label["id"] for key in label_ids or () if (label := store.get(LABEL, key))}
    return [
        row
        for row in reversed(store.all(TEMPLATE))
        if (not name or name in row["name"] or name in row["content"])
        and (not label_ids or wanted_label_ids & set(row["labels"]))
    ]


def fill_template(template: Document, values: Mapping[str, Any]) -> dict[str, str]:
    """Return what a template is with some values; a variable without one stays as it is."""
    sources = {"content": (template["content"], template["variables"])}
    if template["negative"]:
        sources["negativeContent"] = (template["negative"], template["negative_variables"])
    return {
        field: PromptTemplate(text, template["identifier"], tuple(names)).fill(values)
        for field, (text, names) in sources.items()
    }


def labels_of_template(call: Call, template: Document) -> list[Document]:
    """Return the labels of a template."""
    rows = (call.world.store.get(LABEL, id_) for id_ in template["labels"])
    return [row for row in rows if row]


def negative_to_wire(template: Document) -> dict[str, str]:
    """Return the fields of what a picture is not to show; no variables, no field: the SDK counts on that."""
    if template["scene"] != wire.IMAGE:
        return {}
    names = ",".join(template["negative_variables"])
    row = {"negativeTemplateContent": template["negative"] or ""}
    return row | ({"negativeTemplateVariables": names} if names else {})


def _parse_variables(call: Call, text: str, identifier: str, names: str | None) -> list[str]:
    variable_names = (
        None if names is None else tuple(name.strip() for name in names.split(",") if name.strip())
    )
    try:
        return list(PromptTemplate(text, identifier, variable_names).names)
    except InvalidArgumentError as error:
        field = "variableIdentifier" if "identifier=" in str(error) else "templateVariables"
        raise call.invalid(field, str(error)) from None


def _ids_to_wire(template: Document) -> dict[str, Any]:
    return {"templateId": template["number"], "templatePK": template["id"]}


def _template_to_wire(call: Call, template: Document) -> dict[str, Any]:
    labels = [
        {"labelId": row["number"], "labelName": row["name"], "color": "#0099E6"}
        for row in labels_of_template(call, template)
    ]
    row = {
        **_ids_to_wire(template),
        "templateName": template["name"],
        "templateContent": template["content"],
        "templateVariables": ",".join(template["variables"]),
        "variableIdentifier": template["identifier"],
        "labels": labels,
        "creatorName": CREATOR,
        "type": wire.CUSTOM,
        "sceneType": template["scene"],
        "frameworkType": template["framework"],
        "hyperParameters": template["hyper_parameters"],
    }
    return row | negative_to_wire(template)


def _label_to_wire(label: Document) -> dict[str, Any]:
    created_at = timestamps.beijing_spaced(label["created"])
    return {
        "labelId": label["number"],
        "labelName": label["name"],
        "type": wire.CUSTOM,
        "creatorName": CREATOR,
        "createTime": created_at,
        "updateTime": created_at,
    }
