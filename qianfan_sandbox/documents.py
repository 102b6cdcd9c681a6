"""Documents that the sandbox keeps as they were sent, and that nothing in it learns or answers
from.

Prompt templates and labels, improved prompts, memories, quotas and compute units, cleanings and
augmentations of datasets. A table says which action on which kind of document answers an endpoint.
What the platform checks beyond the types of fields, and what it does with such documents, is not
imitated.
"""

import itertools
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from qfnb.base.language import tr, trn
from qfnb.errors import InvalidArgumentError
from qfnb.metrics.rouge_bleu_chrf import rouge_l
from qfnb.wire import data, prompt, service
from qfnb.wire.base import JsonObject, PageRequest, Record
from qfnb.wire.endpoints import AnyEndpoint
from qfnb.wire.prompt import PromptTemplate

from . import datasets, rows, services
from .http.call import (
    CREATOR,
    Call,
    emulates,
    fields_of,
    page_by_marker,
    page_by_offset,
    utc,
    utc_spaced,
)
from .rows import RowParser
from .state.store import Document, random_id

Fields = JsonObject


@dataclass(frozen=True)
class Kind:
    """A kind of document.

    Attributes:
        name: the kind in the store.
        key: the field that has the id; in a request, `<key>s` has several.
        prefix: the beginning of an id.
        filters: fields of a request that a listed document must have in the same way.
        matches: whether a document, as it is sent, passes the other filters of a request.
        prepare: returns what is stored of a request; its third argument is the present document, {}
            for a new one.
        shown: returns further fields that are sent.
        detail: a field that only the description of one document has.
    """

    name: str
    key: str
    prefix: str
    filters: tuple[str, ...] = ()
    matches: Callable[[Call, Fields, Fields], bool] = lambda call, sent, row: True
    prepare: Callable[[Call, Fields, Fields], Fields] = lambda call, sent, document: sent
    shown: Callable[[Call, Document], Fields] = lambda call, document: {}
    detail: str = ""

    def find(self, call: Call, sent: Fields) -> Document:
        """Return the document that a request names."""
        return call.find(self.name, sent[self.key], self.key)

    def to_wire(self, call: Call, document: Document) -> Fields:
        """Return a document as it is sent, without empty texts: the official SDK takes one for a
        list of one name.
        """
        hidden = {"id", "number", "created", "plan", self.detail}
        fields: Fields = {}
        for name, value in document.items():
            if name not in hidden and value != "":
                fields[name] = value
        return fields | {self.key: document["id"]} | self.shown(call, document)


def create(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Add a document."""
    fields = kind.prepare(call, sent, {})
    document = call.store.add(kind.name, random_id(kind.prefix, 16), **fields)
    return {kind.key: document["id"]}


def describe(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Describe a document."""
    document = kind.find(call, sent)
    row = kind.to_wire(call, document)
    if kind.detail:
        row[kind.detail] = document[kind.detail]
    return row


def _matching(kind: Kind, call: Call, sent: Fields) -> list[Document]:
    """Return the documents that pass the filters of a request, the newest first."""
    values = fields_of(sent, *(sent.keys() & set(kind.filters)))
    matches = []
    for document in reversed(call.store.all(kind.name)):
        row = kind.to_wire(call, document)
        is_same = all(str(row[name]) == str(value) for name, value in values.items())
        if is_same and kind.matches(call, sent, row):
            matches.append(document)
    return matches


def list_page(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Return a page of the documents that match: by offset on v1, by marker on v2."""
    matches = _matching(kind, call, sent)
    if sent.get("sortBy") == "asc":
        matches.reverse()
    if "offset" not in sent:
        return page_by_marker(call, matches, PageRequest.model_validate(sent), kind.to_wire)
    page = page_by_offset(call, matches, sent["offset"], sent["pageSize"])
    items = [kind.to_wire(call, document) for document in page]
    return {"total": len(matches), "items": items}


def list_instances(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Return all documents that match, the oldest first."""
    matches = _matching(kind, call, sent)[::-1]
    return {"instances": [kind.to_wire(call, document) for document in matches]}


def change(kind: Kind, call: Call, sent: Fields) -> bool:
    """Replace the fields of a document that a request has."""
    document = kind.find(call, sent)
    fields = kind.prepare(call, sent, document)
    fields.pop(kind.key)
    call.store.update(document["id"], **fields)
    return True


def prepare_memory(call: Call, sent: Fields, document: Fields) -> Fields:
    """Return the fields of a memory, empty at first."""
    if document:
        return sent
    if not str(sent["appId"]).strip():
        raise call.invalid("appId", "it must not be empty")
    return {"memories": [], **sent}


def delete(kind: Kind, call: Call, sent: Fields) -> bool:
    """Delete documents, all of them or none."""
    keys = sent.get(f"{kind.key}s", [sent.get(kind.key)])
    for document in [kind.find(call, {kind.key: key}) for key in keys]:
        call.store.remove(kind.name, document["id"])
    return True


# Prompts: templates, labels, and rules that improve a prompt

RULES_MARK = {"engine": "qfnb rules, not a language model"}

_POLITE_WORDS = re.compile(r"请你?|麻烦你?|帮我|帮忙|能不能|可以吗|谢谢")
SHORTEN = 2
RULES = {
    1: "你是这一领域的专家。{}\n请写得具体、准确，不确定的内容请说明。",
    SHORTEN: "{}",
    3: "{}\n请按要点分条列出。",
    4: "{}\n请先一步一步地思考，再给出结论。",
}
"""The operations on a prompt: improve, shorten (without polite words), in points, step by step."""


PREFIXES = {"template": "content", "negativeTemplate": "negativeContent"}
"""What the fields of the two texts of a template begin with, and the field of the filled text."""

CUSTOM = {"type": prompt.CUSTOM, "creatorName": CREATOR}


def prepare_template(call: Call, sent: Fields, template: Fields) -> Fields:
    """Return the fields of a template; the variables of a changed text are those in it."""
    defaults: Fields = {"negativeTemplateContent": "", "labels": [], "hyperParameters": None}
    fields = {**defaults, **template, **sent}
    if not fields["templateName"].strip() or not fields["templateContent"].strip():
        raise call.invalid("templateName", "it and templateContent must not be empty")
    is_new_text = bool(template) and bool({"templateContent", "variableIdentifier"} & sent.keys())
    for prefix in PREFIXES:
        name = f"{prefix}Variables"
        if is_new_text:
            fields.pop(name, None)
        try:
            fields[name] = ",".join(_parse_template(fields, prefix).names)
        except InvalidArgumentError as error:
            raise call.invalid(name, str(error)) from None
    labels = [call.find("label", key, "labels") for key in fields["labels"]]
    fields["labels"] = [label["id"] for label in labels]
    for name in ("id", "number", "created"):
        fields.pop(name, None)
    return fields


def _parse_template(template: Fields, prefix: str) -> PromptTemplate:
    """Return one of the texts of a template; its variables are those that are named, or are in
    it.
    """
    names = template.get(f"{prefix}Variables")
    variables = None if names is None else tuple(filter(None, names.split(",")))
    text = template.get(f"{prefix}Content", "")
    return PromptTemplate(text, template["variableIdentifier"], variables)


def show_template(call: Call, template: Document) -> Fields:
    """Return the labels of a template that still exist, and who made it."""
    labels = []
    for id_ in template["labels"]:
        if label := call.store.get("label", id_):
            labels.append(fields_of(label, "labelName", labelId="id"))
    return {"labels": labels} | CUSTOM


def describe_template(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Describe a template, its texts filled with the further fields of the request."""
    row = describe(kind, call, sent)
    for prefix, content in PREFIXES.items():
        row[content] = _parse_template(row, prefix).fill(sent)
    return row


def matches_template(call: Call, sent: Fields, row: Fields) -> bool:
    """Return whether a template has a text and one of some labels; none is the platform's."""
    ids = set()
    for key in sent.get("labelIds", ()):
        if label := call.store.get("label", key):
            ids.add(label["id"])
    if ids.isdisjoint(label["labelId"] for label in row["labels"]) and ids:
        return False
    text = sent.get("name", "")
    if text not in row["templateName"] and text not in row["templateContent"]:
        return False
    return bool(sent.get("type", row["type"]) == row["type"])


def change_template(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Change a template and return its id."""
    change(kind, call, sent)
    return {kind.key: kind.find(call, sent)["id"]}


def create_labels(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Create labels; a name that exists gives its label."""
    if not all(map(str.strip, sent["name"])):
        raise call.invalid("name", "it must not be empty")
    items = []
    for name in sent["name"]:
        labels = call.store.all(kind.name, labelName=name)
        if not labels:
            labels = [call.store.add(kind.name, random_id(kind.prefix, 16), labelName=name)]
        items.append(kind.to_wire(call, labels[-1]))
    return {"items": items}


def prepare_optimization(call: Call, sent: Fields, document: Fields) -> Fields:
    """Return an optimization, whose result is shown when its time is over."""
    requested = [row["opType"] for row in sent["operations"] if row.get("payload")]
    for op_type in requested:
        call.validate_choice("operations.opType", op_type, sorted(RULES))
    improved = sent["content"]
    if SHORTEN in requested:
        improved = _POLITE_WORDS.sub("", improved).strip()
    for op_type in requested:
        improved = RULES[op_type].replace("{}", improved)
    plan = call.lifecycle.plan((prompt.RUNNING, "optimize"), final=prompt.DONE)
    return sent | {"improved": improved, "plan": plan}


def show_optimization(call: Call, document: Document) -> Fields:
    """Return the state of an optimization, and its result once it is done."""
    state = call.lifecycle.state(document["plan"])
    result = ""
    if state == prompt.DONE:
        result = document["improved"]
    return {"processStatus": state, "optimizeContent": result, "sandbox": RULES_MARK}


@emulates(prompt.PREDICT)
def score_answers(call: Call, body: prompt.Predict) -> Fields:
    """Score answers from 0 to 1: by wording, by a regular expression, or by equality."""
    call.validate_choice("type", body.type, (prompt.SEMANTIC, prompt.REGEX, prompt.EXACT))
    scores = []
    for row in body.data:
        expected = str(row.get("scene") or row.get("prompt") or "")
        row_scores = []
        for answer in _list_of(call, row, "response_list"):
            row_scores.append(_score(call, body.type, expected, str(answer)))
        scores.append(row_scores)
    return {"scores": scores, "sandbox": RULES_MARK}


@emulates(prompt.SUMMARY)
def summarize(call: Call, body: prompt.Summarize) -> Fields:
    """Summarize how similar the answers of each prompt are to the expected ones."""
    responses = []
    for number, row in enumerate(body.data):
        shares = []
        for scene in _list_of(call, row, "scenes"):
            expected = str(scene.get("expected_target", ""))
            shares.append(_similarity(expected, str(scene.get("response", ""))))
        text = tr("The sandbox has no scenes to compare.")
        if shares:
            text = trn(
                "The sandbox compared {n} scene by its wording: {share:.0%} like what was "
                "expected.",
                "The sandbox compared {n} scenes by their wording: on average {share:.0%} like "
                "what was expected.",
                len(shares),
                share=statistics.fmean(shares),
            )
        responses.append({"id": number, "response": text, "errorCode": 0, "errorMsg": ""})
    return {"responses": responses, "sandbox": RULES_MARK}


def _list_of(call: Call, row: Fields, name: str) -> list[Any]:
    value = row.get(name) or []
    if not isinstance(value, list):
        raise call.invalid("data", f"{name} is a list")
    return value


def _score(call: Call, type_: int, expected: str, answer: str) -> float:
    if type_ == prompt.SEMANTIC:
        return round(_similarity(expected, answer), 4)
    if type_ == prompt.EXACT:
        return float(expected.strip() == answer.strip())
    try:
        return float(re.search(expected, answer) is not None)
    except (re.error, OverflowError, RecursionError):
        raise call.invalid("data", f"{expected[:40]!r} is not a regular expression") from None


def _similarity(expected: str, answer: str) -> float:
    reference = "".join(expected.lower().split())
    output = "".join(answer.lower().split())
    return rouge_l(output, reference) if reference else float(not output)


# Quotas of preset models and compute units of services: recorded and priced at nothing; services
# run without them

# requests and tokens per minute of one purchased unit; the sandbox's own numbers, not enforced
RPM = 60
TPM = 10_000


COUNTS = ("count", "purchaseCount", "replicasCount")
"""The fields with a size; a resized instance has the first besides that of its purchase."""


def prepare_instance(call: Call, sent: Fields, instance: Fields) -> Fields:
    """Return the fields of a quota or a compute unit, which runs until it is released."""
    if instance.get("status") == service.STOPPED:
        raise call.invalid("instanceId", "it was released")
    for name in sent.keys() & COUNTS:
        call.validate_range(name, sent[name], 1, services.MAX_REPLICAS)
    if "serviceId" in sent:
        sent["serviceId"] = services.get_service(call, sent["serviceId"])["id"]
    return sent if instance else {"status": service.RUNNING, **sent}


def show_instance(call: Call, instance: Document) -> Fields:
    """Return the size of an instance: a unit's replicas, or what a quota's count is worth; and its
    end.
    """
    counts = [int(instance[name]) for name in COUNTS if name in instance]
    count = counts[0]
    size = {"replicasCount": count}
    if "model" in instance:
        size = {"rpm": count * RPM, "tpm": count * TPM}
    return size | {
        "startTime": utc(instance["created"]),
        "expiredTime": instance.get("releaseTime") or "-",
        "paymentTiming": instance["billing"]["paymentTiming"],
    }


def stop(kind: Kind, call: Call, sent: Fields) -> bool:
    """Release a quota, which stays in the list."""
    return change(kind, call, sent | {"status": service.STOPPED})


def set_end(kind: Kind, call: Call, sent: Fields) -> bool:
    """Set the time that a quota shows as its end, or none; here no instance ends by itself."""
    return change(kind, call, {"releaseTime": None} | sent)


def renew(kind: Kind, call: Call, sent: Fields) -> bool:
    """Record by which rule an instance is renewed."""
    type_ = sent["instanceType"]
    call.validate_choice("instanceType", type_, service.UNIT_TYPES)
    return change(UNIT if type_ == service.UNIT_TYPES[0] else kind, call, sent)


def list_units(kind: Kind, call: Call, sent: Fields) -> Fields:
    """List the compute units of a service."""
    return list_instances(kind, call, kind.prepare(call, sent, sent))


def describe_unit(kind: Kind, call: Call, sent: Fields) -> Fields:
    """Describe a compute unit."""
    return {"instance": describe(kind, call, sent)}


# Cleanings and augmentations: recorded tasks that copy the rows of a dataset into another one. A
# cleaning changes no
# row, and an augmentation adds one phrase to prompts.

MAX_ROWS = 50_000
"""Rows of a dataset that the sandbox copies while the caller waits; the platform's limit
differs.
"""

NEW_PROMPT = (
    "请问，{}"  # the prompt of a new row; `{}` is the prompt of the row that it is made from
)


def clean(kind: Kind, call: Call, sent: Fields) -> str:
    """Copy a dataset into another one, and record the operations; return the task's id."""
    for group in sent["operationsV2"]:
        call.validate_choice("operationsV2", group, data.GROUPS)
    return _copy_rows(kind, call, sent, lambda row: row)


def augment(kind: Kind, call: Call, sent: Fields) -> bool:
    """Add rows with rephrased prompts to another dataset, at most one new row for each row of the
    source.
    """

    def rephrase(row: Any) -> Any:
        if not isinstance(row, list):
            raise call.invalid("sourceDatasetId", "it has no questions")
        *turns, last_turn = row
        new_prompt = NEW_PROMPT.format(last_turn["prompt"])
        return [*turns, last_turn | {"prompt": new_prompt}]

    _copy_rows(kind, call, sent, rephrase)
    return True


def _copy_rows(kind: Kind, call: Call, sent: Fields, rewrite: Callable[[Any], Any]) -> str:
    """Copy rows, visible from the task's end on; return the task's id."""
    world = call.world
    source = datasets.get_dataset(call, sent["sourceDatasetId"], "sourceDatasetId")
    destination = datasets.get_dataset(call, sent["destDatasetId"], "destDatasetId")
    if source["id"] == destination["id"] or source["form"] != destination["form"]:
        raise call.invalid("destDatasetId", "it is another dataset of the same format")
    if not 1 <= rows.count(world.store, source) <= MAX_ROWS:
        raise call.invalid("sourceDatasetId", f"{source['id']} must have 1 to {MAX_ROWS:,} rows")
    datasets.validate_idle(call, destination)
    named_rows = []
    entities = rows.iter_entities(world.store, source)
    for entity in itertools.islice(entities, sent.get("numInstancesToGenerate")):
        named_rows.append(("", rewrite(entity.row)))
    plan = world.lifecycle.plan((data.RUNNING, "clean"), final=data.FINISHED)
    end = plan[0][1]
    new_part = rows.write_part(world.store, rows.to_entities(named_rows, end))
    rows.attach_part(world.store, destination["id"], new_part, end)
    parser = RowParser(destination["form"], annotated=False, named_rows=named_rows)
    datasets.record_import(world, destination, plan, parser)
    fields = sent | {
        "entityCount": len(named_rows),
        "numInstancesGenerated": len(named_rows),
        "sourceDatasetId": source["number"],
        "sourceDatasetStrId": source["id"],
        "destDatasetId": destination["number"],
        "destDatasetStrId": destination["id"],
    }
    task = world.store.add(kind.name, random_id(kind.prefix), plan=plan, **fields)
    world.store.update(source["id"], **{kind.name: task["id"]})
    return str(task["id"])


def show_task(call: Call, task: Document) -> Fields:
    """Return the ids, the state and the times of a cleaning or an augmentation."""
    lifecycle = call.lifecycle
    return {
        **fields_of(task, id="number", etlId="number", taskId="id", etlStrId="id"),
        "processStatus": lifecycle.state(task["plan"]),
        "startTime": utc_spaced(task["created"]),
        "finishTime": utc_spaced(lifecycle.final_since(task["plan"])),
        "sandbox": RULES_MARK,
    }


# The table

MEMORY = Kind(
    "memory", "systemMemoryId", "sm-", ("appId",), prepare=prepare_memory, detail="memories"
)
TEMPLATE = Kind(
    "template", "templateId", "pt-", (), matches_template, prepare_template, show_template
)
LABEL = Kind(
    "label", "labelId", "pl-", shown=lambda call, row: CUSTOM | {"createTime": utc(row["created"])}
)
OPTIMIZATION = Kind(
    "optimization", "id", "task-", prepare=prepare_optimization, shown=show_optimization
)
QUOTA = Kind(
    "quota",
    "instanceId",
    "a-",
    ("model", "paymentTiming", "instanceId", "status"),
    prepare=prepare_instance,
    shown=show_instance,
)
UNIT = replace(QUOTA, name="unit", filters=("serviceId", "paymentTiming"))
CLEANING = Kind("etl", "etlId", "etl-", shown=show_task)
AUGMENTATION = Kind(
    "enhance",
    "taskId",
    "task-",
    (),
    lambda call, sent, row: sent.get("word", "") in row["name"],
    shown=show_task,
)

Action = Callable[[Kind, Call, Fields], Any]

ACTIONS: dict[Kind, dict[AnyEndpoint, Action]] = {
    MEMORY: {
        prompt.CREATE_MEMORY: create,
        prompt.LIST_MEMORIES: list_page,
        prompt.DESCRIBE_MEMORY: describe,
        prompt.MODIFY_MEMORY: change,
        prompt.DELETE_MEMORY: delete,
    },
    TEMPLATE: {
        prompt.CREATE: create,
        prompt.INFO: describe_template,
        prompt.UPDATE: change_template,
        prompt.DELETE: delete,
        prompt.LIST: list_page,
        prompt.CREATE_V1: create,
        prompt.INFO_V1: describe_template,
        prompt.UPDATE_V1: change_template,
        prompt.DELETE_V1: delete,
        prompt.LIST_V1: list_page,
    },
    LABEL: {
        prompt.CREATE_LABELS: create_labels,
        prompt.LABELS: list_page,
        prompt.DELETE_LABEL: delete,
        prompt.LABELS_V1: list_page,
    },
    OPTIMIZATION: {prompt.OPTIMIZE: create, prompt.OPTIMIZED: describe},
    QUOTA: {
        service.BUY_TPM: create,
        service.FIND_TPM: list_instances,
        service.RELEASE_TPM: stop,
        service.RESIZE_TPM: change,
        service.AUTO_RELEASE_TPM: set_end,
        service.AUTO_RENEW: renew,
    },
    UNIT: {
        service.BUY_UNIT: create,
        service.FIND_UNITS: list_units,
        service.DESCRIBE_UNIT: describe_unit,
        service.RELEASE_UNIT: delete,
        service.RESIZE_UNIT: change,
    },
    CLEANING: {
        data.CREATE_CLEANING: clean,
        data.DESCRIBE_CLEANING: describe,
        data.LIST_CLEANINGS: list_page,
        data.DELETE_CLEANINGS: delete,
    },
    AUGMENTATION: {
        data.AUGMENT: augment,
        data.LIST_AUGMENTATIONS: list_page,
        data.DESCRIBE_AUGMENTATION: describe,
        data.DELETE_AUGMENTATIONS: delete,
    },
}


def _answer(kind: Kind, action: Action, call: Call, body: Record) -> Any:
    sent = body.to_wire()
    if not call.endpoint.path.startswith(V1_PROMPTS):
        return action(kind, call, sent)
    if "offset" not in sent:
        for old, new in (("id", "templateId"), ("labelIds", "labels")):
            if old in sent:
                sent[new] = sent.pop(old)
    for name in sent.keys() & V1_VALUES.keys():
        call.validate_choice(name, sent[name], V1_VALUES[name])
        sent[name] = V1_VALUES[name][sent[name]]
    return _to_v1(call, action(kind, call, sent))


def _to_v1(call: Call, value: Any) -> Any:
    """Return an answer of v2 in v1's form: numbers for ids and words."""
    if isinstance(value, list):
        return [_to_v1(call, item) for item in value]
    if not isinstance(value, dict):
        return value
    row = {name: _to_v1(call, item) for name, item in value.items()}
    for kind in (TEMPLATE, LABEL):
        if id_ := row.get(kind.key):
            row["templatePK"] = id_
            row[kind.key] = (call.store.get(kind.name, id_) or {}).get("number")
    for name in row.keys() & V1_VALUES.keys():
        for number, word in V1_VALUES[name].items():
            if word == row[name]:
                row[name] = number
    return row


V1_PROMPTS = "/wenxinworkshop/prompt/template/", "/wenxinworkshop/prompt/label/"
V1_VALUES: dict[str, dict[int, str]] = {
    "sceneType": {prompt.TEXT_V1: prompt.TEXT, prompt.IMAGE_V1: prompt.IMAGE},
    "type": {prompt.PRESET_V1: prompt.PRESET, prompt.CUSTOM_V1: prompt.CUSTOM},
}
"""v1's numbers, and v2's words for them."""

for kind_, actions in ACTIONS.items():
    for endpoint, action_ in actions.items():
        emulates(endpoint)(partial(_answer, kind_, action_))
