"""`qfnb.sweep`: several trainings on the same data, each with settings of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ... import connect
from ...base.language import tr, trn
from ...base.text import clip, labelled
from ...batching.request_spec import platform_name
from ...dataset.near_duplicates import input_texts
from ...dataset.typed_dataset import Dataset
from ...errors import InvalidArgumentError
from ...evaluation import EvaluationManager
from ...evaluation.comparison import DEFAULT_METRICS, resolve_evaluators
from ...evaluation.run import EvaluationRun
from ...evaluation.samples import Question, as_rereadable, questions_of, rows_of
from ...model import Service
from ...resources.validation import validate_choice
from ..configs import TrainConfig, resolve_train_type, to_train_config
from ..event import EventHandler
from ..finetune import TRAINER_CLASSES, LLMFinetune
from ..sources import DatasetConfig, DataSource, SampledSources, load_sources
from ..train_action import TrainAction
from . import store
from .background import DEFAULT_PARALLEL, Sweep
from .plan import Grid, expand_grid, validate_axes


def sweep(
    train_type: str,
    dataset: DataSource,
    grid: Grid,
    *,
    train_config: TrainConfig | Mapping[str, Any] | str | None = None,
    train_mode: str = "SFT",
    parallel: int = DEFAULT_PARALLEL,
    eval_dataset: Any = None,
    metrics: Sequence[Any] = DEFAULT_METRICS,
    base: str | None = None,
    again: bool = False,
    event_handler: Callable[[str], EventHandler] | None = None,
) -> Sweep:
    """Return a sweep: trainings on the same data, each with settings of its own; `start()` begins
    it.

    Args:
        train_type: the model to tune.
        dataset: as for `LLMFinetune`.
        grid: a list of configs, or lists of values by hyper-parameter: {"learning_rate": [1e-4,
            3e-4]}.
        train_config: what the grid does not say.
        train_mode: SFT, PostPretrain, DPO or KTO.
        parallel: trainings at a time; those that the account's limit refuses wait for another one's
            end.
        eval_dataset: rows that are not trained on; every published model and the base model answer
            them at the end.
        metrics: as for `qfnb.compare`; the first chooses.
        base: the model to compare with; default: `train_type`.
        again: train anew what exists already.
        event_handler: returns the handler of a training's events by its label, such as a tracker.

    Raises:
        InvalidArgumentError: the data, a config or a metric is wrong; nothing was started.
    """
    if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1:
        raise InvalidArgumentError(
            tr("parallel={value}: pass a number of trainings, 1 or more", value=repr(parallel))
        )
    configs = expand_grid(grid, to_train_config(train_config))
    validate_choice("train_mode", train_mode, TRAINER_CLASSES)
    eval_dataset = as_rereadable(eval_dataset)
    if eval_dataset is None:
        evaluate = None
    else:
        evaluate = _evaluation(eval_dataset, metrics, base or train_type)
    validate_axes(configs.values(), train_type, train_mode)
    sources = load_sources(dataset)
    if len(sources) == 1:
        data = sources[0][0]
    else:
        data = dataset
    trainers = {
        label: TRAINER_CLASSES[train_mode](
            train_type,
            data,
            config,
            event_handler=None if event_handler is None else event_handler(label),
        )
        for label, config in configs.items()
    }
    if eval_dataset is not None:
        _warn_of_shared_rows(sources, questions_of(rows_of(eval_dataset)))
    arguments = _storable(
        sources, [*trainers.values()], train_mode, parallel,
        None if eval_dataset is None else rows_of(eval_dataset),
        metrics, base,
    )  # fmt: skip
    return Sweep(trainers, parallel=parallel, again=again, evaluate=evaluate, arguments=arguments)


def attach_sweep(
    id: str,  # noqa: A002
    *,
    metrics: Sequence[Any] | None = None,
    event_handler: Callable[[str], EventHandler] | None = None,
) -> Sweep:
    """Return a sweep that another kernel started; `start()` goes on with it, and trains nothing
    twice.

    Args:
        id: `sweep-...`, of `Sweep.id` or `%qftrain list`.
        metrics: instead of the stored ones; evaluators and functions are not stored.
        event_handler: as for `sweep`.

    Raises:
        InvalidArgumentError: there is no such sweep, its file is damaged, it is another platform's,
            or its metrics were not stored.
    """
    stored = store.read(id)
    if (platform := platform_name(connect.current_platform())) != stored["platform"]:
        raise InvalidArgumentError(
            tr(
                "{id} is of {stored}, and this is {platform}",
                id=id,
                stored=stored["platform"],
                platform=platform,
            )
        )
    if stored["eval_rows"] is not None and not (metrics or stored["metrics"]):
        raise InvalidArgumentError(
            tr("the metrics of {id} were functions: attach_sweep({id!r}, metrics=[...])", id=id)
        )
    data = [_restore_source(row) for row in stored["sources"]]
    rates = [row["rate"] for row in stored["sources"]]
    is_plain = len(data) == 1 and rates == [None]
    return sweep(
        stored["train_type"],
        data[0]
        if is_plain
        else DatasetConfig(datasets=data, sampling_rates=None if None in rates else rates),
        [TrainConfig(**row) for row in stored["grid"]],
        train_mode=stored["train_mode"],
        parallel=stored["parallel"],
        eval_dataset=stored["eval_rows"],
        metrics=metrics or stored["metrics"] or DEFAULT_METRICS,
        base=stored["base"],
        event_handler=event_handler,
    )


def _storable(
    sources: SampledSources,
    trainers: Sequence[LLMFinetune],
    train_mode: str,
    parallel: int,
    eval_rows: Sequence[Mapping[str, Any]] | None,
    metrics: Sequence[Any],
    base: str | None,
) -> dict[str, Any]:
    """Return what a sweep is made of, as values of JSON."""
    actions = [
        action
        for trainer in trainers
        for action in trainer.actions
        if isinstance(action, TrainAction)
    ]
    return {
        "platform": platform_name(connect.current_platform()),
        "train_type": actions[0].train_type,
        "sources": [_store_source(source) | {"rate": rate} for source, rate in sources],
        "grid": [
            action.train_config.model_dump(mode="json", exclude_none=True) for action in actions
        ],
        "train_mode": train_mode,
        "parallel": parallel,
        "eval_rows": None if eval_rows is None else [dict(row) for row in eval_rows],
        "metrics": [*metrics] if all(isinstance(metric, str) for metric in metrics) else None,
        "base": base,
    }


def _store_source(source: Dataset | str) -> dict[str, Any]:
    if not isinstance(source, Dataset):
        return {"address": source}
    if source.id is not None:
        return {"address": str(source.id)}
    return {
        "rows": [dict(row) for row in source.rows],
        "schema": source.schema.name,
        "name": source.name,
    }


def _restore_source(stored: Mapping[str, Any]) -> Dataset | str:
    if "address" in stored:
        return str(stored["address"])
    return Dataset(stored["rows"], schema=stored["schema"], name=stored["name"])


def _warn_of_shared_rows(sources: SampledSources, questions: Sequence[Question]) -> None:
    """Warn of questions of the evaluation that are trained on, word for word."""
    trained = {
        " ".join(text.split())
        for source, _ in sources
        if isinstance(source, Dataset) and source.is_fetched
        for text in input_texts(source.rows, source.schema)
    }
    shared = [question for question in questions if " ".join(question.prompt.split()) in trained]
    if not shared:
        return
    first = tr("; ").join(
        labelled(tr("row {index}", index=question.index), clip(question.prompt, 40))
        for question in shared[:3]
    )
    warnings.warn(
        trn(
            "{n} of {total} evaluation rows is trained on, too: its score will look too good. "
            "{first}",
            "{n} of {total} evaluation rows are trained on, too: their scores will look too good. "
            "{first}",
            len(shared),
            total=f"{len(questions):,}",
            first=f"{first}…" if len(shared) > 3 else first,
        ),
        stacklevel=3,
    )


def _evaluation(
    rows: Any, metrics: Sequence[Any], base: str
) -> Callable[[Mapping[str, LLMFinetune]], EvaluationRun]:
    """Return a function that starts the evaluation of trainers by label against the base model.

    Raises:
        InvalidArgumentError: there are no rows, a metric is unknown, or the base model cannot be
            asked.
    """
    manager = EvaluationManager(local_evaluators=resolve_evaluators(metrics))
    name = resolve_train_type(base)
    service = Service(model=name, name=name)
    service.get_res().resolve_target(None, None)
    table = rows_of(rows)
    if table:
        questions = questions_of(table)
    else:
        questions = []
    needs_reference = any(evaluator.needs_reference for evaluator in manager.local_evaluators)
    if not questions or (needs_reference and not all(question.reference for question in questions)):
        raise InvalidArgumentError(
            tr("eval_dataset needs rows with prompt and response: the metrics compare with it")
        )

    def start(published: Mapping[str, LLMFinetune]) -> EvaluationRun:
        return manager.start({name: service, **published}, rows)

    return start
