"""A table's questions, and the answers of a model to them."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...model import Model
from ...resources.inference.chat import ChatCompletion
from ...resources.inference.completion_plugin import Completion
from .table import Table

PROMPT = "input_prompt"
CHATS = "input_chats"
OUTPUT = "llm_output"
REFERENCE = "expected_output"
LATENCY = "request_complete_latency"
FIRST_LATENCY = "first_token_latency"
TAG = "llm_tag"
"""Columns of the answers."""

NOT_OPTIONS: Final = frozenset(
    {
        "model_version_id",
        "prompt_template",
        "slice_size",
        "stream",
        "access_key",
        "secret_key",
        "ak",
        "sk",
    }
)
"""Keywords of `test_using_llm` that are not options of a call."""

Turns = list[dict[str, Any]]

log = logging.getLogger("qfnb.dataset")


class LlmTests(Table):
    """A table whose rows can be asked."""

    input_columns: Sequence[str] | None = None
    reference_column: str | None = None
    eval_input_column: str | None = None
    eval_llm_output_column: str | None = None

    @property
    def get_input_data(self) -> dict[str, list[Any]]:
        """The columns that are sent to a model."""
        return self.col_list(self._input_names())

    @property
    def get_reference_data(self) -> list[Any]:
        """The right answers."""
        if not self.reference_column:
            raise InvalidArgumentError(
                tr("reference_column is not set: name the column with the right answers")
            )
        return self.col_list(self.reference_column)[self.reference_column]

    def test_using_llm(
        self,
        model_id: str | None = None,
        service_model: str | None = None,
        service_endpoint: str | None = None,
        is_chat_service: bool = True,
        does_show_latency: bool = False,
        output_prettified: bool = True,
        system_prompt: str = "",
        **options: Any,
    ) -> Self:
        """Ask a model or a service each row; return a dataset of questions, answers and right
        answers.

        Args:
            model_id: `amv-...` of your own model; it answers a dataset on the platform, without a
                service.
            service_model: a preset model.
            service_endpoint: a service of your own.
            is_chat_service: ask by `ChatCompletion`, otherwise by `Completion`.
            does_show_latency: add the seconds of each answer.
            output_prettified: not used; the answers are always in columns.
            system_prompt: what the model is told of its role.
            **options: `prompt_template` (a Prompt with the input columns as variables), and options
                of the calls.

        Raises:
            InvalidArgumentError: there is nothing to ask, or no input column.
        """
        model_id = model_id or options.get("model_version_id")
        if model_id is not None:
            return self._with_answers_of(Model(id=model_id).batch_inference(self))  # type: ignore[arg-type] # Dataset is one
        if not service_model and not service_endpoint:
            raise InvalidArgumentError(tr("name a model_id, a service_model or a service_endpoint"))
        call_options = {name: value for name, value in options.items() if name not in NOT_OPTIONS}
        if system_prompt:
            call_options["system"] = system_prompt
        service = (ChatCompletion if is_chat_service else Completion)(
            model=service_model, endpoint=service_endpoint
        )
        chats, references = self._questions(options.get("prompt_template"))
        prompts = [turns[-1]["content"] for turns in chats]
        rows: list[Any] = chats if is_chat_service else prompts
        answers: dict[str, list[Any]] = {OUTPUT: [], LATENCY: []}
        results = service.batch_do(rows, **call_options).results()
        for result, row in zip(results, rows, strict=True):
            text, seconds = _to_answer(result, row)
            answers[OUTPUT].append(text)
            answers[LATENCY].append(seconds)
        if not does_show_latency:
            del answers[LATENCY]
        return self._result(prompts, chats, references, answers)

    async def atest_using_llm(
        self,
        model_id: str | None = None,
        service_model: str | None = None,
        service_endpoint: str | None = None,
        is_chat_service: bool = True,
        does_show_latency: bool = False,
        output_prettified: bool = True,
        system_prompt: str = "",
        **options: Any,
    ) -> Self:
        """The awaited form of `test_using_llm`."""
        flags = is_chat_service, does_show_latency, output_prettified
        arguments = (model_id, service_model, service_endpoint, *flags, system_prompt)
        return await asyncio.to_thread(self.test_using_llm, *arguments, **options)

    def question_rows(self) -> list[dict[str, Any]]:
        """Return the rows as questions for an evaluation: prompt, history, response, and the other
        columns.
        """
        if self.eval_input_column and self.eval_llm_output_column:
            answered = []
            for row in self.list():
                row["prompt"] = row[self.eval_input_column]
                row["llm_output"] = row[self.eval_llm_output_column]
                if self.reference_column:
                    row["response"] = row[self.reference_column]
                answered.append(row)
            return answered
        chats, references = self._questions(None)
        extras: list[Any] = [{}] * len(chats) if self._is_conversation() else self.list()
        rows = []
        for extra, turns, answer in zip(extras, chats, references, strict=True):
            row = {**extra, "prompt": turns[-1]["content"], "history": _pairs(turns[:-1])}
            if answer is not None:
                row["response"] = answer
            rows.append(row)
        return rows

    def _is_conversation(self) -> bool:
        return self.is_dataset_packed() or self.is_dataset_grouped()

    def _input_names(self) -> list[str]:
        """Return the input columns; "prompt" where none is set."""
        if self.input_columns:
            return [*self.input_columns]
        if "prompt" in self.col_names() or self.is_dataset_packed():
            return ["prompt"]
        raise InvalidArgumentError(
            tr("input_columns is not set: name the columns that are sent to the model")
        )

    def _questions(self, template: Any) -> tuple[list[Turns], list[Any]]:
        """Return the conversation that each row asks, and the right answers, None where there are
        none.
        """
        names = self._input_names()
        if not self._is_conversation():
            prompts = [_render(row, names, template) for row in self.list()]
            if self.reference_column:
                references = self.get_reference_data
            else:
                references = [None] * len(prompts)
            return [[{"role": "user", "content": prompt}] for prompt in prompts], references
        table = copy.copy(self)
        if table.is_dataset_grouped():
            table.pack()
        question = names[0]
        answer = self.reference_column or "response"
        chats = []
        references = []
        for conversation in table.list():
            turns: Turns = []
            for turn in conversation:
                turns += [
                    {"role": "user", "content": turn[question]},
                    {"role": "assistant", "content": first_text(turn.get(answer))},
                ]
            references.append(turns.pop()["content"])
            chats.append(turns)
        return chats, references

    def _result(
        self,
        prompts: list[str],
        chats: list[Turns],
        references: list[Any],
        answers: Mapping[str, list[Any]],
    ) -> Self:
        """Return a dataset of questions and answers."""
        if self._is_conversation():
            columns = {CHATS: chats, **answers, REFERENCE: references}
            return self._answered(columns, [CHATS], CHATS)
        columns = {**self.get_input_data, PROMPT: prompts, **answers}
        if self.reference_column:
            columns[REFERENCE] = references
        return self._answered(columns, self._input_names(), PROMPT)

    def _with_answers_of(self, rows: Any) -> Self:
        names = ("prompt", PROMPT, OUTPUT, REFERENCE)
        texts = []
        for row in rows.list():
            texts.append({name: first_text(row.get(name)) for name in names})
        return self._answered(texts, ["prompt"], PROMPT)

    def _answered(self, rows: Any, inputs: list[str], question: str) -> Self:
        """Return rows as a dataset that knows its columns."""
        dataset = type(self)(rows)
        dataset.input_columns = inputs
        if REFERENCE in dataset.col_names():
            dataset.reference_column = REFERENCE
        dataset.eval_input_column = question
        dataset.eval_llm_output_column = OUTPUT
        return dataset


def first_text(value: Any) -> str:
    """Return the first text of nested lists, "" for none."""
    while isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        return value
    return ""


def _render(row: Mapping[str, Any], names: Sequence[str], template: Any) -> str:
    if template is None:
        return "\n".join(str(row[name]) for name in names)
    rendered = template.render(**{name: row[name] for name in names})
    return str(rendered[0] if isinstance(rendered, tuple) else rendered)


def _to_answer(result: Any, row: Any) -> tuple[str, float]:
    """Return an answer and its seconds; "" and -1 for a failed call, which is logged."""
    if isinstance(result, Exception):
        log.warning(
            tr(
                "a call failed, its answer is empty: {reason}; it asked {row:.200}",
                reason=result,
                row=str(row),
            )
        )
        return "", -1.0
    statistic = result.statistic
    return result.text, float(
        statistic.get("total_latency", statistic.get("request_latency", -1.0))
    )


def _pairs(turns: Turns) -> list[dict[str, str]]:
    """Return messages of users and assistants in turn as pairs of question and answer."""
    pairs = []
    for asked, answer in zip(turns[::2], turns[1::2], strict=True):
        pairs.append({"prompt": asked["content"], "response": answer["content"]})
    return pairs
