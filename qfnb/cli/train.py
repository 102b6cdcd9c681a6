"""`qfnb train`: start a fine-tuning, or follow one; it goes on when the command has ended."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ..base.language import tr, tr_noop
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError
from . import common
from .common import POLL_S, ProgressStep, follow
from .exit_codes import DONE, FAILED, INTERRUPTED

if TYPE_CHECKING:
    from ..trainer import LLMFinetune
    from ..trainer.progress import TrainingProgress


def train(
    run: Annotated[
        str | None,
        Argument(
            metavar="RUN",
            help=tr_noop("A training to follow, run-... or task-...; none starts one."),
        ),
    ] = None,
    *,
    data: Annotated[
        str | None,
        Option("-d", "--data", metavar="FILE", help=tr_noop("A file of pairs, or ds-...")),
    ] = None,
    model: Annotated[
        str | None, Option("-m", "--model", metavar="NAME", help=tr_noop("The model to tune."))
    ] = None,
    mode: Annotated[
        list[str] | None,
        Option(metavar="MODE", help=tr_noop("SFT, DPO, ... or LoRA, ALL, ...; may be repeated.")),
    ] = None,
    epoch: Annotated[int | None, Option(metavar="N", help=tr_noop("Passes over the data."))] = None,
    learning_rate: Annotated[
        float | None, Option(metavar="X", help=tr_noop("Such as 3e-4."))
    ] = None,
    batch_size: Annotated[
        int | None, Option(metavar="N", help=tr_noop("Rows of one step."))
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help=tr_noop("A further hyper-parameter.")),
    ] = None,
    name: Annotated[
        str | None, Option(metavar="NAME", help=tr_noop("Of the job on the platform."))
    ] = None,
    deploy: Annotated[
        str | None,
        Option(metavar="SUFFIX", help=tr_noop("Deploy the model; the end of its endpoint's name.")),
    ] = None,
    wait: Annotated[
        bool,
        Option(
            "--wait",
            help=tr_noop("Wait for the end; needed to publish and deploy by this command."),
        ),
    ] = False,
    again: Annotated[
        bool,
        Option(
            "--again", help=tr_noop("Train anew, though the same training runs or has a result.")
        ),
    ] = False,
    yes: common.Yes = False,
    as_json: common.JsonFlag = False,
) -> int:
    """Start or follow a training; return the exit code.

    Raises:
        InvalidArgumentError: an option is wrong, or nothing says what is to be trained; nothing was
            started.
    """
    from ..model import DeployConfig  # noqa: PLC0415 - `qfnb --help` stays fast
    from ..notebook.train_parser import parse_setting  # noqa: PLC0415
    from ..trainer import LLMFinetune, TrainConfig  # noqa: PLC0415
    from ..trainer.offer import default_model  # noqa: PLC0415

    if (run is None) == (data is None):
        raise InvalidArgumentError(
            tr("name a run to follow, or the data of a new training by --data")
        )
    if run is not None:
        trainer = LLMFinetune.attach(_validate_run(run))
        return _work(
            trainer, starts=wait and not trainer.progress.finished, wait=wait, as_json=as_json
        )
    peft_type, train_mode = _split_modes(mode or ())
    config = TrainConfig(
        epoch=epoch,
        learning_rate=learning_rate,
        batch_size=batch_size,
        peft_type=peft_type,
        extras=dict(map(parse_setting, settings or ())) or None,
    )
    trainer = LLMFinetune(
        model or default_model(),
        data if str(data).startswith("ds-") else Path(str(data)),
        config,
        DeployConfig(endpoint_suffix=deploy) if deploy else None,
        name=name,
        train_mode=train_mode,
    )
    if again:
        same = None
    else:
        same = trainer.find_same()
    has_run = same is not None and bool(same.facts.get("task_id"))
    if not yes and not (has_run and deploy is None) and not _confirm(model):
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
    starts = not (trainer.is_running or trainer.progress.finished) and (wait or not has_run)
    return _work(trainer, starts=starts, wait=wait, as_json=as_json)


def _validate_run(key: str) -> str:
    """Return the id of a training: one of this computer, or one of the platform.

    Raises:
        InvalidArgumentError: this computer knows none of this name.
    """
    from ..trainer import run_store  # noqa: PLC0415

    if Path(key).exists():
        raise InvalidArgumentError(tr("{name} is a file: train on it with --data {name}", name=key))
    if not key.startswith("task-") and run_store.find_run(key) is None:
        hint = did_you_mean(key, [run.id for run in run_store.list_runs()])
        raise InvalidArgumentError(
            tr("there is no training {key!r} on this computer{hint}", key=key, hint=hint)
        )
    return key


def _split_modes(words: list[str] | tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the kind of weights that are tuned (LoRA, ...) and the train mode (SFT, ...)."""
    from ..wire.finetune import PEFT_TYPES  # noqa: PLC0415

    names = [part.strip() for word in words for part in word.split(",")]
    peft_types = [name for name in names if name.lower() in PEFT_TYPES]
    modes = [name for name in names if name.lower() not in PEFT_TYPES]
    if len(peft_types) > 1 or len(modes) > 1:
        raise InvalidArgumentError(
            tr(
                "--mode {names}: one of SFT, DPO, ... and one of LoRA, ALL, ...",
                names=tr(", ").join(names),
            )
        )
    return next(iter(peft_types), None), next(iter(modes), None)


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


def _work(trainer: LLMFinetune, *, starts: bool, wait: bool, as_json: bool) -> int:
    """Start a training if need be, and follow it to its end, or without `wait` until the platform
    has it.
    """
    try:
        if starts:
            trainer.start()
        is_over = lambda: not trainer.is_running or _is_handed_over(trainer, wait=wait)  # noqa: E731 - one expression
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
    if as_json:
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
    if progress.finished:
        words = (
            tr("Stopped") if progress.stopped else tr("Failed") if progress.failed else tr("Done")
        )
        endpoint = (
            tr("endpoint {name}", name=progress.service_endpoint)
            if progress.service_endpoint
            else ""
        )
        parts = [mark, progress.title, words, progress.task_id, progress.model_version_id, endpoint]
        return ProgressStep(1.0, " · ".join(filter(None, parts)))
    stage = next((row for row in reversed(progress.stages) if row.since is not None), None)
    percent = "" if progress.percent is None else f"{progress.percent}%"
    loss = f"loss {progress.points[-1].training_loss:.3f}" if progress.points else ""
    words = tr(summary.WORK.get(stage.name if stage else "", tr_noop("Preparing")))
    if (
        stage
        and stage.name == "train"
        and progress.percent == 100
        and progress.stages[-1] is not stage
    ):
        name = progress.run_id or progress.task_id
        words = tr(listings.PUBLISHES, name=name)
    share = None if progress.percent is None else progress.percent / 100
    return ProgressStep(
        share,
        " · ".join(filter(None, [mark, progress.title, progress.task_id, words, percent, loss])),
    )


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
