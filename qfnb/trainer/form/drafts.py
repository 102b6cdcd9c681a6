"""Saved drafts of the form, one JSON file each, and the drafts of past runs."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...base.language import tr
from ...base.private_files import write_private
from ...base.text import listed
from ...config import state_dir
from ...errors import InvalidArgumentError
from ...wire import finetune as wire
from .. import run_store
from ..configs import TrainConfig
from .launch_form import Draft, FinalStep


def save(name: str, draft: Draft) -> None:
    """Save a draft under a name, over an older one; only this user can read the file.

    Raises:
        InvalidArgumentError: the name is not valid, or the file cannot be written.
    """
    path = _path(name)
    try:
        write_private(path, json.dumps(draft.model_dump(), ensure_ascii=False, indent=1))
    except OSError as error:
        raise InvalidArgumentError(
            tr("The settings “{name}” cannot be saved: {reason}.", name=name, reason=error.strerror)
        ) from None


def load(key: str) -> Draft:
    """Return the draft saved under a name, or that of a past run (`run-...`).

    Raises:
        InvalidArgumentError: no draft has this name, or the file is not a draft.
    """
    name = key.strip()
    if name.startswith("run-") and (run := run_store.find_run(name.split()[0])) is not None:
        return clone_run(run)
    path = _path(name)
    try:
        return Draft(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        names = listed(list_names())
        text = tr("There are no settings “{name}”; none have been saved yet.", name=name)
        if names:
            text = tr("There are no settings “{name}”; there are {names}.", name=name, names=names)
        raise InvalidArgumentError(text) from None
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).split("\n")[0]
        raise InvalidArgumentError(
            tr("The settings “{name}” cannot be read: {reason}", name=name, reason=reason)
        ) from None


def list_names() -> list[str]:
    """Return the names of the saved drafts."""
    return sorted(path.stem for path in state_dir("launches").glob("*.json"))


def list_configurations() -> tuple[str, ...]:
    """Return the names that `load` takes: those of the saved drafts, and of the last 20 runs that
    can be cloned: id, model and name of the job.
    """
    labels = []
    for run in run_store.list_runs():
        if "TrainAction" in _actions_by_type(run.facts):
            columns = map(run.facts.get, ("id", "train_type", "name"))
            labels.append(" ".join(filter(None, columns)))
    return (*list_names(), *labels[:20])


def clone_run(run: run_store.RunRecord) -> Draft:
    """Return the draft of a past run; its dataset is the one on the platform.

    Raises:
        InvalidArgumentError: the run was not started on this computer.
    """
    actions = _actions_by_type(run.facts)
    train = actions.get("TrainAction", {})
    publish = actions.get("ModelPublishAction")
    deploy = actions.get("DeployAction", {}).get("deploy_config") or {}
    if "train_config" not in train:
        raise InvalidArgumentError(
            tr(
                "{run} was started on another computer: its settings are not stored here.",
                run=run.id,
            )
        )
    datasets = (run.facts.get("facts") or {}).get("datasets") or [{}]
    config = TrainConfig(**train["train_config"])
    after: FinalStep = "train" if publish is None else "publish"
    if deploy:
        after = "deploy"
    texts = {
        "model": train.get("train_type"),
        "mode": train.get("train_mode") or wire.SFT,
        "dataset": datasets[0].get("id"),
        "held_out": config.trainset_rate,
        "model_name": (publish or {}).get("model_name"),
        "suffix": deploy.get("endpoint_suffix") or deploy.get("endpoint_prefix"),
        "replicas": deploy.get("replicas"),
        "hours": deploy.get("hours"),
    }
    return Draft(
        scale=config.parameter_scale,
        values=config.hyper_parameters(),
        after=after,
        **{name: "" if value is None else str(value) for name, value in texts.items()},
    )


def _actions_by_type(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        str(row.get("type")): row for row in facts.get("actions") or () if isinstance(row, dict)
    }


def _path(name: str) -> Path:
    if not re.fullmatch(r"\w[\w\-]{0,59}", name.strip()):
        raise InvalidArgumentError(
            tr(
                "“{name}” cannot be a name: use up to 60 letters, digits, _ and -, and begin with "
                "a letter or digit.",
                name=name,
            )
        )
    return state_dir("launches") / f"{name.strip()}.json"
