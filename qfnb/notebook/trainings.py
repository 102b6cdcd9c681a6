"""Which training a word of `%qftrain` names: a variable, an id, a name, or the newest."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..base.language import tr
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError
from .parser import store_variable, user_variables
from .train_parser import PARSER
from .verb_magic import choose_only

if TYPE_CHECKING:
    from ..trainer import LLMFinetune
    from ..trainer.run_store import RunRecord

UNFINISHED_VERBS: Final = frozenset({"attach", "stop"})
"""Verbs that without a name mean a training that has not ended, wherever it was started."""

RESULT_VERBS: Final = frozenset({"publish", "deploy", "chat", "evaluate"})
"""Verbs for which it does not matter whether a training has ended."""


def list_trainers(shell: Any) -> list[LLMFinetune]:
    """Return the trainers of this kernel, those in variables before those in panels, the newest
    last.
    """
    from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast
    from ..views.panel import RECENT_PANELS  # noqa: PLC0415

    values = [value for value in user_variables(shell).values() if isinstance(value, LLMFinetune)]
    values = [value for value in values if value.progress.started_at is not None]
    started = sorted(values, key=lambda trainer: trainer.progress.started_at or 0.0)
    return [*started, *(panel.job for panel in RECENT_PANELS if isinstance(panel.job, LLMFinetune))]


def find_trainer(
    shell: Any, target: str, *, verb: str = "show", from_record: bool = False
) -> LLMFinetune:
    """Return a trainer of this kernel, or attach one, without starting it, to a training of another
    kernel.

    Args:
        shell: whose variables are looked at.
        target: a variable, a name, `run-...` or `task-...`; "" for the one that the verb can mean.
        verb: what is done with it.
        from_record: prefer the stored training to a trainer of this kernel that is not running.

    Raises:
        InvalidArgumentError: no such training, or several.
    """
    from ..trainer import LLMFinetune, run_store  # noqa: PLC0415

    trainers = list_trainers(shell)
    if not target and trainers and verb not in UNFINISHED_VERBS:
        return trainers[-1]
    target = target or only_training(trainers, verb)
    value = user_variables(shell).get(target)
    if isinstance(value, LLMFinetune):
        return value
    progresses = [(trainer, trainer.progress) for trainer in trainers]
    matches = [
        trainer for trainer, row in progresses if target in {row.run_id, row.task_id, row.job_name}
    ]
    if matches and (matches[-1].is_running or not from_record):
        return matches[-1]
    runs = run_store.list_runs()
    stored = next((run.id for run in runs if target in {run.id, run.facts.get("name")}), "")
    if stored or target.startswith("task-"):
        trainer = LLMFinetune.attach(stored or target)
        for name, value in [*user_variables(shell).items()]:
            if isinstance(value, LLMFinetune) and value.id == trainer.id:
                store_variable(shell, name, trainer)  # a variable and a name mean the same
        return trainer
    names = [
        name for name, value in user_variables(shell).items() if isinstance(value, LLMFinetune)
    ]
    hint = did_you_mean(target, [*names, *(run.id for run in runs)]) or tr(
        "; `%qftrain list` shows stored ones"
    )
    raise InvalidArgumentError(
        tr("{target!r} is neither a trainer's variable nor a training's name or id", target=target)
        + hint
    )


def only_training(trainers: Sequence[LLMFinetune], verb: str) -> str:
    """Return the id of the only training that a verb without a name can mean: one that has not
    ended, else any.

    Raises:
        InvalidArgumentError: there is none, or there are several.
    """
    from ..trainer import run_store  # noqa: PLC0415

    runs = run_store.list_runs()
    running = [trainer.id for trainer in trainers if trainer.is_running]
    if verb == "stop":
        everything = []
    else:
        everything = [run.id for run in runs]
    unfinished = [run.id for run in runs if _is_unfinished(run) or run.id in running]
    if verb in RESULT_VERBS:
        ids = everything
    else:
        ids = unfinished or everything
    names = [str(run.facts.get("name") or run.id) for run in runs]
    labels = {
        run.id: name if names.count(name) == 1 else run.id
        for run, name in zip(runs, names, strict=True)
    }
    if verb == "stop":
        when_none = tr("no training is running")
        cell = "%qftrain list"
    else:
        when_none = tr("no training is stored on this computer: the form starts one")
        cell = "%qftrain"
    return choose_only(PARSER, verb, [labels[id_] for id_ in ids], when_none, cell)


def _is_unfinished(run: RunRecord) -> bool:
    """Return whether a stored training was started and has not ended, as far as a kernel wrote."""
    progress = run.facts.get("progress") or {}
    return bool(progress.get("started_at")) and progress.get("ended_at") is None


def find_endpoint(shell: Any, name: str) -> str | None:
    """Return the endpoint of a training's service, "" where it has none; None where no training has
    the name or id.
    """
    from .. import connect  # noqa: PLC0415
    from ..batching.request_spec import platform_name  # noqa: PLC0415
    from ..trainer import run_store  # noqa: PLC0415

    for progress in [
        trainer.progress for trainer in reversed(list_trainers(shell) if shell else [])
    ]:
        if name in {progress.run_id, progress.task_id, progress.job_name}:
            return progress.service_endpoint
    for run in run_store.list_runs():
        if name in {run.id, run.facts.get("name"), run.facts.get("task_id")}:
            is_here = run.facts.get("platform") == platform_name(connect.current_platform())
            if is_here:
                return str((run.facts.get("facts") or {}).get("service_endpoint") or "")
            return None
    return None


def service_endpoints(shell: Any) -> set[str]:
    """Return the endpoints of the services of all trainings, those of other kernels included."""
    from ..trainer import run_store  # noqa: PLC0415

    if shell:
        trainers = list_trainers(shell)
    else:
        trainers = []
    facts = [run.facts.get("facts") or {} for run in run_store.list_runs()]
    endpoints = {trainer.progress.service_endpoint for trainer in trainers}
    return endpoints | {str(row.get("service_endpoint") or "") for row in facts}


def read_data(shell: Any, options: Namespace) -> Any:
    """Return the data that a line names: a variable's value, an id of the platform, or a path.

    With `--input` and `--reference` it is a dataset whose columns are named so.
    """
    from ..dataset.typed_dataset import Dataset  # noqa: PLC0415

    data = user_variables(shell).get(options.dataset, options.dataset)
    is_id = isinstance(data, str) and data.startswith("ds-")
    if options.input or options.reference:
        if data is None or is_id or isinstance(data, Dataset):
            PARSER.error(tr("--input and --reference name columns of a file or a table"))
        names = {options.input: "prompt", options.reference: "response"}
        return Dataset.load(data, columns={name: new for name, new in names.items() if name})
    if isinstance(data, str) and not is_id:
        return Path(data)
    return data
