"""The options of `%qftrain`, with their help and what Tab offers."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from ..base.language import tr, tr_noop
from ..wire.finetune import TrainMode
from .parser import variable_name
from .verb_magic import VerbParser

if TYPE_CHECKING:
    from ..trainer import TrainConfig

VERBS = (
    "new", "sample", "start", "list", "status", "attach", "show", "wait", "stop", "resume",
    "publish", "deploy", "chat",
    "evaluate", "compare", "alert", "sweep",
)  # fmt: skip


def _parse_step(text: str) -> int | str:
    """Return the step of `--step`."""
    if text == "best":
        return text
    return int(text)


def _offered_models(_magics: Any) -> list[str]:
    """Return the models that Tab offers: those of the offers that this kernel has read."""
    from ..trainer.offer import cached_model_names  # noqa: PLC0415 - %load_ext stays fast

    return cached_model_names()


_TRAINS = ("start", "sweep")


PARSER = VerbParser(
    "%qftrain",
    tr_noop(
        "Fine-tune without blocking the notebook, and without losing a run when the kernel ends.\n"
        "A TRAINING is a variable, a name or an id; by default the newest, of attach and stop the "
        "one that runs.\n"
        "Verbs: {verbs}."
    ),
    tr_noop(
        "  %qftrain                 (a form: choose, check, launch)\n"
        "  %qftrain sample          (writes rows to train on, and rows to compare models with)\n"
        "  %qftrain start -d teahouse_train.jsonl --epoch 5 --deploy teahouse -o tuned\n"
        "  %qftrain new pairs.jsonl -o trainer\n"
        "  %qftrain start trainer\n"
        "  %qftrain start -d pairs.jsonl -m ERNIE-4.5-Turbo-128K --epoch 3 --deploy demo -o "
        "trainer\n"
        "  %qftrain start -d preferences --mode DPO --from trainer --set beta=0.2\n"
        "  %qftrain wait            (wait for the newest, show its end)\n"
        "  %qftrain list\n"
        "  %qftrain attach task-ab12cd34ef56 -o trainer        (after a kernel restart)\n"
        "  %qftrain show|status|stop|resume [TRAINING]\n"
        "  %qftrain publish [TRAINING] --name teahouse --step 30|best\n"
        "  %qftrain deploy [TRAINING] --suffix demo --replicas 1 --hours 1\n"
        "  %qftrain chat|evaluate [TRAINING]        (puts the cell below)\n"
        "  %qftrain compare TRAINING TRAINING ...\n"
        "  %qftrain sweep -d pairs.jsonl --grid learning_rate=1e-4,3e-4 --grid epoch=1,3 --eval "
        "rows.jsonl\n"
        "  %qftrain alert [TRAINING] --to FUNCTION|https://... --stalled-after 30"
    ),
    VERBS,
    modes=", ".join(TrainMode),
)
PARSER.add_option(
    "-d",
    "--dataset",
    metavar="DATA",
    help=tr_noop("a variable (Dataset, DataFrame), a .jsonl path, or ds-..."),
    verbs=("new", "start", "sweep"),
)
PARSER.add_option(
    "--input", metavar="COLUMN", help=tr_noop("the column of the questions; default: prompt"),
    verbs=("new", "start", "sweep"),
)  # fmt: skip
PARSER.add_option(
    "--reference", metavar="COLUMN", help=tr_noop("the column of the answers; default: response"),
    verbs=("new", "start", "sweep"),
)  # fmt: skip
PARSER.add_option(
    "-m",
    "--model",
    metavar="NAME",
    help=tr_noop("the model to tune; default ERNIE-4.5-Turbo-128K, or the first that is offered"),
    verbs=_TRAINS,
    complete=_offered_models,
)
PARSER.add_option(
    "--mode", metavar="MODE", help=tr_noop("{modes}; default SFT"), verbs=_TRAINS,
    complete=lambda _: [*TrainMode],
)  # fmt: skip
PARSER.add_option(
    "--from",
    dest="previous",
    metavar="TRAINING",
    help=tr_noop("go on from a finished training; --step chooses its checkpoint"),
)
PARSER.add_option(
    "--set",
    action="append",
    metavar="NAME=VALUE",
    help=tr_noop("a further hyper-parameter: seed=7, checkpoint_count=3, ..."),
    verbs=_TRAINS,
)
PARSER.add_option(
    "--step", type=_parse_step, metavar="STEP",
    help=tr_noop("a checkpoint by its step, or best: the lowest validation loss"),
    verbs=("start", "publish", "deploy", "evaluate"),
)  # fmt: skip
PARSER.add_option(
    "--epoch",
    type=int,
    metavar="N",
    help=tr_noop("how often the data is gone through"),
    verbs=_TRAINS,
)
PARSER.add_option(
    "--learning-rate", type=float, metavar="X", help=tr_noop("learning rate"), verbs=_TRAINS
)
PARSER.add_option(
    "--batch-size", type=int, metavar="N", help=tr_noop("rows for each step"), verbs=_TRAINS
)
PARSER.add_option(
    "--peft", metavar="TYPE", help=tr_noop("LoRA (default), ALL or P-tuning"), verbs=_TRAINS
)
PARSER.add_option(
    "--grid", action="append", metavar="NAME=A,B",
    help=tr_noop("sweep: the values of a hyper-parameter; every combination is "
                 "trained"), verbs=("sweep",),
)  # fmt: skip
PARSER.add_option(
    "--eval", dest="eval_data", metavar="DATA",
    help=tr_noop("sweep: rows that are not trained on; every model and the base model answer them "
                 "at the end"),
    verbs=("sweep",),
)  # fmt: skip
PARSER.add_option(
    "--metrics", metavar="M,M", help=tr_noop("sweep: how answers are scored; the first metric "
                                             "chooses"),
    verbs=("sweep",),
)  # fmt: skip
PARSER.add_option(
    "--parallel",
    type=int,
    metavar="N",
    help=tr_noop("sweep: trainings at a time, default 2"),
    verbs=("sweep",),
)
PARSER.add_option(
    "--dry-run",
    action="store_true",
    help=tr_noop("sweep: show what it takes, and start nothing"),
    verbs=("sweep",),
)
PARSER.add_option(
    "--deploy", metavar="SUFFIX", help=tr_noop("deploy it afterwards; the endpoint ends in SUFFIX")
)
PARSER.add_option(
    "--name", metavar="NAME", help=tr_noop("name of the job, the published model, or the service"),
    verbs=("start", "publish", "deploy"),
)  # fmt: skip
PARSER.add_option(
    "--suffix",
    metavar="SUFFIX",
    help=tr_noop("deploy: what the endpoint ends in"),
    verbs=("deploy",),
)
PARSER.add_option(
    "--replicas",
    type=int,
    metavar="N",
    help=tr_noop("deploy: number of replicas, default 1"),
    verbs=("deploy",),
)
PARSER.add_option(
    "--hours",
    type=int,
    metavar="N",
    help=tr_noop("deploy: hours paid in advance, default 1"),
    verbs=("deploy",),
)
PARSER.add_option(
    "--to",
    metavar="WHOM",
    help=tr_noop("alert: a function's variable, or an https address"),
    verbs=("alert",),
)
PARSER.add_option(
    "--stalled-after",
    type=float,
    metavar="MINUTES",
    help=tr_noop("alert: minutes without progress, default 30"),
    verbs=("alert",),
)
PARSER.add_option(
    "--again", action="store_true",
    help=tr_noop("train anew, though the same training runs or has a result; by default that one "
                 "is shown"),
    verbs=_TRAINS,
)  # fmt: skip
PARSER.add_option(
    "-o", "--out", type=variable_name, metavar="VAR", help=tr_noop("keep the trainer in a "
                                                                   "variable"),
    verbs=("new", "start", "attach", "resume", "sweep"),
)  # fmt: skip


def parse_setting(text: str) -> tuple[str, Any]:
    """Return the name and the value of `--set`: JSON where it is, else a text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        PARSER.error(tr("--set {text!r}: write NAME=VALUE, e.g. --set seed=7", text=text))
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parse_grid(text: str) -> tuple[str, list[Any]]:
    """Return the name and the values of `--grid`."""
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        PARSER.error(tr("--grid {text!r}: write NAME=A,B, e.g. --grid epoch=1,3", text=text))
    return name, [parse_setting(f"{name}={value}")[1] for value in values.split(",")]


def read_config(options: Namespace) -> TrainConfig:
    """Return the hyper-parameters that a line sets."""
    from ..trainer import TrainConfig  # noqa: PLC0415 - %load_ext stays fast

    return TrainConfig(
        epoch=options.epoch,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        peft_type=options.peft,
        extras=dict(map(parse_setting, options.set or ())) or None,
    )
