"""Prompts and repeats of an evaluation: checked before anything is sent, and put into what each
model is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ..base.language import tr
from ..base.text import clip, labelled
from ..batching.request_spec import RowTemplate
from ..errors import InvalidArgumentError
from .samples import PROMPT, Question, questions_of, to_text, unique_labels

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
    if isinstance(prompts, Mapping):
        named = prompts
    else:
        named = {f"P{n}": text for n, text in enumerate(prompts, 1)}
    templates: dict[str, str] = {}
    for key, text in named.items():
        name = str(key).strip()
        if not name or name in templates:
            raise InvalidArgumentError(
                tr("prompts: the name {name!r} is empty or occurs twice", name=name)
            )
        _parse_template(name, text)
        if earlier := next(
            (other for other, template in templates.items() if template == text), ""
        ):
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
        ks = list(k)
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
    return tuple(sorted(set(ks)))


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
    columns = [str(name) for name in dict.fromkeys(name for row in rows for name in row)]
    parsed = {name: _parse_template(name, text, columns) for name, text in templates.items()}
    if PROMPT not in columns:
        names = next(iter(parsed.values())).names
        rows = [
            {**row, PROMPT: "\n".join(to_text(row.get(name)) for name in names)} for row in rows
        ]
    questions = questions_of(rows, cluster=cluster)
    return {
        name: [
            replace(question, text=_fill(template, row))
            for question, row in zip(questions, rows, strict=True)
        ]
        for name, template in parsed.items()
    }


def _fill(template: RowTemplate, row: Mapping[str, Any]) -> str:
    """Return the prompt of a row; "" where a cell is empty, which fails the row and no other."""
    try:
        return template.fill(row)
    except InvalidArgumentError:
        return ""


def cells_of(models: Sequence[str], prompts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return label -> (prompt, model) of every cell, model by model; a factor with one level is no
    part of a label.
    """
    pairs = [(prompt, model) for model in models for prompt in prompts]
    if len(prompts) == 1:
        labels = [model for _, model in pairs]
    else:
        labels = [prompt if len(models) == 1 else f"{model} · {prompt}" for prompt, model in pairs]
    return dict(zip(unique_labels(labels), pairs, strict=True))
