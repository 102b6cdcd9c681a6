"""The options of `%qftrain`, and which training or service a word names: a variable, an id, a name,
an endpoint, or the newest.
"""

from __future__ import annotations

import contextlib
import json
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import connect
from ..base.language import tr, tr_noop
from ..base.text import clip, did_you_mean, listed
from ..errors import InvalidArgumentError, QianfanError
from ..wire import catalog
from ..wire.finetune import TrainMode
from .parser import MagicOption, quote_word, store_variable, user_variables, variable_name
from .verb_magic import VerbParser, choose_only

if TYPE_CHECKING:
    from ..trainer import LLMFinetune, TrainConfig
    from ..wire.service import ServiceDetail

VERBS = (
    "new", "sample", "start", "list", "status", "attach", "show", "wait", "stop", "resume",
    "publish", "deploy", "chat",
    "evaluate", "compare", "alert", "sweep",
)  # fmt: skip

UNFINISHED_VERBS: Final = frozenset({"attach", "stop"})
"""Verbs that without a name mean a training that has not ended, wherever it was started."""

RESULT_VERBS: Final = frozenset({"publish", "deploy", "chat", "evaluate"})
"""Verbs for which it does not matter whether a training has ended."""

RECORD_VERBS: Final = frozenset({"attach", "stop", "resume", "publish", "deploy"})
"""Verbs that prefer the stored training to a trainer of this kernel that is not running."""


ENDPOINT: Final = re.compile(r"[0-9a-z]{8}_\w+")
"""The endpoint of a service of one's own."""


MAX_NAMES_CHARS: Final = 300
MAX_SERVICES: Final = 100  # of which a name is looked for, and what a list has at most


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
_DATA_VERBS = ("new", *_TRAINS)
_SWEEP = ("sweep",)
_DEPLOY = ("deploy",)
_ALERT = ("alert",)

OPTIONS = (
    MagicOption(
        "a variable (Dataset, DataFrame), a file (.jsonl, .csv, ...), or ds-...",
        "--dataset",
        "DATA",
        "-d",
        verbs=_DATA_VERBS,
    ),
    MagicOption(
        "the column of the questions; default: prompt", "--input", "COLUMN", verbs=_DATA_VERBS
    ),
    MagicOption(
        "the column of the answers; default: response", "--reference", "COLUMN", verbs=_DATA_VERBS
    ),
    MagicOption(
        "the model to tune; default ERNIE-4.5-Turbo-128K, or the first that is offered",
        "--model",
        "NAME",
        "-m",
        verbs=_TRAINS,
        complete=_offered_models,
    ),
    MagicOption(
        "{modes}; default SFT", "--mode", "MODE", verbs=_TRAINS, complete=lambda _: [*TrainMode]
    ),
    MagicOption(
        "go on from a finished training; --step chooses its checkpoint",
        "--from",
        "TRAINING",
        dest="previous",
    ),
    MagicOption(
        "a further hyper-parameter: seed=7, checkpoint_count=3, ...",
        "--set",
        "NAME=VALUE",
        repeated=True,
        verbs=_TRAINS,
    ),
    MagicOption(
        "a checkpoint by its step, or best: the lowest validation loss",
        "--step",
        "STEP",
        parse=_parse_step,
        verbs=("start", "publish", "deploy", "evaluate"),
    ),
    MagicOption(
        "how often the data is gone through", "--epoch", "N", keyword="epoch", verbs=_TRAINS
    ),
    MagicOption("learning rate", "--learning-rate", "X", keyword="learning_rate", verbs=_TRAINS),
    MagicOption("rows for each step", "--batch-size", "N", keyword="batch_size", verbs=_TRAINS),
    MagicOption(
        "LoRA (default), ALL or P-tuning", "--peft", "TYPE", keyword="peft_type", verbs=_TRAINS
    ),
    MagicOption(
        "sweep: the values of a hyper-parameter; every combination is trained",
        "--grid",
        "NAME=A,B",
        repeated=True,
        verbs=_SWEEP,
    ),
    MagicOption(
        "sweep: rows that are not trained on; every model and the base model answer them "
        "at the end",
        "--eval",
        "DATA",
        dest="eval_data",
        verbs=_SWEEP,
    ),
    MagicOption(
        "sweep: how answers are scored; the first metric chooses", "--metrics", "M,M", verbs=_SWEEP
    ),
    MagicOption("sweep: trainings at a time, default 2", "--parallel", "N", verbs=_SWEEP),
    MagicOption("sweep: show what it takes, and start nothing", "--dry-run", verbs=_SWEEP),
    MagicOption("deploy it afterwards; the endpoint ends in SUFFIX", "--deploy", "SUFFIX"),
    MagicOption(
        "name of the job, the published model, or the service",
        "--name",
        "NAME",
        verbs=("start", "publish", "deploy"),
    ),
    MagicOption(
        "deploy: what the endpoint ends in",
        "--suffix",
        "SUFFIX",
        keyword="endpoint_suffix",
        verbs=_DEPLOY,
    ),
    MagicOption(
        "deploy: number of replicas, default 1",
        "--replicas",
        "N",
        keyword="replicas",
        verbs=_DEPLOY,
    ),
    MagicOption(
        "deploy: hours paid in advance, default 1", "--hours", "N", keyword="hours", verbs=_DEPLOY
    ),
    MagicOption("alert: a function's variable, or an https address", "--to", "WHOM", verbs=_ALERT),
    MagicOption(
        "alert: minutes without progress, default 30",
        "--stalled-after",
        "MINUTES",
        parse=float,
        verbs=_ALERT,
    ),
    MagicOption(
        "train anew, though the same training runs or has a result; by default that one is shown",
        "--again",
        verbs=_TRAINS,
    ),
    MagicOption(
        "keep the trainer in a variable",
        "--out",
        "VAR",
        "-o",
        parse=variable_name,
        verbs=("new", "start", "attach", "resume", "sweep"),
    ),
)

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
    OPTIONS,
    modes=", ".join(TrainMode),
)


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

    extras = dict(map(parse_setting, options.set or ()))
    return TrainConfig(**PARSER.keywords(options), extras=extras or None)


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


def create_trainer(shell: Any, options: Namespace) -> LLMFinetune:
    """Return the trainer that a line describes, not yet started."""
    from ..model import DeployConfig  # noqa: PLC0415 - %load_ext stays fast
    from ..trainer import LLMFinetune  # noqa: PLC0415
    from ..trainer.loss_diagnostics import resolve_step  # noqa: PLC0415
    from ..trainer.offer import default_model  # noqa: PLC0415

    previous = None
    step = None
    if options.previous:
        previous = find_trainer(shell, options.previous)
        step = resolve_step(options.step, previous.progress.points)
    elif options.step is not None:
        PARSER.error(tr("--step needs --from TRAINING: it is a checkpoint of that training"))
    model = options.model or (previous.train_type if previous else default_model())
    config = read_config(options)
    _refuse_unlisted(model, config, options.mode or "SFT")
    return LLMFinetune(
        model,
        read_data(shell, options),
        config,
        DeployConfig(endpoint_suffix=options.deploy) if options.deploy else None,
        name=options.name,
        train_mode=options.mode,
        previous_trainer=previous,
        previous_step=step,
    )


def _refuse_unlisted(model: str, config: TrainConfig, mode: str) -> None:
    """Raise for what the sandbox's list of models does not have: it takes nothing else. What a
    platform's list does not have is sent, since lists age.
    """
    from ..trainer.offer import list_differences  # noqa: PLC0415 - %load_ext stays fast

    if connect.current_platform().name != "sandbox":
        return
    if differences := list_differences(model, config, mode):
        raise InvalidArgumentError(tr("; ").join(differences))


def list_trainers(shell: Any) -> list[LLMFinetune]:
    """Return the trainers of this kernel, those in variables before those in panels, the newest
    last; none without a shell.
    """
    if shell is None:
        return []
    from ..trainer import LLMFinetune  # noqa: PLC0415 - %load_ext stays fast
    from ..views.panel import RECENT_PANELS  # noqa: PLC0415

    values = [value for value in user_variables(shell).values() if isinstance(value, LLMFinetune)]
    started = [value for value in values if value.progress.started_at is not None]
    started.sort(key=lambda trainer: trainer.progress.started_at or 0.0)
    return [*started, *(panel.job for panel in RECENT_PANELS if isinstance(panel.job, LLMFinetune))]


def find_trainer(shell: Any, target: str, verb: str = "show") -> LLMFinetune:
    """Return a trainer of this kernel, or attach one, without starting it, to a training of another
    kernel.

    Args:
        shell: whose variables are looked at.
        target: a variable, a name, `run-...` or `task-...`; "" for the one that the verb can mean.
        verb: what is done with it.

    Raises:
        InvalidArgumentError: no such training, or several.
    """
    from ..trainer import LLMFinetune, run_store  # noqa: PLC0415

    trainers = list_trainers(shell)
    if not target and trainers and verb not in UNFINISHED_VERBS:
        return trainers[-1]
    target = target or only_training(trainers, verb)
    variables = {
        name: value
        for name, value in user_variables(shell).items()
        if isinstance(value, LLMFinetune)
    }
    if target in variables:
        return variables[target]
    matches = [trainer for trainer in trainers if target in _names_of(trainer)]
    if matches and (matches[-1].is_running or verb not in RECORD_VERBS):
        return matches[-1]
    runs = run_store.list_runs()
    stored = next((run.id for run in runs if target in {run.id, run.facts.get("name")}), "")
    if stored or target.startswith("task-"):
        trainer = LLMFinetune.attach(stored or target)
        for name, value in variables.items():
            if value.id == trainer.id:
                store_variable(shell, name, trainer)  # a variable and a name mean the same
        return trainer
    hint = did_you_mean(target, [*variables, *(run.id for run in runs)]) or tr(
        "; `%qftrain list` shows stored ones"
    )
    text = tr(
        "{target!r} is neither a trainer's variable nor a training's name or id", target=target
    )
    raise InvalidArgumentError(text + hint)


def _names_of(trainer: LLMFinetune) -> set[str]:
    progress = trainer.progress
    return {progress.run_id, progress.task_id, progress.job_name}


def only_training(trainers: Sequence[LLMFinetune], verb: str) -> str:
    """Return the name of the only training that a verb without one can mean: one that has not
    ended, else any.

    Raises:
        InvalidArgumentError: there is none, or there are several.
    """
    from ..trainer import run_store  # noqa: PLC0415

    runs = run_store.list_runs()
    running = [trainer.id for trainer in trainers if trainer.is_running]
    candidates = [run for run in runs if run.is_unfinished or run.id in running]
    if verb in RESULT_VERBS or (not candidates and verb != "stop"):
        candidates = runs
    names = [str(run.facts.get("name") or run.id) for run in runs]
    labels = []
    for run in candidates:
        name = names[runs.index(run)]
        labels.append(name if names.count(name) == 1 else run.id)
    when_none = tr("no training is stored on this computer: the form starts one")
    cell = "%qftrain"
    if verb == "stop":
        when_none = tr("no training is running")
        cell = "%qftrain list"
    return choose_only(PARSER, verb, labels, when_none, cell)


def _services(shell: Any) -> Iterator[tuple[set[str], str]]:
    """Yield names and ids of each training with the endpoint of its service, "" where it has none;
    those of this kernel first, and those of other kernels if they are of this platform.
    """
    from .. import connect  # noqa: PLC0415
    from ..batching.request_spec import platform_name  # noqa: PLC0415
    from ..trainer import run_store  # noqa: PLC0415

    for trainer in reversed(list_trainers(shell)):
        yield _names_of(trainer), trainer.progress.service_endpoint
    runs = run_store.list_runs()
    here = ""
    if runs:
        here = platform_name(connect.current_platform())
    for run in runs:
        if run.facts.get("platform") == here:
            names = {run.id, str(run.facts.get("name")), str(run.facts.get("task_id"))}
            yield names, str((run.facts.get("facts") or {}).get("service_endpoint") or "")


def find_endpoint(shell: Any, name: str) -> str | None:
    """Return the endpoint of a training's service, "" where it has none; None where no training has
    the name or id.
    """
    return next((endpoint for names, endpoint in _services(shell) if name in names), None)


def service_endpoints(shell: Any) -> set[str]:
    """Return the endpoints of the services of all trainings, those of other kernels included."""
    return {endpoint for _, endpoint in _services(shell)}


def resolve_endpoint(shell: Any, name: str | None) -> str | None:
    """Return the endpoint that a word names.

    Args:
        shell: whose variables are looked at; None on the command line.
        name: an endpoint, its suffix, a service's name or id, a training's name or id, or a
            variable that holds a service, a trainer or one of these words.

    Raises:
        InvalidArgumentError: the variable holds something else, the training has no service, or
            nothing has the name.
    """
    value = user_variables(shell).get(name or "", name)
    if value is None:
        return None
    if isinstance(value, str):
        if ENDPOINT.fullmatch(value) or catalog.find_model(None, value):
            return value
        return _require_deployed(value, find_endpoint(shell, value)) or _find_endpoint(value)
    from ..trainer.progress import TrainingProgress  # noqa: PLC0415 - %load_ext stays fast

    if isinstance(progress := getattr(value, "progress", None), TrainingProgress):
        return _require_deployed(str(name), progress.service_endpoint)
    attribute = getattr(value, "endpoint", None)
    if not isinstance(attribute, str):
        kind = type(value).__name__
        raise InvalidArgumentError(
            tr("-e {name}: the variable holds a {kind}, not a service", name=name, kind=kind)
        )
    return attribute


def find_service(shell: Any, name: str) -> str:
    """Return the endpoint of the service that a word in the place of a model names: a variable's, a
    training's or its own; "" for a model's name.

    Raises:
        InvalidArgumentError: the training has no service; ends in the cell that deploys it.
    """
    value = user_variables(shell).get(name)
    if hasattr(value, "progress") or isinstance(getattr(value, "endpoint", None), str):
        return resolve_endpoint(shell, name) or ""
    if catalog.find_model(None, name):
        return ""
    if endpoint := _require_deployed(name, find_endpoint(shell, name)):
        return endpoint
    with contextlib.suppress(InvalidArgumentError):  # no service has this name
        endpoint = _find_endpoint(name)
        if endpoint != name or ENDPOINT.fullmatch(name):
            return endpoint
    return ""


def _require_deployed(name: str, endpoint: str | None) -> str | None:
    """Return the endpoint of a training's service, None where no training has the name.

    Raises:
        InvalidArgumentError: the training has no service; ends in the cell that deploys it.
    """
    if endpoint == "":
        text = tr("-e {name}: this training's model is not deployed yet", name=name)
        raise InvalidArgumentError(f"{text}\n%qftrain deploy {quote_word(name)}")
    return endpoint


def _find_endpoint(name: str) -> str:
    """Return the endpoint of the newest service that a word names; the word where the platform does
    not tell.

    Raises:
        InvalidArgumentError: the account has no such service; names those it has.
    """
    from ..resources.management.service import Service  # noqa: PLC0415

    try:
        page = Service.V2.service_list(max_keys=MAX_SERVICES).data
    except QianfanError:
        return name
    rows = page.service_list
    matches = [
        row for row in rows if name in {row.name, row.endpoint, row.service_id, _suffix(row)}
    ]
    if matches:
        return max(matches, key=lambda row: row.create_time or "").endpoint
    if page.page_info and page.page_info.is_truncated:
        return name
    names = list(dict.fromkeys(row.name for row in rows))
    if not names:
        raise InvalidArgumentError(
            tr("-e {name}: this account has no service; -m asks a model", name=name)
        )
    raise InvalidArgumentError(
        tr(
            "-e {name}: no service of this account has this name{hint}\nIts services: {names}",
            name=name,
            hint=did_you_mean(name, names),
            names=clip(listed(names), MAX_NAMES_CHARS),
        )
    )


def _suffix(row: ServiceDetail) -> str:
    """Return the part of an endpoint that a person chose, `bike1` of `ab12cd34_bike1`."""
    if ENDPOINT.fullmatch(row.endpoint):
        return row.endpoint.partition("_")[2]
    return ""
