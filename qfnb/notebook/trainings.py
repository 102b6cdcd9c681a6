"""Which training a word of `%qftrain` names: a variable, an id, a name, or the newest."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._language import tr
from .._text import did_you_mean
from ..errors import InvalidArgumentError
from .parser import user_variables
from .train_parser import PARSER

if TYPE_CHECKING:
    from ..trainer import LLMFinetune


def list_trainers(shell: Any) -> list[LLMFinetune]:
    """Return the trainers of this kernel, those in variables before those in panels, the newest last."""
    from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast
    from ..views.panel import RECENT_PANELS  # noqa: PLC0415

    values = [value for value in user_variables(shell).values() if isinstance(value, LLMFinetune)]
    values = [value for value in values if value.progress.started_at is not None]
    started = sorted(values, key=lambda trainer: trainer.progress.started_at or 0.0)
    return [*started, *(panel.job for panel in RECENT_PANELS if isinstance(panel.job, LLMFinetune))]


def find_trainer(shell: Any, target: str, *, from_record: bool = False) -> LLMFinetune:
    """Return a trainer of this kernel, or attach one, without starting it, to a training of another kernel.

    Args:
        shell: whose variables are looked at.
        target: a variable, a name, `run-...` or `task-...`; "" for the newest.
        from_record: prefer the stored training to a trainer of this kernel that is not running.

    Raises:
        InvalidArgumentError: no such training.
    """
    from ..trainer import LLMFinetune, run_store  # noqa: PLC0415

    trainers = list_trainers(shell)
    if not target:
        if not trainers:
            raise InvalidArgumentError(tr("no training was started here: `%qftrain list` shows stored ones"))
        return trainers[-1]
    value = user_variables(shell).get(target)
    if isinstance(value, LLMFinetune):
        return value
    progresses = [(trainer, trainer.progress) for trainer in trainers]
    matches = [trainer for trainer, row in progresses if target in {row.run_id, row.task_id, row.job_name}]
    if matches and (matches[-1].is_running or not from_record):
        return matches[-1]
    runs = run_store.list_runs()
    stored = next((run.id for run in runs if target in {run.id, run.facts.get("name")}), "")
    if stored or target.startswith("task-"):
        return LLMFinetune.attach(stored or target)
    names = [name for name, value in user_variables(shell).items() if isinstance(value, LLMFinetune)]
    hint = did_you_mean(target, [*names, *(run.id for run in runs)]) or tr("; `%qftrain list` shows stored ones")
    raise InvalidArgumentError(
        tr("{target!r} is neither a trainer's variable nor a training's name or id", target=target) + hint
    )


def read_data(shell: Any, options: Namespace) -> Any:
    """Return the data that a line names: a variable's value, an id of the platform, or a path.

    With `--input` and `--reference` it is a dataset whose columns are named so.
    """
    from ..dataset.typed_dataset import Dataset  # noqa: PLC0415

    data = user_variables(shell).get(options.dataset, options.dataset)
    is_id = isinstance(data, str) and data.startswith("ds-")
    if options.input or options.reference:
        if is_id or isinstance(data, Dataset):
            PARSER.error(tr("--input and --reference name columns of a file or a table"))
        columns = [options.input] if options.input else None
        return Dataset.load(data, input_columns=columns, reference_column=options.reference)
    return Path(data) if isinstance(data, str) and not is_id else data
