"""The creation of an evaluation task: validated in the field names of either version, stored and queued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from ...wire import evaluation as wire
from ...wire import model as model_wire
from ..datasets import common as datasets
from ..datasets import rows as dataset_rows
from ..http.call import Call
from ..models import store as models
from ..state.store import Document, random_id
from ..storage import objects
from .common import INPUT_PLACEHOLDER, KIND, RUN, Pairs, Unit

MAX_SCORE = 100


class FieldNames(NamedTuple):
    """The names of the request's fields in error messages; by default v1's."""

    name: str = "name"
    dataset: str = "datasetId"
    versions: str = "versionEvalInfo"
    version: str = "modelVersionId"
    standard: str = "evalStandardConf"


V1_FIELDS = FieldNames()


def create_task(
    call: Call, body: wire.CreateTask, names: FieldNames = V1_FIELDS, replaced: Document | None = None
) -> Document:
    """Store a task and queue its run.

    Args:
        call: the request.
        body: the task in v1's form.
        names: the names of its fields in the request.
        replaced: a task that has not begun, whose place it takes.

    Raises:
        Refusal: a field is invalid.
    """
    if not body.name.strip():
        raise call.invalid(names.name, "it must not be empty")
    if not 1 <= len(body.version_eval_info) <= wire.MAX_VERSIONS:
        raise call.invalid(names.versions, f"a task compares 1 to {wire.MAX_VERSIONS} versions")
    modes = _parse_modes(call, names.standard, body.eval_standard_conf)
    units = [_build_unit(call, names.version, version) for version in body.version_eval_info]
    dataset, pairs = _validate_dataset(call, names.dataset, body.dataset_id, modes)
    store, run, plan = call.world.store, random_id("run-"), call.world.lifecycle.plan
    fields = {
        "name": body.name,
        "description": body.description or "",
        "dataset": dataset["id"],
        "dataset_number": dataset["number"],
        "dataset_name": dataset["name"],
        "modes": modes,
        "standard": body.eval_standard_conf.to_wire(),
        "stop_words": _read_stop_words(call, names.standard, body.eval_standard_conf.stop_words_path),
        "resources": body.compute_resource_conf.to_wire(),
        "units": units,
        "run": run,
        "plan": plan((wire.PENDING, "queue"), (wire.DOING, "evaluate"), final=wire.DONE),
        "stopping": None,
    }
    store.write_file(run, json.dumps(pairs, ensure_ascii=False).encode())
    if replaced is None:
        task = store.add(KIND, random_id("ame-"), **fields)
    else:
        store.update(replaced["run"], cancelling_at=store.now())
        store.update(replaced["id"], **fields)
        task = replaced | fields
    total = len(pairs) * len(units)
    call.world.job_queue.enqueue(RUN, store.add(RUN, run, task=task["id"], done=0, total=total))
    return task


def _build_unit(call: Call, field: str, request: wire.EvaluatedVersion) -> Unit:
    version = models.get_version(call, request.model_version_id, field)
    model = models.get_model(call, version["model"], "modelId")
    if request.model_id is not None and models.get_model(call, request.model_id, "modelId") != model:
        reason = f"{request.model_id} is not the model of version {request.model_version_id}"
        raise call.invalid("modelId", reason)
    if (state := models.version_state(call, version)) != model_wire.READY:
        raise call.invalid(field, f"{request.model_version_id} is {state}, not {model_wire.READY}")
    template = request.prompt.content if request.prompt and request.prompt.enable else ""
    if template and INPUT_PLACEHOLDER not in template:
        raise call.invalid("promptTemplate", f"it has no {INPUT_PLACEHOLDER} for the question")
    return {
        "id": random_id("ameu-"),
        "model": model["id"],
        "model_number": model["number"],
        "model_name": model["name"],
        "version": version["id"],
        "version_number": version["number"],
        "version_name": version["version"],
        "source": version["source"],
        "asks": version["base"] if version["source"] == model_wire.PRESET else version["id"],
        "parameters": request.params or {},
        "template": template,
    }


def _validate_dataset(call: Call, field: str, key: int | str, modes: Sequence[str]) -> tuple[Document, Pairs]:
    """Return a released dataset with its rows: prompts and reference responses."""
    world = call.world
    dataset = datasets.get_dataset(call, key, field)
    if not datasets.is_released(world, dataset):
        raise call.invalid(field, f"{key} is not released")
    pairs = dataset_rows.read_pairs(world.store, dataset)
    if not pairs or not all(prompt.strip() for prompt, _ in pairs):
        raise call.invalid(field, f"{key} holds no questions")
    if wire.RULE in modes and not all(reference.strip() for _, reference in pairs):
        raise call.invalid(field, f"{key} has rows without a reference answer, which rules need")
    return dataset, pairs


def _parse_modes(call: Call, prefix: str, standard: wire.EvaluationStandard) -> list[str]:
    """Return the modes of a standard that has what each of them needs."""
    modes = [mode.strip() for mode in standard.eval_mode.split(",")]
    if set(modes) - set(wire.MODES) or len(set(modes)) < len(modes):
        raise call.invalid(f"{prefix}.evalMode", f"{standard.eval_mode!r}; it joins {', '.join(wire.MODES)}")
    if wire.RULE in modes:
        score_modes = standard.score_modes or []
        if not score_modes or set(score_modes) - set(wire.SCORE_MODES):
            allowed = ", ".join(wire.SCORE_MODES)
            raise call.invalid(f"{prefix}.scoreModes", f"{score_modes!r}; rules need one of {allowed}")
    if wire.MODEL in modes:
        _validate_referee(call, prefix, standard)
    if wire.MANUAL in modes:
        _validate_manual(call, prefix, standard)
    return modes


def _validate_referee(call: Call, prefix: str, standard: wire.EvaluationStandard) -> None:
    prompt = standard.prompt
    if standard.app_id is None or standard.app_id <= 0:
        raise call.invalid(f"{prefix}.appId", "the referee model needs an application's id")
    if prompt is None or "{prediction}" not in prompt.template_content:
        raise call.invalid(f"{prefix}.prompt.templateContent", "without {prediction} no answer is judged")
    if not 0 <= prompt.min_score < prompt.max_score <= MAX_SCORE:
        raise call.invalid(f"{prefix}.prompt.maxScore", f"{prompt.max_score}; it is up to {MAX_SCORE}")


def _validate_manual(call: Call, prefix: str, standard: wire.EvaluationStandard) -> None:
    names = [dimension.dimension for dimension in standard.evaluation_dimension or ()]
    if not 1 <= len(names) <= wire.MAX_DIMENSIONS or not all(name.strip() for name in names):
        reason = f"people judge 1 to {wire.MAX_DIMENSIONS} dimensions, each with a name"
        raise call.invalid(f"{prefix}.evaluationDimension", reason)
    if names[0] != wire.SATISFACTION:
        raise call.invalid(f"{prefix}.evaluationDimension", f"the first is {wire.SATISFACTION}")


def _read_stop_words(call: Call, prefix: str, path: str | None) -> list[str]:
    """Return the distinct lines of a file in the bucket, none without a path."""
    field = f"{prefix}.stopWordsPath"
    if not path:
        return []
    try:
        content = objects.read_object(call.world.store, path)
    except ValueError as error:
        raise call.invalid(field, str(error)) from None
    if content is None:
        raise call.invalid(field, f"{path} does not exist")
    return sorted({line.strip() for line in content.decode("utf-8-sig", "replace").splitlines()} - {""})
