"""The platform's two offline services behind one interface: upload rows, start, poll, fetch
answers, stop.
"""

import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ... import connect
from ..._jsonl_csv_parquet import RowError, read_jsonl
from ...base.language import tr
from ...errors import InvalidArgumentError, UnexpectedContent
from ...resources.inference.chat import ChatCompletion
from ...resources.management.batches import Batches, BatchInference, Files
from ...resources.management.storage import Storage
from ...wire import batches as wire
from ...wire.inference import IMAGE_EDIT_V2, TEXT2IMAGE_V2
from ..journal import Journal
from ..request_spec import Conversation, InputRow, OfflineVia, RequestSpec
from .pictures import build_picture_request

_WITHOUT_JOB = "and row.key not in (select key from handed)"


@dataclass(frozen=True)
class OfflineJob:
    """Rows that were uploaded; journals hold it as JSON, so its field names are stored.

    Attributes:
        number: counts the jobs of a batch, from 0.
        via: the service.
        uploaded: the address of the upload; "" when the answers have been fetched.
        id: the platform's, "" before it has one.
        is_stopped: whether it was told to stop: the rows that it leaves may be handed over again.
    """

    number: int
    via: OfflineVia
    uploaded: str
    id: str = ""
    is_stopped: bool = False


class OfflineJobs:
    """The jobs of one journal, which is open for writing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._jobs = {saved.number: saved for saved in saved_jobs(journal)}
        self._row_counts = {job.number: len(self.rows_of(job)) for job in self.open()}

    def open(self) -> list[OfflineJob]:
        """Return the jobs whose answers have not been fetched."""
        return [job for _, job in sorted(self._jobs.items()) if job.uploaded]

    @property
    def next_number(self) -> int:
        """The number of the next job."""
        return max(self._jobs, default=-1) + 1

    @property
    def open_rows(self) -> int:
        """Rows in open jobs."""
        return sum(self._row_counts.values())

    def next_rows(self, limit: int) -> list[InputRow]:
        """Return the first rows that have no answer and are in no job."""
        return self._journal.missing_rows(-1, limit, _WITHOUT_JOB)

    def count_rows_left(self) -> int:
        """Return the number of rows that have no answer and are in no job."""
        return self._journal.count_missing(_WITHOUT_JOB)

    def rows_of(self, job: OfflineJob) -> list[InputRow]:
        """Return the rows of a job that have no answer."""
        return self._journal.missing_rows(
            -1, -1, "and row.key in (select key from handed where job = ?)", job.number
        )

    def add(self, job: OfflineJob, rows: Sequence[InputRow]) -> OfflineJob:
        """Store that rows were uploaded; return the job."""
        with self._journal.transaction():
            keys = [(row.key, job.number) for row in rows]
            self._journal.database.executemany("insert or replace into handed values (?, ?)", keys)
        self._row_counts[job.number] = len(rows)
        return self.save(job)

    def save(self, job: OfflineJob) -> OfflineJob:
        """Store what a job is now; return it."""
        self._jobs[job.number] = job
        self._journal.set_facts(
            jobs=json.dumps([vars(saved) for _, saved in sorted(self._jobs.items())])
        )
        if not job.uploaded:
            self._row_counts.pop(job.number, None)
        return job

    def release(self, job: OfflineJob) -> None:
        """Store that a job was stopped: rows that it did not answer may be in another one."""
        with self._journal.transaction():
            self._journal.database.execute("delete from handed where job = ?", (job.number,))


def saved_jobs(journal: Journal) -> list[OfflineJob]:
    """Return all jobs of a journal, ended or not."""
    return [OfflineJob(**job) for job in json.loads(journal.get_fact("jobs", "[]"))]


def open_job_via(journal: Journal) -> OfflineVia | None:
    """Return the service of a job whose answers have not been fetched, None without such a job."""
    return next((job.via for job in saved_jobs(journal) if job.uploaded), None)


UploadRow = tuple[str, Conversation]
"""A name by which the answer is found, and what is sent."""

JobAnswer = tuple[str, Mapping[str, Any] | None, str]
"""The same name, the body of the reply, and without one the reason."""


URLS = {"chat": wire.CHAT, "text2image": TEXT2IMAGE_V2.path, "image2image": IMAGE_EDIT_V2.path}
"""The endpoint of a file's lines by kind of model."""


@dataclass(frozen=True)
class JobStatus:
    """Status of a job: whether it has ended, rows done, the platform's word for its state, error
    message.
    """

    is_over: bool
    rows_done: int
    state: str
    message: str = ""


class FilesBackend:
    """`/v2/files` and `/v2/batches`: an API key, any conversation. Its coroutines run on the I/O
    loop.

    Args:
        request: what is sent for each row.
    """

    max_rows: ClassVar[int] = wire.MAX_REQUESTS

    def __init__(self, request: RequestSpec) -> None:
        self.request = request
        self._url = URLS[request.kind]

    async def upload(self, name: str, rows: Sequence[UploadRow]) -> str:
        """Upload rows; return what `start` needs."""
        chat = ChatCompletion(version=2)
        platform = (await connect.aclient()).platform
        request = self.request
        options = dict(request.options) | (
            {"response_format": f} if (f := request.response_format) else {}
        )
        if request.draws:
            requests = None
        else:
            requests = chat.batch_requests(platform, request.model, request.endpoint, options)

        def line(row: UploadRow) -> str:
            if requests:
                row_request = requests.for_row(row[1])
            else:
                row_request = build_picture_request(request, row[1], platform)
            body = {k: v for k, v in row_request.record.to_wire().items() if k != "stream"}
            return _json_line(
                {"custom_id": row[0], "method": "POST", "url": self._url, "body": body}
            )

        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            path = Path(folder) / f"{name}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(map(line, rows))
            return (await Files.upload.aio(path)).data.id

    async def start(self, name: str, uploaded: str) -> str:
        """Start a job over uploaded rows, unless one was started already; return its id."""
        batches = (await Batches.list.aio(limit=100)).data.data
        batch_id = next((batch.id for batch in batches if batch.input_file_id == uploaded), "")
        return (
            batch_id
            or (await Batches.create.aio(uploaded, self._url, metadata={"qfnb": name})).data.id
        )

    async def get_status(self, job: str) -> JobStatus:
        """Return the status of a job."""
        info = (await Batches.info.aio(job)).data
        counts = info.request_counts or wire.RequestCounts()
        if info.errors:
            errors = info.errors.data
        else:
            errors = []
        message = "; ".join(
            tr("line {line}: {message}", line=error.line, message=error.message)
            for error in errors[:3]
        )
        return JobStatus(info.is_finished, counts.completed + counts.failed, info.status, message)

    async def answers(self, job: str, uploaded: str) -> AsyncIterator[JobAnswer]:
        """Yield the answers of a job so far."""
        info = (await Batches.info.aio(job)).data
        for file in filter(None, (info.output_file_id, info.error_file_id)):
            with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
                path = await Files.download.aio(file, Path(folder) / "answers.jsonl")
                for row in _read_answers(path):
                    yield _parse_answer(row)

    async def stop(self, job: str) -> None:
        """Stop a job; its answers so far are kept."""
        await Batches.cancel.aio(job)


class BosBackend:
    """`CreateBatchInferenceTask` over the user's BOS bucket: an IAM pair, single prompts.

    Args:
        request: what is sent for each row.
    """

    max_rows: ClassVar[int] = wire.MAX_REQUESTS

    def __init__(self, request: RequestSpec) -> None:
        self.request = request

    async def upload(self, name: str, rows: Sequence[UploadRow]) -> str:
        """Upload rows; return what `start` needs."""
        if any(not isinstance(prompt, str) for _, prompt in rows):
            raise InvalidArgumentError(
                tr(
                    "offline_via='bos' takes single prompts, and a row is a conversation: use "
                    "offline_via='files'"
                )
            )
        bucket = (await connect.aclient()).platform.bucket
        if not bucket:
            raise InvalidArgumentError(
                tr(
                    "rows are uploaded to your own BOS bucket first, and none is set: set "
                    "QIANFAN_BOS_BUCKET"
                )
            )
        folder = f"bos:/{bucket}/qfnb/{name}/"
        lines = "".join(_json_line({"id": key, "query": prompt}) for key, prompt in rows)
        await Storage.upload.aio(f"{folder}in/rows.jsonl", lines.encode())
        return folder

    async def start(self, name: str, uploaded: str) -> str:
        """Start a job over uploaded rows; return its id."""
        for task in (await BatchInference.list.aio(max_keys=100)).data.task_list:
            if task.input_bos_uri == f"{uploaded}in/":
                return task.task_id
        is_own_model = (self.request.endpoint or self.request.model or "").startswith("amv-")
        answer = await BatchInference.create.aio(
            name,
            f"{uploaded}in/",
            f"{uploaded}out/",
            model_id=self.request.endpoint or self.request.model if is_own_model else None,
            endpoint=None if is_own_model else await self._endpoint_url(),
            parameters=self.request.options,
        )
        return answer.data.task_id

    async def get_status(self, job: str) -> JobStatus:
        """Return the status of a job."""
        info = (await BatchInference.info.aio(job)).data
        return JobStatus(
            info.is_finished, info.progress or 0, info.run_status or "", info.message or ""
        )

    async def answers(self, job: str, uploaded: str) -> AsyncIterator[JobAnswer]:
        """Yield the answers of a job so far."""
        info = (await BatchInference.info.aio(job)).data
        for address in await Storage.list.aio(f"{uploaded}out/{info.output_dir or ''}"):
            with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
                path = await Storage.download.aio(address, Path(folder) / "answers.jsonl")
                for row in _read_answers(path):
                    output = row.get("output")
                    is_error = output is None or "error_code" in output
                    yield (
                        str(row.get("id")),
                        None if is_error else output,
                        _reason(output) if is_error else "",
                    )

    async def stop(self, job: str) -> None:
        """Stop a job."""
        await BatchInference.stop.aio(job)

    async def _endpoint_url(self) -> str:
        platform = (await connect.aclient()).platform
        call = ChatCompletion(version=1).prepare("?", self.request.model, self.request.endpoint)
        request = call.request_for(platform)
        return platform.endpoint_url(request.endpoint, {"model": request.model})


BACKENDS: dict[OfflineVia, type[FilesBackend | BosBackend]] = {
    "files": FilesBackend,
    "bos": BosBackend,
}


def _parse_answer(row: Mapping[str, Any]) -> JobAnswer:
    name = str(row.get("custom_id"))
    response = row.get("response") or {}
    body = response.get("body") or {}
    error = row.get("error") or body.get("error") or (body if "error_code" in body else None)
    if error or response.get("status_code", 200) >= 400:
        return name, None, _reason(error)
    return name, body, ""


def _reason(error: Any) -> str:
    if not isinstance(error, Mapping):
        return tr("the platform gives no reason")
    code = error.get("code", error.get("error_code", ""))
    return f"[{code}] {error.get('message', error.get('error_msg', ''))}"


def _json_line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _read_answers(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as file:
        for line, value in read_jsonl(file, path.name):
            if isinstance(value, RowError):
                raise UnexpectedContent(
                    tr("line {line} of an answer file: {reason}", line=line, reason=value.reason)
                )
            if isinstance(value, Mapping):
                yield value
