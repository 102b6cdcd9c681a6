"""Fine-tuning, console v1 (`/wenxinworkshop/finetune/...`), as the seeds use it.

The words are the opposite of v2's: a v1 task is a v2 job (the folder), a v1 job a v2 task (a run).
"""

from pydantic import Field

from .base import ConsoleRecord, Id, JsonObject
from .endpoints import EndpointGroup

RUNNING = "RUNNING"
FINISH = "FINISH"
FAIL = "FAIL"
STOP = "STOP"
"""Values of trainStatus."""

PLATFORM = 1
BOS = 2
"""Values of a training set's type: a dataset of the platform, or a file in the user's bucket."""


class CreateTaskV1(ConsoleRecord):
    """The folder of runs; the train types may be set with the first run."""

    name: str
    base_train_type: str | None = None
    train_type: str | None = None
    description: str | None = None


class TaskCreatedV1(ConsoleRecord):
    """Both ids: an int, and `job-...` as in v2."""

    id: int
    uuid: str = ""
    name: str = ""
    description: str = ""
    create_time: str | None = None


class TrainingSet(ConsoleRecord):
    """One training set: `type` 1 with the `id` of a dataset, or 2 with a `bos_path`."""

    type: int = PLATFORM
    id: Id | None = None
    bos_path: str | None = None


class CreateJobV1(ConsoleRecord):
    """One run; `trainset_rate` percent of the data is held out for validation.

    `train_config` holds epoch, learningRate, batchSize, maxSeqLen and what else a model has;
    `peft_type` is LoRA, ALL or P-tuning.
    """

    task_id: Id
    base_train_type: str | None = None
    train_type: str | None = None
    train_mode: str = "SFT"
    peft_type: str = "LoRA"
    train_config: JsonObject = {}
    trainset: list[TrainingSet] = Field(min_length=1)
    trainset_rate: int = Field(default=20, ge=0, le=100)
    description: str | None = None


class JobCreatedV1(ConsoleRecord):
    """Both ids: an int, and `task-...` as in v2."""

    id: int
    uuid: str = ""


class JobRefV1(ConsoleRecord):
    """The ids of a run and its task."""

    task_id: Id
    job_id: Id


class JobV1(ConsoleRecord):
    """The state of a run; times in seconds, `progress` in percent."""

    id: int | None = None
    task_id: int | None = None
    task_name: str = ""
    version: int | None = None
    train_type: str | None = None
    train_mode: str | None = None
    peft_type: str | None = None
    train_status: str = ""
    progress: int | None = None
    run_time: int | None = None
    train_time: int | None = None
    start_time: str | None = None
    finish_time: str | None = None
    vdl_link: str | None = None


_FINETUNING = EndpointGroup("finetune", "/wenxinworkshop/finetune")

CREATE_TASK = _FINETUNING.route(
    "create_task", "createTask", CreateTaskV1, TaskCreatedV1, repeatable=False
)
CREATE_JOB = _FINETUNING.route(
    "create_job", "createJob", CreateJobV1, JobCreatedV1, repeatable=False
)
GET_JOB = _FINETUNING.route("get_job", "jobDetail", JobRefV1, JobV1)
STOP_JOB = _FINETUNING.route("stop_job", "stopJob", JobRefV1, bool)
