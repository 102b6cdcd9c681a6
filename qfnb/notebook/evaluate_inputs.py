"""The inputs of `%qfeval` by the words of a line: models, data, metrics and reports; each mistake
is explained.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..base.language import tr, tr_noop
from ..base.text import clip, did_you_mean
from ..errors import InvalidArgumentError
from . import parser
from .parser import user_variables
from .services import ENDPOINT, resolve_endpoint

if TYPE_CHECKING:
    from ..evaluation.evaluator import LocalEvaluator

DATA_SUFFIXES: Final = (".jsonl", ".json", ".csv", ".parquet", ".txt", ".zip")
MODEL_KINDS: Final = frozenset({"Service", "Model", "ChatCompletion", "LLMFinetune"})
"""Classes, by name, whose variables are offered as models."""

MAX_NAMED_ROWS: Final = 5  # rows that a message names
MAX_WORD_CHARS: Final = 40  # characters of a word that a message repeats


def resolve_models(
    shell: Any, words: Sequence[str], model_names: Sequence[str], endpoints: Sequence[str]
) -> list[Any]:
    """Return the models that a line names, the baseline first; without a shell none is a variable.

    Of two models of which one comes from a training, the other is the baseline, whatever the order.

    Raises:
        InvalidArgumentError: no model is named, one cannot be evaluated, or one is named twice.
    """
    from ..evaluation.samples import trained_model  # noqa: PLC0415 - %load_ext stays fast
    from ..model import Service  # noqa: PLC0415
    from ..resources.inference.chat import ChatCompletion  # noqa: PLC0415

    named_models = [(word, resolve_model(shell, word)) for word in words]
    variables = user_variables(shell)
    trainers = {id(model): variables[word] for word, model in named_models if word in variables}
    trainers = {key: value for key, value in trainers.items() if id(trained_model(value)) == key}
    named_models += [(name, ChatCompletion(model=parser.resolve(name))) for name in model_names]
    named_models += [
        (name, Service(endpoint=resolve_endpoint(shell, name), name=name)) for name in endpoints
    ]
    if not named_models:
        if shell is None:
            raise InvalidArgumentError(
                tr(
                    "which models? qfnb eval MODEL ... --data FILE: preset models or endpoints, "
                    "the baseline first"
                )
            )
        raise InvalidArgumentError(
            tr("which models? %qfeval MODEL ... --data DATA: variables, preset models or endpoints")
        )
    words_by_key: dict[Any, str] = {}
    for word, model in named_models:
        if isinstance(model, Service):
            chat = model.get_res()
        else:
            chat = model
        key = (
            id(model)
            if word in user_variables(shell) and word not in endpoints
            else chat.resolve_target(None, None)
        )
        if key in words_by_key:
            raise InvalidArgumentError(
                tr("{word} is {same}: each model once", word=word, same=words_by_key[key])
            )
        words_by_key[key] = word
    if len(named_models) == 2:  # sorting keeps the order of two alike
        named_models.sort(
            key=lambda named: id(named[1]) in trainers or _serves_training(shell, named[1])
        )
    # a trainer is called as its variable
    return [trainers.get(id(model), model) for _, model in named_models]


def _serves_training(shell: Any, model: Any) -> bool:
    """Return whether a model is the service of a training."""
    from ..model import Service  # noqa: PLC0415 - %load_ext stays fast
    from .trainings import service_endpoints  # noqa: PLC0415

    if isinstance(model, Service):
        chat = model.get_res()
    else:
        chat = model
    endpoint = getattr(chat, "endpoint", None)
    return bool(endpoint) and endpoint in service_endpoints(shell)


def resolve_model(shell: Any, word: str) -> Any:
    """Return the model that a variable holds, or a known model, an endpoint or a training's service
    by its name.

    Raises:
        InvalidArgumentError: the variable holds something else, or the name is unknown.
    """
    from ..evaluation.samples import trained_model  # noqa: PLC0415 - %load_ext stays fast
    from ..model import Service  # noqa: PLC0415
    from ..resources.inference.chat import ChatCompletion  # noqa: PLC0415
    from ..wire import catalog  # noqa: PLC0415
    from .trainings import find_endpoint  # noqa: PLC0415

    value = user_variables(shell).get(word)
    value = trained_model(value)
    if value is not None and not isinstance(value, str):
        if (
            isinstance(value, ChatCompletion)
            or hasattr(value, "get_res")
            or hasattr(value, "batch_inference")
        ):
            return value
        raise InvalidArgumentError(
            tr(
                "{word} is a {kind}: give a Service, Model, ChatCompletion or trainer",
                word=word,
                kind=type(value).__name__,
            )
        )
    name = parser.resolve(value or word)
    known_models = catalog.model_names("chat", include_retired=True)
    if ENDPOINT.fullmatch(name):
        return ChatCompletion(endpoint=name)
    if name.lower() in {model_name.lower() for model_name in known_models}:
        return ChatCompletion(model=name)
    if endpoint := find_endpoint(shell, word):
        return Service(endpoint=endpoint, name=word)
    hint = did_you_mean(word, [*_variables_of_kind(shell, MODEL_KINDS), *known_models])
    kinds = tr_noop("{word} is neither a variable nor a known model{hint}")
    if shell is None:
        kinds = tr_noop("{word} is not a known model{hint}")
    others = tr(
        "others: -m {name} for a model that is not listed, -e for an endpoint",
        name=clip(word, MAX_WORD_CHARS),
    )
    if shell is None:
        cell = ""
    else:
        cell = "\n%qfeval help"
    raise InvalidArgumentError(f"{tr(kinds, word=repr(word), hint=hint)}\n{others}{cell}")


def _variables_of_kind(shell: Any, kinds: frozenset[str]) -> list[str]:
    variables = user_variables(shell).items()
    return [name for name, value in variables if type(value).__name__ in kinds and name[:1] != "_"]


def resolve_data(shell: Any, name: Any) -> Any:
    """Return the rows of a variable, a file or a dataset of the platform (`ds-...`); a benchmark as
    it is.

    Raises:
        InvalidArgumentError: nothing is named, or the name is none of these.
    """
    from ..dataset.typed_dataset import Dataset  # noqa: PLC0415

    if name and not isinstance(name, str):
        return name
    if not name:
        where = tr_noop(
            "which questions? --data DATA, a variable or a path, or --benchmark NAME:PATH"
        )
        if shell is None:
            where = tr_noop("which questions? --data FILE, or --benchmark NAME:PATH")
        raise InvalidArgumentError(tr(where))
    values = user_variables(shell)
    if name in values:
        return values[name]
    if name.startswith("ds-"):
        return Dataset.load(qianfan_dataset_id=name)
    if Path(name).suffix.lower() in DATA_SUFFIXES:
        return Dataset.load(name)
    if shell is None:
        suffixes = tr(", ").join(DATA_SUFFIXES)
        raise InvalidArgumentError(
            tr(
                "--data {name}: must be a file that ends in {suffixes}, or ds-...",
                name=repr(name),
                suffixes=suffixes,
            )
        )
    hint = did_you_mean(name, [key for key in values if not key.startswith("_")])
    raise InvalidArgumentError(
        tr("--data {name} is neither a variable nor a file{hint}", name=repr(name), hint=hint)
    )


def load_questions(
    shell: Any, name: Any, input_name: str | None, reference_name: str | None
) -> tuple[Any, str | None, str | None]:
    """Return the rows that `--data` names, and the names of their columns, as `prepare_questions`
    takes them.

    A file has to have a question in each row, so its columns are renamed while it is read.
    """
    is_file = (
        isinstance(name, str)
        and name not in user_variables(shell)
        and Path(name).suffix.lower() in DATA_SUFFIXES
    )
    if not is_file or not input_name:
        return resolve_data(shell, name), input_name, reference_name
    from ..dataset.typed_dataset import Dataset  # noqa: PLC0415

    return (
        Dataset.load(name, input_columns=[input_name], reference_column=reference_name),
        None,
        None,
    )


def prepare_questions(
    data: Any,
    input_name: str | None,
    reference_name: str | None,
    *,
    is_reference_needed: bool,
    keep_empty: bool,
    template_columns: Sequence[str] = (),
) -> Any:
    """Return rows whose columns have the names that an evaluation expects.

    Args:
        data: a dataset, a DataFrame or a list.
        input_name: the column of the question, None for `prompt`.
        reference_name: the column of the expected answer, None for the first of the usual ones.
        is_reference_needed: whether a metric compares with it.
        keep_empty: whether rows with empty cells are left in.
        template_columns: those that prompts name, which then need no column of the question.

    Raises:
        InvalidArgumentError: rows or columns are missing, or cells are empty.
    """
    from ..evaluation.samples import PROMPT, REFERENCES, as_rereadable, rows_of  # noqa: PLC0415

    data = as_rereadable(data)
    rows = rows_of(data)
    if not rows:
        raise InvalidArgumentError(tr("--data has no rows"))
    columns = [str(name) for name in dict.fromkeys(name for row in rows for name in row)]
    prompt_column = input_name or PROMPT
    reference_column = reference_name or next((name for name in REFERENCES if name in columns), "")
    if input_name or not template_columns:
        _validate_column(prompt_column, columns, "--input")
    if reference_name or is_reference_needed:
        _validate_column(reference_column or REFERENCES[0], columns, "--reference")
    if not keep_empty:
        for column in template_columns or [prompt_column]:
            _refuse_empty_cells(rows, column)
        _refuse_empty_cells(rows, reference_column if is_reference_needed else "")
    new_names = {prompt_column: PROMPT} | (
        {reference_column: REFERENCES[0]} if reference_name else {}
    )
    if all(old == new or old not in columns for old, new in new_names.items()):
        return data
    if template_columns:  # which may name a column as it was
        return [
            {**row, **{new: row[old] for old, new in new_names.items() if old in row}}
            for row in rows
        ]
    replaced = set(new_names.values()) - set(new_names)
    return [
        {new_names.get(name, name): cell for name, cell in row.items() if name not in replaced}
        for row in rows
    ]


def _validate_column(name: str, columns: Sequence[str], option: str) -> None:
    if name not in columns:
        raise InvalidArgumentError(
            tr(
                "--data has no column {name}{hint}: the columns are {columns}\n{option} COLUMN "
                "names it",
                name=repr(name),
                hint=did_you_mean(name, columns),
                columns=clip(tr(", ").join(columns), MAX_WORD_CHARS),
                option=option,
            )
        )


def _refuse_empty_cells(rows: Sequence[Mapping[str, Any]], column: str) -> None:
    from ..evaluation.samples import to_text  # noqa: PLC0415

    empty = [
        index for index, row in enumerate(rows) if column and not to_text(row.get(column)).strip()
    ]
    if empty:
        indexes = tr(", ").join(map(str, empty[:MAX_NAMED_ROWS])) + (
            "…" if len(empty) > MAX_NAMED_ROWS else ""
        )
        raise InvalidArgumentError(
            tr(
                "--data: {column} is empty or NaN in {n} of {total} rows: {indexes}\n"
                "--keep-wrong-rows leaves them without a score",
                column=column,
                n=f"{len(empty):,}",
                total=f"{len(rows):,}",
                indexes=indexes,
            )
        )


def resolve_evaluators(
    shell: Any, metric_names: str | None, recipe: str | None, has_judge: bool
) -> list[LocalEvaluator]:
    """Return evaluators for metrics; with a judge only for those that are named.

    Raises:
        InvalidArgumentError: a metric or the recipe is unknown, or a metric is named twice.
    """
    from ..evaluation import LocalEvaluator  # noqa: PLC0415
    from ..evaluation.evaluator import to_evaluator  # noqa: PLC0415
    from ..evaluation.local_evaluators import METRIC_NAMES  # noqa: PLC0415
    from ..evaluation.manager import DEFAULT_METRICS  # noqa: PLC0415
    from ..metrics.recipes import DEFAULT  # noqa: PLC0415

    names = [name.strip() for name in (metric_names or "").split(",") if name.strip()]
    evaluators: list[LocalEvaluator] = []
    for name in names or ([] if has_judge and metric_names is None else DEFAULT_METRICS):
        value: Any = user_variables(shell).get(name)
        is_own = isinstance(value, LocalEvaluator) or (
            inspect.isfunction(value) and name not in METRIC_NAMES
        )
        evaluators.append(
            to_evaluator(value) if is_own else _resolve_metric(name, recipe or DEFAULT)
        )
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise InvalidArgumentError(tr("--metrics: {name} is named twice", name=duplicate))
    return evaluators


def _resolve_metric(name: str, recipe: str) -> LocalEvaluator:
    from ..evaluation.local_evaluators import METRIC_NAMES, evaluators_by_name  # noqa: PLC0415
    from ..metrics.recipes import METRICS, RECIPES  # noqa: PLC0415

    for option, value, names in (
        ("--metrics", name, METRIC_NAMES),
        ("--recipe", recipe, tuple(RECIPES)),
    ):
        if value not in names:
            hint = did_you_mean(value.lower().replace("-", "_"), names)
            raise InvalidArgumentError(
                tr(
                    "{option} {value} is unknown{hint}\nIt is one of {names}",
                    option=option,
                    value=value,
                    hint=hint,
                    names=tr(", ").join(names),
                )
            )
    evaluator = evaluators_by_name([name], recipe)[0]
    if name in METRICS:
        # a recipe that needs a missing package fails before any call
        evaluator.evaluate("好", "好", "好")
    return evaluator


def find_report(shell: Any, word: str) -> Any:
    """Return the report, or the running evaluation, that a variable holds.

    Raises:
        InvalidArgumentError: the variable holds something else, or is missing.
    """
    from ..evaluation.background import BackgroundEvaluation  # noqa: PLC0415
    from ..evaluation.report import EvaluationResult  # noqa: PLC0415

    value = user_variables(shell).get(word)
    # of a card, a matrix or a diff
    if isinstance(report := getattr(value, "report", None), EvaluationResult):
        return report
    if isinstance(value, (EvaluationResult, BackgroundEvaluation)):
        return value
    reports = _variables_of_kind(shell, frozenset({"EvaluationResult", "BackgroundEvaluation"}))
    hint = did_you_mean(word, reports)
    raise InvalidArgumentError(
        tr("{word} is not a report{hint}", word=repr(clip(word, MAX_WORD_CHARS)), hint=hint)
    )


def find_only_report(shell: Any) -> Any:
    """Return the one report that the notebook's variables hold, None where they hold none.

    Raises:
        InvalidArgumentError: they hold several; names them.
    """
    names = _variables_of_kind(
        shell, frozenset({"EvaluationResult", "BackgroundEvaluation", "Card"})
    )
    reports = {
        id(report): report for name in names if (report := find_report(shell, name)) is not None
    }
    if len(reports) > 1:
        raise InvalidArgumentError(tr("which report? {names}", names=tr(", ").join(names)))
    return next(iter(reports.values()), None)
