"""`qfnb train`: start a fine-tuning, or follow one; it goes on when the command has ended."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from .._command_line import DONE, FAILED, INTERRUPTED, Command, Word
from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from ..notebook.parser import MagicOption
from ..notebook.trainings import PARSER, create_trainer
from . import common
from .common import POLL_S, ProgressStep, follow

if TYPE_CHECKING:
    from ..trainer import LLMFinetune
    from ..trainer.progress import TrainingProgress


SHARED: Final = (
    "dataset", "input", "reference", "model", "mode", "set", "epoch", "learning_rate", "batch_size",
    "peft", "deploy", "name", "again",
)  # fmt: skip
"""Options of `%qftrain start`, by name."""


ROWS: Final = [
    *(PARSER.options[name] for name in SHARED),
    MagicOption("A file of pairs, or ds-...", "--data", "FILE"),
    MagicOption("Wait for the end; needed to publish and deploy by this command.", "--wait"),
    MagicOption("Do not ask.", "--yes"),
    common.JSON,
]


def train(options: Namespace) -> int:
    """Start or follow a training; return the exit code.

    Raises:
        InvalidArgumentError: an option is wrong, or nothing says what is to be trained; nothing was
            started.
    """
    from ..trainer import LLMFinetune  # noqa: PLC0415 - `qfnb --help` stays fast

    run: str | None = options.run
    options.dataset = options.data or options.dataset
    if (run is None) == (options.dataset is None):
        raise InvalidArgumentError(
            tr("name a run to follow, or the data of a new training by --data")
        )
    if run is not None:
        trainer = LLMFinetune.attach(run)
        return _work(trainer, options, starts=options.wait and not trainer.progress.finished)
    trainer = create_trainer(None, options)
    same = None if options.again else trainer.find_same()
    has_run = same is not None and bool(same.facts.get("task_id"))
    costs = not has_run or options.deploy is not None
    if costs and not options.yes and not _confirm(options.model):
        common.say(tr("nothing was started"))
        return FAILED
    if same is not None:
        common.say(
            tr(
                "the same data, model and settings: this is {run} already; --again starts another "
                "training",
                run=same.id,
            )
        )
        trainer.adopt(same)
    has_begun = trainer.is_running or trainer.progress.finished
    return _work(trainer, options, starts=not has_begun and (options.wait or not has_run))


def _confirm(model: str | None) -> bool:
    """Return whether a training that costs money may start; the sandbox costs none.

    Raises:
        InvalidArgumentError: there is nobody to ask.
    """
    from .. import connect  # noqa: PLC0415

    if connect.current_platform().name == "sandbox":
        return True
    if not sys.stdin.isatty():
        raise InvalidArgumentError(
            tr("a training costs money, and there is no terminal to ask: add --yes")
        )
    name = model or tr("the default model")
    host = connect.current_platform().host
    question = tr("tune {model} on {host}? It costs money; type yes: ", model=name, host=host)
    return input(question).strip().lower() == "yes"


def _work(trainer: LLMFinetune, options: Namespace, *, starts: bool) -> int:
    """Start a training if need be, and follow it to its end, or without `wait` until the platform
    has it.
    """
    try:
        if starts:
            trainer.start()
        is_over = lambda: not trainer.is_running or _is_handed_over(trainer, wait=options.wait)  # noqa: E731 - one expression
        if trainer.is_running:
            follow(is_over, lambda: _describe(trainer.progress))
    except KeyboardInterrupt:
        if trainer.progress.task_id:
            command = f"qfnb train {trainer.id} --wait"
            common.say(tr("the training goes on; to follow it: {command}", command=command))
        else:
            common.say(tr("interrupted before the platform had the training: start it again"))
        return INTERRUPTED
    if not trainer.is_running and trainer.progress.finished:
        trainer.wait()  # raises the error that ended it
    progress = trainer.progress
    if options.as_json:
        common.print_json(_summary(trainer, progress))
    else:
        print(trainer.id)
        common.say(_describe(progress).text)
        if not progress.finished:
            common.say(tr("to follow it: {command}", command=f"qfnb train {trainer.id} --wait"))
    if progress.stopped:
        return FAILED
    return DONE


def _is_handed_over(trainer: LLMFinetune, *, wait: bool) -> bool:
    """Return whether the command may end: the platform has the run, and the run's file says so."""
    if wait or not trainer.progress.task_id:
        return False
    trainer.save()
    time.sleep(POLL_S)  # the sandbox's own thread is not cut off in the middle of a message
    return True


def _describe(progress: TrainingProgress) -> ProgressStep:
    """Return where a training is: the model, the stage, the percent, the last loss."""
    from ..views import listings  # noqa: PLC0415 - `qfnb --help` stays fast
    from ..views.training import summary  # noqa: PLC0415

    mark = common.sandbox_mark(is_sandbox=progress.from_sandbox)
    known = [mark, progress.title, progress.task_id]
    words = summary.state(progress).pill.text
    share = None if progress.percent is None else progress.percent / 100
    if progress.finished:
        share = 1.0
        facts = [progress.model_version_id]
        if progress.service_endpoint:
            facts.append(tr("endpoint {name}", name=progress.service_endpoint))
    else:
        facts = [] if progress.percent is None else [f"{progress.percent}%"]
        if progress.points:
            facts.append(f"loss {progress.points[-1].training_loss:.3f}")
        stage = summary.current_stage(progress)
        is_trained = stage is not None and stage.name == "train" and progress.percent == 100
        if is_trained and progress.stages[-1] is not stage:
            words = tr(listings.PUBLISHES, name=progress.run_id or progress.task_id)
    return ProgressStep(share, " · ".join(filter(None, [*known, words, *facts])))


def _summary(trainer: LLMFinetune, progress: TrainingProgress) -> dict[str, Any]:
    names = (
        "task_id",
        "job_id",
        "model_id",
        "model_version_id",
        "service_id",
        "service_endpoint",
        "percent",
        "error",
    )
    return {
        "run": trainer.id,
        "model": trainer.train_type,
        "status": str(progress.status),
        "finished": progress.finished,
        **{name: getattr(progress, name) for name in names},
        "sandbox": progress.from_sandbox,
    }


COMMAND = Command(
    train,
    ROWS,
    [
        Word(
            "run",
            "RUN",
            tr_noop("A training to follow, run-... or task-...; none starts one."),
            "?",
        )
    ],
    unset=PARSER.options,
)
