"""Prompt templates and labels, v2: ids only, words for types, pages by marker."""

from typing import Any

from qfnb.wire import prompt_v1 as wire_v1, prompt_v2 as wire
from qfnb.wire.base import PageRequest

from ..http import timestamps
from ..http.call import CREATOR, Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document, random_id
from . import common

MAX_LABELS = 100
SCENES = {wire.TEXT: wire_v1.TEXT, wire.IMAGE: wire_v1.IMAGE}
_SCENE_NAMES = {number: word for word, number in SCENES.items()}


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateTemplate) -> dict[str, Any]:
    """Create a template."""
    call.validate_choice("sceneType", body.scene_type, SCENES)
    template = common.add_template(
        call,
        scene=SCENES[body.scene_type],
        labels=common.get_label_ids(call, "labels", body.labels),
        hyper_parameters=body.hyper_parameters,
        **common.template_fields(call, body),
    )
    return {"templateId": template["id"]}


@emulates(wire.INFO)
def info(call: Call, body: wire.TemplateRef) -> dict[str, Any]:
    """Describe a template, with the values of its variables filled in."""
    template = common.get_template(call, body.template_id)
    return {
        **_template_to_wire(call, template),
        **common.fill_template(template, body.model_extra or {}),
    }


@emulates(wire.UPDATE)
def update(call: Call, body: wire.ModifyTemplate) -> dict[str, Any]:
    """Change a template."""
    template = common.get_template(call, body.template_id)
    labels = None if body.labels is None else common.get_label_ids(call, "labels", body.labels)
    common.update_template(
        call, template, body, labels=labels, hyper_parameters=body.hyper_parameters
    )
    return {"templateId": template["id"]}


emulates(wire.DELETE)(common.delete_template)


@emulates(wire.LIST)
def list_templates(call: Call, body: wire.FindTemplates) -> dict[str, Any]:
    """List templates; the sandbox has no preset templates."""
    matches = (
        [] if body.type == wire.PRESET else common.search_templates(call, body.name, body.label_ids)
    )
    return page_by_marker(
        call, [_template_to_wire(call, row) for row in matches], "templateId", body
    )


@emulates(wire.CREATE_LABELS)
def create_labels(call: Call, body: wire.CreateLabels) -> dict[str, Any]:
    """Create labels; a name that exists gives its label."""
    names = [name.strip() for name in body.name]
    if not 1 <= len(names) <= MAX_LABELS or not all(names):
        raise call.invalid("name", f"1 to {MAX_LABELS} names, none of them empty")
    labels_by_name = {row["name"]: row for row in call.world.store.all(common.LABEL)}
    for name in names:
        if name not in labels_by_name:
            labels_by_name[name] = call.world.store.add(
                common.LABEL, random_id("pl-", 16), name=name
            )
    return {"items": [_label_to_wire(labels_by_name[name]) for name in names]}


@emulates(wire.LABELS)
def list_labels(call: Call, body: PageRequest) -> dict[str, Any]:
    """List labels."""
    rows = [_label_to_wire(row) for row in reversed(call.world.store.all(common.LABEL))]
    return page_by_marker(call, rows, "labelId", body)


@emulates(wire.DELETE_LABEL)
def delete_label(call: Call, body: wire.LabelRef) -> bool:
    """Delete a label; templates keep working without it."""
    (label,) = common.get_label_ids(call, "labelId", [body.label_id])
    call.world.store.remove(common.LABEL, label)
    return True


def _label_to_wire(label: Document) -> dict[str, Any]:
    return {
        "labelId": label["id"],
        "labelName": label["name"],
        "type": wire.CUSTOM,
        "creatorName": CREATOR,
        "createTime": timestamps.utc(label["created"]),
    }


def _template_to_wire(call: Call, template: Document) -> dict[str, Any]:
    labels = [
        {"labelId": row["id"], "labelName": row["name"]}
        for row in common.labels_of_template(call, template)
    ]
    own_fields = {
        "templateId": template["id"],
        "type": wire.CUSTOM,
        "sceneType": _SCENE_NAMES[template["scene"]],
    }
    return common.template_to_wire(template, labels) | own_fields
