"""Datasets on the platform: upload, import, release; export, download.

Each step is polled until it has ended; a failure is raised with the platform's message and line.
"""

import hashlib
import io
import re
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from .. import connect
from ..base.language import tr, tr_noop
from ..base.text import duration
from ..config import settings
from ..errors import APIError, DatasetError, InvalidArgumentError
from ..resources.management.data import Data
from ..resources.management.storage import Storage, download
from ..transport import clock
from ..wire import data as wire, storage
from . import file_reader, file_writer
from .file_reader import Format
from .row_formats import LocatedValue
from .schema import Row, Schema, schema_of_template

STEP_TIMEOUT_S = 600.0  # seconds that an import, a release or an export may take


@dataclass(frozen=True)
class TransferStep:
    """Progress of a transfer."""

    kind: Literal["upload", "import", "release"]  # the step
    done: int  # bytes of an upload; 0 or 1 of the other steps
    total: int  # all of its bytes; 1


ProgressCallback = Callable[[TransferStep], object]


@dataclass(frozen=True)
class RemoteInfo:
    """A dataset on the platform without its rows: name, schema and number of rows."""

    name: str
    schema: Schema
    count: int


_released_ids: dict[tuple[str, str, str, str], str] = {}
"""The ids of the datasets that this process uploaded, by host, bucket, name and digest of the
content.
"""


def release(
    name: str,
    rows: Sequence[Row],
    schema: Schema,
    *,
    stop_event: threading.Event | None = None,
    progress: ProgressCallback | None = None,
) -> str:
    """Upload rows, create and release a dataset of them, and return its `ds-...` id.

    The same rows under the same name are not uploaded again.

    Raises:
        InvalidArgumentError: no bucket is known for the upload.
        DatasetError: the platform could not import or release it.
    """
    bucket = default_bucket()
    report = progress or _ignore_step
    content = file_writer.to_platform_bytes(rows, schema)
    digest = hashlib.sha256(content).hexdigest()[:16]
    cache_key = (connect.current_platform().host, bucket, name, digest)
    if (dataset_id := _released_ids.get(cache_key)) is None or not _is_imported(dataset_id):
        folder = f"qfnb/{digest}"
        safe_name = re.sub(r"[^\w.-]+", "_", name).strip(".")[:80] or "dataset"
        address = storage.build_uri(bucket, f"{folder}/{safe_name}.jsonl")
        _upload(address, content, report)
        dataset_id = _create_dataset(name, schema, bucket, f"/{folder}/")
        report(TransferStep("import", 0, 1))
        import_object(
            dataset_id, address, is_annotated=bool(schema.reference), stop_event=stop_event
        )
        report(TransferStep("import", 1, 1))
    report(TransferStep("release", 0, 1))
    dataset_id = ensure_released(dataset_id, stop_event=stop_event)
    report(TransferStep("release", 1, 1))
    _released_ids[cache_key] = dataset_id
    return dataset_id


def default_bucket() -> str:
    """Return the bucket for uploads.

    Raises:
        InvalidArgumentError: none is set.
    """
    bucket = connect.current_platform().bucket
    if not bucket:
        raise InvalidArgumentError(
            tr(
                "A local dataset is uploaded to your own BOS bucket first, and none is set.\n"
                "Set QIANFAN_BOS_BUCKET, or use Dataset.load(qianfan_dataset_id='ds-...')."
            )
        )
    return bucket


def import_object(
    dataset_id: int | str,
    address: str,
    *,
    is_annotated: bool,
    stop_event: threading.Event | None = None,
) -> None:
    """Import an object of the user's bucket into a dataset, and wait until its rows are there.

    Args:
        dataset_id: the dataset that gets the rows.
        address: `bos:/bucket/key`.
        is_annotated: whether the rows have answers.
        stop_event: ends the wait when it is set.

    Raises:
        DatasetError: the platform could not import it.
    """
    Data.create_data_import_task(dataset_id, is_annotated, wire.USER_BOS, [address])
    _wait_for_status(
        dataset_id, "import_status", settings().import_status_polling_interval, stop_event
    )


def ensure_released(dataset_id: int | str, *, stop_event: threading.Event | None = None) -> str:
    """Release a dataset unless it is released already; return its `ds-...` id.

    Raises:
        DatasetError: the platform could not release it.
    """
    version = Data.info(dataset_id).data.version_info
    if version.release_status != wire.FINISHED:
        Data.release(dataset_id)
        _wait_for_status(
            dataset_id, "release_status", settings().release_status_polling_interval, stop_event
        )
    return str(version.dataset_pk or dataset_id)


def remote_info(dataset_id: int | str) -> RemoteInfo:
    """Return the facts of a dataset on the platform, without its rows."""
    info = Data.info(dataset_id).data
    version = info.version_info
    return RemoteInfo(
        info.name, schema_of_template(version.template_type), version.entity_count or 0
    )


def fetch(dataset_id: int | str) -> list[LocatedValue]:
    """Export a dataset of the platform, download it to a temporary file, and return its rows.

    Raises:
        DatasetError: it has no rows, or the platform could not export it.
        UnexpectedContent: the download is not a file of rows.
    """
    Data.export(dataset_id)
    _wait_for_status(dataset_id, "export_status", settings().import_status_polling_interval, None)
    exports = Data.export_records(dataset_id).data
    finished = [row for row in exports if row.status == wire.FINISHED and row.download_url]
    if not finished:
        raise DatasetError(
            tr("{id}: the platform names no address to download its export from.", id=dataset_id)
        )
    url = max(finished, key=lambda row: row.finish_time).download_url
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:  # 0700, as mkdtemp makes it
        path = download(url, Path(folder) / "export.zip", max_bytes=file_reader.MAX_BYTES)
        return file_reader.read_path(path, "zip", name=str(dataset_id), exported=True)


def fetch_object(address: str, kind: str | None) -> list[LocatedValue]:
    """Return the rows of an object in storage."""
    name = PurePosixPath(address).name
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
        path = Path(folder) / f"object{PurePosixPath(name).suffix}"
        Storage.download(address, path, max_bytes=file_reader.MAX_BYTES)
        return file_reader.read_path(path, kind, name=address)


def store_object(
    address: str,
    rows: Sequence[Row],
    schema: Schema,
    kind: Format,
    *,
    progress: ProgressCallback | None = None,
) -> str:
    """Write rows to an object in storage; return its address."""
    buffer = io.BytesIO()
    file_writer.write_to(buffer, rows, schema, kind)
    return _upload_with_steps(address, buffer.getvalue(), progress or _ignore_step)


def _upload_with_steps(address: str, content: bytes, report: ProgressCallback) -> str:
    return Storage.upload(
        address, content, lambda done, total: report(TransferStep("upload", done, total))
    )


def _upload(address: str, content: bytes, report: ProgressCallback) -> None:
    """Upload an object that does not exist yet; the address holds a digest of the content."""
    existing = Storage.info(address)
    if existing is None or existing.size != len(content):
        _upload_with_steps(address, content, report)
    report(TransferStep("upload", len(content), len(content)))


def _create_dataset(name: str, schema: Schema, bucket: str, folder: str) -> str:
    types = wire.TEXT_DATA, schema.template_type // 100, schema.template_type
    return Data.create_bare_dataset(
        name, *types, storage_id=bucket, storage_path=folder
    ).data.dataset_id


def _is_imported(dataset_id: str) -> bool:
    """Return whether a dataset still exists and is imported: it may be deleted, or the sandbox be
    reset.
    """
    try:
        return Data.info(dataset_id).data.version_info.import_status == wire.FINISHED
    except APIError:
        return False


def _wait_for_status(
    dataset_id: int | str, status: str, interval: float, stop_event: threading.Event | None
) -> None:
    interval_s = connect.polling_interval(interval)
    stop_event = stop_event or threading.Event()
    deadline = time.monotonic() + STEP_TIMEOUT_S
    while (
        state := getattr((answer := Data.info(dataset_id)).data.version_info, status)
    ) != wire.FINISHED:
        if state in {wire.FAILED, wire.TERMINATED}:
            reason = _reason(dataset_id, answer.body)
            raise DatasetError(tr(_FAILURES[status], id=dataset_id, reason=reason))
        if time.monotonic() > deadline:
            limit = duration(STEP_TIMEOUT_S)
            raise DatasetError(
                tr(
                    "{id}: the platform did not finish within {time}. Try again later.",
                    id=dataset_id,
                    time=limit,
                )
            )
        if clock.wait(interval_s, stop_event):
            raise DatasetError(tr("{id}: stopped while waiting for the platform.", id=dataset_id))


def _reason(dataset_id: int | str, body: dict[str, Any]) -> str:
    """Return the platform's reason of a failure, with the lines of the file that it names."""
    version = (body.get("result") or {}).get("versionInfo") or {}
    reason = version.get("importErrorInfo") or version.get("errMsg")
    message = str(reason or tr("the platform gives no reason"))
    try:
        samples = Data.import_errors(dataset_id, int(version.get("errCode") or 0)).data.content[:3]
    except APIError:
        return message
    lines = [
        tr("line {line}: {text}", line=row.text_location, text=repr(row.text_content[:60]))
        for row in samples
    ]
    return "\n".join(filter(None, [message, "; ".join(lines)]))


_FAILURES = {
    "import_status": tr_noop("{id}: the platform could not import the rows: {reason}"),
    "release_status": tr_noop("{id}: the platform could not release the dataset: {reason}"),
    "export_status": tr_noop("{id}: the platform could not export the rows: {reason}"),
}


def _ignore_step(step: TransferStep) -> None:
    """Do nothing: no callback was given."""
