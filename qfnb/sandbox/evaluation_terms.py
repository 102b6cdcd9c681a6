"""What a new evaluation task is to do: checked in the words of the plane it came from, then written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..wire import evaluation as wire
from ..wire import model as model_wire
from . import datasets, repository, storage
from .routing import Call, Refusal, refuse_call
from .store import Document, random_id

if TYPE_CHECKING:
    from .world import World

KIND, RUN = "evaluation", "evaluation_run"
"""A task is what was asked for; its run is what came of it, and is written by the worker only."""

INPUT = "{input}"
MOST_POINTS = 100

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Names:
    """What a plane calls the fields that may be wrong."""

    name: str
    dataset: str
    versions: str
    version: str
    standard: str


@dataclass(frozen=True)
class Asked:
    """One of the versions, and how it is asked."""

    version: int | str
    model: int | str | None = None
    parameters: Mapping[str, Any] | None = None
    template: str = ""


@dataclass(frozen=True)
class Terms:
    """A task as either plane describes it."""

    names: Names
    name: str
    description: str
    dataset: int | str
    versions: Sequence[Asked]
    standard: wire.Standard
    resources: Mapping[str, Any]


def begin(call: Call, terms: Terms, replaced: Document | None = None) -> Document:
    """Write a task down, in the place of one that has not begun, and queue its work.

    Raises:
        Refusal: naming the field that is wrong.
    """
    if not terms.name.strip():
        raise _wrong(call, terms.names.name, "it must not be empty")
    modes, units = _modes(call, terms), _units(call, terms)
    dataset, pairs = _dataset(call, terms, modes)
    run = random_id("run-")
    body = {
        "name": terms.name,
        "description": terms.description,
        "dataset": dataset["id"],
        "dataset_number": dataset["number"],
        "dataset_name": dataset["name"],
        "modes": modes,
        "standard": terms.standard.to_wire(),
        "stop_words": _stop_words(call, terms),
        "resources": dict(terms.resources),
        "units": units,
        "run": run,
        "plan": call.world.lifecycle.plan((wire.PENDING, "queue"), (wire.DOING, "evaluate"), then=wire.DONE),
        "stopping": None,
    }
    return _queued(call.world, body, pairs, replaced)


def pairs_of(world: World, run_id: str) -> Pairs:
    """Return the rows as they were when a task was made; the dataset may be gone by now."""
    return [(prompt, reference) for prompt, reference in json.loads(world.store.read_file(run_id) or b"[]")]


def _queued(world: World, body: dict[str, Any], pairs: Pairs, replaced: Document | None) -> Document:
    store, run = world.store, body["run"]
    store.write_file(run, json.dumps(pairs, ensure_ascii=False).encode())
    if replaced is None:
        task = store.add(KIND, random_id("ame-"), **body)
    else:
        store.update(replaced["run"], cancelling_at=store.now())
        store.update(replaced["id"], **body)
        task = replaced | body
    world.backlog.take(
        RUN, store.add(RUN, run, task=task["id"], done=0, total=len(pairs) * len(body["units"]))
    )
    return task


def _units(call: Call, terms: Terms) -> list[dict[str, Any]]:
    if not 1 <= len(terms.versions) <= wire.MOST_VERSIONS:
        raise _wrong(call, terms.names.versions, f"a task compares 1 to {wire.MOST_VERSIONS} versions")
    return [_unit(call, terms, asked) for asked in terms.versions]


def _unit(call: Call, terms: Terms, asked: Asked) -> dict[str, Any]:
    version = repository.version_of(call, asked.version, terms.names.version)
    model = repository.model_of(call, version["model"], "modelId")
    if asked.model is not None and repository.model_of(call, asked.model, "modelId")["id"] != model["id"]:
        raise _wrong(call, "modelId", f"{asked.model} is not the model of version {asked.version}")
    if (state := repository.state(call, version)) != model_wire.READY:
        raise _wrong(call, terms.names.version, f"{asked.version} is {state}, not {model_wire.READY}")
    if asked.template and INPUT not in asked.template:
        raise _wrong(call, "promptTemplate", f"it has no {INPUT} for the question")
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
        "parameters": dict(asked.parameters or {}),
        "template": asked.template,
    }


def _dataset(call: Call, terms: Terms, modes: Sequence[str]) -> tuple[Document, Pairs]:
    """Return the dataset and its rows: questions, and what rules compare the answers with."""
    world, name = call.world, terms.names.dataset
    dataset = datasets.known(call, terms.dataset, name)
    if not datasets.released(world, dataset):
        raise _wrong(call, name, f"{terms.dataset} is not released")
    pairs = datasets.pairs(world.store, dataset)
    if not pairs or not all(prompt.strip() for prompt, _ in pairs):
        raise _wrong(call, name, f"{terms.dataset} holds no questions")
    if wire.RULE in modes and not all(reference.strip() for _, reference in pairs):
        raise _wrong(call, name, f"{terms.dataset} has rows without a reference answer, which rules need")
    return dataset, pairs


def _modes(call: Call, terms: Terms) -> list[str]:
    """Return the modes after a look whether each has what it needs."""
    standard, where = terms.standard, terms.names.standard
    modes = [mode.strip() for mode in standard.eval_mode.split(",")]
    if set(modes) - set(wire.MODES) or len(set(modes)) < len(modes):
        raise _wrong(call, f"{where}.evalMode", f"{standard.eval_mode!r}; it joins {', '.join(wire.MODES)}")
    if wire.RULE in modes:
        _check_rules(call, where, standard)
    if wire.MODEL in modes:
        _check_referee(call, where, standard)
    if wire.MANUAL in modes:
        _check_people(call, where, standard)
    return modes


def _check_rules(call: Call, where: str, standard: wire.Standard) -> None:
    words = standard.score_modes or []
    if not words or set(words) - set(wire.SCORE_MODES):
        allowed = ", ".join(wire.SCORE_MODES)
        raise _wrong(call, f"{where}.scoreModes", f"{words!r}; rules need one of {allowed}")


def _check_referee(call: Call, where: str, standard: wire.Standard) -> None:
    prompt = standard.prompt
    if standard.app_id is None or standard.app_id <= 0:
        raise _wrong(call, f"{where}.appId", "the referee model needs an application's id")
    if prompt is None or "{prediction}" not in prompt.template_content:
        raise _wrong(call, f"{where}.prompt.templateContent", "without {prediction} no answer is judged")
    if not 0 <= prompt.min_score < prompt.max_score <= MOST_POINTS:
        raise _wrong(call, f"{where}.prompt.maxScore", f"{prompt.max_score}; it is up to {MOST_POINTS}")


def _check_people(call: Call, where: str, standard: wire.Standard) -> None:
    names = [dimension.dimension for dimension in standard.evaluation_dimension or ()]
    if not 1 <= len(names) <= wire.MOST_DIMENSIONS or not all(name.strip() for name in names):
        why = f"people judge 1 to {wire.MOST_DIMENSIONS} dimensions, each with a name"
        raise _wrong(call, f"{where}.evaluationDimension", why)
    if names[0] != wire.SATISFACTION:
        raise _wrong(call, f"{where}.evaluationDimension", f"the first is {wire.SATISFACTION}")


def _stop_words(call: Call, terms: Terms) -> list[str]:
    """Return the lines of the file that is named."""
    path, name = terms.standard.stop_words_path, f"{terms.names.standard}.stopWordsPath"
    if not path:
        return []
    try:
        content = storage.read(call.world.store, path)
    except ValueError as error:
        raise _wrong(call, name, str(error)) from None
    if content is None:
        raise _wrong(call, name, f"{path} does not exist")
    return sorted({line.strip() for line in content.decode("utf-8-sig", "replace").splitlines()} - {""})


def _wrong(call: Call, name: str, why: str) -> Refusal:
    return refuse_call(call, f"param[{name}] invalid: {why}")
