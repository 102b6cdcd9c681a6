"""What `%qfeval` would ask: the prompts and judges that a line names, and an estimate of calls,
tokens and CNY.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..base.language import tr
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError
from .evaluate_inputs import resolve_model
from .parser import user_variables

if TYPE_CHECKING:
    from ..evaluation.background import CancellableJudge
    from ..evaluation.evaluator import LocalEvaluator


def resolve_prompts(shell: Any, text: str) -> dict[str, str]:
    """Return the templates of variables by their names, or those of one variable that holds
    several.

    Raises:
        InvalidArgumentError: a variable is missing, named twice or holds something else.
    """
    from ..evaluation.samples import parse_prompts  # noqa: PLC0415 - %load_ext stays fast

    values = user_variables(shell)
    words = [word.strip() for word in text.split(",") if word.strip()]
    templates: dict[str, Any] = {}
    for word in words:
        if word not in values:
            texts = [
                name
                for name, value in values.items()
                if isinstance(value, (str, dict)) and name[:1] != "_"
            ]
            raise InvalidArgumentError(
                tr(
                    "--prompts: {word} is not a variable{hint}",
                    word=repr(word),
                    hint=did_you_mean(word, texts),
                )
            )
        if word in templates:
            raise InvalidArgumentError(tr("--prompts: {name} is named twice", name=word))
        templates[word] = values[word]
    if len(templates) == 1 and not isinstance((value := next(iter(templates.values()))), str):
        return parse_prompts(value)
    return parse_prompts(templates)


def read_benchmark(options: Namespace) -> None:
    """Make the benchmark that a line names its data, with the benchmark's metrics where it names
    none.

    Raises:
        InvalidArgumentError: the line names other data, too, or is no NAME:PATH; or what
            `benchmarks.load` says.
    """
    from ..evaluation import benchmarks  # noqa: PLC0415 - %load_ext stays fast

    for name in ("shots", "split", "subjects"):
        if not options.benchmark and getattr(options, name) is not None:
            raise InvalidArgumentError(tr("--{name} belongs to --benchmark NAME:PATH", name=name))
    if not options.benchmark:
        return
    if options.data or options.input or options.reference:
        raise InvalidArgumentError(
            tr("--benchmark has its questions and answers: no --data, --input or --reference")
        )
    name, colon, path = options.benchmark.partition(":")
    if not colon or not path:
        names = tr(", ").join(benchmarks.LOADERS)
        raise InvalidArgumentError(
            tr(
                "--benchmark {value}: NAME:PATH, NAME being one of {names}",
                value=options.benchmark,
                names=names,
            )
        )
    if not options.subjects:
        subjects = None
    else:
        subjects = [word.strip() for word in options.subjects.split(",")]
    options.data = benchmarks.load(
        name, path, subjects=subjects, split=options.split, shots=options.shots
    )
    if options.metrics is None:
        options.metrics = ",".join(options.data.metrics)


def template_columns(templates: Mapping[str, str]) -> list[str]:
    """Return the columns that templates name."""
    from ..batching.request_spec import RowTemplate  # noqa: PLC0415

    return [*dict.fromkeys(name for text in templates.values() for name in RowTemplate(text).names)]


def estimate_table(
    models: Sequence[Any],
    rows: Any,
    judges: Sequence[CancellableJudge],
    arguments: Mapping[str, Any],
    *,
    is_pairwise: bool = False,
) -> Any:
    """Return an estimate of calls, tokens and CNY for each model, as a DataFrame; nothing is sent.

    Args:
        models: the models.
        rows: the questions.
        judges: the judges.
        arguments: those of `EvaluationManager.start`.
        is_pairwise: whether judges compare two answers, in both orders.

    Raises:
        InvalidArgumentError: a prompt, the number of repeats or an option is wrong.
    """
    import pandas as pd  # noqa: PLC0415

    from ..batching.api import estimate  # noqa: PLC0415
    from ..evaluation import samples  # noqa: PLC0415
    from ..evaluation.samples import parse_prompts, prompted_questions, validate_repeats  # noqa: PLC0415
    from ..resources.inference.chat import ChatCompletion  # noqa: PLC0415

    options = dict(arguments)
    repeats = arguments.get("n", 1)
    validate_repeats(repeats, options.pop("k", None))
    templates = options.pop("prompts", None)
    table = samples.rows_of(rows)
    if templates:
        prompted = prompted_questions(table, parse_prompts(templates))
    else:
        prompted = {"": samples.questions_of(table)}
    items = [
        question.batch_input() for questions in prompted.values() for question in questions
    ] * repeats
    options = {name: value for name, value in options.items() if name not in {"worker_num", "n"}}
    lines: list[dict[str, Any]] = []
    for model in models:
        target = samples.trained_model(model)
        if hasattr(target, "get_res"):
            chat = target.get_res()
        else:
            chat = target
        if not isinstance(chat, ChatCompletion):
            plan = None
        else:
            plan = estimate(items, client=chat, **options)
        line = {"model": samples.label_in_notebook(model), "to_ask": len(items)}
        if plan is not None:
            line |= {
                "to_ask": plan.requests,
                "repeated": plan.duplicates,
                "too_long": plan.too_long,
            }
            line |= {
                "prompt_tokens": plan.prompt_tokens,
                "completion_tokens": plan.completion_tokens,
            }
            line |= {
                "cost_low": plan.cost_range.low if plan.cost_range else None,
                "cost": plan.cost,
            }
        lines.append(line)
    cells = len(models) * len(prompted)
    calls = len(items) // len(prompted) * (cells * (cells - 1) if is_pairwise else cells)
    lines += [
        {"model": tr("judge {model}", model=samples.model_label(judge)), "to_ask": calls}
        for judge in judges
    ]
    return pd.DataFrame(lines)


def resolve_judges(
    shell: Any, names: str | None, *, is_pairwise: bool, fresh: bool
) -> tuple[list[CancellableJudge], list[LocalEvaluator]]:
    """Return the models that judge, and evaluators for them; the metrics of several are numbered.

    Args:
        shell: the notebook's, None without one.
        names: separated by commas.
        is_pairwise: whether they compare two answers.
        fresh: whether they are asked again what the journal has.

    Raises:
        InvalidArgumentError: a model is unknown, or an option is about a judge and none is named.
    """
    from ..evaluation import LocalJudgeEvaluator, PairwiseJudge  # noqa: PLC0415 - %load_ext stays fast
    from ..evaluation.background import CancellableJudge  # noqa: PLC0415

    words = [word.strip() for word in (names or "").split(",") if word.strip()]
    if not words and (is_pairwise or fresh):
        if is_pairwise:
            option = "--pairwise"
        else:
            option = "--fresh"
        raise InvalidArgumentError(
            tr("{option} is about a judge: --judge MODEL names one", option=option)
        )
    judges = [CancellableJudge(resolve_model(shell, word)) for word in words]
    kind = PairwiseJudge if is_pairwise else LocalJudgeEvaluator
    evaluators: list[LocalEvaluator] = []
    for number, judge in enumerate(judges, 1):
        metric = kind.metric_name
        if len(judges) > 1:
            metric = f"{metric}_{number}"
        evaluators.append(kind(judge, metric_name=metric, fresh=fresh))
    return judges, evaluators
