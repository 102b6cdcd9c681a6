"""Questions of an evaluation, as they are or by prompts, and samples: a sample is one question
answered by one model.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Protocol, Self

from .._tables import find_variables, open_table
from ..base.language import tr
from ..base.text import clip, is_missing, labelled
from ..batching.request_spec import RowTemplate
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..resources.inference.chat import ChatCompletion


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
        scores: dict[str, float | None] = dict(self.scores)
        for name, value in self.scores.items():
            if not math.isfinite(value):
                scores[name] = None
        return asdict(self) | {"scores": scores}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the sample that `to_dict` gave; unknown fields of later versions are left out."""
        present = {each.name: value[each.name] for each in fields(cls) if each.name in value}
        scores = dict(value["scores"])
        for name, score in scores.items():
            if score is None:
                scores[name] = math.nan
        return cls(**present | {"scores": scores})


def mean_sample(samples: Sequence[Sample], *, needs_all: bool = False) -> Sample:
    """Return several answers to one question as one sample: the first answer, with the means of the
    scores.

    Args:
        samples: at least one; it failed when all of them did.
        needs_all: a metric has a score only where all of the samples have one.
    """
    if len(samples) == 1:
        return samples[0]
    first = min(samples, key=lambda sample: bool(sample.error))
    values: dict[str, list[float]] = {}
    for sample in samples:
        for name in sample.scores:
            present = values.setdefault(name, [])
            if not math.isnan(sample.score(name)):
                present.append(sample.score(name))
    scores = {}
    for name, present in values.items():
        scores[name] = math.nan
        if len(present) >= (len(samples) if needs_all else 1):
            scores[name] = sum(present) / len(present)
    return replace(first, scores=scores)


def result_dataset(samples: Sequence[Sample]) -> Dataset:
    """Return the answered rows with their scores and notes, in the official SDK's columns."""
    rows = []
    for sample in samples:
        if sample.error or not sample.prompt.strip():
            continue
        row = {
            "prompt": sample.prompt,
            "llm_tag": sample.model,
            "input_prompt": sample.prompt,
            "expected_output": sample.reference,
            "llm_output": sample.output,
            **sample.scores,
            **sample.notes,
        }
        rows.append(row)
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
        turns = []
        if self.row.get("system"):
            turns.append({"role": "system", "content": str(self.row["system"])})
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
        question = self.index, self.prompt, self.reference
        if error:
            answer = ""
        else:
            answer = output
        return Sample(model, *question, answer, {}, error=error, row=self.row, **facts)


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
    as_rows = getattr(data, "question_rows", None) or getattr(data, "list", None)
    table = open_table(data)
    rows = data
    if table is not None:
        rows = table.rows()
    elif as_rows:
        rows = as_rows()
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
    columns: dict[Any, Any] = {}
    for row in rows:
        columns |= row
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
    questions = []
    for index, row in enumerate(rows):
        others = {}
        for name, cell in row.items():
            if name not in used and not is_missing(cell):
                others[str(name)] = cell
        texts = to_text(row.get(prompt_column)), to_text(row.get(reference_column))
        questions.append(Question(index, *texts, others))
    return questions


def to_dataset(data: Questions, questions: Sequence[Question] = ()) -> Dataset:
    """Return questions as a dataset that the platform takes."""
    if isinstance(data, Dataset):
        return data
    rows = []
    for question in questions or questions_of(rows_of(data)):
        rows.append({"prompt": question.sent})
        if question.reference:
            rows[-1]["response"] = question.reference
    return Dataset(rows, name="evaluation")


def to_text(value: object) -> str:
    """Return a cell as text, "" for a missing value."""
    if is_missing(value):
        return ""
    return str(value)


def trained_model(model: Any) -> Any:
    """Return the model that a trainer has deployed, or else published; any other model as it is.

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


def client_of(model: Any) -> Any:
    """Return the object whose `batch_do` asks a model: a name's chat model, or a service's."""
    if isinstance(model, str):
        return ChatCompletion(model=model)
    if hasattr(model, "get_res"):
        return model.get_res()
    return model


def model_label(model: Any) -> str:
    """Return the label of a service, a model or a chat model; None is the default chat model."""
    if isinstance(model, str):
        return model
    for attribute in ("label", "name", "endpoint", "model", "id"):
        if name := getattr(model, attribute, None):
            return str(name)
    is_chat = model is None or hasattr(model, "batch_do")
    if is_chat:
        return "the default model"
    return str(model)


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
    numbered = []
    for index, label in enumerate(labels, 1):
        if labels.count(label) == 1:
            numbered.append(label)
        else:
            numbered.append(f"{label} ({labels[:index].count(label)})")
    if len(set(numbered)) < len(numbered):
        raise InvalidArgumentError(
            tr("models of one name: {names}; name them differently", names=tr(", ").join(labels))
        )
    return tuple(numbered)


Prompts = Mapping[str, str] | Sequence[str]
"""Templates over the columns of the data, by name, or in a list: then their names are P1, P2,
...
"""

AS_IT_IS: Final = "{prompt}"  # the template that sends the column of the prompts and nothing else


def parse_prompts(prompts: Prompts) -> dict[str, str]:
    """Return templates by name.

    Raises:
        InvalidArgumentError: there is none; a name occurs twice, or a text; or a template names no
            column.
    """
    if isinstance(prompts, str) or not isinstance(prompts, (Mapping, Sequence)):
        raise InvalidArgumentError(
            tr(
                "prompts={value}: a list of templates, or {{name: template}}",
                value=clip(repr(prompts), 80),
            )
        )
    if not prompts:
        raise InvalidArgumentError(
            tr("prompts: there is none; a template is e.g. {example!r}", example=AS_IT_IS)
        )
    if not isinstance(prompts, Mapping):
        prompts = {f"P{n}": text for n, text in enumerate(prompts, 1)}
    templates: dict[str, str] = {}
    for key, text in prompts.items():
        name = str(key).strip()
        if not name or name in templates:
            raise InvalidArgumentError(
                tr("prompts: the name {name!r} is empty or occurs twice", name=name)
            )
        _parse_template(name, text)
        for earlier, template in templates.items():
            if template == text:
                raise InvalidArgumentError(
                    tr(
                        "prompts: {name} and {earlier} are the same text: each once",
                        name=name,
                        earlier=earlier,
                    )
                )
        templates[name] = text
    return templates


def _parse_template(name: str, text: object, columns: Sequence[str] | None = None) -> RowTemplate:
    """Return a template that names a column.

    Raises:
        InvalidArgumentError: it names none, or one that is not there; the message has the name of
            the prompt.
    """
    try:
        template = RowTemplate(text if isinstance(text, str) else str(text))
        if columns is not None:
            template.validate_columns(columns)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(labelled(tr("prompt {name}", name=name), error)) from None
    if isinstance(text, str) and template.names:
        return template
    raise InvalidArgumentError(
        tr(
            "prompt {name}: {text} names no column, so every question would be the same: "
            "write {{column}} where the row's text belongs, e.g. {{prompt}}",
            name=name,
            text=clip(repr(text), 61),
        )
    )


def validate_repeats(n: Any, k: Any) -> tuple[int, ...]:
    """Return the k of each pass@k that is reported, by default 1 and n; none for one answer.

    Args:
        n: answers to each question.
        k: a number, several, or None.

    Raises:
        InvalidArgumentError: n or a k is no number above 0, or a k is above n.
    """
    if not _is_count(n):
        raise InvalidArgumentError(tr("n={n!r}: answers to each question, 1 or more", n=n))
    if k is None:
        if n > 1:
            return (1, n)
        return ()
    if isinstance(k, Sequence) and not isinstance(k, str):
        ks = k
    else:
        ks = [k]
    for each in ks or [k]:
        if not _is_count(each) or each > n:
            raise InvalidArgumentError(
                tr(
                    "k={k!r}: pass@k takes 1 to {n} of the {n} answers to each question (n={n})",
                    k=each,
                    n=n,
                )
            )
    return tuple(sorted({*ks}))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def prompted_questions(
    rows: Sequence[Mapping[str, Any]], templates: Mapping[str, str], cluster: str = ""
) -> dict[str, list[Question]]:
    """Return the questions as each prompt asks them; without a column of prompts they are the cells
    of the first.

    Args:
        rows: of the data.
        templates: by name.
        cluster: the column whose rows belong together, "" for none.

    Raises:
        InvalidArgumentError: a template names a column that is not there.
    """
    cells: dict[Any, Any] = {}
    for row in rows:
        cells |= row
    columns = [*map(str, cells)]
    parsed = {name: _parse_template(name, text, columns) for name, text in templates.items()}
    if PROMPT not in columns:
        names = next(iter(parsed.values())).names
        completed = []
        for row in rows:
            texts = [to_text(row.get(name)) for name in names]
            completed.append({**row, PROMPT: "\n".join(texts)})
        rows = completed
    prompted: dict[str, list[Question]] = {}
    for name, template in parsed.items():
        prompted[name] = questions_of(rows, cluster=cluster)
        for number, row in enumerate(rows):
            try:
                text = template.fill(row)
            except InvalidArgumentError:
                text = ""  # an empty cell fails its row and no other
            prompted[name][number] = replace(prompted[name][number], text=text)
    return prompted


def cells_of(models: Sequence[str], prompts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return label -> (prompt, model) of every cell, model by model; a factor with one level is no
    part of a label.
    """
    labels = []
    cells = []
    for model in models:
        for prompt in prompts:
            label = f"{model} · {prompt}"
            if len(prompts) == 1:
                label = model
            elif len(models) == 1:
                label = prompt
            labels.append(label)
            cells.append((prompt, model))
    return dict(zip(unique_labels(labels), cells, strict=True))
