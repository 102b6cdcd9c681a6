"""The work of an evaluation task: every version answers every row, and each answer is judged at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..wire import data as data_wire
from ..wire import evaluation as wire
from ..wire.chat import CHAT_V2
from ..wire.model import PRESET
from . import contents, datasets
from .backlog import is_over, journalled, works_off
from .evaluation_judging import Judge, summary
from .evaluation_terms import INPUT, KIND, RUN, Pairs, pairs_of
from .offline import ask
from .routing import Call
from .store import Document

if TYPE_CHECKING:
    from .world import World

ENDED = {wire.DONE, wire.PARTLY_DONE, wire.FAILED, wire.STOPPED}
GONE = "模型版本已不存在 / the model version is gone"

Row = dict[str, Any]


@works_off(RUN)
def work(world: World, run: Document) -> Iterator[None]:
    """Work a task off: answer, judge, sum up."""
    store, id_ = world.store, str(run["id"])
    task, pairs = store.get(KIND, run["task"]), pairs_of(world, id_)
    if task is None:
        store.update(id_, cancelled_at=world.clock.now())
        return
    judge = Judge.of(task)
    yield

    def answer(number: int, unit: Row) -> Row:
        prompt, reference = pairs[number % len(pairs)]
        row = _answer(world, unit, prompt)
        return row if "error" in row else row | judge(row["prediction"], reference)

    def over(done: Mapping[int, Any]) -> bool:
        store.update(id_, done=len(done))
        return _stopping(world, id_)

    rows = [unit for unit in task["units"] for _ in pairs]
    done = yield from journalled(store, id_, rows, answer, over)
    _finish(world, task, id_, pairs, done)


def state_of(world: World, task: Document) -> str:
    """Return where a task is: what its plan says by now, when the work is as far."""
    run = world.store.get(RUN, task["run"]) or {}
    if task["stopping"]:
        return str(world.lifecycle.state(task["stopping"])) if is_over(run) else wire.STOPPING
    planned = str(world.lifecycle.state(task["plan"]))
    if planned != wire.DONE:
        return planned
    if run.get("failed_at"):
        return wire.FAILED
    return str(run["end"]) if is_over(run) else wire.DOING


def units_of(world: World, task: Document) -> list[Row]:
    """Return the versions of a task, each with its `state`, `message` and, when it is judged, `metrics`."""
    state = state_of(world, task)
    ends = (world.store.get(RUN, task["run"]) or {}).get("units", {})
    if state not in ENDED | {wire.MANUAL_BEGUN}:
        ends = {}
    waiting = {"state": state, "message": "", "metrics": None}
    return [unit | waiting | ends.get(unit["id"], {}) for unit in task["units"]]


def results_of(world: World, task: Document) -> Iterator[Row]:
    """Yield the rows that are answered, version by version, each with its question and its unit."""
    pairs = pairs_of(world, task["run"])
    done = dict(entry for point in world.store.points(task["run"]) for entry in point["rows"])
    for number in sorted(done):
        unit, (prompt, reference) = task["units"][number // len(pairs)], pairs[number % len(pairs)]
        place = {"id": f"{unit['id']}-{number % len(pairs)}", "unit": unit}
        yield place | {"prompt": prompt, "reference": reference} | done[number]


def _answer(world: World, unit: Row, prompt: str) -> Row:
    asked = unit["template"].replace(INPUT, prompt) if unit["template"] else prompt
    messages = [{"role": "user", "content": asked}]
    answer = ask(world, CHAT_V2, {**unit["parameters"], "model": unit["asks"], "messages": messages})
    if answer.good:
        return {"prediction": str(answer.body["choices"][0]["message"]["content"])}
    return {"prediction": "", "error": str(answer.body["error"]["message"])}


def _finish(world: World, task: Document, run: str, pairs: Pairs, done: Mapping[int, Row]) -> None:
    """Note how each version ended, and keep the answers that people are to judge."""
    stopped, many, made = _stopping(world, run), len(pairs), None
    done_as = wire.DONE
    if wire.MANUAL in task["modes"] and not stopped:
        made, done_as = _kept(world, task, run), wire.MANUAL_BEGUN
    ends = {
        unit["id"]: _end(world, task, unit, [done.get(place * many + row) for row in range(many)], done_as)
        for place, unit in enumerate(task["units"])
    }
    good = [end["state"] == done_as for end in ends.values()]
    partly = wire.MANUAL_BEGUN if made else wire.PARTLY_DONE
    end = done_as if all(good) else partly if any(good) else wire.FAILED
    moment = {"cancelled_at" if stopped else "completed_at": world.clock.now()}
    world.store.update(run, units=ends, end=end, done=len(done), result_dataset=made, **moment)


def _end(world: World, task: Document, unit: Row, rows: Sequence[Row | None], done_as: str) -> Row:
    """Return the state, the message and the scores of one version."""
    answered = [row for row in rows if row is not None]
    if len(answered) < len(rows):
        return {"state": wire.STOPPED, "message": "", "metrics": None}
    if all("error" in row for row in answered):
        gone = unit["source"] != PRESET and world.store.get("version", unit["version"]) is None
        return {"state": wire.FAILED, "message": GONE if gone else answered[0]["error"], "metrics": None}
    return {"state": done_as, "message": "", "metrics": summary(task, answered)}


def _stopping(world: World, run: str) -> bool:
    return bool((world.store.get(RUN, run) or {}).get("cancelling_at"))


def _kept(world: World, task: Document, run: str) -> str | None:
    """Make the answers a released dataset, found again by its name after a kill; None when there are none."""
    store, name = world.store, f"{task['name']}_{run}"
    found = [
        {"prompt": row["prompt"], "completion": row["prediction"], "response": [[row["reference"]]]}
        for row in results_of(world, task)
        if "error" not in row
    ]
    if not found:
        return None
    made = next((dataset for dataset in store.all("dataset") if dataset["name"] == name), None)
    made = made or datasets.make(Call(world, data_wire.CREATE), name=name, form="PromptResponse")
    if not made["parts"]:
        now = world.clock.now()
        contents.add(store, made["id"], contents.marked([("", row) for row in found], now), now)
    store.update(made["id"], released=world.lifecycle.plan(then=data_wire.FINISHED))
    return str(made["id"])
