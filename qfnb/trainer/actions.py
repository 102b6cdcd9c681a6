"""The steps of a fine-tuning: data on the platform, a run, a published model, a service. Source: seed 004."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any, ClassVar

from .. import connect
from ..config import settings
from ..dataset import Dataset
from ..errors import (
    APIError,
    AuthError,
    InvalidArgumentError,
    RateLimitError,
    RequestError,
    ServerError,
    TrainingError,
)
from ..model import Model
from ..resources.finetune import FineTune
from ..transport import clock
from ..transport.response import Response
from ..wire import finetune as wire
from . import store
from .base import BaseAction, Facts, StoppedError
from .configs import DeployConfig, TrainConfig, platform_name
from .consts import ActionState

log = logging.getLogger("qfnb.trainer")

LONGEST_PAUSE = 60.0
"""Seconds between two looks while the platform is out of reach."""


class LoadDataSetAction(BaseAction):
    """Bring the dataset onto the platform; returns {"datasets": [{"id", "type"}]}."""

    def __init__(self, dataset: Dataset | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Upload what is local, release it, and return its id."""
        if self.dataset is None:
            raise InvalidArgumentError("LoadDataSetAction needs a dataset")
        rows = f"{len(self.dataset)} rows" if len(self.dataset) else str(self.dataset.id)
        self.action_event(ActionState.Running, f"bringing {rows} onto the platform")
        dataset_id = self.dataset.release(stopped=self.stopping)
        return {"datasets": [{"id": dataset_id, "type": 1, "name": self.dataset.name}]}


class TrainAction(BaseAction):
    """Start a run and watch it to its end; returns task_id, job_id, metrics and checkpoints.

    With `task_id` given it starts nothing and only watches.
    """

    remembered: ClassVar = ("train_type", "task_id", "job_id", "job_name")

    def __init__(
        self,
        train_type: str | None = None,
        train_config: TrainConfig | None = None,
        base_model: str | None = None,
        task_id: str | None = None,
        job_id: str | None = None,
        train_mode: str | None = None,
        job_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.train_type = train_type or ""
        self.train_config = train_config or TrainConfig()
        self.base_model, self.train_mode = base_model, train_mode or "SFT"
        self.task_id, self.job_id = task_id, job_id
        self.job_name = job_name or f"qfnb_{secrets.token_hex(4)}"
        self.result: Facts | None = None

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Start the run, unless there is one, and watch it."""
        if self.result is None:
            if self.task_id is None:
                self._start(input or {})
            self.result = self._watch()
        return self.result

    def stop(self) -> None:
        """Stop watching, and stop the run on the platform."""
        super().stop()
        if self.task_id and self.result is None:
            try:
                FineTune.V2.stop_task(self.task_id)
            except (RequestError, APIError) as error:
                log.warning("run %s could not be stopped: %s", self.task_id, error)

    def _start(self, facts: Facts) -> None:
        datasets = [str(row["id"]) for row in facts.get("datasets", ())]
        if not datasets:
            raise InvalidArgumentError("TrainAction needs datasets: run LoadDataSetAction before it")
        model = platform_name(self.train_type)
        self.job_id = FineTune.V2.create_job(self.job_name, model, self.train_mode).data.job_id
        task = FineTune.V2.create_task(
            self.job_id,
            datasets,
            parameter_scale=self.train_config.parameter_scale,
            hyper_parameters=self.train_config.hyper_parameters(),
            split_ratio=self.train_config.trainset_rate,
        )
        self.task_id = task.data.task_id
        store.remember(
            {
                "task_id": self.task_id,
                "job_id": self.job_id,
                "name": self.job_name,
                "train_type": self.train_type,
                "created": time.time(),
                "platform": connect.current_platform().name,
                "host": connect.current_platform().host,
                "status": "Training",
            }
        )

    def _watch(self) -> Facts:
        facts = {"task_id": self.task_id, "job_id": self.job_id}
        self.action_event(ActionState.Running, f"run {self.task_id} is on the platform", facts)
        seconds = connect.polling_interval(settings().train_status_polling_interval)
        bad, since = 0, None
        while True:
            try:
                answer, bad, since = FineTune.V2.task_detail(str(self.task_id)), 0, None
            except (RequestError, ServerError, RateLimitError) as error:
                bad, since = bad + 1, since or time.time()
                self.action_event(
                    ActionState.Running, f"the platform does not answer: {error}", {"offline_since": since}
                )
            except AuthError:
                bad += 1
                if bad >= 3:
                    raise
            else:
                if (done := self._judge(answer)) is not None:
                    return facts | done
            if clock.pause(min(seconds * 2 ** min(bad, 6), max(LONGEST_PAUSE, seconds)), self.stopping):
                raise StoppedError

    def _judge(self, answer: Response[wire.Task]) -> Facts | None:
        """Return the facts of a finished run, None while it goes on; unknown states go on."""
        task = answer.data
        self.job_id = self.job_id or task.job_id
        state = task.run_status or "accepted"
        self.action_event(ActionState.Running, f"run {self.task_id}: {state}", answer)
        if task.run_status == wire.DONE:
            store.remember({"task_id": self.task_id, "status": "TrainFinished"})
            checkpoints = [row.to_wire() for row in task.checkpoint_list or ()]
            return {"job_id": self.job_id, "metrics": task.metrics or {}, "checkpoints": checkpoints}
        if task.run_status == wire.STOPPED:
            store.remember({"task_id": self.task_id, "status": "TrainStopped"})
            raise StoppedError
        if task.run_status == wire.FAILED:
            store.remember({"task_id": self.task_id, "status": "TrainFailed"})
            reason = task.message or "the platform gives no reason"
            raise TrainingError(f"run {self.task_id} failed: {reason}")
        return None


class ModelPublishAction(BaseAction):
    """Publish the finished run as a model; adds model_set_id, model_id, model_version_id and model."""

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Publish and wait until the model is ready."""
        facts = input or {}
        self.action_event(ActionState.Running, "publishing the model", facts)
        model = Model(task_id=facts.get("task_id"), job_id=facts.get("job_id"))
        model.publish(stopped=self.stopping)
        store.remember(
            {"task_id": facts.get("task_id"), "status": "ModelPublished", "model_version_id": model.id}
        )
        return {
            "model_set_id": model.set_id,
            "model_id": model.set_id,
            "model_version_id": model.id,
            "model": model,
        }


class DeployAction(BaseAction):
    """Deploy the published model; adds service_id, service_endpoint and service."""

    def __init__(self, deploy_config: DeployConfig | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deploy_config = deploy_config

    def exec(self, input: Facts | None = None, **kwargs: Any) -> Facts:  # noqa: A002
        """Deploy and wait until the service serves."""
        facts = input or {}
        if self.deploy_config is None:
            raise InvalidArgumentError("DeployAction needs a deploy_config")
        model = facts.get("model") or Model(version_id=facts.get("model_version_id"))
        self.action_event(ActionState.Running, "deploying the model", {"model": model})
        service = model.deploy(self.deploy_config, stopped=self.stopping)
        found = {"service_id": service.id, "service_endpoint": service.endpoint, "service": service}
        if facts.get("task_id"):
            store.remember({"task_id": facts["task_id"], "status": "Deployed", "endpoint": service.endpoint})
        return found
