"""`%qftrain`: start a fine-tuning, watch it, find it again, stop it."""

from __future__ import annotations

import argparse
import asyncio
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from ..errors import InvalidArgumentError
from . import awaiting
from .arguments import TargetParser, document, keep, name, variables

if TYPE_CHECKING:
    from ..trainer import LLMFinetune
    from ..views.training import TrainingPanel

VERBS = ("start", "show", "attach", "wait", "stop", "list")

PARSER = TargetParser(
    "%qftrain",
    "Fine-tune without blocking the notebook. Verbs: start, show, attach, wait, stop, list.",
    "  %qftrain start trainer\n"
    "  %qftrain start -d pairs.jsonl -m ERNIE-Speed-8K --epoch 3 --deploy demo -o trainer\n"
    "  %qftrain wait            (wait for the newest, show its end)\n"
    "  %qftrain attach task-ab12cd34ef56 -o trainer\n"
    "  %qftrain stop trainer",
)
PARSER.add_argument("-d", "--dataset", metavar="DATA", help="a Dataset variable, a .jsonl path, or ds-...")
PARSER.add_argument("-m", "--model", metavar="NAME", default="ERNIE-Speed-8K", help="the model to tune")
PARSER.add_argument("--epoch", type=int, metavar="N")
PARSER.add_argument("--learning-rate", type=float, metavar="X")
PARSER.add_argument("--batch-size", type=int, metavar="N")
PARSER.add_argument("--peft", metavar="TYPE", help="LoRA (default), ALL or P-tuning")
PARSER.add_argument("--deploy", metavar="SUFFIX", help="deploy it afterwards; the endpoint ends in SUFFIX")
PARSER.add_argument("-o", "--out", type=name, metavar="VAR", help="keep the trainer in a variable")
PARSER.add_argument(awaiting.FLAG, dest="awaited", action="store_true", help=argparse.SUPPRESS)

GOES_ON = "训练继续在后台进行 / the training goes on; `%qftrain stop` ends it, `wait` waits again"


@magics_class
class TrainMagics(Magics):
    """The verbs of `%qftrain`; each takes a trainer's variable or a run's id, by default the newest."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._panels: list[TrainingPanel] = []

    @no_var_expand
    @line_magic
    def qftrain(self, line: str) -> Any:
        verb, _, rest = line.strip().partition(" ")
        if verb in {"-h", "--help"}:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return None
        if verb not in VERBS:
            PARSER.error(f"{verb!r} is not a verb of %qftrain: use {', '.join(VERBS)}")
        options, target = PARSER.parts(rest)
        return getattr(self, f"_{verb}")(options, target)

    def _start(self, options: Namespace, target: str) -> None:
        trainer = self._trainer(target) if target else self._made(options)
        trainer.start()
        self._keep(options, trainer)
        self._open(trainer)

    def _show(self, options: Namespace, target: str) -> None:
        self._open(self._trainer(target))

    def _attach(self, options: Namespace, target: str) -> None:
        from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast

        if not target:
            PARSER.error("attach needs a run's id; `%qftrain list` shows them")
        trainer = LLMFinetune.attach(target).start()
        self._keep(options, trainer)
        self._open(trainer)

    def _wait(self, options: Namespace, target: str) -> Any:
        trainer = self._trainer(target)
        panels = [panel for panel in self._panels if panel.trainer is trainer]

        def end(interrupted: bool) -> None:
            if not interrupted and not trainer.running:
                for panel in panels:
                    panel.settle()
                trainer.wait()  # raises what ended it badly

        job: awaiting.Job[None] = awaiting.Job()
        return awaiting.finish(_over(trainer), job, end, GOES_ON, awaited=options.awaited)

    def _stop(self, options: Namespace, target: str) -> None:
        self._trainer(target).stop()

    def _list(self, options: Namespace, target: str) -> Any:
        import pandas as pd  # noqa: PLC0415

        from ..trainer import LLMFinetune  # noqa: PLC0415

        columns = ("task_id", "status", "train_type", "name", "platform", "created")
        rows = [{name: run.get(name, "") for name in columns} for run in LLMFinetune.known()]
        for row in rows:
            row["created"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["created"] or 0))
        return pd.DataFrame(rows, columns=list(columns))

    def _open(self, trainer: LLMFinetune) -> None:
        from ..views.training import TrainingPanel  # noqa: PLC0415

        panel = TrainingPanel(trainer)
        self._panels = [*self._panels, panel]
        panel.show()

    def _made(self, options: Namespace) -> LLMFinetune:
        from ..model import DeployConfig  # noqa: PLC0415
        from ..trainer import LLMFinetune, TrainConfig  # noqa: PLC0415

        if not options.dataset:
            PARSER.error("start needs a trainer's variable, or -d DATA")
        data = variables(self.shell).get(options.dataset, options.dataset)
        if isinstance(data, str) and not data.startswith("ds-"):
            data = Path(data)
        config = TrainConfig(
            epoch=options.epoch,
            learning_rate=options.learning_rate,
            batch_size=options.batch_size,
            peft_type=options.peft,
        )
        deploy = DeployConfig(endpoint_suffix=options.deploy) if options.deploy else None
        return LLMFinetune(options.model, data, config, deploy)

    def _trainer(self, target: str) -> LLMFinetune:
        from ..trainer import LLMFinetune  # noqa: PLC0415

        if not target:
            if not self._panels:
                raise InvalidArgumentError("no training was started here: %qftrain list shows known runs")
            return self._panels[-1].trainer
        known = [panel.trainer for panel in self._panels if panel.trainer.progress.task_id == target]
        value = known[-1] if known else variables(self.shell).get(target)
        if not isinstance(value, LLMFinetune):
            raise InvalidArgumentError(f"{target!r} is neither a trainer's variable nor a run watched here")
        return value

    def _keep(self, options: Namespace, trainer: LLMFinetune) -> None:
        if options.out:
            keep(self.shell, options.out, trainer)


async def _over(trainer: LLMFinetune) -> None:
    """Wait for a trainer's end, whatever it is."""
    while trainer.running:
        await asyncio.sleep(0.1)


document(TrainMagics.qftrain, PARSER)
