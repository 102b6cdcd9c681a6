"""`%qftrain`: start, follow, find and stop a fine-tuning, and use its model."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop
from ..dataset.file_reader import SUFFIXES
from ..dataset.samples import HELD_OUT_FILE, HELD_OUT_ROWS, TRAIN_FILE, TRAIN_ROWS, write_samples
from ..errors import InvalidArgumentError, QianfanError
from .parser import document_magic, store_variable, user_variables
from .sweep import SweepVerbs
from .train_parser import PARSER, read_config
from .trainings import find_trainer, list_trainers, read_data
from .verb_magic import VerbMagics, listing, wait_in_cell

if TYPE_CHECKING:
    from ..trainer import LLMFinetune
    from ..trainer.progress import TrainingProgress
    from ..trainer.run_store import RunRecord

LIST_COLUMNS = (
    "id", "task_id", "status", "percent", "model", "name", "platform", "created", "finished",
    "current",
)  # fmt: skip
"""Of `%qftrain list`: the status is a FinetuneStatus; `current`: it is of now."""

CONTINUES = tr_noop(
    "The training goes on in the background; `%qftrain stop` ends it, `%qftrain wait` waits again."
)
EXISTS = tr_noop(
    "The same data, model and settings: this is {training} already, and no second training was "
    "started. "
    "`--again` starts one."
)
STARTED_BEFORE = tr_noop(
    "{training}: there is nothing to start. `%qftrain start -d DATA --again` trains on the same "
    "data once more."
)


@magics_class
class TrainMagics(SweepVerbs, VerbMagics):
    """The verbs of `%qftrain`; each takes a trainer's variable or a run's id, by default the newest
    training.
    """

    parser = PARSER
    default_verb = "new"
    needs_verb = True

    @no_var_expand
    @line_magic
    @PARSER.speak
    def qftrain(self, line: str) -> Any:
        return self.run_line(line)

    def _propose_verb(self, word: str) -> str:
        """Return the cell that may be meant by a variable, or by the name of a file or a
        dataset.
        """
        from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast
        from ..trainer.form.inspection import is_data  # noqa: PLC0415

        value = user_variables(self.shell).get(word)
        if isinstance(value, LLMFinetune):
            return f"%qftrain show {word}"
        is_named = word.startswith("ds-") or Path(word).suffix.lower() in SUFFIXES
        if is_named or is_data(value):
            return f"%qftrain new {word}"
        return ""

    def _parse_target(self, verb: str, line: str) -> tuple[Namespace, Any]:
        """Return the options after a verb, and the training; `compare` takes several, `chat` a
        question.
        """
        if verb == "chat":
            return PARSER.parse_text(line)
        if verb == "compare":
            return PARSER.parse_words(line)
        return PARSER.parse_target(line, verb)

    def do_new(self, options: Namespace, target: str) -> None:
        from .launcher import launcher  # noqa: PLC0415 - %load_ext stays fast

        options.dataset = target or options.dataset
        is_renamed = options.input or options.reference
        launcher(
            read_data(self.shell, options) if is_renamed else options.dataset, variable=options.out
        ).show()

    def do_sample(self, options: Namespace, target: str) -> None:
        write_samples(Path())
        print(  # noqa: T201 - what is there now
            tr(
                "{train}: {train_rows} rows to train on; {held_out}: {held_out_rows} rows to "
                "compare models with.",
                train=TRAIN_FILE, train_rows=TRAIN_ROWS, held_out=HELD_OUT_FILE,
                held_out_rows=HELD_OUT_ROWS,
            )
        )  # fmt: skip

    def do_start(self, options: Namespace, target: str) -> None:
        if target:
            trainer = find_trainer(self.shell, target)
        else:
            trainer = self._create_trainer(options)
        if trainer.is_running or trainer.progress.finished:
            self._show_started(options, trainer)
            return
        if not options.again and (run := trainer.find_same()):
            trainer = self._continue_same(trainer, run)
            if target:
                store_variable(self.shell, target, trainer)
        else:
            trainer.start()
        self._open_panel(options, trainer)

    def _continue_same(self, trainer: LLMFinetune, run: RunRecord) -> LLMFinetune:
        """Return the training of a record instead of one that would repeat it; its missing steps
        are started.
        """
        same = next((row for row in reversed(list_trainers(self.shell)) if row.id == run.id), None)
        if same is None:
            same = trainer.adopt(run)
        else:
            same = same.add_missing_steps(trainer.actions)
        if not same.is_running and not same.progress.finished:
            same.start()
        self._print_state(EXISTS, same)
        return same

    def _show_started(self, options: Namespace, trainer: LLMFinetune) -> None:
        """Show a training that runs or has a result, and say that there is nothing to start.

        Raises:
            InvalidArgumentError: it was stopped or has failed.
        """
        if options.again:
            PARSER.error(tr("--again needs -d DATA, or a trainer that has not been started"))
        if not trainer.is_running and trainer.ppls[0].current is not None:
            raise InvalidArgumentError(
                tr(
                    "{run} was stopped or has failed: resume it first, `%qftrain resume {run}`",
                    run=trainer.id,
                )
            )
        self._print_state(STARTED_BEFORE, trainer)
        self._open_panel(options, trainer)

    def _print_state(self, message: str, trainer: LLMFinetune) -> None:
        from ..views.training import summary  # noqa: PLC0415

        progress = trainer.progress
        _, sign, words = summary.state(progress, is_live=True, now=time.time())
        training = tr("{text} ({remark})", text=summary.handle(progress), remark=f"{sign} {words}")
        print(tr(message, training=training))  # noqa: T201 - why nothing is started

    def do_show(self, options: Namespace, target: str) -> None:
        self._open_panel(options, find_trainer(self.shell, target))

    def do_attach(self, options: Namespace, target: str) -> None:
        trainer = find_trainer(self.shell, target, verb="attach", from_record=True)
        if not trainer.is_running and not trainer.progress.finished:
            trainer.start()
        self._open_panel(options, trainer)

    def do_wait(self, options: Namespace, target: str) -> Any:
        from ..views.training.panel import TrainingPanel  # noqa: PLC0415

        trainer = find_trainer(self.shell, target, verb="wait")

        def raise_errors() -> None:
            if trainer.is_running:
                return
            try:
                trainer.wait()  # raises the error that ended the training
            except QianfanError as error:
                line = tr(
                    "{error}: the training has failed, its panel says why",
                    error=type(error).__name__,
                )
                error._render_traceback_ = lambda: [line]  # type: ignore[method-assign] # IPython shows this one line
                raise

        work = _wait_for_end(trainer)
        return wait_in_cell(
            trainer, TrainingPanel, work, raise_errors, tr(CONTINUES), awaited=options.awaited
        )

    def do_status(self, options: Namespace, target: str) -> None:
        from ..views.training.panel import text  # noqa: PLC0415

        print(text(find_trainer(self.shell, target, verb="status").progress))  # noqa: T201 - it was asked for

    def do_stop(self, options: Namespace, target: str) -> None:
        from ..trainer import TrainAction  # noqa: PLC0415

        trainer = find_trainer(self.shell, target, verb="stop", from_record=True)
        if not trainer.is_running:
            action = trainer.ppls[0].current
            if (
                not isinstance(action, TrainAction)
                or not action.task_id
                or trainer.progress.finished
            ):
                raise InvalidArgumentError(tr("{run} is not running", run=trainer.id))
            trainer.start()  # so that its end is stored
        trainer.stop()

    def do_resume(self, options: Namespace, target: str) -> None:
        trainer = find_trainer(self.shell, target, verb="resume", from_record=True)
        if trainer.ppls[0].current is None:
            raise InvalidArgumentError(tr("all steps of {run} are done", run=trainer.id))
        trainer.start(retry=True)
        self._open_panel(options, trainer)

    def do_publish(self, options: Namespace, target: str) -> None:
        trainer = find_trainer(self.shell, target, verb="publish", from_record=True)
        self._add_step(
            options, trainer, lambda: trainer.publish(options.name or "", step=options.step)
        )

    def do_deploy(self, options: Namespace, target: str) -> None:
        from ..model import DeployConfig  # noqa: PLC0415

        names = {"name": options.name, "endpoint_suffix": options.suffix}
        arguments = {**names, "replicas": options.replicas, "hours": options.hours}
        config = DeployConfig(
            **{key: value for key, value in arguments.items() if value is not None}
        )
        trainer = find_trainer(self.shell, target, verb="deploy", from_record=True)
        self._add_step(options, trainer, lambda: trainer.deploy(config, step=options.step))

    def do_chat(self, options: Namespace, words: list[str]) -> None:
        from ..views.training.actions import chat_cell  # noqa: PLC0415

        target, question, *_ = (*words, "", "")
        progress = find_trainer(self.shell, target, verb="chat").progress
        notice = tr("The cell below asks the model: run it.")
        self._insert_cell(chat_cell(progress, question), progress, notice)

    def do_evaluate(self, options: Namespace, target: str) -> None:
        from ..views.training.actions import checkpoint_cell, evaluation_cell  # noqa: PLC0415

        progress = find_trainer(self.shell, target, verb="evaluate").progress
        if options.step is None:
            cell = evaluation_cell(progress)
        else:
            cell = checkpoint_cell(progress, options.step)
        notice = tr("The cell below evaluates the model: run it.")
        self._insert_cell(cell, progress, notice)

    def do_compare(self, options: Namespace, targets: list[str]) -> None:
        from ..views.display import publish  # noqa: PLC0415
        from ..views.training import comparison  # noqa: PLC0415

        if len(targets) < 2:
            PARSER.error(
                tr("compare needs two trainings or more: variables, names, run-... or task-...")
            )
        progresses = {target: find_trainer(self.shell, target).progress for target in targets}
        publish(comparison.bundle(progresses))

    def do_alert(self, options: Namespace, target: str) -> None:
        from ..trainer.alerts import STALLED_AFTER_S, alert  # noqa: PLC0415

        if not options.to:
            PARSER.error(tr("alert needs --to: a function's variable, or an https address"))
        minutes = options.stalled_after
        alert(
            find_trainer(self.shell, target, verb="alert"),
            user_variables(self.shell).get(options.to, options.to),
            stalled_after=STALLED_AFTER_S if minutes is None else 60 * minutes,
        )

    def do_list(self, options: Namespace, target: str) -> Any:
        from .._tables import frame_class  # noqa: PLC0415
        from ..trainer import run_store  # noqa: PLC0415
        from ..trainer.background import refresh_runs  # noqa: PLC0415

        runs = run_store.list_runs()
        refresh_runs(runs)
        rows = sorted(map(_run_row, runs), key=lambda row: row["created"], reverse=True)
        table = frame_class("TrainingTable")(rows, columns=LIST_COLUMNS)
        return listing(
            table,
            tr("no training is stored on this computer: `%qftrain` opens the form that starts one"),
        )

    def _add_step(
        self, options: Namespace, trainer: LLMFinetune, add: Callable[[], object]
    ) -> None:
        """Add a step to a training, and show its panel, unless it is running and has one."""
        was_running = trainer.is_running
        add()
        if not was_running:
            self._open_panel(options, trainer)

    def _open_panel(self, options: Namespace, trainer: LLMFinetune) -> None:
        from ..views.training.panel import TrainingPanel  # noqa: PLC0415

        if options.out:
            store_variable(self.shell, options.out, trainer)
        TrainingPanel(trainer).show()

    def _insert_cell(self, code: str, progress: TrainingProgress, notice: str) -> None:
        """Insert a cell below this one, and say so; without code, the model is not deployed:
        InvalidArgumentError.
        """
        if not code:
            from ..views.training.summary import handle  # noqa: PLC0415

            PARSER.error(
                tr("there is no service yet: deploy the model"),
                f"%qftrain deploy {handle(progress)}",
            )
        self.shell.set_next_input(code, replace=False)  # type: ignore[union-attr]
        print(notice)  # noqa: T201 - the reader may look elsewhere

    def _create_trainer(self, options: Namespace) -> LLMFinetune:
        from ..model import DeployConfig  # noqa: PLC0415
        from ..trainer import LLMFinetune  # noqa: PLC0415
        from ..trainer.loss_diagnostics import resolve_step  # noqa: PLC0415
        from ..trainer.offer import default_model  # noqa: PLC0415

        if not options.dataset:
            PARSER.error(
                tr("start needs a trainer's variable, or -d DATA; the form asks for them"),
                "%qftrain",
            )
        data = read_data(self.shell, options)
        config = read_config(options)
        if not options.deploy:
            deploy = None
        else:
            deploy = DeployConfig(endpoint_suffix=options.deploy)
        if not options.previous:
            previous = None
        else:
            previous = find_trainer(self.shell, options.previous)
        if previous is None:
            step = None
        else:
            step = resolve_step(options.step, previous.progress.points)
        if options.step is not None and previous is None:
            PARSER.error(tr("--step needs --from TRAINING: it is a checkpoint of that training"))
        trainer = LLMFinetune(
            options.model or (previous.train_type if previous else default_model()),
            data,
            config,
            deploy,
            name=options.name,
            train_mode=options.mode,
            previous_trainer=previous,
            previous_step=step,
        )
        trainer.name_by_default(options.out or options.deploy or "")
        return trainer


def _run_row(run: RunRecord) -> dict[str, Any]:
    facts = run.facts
    progress = run.facts.get("progress") or {}
    fields = {key: facts.get(key) or "" for key in ("id", "task_id", "status", "name", "platform")}
    fields |= {"model": facts.get("train_type") or "", "created": _date(facts.get("created"))}
    ended = {"finished": _date(progress.get("ended_at")), "current": run.is_current}
    return {**fields, "percent": progress.get("percent"), **ended}


def _date(timestamp: float | None) -> str:
    if timestamp:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(timestamp))
    return ""


async def _wait_for_end(trainer: LLMFinetune) -> None:
    """Wait for the end of a training; raises nothing."""
    while trainer.is_running:
        await asyncio.sleep(0.1)


document_magic(TrainMagics.qftrain, PARSER)
