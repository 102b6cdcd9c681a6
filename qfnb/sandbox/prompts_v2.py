"""Prompt templates and labels as v2 shows them: string ids, words for types, markers for pages."""

from __future__ import annotations

from typing import Any

from ..wire import prompt as wire_v1
from ..wire import prompt_v2 as wire
from ..wire.base import Paged
from .paging import by_marker
from .prompts import (
    LABEL,
    MOST_LABELS,
    TEMPLATE,
    change,
    filled,
    keep,
    labels_of,
    labels_row,
    matching,
    negative_row,
    template_of,
    texts_of,
)
from .routing import Call, emulates, refuse_call
from .services import CREATOR
from .serving import moment
from .store import Document, random_id

SCENES = {wire.TEXT: wire_v1.TEXT, wire.IMAGE: wire_v1.IMAGE}
_WORDS = {number: word for word, number in SCENES.items()}


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateTemplate) -> dict[str, Any]:
    """Keep a template."""
    if body.scene_type not in SCENES:
        raise refuse_call(
            call, f"param[sceneType] invalid: {body.scene_type!r} is none of {', '.join(SCENES)}"
        )
    template = keep(
        call,
        scene=SCENES[body.scene_type],
        labels=labels_of(call, "labels", body.labels),
        hyper_parameters=body.hyper_parameters,
        **texts_of(call, body),
    )
    return {"templateId": template["id"]}


@emulates(wire.INFO)
def info(call: Call, body: wire.TemplateRef) -> dict[str, Any]:
    """Describe a template, and fill it with the values that are given."""
    template = template_of(call, body.template_id, "templateId")
    return {**_row(call, template), **filled(template, body.model_extra or {})}


@emulates(wire.UPDATE)
def update(call: Call, body: wire.ModifyTemplate) -> dict[str, Any]:
    """Change a template."""
    template = template_of(call, body.template_id, "templateId")
    labels = None if body.labels is None else labels_of(call, "labels", body.labels)
    change(call, template, body, labels=labels, hyper_parameters=body.hyper_parameters)
    return {"templateId": template["id"]}


@emulates(wire.DELETE)
def delete(call: Call, body: wire.TemplateRef) -> bool:
    """Delete a template."""
    call.world.store.remove(TEMPLATE, template_of(call, body.template_id, "templateId")["id"])
    return True


@emulates(wire.LIST)
def find(call: Call, body: wire.FindTemplates) -> dict[str, Any]:
    """List templates; the sandbox has no preset ones."""
    found = [] if body.type == wire.PRESET else matching(call, body.name, body.label_ids)
    page, more = by_marker(call, [_row(call, row) for row in found], "templateId", body)
    return {"items": page, "pageInfo": more}


@emulates(wire.CREATE_LABELS)
def create_labels(call: Call, body: wire.CreateLabels) -> dict[str, Any]:
    """Make labels; a name that there is already gives the label that has it."""
    names = [name.strip() for name in body.name]
    if not 1 <= len(names) <= MOST_LABELS or not all(names):
        raise refuse_call(call, f"param[name] invalid: 1 to {MOST_LABELS} names, none of them empty")
    known = {row["name"]: row for row in call.world.store.all(LABEL)}
    for name in names:
        if name not in known:
            known[name] = call.world.store.add(LABEL, random_id("pl-", 16), name=name)
    return {"items": [_label(known[name]) for name in names]}


@emulates(wire.LABELS)
def list_labels(call: Call, body: Paged) -> dict[str, Any]:
    """List labels."""
    rows = [_label(row) for row in reversed(call.world.store.all(LABEL))]
    page, more = by_marker(call, rows, "labelId", body)
    return {"items": page, "pageInfo": more}


@emulates(wire.DELETE_LABEL)
def delete_label(call: Call, body: wire.LabelRef) -> bool:
    """Delete a label; templates that had it go on without it."""
    (label,) = labels_of(call, "labelId", [body.label_id])
    call.world.store.remove(LABEL, label)
    return True


def _label(label: Document) -> dict[str, Any]:
    return {
        "labelId": label["id"],
        "labelName": label["name"],
        "type": wire.OWN,
        "creatorName": CREATOR,
        "createTime": moment(label["created"]),
    }


def _row(call: Call, template: Document) -> dict[str, Any]:
    labels = [{"labelId": row["id"], "labelName": row["name"]} for row in labels_row(call, template)]
    row = {
        "templateId": template["id"],
        "templateName": template["name"],
        "templateContent": template["content"],
        "templateVariables": ",".join(template["variables"]),
        "variableIdentifier": template["identifier"],
        "labels": labels,
        "creatorName": CREATOR,
        "type": wire.OWN,
        "sceneType": _WORDS[template["scene"]],
        "hyperParameters": template["hyper_parameters"],
    }
    return row | negative_row(template)
