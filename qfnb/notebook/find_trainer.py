"""Find a training by what people call it: a variable, `run-...`, `task-...`, or nothing for the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._text import did_you_mean
from ..errors import InvalidArgumentError
from .parser import user_variables

if TYPE_CHECKING:
    from ..trainer import LLMFinetune


def list_trainers(shell: Any) -> list[LLMFinetune]:
    """Return the trainers of this kernel: in variables, and in panels, the one shown last at the end."""
    from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast
    from ..views.panel import RECENT_PANELS  # noqa: PLC0415

    values = [value for value in user_variables(shell).values() if isinstance(value, LLMFinetune)]
    started = [value for value in values if value.progress.started_at is not None]
    started.sort(key=lambda trainer: trainer.progress.started_at or 0.0)
    return [*started, *(panel.job for panel in RECENT_PANELS if isinstance(panel.job, LLMFinetune))]


def find_trainer(shell: Any, target: str, *, from_record: bool = False) -> LLMFinetune:
    """Return a trainer of this kernel, or one that is attached, not started, to a training of another.

    Args:
        shell: whose variables count.
        target: a variable's name, a run's id, or nothing.
        from_record: what another kernel wrote down counts, unless the trainer is at work here.

    Raises:
        InvalidArgumentError: there is none.
    """
    from ..trainer import LLMFinetune, run_store  # noqa: PLC0415

    trainers = list_trainers(shell)
    if not target:
        if not trainers:
            raise InvalidArgumentError("no training was started here: %qftrain list shows known runs")
        return trainers[-1]
    value = user_variables(shell).get(target)
    if isinstance(value, LLMFinetune):
        return value
    matches = [trainer for trainer in trainers if target in {trainer.id, trainer.progress.task_id}]
    if matches and (matches[-1].is_running or not from_record):
        return matches[-1]
    if not target.startswith("task-") and (
        not target.startswith("run-") or run_store.find_run(target) is None
    ):
        raise InvalidArgumentError(_unknown_target_message(shell, target))
    return LLMFinetune.attach(target)


def _unknown_target_message(shell: Any, target: str) -> str:
    from ..trainer import LLMFinetune, run_store  # noqa: PLC0415

    names = [name for name, value in user_variables(shell).items() if isinstance(value, LLMFinetune)]
    names += [run.id for run in run_store.list_runs()]
    hint = did_you_mean(target, names) or ": `%qftrain list` shows known ones"
    return f"{target!r} is neither a trainer's variable nor a run's id (没有此训练){hint}"
