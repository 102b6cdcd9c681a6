"""Questions of an evaluation and samples: a sample is one question answered by one model."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Protocol, Self

from .._tables import find_variables, open_table
from ..base.language import tr
from ..base.text import is_missing
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError


@dataclass(frozen=True)
class Sample:
    """One question answered by one model; a failed one has an error and no scores.

    The fields' names are keys of saved reports.

    Attributes:
        notes: {name: text}, what evaluators gave besides numbers, such as a judge's reason.
    """

    model: str  # the label of the model
    index: int  # of the question in the dataset; the same for all models
    prompt: str
    reference: str
    output: str
    scores: Mapping[str, float]  # {metric: score}, NaN where a metric is not applicable to this row
    seconds: float | None = None  # duration of the answer
    error: str = ""  # the reason of a failure, "" for an answered question
    finish_reason: str | None = None  # why the model stopped, `length` when the answer was cut off
    cost: float | None = None  # CNY by list price, the upper end of a range
    tokens: int | None = None  # of the answer
    notes: Mapping[str, str] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)  # the other columns of the dataset's row
    cost_low: float | None = None  # the lower end of the cost, where it is a range
    repeat: int = 0  # which answer of the model to the question it is, from 0

    def score(self, metric: str) -> float:
        """Return a score, NaN when the sample has none."""
        if self.error:
            return math.nan
        return self.scores.get(metric, math.nan)

    def cell(self, column: str) -> Any:
        """Return a column of the question's row, None when the row has no such column."""
        columns = {"prompt": self.prompt, "reference": self.reference, "response": self.reference}
        return {**columns, **self.row}.get(column)

    def to_dict(self) -> dict[str, Any]:
        """Return the sample as JSON can hold it; NaN and infinite scores become null."""
        scores = {
            name: value if math.isfinite(value) else None for name, value in self.scores.items()
        }
        return asdict(self) | {"scores": scores}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the sample that `to_dict` gave; unknown fields of later versions are left out."""
        fields_present = {f.name: value[f.name] for f in fields(cls) if f.name in value}
        scores = {
            name: math.nan if score is None else score for name, score in value["scores"].items()
        }
        return cls(**{**fields_present, "scores": scores})


def mean_sample(samples: Sequence[Sample], *, needs_all: bool = False) -> Sample:
    """Return several answers to one question as one sample: the first answer, with the means of the
    scores.

    Args:
        samples: at least one; it failed when all of them did.
        needs_all: a metric has a score only where all of the samples have one.
    """
    first = next((sample for sample in samples if not sample.error), samples[0])
    scores = {}
    for name in dict.fromkeys(name for sample in samples for name in sample.scores):
        values = [sample.score(name) for sample in samples]
        present = [value for value in values if not math.isnan(value)]
        is_scored = bool(present) and not (needs_all and len(present) < len(values))
        scores[name] = sum(present) / len(present) if is_scored else math.nan
    return replace(first, scores=scores)


def result_dataset(samples: Sequence[Sample]) -> Dataset:
    """Return the answered rows with their scores and notes, in the official SDK's columns."""
    rows = [
        {
            "prompt": sample.prompt,
            "llm_tag": sample.model,
            "input_prompt": sample.prompt,
            "expected_output": sample.reference,
            "llm_output": sample.output,
            **sample.scores,
            **sample.notes,
        }
        for sample in samples
        if not sample.error and sample.prompt.strip()
    ]
    return Dataset(rows, name="evaluation", schema="prompts")


PROMPT: Final = "prompt"
REFERENCES: Final = ("response", "chosen", "reference", "expected_output")
"""Columns with the expected answer; the first that a dataset has counts."""


class Rows(Protocol):
    """A source of questions, e.g. a `qfnb.dataset.Dataset`."""

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return rows with prompt and response."""
        ...


# a dataset, or rows as dictionaries; a DataFrame is allowed too
Questions = Rows | Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class Question:
    """A question; `row` has the other columns of its row, `history` and `system` among them.

    Attributes:
        text: what is sent instead of the prompt, which a template made of the row; None for the
            prompt.
    """

    index: int
    prompt: str
    reference: str
    row: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None

    def messages(self) -> list[dict[str, str]]:
        """Return the conversation that ends with the question."""
        if self.row.get("system"):
            turns = [{"role": "system", "content": str(self.row["system"])}]
        else:
            turns = []
        for turn in self.row.get("history") or ():
            turns += [
                {"role": "user", "content": turn["prompt"]},
                {"role": "assistant", "content": turn["response"]},
            ]
        return [*turns, {"role": "user", "content": self.sent}]

    @property
    def sent(self) -> str:
        """The text that a model is asked."""
        if self.text is None:
            return self.prompt
        return self.text

    def batch_input(self) -> str | list[dict[str, str]]:
        """Return the row of a batch: the prompt, or the conversation when it has more than the
        prompt.
        """
        messages = self.messages()
        if len(messages) > 1:
            return messages
        return self.sent

    def to_sample(self, model: str, output: str, *, error: str = "", **facts: Any) -> Sample:
        """Return the question with a model's answer."""
        if error:
            answer = ""
        else:
            answer = output
        return Sample(
            model,
            self.index,
            self.prompt,
            self.reference,
            answer,
            {},
            error=error,
            row=self.row,
            **facts,
        )


def as_rereadable(data: Any) -> Any:
    """Return the data itself, or the rows of a table, since a stream of rows can be read once."""
    table = open_table(data)
    if table is None:
        return data
    return [*table.rows()]


def rows_of(data: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a dataset, a table or a list.

    Raises:
        InvalidArgumentError: the data has no rows.
    """
    if (table := open_table(data)) is not None:
        rows: Any = table.rows()
    else:
        as_rows = getattr(data, "question_rows", None) or getattr(data, "list", None)
        if as_rows:
            rows = as_rows()
        else:
            rows = data
    if isinstance(rows, (str, Mapping)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            tr(
                "a {kind} has no rows: give a Dataset, a DataFrame or a list of dictionaries",
                kind=type(data).__name__,
            )
        )
    return list(rows)


def questions_of(
    rows: Sequence[Mapping[str, Any]],
    prompt_column: str = PROMPT,
    reference_name: str | None = None,
    outputs: Sequence[str] = (),
    cluster: str = "",
) -> list[Question]:
    """Return rows as questions.

    Raises:
        InvalidArgumentError: a column does not exist.
    """
    columns = dict.fromkeys(name for row in rows for name in row)
    for name in (prompt_column, reference_name, *outputs, cluster):
        if name and name not in columns:
            names = tr(", ").join(map(str, columns))
            raise InvalidArgumentError(
                tr(
                    "there is no column {name}: the columns are {names}",
                    name=repr(name),
                    names=names,
                )
            )
    reference_column = reference_name or next((name for name in REFERENCES if name in columns), "")
    used = {prompt_column, reference_column, *outputs}
    return [
        Question(
            index,
            to_text(row.get(prompt_column)),
            to_text(row.get(reference_column)),
            {
                str(name): cell
                for name, cell in row.items()
                if name not in used and not is_missing(cell)
            },
        )
        for index, row in enumerate(rows)
    ]


def to_dataset(data: Questions, questions: Sequence[Question] = ()) -> Dataset:
    """Return questions as a dataset that the platform takes."""
    if isinstance(data, Dataset):
        return data
    rows = [
        {"prompt": question.sent} | ({"response": question.reference} if question.reference else {})
        for question in questions or questions_of(rows_of(data))
    ]
    return Dataset(rows, name="evaluation")


def to_text(value: object) -> str:
    """Return a cell as text, "" for a missing value."""
    if is_missing(value):
        return ""
    return str(value)


def trained_model(model: Any) -> Any:
    """Return what a trainer has deployed, or else published; any other model as it is.

    Raises:
        InvalidArgumentError: the training has done neither.
    """
    output = getattr(model, "output", None)
    if not isinstance(output, Mapping):
        return model
    if (trained := output.get("service") or output.get("model")) is None:
        raise InvalidArgumentError(
            tr(
                "the training has neither a service nor a model yet: wait for its end, or "
                "`%qftrain deploy`"
            )
        )
    return trained


def model_label(model: Any) -> str:
    """Return the label of a service, a model or a chat model; None is the default chat model."""
    if isinstance(model, str):
        return model
    names = (getattr(model, name, None) for name in ("label", "name", "endpoint", "model", "id"))
    is_chat = model is None or hasattr(model, "batch_do")
    return next(
        (str(name) for name in names if name), "the default model" if is_chat else str(model)
    )


GENERATED_NAME: Final = re.compile(r"(?:svc_)?m_task_\w+")
"""A name that nobody gave: of a model or a service of a training."""


def label_in_notebook(model: Any) -> str:
    """Return the label of a model or a trainer; one that nobody has named is called as its variable
    in the notebook.
    """
    target = trained_model(model)
    label = model_label(target)
    is_named = label != getattr(target, "endpoint", None) and not GENERATED_NAME.fullmatch(label)
    if is_named or isinstance(target, str):
        return label
    return _variable_of(model, target) or label


def data_label(data: Any) -> str:
    """Return the name of the variable that holds data in the notebook, else the data's own, ""
    without any.
    """
    name = getattr(data, "name", None)
    return _variable_of(data) or (name if isinstance(name, str) else "")


def _variable_of(*values: Any) -> str:
    """Return the notebook's variable that holds one of the values, "" where there is none."""
    return next(iter(find_variables(lambda held: any(held is value for value in values))), "")


def unique_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels of which those that occur more than once are numbered.

    Raises:
        InvalidArgumentError: a numbered label is already the label of another model.
    """
    numbered = tuple(
        label if labels.count(label) == 1 else f"{label} ({labels[: index + 1].count(label)})"
        for index, label in enumerate(labels)
    )
    if len(set(numbered)) < len(numbered):
        raise InvalidArgumentError(
            tr("models of one name: {names}; name them differently", names=tr(", ").join(labels))
        )
    return numbered
