"""Evaluation tasks as both versions of the interface show them: their documents, states, results and deletion.

A task (kind "evaluation") holds what was requested; its run (kind "evaluation_run") holds what the worker records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypedDict

from ...wire import evaluation as wire
from ..finetune.scores import word_unit
from ..http.call import Call
from ..state.job_queue import is_finished
from ..state.store import Document
from ..state.world import World

KIND, RUN = "evaluation", "evaluation_run"
INPUT_PLACEHOLDER = "{input}"
REFEREE_NAME = "沙盒的规则裁判，不是大模型 / the sandbox's rule, not a model"
UNSCORED = -1
"""The score of an answer that the referee cannot judge; it counts in no mean."""

ENGINE = "qfnb local model, not ERNIE"
FINAL_STATES = {wire.DONE, wire.PARTLY_DONE, wire.FAILED, wire.STOPPED}

Pairs = list[tuple[str, str]]
"""Prompts and reference responses."""

Row = dict[str, Any]


class Unit(TypedDict):
    """One of the compared versions, as a task's document holds it.

    Attributes:
        source: v1's word for the source of the version, e.g. `Train`.
        asks: the model name that a request to it has.
        template: a prompt with `{input}`, "" for the plain question.
    """

    id: str
    model: str
    model_number: int
    model_name: str
    version: str
    version_number: int
    version_name: str
    source: str
    asks: str
    parameters: dict[str, Any]
    template: str


def read_task_pairs(world: World, run_id: str) -> Pairs:
    """Return the dataset's rows as they were when the task was created."""
    return [(prompt, reference) for prompt, reference in json.loads(world.store.read_file(run_id) or b"[]")]


def run_of(world: World, task: Document) -> Document:
    """Return the run of a task, an empty mapping if it was deleted."""
    return world.store.get(RUN, task["run"]) or {}


def task_state(world: World, task: Document) -> str:
    """Return the state of a task: that of its plan, but no end before the run has ended."""
    run = run_of(world, task)
    if task["stopping"]:
        return str(world.lifecycle.state(task["stopping"])) if is_finished(run) else wire.STOPPING
    planned = str(world.lifecycle.state(task["plan"]))
    if planned != wire.DONE:
        return planned
    if run.get("failed_at"):
        return wire.FAILED
    return str(run["end"]) if is_finished(run) else wire.DOING


def has_results(world: World, task: Document) -> bool:
    """Return whether a task has ended, or waits only for the scores that people give."""
    return task_state(world, task) in FINAL_STATES | {wire.MANUAL_STARTED}


def unit_results(world: World, task: Document) -> list[Row]:
    """Return the versions of a task, each with its `state`, `message` and, once it is judged, `metrics`."""
    finished_units = run_of(world, task).get("units", {}) if has_results(world, task) else {}
    waiting = {"state": task_state(world, task), "message": "", "metrics": None}
    return [unit | waiting | finished_units.get(unit["id"], {}) for unit in task["units"]]


def iter_results(world: World, task: Document) -> Iterator[Row]:
    """Yield the answered rows, version by version, each with its prompt, its reference and its unit."""
    pairs = read_task_pairs(world, task["run"])
    done = dict(entry for point in world.store.points(task["run"]) for entry in point["rows"])
    for number in sorted(done):
        unit, (prompt, reference) = task["units"][number // len(pairs)], pairs[number % len(pairs)]
        identity = {"id": f"{unit['id']}-{number % len(pairs)}", "unit": unit}
        yield identity | {"prompt": prompt, "reference": reference} | done[number]


def result_dataset(world: World, task: Document) -> Document:
    """Return the dataset of the answers that people are to judge, an empty mapping if it does not exist yet."""
    dataset_id = run_of(world, task).get("result_dataset") if has_results(world, task) else None
    return (world.store.get("dataset", dataset_id) if dataset_id else None) or {}


def report_source(task: Document) -> dict[str, Any]:
    """Return what a report says about how its scores were computed."""
    source = {"engine": ENGINE, "words": word_unit()}
    return source | ({"referee": REFEREE_NAME} if wire.MODEL in task["modes"] else {})


def delete_tasks(call: Call, field: str, tasks: list[Document]) -> None:
    """Delete tasks with their rows and answers; the datasets that were made for people stay.

    Raises:
        Refusal: one of them is still running; then all stay.
    """
    world = call.world
    for task in tasks:
        if not has_results(world, task) or not is_finished(run_of(world, task)):
            raise call.invalid(field, f"task {task['id']} is {task_state(world, task)}; stop it first")
    for task in tasks:
        run = str(task["run"])
        world.store.remove(KIND, str(task["id"]))
        world.store.remove(RUN, run)
        world.store.drop_points(run)
        world.store.write_file(run, b"")
