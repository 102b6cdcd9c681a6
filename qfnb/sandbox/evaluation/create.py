"""What a new evaluation task is to do: checked in the words of the plane it came from, then written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...wire import evaluation as wire
from ...wire import model as model_wire
from ..datasets import common as datasets
from ..datasets import rows as dataset_rows
from ..http.call import Call
from ..models import store as repository
from ..state.store import Document, random_id
from ..state.world import World
from ..storage import objects
from .common import INPUT_PLACEHOLDER, KIND, RUN, Pairs

MAX_SCORE = 100


@dataclass(frozen=True)
class FieldNames:
    """What a plane calls the fields that may be wrong."""

    name: str
    dataset: str
    versions: str
    version: str
    standard: str


@dataclass(frozen=True)
class VersionRequest:
    """One of the versions, and how it is asked."""

    version: int | str
    model: int | str | None = None
    parameters: Mapping[str, Any] | None = None
    template: str = ""


@dataclass(frozen=True)
class TaskRequest:
    """A task as either plane describes it."""

    names: FieldNames
    name: str
    description: str
    dataset: int | str
    versions: Sequence[VersionRequest]
    standard: wire.EvaluationStandard
    resources: Mapping[str, Any]


def create_task(call: Call, request: TaskRequest, replaced: Document | None = None) -> Document:
    """Write a task down, in the place of one that has not begun, and queue its work.

    Raises:
        Refusal: naming the field that is wrong.
    """
    if not request.name.strip():
        raise call.invalid(request.names.name, "it must not be empty")
    modes, units = _parse_modes(call, request), _build_units(call, request)
    dataset, pairs = _validate_dataset(call, request, modes)
    run = random_id("run-")
    body = {
        "name": request.name,
        "description": request.description,
        "dataset": dataset["id"],
        "dataset_number": dataset["number"],
        "dataset_name": dataset["name"],
        "modes": modes,
        "standard": request.standard.to_wire(),
        "stop_words": _read_stop_words(call, request),
        "resources": dict(request.resources),
        "units": units,
        "run": run,
        "plan": call.world.lifecycle.plan((wire.PENDING, "queue"), (wire.DOING, "evaluate"), final=wire.DONE),
        "stopping": None,
    }
    return _enqueue_task(call.world, body, pairs, replaced)


def _enqueue_task(world: World, body: dict[str, Any], pairs: Pairs, replaced: Document | None) -> Document:
    store, run = world.store, body["run"]
    store.write_file(run, json.dumps(pairs, ensure_ascii=False).encode())
    if replaced is None:
        task = store.add(KIND, random_id("ame-"), **body)
    else:
        store.update(replaced["run"], cancelling_at=store.now())
        store.update(replaced["id"], **body)
        task = replaced | body
    world.job_queue.enqueue(
        RUN, store.add(RUN, run, task=task["id"], done=0, total=len(pairs) * len(body["units"]))
    )
    return task


def _build_units(call: Call, request: TaskRequest) -> list[dict[str, Any]]:
    if not 1 <= len(request.versions) <= wire.MAX_VERSIONS:
        raise call.invalid(request.names.versions, f"a task compares 1 to {wire.MAX_VERSIONS} versions")
    return [_build_unit(call, request, version_request) for version_request in request.versions]


def _build_unit(call: Call, request: TaskRequest, version_request: VersionRequest) -> dict[str, Any]:
    version = repository.get_version(call, version_request.version, request.names.version)
    model = repository.get_model(call, version["model"], "modelId")
    if (
        version_request.model is not None
        and repository.get_model(call, version_request.model, "modelId")["id"] != model["id"]
    ):
        raise call.invalid(
            "modelId", f"{version_request.model} is not the model of version {version_request.version}"
        )
    if (state := repository.version_state(call, version)) != model_wire.READY:
        raise call.invalid(
            request.names.version, f"{version_request.version} is {state}, not {model_wire.READY}"
        )
    if version_request.template and INPUT_PLACEHOLDER not in version_request.template:
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
        "parameters": dict(version_request.parameters or {}),
        "template": version_request.template,
    }


def _validate_dataset(call: Call, request: TaskRequest, modes: Sequence[str]) -> tuple[Document, Pairs]:
    """Return the dataset and its rows: questions, and what rules compare the answers with."""
    world, field = call.world, request.names.dataset
    dataset = datasets.get_dataset(call, request.dataset, field)
    if not datasets.is_released(world, dataset):
        raise call.invalid(field, f"{request.dataset} is not released")
    pairs = dataset_rows.read_pairs(world.store, dataset)
    if not pairs or not all(prompt.strip() for prompt, _ in pairs):
        raise call.invalid(field, f"{request.dataset} holds no questions")
    if wire.RULE in modes and not all(reference.strip() for _, reference in pairs):
        raise call.invalid(field, f"{request.dataset} has rows without a reference answer, which rules need")
    return dataset, pairs


def _parse_modes(call: Call, request: TaskRequest) -> list[str]:
    """Return the modes after a look whether each has what it needs."""
    standard, prefix = request.standard, request.names.standard
    modes = [mode.strip() for mode in standard.eval_mode.split(",")]
    if set(modes) - set(wire.MODES) or len(set(modes)) < len(modes):
        raise call.invalid(f"{prefix}.evalMode", f"{standard.eval_mode!r}; it joins {', '.join(wire.MODES)}")
    if wire.RULE in modes:
        _validate_rules(call, prefix, standard)
    if wire.MODEL in modes:
        _validate_referee(call, prefix, standard)
    if wire.MANUAL in modes:
        _validate_manual(call, prefix, standard)
    return modes


def _validate_rules(call: Call, prefix: str, standard: wire.EvaluationStandard) -> None:
    score_modes = standard.score_modes or []
    if not score_modes or set(score_modes) - set(wire.SCORE_MODES):
        allowed = ", ".join(wire.SCORE_MODES)
        raise call.invalid(f"{prefix}.scoreModes", f"{score_modes!r}; rules need one of {allowed}")


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


def _read_stop_words(call: Call, request: TaskRequest) -> list[str]:
    """Return the lines of the file that is named."""
    path, field = request.standard.stop_words_path, f"{request.names.standard}.stopWordsPath"
    if not path:
        return []
    try:
        content = objects.read_object(call.world.store, path)
    except ValueError as error:
        raise call.invalid(field, str(error)) from None
    if content is None:
        raise call.invalid(field, f"{path} does not exist")
    return sorted({line.strip() for line in content.decode("utf-8-sig", "replace").splitlines()} - {""})
