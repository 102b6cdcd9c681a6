"""The training step: start a run exactly once, and poll it to its end. Source: seed 004
(TrainAction).
"""

import logging
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, ClassVar

from .. import errors
from ..base.language import tr
from ..config import settings
from ..model.service import Poller
from ..resources.management.finetune import FineTune
from ..resources.management.listings import newest_rows
from ..transport.response import Response
from ..wire import finetune as wire
from .base import BaseAction, Facts, StoppedError
from .configs import TrainConfig, resolve_train_type, to_train_config
from .consts import ActionState
from .offer import default_config
from .run_store import RunRecord

PLATFORM = 1
BOS = 2
"""Types of a training set: a dataset on the platform, or an object in the user's own bucket."""

MAX_JOBS = 2000
MAX_RUNS = 100
"""Jobs, and runs of a job, that are searched for an existing one."""

log = logging.getLogger("qfnb.trainer")


class TrainAction(BaseAction):
    """Start a run and poll it to its end; returns task_id, job_id, metrics and checkpoints.

    With `task_id` it starts no run and only polls that one. After a run that failed or was stopped,
    `resume` starts a new one in the same job.

    Args:
        train_type: the model to tune.
        train_config: how to train.
        base_model: ignored; the platform derives it from `train_type`.
        task_id, job_id: ids of an existing run.
        train_mode: SFT (default), PostPretrain, DPO or KTO.
        job_name: name of the job on the platform; default qfnb_<run id>.
        increment_task_id: a finished run to continue from, at
        increment_checkpoint_step: one of its checkpoints; default: the last.

    Attributes:
        past: ids of earlier runs of the same job that failed or were stopped.
    """

    persisted: ClassVar = (
        "train_type", "task_id", "job_id", "job_name", "train_mode", "increment_task_id",
        "increment_checkpoint_step", "past",
    )  # fmt: skip

    def __init__(
        self,
        train_type: str | None = None,
        train_config: TrainConfig | Mapping[str, Any] | None = None,
        base_model: str | None = None,
        task_id: int | str | None = None,
        job_id: int | str | None = None,
        train_mode: str | None = None,
        job_name: str | None = None,
        increment_task_id: str | None = None,
        increment_checkpoint_step: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.train_type = train_type or ""
        self.train_config = to_train_config(train_config)
        self.base_model = base_model
        self.train_mode = train_mode or "SFT"
        self.task_id = task_id
        self.job_id = job_id
        self.job_name = job_name
        # unlike a name that is chosen it does not make another training of the same one
        self.default_name = ""
        self.increment_task_id = increment_task_id
        self.increment_checkpoint_step = increment_checkpoint_step
        self.past: list[str] = []
        self._end_state = ""

    @property
    def is_incr(self) -> bool:
        """Whether the run continues from a finished one."""
        return self.increment_task_id is not None

    def get_default_train_config(self, model_type: str) -> TrainConfig:
        """Return the platform's defaults for a model.

        Raises:
            InvalidArgumentError: the platform does not list the model.
        """
        return default_config(model_type, self.train_mode)

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Start a run, unless one exists, and poll it to its end."""
        if self.result is None:
            if self.task_id is None:
                self._start({**(input or {}), **kwargs})
            self.result = self._poll_run()
        return self.result

    def resume(self, facts: Facts | None = None, **kwargs: Any) -> Facts:
        """Poll the run further; after one that failed or was stopped, start a new one in the same
        job.
        """
        if self._end_state:
            self.past = [*self.past, str(self.task_id)]
            if self.record is not None:
                self.record.update(task_id=None, past=self.past)
            self.task_id = None
            self._end_state = ""
        return super().resume(facts, **kwargs)

    def stop(self, **_: Any) -> None:
        """Stop the run on the platform, and the polling; a failure to stop it is logged as an
        event.
        """
        if self.task_id and self.result is None:
            try:
                FineTune.V2.stop_task(str(self.task_id))
                self._end_state = wire.STOPPED
            except (errors.RequestError, errors.APIError) as error:
                reason = str(error).split("\n")[0]
                text = tr(
                    "run {run} could not be stopped: {reason}", run=self.task_id, reason=reason
                )
                self.action_event(ActionState.Stopped, text, {"stop_error": reason})
                log.warning(text)
        super().stop()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that `dumps` writes."""
        config = self.train_config.model_dump(mode="json")
        return {
            **super().to_dict(),
            "train_config": config,
            "result": self.result,
            "ended": self._end_state,
        }

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take over the settings that `to_dict` returned."""
        super().restore(value)
        self.train_config = TrainConfig(**value["train_config"])
        self.result = value.get("result")
        self._end_state = value.get("ended", "")

    def name_in(self, run: RunRecord) -> str:
        """Return the name that the job has, or will have, in a run."""
        return self.job_name or self.default_name or f"qfnb_{run.id.removeprefix('run-')}"

    def _start(self, facts: Facts) -> None:
        datasets = facts.get("datasets")
        if not datasets:
            raise errors.InvalidArgumentError(
                tr("TrainAction needs datasets: run LoadDataSetAction before it")
            )
        run = self.record = self.record or RunRecord.begin()
        self.job_name = self.name_in(run)
        find = partial(find_job, run.id)
        if not self.job_id:
            create = partial(self._create_job, self.job_name, run)
            self.job_id = run.create_once("job_id", create, find, tr("the job"))
        create = partial(self._create_task, str(self.job_id), datasets)
        find = partial(find_task, str(self.job_id), exclude=self.past)
        self.task_id = run.create_once("task_id", create, find, tr("the run"))

    def _create_job(self, name: str, run: RunRecord) -> str:
        model = resolve_train_type(self.train_type)
        response = FineTune.V2.create_job(
            name, model, self.train_mode, description=f"qfnb {run.id}"
        )
        return str(response.data.job_id)

    def _create_task(self, job_id: str, datasets: list[Facts]) -> str:
        config = self.train_config
        response = FineTune.V2.create_task(
            job_id,
            config.parameter_scale,
            config.hyper_parameters(),
            _dataset_config(datasets, config),
            self.increment_task_id,
            self.increment_checkpoint_step,
            corpus_config=config.corpus_config,
            resource_config=config.resource_config,
        )
        return str(response.data.task_id)

    def _poll_run(self) -> Facts:
        facts = {"task_id": self.task_id, "job_id": self.job_id}
        settled = {**facts, "hyper_parameters": self.train_config.hyper_parameters()}
        self.action_event(
            ActionState.Running, tr("run {run} is on the platform", run=self.task_id), settled
        )
        fetch = partial(FineTune.V2.task_detail, str(self.task_id))
        poller = Poller(fetch, settings().train_status_polling_interval, self.stop_requested)
        last_state = ""
        for poll in poller:
            if poll.answer is None:
                reason = str(poll.error).split("\n")[0]
                message = tr("the platform does not answer: {reason}", reason=reason)
                self.action_event(
                    ActionState.Running, message, {"offline_since": poll.failing_since}
                )
                continue
            if (result := self._check_answer(poll.answer)) is not None:
                return {**facts, **result}
            if (state := poll.answer.data.run_status or "") != last_state:
                poller.reset_interval()
            last_state = state
        raise StoppedError

    def _check_answer(self, answer: Response[wire.Task]) -> Facts | None:
        """Return the facts of a finished run, None while it runs; an unknown state counts as
        running.
        """
        task = answer.data
        self.job_id = self.job_id or task.job_id
        state = task.run_status or "accepted"
        self.action_event(
            ActionState.Running, tr("run {run}: {state}", run=self.task_id, state=state), answer
        )
        if task.run_status == wire.DONE:
            checkpoints = [row.to_wire() for row in task.checkpoint_list or ()]
            return {
                "job_id": self.job_id,
                "metrics": task.metrics or {},
                "checkpoints": checkpoints,
            }
        if task.run_status in {wire.STOPPED, wire.FAILED}:
            self._end_state = str(task.run_status)
        if task.run_status == wire.STOPPED:
            raise StoppedError
        if task.run_status == wire.FAILED:
            reason = task.message or tr("the platform gives no reason")
            raise errors.TrainingError(
                tr("run {run} failed: {reason}", run=self.task_id, reason=reason)
            )
        return None


def _dataset_config(datasets: list[Facts], config: TrainConfig) -> Facts:
    """Return the platform's `datasetConfig` of the training sets.

    Raises:
        InvalidArgumentError: some are on the platform and some are in a bucket.
    """
    source_types = {row.get("type", PLATFORM) for row in datasets}
    if len(source_types) > 1:
        raise errors.InvalidArgumentError(
            tr(
                "the datasets are of two types: put all of them on the platform, or all into a "
                "bucket"
            )
        )
    is_in_bucket = source_types == {BOS}
    versions: list[Facts] = []
    for row in datasets:
        version: Facts = (
            {"versionBosUri": row["bosPath"]} if is_in_bucket else {"versionId": row["id"]}
        )
        if config.sampling_rate is not None:
            version["samplingRate"] = config.sampling_rate
        versions.append(version)
    return {
        "sourceType": "Bos" if is_in_bucket else "Platform",
        "versions": versions,
        "splitRatio": config.trainset_rate,
    }


def find_job(run_id: str) -> str | None:
    """Return the id of the job whose description contains a run id (`run-...`), None where no job
    does.
    """
    jobs = newest_rows(
        lambda marker, size: FineTune.V2.job_list(marker=marker, max_keys=size),
        "job_list",
        MAX_JOBS,
    )
    return next((job.job_id for job in jobs if run_id in (job.description or "")), None)


def find_task(job_id: str, *, exclude: Collection[str]) -> str | None:
    """Return the id of the newest run of a job, None where it has no run but those to `exclude`."""
    tasks = FineTune.V2.task_list(job_id, max_keys=MAX_RUNS).data.task_list
    newest = sorted(tasks, key=lambda row: row.create_date or "", reverse=True)
    return next((row.task_id for row in newest if row.task_id not in exclude), None)


def read_task(task_id: str) -> wire.Task | None:
    """Return the platform's record of a run, None where it has none with this id.

    Raises:
        QianfanError: the platform cannot be reached, or refuses to say.
    """
    try:
        return FineTune.V2.task_detail(task_id).data
    except (errors.AuthError, errors.NotActivatedError, errors.RateLimitError, errors.ServerError):
        raise
    except errors.APIError:  # it does not accept the id
        return None
