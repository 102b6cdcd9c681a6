"""Bring rows onto the platform and back: upload, import, release; export, download.

Each step is watched until it is over; what goes wrong is told with the platform's own line.
"""

from __future__ import annotations

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
from ..config import settings
from ..errors import APIError, DatasetError, InvalidArgumentError
from ..resources.data import Data
from ..resources.storage import Storage, download
from ..transport import clock
from ..wire import data as wire
from ..wire import storage
from . import reading, writing
from .formats import Format
from .rows import Read
from .schema import Row, Schema, of_template

PATIENCE = 600.0
"""Seconds that an import, a release or an export may take."""


@dataclass(frozen=True)
class Step:
    """How far a transfer is.

    Attributes:
        what: the step.
        done, total: bytes of an upload; 0 and 1, then 1 and 1, for what has no measure.
    """

    what: Literal["upload", "import", "release"]
    done: int
    total: int


Progress = Callable[[Step], object]


@dataclass(frozen=True)
class Known:
    """What the platform tells of a dataset without its rows."""

    name: str
    schema: Schema
    count: int


_released: dict[tuple[str, str, str, str], str] = {}
"""The ids of what this process brought where: host, bucket, name and a digest of the content."""


def release(
    name: str,
    rows: Sequence[Row],
    schema: Schema,
    *,
    bucket: str = "",
    stopped: threading.Event | None = None,
    progress: Progress | None = None,
) -> str:
    """Upload rows, make them a released dataset, and return its `ds-...` id.

    The same rows under the same name are not uploaded again.

    Raises:
        InvalidArgumentError: no bucket is known for the upload.
        DatasetError: the platform could not import or release it.
    """
    at = connect.current_platform()
    bucket = bucket or at.bucket
    if not bucket:
        raise InvalidArgumentError(
            "a local dataset is uploaded to your own BOS bucket first, and none is set\n"
            "设置 QIANFAN_BOS_BUCKET，或加载平台上已有的数据集 / set QIANFAN_BOS_BUCKET, or use "
            "Dataset.load(qianfan_dataset_id='ds-...')"
        )
    tell = progress or _nobody
    suffix, content = writing.platform_bytes(rows, schema)
    digest = hashlib.sha256(content).hexdigest()[:16]
    known = (at.host, bucket, name, digest)
    if (dataset_id := _released.get(known)) is None or not _is_there(dataset_id):
        folder = f"qfnb/{digest}"
        address = storage.join(bucket, f"{folder}/{_safe(name)}{suffix}")
        _upload(address, content, tell)
        dataset_id = _created(name, schema, bucket, f"/{folder}/")
        tell(Step("import", 0, 1))
        Data.create_data_import_task(dataset_id, bool(schema.reference), wire.OWN_BOS, [address])
        _until(dataset_id, "import_status", settings().import_status_polling_interval, stopped)
        tell(Step("import", 1, 1))
    tell(Step("release", 0, 1))
    dataset_id = ensure_released(dataset_id, stopped=stopped)
    tell(Step("release", 1, 1))
    _released[known] = dataset_id
    return dataset_id


def ensure_released(dataset_id: int | str, *, stopped: threading.Event | None = None) -> str:
    """Release a dataset unless it is released already; return its `ds-...` id.

    Raises:
        DatasetError: the platform could not release it.
    """
    version = Data.info(dataset_id).data.version_info
    if version.release_status != wire.FINISHED:
        Data.release(dataset_id)
        _until(dataset_id, "release_status", settings().release_status_polling_interval, stopped)
    return str(version.dataset_pk or dataset_id)


def known(dataset_id: int | str) -> Known:
    """Return what a dataset on the platform is and how many rows it has, without its rows."""
    found = Data.info(dataset_id).data
    version = found.version_info
    return Known(found.name, of_template(version.template_type), version.entity_count or 0)


def fetch(dataset_id: int | str, *, most: int) -> list[Read]:
    """Return the rows of a dataset on the platform: exported, downloaded, and the file removed again.

    Args:
        dataset_id: `ds-...`, or the number.
        most: bytes that the download may have, and again when unpacked.

    Raises:
        DatasetError: it has no rows, or the platform could not export it.
        UnexpectedContent: the download is not what it should be.
    """
    Data.export(dataset_id)
    _until(dataset_id, "export_status", settings().import_status_polling_interval, None)
    done = [
        row
        for row in Data.export_records(dataset_id).data
        if row.status == wire.FINISHED and row.download_url
    ]
    if not done:
        raise DatasetError(f"{dataset_id}: the platform names no address to download its export from")
    url = max(done, key=lambda row: row.finish_time).download_url
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:  # 0700, as mkdtemp makes it
        path = download(url, Path(folder) / "export.zip", most=most)
        return reading.read(path, "zip", most=most, name=str(dataset_id), exported=True)


def stored(address: str, kind: str | None, *, most: int) -> list[Read]:
    """Return the rows of an object in storage, `bos:/bucket/key`."""
    name = PurePosixPath(address).name
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
        path = Path(folder) / f"object{PurePosixPath(name).suffix}"
        Storage.download(address, path, most=most)
        return reading.read(path, kind, most=most, name=address)


def store(
    address: str, rows: Sequence[Row], schema: Schema, kind: Format, *, progress: Progress | None = None
) -> str:
    """Write rows to an object in storage; return its address."""
    made = io.BytesIO()
    writing.to(made, rows, schema, kind)
    tell = progress or _nobody
    return Storage.upload(address, made.getvalue(), lambda done, total: tell(Step("upload", done, total)))


def _upload(address: str, content: bytes, tell: Progress) -> None:
    """Upload what is not there already; the address holds a digest of the content."""
    there = Storage.info(address)
    if there is None or there.size != len(content):
        Storage.upload(address, content, lambda done, total: tell(Step("upload", done, total)))
    tell(Step("upload", len(content), len(content)))


def _created(name: str, schema: Schema, bucket: str, folder: str) -> str:
    made = Data.create_bare_dataset(
        name,
        schema.data_type,
        schema.project_type,
        schema.template_type,
        storage_id=bucket,
        storage_path=folder,
    )
    return made.data.dataset_id


def _is_there(dataset_id: str) -> bool:
    """Tell whether a dataset still is what it was made: it may have been deleted, or the sandbox be new."""
    try:
        return Data.info(dataset_id).data.version_info.import_status == wire.FINISHED
    except APIError:
        return False


def _until(dataset_id: int | str, status: str, interval: float, stopped: threading.Event | None) -> None:
    seconds = connect.polling_interval(interval)
    waiting, end = stopped or threading.Event(), time.monotonic() + PATIENCE
    what = status.replace("_", " ")
    while (state := getattr((answer := Data.info(dataset_id)).data.version_info, status)) != wire.FINISHED:
        if state in {wire.FAILED, wire.TERMINATED}:
            raise DatasetError(f"{dataset_id}: {what} is {state}: {_reason(dataset_id, answer.body)}")
        if time.monotonic() > end:
            raise DatasetError(f"{dataset_id}: {what} did not finish in {PATIENCE:g} s")
        if clock.pause(seconds, waiting):
            raise DatasetError(f"{dataset_id}: stopped while waiting for its {what}")


def _reason(dataset_id: int | str, body: dict[str, Any]) -> str:
    """Return why something failed, with the lines of the file where the platform names them."""
    version = (body.get("result") or {}).get("versionInfo") or {}
    said = str(version.get("importErrorInfo") or version.get("errMsg") or "the platform gives no reason")
    try:
        samples = Data.import_errors(dataset_id, int(version.get("errCode") or 0)).data.content[:3]
    except APIError:
        return said
    lines = [f"line {row.text_location}: {row.text_content[:60]!r}" for row in samples]
    return "\n".join([said, *(["; ".join(lines)] if lines else [])])


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip(".")[:80] or "dataset"


def _nobody(step: Step) -> None:
    """Nobody wants to know."""
