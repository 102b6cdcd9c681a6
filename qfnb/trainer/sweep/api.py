"""`qfnb.sweep`: several trainings on the same data, each with settings of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..._language import tr
from ...errors import InvalidArgumentError
from ...evaluation import EvaluationManager
from ...evaluation.comparison import DEFAULT_METRICS, resolve_evaluators
from ...evaluation.run import EvaluationRun
from ...evaluation.samples import questions_of, rows_of
from ...model import Service
from ...resources.validation import validate_choice
from ..configs import TrainConfig, resolve_train_type, to_train_config
from ..event import EventHandler
from ..finetune import TRAINER_CLASSES, LLMFinetune
from ..sources import DataSource, load_sources
from .background import DEFAULT_PARALLEL, Sweep
from .plan import Grid, expand_grid


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
    """Return a sweep: trainings on the same data, each with settings of its own; `start()` begins it.

    Args:
        train_type: the model to tune.
        dataset: as for `LLMFinetune`.
        grid: a list of configs, or lists of values by hyper-parameter: {"learning_rate": [1e-4, 3e-4]}.
        train_config: what the grid does not say.
        train_mode: SFT, PostPretrain, DPO or KTO.
        parallel: trainings at a time; those that the account's limit refuses wait for another one's end.
        eval_dataset: rows that are not trained on; every published model and the base model answer them at the end.
        metrics: as for `qfnb.compare`; the first chooses.
        base: the model to compare with; default: `train_type`.
        again: train anew what exists already.
        event_handler: returns the handler of a training's events by its label, such as a tracker.

    Raises:
        InvalidArgumentError: the data, a config or a metric is wrong; nothing was started.
    """
    if isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1:
        raise InvalidArgumentError(tr("parallel={value}: pass a number of trainings, 1 or more", value=repr(parallel)))
    configs = expand_grid(grid, to_train_config(train_config))
    validate_choice("train_mode", train_mode, TRAINER_CLASSES)
    evaluate = None if eval_dataset is None else _evaluation(eval_dataset, metrics, base or train_type)
    sources = [source for source, _ in load_sources(dataset)]
    data = sources[0] if len(sources) == 1 else dataset
    trainers = {
        label: TRAINER_CLASSES[train_mode](
            train_type, data, config, event_handler=None if event_handler is None else event_handler(label)
        )
        for label, config in configs.items()
    }
    return Sweep(trainers, parallel=parallel, again=again, evaluate=evaluate)


def _evaluation(rows: Any, metrics: Sequence[Any], base: str) -> Callable[[Mapping[str, LLMFinetune]], EvaluationRun]:
    """Return a function that starts the evaluation of trainers by label against the base model.

    Raises:
        InvalidArgumentError: there are no rows, a metric is unknown, or the base model cannot be asked.
    """
    manager, name = EvaluationManager(local_evaluators=resolve_evaluators(metrics)), resolve_train_type(base)
    service = Service(model=name, name=name)
    service.get_res().resolve_target(None, None)
    questions = questions_of(rows_of(rows)) if rows_of(rows) else []
    needs_reference = any(evaluator.needs_reference for evaluator in manager.local_evaluators)
    if not questions or (needs_reference and not all(question.reference for question in questions)):
        raise InvalidArgumentError(tr("eval_dataset needs rows with prompt and response: the metrics compare with it"))

    def start(published: Mapping[str, LLMFinetune]) -> EvaluationRun:
        return manager.start({name: service, **published}, rows)

    return start
