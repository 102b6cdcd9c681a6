"""Prompt templates and labels, v1: numbers and ids, pages by offset."""

from typing import Any

from qfnb.wire import prompt_v1 as wire
from qfnb.wire.base import OffsetRequest

from ..http import timestamps
from ..http.call import CREATOR, Call, emulates
from ..http.paging import page_by_offset
from ..state.store import Document
from . import common


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateTemplate) -> dict[str, Any]:
    """Create a template."""
    call.validate_choice("sceneType", body.scene_type, (wire.TEXT, wire.IMAGE))
    call.validate_range("frameworkType", body.framework_type, 0, 3)
    template = common.add_template(
        call,
        scene=body.scene_type,
        framework=body.framework_type,
        labels=common.get_label_ids(call, "labelIds", body.label_ids),
        **common.template_fields(call, body),
    )
    return _ids_to_wire(template)


@emulates(wire.INFO)
def info(call: Call, body: wire.RenderTemplate) -> dict[str, Any]:
    """Describe a template, with the values of its variables filled in."""
    template = common.get_template(call, body.id, "id")
    return {
        **_template_to_wire(call, template),
        **common.fill_template(template, body.model_extra or {}),
    }


@emulates(wire.UPDATE)
def update(call: Call, body: wire.UpdateTemplate) -> dict[str, Any]:
    """Change a template."""
    template = common.get_template(call, body.template_id)
    labels = (
        None if body.label_ids is None else common.get_label_ids(call, "labelIds", body.label_ids)
    )
    common.update_template(call, template, body, labels=labels)
    return _ids_to_wire(template)


emulates(wire.DELETE)(common.delete_template)


@emulates(wire.LIST)
def list_templates(call: Call, body: wire.ListTemplates) -> dict[str, Any]:
    """List templates; the sandbox has no preset templates."""
    rows = (
        [] if body.type == wire.PRESET else common.search_templates(call, body.name, body.label_ids)
    )
    page = page_by_offset(call, rows, body.offset, body.page_size)
    return {"total": len(rows), "items": [_template_to_wire(call, row) for row in page]}


@emulates(wire.LABELS)
def list_labels(call: Call, body: OffsetRequest) -> dict[str, Any]:
    """List labels; only v2 creates them."""
    rows = call.world.store.all(common.LABEL)[::-1]
    page = page_by_offset(call, rows, body.offset, body.page_size)
    return {"total": len(rows), "items": [_label_to_wire(row) for row in page]}


def _ids_to_wire(template: Document) -> dict[str, Any]:
    return {"templateId": template["number"], "templatePK": template["id"]}


def _template_to_wire(call: Call, template: Document) -> dict[str, Any]:
    labels = [
        {"labelId": row["number"], "labelName": row["name"], "color": "#0099E6"}
        for row in common.labels_of_template(call, template)
    ]
    own_fields = {
        "type": wire.CUSTOM,
        "sceneType": template["scene"],
        "frameworkType": template["framework"],
    }
    return _ids_to_wire(template) | common.template_to_wire(template, labels) | own_fields


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
