"""`%qftrain`: start a fine-tuning, watch it, find it again, stop it, and use what came out of it."""

from __future__ import annotations

import argparse
import asyncio
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from ..errors import InvalidArgumentError
from . import await_cell, find_trainer
from .parser import TargetParser, document_magic, store_variable, user_variables, variable_name

if TYPE_CHECKING:
    from ..trainer import LLMFinetune

VERBS = (
    "new", "start", "list", "status", "attach", "show", "wait", "stop", "resume", "publish", "deploy", "chat",
    "evaluate", "compare", "alert",
)  # fmt: skip

PARSER = TargetParser(
    "%qftrain",
    "Fine-tune without blocking the notebook, and without losing a run when the kernel ends.\n"
    "A TRAINING is a variable, run-..., task-..., or the newest when none is named.\n"
    f"Verbs: {', '.join(VERBS)}.",
    "  %qftrain                 (a form: choose, check, launch)\n"
    "  %qftrain new pairs.jsonl -o trainer\n"
    "  %qftrain start trainer\n"
    "  %qftrain start -d pairs.jsonl -m ERNIE-Speed-8K --epoch 3 --deploy demo -o trainer\n"
    "  %qftrain wait            (wait for the newest, show its end)\n"
    "  %qftrain list\n"
    "  %qftrain attach task-ab12cd34ef56 -o trainer        (after a kernel restart)\n"
    "  %qftrain show|status|stop|resume [TRAINING]\n"
    "  %qftrain publish [TRAINING] --name teahouse\n"
    "  %qftrain deploy [TRAINING] --suffix demo --replicas 1 --hours 1\n"
    "  %qftrain chat|evaluate [TRAINING]        (puts the cell below)\n"
    "  %qftrain compare TRAINING TRAINING ...\n"
    "  %qftrain alert [TRAINING] --to FUNCTION|https://... --stalled-after 30",
)
PARSER.add_argument("-d", "--dataset", metavar="DATA", help="a Dataset variable, a .jsonl path, or ds-...")
PARSER.add_argument("-m", "--model", metavar="NAME", help="the model to tune; default ERNIE-Speed-8K")
PARSER.add_argument("--epoch", type=int, metavar="N")
PARSER.add_argument("--learning-rate", type=float, metavar="X")
PARSER.add_argument("--batch-size", type=int, metavar="N")
PARSER.add_argument("--peft", metavar="TYPE", help="LoRA (default), ALL or P-tuning")
PARSER.add_argument("--deploy", metavar="SUFFIX", help="deploy it afterwards; the endpoint ends in SUFFIX")
PARSER.add_argument("--name", metavar="NAME", help="of the job, the published model, or the service")
PARSER.add_argument("--suffix", metavar="SUFFIX", help="deploy: what the endpoint ends in")
PARSER.add_argument("--replicas", type=int, metavar="N", help="deploy: default 1")
PARSER.add_argument("--hours", type=int, metavar="N", help="deploy: paid in advance, default 1")
PARSER.add_argument("--to", metavar="WHOM", help="alert: a function's variable, or an https address")
PARSER.add_argument("--stalled-after", type=float, metavar="MINUTES", help="alert: default 30")
PARSER.add_argument("-o", "--out", type=variable_name, metavar="VAR", help="keep the trainer in a variable")
PARSER.add_argument(await_cell.AWAIT_OPTION, dest="awaited", action="store_true", help=argparse.SUPPRESS)

OPTIONS_BY_VERB = {
    "new": {"dataset", "out"},
    "start": {"dataset", "model", "epoch", "learning_rate", "batch_size", "peft", "deploy", "name", "out"},
    "attach": {"out"},
    "resume": {"out"},
    "publish": {"name"},
    "deploy": {"name", "suffix", "replicas", "hours"},
    "alert": {"to", "stalled_after"},
}
"""The options that a verb knows; the others know none."""

CONTINUES_MESSAGE = "训练继续在后台进行 / the training goes on; `%qftrain stop` ends it, `wait` waits again"


@magics_class
class TrainMagics(Magics):
    """The verbs of `%qftrain`; each takes a trainer's variable or a run's id, by default the newest."""

    @no_var_expand
    @line_magic
    def qftrain(self, line: str) -> Any:
        verb, arguments = (*line.split(maxsplit=1), "", "")[:2]
        if verb in {"-h", "--help"}:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return None
        verb = verb or "new"
        if verb not in VERBS:
            PARSER.error(f"{verb!r} is not a verb of %qftrain: use {', '.join(VERBS)}")
        if verb == "compare":
            return self._compare(arguments.split())
        options, target = PARSER.parse_target(arguments)
        given_options = {key for key, value in vars(options).items() if value not in {None, False}} - {
            "awaited"
        }
        if unknown := given_options - OPTIONS_BY_VERB.get(verb, set()):
            PARSER.error(f"%qftrain {verb} takes no {' or '.join(sorted(unknown))} (该动词没有此选项)")
        return getattr(self, f"_{verb}")(options, target)

    def _new(self, options: Namespace, target: str) -> None:
        from .launcher import launcher  # noqa: PLC0415 - %load_ext stays fast

        def on_launch(trainer: LLMFinetune) -> None:
            self._open_panel(options, trainer)

        launcher(target or options.dataset, on_launch=on_launch).show()

    def _start(self, options: Namespace, target: str) -> None:
        trainer = find_trainer.find_trainer(self.shell, target) if target else self._create_trainer(options)
        trainer.start()
        self._open_panel(options, trainer)

    def _show(self, options: Namespace, target: str) -> None:
        self._open_panel(options, find_trainer.find_trainer(self.shell, target))

    def _attach(self, options: Namespace, target: str) -> None:
        if not target:
            PARSER.error("attach needs a run's id; `%qftrain list` shows them")
        trainer = find_trainer.find_trainer(self.shell, target, from_record=True)
        if not trainer.is_running and not trainer.progress.finished:
            trainer.start()
        self._open_panel(options, trainer)

    def _wait(self, options: Namespace, target: str) -> Any:
        from ..views import display  # noqa: PLC0415 - %load_ext stays fast
        from ..views.training.panel import PANELS, TrainingPanel  # noqa: PLC0415

        trainer = find_trainer.find_trainer(self.shell, target)
        panel = next((panel for panel in reversed(PANELS) if panel.trainer is trainer), None)
        if panel is None:
            panel = TrainingPanel(trainer)
            if display.display_mode() == "live":
                panel.show()

        def end(interrupted: bool) -> None:
            if not interrupted and not trainer.is_running:
                panel.settle()
                trainer.wait()  # raises what ended it badly

        job: await_cell.CancellableTask[None] = await_cell.CancellableTask()
        return await_cell.run_in_cell(
            _wait_for_end(trainer), job, end, CONTINUES_MESSAGE, awaited=options.awaited
        )

    def _status(self, options: Namespace, target: str) -> None:
        from ..views.training.panel import text  # noqa: PLC0415

        print(text(find_trainer.find_trainer(self.shell, target).progress))  # noqa: T201 - it was asked for

    def _stop(self, options: Namespace, target: str) -> None:
        from ..trainer import TrainAction  # noqa: PLC0415

        trainer = find_trainer.find_trainer(self.shell, target, from_record=True)
        if not trainer.is_running:
            action = trainer.ppls[0].current
            if not isinstance(action, TrainAction) or not action.task_id or trainer.progress.finished:
                raise InvalidArgumentError(f"nothing of {trainer.id} is at work (没有在运行的步骤)")
            trainer.start()  # so that its end is seen and written down
        trainer.stop()

    def _resume(self, options: Namespace, target: str) -> None:
        trainer = find_trainer.find_trainer(self.shell, target, from_record=True)
        if trainer.ppls[0].current is None:
            raise InvalidArgumentError(f"all steps of {trainer.id} are done (所有步骤均已完成)")
        trainer.start(retry=True)
        self._open_panel(options, trainer)

    def _publish(self, options: Namespace, target: str) -> None:
        trainer = find_trainer.find_trainer(self.shell, target, from_record=True)
        was_running = trainer.is_running
        trainer.publish(options.name or "")
        if not was_running:
            self._open_panel(options, trainer)

    def _deploy(self, options: Namespace, target: str) -> None:
        from ..model import DeployConfig  # noqa: PLC0415

        names = {"name": options.name, "endpoint_suffix": options.suffix}
        arguments = {**names, "replicas": options.replicas, "hours": options.hours}
        config = DeployConfig(**{key: value for key, value in arguments.items() if value is not None})
        trainer = find_trainer.find_trainer(self.shell, target, from_record=True)
        was_running = trainer.is_running
        trainer.deploy(config)
        if not was_running:
            self._open_panel(options, trainer)

    def _chat(self, options: Namespace, target: str) -> None:
        from ..views.training.controls import chat_cell  # noqa: PLC0415

        self._insert_cell(chat_cell(find_trainer.find_trainer(self.shell, target).progress))

    def _evaluate(self, options: Namespace, target: str) -> None:
        from ..views.training.controls import evaluation_cell  # noqa: PLC0415

        self._insert_cell(evaluation_cell(find_trainer.find_trainer(self.shell, target).progress))

    def _compare(self, targets: list[str]) -> None:
        from ..views.display import publish  # noqa: PLC0415
        from ..views.training import comparison  # noqa: PLC0415

        if len(targets) < 2:
            PARSER.error("compare needs two trainings or more: variables, run-... or task-... (至少两个训练)")
        progresses = {target: find_trainer.find_trainer(self.shell, target).progress for target in targets}
        publish(comparison.bundle(progresses))

    def _alert(self, options: Namespace, target: str) -> None:
        from ..trainer.alerts import STALLED_AFTER_S, alert  # noqa: PLC0415

        if not options.to:
            PARSER.error("alert needs --to: a function's variable, or an https address (请给出接收者)")
        minutes = options.stalled_after
        alert(
            find_trainer.find_trainer(self.shell, target),
            user_variables(self.shell).get(options.to, options.to),
            stalled_after=STALLED_AFTER_S if minutes is None else 60 * minutes,
        )

    def _list(self, options: Namespace, target: str) -> Any:
        import pandas as pd  # noqa: PLC0415

        from ..trainer import run_store  # noqa: PLC0415

        columns = ("id", "task_id", "status", "percent", "model", "name", "platform", "created")
        rows = [_run_row(run.facts) for run in run_store.list_runs()]
        return pd.DataFrame(rows, columns=list(columns))

    def _open_panel(self, options: Namespace, trainer: LLMFinetune) -> None:
        from ..views.training.panel import TrainingPanel  # noqa: PLC0415

        if options.out:
            store_variable(self.shell, options.out, trainer)
        TrainingPanel(trainer).show()

    def _insert_cell(self, code: str) -> None:
        """Put a cell below this one."""
        if not code:
            raise InvalidArgumentError("there is no service yet (尚未部署): `%qftrain deploy` makes one")
        self.shell.set_next_input(code, replace=False)  # type: ignore[union-attr]

    def _create_trainer(self, options: Namespace) -> LLMFinetune:
        from ..model import DeployConfig  # noqa: PLC0415
        from ..trainer import LLMFinetune, TrainConfig  # noqa: PLC0415

        if not options.dataset:
            PARSER.error("start needs a trainer's variable, or -d DATA")
        data = user_variables(self.shell).get(options.dataset, options.dataset)
        if isinstance(data, str) and not data.startswith("ds-"):
            data = Path(data)
        config = TrainConfig(
            epoch=options.epoch,
            learning_rate=options.learning_rate,
            batch_size=options.batch_size,
            peft_type=options.peft,
        )
        deploy = DeployConfig(endpoint_suffix=options.deploy) if options.deploy else None
        return LLMFinetune(options.model or "ERNIE-Speed-8K", data, config, deploy, name=options.name)


def _run_row(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the list says about a training."""
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.get("created") or 0))
    fields = {key: facts.get(key) or "" for key in ("id", "task_id", "status", "name", "platform")}
    percent = (facts.get("progress") or {}).get("percent")
    return {**fields, "percent": percent, "model": facts.get("train_type") or "", "created": created}


async def _wait_for_end(trainer: LLMFinetune) -> None:
    """Wait for a trainer's end, whatever it is."""
    while trainer.is_running:
        await asyncio.sleep(0.1)


document_magic(TrainMagics.qftrain, PARSER)
