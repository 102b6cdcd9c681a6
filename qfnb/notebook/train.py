"""`%qftrain`: start, follow, find and stop a fine-tuning, and use its model."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import magics_class

from .._tables import frame_class
from ..base.language import tr, tr_noop
from ..dataset.file_reader import SUFFIXES, nearest_data_file
from ..dataset.samples import HELD_OUT_FILE, HELD_OUT_ROWS, TRAIN_FILE, TRAIN_ROWS, write_samples
from ..errors import InvalidArgumentError, QianfanError
from ..views.display import publish
from .evaluate_inputs import resolve_data
from .parser import store_variable, user_variables
from .trainings import (
    PARSER,
    create_trainer,
    find_trainer,
    list_trainers,
    parse_grid,
    read_config,
    read_data,
)
from .verb_magic import VerbMagics, listing, verb_magic, wait_in_cell

if TYPE_CHECKING:
    from ..dataset.typed_dataset import Dataset
    from ..trainer import LLMFinetune
    from ..trainer.progress import TrainingProgress
    from ..trainer.run_store import RunRecord
    from ..trainer.sweep import Sweep
    from ..views.launcher.launcher import Launcher
    from ..views.panel import Panel

LIST_COLUMNS = (
    "id", "task_id", "status", "percent", "model", "name", "platform", "created", "finished",
    "current",
)  # fmt: skip
"""Of `%qftrain list`: the status is a FinetuneStatus; `current`: it is of now."""

CONTINUES = tr_noop(
    "The training goes on in the background; `%qftrain stop` ends it, `%qftrain wait` waits again."
)
SWEEP_CONTINUES = tr_noop(
    "The sweep goes on in the background; `%qftrain stop` ends it, `%qftrain wait` waits again."
)
EXISTS = tr_noop(
    "The same data, model and settings: this is {training} already, and no second training was "
    "started. "
    "`--again` starts one."
)


TRAINER_VARIABLE = "trainer"
UNNAMED_DATASET = "dataset"  # the name of a dataset that is not a variable of the notebook


@magics_class
class TrainMagics(VerbMagics):
    """The verbs of `%qftrain`; each takes a trainer's variable or a run's id, by default the newest
    training; some take a sweep's variable, or the newest job if it is a sweep.
    """

    parser = PARSER

    qftrain = verb_magic(PARSER)

    def _propose_verb(self, word: str) -> str:
        """Return the cell that may be meant by a variable, or by the name of a file or a
        dataset.
        """
        from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast
        from ..trainer.form.inspection import is_data  # noqa: PLC0415

        value = user_variables(self.shell).get(word)
        if isinstance(value, LLMFinetune):
            return f"%qftrain show {word}"
        if Path(word).suffix.lower() in SUFFIXES:
            if not Path(word).expanduser().exists():
                word = str(nearest_data_file(word) or word)
            return f"%qftrain new {word}"
        if word.startswith("ds-") or is_data(value):
            return f"%qftrain new {word}"
        return ""

    def _parse_words(self, verb: str, line: str) -> tuple[Namespace, list[str]]:
        """Return the options after a verb, and its words; behind `chat NAME` a question."""
        if verb == "chat":
            return PARSER.parse_text(line)
        return super()._parse_words(verb, line)

    def do_new(self, options: Namespace, target: str = "") -> None:
        options.dataset = target or options.dataset
        data = options.dataset
        if options.input or options.reference:
            data = read_data(self.shell, options)
        launcher(data, variable=options.out).show()

    def do_sample(self, options: Namespace) -> None:
        write_samples(Path())
        print(  # noqa: T201 - what is there now
            tr(
                "{train}: {train_rows} rows to train on; {held_out}: {held_out_rows} rows to "
                "compare models with.",
                train=TRAIN_FILE, train_rows=TRAIN_ROWS, held_out=HELD_OUT_FILE,
                held_out_rows=HELD_OUT_ROWS,
            )
        )  # fmt: skip

    def do_start(self, options: Namespace, target: str = "") -> None:
        if target:
            trainer = find_trainer(self.shell, target)
        elif options.dataset:
            trainer = create_trainer(self.shell, options)
            trainer.name_by_default(options.out or options.deploy or "")
        else:
            PARSER.error(
                tr("start needs a trainer's variable, or -d DATA; the form asks for them"),
                "%qftrain",
            )
        if trainer.is_running or trainer.progress.finished:
            if options.again:
                PARSER.error(tr("--again needs -d DATA, or a trainer that has not been started"))
            self._open_panel(options, trainer)
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
        from ..views.training import summary  # noqa: PLC0415 - %load_ext stays fast

        same = next((row for row in reversed(list_trainers(self.shell)) if row.id == run.id), None)
        if same is None:
            same = trainer.adopt(run)
        else:
            same = same.add_missing_steps(trainer.actions)
        if not same.is_running and not same.progress.finished:
            same.start()
        state = summary.state(same.progress).pill.text
        training = tr("{text} ({remark})", text=summary.handle(same.progress), remark=state)
        print(tr(EXISTS, training=training))  # noqa: T201 - why nothing is started
        return same

    def do_show(self, options: Namespace, target: str = "") -> None:
        self._open_panel(options, self._find_job(target, "show"))

    def do_attach(self, options: Namespace, target: str = "") -> None:
        trainer = find_trainer(self.shell, target, "attach")
        if not trainer.is_running and not trainer.progress.finished:
            trainer.start()
        self._open_panel(options, trainer)

    def do_wait(self, options: Namespace, target: str = "") -> Any:
        from ..trainer import LLMFinetune  # noqa: PLC0415

        job = self._find_job(target, "wait")
        is_training = isinstance(job, LLMFinetune)

        def raise_errors() -> None:
            if job.is_running:
                return
            try:
                job.wait()  # raises the error that ended it
            except QianfanError as error:
                if is_training:
                    line = tr(
                        "{error}: the training has failed, its panel says why",
                        error=type(error).__name__,
                    )
                    error._render_traceback_ = lambda: [line]  # type: ignore[method-assign] # IPython shows this one line
                raise

        return wait_in_cell(
            job,
            _panel_class(job),
            raise_errors,
            tr(CONTINUES if is_training else SWEEP_CONTINUES),
            is_over=lambda: not job.is_running,
            awaited=options.awaited,
        )

    def do_status(self, options: Namespace, target: str = "") -> None:
        from ..trainer import LLMFinetune  # noqa: PLC0415
        from ..views.training import panel, sweep  # noqa: PLC0415

        job = self._find_job(target, "status")
        is_training = isinstance(job, LLMFinetune)
        print(panel.text(job.progress) if is_training else sweep.text(job.progress))  # noqa: T201 - it was asked for

    def do_stop(self, options: Namespace, target: str = "") -> None:
        from ..trainer import LLMFinetune, TrainAction  # noqa: PLC0415

        job = self._find_job(target, "stop")
        if isinstance(job, LLMFinetune) and not job.is_running:
            action = job.ppls[0].current
            is_watched = isinstance(action, TrainAction) and action.task_id
            if not is_watched or job.progress.finished:
                raise InvalidArgumentError(tr("{run} is not running", run=job.id))
            job.start()  # so that its end is stored
        job.stop()

    def _find_job(self, target: str, verb: str) -> Any:
        """Return the sweep of a variable, or the newest job of this kernel if it is a sweep; else a
        training.
        """
        from ..trainer.sweep import Sweep  # noqa: PLC0415
        from ..views.panel import RECENT_PANELS  # noqa: PLC0415

        value = user_variables(self.shell).get(target)
        if not target and RECENT_PANELS:
            value = RECENT_PANELS[-1].job
        if isinstance(value, Sweep):
            return value
        return find_trainer(self.shell, target, verb)

    def do_sweep(self, options: Namespace) -> None:
        from ..trainer.offer import default_model  # noqa: PLC0415 - %load_ext stays fast
        from ..trainer.sweep import sweep  # noqa: PLC0415

        if not options.dataset or not options.grid:
            PARSER.error(tr("sweep needs -d DATA and --grid NAME=A,B; --grid may be repeated"))
        given = {}
        if options.parallel is not None:
            given["parallel"] = options.parallel
        if options.metrics:
            given["metrics"] = options.metrics.split(",")
        if options.eval_data:
            given["eval_dataset"] = resolve_data(self.shell, options.eval_data)
        created = sweep(
            options.model or default_model(),
            read_data(self.shell, options),
            dict(map(parse_grid, options.grid)),
            train_config=read_config(options),
            train_mode=options.mode or "SFT",
            again=options.again,
            **given,
        )
        print(created.estimate())  # noqa: T201 - before anything is paid
        if not options.dry_run:
            self._open_panel(options, created.start())

    def do_resume(self, options: Namespace, target: str = "") -> None:
        trainer = find_trainer(self.shell, target, "resume")
        if trainer.ppls[0].current is None:
            raise InvalidArgumentError(tr("all steps of {run} are done", run=trainer.id))
        trainer.start(retry=True)
        self._open_panel(options, trainer)

    def do_publish(self, options: Namespace, target: str = "") -> None:
        trainer = find_trainer(self.shell, target, "publish")
        trainer.publish(options.name or "", step=options.step)
        self._open_panel(options, trainer)

    def do_deploy(self, options: Namespace, target: str = "") -> None:
        from ..model import DeployConfig  # noqa: PLC0415

        config = DeployConfig(name=options.name or "", **PARSER.keywords(options))
        trainer = find_trainer(self.shell, target, "deploy")
        trainer.deploy(config, step=options.step)
        self._open_panel(options, trainer)

    def do_chat(self, options: Namespace, target: str = "", question: str = "") -> None:
        from ..views.training.actions import chat_cell  # noqa: PLC0415

        progress = find_trainer(self.shell, target, "chat").progress
        notice = tr("The cell below asks the model: run it.")
        self._insert_cell(chat_cell(progress, question), progress, notice)

    def do_evaluate(self, options: Namespace, target: str = "") -> None:
        from ..views.training.actions import checkpoint_cell, evaluation_cell  # noqa: PLC0415

        progress = find_trainer(self.shell, target, "evaluate").progress
        if options.step is None:
            cell = evaluation_cell(progress)
        else:
            cell = checkpoint_cell(progress, options.step)
        notice = tr("The cell below evaluates the model: run it.")
        if cell.startswith("#"):
            notice = tr(
                "The cell below evaluates the model: name your questions in it, and run it."
            )
        self._insert_cell(cell, progress, notice)

    def do_compare(self, options: Namespace, *targets: str) -> None:
        from ..views.training.panel import comparison_bundle  # noqa: PLC0415

        if len(targets) < 2:
            PARSER.error(
                tr("compare needs two trainings or more: variables, names, run-... or task-...")
            )
        progresses = {target: find_trainer(self.shell, target).progress for target in targets}
        publish(comparison_bundle(progresses))

    def do_alert(self, options: Namespace, target: str = "") -> None:
        from ..trainer.alerts import STALLED_AFTER_S, alert  # noqa: PLC0415

        if not options.to:
            PARSER.error(tr("alert needs --to: a function's variable, or an https address"))
        minutes = options.stalled_after
        alert(
            find_trainer(self.shell, target, "alert"),
            user_variables(self.shell).get(options.to, options.to),
            stalled_after=STALLED_AFTER_S if minutes is None else 60 * minutes,
        )

    def do_list(self, options: Namespace) -> Any:
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

    def _open_panel(self, options: Namespace, job: LLMFinetune | Sweep) -> None:
        from ..trainer.sweep import Sweep  # noqa: PLC0415
        from ..views.training.sweep import STARTED  # noqa: PLC0415

        store_variable(self.shell, options.out, job)
        notice = ""
        if isinstance(job, Sweep) and job.is_running:
            notice = tr(STARTED)
        _panel_class(job)(job).show(notice)

    def _insert_cell(self, code: str, progress: TrainingProgress, notice: str) -> None:
        """Insert a cell below this one, and say so; without code, the model is not deployed:
        InvalidArgumentError.
        """
        if not code:
            from ..views.training.summary import handle  # noqa: PLC0415

            text = tr("there is no service yet: deploy the model")
            PARSER.error(text, f"%qftrain deploy {handle(progress)}")
        self.shell.set_next_input(code, replace=False)  # type: ignore[union-attr]
        print(notice)  # noqa: T201 - the reader may look elsewhere


def _panel_class(job: LLMFinetune | Sweep) -> Callable[[Any], Panel]:
    from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast
    from ..views.training.panel import TrainingPanel  # noqa: PLC0415
    from ..views.training.sweep import SweepPanel  # noqa: PLC0415

    if isinstance(job, LLMFinetune):
        return TrainingPanel
    return SweepPanel


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


def launcher(
    dataset: Dataset | str | Path | None = None,
    *,
    variable: str | None = None,
    on_launch: Callable[[LLMFinetune], object] | None = None,
) -> Launcher:
    """Return the form that starts a training; as the last value of a cell it shows itself.

    Args:
        dataset: a `Dataset`, a DataFrame, the name of a variable, a `ds-...` id, or the path of a
            file.
        variable: the variable that is to keep the trainer; default: trainer, or trainer_2 where
            there is one.
        on_launch: is called with the trainer that was started, to show it; default: its panel
            replaces the form, and `%qftrain wait` knows it.

    Raises:
        InvalidArgumentError: the dataset is of the wrong type.
    """
    from IPython import get_ipython  # noqa: PLC0415

    from ..trainer.form.inspection import is_data  # noqa: PLC0415
    from ..views.launcher.launcher import Launcher  # noqa: PLC0415

    if not (dataset is None or isinstance(dataset, (str, Path)) or is_data(dataset)):
        kind = type(dataset).__name__
        raise InvalidArgumentError(
            tr(
                "A {kind} is not training data: pass a Dataset, a DataFrame, a ds-… id, or the "
                "path of a file.",
                kind=kind,
            )
        )
    shell = get_ipython()

    def list_variables() -> Mapping[str, Any]:
        """Return the notebook's variables by name, and the data that were passed."""
        notebook = [*user_variables(shell).items()]
        variables = {name: value for name, value in notebook if not name.startswith("_")}
        if is_data(dataset) and all(value is not dataset for value in variables.values()):
            variables[UNNAMED_DATASET] = dataset
        return variables

    variables = list_variables()
    name = "" if is_data(dataset) else str(dataset or "")
    for key, value in variables.items():
        if value is dataset is not None:
            name = key
    return Launcher(
        name,
        variable=variable or _free_name(variables),
        list_variables=list_variables,
        insert_cell=partial(shell.set_next_input, replace=False) if shell else None,
        keep=partial(store_variable, shell) if shell else None,
        on_launch=on_launch,
    )


def _free_name(variables: Mapping[str, Any]) -> str:
    name = TRAINER_VARIABLE
    for number in count(2):
        if name not in variables:
            break
        name = f"{TRAINER_VARIABLE}_{number}"
    return name
