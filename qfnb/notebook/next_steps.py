"""What `%qf` proposes: lines that run as they stand, with the names of this kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..base.language import language, tr
from ..dataset.samples import HELD_OUT_FILE, TRAIN_FILE
from .parser import user_variables

if TYPE_CHECKING:
    from ..trainer.progress import TrainingProgress

NOTEBOOKS: Final = Path(__file__).parents[2] / "notebooks"
"""The notebooks of a clone; a wheel has none."""


def list_next_steps(shell: Any, *, has_key: bool) -> dict[str, str]:
    """Return lines for the next cell, and what each does."""
    if has_key:
        steps = {}
    else:
        steps = {"%qfauth set": tr("type a key, and reach Qianfan")}
    steps[f"%qfchat {tr('Introduce yourself in one sentence')}"] = tr(
        "ask something; several models by `-m a,b`"
    )
    steps.update(_data_steps(shell))
    for name, progress in _ended_trainings(shell):
        steps.update(_training_steps(name, progress))
    steps.update(_result_steps(shell))
    steps |= (
        {} if has_key else {"%qfsandbox": tr("whether the local sandbox runs, and what it does")}
    )
    return steps | {"%qfdoctor": tr("versions, keys and platform, and what is wrong")}


def quickstart() -> str:
    """Return where the first notebook is, from the current folder if below it, "" for none."""
    path = NOTEBOOKS / ("00_quickstart.zh.ipynb" if language() == "zh" else "00_quickstart.ipynb")
    if not path.exists():
        return ""
    with contextlib.suppress(
        OSError, ValueError
    ):  # the folder was deleted, or the notebook is elsewhere
        path = path.relative_to(Path.cwd())
    return str(path)


def _data_steps(shell: Any) -> Iterator[tuple[str, str]]:
    """Yield what can be done with the newest variable that holds rows, or with the sample rows."""
    from .._frames import is_list  # noqa: PLC0415 - %load_ext stays fast
    from ..trainer.form.inspection import is_data  # noqa: PLC0415

    rows = {
        name: value
        for name, value in _variables(shell).items()
        if is_data(value) and not is_list(value)
    }
    names = [
        name for name, value in rows.items() if getattr(value, "is_fetched", True) and len(value)
    ]
    for name in names[-1:]:
        if column := _text_column(rows[name]):
            line = f"%qfbatch {name} --prompt {{{column}}} -o answers"
            yield line, tr("ask about every row; what is answered is never asked again")
        yield f"%qftrain new {name}", tr("fine-tune on your data")
    if names:
        return
    if not Path(TRAIN_FILE).exists():
        yield (
            "%qftrain sample",
            tr("write sample rows to this folder: to train on, and to compare models with"),
        )
        yield "%qftrain", tr("fine-tune on your data")
    else:
        yield f"%qftrain new {TRAIN_FILE}", tr("fine-tune on the sample rows")


def _text_column(data: Any) -> str:
    """Return the first column that holds a text and can stand in a prompt, "" for none."""
    if hasattr(data, "iloc"):
        first_row = dict(data.iloc[0])
    else:
        first_row = data[0]
    names = (
        name
        for name, value in first_row.items()
        if isinstance(value, str) and str(name).isidentifier()
    )
    return next(names, "")


def _ended_trainings(shell: Any) -> list[tuple[str, TrainingProgress]]:
    """Return the newest training of this kernel with its variable, if it has ended well."""
    from ..trainer import LLMFinetune  # noqa: PLC0415

    trainings = [
        (name, v.progress) for name, v in _variables(shell).items() if isinstance(v, LLMFinetune)
    ]
    newest = sorted(trainings, key=lambda training: training[1].started_at or 0.0)[-1:]
    return [(name, row) for name, row in newest if row.finished and not (row.failed or row.stopped)]


def _training_steps(name: str, progress: TrainingProgress) -> Iterator[tuple[str, str]]:
    from ..trainer.configs import resolve_train_type  # noqa: PLC0415
    from ..views.training.actions import is_sample_training  # noqa: PLC0415
    from ..wire import catalog  # noqa: PLC0415

    if not progress.service_endpoint:
        yield f"%qftrain deploy {name}", tr("make a service of the model, to ask it")
        return
    yield f"%qftrain chat {name}", tr("ask the tuned model")
    base = resolve_train_type(progress.title).lower()
    is_sample = is_sample_training(progress) and Path(HELD_OUT_FILE).exists()
    if is_sample and base in catalog.model_names("chat", include_retired=False):
        line = f"%qfeval {base} {name} --data {HELD_OUT_FILE} -o report"
        yield line, tr("see whether tuning helped")
    else:
        yield f"%qftrain evaluate {name}", tr("see whether tuning helped")


def _result_steps(shell: Any) -> Iterator[tuple[str, str]]:
    """Yield how to read what has ended: answers of batches, reports of evaluations."""
    from ..batching.batch import Batch  # noqa: PLC0415
    from ..evaluation.report import EvaluationResult  # noqa: PLC0415

    for name, value in _variables(shell).items():
        if isinstance(value, Batch) and value.progress.is_finished:
            yield f"{name}.to_frame()", tr("the answers as a table")
        elif isinstance(value, EvaluationResult):
            yield f"%qfeval browse {name}", tr("question by question")


def _variables(shell: Any) -> dict[str, Any]:
    return {
        name: value for name, value in user_variables(shell).items() if not name.startswith("_")
    }
