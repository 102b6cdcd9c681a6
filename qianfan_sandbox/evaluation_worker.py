"""The job of an evaluation task: every version answers every row, and each answer is judged at
once.

Answers are judged by the platform's rules, and by a referee that is a rule here, not a model, and
says so.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qfnb.base.language import tr, tr_noop
from qfnb.metrics.rouge_bleu_chrf import rouge_l
from qfnb.wire import data as data_wire, evaluation as wire
from qfnb.wire.base import JsonObject
from qfnb.wire.chat import CHAT_V2
from qfnb.wire.model import PRESET

from . import datasets, evaluation, rows
from .finetune import scores
from .http.call import dispatch, fields_of
from .state.lifecycle import with_checkpoints
from .state.store import Document
from .state.world import World, job_handler

VERSION_DELETED_MESSAGE = tr_noop("the model version is gone")
NO_REFEREE_SCORES = {
    "avgJudgeScore": 0,
    "stdJudgeScore": 0,
    "medianJudgeScore": 0,
    "scoreDistribution": None,
}
"""The scores of a task without a referee."""


@dataclass(frozen=True)
class AnswerJudge:
    """Judges the answers of one task, by the rules and the referee that it asks for."""

    similarity: bool
    accuracy: bool
    score_range: tuple[int, int] | None
    stop_words: frozenset[str]

    @classmethod
    def for_task(cls, task: evaluation.Row) -> AnswerJudge:
        """Return the judge of a task."""
        standard = task["standard"]
        rules: Sequence[str] = ()
        if wire.RULE in task["modes"]:
            rules = standard.get("scoreModes") or ()
        score_range = None
        if wire.MODEL in task["modes"]:
            prompt = standard.get("prompt") or {}
            score_range = (prompt.get("minScore", 0), prompt.get("maxScore", 5))
        return cls(
            wire.SIMILARITY in rules,
            wire.ACCURACY in rules,
            score_range,
            frozenset(task["stop_words"]),
        )

    def __call__(self, answer: str, reference: str) -> JsonObject:
        """Return the scores of an answer by the task's modes."""
        result: JsonObject = {}
        if self.similarity:
            result |= scores.similarity(answer, reference, self.stop_words)
        if self.accuracy:
            result |= scores.accuracy(answer, reference, self.stop_words)
        if self.score_range:
            result |= _referee_score(answer, reference, *self.score_range)
        return result


def summarize(task: evaluation.Row, rows: Sequence[evaluation.Row]) -> JsonObject:
    """Return the `effectMetric` of one version: means without failed rows, 0 for modes that the
    task does not have.
    """
    answered = [row for row in rows if "error" not in row]
    metrics: JsonObject = {}
    for name in ("accuracy", "f1Score", *scores.SCORE_NAMES):
        metrics[name] = scores.mean_score(answered, name)
    score_range = AnswerJudge.for_task(task).score_range
    if score_range is None:
        return metrics | NO_REFEREE_SCORES
    return metrics | _score_distribution(rows, score_range[1])


def _score_distribution(rows: Sequence[evaluation.Row], max_score: int) -> JsonObject:
    counts = Counter(int(row.get("judgeScore", evaluation.UNSCORED)) for row in rows)
    distribution = {}
    for score in range(evaluation.UNSCORED, max_score + 1):
        distribution[str(score)] = counts[score]
    del counts[evaluation.UNSCORED]
    scored = [*counts.elements()] or [0]
    return {
        "avgJudgeScore": round(statistics.fmean(scored), 4),
        "stdJudgeScore": round(statistics.pstdev(scored), 4),
        "medianJudgeScore": statistics.median(scored),
        "scoreDistribution": distribution,
    }


def _referee_score(answer: str, reference: str, min_score: int, max_score: int) -> JsonObject:
    """Return a score in proportion to the overlap of answer and reference, with the reason."""
    referee = tr(evaluation.REFEREE_NAME)
    if not reference.strip():
        reason = tr("{referee}: there is no reference answer to compare with.", referee=referee)
        return {"judgeScore": evaluation.UNSCORED, "judgeReason": reason}
    first = scores.split_words(answer)
    second = scores.split_words(reference)
    if first == second:
        reason = tr(
            "{referee}: the same as the reference answer, all {max_score} points.",
            referee=referee,
            max_score=max_score,
        )
        return {"judgeScore": max_score, "judgeReason": reason}
    overlap = rouge_l(first, second)
    score = min(max_score - 1, min_score + round((max_score - min_score) * overlap))
    measurement = tr(
        "ROUGE-L with the reference answer is {overlap}, {n} of {total} words long",
        overlap=scores.format_percent(overlap),
        n=len(first),
        total=len(second),
    )
    reason = tr(
        "{referee}: {measurement}; on the scale {min_score}–{max_score} that is {score}.",
        referee=referee,
        measurement=measurement,
        min_score=min_score,
        max_score=max_score,
        score=score,
    )
    return {"judgeScore": score, "judgeReason": reason}


@job_handler(evaluation.RUN)
def run_task(world: World, run: Document) -> Iterator[None]:
    """Run a task: answer, judge, summarize."""
    store = world.store
    id_ = str(run["id"])
    task = store.get(evaluation.KIND, run["task"])
    pairs = evaluation.read_task_pairs(world, id_)
    if task is None:
        store.update(id_, cancelled_at=world.clock.now())
        return
    judge = AnswerJudge.for_task(task)
    yield

    def answer(number: int, unit: evaluation.Row) -> evaluation.Row:
        prompt, reference = pairs[number % len(pairs)]
        row = _ask_version(world, unit, prompt)
        if "error" in row:
            return row
        return row | judge(row["prediction"], reference)

    def is_cancelled(done: Mapping[int, Any]) -> bool:
        store.update(id_, done=len(done))
        return _is_cancelling(world, id_)

    rows = [unit for unit in task["units"] for _ in pairs]
    done = yield from with_checkpoints(store, world.clock, id_, rows, answer, is_cancelled)
    _record_results(world, task, id_, pairs, done)


def _ask_version(world: World, unit: evaluation.Row, prompt: str) -> evaluation.Row:
    template = unit["template"] or evaluation.INPUT_PLACEHOLDER
    question = template.replace(evaluation.INPUT_PLACEHOLDER, prompt)
    messages = [{"role": "user", "content": question}]
    body = {**unit["parameters"], "model": unit["asks"], "messages": messages}
    answer = dispatch(world, CHAT_V2, body)
    if answer.is_success:
        return {"prediction": str(answer.body["choices"][0]["message"]["content"])}
    return {"prediction": "", "error": str(answer.body["error"]["message"])}


def _record_results(
    world: World,
    task: Document,
    run: str,
    pairs: evaluation.Pairs,
    done: Mapping[int, evaluation.Row],
) -> None:
    """Record the result of each version, and store the answers that people are to judge."""
    is_stopped = _is_cancelling(world, run)
    n_pairs = len(pairs)
    dataset_id = None
    success_state = wire.DONE
    if wire.MANUAL in task["modes"] and not is_stopped:
        dataset_id = _create_result_dataset(world, task, run)
        success_state = wire.MANUAL_STARTED
    results = {}
    states = set()
    for index, unit in enumerate(task["units"]):
        rows = [done.get(index * n_pairs + row) for row in range(n_pairs)]
        results[unit["id"]] = _unit_result(world, task, unit, rows, success_state)
        states.add(results[unit["id"]]["state"])
    task_end = wire.FAILED
    if states == {success_state}:
        task_end = success_state
    elif success_state in states:
        task_end = wire.MANUAL_STARTED if dataset_id else wire.PARTLY_DONE
    end_field = "cancelled_at" if is_stopped else "completed_at"
    world.store.update(
        run,
        units=results,
        end=task_end,
        done=len(done),
        result_dataset=dataset_id,
        **{end_field: world.clock.now()},
    )


def _unit_result(
    world: World,
    task: Document,
    unit: evaluation.Row,
    rows: Sequence[evaluation.Row | None],
    success_state: str,
) -> evaluation.Row:
    """Return the state, the message and the scores of one version."""
    answered_rows = [row for row in rows if row is not None]
    if len(answered_rows) < len(rows):
        return {"state": wire.STOPPED, "message": "", "metrics": None}
    if all("error" in row for row in answered_rows):
        message = answered_rows[0]["error"]
        if unit["source"] != PRESET and world.store.get("version", unit["version"]) is None:
            message = tr(VERSION_DELETED_MESSAGE)
        return {"state": wire.FAILED, "message": message, "metrics": None}
    return {"state": success_state, "message": "", "metrics": summarize(task, answered_rows)}


def _is_cancelling(world: World, run: str) -> bool:
    return bool((world.store.get(evaluation.RUN, run) or {}).get("cancelling_at"))


def _create_result_dataset(world: World, task: Document, run: str) -> str | None:
    """Store the answers as a released dataset, found by name after a restart; return its id, None
    without answers.
    """
    store = world.store
    name = f"{task['name']}_{run}"
    named_rows = []
    for row in evaluation.iter_results(world, task):
        if "error" not in row:
            fields = fields_of(row, "prompt", completion="prediction")
            named_rows.append(("", fields | {"response": [[row["reference"]]]}))
    if not named_rows:
        return None
    existing = store.all("dataset", name=name)
    if existing:
        dataset = existing[0]
    else:
        dataset = datasets.create_dataset(store, name=name, data_format="PromptResponse")
    if not dataset["parts"]:
        now = world.clock.now()
        entities = rows.to_entities(named_rows, now)
        rows.attach_part(store, dataset["id"], rows.write_part(store, entities), now)
    store.update(dataset["id"], released=world.lifecycle.plan(final=data_wire.FINISHED))
    return str(dataset["id"])
