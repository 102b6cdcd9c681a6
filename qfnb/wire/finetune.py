"""Fine-tuning, console v2 (`/v2/finetuning?Action=`) and v1 (`/wenxinworkshop/finetune`).

In v2 a job is the folder, a task is one run in it; v1 used the two words the other way round.
"""

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from .base import ConsoleRecord, EmptyBody, Id, JsonObject, PageInfo, PageRequest
from .endpoints import EndpointGroup

ACCEPTED = ""
PENDING = "Waiting"
RUNNING = "Running"
DONE = "Done"
FAILED = "Failed"
STOPPED = "Stopped"
"""Values of runStatus; an accepted run that is not scheduled yet has ""."""


class TrainMode(StrEnum):
    """How a run learns."""

    SFT = "SFT"
    PostPretrain = "PostPretrain"
    DPO = "DPO"
    KTO = "KTO"


class TrainParameterScale(StrEnum):
    """Which parameters a run changes."""

    FullFineTuning = "FullFineTuning"
    PromptTuning = "PromptTuning"
    LoRA = "LoRA"
    LoRAGA = "LoRA-GA"


SFT, POST_PRETRAIN, DPO, KTO = (mode.value for mode in TrainMode)
FULL, PROMPT, LORA, LORA_GA = (scale.value for scale in TrainParameterScale)

TRAIN_TYPES = {
    "ernie-speed": "ERNIE-Speed-8K",
    "ernie-bot-turbo": "ERNIE-Lite-8K-0922",
    "ernie-bot-turbo-0922": "ERNIE-Lite-8K-0922",
    "ernie-bot-turbo-0725": "ERNIE-Lite-8K-0725",
    "ernie-bot-turbo-0704": "ERNIE-Lite-8K-0704",
    "ernie-bot-turbo-0516": "ERNIE-Lite-8K-0704",  # the oldest that is left
    "llama-2-7b": "Qianfan-Chinese-Llama-2-7B",
    "llama-2-13b": "Qianfan-Chinese-Llama-2-13B",
    "baichuan2-7b": "Baichuan2-7B-Chat",
    "baichuan2-13b": "Baichuan2-13B-Chat",
}
"""Train types of v1 and of older SDKs, in lower case -> their present model."""

PEFT_TYPES = {
    "lora": LORA, "lora-ga": LORA_GA, "all": FULL, "fullfinetuning": FULL, "p-tuning": PROMPT,
    "prompttuning": PROMPT,
}  # fmt: skip
"""Parameter scales of v1 and v2, in lower case -> v2's word."""

PLATFORM = "Platform"
BOS = "Bos"
"""Values of sourceType: a released dataset, or objects in the user's bucket."""


class CreateJob(ConsoleRecord):
    """The folder of a model's runs; `train_mode` is SFT, PostPretrain, DPO or KTO."""

    name: str
    model: str
    train_mode: str = SFT
    description: str | None = None
    parameter_scale: str | None = None
    hyper_parameter_config: JsonObject | None = None


class JobCreated(ConsoleRecord):
    """`job_id` is `job-...`."""

    job_id: str


class DatasetVersionRef(ConsoleRecord):
    """One training set, by id or URI; `sampling_rate` 1.0 uses every row once."""

    version_id: Id | None = None
    version_bos_uri: str | None = None
    sampling_rate: float = Field(default=1.0, gt=0, allow_inf_nan=False)


class DatasetSettings(ConsoleRecord):
    """The training data; `split_ratio` percent of it is held out for validation."""

    source_type: str = PLATFORM
    versions: list[DatasetVersionRef] = []  # an older form has `datasets` in its place
    split_ratio: int = Field(ge=0, le=100)


class CorpusSource(ConsoleRecord):
    """A corpus: 1 Qianfan's, 2 ERNIE's general, 3 ERNIE's vertical one by `labels`; a proportion is
    "1:1".
    """

    proportion: str | None = None
    corpus_type: int | None = None
    labels: list[str] | None = None


class CorpusSettings(ConsoleRecord):
    """The corpora that the platform mixes into the data; `copy_data` repeats the data where it is
    too little.
    """

    copy_data: bool | None = None
    config: list[CorpusSource] = []


class CreateTask(ConsoleRecord):
    """One run; hyper-parameters are camelCase keys (epoch, learningRate, batchSize, maxSeqLen,
    ...).

    The increment fields make it go on from an earlier run, the corpus is mixed into the data.
    """

    job_id: Id
    parameter_scale: str = "LoRA"
    hyper_parameter_config: JsonObject = {}
    dataset_config: DatasetSettings
    increment_task_id: Id | None = None
    increment_checkpoint_step: int | None = None
    corpus_config: CorpusSettings | None = None
    resource_config: JsonObject | None = None
    custom_config: JsonObject | None = Field(default=None, alias="modelConfig")


class TaskCreated(ConsoleRecord):
    """`task_id` is `task-...`."""

    job_id: str
    task_id: str


class TaskRef(ConsoleRecord):
    """The id of a run, `task-...` or an int."""

    task_id: Id


class JobRef(ConsoleRecord):
    """The id of a job, `job-...` or an int."""

    job_id: Id


class ListJobs(PageRequest):
    """Lists the jobs of a train mode (the platform spells it `trainModel`) and of a model."""

    train_model: str | None = None
    model: str | None = None


class Job(ConsoleRecord):
    """A folder of runs."""

    job_id: str = ""
    name: str = ""
    description: str | None = None
    model: str | None = None
    train_mode: str | None = None
    create_date: str | None = None


class JobList(ConsoleRecord):
    """A page of jobs, the newest first."""

    job_list: list[Job] = []
    page_info: PageInfo = PageInfo()


class ListTasks(PageRequest):
    """Lists the runs of a job."""

    job_id: Id


class Checkpoint(ConsoleRecord):
    """A point of the loss curve; loss in nats."""

    step: int
    training_loss: float | None = None
    perplexity: float | None = None
    validation_loss: float | None = None


class Task(ConsoleRecord):
    """The state of a run; any field may be absent, and unknown states are shown, not refused."""

    task_id: str = ""
    job_id: str = ""
    job_name: str | None = None
    model: str | None = None
    train_mode: str | None = None
    parameter_scale: str | None = None
    run_status: str | None = None
    run_progress: int | None = None
    vdl_link: str | None = None
    metrics: JsonObject | None = None
    checkpoint_list: list[Checkpoint] | None = None
    create_date: str | None = None
    finish_date: str | None = None
    message: str | None = None

    @field_validator("run_progress", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        """Parse "37%", "37", 37 and 37.2; anything else is None."""
        try:
            return round(float(str(value).rstrip("% ")))
        except (ValueError, OverflowError):
            return None


class TaskList(ConsoleRecord):
    """A page of runs, the newest first."""

    task_list: list[Task] = []
    page_info: PageInfo = PageInfo()


class SupportedParameter(ConsoleRecord):
    """One hyper-parameter: `check_type` range (two numbers, inclusive), choice or mult_choice."""

    key: str
    name: str | None = None
    description: str | None = None
    type: str = "string"
    check_type: str = "range"
    check_value: list[Any] = []
    default: Any = None
    sandbox: JsonObject = {}  # the sandbox's extension

    @property
    def has_effect(self) -> bool:
        """Whether it changes a training; false for what the sandbox's engine does not imitate."""
        return bool(self.sandbox.get("hasEffect", True))


class SupportedScale(ConsoleRecord):
    """The hyper-parameters of one scale (LoRA, FullFineTuning, PromptTuning)."""

    parameter_scale: str
    support_hyper_parameter_config: list[SupportedParameter] = []


class SupportedMode(ConsoleRecord):
    """The scales of one train mode (SFT, PostPretrain, DPO, KTO)."""

    train_mode: str
    support_parameter_scale: list[SupportedScale] = []
    sandbox: JsonObject = {}  # the sandbox's extension

    def training_seconds(self, rows: int, epochs: int) -> float | None:
        """Return about how long a training takes in the sandbox, None where the platform does not
        tell.
        """
        if not (parts := self.sandbox.get("seconds")):
            return None
        return float(
            parts["start"]
            + parts["epoch"] * epochs
            + (parts["row"] + parts["rowEpoch"] * epochs) * rows
        )


class SupportedModel(ConsoleRecord):
    """A model that can be tuned, and its train modes."""

    model: str
    model_type: str | None = None
    base_model: str | None = None
    support_train_mode: list[SupportedMode] = []


_FINETUNING = EndpointGroup("finetune.v2", "/v2/finetuning")

CREATE_JOB = _FINETUNING.action(
    "create_job", "CreateFineTuningJob", CreateJob, JobCreated, repeatable=False
)
CREATE_TASK = _FINETUNING.action(
    "create_task", "CreateFineTuningTask", CreateTask, TaskCreated, repeatable=False
)
LIST_JOBS = _FINETUNING.action("list_jobs", "DescribeFineTuningJobs", ListJobs, JobList)
LIST_TASKS = _FINETUNING.action("list_tasks", "DescribeFineTuningTasks", ListTasks, TaskList)
DESCRIBE_TASK = _FINETUNING.action("describe_task", "DescribeFineTuningTask", TaskRef, Task)
STOP_TASK = _FINETUNING.action("stop_task", "StopFineTuningTask", TaskRef, bool)
DELETE_TASK = _FINETUNING.action("delete_task", "DeleteFineTuningTask", TaskRef, bool)
DELETE_JOB = _FINETUNING.action("delete_job", "DeleteFineTuningJob", JobRef, bool)
SUPPORT_MODELS = _FINETUNING.action(
    "support_models", "DescribeFineTuningSupportModels", EmptyBody, list[SupportedModel]
)


# Fine-tuning, console v1 (`/wenxinworkshop/finetune/...`), as the seeds use it.

RUNNING_V1 = "RUNNING"
FINISH = "FINISH"
FAIL = "FAIL"
STOP = "STOP"
"""Values of trainStatus."""

PLATFORM_V1 = 1
BOS_V1 = 2
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

    type: int = PLATFORM_V1
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
    start_time: str | None = None
    finish_time: str | None = None
    vdl_link: str | None = None


_FINETUNING_V1 = EndpointGroup("finetune", "/wenxinworkshop/finetune")

CREATE_TASK_V1 = _FINETUNING_V1.route(
    "create_task", "createTask", CreateTaskV1, TaskCreatedV1, repeatable=False
)
CREATE_JOB_V1 = _FINETUNING_V1.route(
    "create_job", "createJob", CreateJobV1, JobCreatedV1, repeatable=False
)
GET_JOB = _FINETUNING_V1.route("get_job", "jobDetail", JobRefV1, JobV1)
STOP_JOB = _FINETUNING_V1.route("stop_job", "stopJob", JobRefV1, bool)
