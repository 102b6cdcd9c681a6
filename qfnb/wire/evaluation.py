"""The platform's evaluation tasks, console v1 (`/wenxinworkshop/modelrepo/eval/...`) and v2
(`/v2/eval?Action=`).

The API pages of v2 name what a task, its states and its report hold; the key of the list, and the
options of the rule and the manual modes, are not published.
"""

from pydantic import Field

from .base import ConsoleRecord, CountedPage, Id, JsonObject, PageInfo, PageRequest
from .endpoints import EndpointGroup

PENDING = "Pending"
DOING = "Doing"
MANUAL_STARTED = "DoingWithManualBegin"
STOPPING = "Stopping"
STOPPED = "Stopped"
DONE = "Done"
PARTLY_DONE = "PartlyDone"
FAILED = "Failed"
"""Values of a task's state; in DoingWithManualBegin the answers wait for human judges."""

RULE = "rule"
MODEL = "model"
MANUAL = "manual"
MODES = (MANUAL, RULE, MODEL)
"""Parts of evalMode, joined by commas."""

SIMILARITY = "similarity"
ACCURACY = "accuracy"
SCORE_MODES = (SIMILARITY, ACCURACY)

SATISFACTION = "满意度"
MAX_DIMENSIONS = 4
"""Limit of the dimensions that people judge; the first is satisfaction."""

MAX_VERSIONS = 5  # limit of the versions that one task compares
UPLOADING = "Uploading"  # values of an export's state, besides Pending and Done
EXPORT_FAILED = "Fail"
LOCAL = "local"
STORAGE = "storage"
TOTAL = "total"
PART = "part"
PROMPT = "prompt"
PREDICTION = "prediction"
COMPLETION = "completion"
METRICS = "metrics"
EXPORT_CONTENT = (PROMPT, PREDICTION, COMPLETION, METRICS)
"""Contents of an export: question, model's answer, expected answer, scores."""

# keys by which rows can be ordered
ORDERS = ("bleu4", "rouge_1", "rouge_2", "rouge_l", "judgeScore")


class InputPrompt(ConsoleRecord):
    """A template for the questions; `{input}` stands for the question."""

    enable: bool = True
    content: str = ""


class EvaluatedVersion(ConsoleRecord):
    """One of the compared versions; ids are ints or `am-...` / `amv-...`."""

    model_id: Id | None = None
    model_version_id: Id
    params: JsonObject | None = None
    prompt: InputPrompt | None = None


class Dimension(ConsoleRecord):
    """A dimension that people judge."""

    dimension: str
    description: str | None = None
    min_score: int | None = None
    max_score: int | None = None


class RefereePrompt(ConsoleRecord):
    """The prompt of the referee model; {src}, {tgt}, {prediction} stand for question, reference,
    answer.
    """

    template_name: str | None = None
    template_content: str = ""
    metric: str = ""
    steps: str = ""
    min_score: int = 0
    max_score: int = 5


class EvaluationStandard(ConsoleRecord):
    """How answers are judged: by rules, a referee model, people, or several of these."""

    eval_mode: str
    score_modes: list[str] | None = None
    stop_words_path: str | None = None
    evaluation_dimension: list[Dimension] | None = None
    app_id: int | None = None
    prompt: RefereePrompt | None = None


class ComputeResource(ConsoleRecord):
    """The machine of the task; the SDK sends these numbers."""

    vm_type: int = 1
    vm_number: int = 8


class CreateEvaluationV1(ConsoleRecord):
    """Compares versions on a dataset; `id` replaces a task that has not begun."""

    name: str
    version_eval_info: list[EvaluatedVersion]
    dataset_id: Id
    eval_standard_conf: EvaluationStandard
    compute_resource_conf: ComputeResource = ComputeResource()
    id: Id | None = None
    description: str | None = None
    dataset_name: str | None = None


class EvaluationCreatedV1(ConsoleRecord):
    """Both ids: an integer, and `ame-...`."""

    eval_id: int
    eval_id_str: str


class EvaluationRefV1(ConsoleRecord):
    """The id of a task, an int or `ame-...`."""

    id: Id


class EvaluationUnit(ConsoleRecord):
    """The state of one version in a task."""

    eval_unit_id: str = ""
    model_id: int | None = None
    model_id_str: str = ""
    model_name: str = ""
    model_version: str = ""
    model_version_id: int | None = None
    model_version_id_str: str = ""
    state: str = ""
    message: str = ""


class TaskDetail(ConsoleRecord):
    """A task; `eval_standard_conf` has the dataset of the answers once people are to judge them."""

    evaluation_id_str: str = ""
    name: str = ""
    description: str = ""
    state: str
    eval_units: list[EvaluationUnit] = []
    dataset_name: str = ""
    eval_standard_conf: JsonObject = {}


class EffectMetric(ConsoleRecord):
    """The scores of a version: fractions 0-1 by rules, points by the referee; 0 for what was not
    requested.
    """

    accuracy: float | None = None
    f1_score: float | None = Field(default=None, alias="f1Score")
    rouge_1: float | None = Field(default=None, alias="rouge_1")
    rouge_2: float | None = Field(default=None, alias="rouge_2")
    rouge_l: float | None = Field(default=None, alias="rouge_l")
    bleu4: float | None = Field(default=None, alias="bleu4")


class ReportItem(ConsoleRecord):
    """The report on one version."""

    model_name: str = ""
    model_version: str = ""
    model_version_id: int | None = None
    eval_mode: str = ""
    evaluation_name: str = ""
    effect_metric: EffectMetric = EffectMetric()


class StopResult(ConsoleRecord):
    """Whether the task is being stopped, and if not, why."""

    result: bool = True
    error_message: str = ""


class CreateExportV1(ConsoleRecord):
    """Exports the rows of a task, to a download URL or into the user's bucket."""

    id: Id
    export_type: str = LOCAL
    export_opt: str = TOTAL
    export_content: list[str] = list(EXPORT_CONTENT)
    volume_id: str | None = None
    result_ids: list[str] | None = None


class ExportCreatedV1(ConsoleRecord):
    """Both ids: an integer, and `amemt-...`."""

    export_id: Id = Field(alias="exportID")
    export_id_str: str = Field(alias="exportIDStr")


class ExportRef(ConsoleRecord):
    """The id of an export, an int or `amemt-...`."""

    export_id: Id = Field(alias="exportID")


class ExportDetail(ConsoleRecord):
    """An export; `download_url` is a zip that contains `data.jsonl`."""

    export_id: Id | None = Field(default=None, alias="exportID")
    export_id_str: str = Field(default="", alias="exportIDStr")
    state: str
    export_type: str = ""
    export_path: str = ""
    download_url: str = ""


class ScoreRange(ConsoleRecord):
    """Scores from `start` to `end`, both included; fractions 0-1, or the referee's points from
    -1.
    """

    start: float | None = None
    end: float | None = None


class ListResults(ConsoleRecord):
    """A page of a task's rows."""

    id: Id
    page_no: int | None = None
    page_size: int | None = None
    bleu4: ScoreRange | None = Field(default=None, alias="bleu4")
    rouge_1: ScoreRange | None = Field(default=None, alias="rouge_1")
    rouge_2: ScoreRange | None = Field(default=None, alias="rouge_2")
    rouge_l: ScoreRange | None = Field(default=None, alias="rouge_l")
    judge_score: ScoreRange | None = None
    model_version_ids: list[Id] | None = None
    eval_unit_id: list[str] | None = None
    order_by: str | None = None
    order: str | None = None


class DeleteTasks(ConsoleRecord):
    """The ids of tasks, all ints or all `ame-...`."""

    eval_ids: list[Id]


_TASKS = EndpointGroup("evaluation", "/wenxinworkshop/modelrepo/eval")

CREATE = _TASKS.route("create", "create", CreateEvaluationV1, EvaluationCreatedV1, repeatable=False)
INFO = _TASKS.route("info", "detail", EvaluationRefV1, TaskDetail)
REPORT = _TASKS.route("report", "report", EvaluationRefV1, list[ReportItem])
STOP = _TASKS.route("stop", "cancel", EvaluationRefV1, StopResult)
EXPORT = _TASKS.route("export", "result/export", CreateExportV1, ExportCreatedV1, repeatable=False)
EXPORT_INFO = _TASKS.route("export_info", "result/export/info", ExportRef, ExportDetail)
LIST_RESULTS = _TASKS.route("list_results", "result/list", ListResults, CountedPage[JsonObject])
DELETE = _TASKS.route("delete", "delete", DeleteTasks, bool)


# The platform's evaluation tasks, console v2 (`/v2/eval?Action=`). Source: API pages of /v2/eval.

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


_TASKS_V2 = EndpointGroup("evaluation.v2", "/v2/eval")

CREATE_V2 = _TASKS_V2.action("create", "CreateEvalTask", CreateEvalTask, str, repeatable=False)
LIST_V2 = _TASKS_V2.action("list", "DescribeEvalTasks", ListEvalTasks, EvalTasks)
INFO_V2 = _TASKS_V2.action("info", "DescribeEvalTask", EvalTaskRef, EvalTask)
REPORT_V2 = _TASKS_V2.action("report", "DescribeEvalTaskReport", EvalTaskRef, list[EvalReport])
DELETE_V2 = _TASKS_V2.action("delete", "DeleteEvalTask", EvalTaskRef, bool)
