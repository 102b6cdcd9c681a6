"""What an evaluation asks by the words and options of a line: models, data, prompts, metrics and
judges; each mistake is explained. Without a shell, in a terminal, no word is a variable.
"""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..base.language import tr, tr_noop
from ..base.text import clip, did_you_mean, listed
from ..errors import InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from . import parser
from .parser import split_names, user_variables, variables_of
from .trainings import ENDPOINT, find_endpoint, resolve_endpoint, service_endpoints

if TYPE_CHECKING:
    from ..evaluation.background import CancellableJudge
    from ..evaluation.evaluator import LocalEvaluator

DATA_SUFFIXES: Final = (".jsonl", ".json", ".csv", ".parquet", ".txt", ".zip")
MODEL_KINDS: Final = frozenset({"Service", "Model", "ChatCompletion", "LLMFinetune"})
"""Classes, by name, whose variables are offered as models."""

ESTIMATED: Final = ("duplicates", "too_long", "prompt_tokens", "completion_tokens", "cost")
"""Facts of an estimate that a dry run shows."""

MAX_NAMED_ROWS: Final = 5  # rows that a message names
MAX_WORD_CHARS: Final = 40  # characters of a word that a message repeats


@dataclass(frozen=True)
class Plan:
    """What a line asks for.

    Attributes:
        models: the baseline first.
        rows: the questions.
        evaluators: of the answers, those of the judges too.
        judges: the models that judge.
        arguments: of `EvaluationManager.start`.
    """

    models: Sequence[Any]
    rows: Any
    evaluators: Sequence[LocalEvaluator]
    judges: Sequence[CancellableJudge]
    arguments: Mapping[str, Any]


def read_plan(
    shell: Any, words: Sequence[str], options: Namespace, arguments: Mapping[str, Any]
) -> Plan:
    """Return what a line asks for, checked; nothing is sent.

    Args:
        shell: whose variables are looked at.
        words: models.
        options: of `%qfeval start`.
        arguments: those of `EvaluationManager.start` that options set.

    Raises:
        InvalidArgumentError: a model, the data, a prompt, a metric or a judge is wrong.
    """
    models = resolve_models(shell, words, options.model or (), options.endpoint or ())
    read_benchmark(options)
    evaluators, judges = resolve_evaluators(shell, options)
    arguments = {**arguments, "cluster": options.cluster or ""}
    arguments["worker_num"] = arguments.pop("workers", 8)
    if options.prompts is not None:
        arguments["prompts"] = resolve_prompts(shell, options.prompts)
    needs_reference = any(evaluator.needs_reference for evaluator in evaluators)
    templates = arguments.get("prompts", {})
    rows = read_questions(shell, options, templates, needs_reference=needs_reference)
    return Plan(models, rows, evaluators, judges, arguments)


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

    named_models = [(word, resolve_model(shell, word)) for word in words]
    named_models += [(name, ChatCompletion(model=parser.resolve(name))) for name in model_names]
    for name in endpoints:
        named_models.append((name, Service(endpoint=resolve_endpoint(shell, name), name=name)))
    if not named_models:
        usage = tr_noop(
            "which models? %qfeval MODEL ... --data DATA: variables, preset models or endpoints"
        )
        if shell is None:
            usage = tr_noop(
                "which models? qfnb eval MODEL ... --data FILE: preset models or endpoints, "
                "the baseline first"
            )
        raise InvalidArgumentError(tr(usage))
    words_by_key: dict[Any, str] = {}
    for word, model in named_models:
        key: Any = id(model)
        if word not in user_variables(shell) or word in endpoints:
            key = _chat_of(model).resolve_target(None, None)
        if key in words_by_key:
            raise InvalidArgumentError(
                tr("{word} is {same}: each model once", word=word, same=words_by_key[key])
            )
        words_by_key[key] = word
    models = [model for _, model in named_models]

    def is_tuned(model: Any) -> bool:
        endpoint = getattr(_chat_of(model), "endpoint", None)
        is_service = bool(endpoint) and endpoint in service_endpoints(shell)
        return is_service or trained_model(model) is not model

    if len(models) == 2:  # sorting keeps the order of two alike
        models.sort(key=is_tuned)
    return models


def _chat_of(model: Any) -> Any:
    """Return what asks a model: of a service its client, of a trainer what it has deployed."""
    from ..evaluation.samples import trained_model  # noqa: PLC0415 - %load_ext stays fast
    from ..model import Service  # noqa: PLC0415

    asked = trained_model(model)
    return asked.get_res() if isinstance(asked, Service) else asked


def resolve_model(shell: Any, word: str) -> Any:
    """Return the model or the trainer that a variable holds, or a known model, an endpoint or a
    training's service by its name.

    Raises:
        InvalidArgumentError: the variable holds something else, or the name is unknown.
    """
    from ..evaluation.samples import trained_model  # noqa: PLC0415 - %load_ext stays fast
    from ..model import Service  # noqa: PLC0415
    from ..wire import catalog  # noqa: PLC0415

    value = user_variables(shell).get(word)
    if value is not None and not isinstance(value, str):
        asked = trained_model(value)
        if isinstance(asked, ChatCompletion) or hasattr(asked, "get_res"):
            return value
        if hasattr(asked, "batch_inference"):
            return value
        raise InvalidArgumentError(
            tr(
                "{word} is a {kind}: give a Service, Model, ChatCompletion or trainer",
                word=word,
                kind=type(asked).__name__,
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
    hint = did_you_mean(word, [*variables_of(shell, MODEL_KINDS), *known_models])
    text = tr_noop("{word} is neither a variable nor a known model{hint}")
    if shell is None:
        text = tr_noop("{word} is not a known model{hint}")
    others = tr(
        "others: -m {name} for a model that is not listed, -e for an endpoint",
        name=clip(word, MAX_WORD_CHARS),
    )
    cell = "\n%qfeval help"
    if shell is None:
        cell = ""
    raise InvalidArgumentError(f"{tr(text, word=repr(word), hint=hint)}\n{others}{cell}")


def read_benchmark(options: Namespace) -> None:
    """Make the benchmark that a line names its data, with the benchmark's metrics where it names
    none.

    Raises:
        InvalidArgumentError: the line names other data, too, or is no NAME:PATH; or what
            `benchmarks.load` says.
    """
    from ..evaluation import benchmarks  # noqa: PLC0415 - %load_ext stays fast

    if not options.benchmark:
        for name in ("shots", "split", "subjects"):
            if getattr(options, name) is not None:
                raise InvalidArgumentError(
                    tr("--{name} belongs to --benchmark NAME:PATH", name=name)
                )
        return
    if options.data or options.input or options.reference:
        raise InvalidArgumentError(
            tr("--benchmark has its questions and answers: no --data, --input or --reference")
        )
    name, _, path = options.benchmark.partition(":")
    if not path:
        raise InvalidArgumentError(
            tr(
                "--benchmark {value}: NAME:PATH, NAME being one of {names}",
                value=options.benchmark,
                names=listed(benchmarks.LOADERS),
            )
        )
    subjects = split_names(options.subjects) or None
    options.data = benchmarks.load(
        name, path, subjects=subjects, split=options.split, shots=options.shots
    )
    options.metrics = options.metrics or ",".join(options.data.metrics)


def resolve_data(
    shell: Any, name: Any, input_name: str | None = None, reference_name: str | None = None
) -> Any:
    """Return the rows of a variable, a file or a dataset of the platform (`ds-...`); a benchmark as
    it is.

    Args:
        shell: whose variables are looked at.
        name: of the data.
        input_name: the column of the questions of a file, which is renamed while it is read.
        reference_name: likewise that of the answers.

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
    if _is_file(shell, name):
        if not input_name:
            return Dataset.load(name)
        columns = {input_name: "prompt"}
        if reference_name:
            columns[reference_name] = "response"
        return Dataset.load(name, columns=columns)
    if shell is None:
        raise InvalidArgumentError(
            tr(
                "--data {name}: must be a file that ends in {suffixes}, or ds-...",
                name=repr(name),
                suffixes=listed(DATA_SUFFIXES),
            )
        )
    hint = did_you_mean(name, [key for key in values if not key.startswith("_")])
    raise InvalidArgumentError(
        tr("--data {name} is neither a variable nor a file{hint}", name=repr(name), hint=hint)
    )


def _is_file(shell: Any, name: object) -> bool:
    if not isinstance(name, str) or name in user_variables(shell):
        return False
    return Path(name).suffix.lower() in DATA_SUFFIXES


def read_questions(
    shell: Any, options: Namespace, templates: Mapping[str, str], *, needs_reference: bool
) -> Any:
    """Return rows whose columns have the names that an evaluation expects.

    Args:
        shell: whose variables are looked at.
        options: `data`, `input`, `reference` and `keep_wrong_rows`.
        templates: of the prompts; what columns they name needs no column of the question.
        needs_reference: whether a metric compares with the expected answer.

    Raises:
        InvalidArgumentError: rows or columns are missing, or cells are empty.
    """
    from ..batching.request_spec import RowTemplate  # noqa: PLC0415
    from ..evaluation.samples import PROMPT, REFERENCES, as_rereadable, rows_of  # noqa: PLC0415

    data = as_rereadable(resolve_data(shell, options.data, options.input, options.reference))
    rows = rows_of(data)
    if not rows:
        raise InvalidArgumentError(tr("--data has no rows"))
    names = [RowTemplate(text).names for text in templates.values()]
    asked_columns = list(dict.fromkeys(column for row in names for column in row))
    input_name = options.input
    reference_name = options.reference
    if input_name and _is_file(shell, options.data):  # its columns are renamed already
        input_name = None
        reference_name = None
    columns = list(dict.fromkeys(str(name) for row in rows for name in row))
    prompt = input_name or PROMPT
    usual = (name for name in REFERENCES if name in columns)
    reference = reference_name or next(usual, REFERENCES[0])
    if input_name or not asked_columns:
        _validate_column(prompt, columns, "--input")
    if reference_name or needs_reference:
        _validate_column(reference, columns, "--reference")
    if not options.keep_wrong_rows:
        needed = []
        if needs_reference:
            needed = [reference]
        _refuse_empty_cells(rows, [*(asked_columns or [prompt]), *needed])
    renamed = {PROMPT: prompt}
    if reference_name:
        renamed[REFERENCES[0]] = reference
    if all(new == old or old not in columns for new, old in renamed.items()):
        return data
    named_rows = []
    for row in rows:
        cells = {new: row[old] for new, old in renamed.items() if old in row}
        named_rows.append({**row, **cells})
    return named_rows


def _validate_column(name: str, columns: Sequence[str], option: str) -> None:
    if name not in columns:
        raise InvalidArgumentError(
            tr(
                "--data has no column {name}{hint}: the columns are {columns}\n{option} COLUMN "
                "names it",
                name=repr(name),
                hint=did_you_mean(name, columns),
                columns=clip(listed(columns), MAX_WORD_CHARS),
                option=option,
            )
        )


def _refuse_empty_cells(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from ..evaluation.samples import to_text  # noqa: PLC0415

    for column in columns:
        empty = [index for index, row in enumerate(rows) if not to_text(row.get(column)).strip()]
        if not empty:
            continue
        indexes = listed(empty[:MAX_NAMED_ROWS])
        if len(empty) > MAX_NAMED_ROWS:
            indexes += "…"
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


def resolve_prompts(shell: Any, text: str) -> dict[str, str]:
    """Return the templates of variables by their names, or those of one variable that holds
    several.

    Raises:
        InvalidArgumentError: a variable is missing, named twice or holds something else.
    """
    from ..evaluation.samples import parse_prompts  # noqa: PLC0415 - %load_ext stays fast

    values = user_variables(shell)
    templates: dict[str, Any] = {}
    for word in split_names(text):
        if word not in values:
            hint = did_you_mean(word, variables_of(shell, {"str", "dict"}))
            raise InvalidArgumentError(
                tr("--prompts: {word} is not a variable{hint}", word=repr(word), hint=hint)
            )
        if word in templates:
            raise InvalidArgumentError(tr("--prompts: {name} is named twice", name=word))
        templates[word] = values[word]
    if len(templates) == 1 and not isinstance(value := templates.popitem()[1], str):
        return parse_prompts(value)
    return parse_prompts({word: values[word] for word in split_names(text)})


def resolve_evaluators(
    shell: Any, options: Namespace
) -> tuple[list[LocalEvaluator], list[CancellableJudge]]:
    """Return evaluators for metrics and judges, and the models that judge; with a judge only the
    metrics that are named. The metrics of several judges are numbered.

    Args:
        shell: the notebook's, None without one.
        options: `metrics`, `recipe`, `judge`, `pairwise` and `fresh`.

    Raises:
        InvalidArgumentError: a metric, the recipe or a model is unknown, a metric is named twice,
            or an option is about a judge and none is named.
    """
    from ..evaluation import LocalJudgeEvaluator, PairwiseJudge  # noqa: PLC0415 - %load_ext stays fast
    from ..evaluation.background import CancellableJudge  # noqa: PLC0415
    from ..evaluation.manager import DEFAULT_METRICS  # noqa: PLC0415
    from ..evaluation.samples import trained_model  # noqa: PLC0415
    from ..metrics.recipes import DEFAULT  # noqa: PLC0415

    judge_names = split_names(options.judge)
    if not judge_names and (options.pairwise or options.fresh):
        option = "--fresh"
        if options.pairwise:
            option = "--pairwise"
        raise InvalidArgumentError(
            tr("{option} is about a judge: --judge MODEL names one", option=option)
        )
    names = split_names(options.metrics)
    if not names and not (judge_names and options.metrics is None):
        names = list(DEFAULT_METRICS)
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgumentError(tr("--metrics: {name} is named twice", name=name))
    recipe = options.recipe or DEFAULT
    evaluators = [_resolve_metric(shell, name, recipe) for name in names]
    judges = [CancellableJudge(trained_model(resolve_model(shell, name))) for name in judge_names]
    kind = PairwiseJudge if options.pairwise else LocalJudgeEvaluator
    for number, judge in enumerate(judges, 1):
        metric = kind.metric_name
        if len(judges) > 1:
            metric = f"{metric}_{number}"
        evaluators.append(kind(judge, metric_name=metric, fresh=bool(options.fresh)))
    return evaluators, judges


def _resolve_metric(shell: Any, name: str, recipe: str) -> LocalEvaluator:
    from ..evaluation import LocalEvaluator  # noqa: PLC0415
    from ..evaluation.evaluator import to_evaluator  # noqa: PLC0415
    from ..evaluation.local_evaluators import METRIC_NAMES, evaluators_by_name  # noqa: PLC0415
    from ..metrics.recipes import METRICS, RECIPES  # noqa: PLC0415

    value: Any = user_variables(shell).get(name)
    is_function = inspect.isfunction(value) and name not in METRIC_NAMES
    if isinstance(value, LocalEvaluator) or is_function:
        return to_evaluator(value)
    _validate_name("--metrics", name, METRIC_NAMES)
    _validate_name("--recipe", recipe, tuple(RECIPES))
    evaluator = evaluators_by_name([name], recipe)[0]
    if name in METRICS:
        # a recipe that needs a missing package fails before any call
        evaluator.evaluate("好", "好", "好")
    return evaluator


def _validate_name(option: str, value: str, names: Sequence[str]) -> None:
    if value not in names:
        raise InvalidArgumentError(
            tr(
                "{option} {value} is unknown{hint}\nIt is one of {names}",
                option=option,
                value=value,
                hint=did_you_mean(value.lower().replace("-", "_"), names),
                names=listed(names),
            )
        )


def estimate_table(plan: Plan, *, is_pairwise: bool) -> Any:
    """Return an estimate of calls, tokens and CNY for each model, as a DataFrame; nothing is sent.

    Args:
        plan: what a line asks for.
        is_pairwise: whether judges compare two answers, in both orders.

    Raises:
        InvalidArgumentError: a prompt, the number of repeats or an option is wrong.
    """
    import pandas as pd  # noqa: PLC0415

    from ..batching.api import estimate  # noqa: PLC0415
    from ..evaluation import samples  # noqa: PLC0415
    from ..evaluation.samples import prompted_questions, validate_repeats  # noqa: PLC0415

    options = dict(plan.arguments)
    repeats = options.pop("n", 1)
    validate_repeats(repeats, options.pop("k", None))
    templates = options.pop("prompts", None)
    for name in ("worker_num", "cluster"):
        options.pop(name)
    table = samples.rows_of(plan.rows)
    prompted = {"": samples.questions_of(table)}
    if templates:
        prompted = prompted_questions(table, templates)
    items = []
    for questions in prompted.values():
        items += [question.batch_input() for question in questions] * repeats
    lines: list[dict[str, Any]] = []
    for model in plan.models:
        line = {"model": samples.label_in_notebook(model), "to_ask": len(items)}
        chat = _chat_of(model)
        if isinstance(chat, ChatCompletion):
            expected = estimate(items, client=chat, **options)
            line["to_ask"] = expected.requests
            line |= {name: getattr(expected, name) for name in ESTIMATED}
        lines.append(line)
    cells = len(plan.models) * len(prompted)
    judged = cells * (cells - 1) if is_pairwise else cells
    for judge in plan.judges:
        label = tr("judge {model}", model=samples.model_label(judge))
        lines.append({"model": label, "to_ask": len(items) // len(prompted) * judged})
    return pd.DataFrame(lines)


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
    reports = variables_of(shell, {"EvaluationResult", "BackgroundEvaluation"})
    hint = did_you_mean(word, reports)
    raise InvalidArgumentError(
        tr("{word} is not a report{hint}", word=repr(clip(word, MAX_WORD_CHARS)), hint=hint)
    )


def find_only_report(shell: Any) -> Any:
    """Return the one report that the notebook's variables hold, None where they hold none.

    Raises:
        InvalidArgumentError: they hold several; names them.
    """
    names = variables_of(shell, {"EvaluationResult", "BackgroundEvaluation", "Card"})
    values = [find_report(shell, name) for name in names]
    reports = {id(report): report for report in values}
    if len(reports) > 1:
        raise InvalidArgumentError(tr("which report? {names}", names=listed(names)))
    return next(iter(reports.values()), None)
