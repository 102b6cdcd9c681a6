"""Fine-tuning, console v2 (`/v2/finetuning?Action=`): a job is the folder, a task is one run in it.

v1 used the two words the other way round; the resources translate.
"""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from .base import ConsoleRecord, Endpoint, Nothing

_PATH = "/v2/finetuning"

PENDING, RUNNING, DONE, FAILED, STOPPED = "Waiting", "Running", "Done", "Failed", "Stopped"
"""Values of runStatus; an accepted run that is not scheduled yet has ""."""


class CreateJob(ConsoleRecord):
    """The folder that a model's runs live in; `train_mode` SFT, PostPretrain, DPO or KTO."""

    name: str
    model: str
    train_mode: str = "SFT"
    description: str | None = None


class JobCreated(ConsoleRecord):
    """`job_id` is `job-...`."""

    job_id: str


class DatasetVersionRef(ConsoleRecord):
    """One training set; `sampling_rate` 1.0 takes every row once."""

    version_id: str
    sampling_rate: float = 1.0


class DatasetConfig(ConsoleRecord):
    """Where the data is; `split_ratio` percent of it is held out for validation."""

    source_type: str = "Platform"
    versions: list[DatasetVersionRef]
    split_ratio: int = 20


class CreateTask(ConsoleRecord):
    """One run; hyper-parameters are camelCase keys (epoch, learningRate, batchSize, maxSeqLen, ...)."""

    job_id: str
    parameter_scale: str = "LoRA"
    hyper_parameter_config: dict[str, Any] = {}
    dataset_config: DatasetConfig


class TaskCreated(ConsoleRecord):
    """`task_id` is `task-...`."""

    job_id: str
    task_id: str


class TaskRef(ConsoleRecord):
    """Which run."""

    task_id: str


class Checkpoint(ConsoleRecord):
    """A point of the loss curve; loss in nats."""

    step: int
    training_loss: float | None = None
    perplexity: float | None = None
    validation_loss: float | None = None


class Task(ConsoleRecord):
    """A run's state; any field may be absent in any state, and unknown states are shown, not refused."""

    task_id: str = ""
    job_id: str = ""
    job_name: str | None = None
    model: str | None = None
    train_mode: str | None = None
    parameter_scale: str | None = None
    run_status: str | None = None
    run_progress: int | None = None
    vdl_link: str | None = None
    metrics: dict[str, Any] | None = None
    checkpoint_list: list[Checkpoint] | None = None
    create_date: str | None = None
    finish_date: str | None = None
    message: str | None = None

    @field_validator("run_progress", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        """Read "37%", "37", 37 and 37.2 alike; anything else is unknown."""
        try:
            return round(float(str(value).rstrip("% ")))
        except ValueError:
            return None


class SupportedParameter(ConsoleRecord):
    """One hyper-parameter: `check_type` range (two numbers, inclusive), choice or mult_choice."""

    key: str
    type: str = "string"
    check_type: str = "range"
    check_value: list[Any] = []
    default: Any = None


class SupportedScale(ConsoleRecord):
    """What one way of tuning (LoRA, FullFineTuning, PromptTuning) lets you set."""

    parameter_scale: str
    support_hyper_parameter_config: list[SupportedParameter] = []


class SupportedMode(ConsoleRecord):
    """SFT, PostPretrain, DPO, KTO."""

    train_mode: str
    support_parameter_scale: list[SupportedScale] = []


class SupportedModel(ConsoleRecord):
    """A model that can be tuned, and how."""

    model: str
    model_type: str | None = None
    base_model: str | None = None
    support_train_mode: list[SupportedMode] = []


def _row(name: str, action: str, body: Any, result: Any, *, repeatable: bool = True) -> Endpoint[Any, Any]:
    return Endpoint(
        f"finetune.{name}", _PATH, body, result, plane="console", action=action, repeatable=repeatable
    )


CREATE_JOB: Endpoint[CreateJob, JobCreated] = _row(
    "create_job", "CreateFineTuningJob", CreateJob, JobCreated, repeatable=False
)
CREATE_TASK: Endpoint[CreateTask, TaskCreated] = _row(
    "create_task", "CreateFineTuningTask", CreateTask, TaskCreated, repeatable=False
)
DESCRIBE_TASK: Endpoint[TaskRef, Task] = _row("describe_task", "DescribeFineTuningTask", TaskRef, Task)
STOP_TASK: Endpoint[TaskRef, bool] = _row("stop_task", "StopFineTuningTask", TaskRef, bool)
SUPPORT_MODELS: Endpoint[Nothing, list[SupportedModel]] = _row(
    "support_models", "DescribeFineTuningSupportModels", Nothing, list[SupportedModel]
)
