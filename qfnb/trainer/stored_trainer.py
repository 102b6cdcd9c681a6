"""A training of the run store: restored from its record, and found again when the same training is
started.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from .. import connect
from ..base.language import tr
from ..base.private_files import write_atomically
from ..batching.request_spec import platform_name
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..evaluation.report.files import to_csv
from ..model import Model, Service
from ..wire import finetune as wire
from . import run_store
from .actions import (
    DeployAction,
    EvaluateAction,
    LoadDataSetAction,
    ModelPublishAction,
    TrainAction,
)
from .background import BackgroundTrainer
from .base import BaseAction
from .configs import DeployConfig, resolve_train_type
from .consts import FinetuneStatus
from .event import EventHandler
from .loss_diagnostics import checkpoint_rows
from .train_action import read_task

if TYPE_CHECKING:
    import pandas as pd

FINGERPRINT: Final = "fingerprint"
"""The stored fact that holds what a training learns from, and how; see `_fingerprint`."""

_ENDED_EARLY: Final = frozenset({FinetuneStatus.DatasetLoadStopped, FinetuneStatus.TrainStopped})
"""Stored states of a training that its user has stopped; the platform may call it running for a
while.
"""


class StoredTrainer(BackgroundTrainer):
    """A training whose record tells what it learns from, so that nobody pays for the same one
    twice.
    """

    def find_same(self) -> run_store.RunRecord | None:
        """Return the newest training with the same data, model, settings and name, None where there
        is none.

        It runs, or has a result; the platform is asked whether it still has it. One that was
        stopped or has failed is none, and where this training has been started itself, there is
        none either.

        Raises:
            QianfanError: the platform does not say whether it has the training.
        """
        fingerprint = _fingerprint(self.ppls[0].actions)
        if self.progress.started_at is not None or not fingerprint:
            return None
        runs = (run for run in run_store.list_runs() if run.facts.get(FINGERPRINT) == fingerprint)
        return next((run for run in runs if run.id != self.id and _is_useful(run)), None)

    def adopt(self, run: run_store.RunRecord) -> Self:
        """Become the training of a record: its state, with the data and event handlers of this one.

        Steps that only this one has, a deployment say, are added and started; `start()` continues
        other ones.
        """
        own = self.ppls[0].actions
        handlers = self._handlers
        actions = restore_actions(run.facts, None)
        if isinstance(own[0], LoadDataSetAction):
            actions[0] = own[0]
        self._restore(run, actions, None)
        self._handlers = handlers
        self.refresh()
        return self.add_missing_steps(own)

    def add_missing_steps(self, actions: Sequence[BaseAction]) -> Self:
        """Add and start those steps of a kind that the training lacks."""
        kinds = {type(action) for action in self.ppls[0].actions}
        missing = [action for action in actions if type(action) not in kinds]
        if missing:
            return self._append_actions(missing)
        return self

    @property
    def event_handlers(self) -> list[EventHandler]:
        """The handlers that receive each event."""
        return [*self._handlers]

    @property
    def checkpoints(self) -> pd.DataFrame:
        """The loss curve: step, losses in nats, rewards of preferences, and which step is kept or
        the best.
        """
        import pandas as pd  # noqa: PLC0415 - slow to import

        return pd.DataFrame(checkpoint_rows(self.progress.points))

    def curves(self, path: str | Path | None = None) -> pd.DataFrame:
        """Return the loss curve with what it is of: run, model, origin and settings, a row for each
        checkpoint.

        Args:
            path: a .csv file to write it to, as Excel opens it.

        Raises:
            InvalidArgumentError: the path ends in something else.
        """
        if path is not None and Path(path).suffix.lower() != ".csv":
            raise InvalidArgumentError(
                tr("{file}: curves are written as .csv", file=repr(Path(path).name))
            )
        progress = self.progress
        frame = self.checkpoints
        origin = "sandbox" if progress.from_sandbox else self._run.facts.get("platform")
        facts = {
            "run": self.id,
            "task_id": progress.task_id,
            "model": progress.title,
            "origin": origin,
        }
        facts |= {f"config/{name}": str(value) for name, value in progress.hyper_parameters.items()}
        frame = frame.assign(**facts)[[*facts, *frame]]
        if path is not None:
            with write_atomically(Path(path).expanduser()) as file:
                file.write(to_csv(frame))
        return frame

    @classmethod
    def _from_record(
        cls,
        run: run_store.RunRecord,
        handler: EventHandler | None,
        deploy_config: DeployConfig | None,
    ) -> Self:
        self = cls.__new__(cls)
        self._restore(run, restore_actions(run.facts, deploy_config), handler)
        return self

    def _restore(
        self, run: run_store.RunRecord, actions: Sequence[BaseAction], handler: EventHandler | None
    ) -> None:
        BackgroundTrainer.__init__(self, run, actions, handler)
        self.train_mode = next(
            (row.train_mode for row in actions if isinstance(row, TrainAction)), self.train_mode
        )
        self.ppls[0].position = min(int(run.facts.get("position", 0)), len(actions))
        self.ppls[0].facts = restore_objects(run.facts.get("facts") or {})

    def _start(self, facts: dict[str, Any], *, retry: bool = False) -> Self:
        if self.progress.started_at is None:
            # stored with the next state
            self._run.facts.setdefault(FINGERPRINT, _fingerprint(self.ppls[0].actions))
        return super()._start(facts, retry=retry)


def _is_useful(run: run_store.RunRecord) -> bool:
    """Return whether a training runs or has a result."""
    status = run.facts.get("status")
    task_id = run.facts.get("task_id")
    if status in _ENDED_EARLY:
        return False
    if not task_id:
        return status not in {FinetuneStatus.DatasetLoadFailed, FinetuneStatus.TrainFailed}
    task = read_task(str(task_id))
    return task is not None and task.run_status not in {wire.STOPPED, wire.FAILED}


def _fingerprint(actions: Sequence[BaseAction]) -> str:
    """Return the hash of what a training learns from and how, "" where only the platform knows it.

    What follows the training is not part of it: a model that is there is deployed, not trained once
    more.
    """
    load = next((action for action in actions if isinstance(action, LoadDataSetAction)), None)
    train = next((action for action in actions if isinstance(action, TrainAction)), None)
    if load is None or train is None:
        return ""
    sources: Sequence[tuple[Any, float | None]] = load.sources or [
        (load.dataset_bos_path or load.dataset, None)
    ]
    if any(source is None for source, _ in sources):
        return ""
    settings = {
        "platform": platform_name(connect.current_platform()),
        "model": resolve_train_type(train.train_type),
        "mode": train.train_mode,
        "config": train.train_config.model_dump(mode="json", exclude_none=True),
        "name": train.job_name,
        "previous": [train.increment_task_id, train.increment_checkpoint_step],
    }
    digest = hashlib.blake2b(_to_json(settings), digest_size=16)
    for source, rate in sources:
        digest.update(_to_json([_content(source), rate]))
    return digest.hexdigest()


def _content(source: Any) -> Any:
    """Return the rows of a dataset, or where it is: its id or its address."""
    if not isinstance(source, Dataset):
        return source
    if source.id is None:
        return [dict(row) for row in source.rows]
    return source.id


def _to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).encode(
        "utf-8", "surrogatepass"
    )


def restore_actions(
    facts: Mapping[str, Any], deploy_config: DeployConfig | None
) -> list[BaseAction]:
    """Return the actions of a stored training; of one started elsewhere, those that poll and
    publish it.
    """
    rows = facts.get("actions") or [{"type": "TrainAction"}, {"type": "ModelPublishAction"}]
    actions: list[BaseAction] = []
    for row in rows:
        if (action_class := _ACTION_CLASSES.get(str(row.get("type")))) is None:
            kind = repr(row.get("type"))
            raise InvalidArgumentError(
                tr("this version of qfnb has no action {kind}: update it", kind=kind)
            )
        action = action_class()
        if "id" in row:
            action.restore(row)
        if isinstance(action, TrainAction):  # the record is newer than the stored action
            action.task_id = facts.get("task_id") or action.task_id
            action.job_id = facts.get("job_id") or action.job_id
        actions.append(action)
    if deploy_config is None:
        return actions
    return [
        *(row for row in actions if not isinstance(row, DeployAction)),
        DeployAction(deploy_config),
    ]


_ACTION_CLASSES: dict[str, type[BaseAction]] = {
    kind.__name__: kind
    for kind in (LoadDataSetAction, TrainAction, ModelPublishAction, DeployAction, EvaluateAction)
}


def restore_objects(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with the model and the service, which JSON does not hold."""
    restored = dict(facts)
    if version := restored.get("model_version_id"):
        run = restored.get("task_id"), restored.get("job_id")
        restored["model"] = Model(version, None, *run, set_id=restored.get("model_set_id"))
    if endpoint := restored.get("service_endpoint"):
        restored["service"] = Service(restored.get("service_id"), endpoint, restored.get("model"))
    return restored
