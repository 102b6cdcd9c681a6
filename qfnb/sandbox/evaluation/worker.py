"""The work of an evaluation task: every version answers every row, and each answer is judged at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...wire import data as data_wire
from ...wire import evaluation as wire
from ...wire.chat import CHAT_V2
from ...wire.model import PRESET
from ..datasets import common as datasets
from ..datasets import rows as dataset_rows
from ..http.call import dispatch
from ..state.job_queue import with_checkpoints
from ..state.store import Document
from ..state.world import World, job_handler
from .common import KIND, RUN, Pairs, Row, iter_results, read_task_pairs
from .create import INPUT_PLACEHOLDER
from .judge import AnswerJudge, summarize

VERSION_DELETED_MESSAGE = "模型版本已不存在 / the model version is gone"


@job_handler(RUN)
def run_task(world: World, run: Document) -> Iterator[None]:
    """Work a task off: answer, judge, sum up."""
    store, id_ = world.store, str(run["id"])
    task, pairs = store.get(KIND, run["task"]), read_task_pairs(world, id_)
    if task is None:
        store.update(id_, cancelled_at=world.clock.now())
        return
    judge = AnswerJudge.for_task(task)
    yield

    def answer(number: int, unit: Row) -> Row:
        prompt, reference = pairs[number % len(pairs)]
        row = _ask_version(world, unit, prompt)
        return row if "error" in row else row | judge(row["prediction"], reference)

    def is_cancelled(done: Mapping[int, Any]) -> bool:
        store.update(id_, done=len(done))
        return _is_cancelling(world, id_)

    rows = [unit for unit in task["units"] for _ in pairs]
    done = yield from with_checkpoints(store, id_, rows, answer, is_cancelled)
    _record_results(world, task, id_, pairs, done)


def _ask_version(world: World, unit: Row, prompt: str) -> Row:
    question = unit["template"].replace(INPUT_PLACEHOLDER, prompt) if unit["template"] else prompt
    messages = [{"role": "user", "content": question}]
    answer = dispatch(world, CHAT_V2, {**unit["parameters"], "model": unit["asks"], "messages": messages})
    if answer.is_success:
        return {"prediction": str(answer.body["choices"][0]["message"]["content"])}
    return {"prediction": "", "error": str(answer.body["error"]["message"])}


def _record_results(world: World, task: Document, run: str, pairs: Pairs, done: Mapping[int, Row]) -> None:
    """Note how each version ended, and keep the answers that people are to judge."""
    is_stopped, n_pairs, dataset_id = _is_cancelling(world, run), len(pairs), None
    success_state = wire.DONE
    if wire.MANUAL in task["modes"] and not is_stopped:
        dataset_id, success_state = _create_result_dataset(world, task, run), wire.MANUAL_STARTED
    results = {
        unit["id"]: _unit_result(
            world, task, unit, [done.get(unit_index * n_pairs + row) for row in range(n_pairs)], success_state
        )
        for unit_index, unit in enumerate(task["units"])
    }
    successes = [task_end["state"] == success_state for task_end in results.values()]
    partial_state = wire.MANUAL_STARTED if dataset_id else wire.PARTLY_DONE
    task_end = success_state if all(successes) else partial_state if any(successes) else wire.FAILED
    end_field = {"cancelled_at" if is_stopped else "completed_at": world.clock.now()}
    world.store.update(
        run, units=results, end=task_end, done=len(done), result_dataset=dataset_id, **end_field
    )


def _unit_result(
    world: World, task: Document, unit: Row, rows: Sequence[Row | None], success_state: str
) -> Row:
    """Return the state, the message and the scores of one version."""
    answered_rows = [row for row in rows if row is not None]
    if len(answered_rows) < len(rows):
        return {"state": wire.STOPPED, "message": "", "metrics": None}
    if all("error" in row for row in answered_rows):
        is_deleted = unit["source"] != PRESET and world.store.get("version", unit["version"]) is None
        return {
            "state": wire.FAILED,
            "message": VERSION_DELETED_MESSAGE if is_deleted else answered_rows[0]["error"],
            "metrics": None,
        }
    return {"state": success_state, "message": "", "metrics": summarize(task, answered_rows)}


def _is_cancelling(world: World, run: str) -> bool:
    return bool((world.store.get(RUN, run) or {}).get("cancelling_at"))


def _create_result_dataset(world: World, task: Document, run: str) -> str | None:
    """Make the answers a released dataset, found again by its name after a kill; None when there are none."""
    store, name = world.store, f"{task['name']}_{run}"
    answered_rows = [
        {"prompt": row["prompt"], "completion": row["prediction"], "response": [[row["reference"]]]}
        for row in iter_results(world, task)
        if "error" not in row
    ]
    if not answered_rows:
        return None
    dataset = next((candidate for candidate in store.all("dataset") if candidate["name"] == name), None)
    dataset = dataset or datasets.create_dataset(store, name=name, data_format="PromptResponse")
    if not dataset["parts"]:
        now = world.clock.now()
        dataset_rows.add_rows(
            store, dataset["id"], dataset_rows.to_entities([("", row) for row in answered_rows], now), now
        )
    store.update(dataset["id"], released=world.lifecycle.plan(final=data_wire.FINISHED))
    return str(dataset["id"])
