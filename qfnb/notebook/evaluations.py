"""What `%qfeval` works with, by what people call it: models, data and metrics; mistakes are named at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidArgumentError
from . import aliases
from .arguments import endpoint, variables

if TYPE_CHECKING:
    from ..evaluation.evaluator import LocalEvaluator
    from ..views.evaluation_panel import EvaluationProgress
    from .evaluating import Judge

FILES: Final = (".jsonl", ".json", ".csv", ".parquet", ".txt", ".zip")
_ENDPOINT: Final = re.compile(r"[0-9a-z]{8}_\w+")
_ASKABLE: Final = ("get_res", "batch_inference")
_FEW: Final = 5
"""Rows that a message names."""


def models(shell: Any, words: Sequence[str], named: Sequence[str], endpoints: Sequence[str]) -> list[Any]:
    """Return models by what a line calls them, the baseline first.

    Args:
        shell: whose variables count.
        words: variables, models that are known, or endpoints.
        named: models of any name.
        endpoints: endpoints of any name, or variables.

    Raises:
        InvalidArgumentError: there is none, one is nothing that can be asked, or one is there twice.
    """
    from .. import ChatCompletion  # noqa: PLC0415 - %load_ext stays fast

    asked = [(word, model(shell, word)) for word in words]
    asked += [(name, ChatCompletion(model=aliases.model(name))) for name in named]
    asked += [(name, ChatCompletion(endpoint=endpoint(shell, name))) for name in endpoints]
    if not asked:
        raise InvalidArgumentError(
            "which models? %qfeval MODEL ... --data DATA: variables, preset models or endpoints (请给出模型)"
        )
    seen: dict[Any, str] = {}
    for word, found in asked:
        key = id(found) if word in variables(shell) else found.named(None, None)
        if key in seen:
            raise InvalidArgumentError(f"{word} is {seen[key]}: each model once (模型重复)")
        seen[key] = word
    return [found for _, found in asked]


def model(shell: Any, word: str) -> Any:
    """Return what a variable holds that can be asked, or a known model or an endpoint by its name."""
    from .. import ChatCompletion, LLMFinetune  # noqa: PLC0415
    from ..resources.models import names  # noqa: PLC0415

    value = variables(shell).get(word)
    if isinstance(value, LLMFinetune):
        return _outcome(word, value)
    if value is not None and not isinstance(value, str):
        if isinstance(value, ChatCompletion) or any(map(partial(hasattr, value), _ASKABLE)):
            return value
        raise InvalidArgumentError(
            f"{word} is a {type(value).__name__}: give a Service, Model, ChatCompletion or trainer (无法提问)"
        )
    name = aliases.model(value or word)
    known = names("chat")
    if _ENDPOINT.fullmatch(name):
        return ChatCompletion(endpoint=name)
    if name.lower() in {each.lower() for each in known}:
        return ChatCompletion(model=name)
    near = difflib.get_close_matches(word, [*_askable(shell), *known], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InvalidArgumentError(
        f"{word!r} is no variable and no known model{hint} (没有此模型)\n"
        f"others: -m {clipped(word)} for a model that is not listed, -e for an endpoint"
    )


def clipped(word: str) -> str:
    """Return a word of a message, cut."""
    return word if len(word) <= 40 else f"{word[:39]}…"


def _outcome(word: str, trainer: Any) -> Any:
    facts = trainer.output
    found = facts.get("service") or facts.get("model")
    if found is None:
        raise InvalidArgumentError(
            f"{word} has neither a service nor a model yet (训练尚无产出): `%qftrain deploy {word}`"
        )
    return found


def _askable(shell: Any) -> list[str]:
    kinds = {"Service", "Model", "ChatCompletion", "LLMFinetune"}
    return [
        key for key, value in variables(shell).items() if type(value).__name__ in kinds and key[:1] != "_"
    ]


def data(shell: Any, name: str | None) -> Any:
    """Return the rows that a variable holds, or a file.

    Raises:
        InvalidArgumentError: there is neither.
    """
    from .. import Dataset  # noqa: PLC0415

    if not name:
        raise InvalidArgumentError("which questions? --data DATA: a variable or a path (请给出数据)")
    known = variables(shell)
    if name in known:
        return known[name]
    if name.startswith("ds-"):
        return Dataset.load(qianfan_dataset_id=name)
    if Path(name).suffix.lower() in FILES:
        return Dataset.load(name)
    near = difflib.get_close_matches(name, [key for key in known if not key.startswith("_")], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InvalidArgumentError(f"--data {name!r} is no variable and no file{hint} (没有此变量或文件)")


def questions(given: Any, prompt: str | None, reference: str | None, *, needed: bool, keep: bool) -> Any:
    """Return rows that can be asked and scored, their columns called as an evaluation calls them.

    Args:
        given: a Dataset, a DataFrame or a list of dictionaries.
        prompt: the column with the question.
        reference: the column with the expected answer.
        needed: an expected answer is wanted in each row.
        keep: rows without a question or an expected answer may be there.

    Raises:
        InvalidArgumentError: there are no rows, no such columns, or cells without anything in them.
    """
    from ..evaluation.questions import PROMPT, REFERENCES, rows_of  # noqa: PLC0415

    rows = rows_of(given)
    if not rows:
        raise InvalidArgumentError("--data has no rows (数据为空)")
    columns = [str(name) for name in dict.fromkeys(name for row in rows for name in row)]
    asked = prompt or PROMPT
    wanted = reference or next((name for name in REFERENCES if name in columns), "")
    _column(asked, columns, "--input")
    if reference or needed:
        _column(wanted or REFERENCES[0], columns, "--reference")
    if not keep:
        _full(rows, asked)
        _full(rows, wanted if needed else "")
    renamed = {asked: PROMPT} | ({wanted: REFERENCES[0]} if reference else {})
    if all(old == new for old, new in renamed.items()):
        return given
    taken = set(renamed.values())
    return [
        {renamed.get(name, name): cell for name, cell in row.items() if name in renamed or name not in taken}
        for row in rows
    ]


def _column(name: str, columns: Sequence[str], option: str) -> None:
    if name not in columns:
        near = difflib.get_close_matches(name, columns, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InvalidArgumentError(
            f"--data has no column {name!r}{hint}: there are {clipped(', '.join(columns))} (没有此列)\n"
            f"{option} COLUMN names it"
        )


def _full(rows: Sequence[Mapping[str, Any]], column: str) -> None:
    from ..evaluation.questions import text_in  # noqa: PLC0415

    empty = [place for place, row in enumerate(rows) if column and not text_in(row.get(column)).strip()]
    if empty:
        places = ", ".join(map(str, empty[:_FEW])) + ("…" if len(empty) > _FEW else "")
        raise InvalidArgumentError(
            f"--data: {column} is empty or NaN in {len(empty):,} of {len(rows):,} rows: {places} (有空行)\n"
            "--keep-wrong-rows leaves them without a score"
        )


def metrics(
    shell: Any, given: str | None, recipe: str | None, judges: Sequence[Judge]
) -> list[LocalEvaluator]:
    """Return evaluators for names separated by commas, variables among them, and for judges.

    Raises:
        InvalidArgumentError: there is no such metric or recipe.
    """
    from ..evaluation import JudgePanel, LocalJudgeEvaluator  # noqa: PLC0415
    from ..evaluation.compare import METRICS  # noqa: PLC0415
    from ..evaluation.evaluator import LocalEvaluator  # noqa: PLC0415
    from ..evaluation.recipes import DEFAULT  # noqa: PLC0415

    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    found: list[LocalEvaluator] = []
    for name in names or ([] if judges and given is None else METRICS):
        value = variables(shell).get(name)
        found.append(value if isinstance(value, LocalEvaluator) else _metric(name, recipe or DEFAULT))
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidArgumentError(f"--metrics: {twice} is there twice (指标重复)")
    single = [LocalJudgeEvaluator(model=judge) for judge in judges]
    return [*found, *([JudgePanel(single)] if len(single) > 1 else single)]


def _metric(name: str, recipe: str) -> LocalEvaluator:
    from ..evaluation.local import OTHERS, by_name  # noqa: PLC0415
    from ..evaluation.recipes import METRICS, RECIPES  # noqa: PLC0415

    for what, given, known in (("--metrics", name, [*METRICS, *OTHERS]), ("--recipe", recipe, [*RECIPES])):
        if given not in known:
            near = difflib.get_close_matches(given.lower().replace("-", "_"), known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InvalidArgumentError(
                f"{what} {given}: there is none{hint} (没有此项)\nthere are {', '.join(known)}"
            )
    found = by_name([name], recipe)[0]
    if name in METRICS:
        found.evaluate("好", "好", "好")  # a recipe whose package is missing says so before anybody is asked
    return found


def needs_reference(evaluators: Sequence[LocalEvaluator]) -> bool:
    """Tell whether a metric compares answers with what was expected."""
    from ..evaluation import EmbeddingEvaluator, MetricEvaluator  # noqa: PLC0415

    return any(isinstance(evaluator, (EmbeddingEvaluator, MetricEvaluator)) for evaluator in evaluators)


def is_asked_by_batch(asked: Any) -> bool:
    """Tell whether a batch asks a model; one without a service answers on the platform."""
    from ..model import Model  # noqa: PLC0415

    return not (isinstance(asked, Model) and asked.service is None)


def find(shell: Any, word: str) -> Any:
    """Return the report, or the evaluation under way, that a variable holds.

    Raises:
        InvalidArgumentError: it holds something else.
    """
    from ..evaluation.card import Card  # noqa: PLC0415
    from ..evaluation.report import EvaluationResult  # noqa: PLC0415
    from .evaluating import Running  # noqa: PLC0415

    value = variables(shell).get(word)
    if isinstance(value, Card):
        return value.report
    if isinstance(value, (EvaluationResult, Running)):
        return value
    known = [
        k for k, v in variables(shell).items() if isinstance(v, (EvaluationResult, Running)) and k[:1] != "_"
    ]
    near = difflib.get_close_matches(word, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InvalidArgumentError(f"{clipped(word)!r} is no report{hint} (没有此报告)")


def estimates(asked: Sequence[Any], rows: Any, judges: Sequence[Judge], given: Mapping[str, Any]) -> Any:
    """Return what asking each model would take, as a DataFrame; nothing is sent."""
    import pandas as pd  # noqa: PLC0415

    from .. import ChatCompletion, estimate  # noqa: PLC0415
    from ..evaluation.judges import label_of  # noqa: PLC0415
    from ..evaluation.questions import questions_of, rows_of  # noqa: PLC0415

    items = [question.item() for question in questions_of(rows_of(rows))]
    options = {name: value for name, value in given.items() if name != "workers"}
    lines: list[dict[str, Any]] = []
    for one in asked:
        chat = one.get_res() if hasattr(one, "get_res") else one
        plan = estimate(items, asking=chat, **options) if isinstance(chat, ChatCompletion) else None
        facts = ("to_ask", "repeated", "too_long", "prompt_tokens", "completion_tokens", "cost")
        known = {name: getattr(plan, name) for name in facts} if plan else {"to_ask": len(items)}
        lines.append({"model": label_of(chat), **known})
    lines += [
        {"model": f"裁判 judge {label_of(judge)}", "to_ask": len(items) * len(asked)} for judge in judges
    ]
    return pd.DataFrame(lines)


def raise_if_stopped(progress: EvaluationProgress) -> None:
    """Raise why a model was not asked to the end, unless somebody cancelled it."""
    from .evaluating import StoppedEarly  # noqa: PLC0415

    stopped = [each for each in progress.models if each.batch and each.batch.state == "stopped"]
    if stopped and not progress.cancelled:
        said = "; ".join(f"{each.model}: {each.batch.reason}" for each in stopped if each.batch)
        raise StoppedEarly(
            f"{said}\n其余回答已评分 / the report has what was answered; the same cell goes on"
        )
