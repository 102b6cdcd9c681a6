"""The platform's evaluation tasks, console v2 (`/v2/eval?Action=`). Source: API pages of /v2/eval.

The pages name what a task, its states and its report hold; the key of the list, and the options of
the rule and the manual modes, are not published.
"""

from .base import ConsoleRecord, Id, JsonObject, PageInfo, PageRequest
from .endpoints import EndpointGroup
from .evaluation_v1 import (
    DOING,
    DONE,
    FAILED,
    MANUAL_STARTED,
    PARTLY_DONE,
    PENDING,
    STOPPED,
    STOPPING,
    Dimension,
)

STATES = {
    PENDING: "Queued",
    DOING: "Running",
    MANUAL_STARTED: "RunningWithManualBegin",
    STOPPING: "Stopping",
    STOPPED: "Stopped",
    DONE: "Successed",
    PARTLY_DONE: "Failed",
    FAILED: "Failed",
}
"""v1's states -> v2's; partly failed tasks are Failed too."""

EVALUATE_MODELS = "model"
"""The evalObjectType of tasks in which models answer; with inferDataset the answers exist
already.
"""

MANUAL_EVAL = "manual"
AUTO_EVAL = "auto"
EVAL_TYPES = (MANUAL_EVAL, AUTO_EVAL)


class EvaluatedModel(ConsoleRecord):
    """A version (`amv-...`) and its prompt template, in which `{input}` stands for the question."""

    model_id: Id
    prompt_template: str | None = None


class EvaluatedModels(ConsoleRecord):
    """The released dataset (`ds-...`) and the versions that answer it."""

    version_id: Id
    storage_type: str = "sysStorage"
    eval_model_config_list: list[EvaluatedModel]


class EvalObjectConfig(ConsoleRecord):
    """The evaluated objects."""

    eval_model_config: EvaluatedModels | None = None


class RuleEvalConfig(ConsoleRecord):
    """The rules; both kinds by default."""

    score_modes: list[str] | None = None
    stop_words_path: str | None = None


class RefereeEvalConfig(ConsoleRecord):
    """The referee model and its highest score."""

    api_name: str | None = None
    max_score: int = 5


class ManualEvalConfig(ConsoleRecord):
    """The dimensions that people judge."""

    evaluation_dimension: list[Dimension] | None = None


class EvalConfig(ConsoleRecord):
    """How answers are judged."""

    eval_mode: str
    auto_rule_eval_config: RuleEvalConfig | None = None
    auto_model_eval_config: RefereeEvalConfig | None = None
    manual_eval_config: ManualEvalConfig | None = None


class CreateEvalTask(ConsoleRecord):
    """Compares versions on a dataset."""

    task_name: str
    description: str | None = None
    eval_object_type: str
    eval_object_config: EvalObjectConfig
    eval_config: EvalConfig


class EvalTaskRef(ConsoleRecord):
    """The id of a task, `ame-...`."""

    task_id: Id


class ListEvalTasks(PageRequest):
    """Lists tasks judged by people or by the platform; `key_filter`: part of a name or id, or a
    version's id.
    """

    eval_type: str
    key_filter: str | None = None


class EvalTask(ConsoleRecord):
    """A task."""

    task_id: str = ""
    task_name: str = ""
    description: str = ""
    eval_type: str = ""
    state: str


class EvalTasks(ConsoleRecord):
    """A page of tasks, the newest first."""

    task_list: list[EvalTask] = []
    page_info: PageInfo = PageInfo()


class EvalReport(ConsoleRecord):
    """The report on one version, `model_id` is `amv-...`."""

    task_id: str = ""
    task_name: str = ""
    model_id: str = ""
    eval_object_type: str = EVALUATE_MODELS
    eval_mode: str = ""
    effect_metric: JsonObject = {}


_TASKS = EndpointGroup("evaluation.v2", "/v2/eval")

CREATE = _TASKS.action("create", "CreateEvalTask", CreateEvalTask, str, repeatable=False)
LIST = _TASKS.action("list", "DescribeEvalTasks", ListEvalTasks, EvalTasks)
INFO = _TASKS.action("info", "DescribeEvalTask", EvalTaskRef, EvalTask)
REPORT = _TASKS.action("report", "DescribeEvalTaskReport", EvalTaskRef, list[EvalReport])
DELETE = _TASKS.action("delete", "DeleteEvalTask", EvalTaskRef, bool)
