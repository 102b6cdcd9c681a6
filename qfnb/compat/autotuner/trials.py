"""Trials of a search: each asks a model the rows of a dataset, and scores the answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...evaluation.evaluator import LocalEvaluator
from ...resources.inference.chat import ChatCompletion
from ..tables.dataset import Dataset
from .search import Config, Context, Metrics, RandomSuggestor, Space, Suggestor

log = logging.getLogger("qfnb.autotuner")


class Runner:
    """Tries one configuration."""

    async def run(self, config: Config, context: Context) -> tuple[Metrics, Any]:
        """Return its metrics, and further results."""
        raise NotImplementedError


class QianfanRunner(Runner):
    """Asks a chat model the rows of a dataset, and scores the answers.

    Args:
        dataset: a `qfnb.dataset.Dataset` with input and reference columns.
        evaluator: scores each answer.
        prompt: is rendered with each question as `content`.
        client: the chat model; default: `ChatCompletion()`.
        repeat: how often each question is asked.
    """

    def __init__(
        self,
        dataset: Dataset,
        evaluator: LocalEvaluator,
        prompt: Any = None,
        client: ChatCompletion | None = None,
        repeat: int = 1,
    ) -> None:
        self.dataset = dataset
        self.evaluator = evaluator
        self.prompt = prompt
        self.repeat = repeat
        self.client = client or ChatCompletion()

    async def run(self, config: Config, context: Context) -> tuple[Metrics, Any]:
        """Return the mean of each metric with tokens, seconds and cost, and the answers."""
        started_at = time.perf_counter()
        rows = self.dataset.question_rows()
        questions = [self._question(row["prompt"]) for row in rows for _ in range(self.repeat)]
        replies = await self.client.abatch_do(
            [[{"role": "user", "content": text}] for text in questions], **config
        )
        results = []
        for index, reply in enumerate(replies):
            row = rows[index // self.repeat]
            if isinstance(reply, Exception):
                results.append(
                    {"input": row["prompt"], "expect": row.get("response"), "error": repr(reply)}
                )
                continue
            scores = await asyncio.to_thread(
                self.evaluator.evaluate, row["prompt"], row.get("response") or "", reply.text
            )
            facts = {**self._facts(reply), **scores}
            results.append(
                {
                    "input": row["prompt"],
                    "expect": row.get("response"),
                    "output": reply.text,
                    **facts,
                }
            )
        metrics = self._summarize(results)
        return {**metrics, "total_time": time.perf_counter() - started_at}, results

    def _question(self, text: str) -> str:
        return text if self.prompt is None else str(self.prompt.render(content=text)[0])

    def _facts(self, reply: Any) -> Metrics:
        cost = reply.cost_range
        return {
            "prompt_tokens": reply.usage.prompt_tokens or 0,
            "completion_tokens": reply.usage.completion_tokens or 0,
            "req_latency": reply.statistic["total_latency"],
            "cost": cost.high if cost else 0.0,
        }

    def _summarize(self, results: Sequence[Mapping[str, Any]]) -> Metrics:
        answered = [row for row in results if "output" in row]
        metrics: Metrics = {"success_rate": len(answered) / len(results) if results else 0.0}
        names = (
            [name for name in answered[0] if name not in {"input", "expect", "output"}]
            if answered
            else []
        )
        facts = {"prompt_tokens", "completion_tokens", "req_latency", "cost"}
        for name in names:
            mean = sum(row[name] for row in answered) / len(answered)
            metrics[f"avg_{name}" if name in facts else name] = mean
        metrics["total_cost"] = sum(row["cost"] for row in answered)
        summary = (
            self.evaluator.summarize(Dataset.create_from_pyobj(answered)) if answered else None
        )
        return {**metrics, **(summary or {})}


class Launcher:
    """Runs a search.

    Args:
        log_dir: a folder for the log.
        log_level: of the log.
        max_turn: the number of turns.
        max_time: seconds after which no turn begins.
    """

    def __init__(
        self,
        log_dir: str | Path | None = None,
        log_level: str = "INFO",
        max_turn: int | None = None,
        max_time: float | None = None,
    ) -> None:
        self.max_turn = max_turn
        self.max_time = max_time
        self._log_dir = log_dir
        self._log_level = log_level

    async def run(self, suggestor: Suggestor, runner: Runner) -> Context:
        """Return the state of the search after its end, with the best configuration."""
        handler = self._open_log()
        context = Context()
        started_at = time.perf_counter()
        try:
            while not self._is_over(context, time.perf_counter() - started_at):
                is_over, configs = await suggestor.next(context)
                if is_over:
                    break
                for config, (metrics, results) in zip(
                    configs,
                    await asyncio.gather(*(runner.run(config, context) for config in configs)),
                    strict=True,
                ):
                    log.info("%s: %s", config, metrics)
                    context.report_result(config, metrics, results)
                context.next_turn()
            context.set_best_result(await suggestor.best(context))
            return context
        finally:
            log.removeHandler(handler)
            handler.close()

    def _is_over(self, context: Context, elapsed_s: float) -> bool:
        is_last = self.max_turn is not None and context.current_turn >= self.max_turn
        return is_last or (self.max_time is not None and elapsed_s > self.max_time)

    def _open_log(self) -> logging.Handler:
        handler: logging.Handler = logging.NullHandler()
        if self._log_dir is not None:
            name = f"tune_{datetime.now().astimezone():%Y%m%d_%H%M%S}.log"
            handler = logging.FileHandler(Path(self._log_dir) / name, encoding="utf-8")
        log.setLevel(self._log_level)
        log.addHandler(handler)
        return handler


async def run(
    search_space: Mapping[str, Space],
    dataset: Dataset,
    evaluator: LocalEvaluator,
    suggestor: str = "random",
    cost_budget: float | None = None,
    metrics: str = "score",
    mode: str = "max",
    max_turn: int | None = None,
    max_time: float | None = None,
    repeat: int = 1,
    log_dir: str | Path | None = None,
    log_level: str = "INFO",
) -> Context:
    """Return the state of a search after its end: `.best` is the best configuration, `.history` has
    all trials.

    Args:
        search_space: {option of `ChatCompletion.do`: its values}, e.g. {"temperature": Uniform(0.1,
            0.9)}.
        dataset: a `qfnb.dataset.Dataset` with input and reference columns.
        evaluator: scores each answer.
        suggestor: "random".
        cost_budget: CNY; the search ends when the trials cost more.
        metrics: the metric of the evaluator that counts.
        mode: "max" or "min" of it is the best.
        max_turn: the number of turns.
        max_time: seconds after which no turn begins.
        repeat: how often each question is asked.
        log_dir: a folder for the log.
        log_level: of the log.

    Raises:
        InvalidArgumentError: the suggestor or mode is unknown, nothing ends the search, or no trial
            has the metric.

    Source: the official SDK's autotuner.run.
    """
    if suggestor != "random":
        raise InvalidArgumentError(tr("suggestor={name!r}: must be 'random'", name=suggestor))
    if max_turn is None and max_time is None and cost_budget is None:
        raise InvalidArgumentError(
            tr("nothing ends the search: set max_turn, max_time or cost_budget")
        )
    search = RandomSuggestor(search_space, metrics, mode, cost_budget)
    return await Launcher(log_dir, log_level, max_turn, max_time).run(
        search, QianfanRunner(dataset, evaluator, repeat=repeat)
    )
