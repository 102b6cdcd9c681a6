"""Offline batches: files and batches in OpenAI's shape (v2), tasks over object storage (console
v2).

A batch has OpenAI's fields and the platform's own words for its status (Running, Done, ...), so a
client that waits for "completed" waits forever; `BatchInfo.state` reads both.
"""

from typing import Final

from pydantic import Field

from .base import ConsoleRecord, JsonObject, PageInfo, PageRequest, Record
from .chat import CHAT_V2
from .endpoints import Endpoint, EndpointGroup
from .inference import IMAGE_EDIT_V2, TEXT2IMAGE_V2

MAX_REQUESTS = 5_000
MAX_FILE_BYTES = 1 << 30
"""Limits of one input file."""

MAX_UNFINISHED = 20
UNFINISHED_CODE = "TaskRunningNumberExceedLimit"
"""How many tasks of an account may be queued, running or stopping, and the error's code for one
more.
"""

CHAT = CHAT_V2.path
IMAGES = TEXT2IMAGE_V2.path
IMAGE_EDITS = IMAGE_EDIT_V2.path
"""Values of a batch's endpoint."""

QUEUING = "Queuing"
RUNNING = "Running"
DONE = "Done"
STOPPED = "Stopped"
FAILED = "Failed"
EXPIRED = "Expired"
"""Values of a batch's status; a task's runStatus has no Queuing and no Expired."""

STATES: Final = {
    QUEUING: "validating",
    RUNNING: "in_progress",
    DONE: "completed",
    STOPPED: "cancelled",
    FAILED: "failed",
    EXPIRED: "expired",
}
"""A status -> OpenAI's word for it."""

FINISHED: Final = frozenset(STATES[status] for status in (DONE, STOPPED, FAILED, EXPIRED))
"""OpenAI's words for finished batches."""


class UploadFile(Record):
    """The form of an upload; the file is a part of it, not JSON."""

    purpose: str = "batch"
    filename: str = Field("", exclude=True)
    content: bytes = Field(b"", exclude=True, repr=False)


class FileObject(Record):
    """An uploaded or generated file; `id` is `file-...`, `created_at` in Unix seconds."""

    id: str
    object: str = "file"
    bytes: int = 0
    created_at: int = 0
    filename: str = ""
    purpose: str = ""


class FileRef(Record):
    """The id of a file; part of the path."""

    file_id: str = Field("", exclude=True)


class ListFiles(Record):
    """Files of a purpose, after an id; `limit` 1-10000, `order` asc or desc by age."""

    purpose: str | None = None
    after: str | None = None
    limit: int | None = None
    order: str | None = None


class FileList(Record):
    """Files, the newest first by default."""

    object: str = "list"
    data: list[FileObject] = []
    has_more: bool = False


class FileDeleted(Record):
    """The outcome of deleting a file."""

    id: str = ""
    object: str = "file"
    deleted: bool = False


class Replacement(Record):
    """Replaces the field of every line: a model's name, or `amv-...` of a user's version."""

    model: str | None = None


class CreateBatch(Record):
    """A batch over an uploaded file; `completion_window` is "1h" to "672h", `metadata` up to 16
    pairs.
    """

    input_file_id: str
    endpoint: str = CHAT
    completion_window: str = "24h"
    metadata: JsonObject | None = None
    replace: Replacement | None = None


class BatchRef(Record):
    """The id of a batch; part of the path."""

    batch_id: str = Field("", exclude=True)


class ListBatches(Record):
    """At most `limit` batches after an id."""

    after: str | None = None
    limit: int | None = None


class RequestCounts(Record):
    """Numbers of lines: in all, answered, refused."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class BatchError(Record):
    """A problem of the input file; `line` counts from 1."""

    code: str | None = None
    message: str | None = None
    line: int | None = None
    param: str | None = None


class BatchErrors(Record):
    """All problems of the input file."""

    object: str = "list"
    data: list[BatchError] = []


class BatchInfo(Record):
    """A batch; times in Unix seconds, any field may be absent."""

    id: str
    object: str = "batch"
    endpoint: str = ""
    model: str | None = None
    errors: BatchErrors | None = None
    input_file_id: str = ""
    completion_window: str = ""
    status: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int = 0
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts | None = None
    usage: JsonObject | None = None
    metadata: JsonObject | None = None

    @property
    def state(self) -> str:
        """The status in OpenAI's words; an unknown one as received."""
        return STATES.get(self.status, self.status)

    @property
    def is_finished(self) -> bool:
        """True once the task has ended, in whatever way."""
        return self.state in FINISHED


class BatchList(Record):
    """Batches, the newest first."""

    object: str = "list"
    data: list[BatchInfo] = []
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


class CreateInference(ConsoleRecord):
    """Let a model answer all queries in the `*.jsonl` files under `bos:/bucket/dir/`.

    The model is `endpoint` (a full address, as a service has it) or `model_id` (`amv-...`).
    """

    name: str
    input_bos_uri: str | None = None
    output_bos_uri: str | None = None
    model_id: str | None = None
    endpoint: str | None = None
    inference_params: JsonObject = {}
    description: str | None = None
    afs_config: JsonObject | None = None
    completion_window: str | None = Field(None, alias="completion_window")


class InferenceRef(ConsoleRecord):
    """The id of a task, `infer-...`."""

    task_id: str


class ListInferences(PageRequest):
    """A page of the tasks in these states, or of all."""

    run_status: list[str] = []


class Inference(ConsoleRecord):
    """A task; `progress` counts the records that are done, without a total."""

    task_id: str = ""
    name: str = ""
    description: str | None = None
    endpoint: str | None = None
    model_id: str | None = None
    run_status: str | None = None
    inference_params: JsonObject | None = None
    input_bos_uri: str | None = None
    output_bos_uri: str | None = None
    output_dir: str | None = None
    progress: int | None = None
    create_time: str | None = None
    finish_time: str | None = None
    message: str | None = None

    @property
    def is_finished(self) -> bool:
        """True once the task has ended, in whatever way."""
        return STATES.get(self.run_status or "", "") in FINISHED


class InferenceList(ConsoleRecord):
    """Tasks, the newest first."""

    task_list: list[Inference] = []
    page_info: PageInfo | None = None


UPLOAD = Endpoint("files.upload", "/v2/files", UploadFile, FileObject, plane="v2", repeatable=False)
LIST_FILES = Endpoint("files.list", "/v2/files", ListFiles, FileList, plane="v2", method="GET")
FILE_INFO = Endpoint(
    "files.info", "/v2/files/{file_id}", FileRef, FileObject, plane="v2", method="GET"
)
CONTENT = Endpoint(
    "files.content", "/v2/files/{file_id}/content", FileRef, bytes, plane="v2", method="GET"
)
DELETE_FILE = Endpoint(
    "files.delete", "/v2/files/{file_id}", FileRef, FileDeleted, plane="v2", method="DELETE"
)

CREATE = Endpoint(
    "batches.create", "/v2/batches", CreateBatch, BatchInfo, plane="v2", repeatable=False
)
LIST = Endpoint("batches.list", "/v2/batches", ListBatches, BatchList, plane="v2", method="GET")
INFO = Endpoint(
    "batches.info", "/v2/batches/{batch_id}", BatchRef, BatchInfo, plane="v2", method="GET"
)
CANCEL = Endpoint(
    "batches.cancel", "/v2/batches/{batch_id}/cancel", BatchRef, BatchInfo, plane="v2"
)


_INFERENCE = EndpointGroup("inference", "/v2/batchinference")

CREATE_INFERENCE = _INFERENCE.action(
    "create",
    "CreateBatchInferenceTask",
    CreateInference,
    InferenceRef,
    repeatable=False,
    headers={"Referer": "infer"},
)
INFERENCE_INFO = _INFERENCE.action("info", "DescribeBatchInferenceTask", InferenceRef, Inference)
STOP_INFERENCE = _INFERENCE.action("stop", "StopBatchInferenceTask", InferenceRef, object)
LIST_INFERENCES = _INFERENCE.action(
    "list", "DescribeBatchInferenceTasks", ListInferences, InferenceList
)
