"""Bring rows onto the platform: upload, import, release; each step is watched until it is over."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

from .. import connect
from ..config import settings
from ..errors import DatasetError, InvalidArgumentError
from ..resources.data import Data, upload
from ..transport import clock
from ..wire import data as wire

PATIENCE = 600.0
"""Seconds that an import or a release may take."""


def release(name: str, content: bytes, *, bucket: str = "", stopped: threading.Event | None = None) -> str:
    """Upload a JSONL file, make it a released dataset, and return its `ds-...` id.

    Raises:
        InvalidArgumentError: no bucket is known for the upload.
        DatasetError: the platform could not import or release it.
    """
    bucket = bucket or connect.current_platform().bucket
    if not bucket:
        raise InvalidArgumentError(
            "a local dataset is uploaded to your own BOS bucket first, and none is set\n"
            "设置 QIANFAN_BOS_BUCKET，或加载平台上已有的数据集 / set QIANFAN_BOS_BUCKET, or use "
            "Dataset.load(qianfan_dataset_id='ds-...')"
        )
    folder = f"qfnb/{hashlib.sha256(content).hexdigest()[:16]}"
    address = upload(bucket, f"{folder}/{name}.jsonl", content)
    dataset_id = Data.create(name, bucket, f"/{folder}/").data.dataset_id
    Data.import_files(dataset_id, [address])
    _until(dataset_id, "import_status", settings().import_status_polling_interval, stopped)
    ensure_released(dataset_id, stopped=stopped)
    return dataset_id


def ensure_released(dataset_id: str, *, stopped: threading.Event | None = None) -> None:
    """Release a dataset unless it is released already.

    Raises:
        DatasetError: the platform could not release it.
    """
    if Data.info(dataset_id).data.version_info.release_status != wire.FINISHED:
        Data.release(dataset_id)
        _until(dataset_id, "release_status", settings().release_status_polling_interval, stopped)


def _until(dataset_id: str, status: str, interval: float, stopped: threading.Event | None) -> None:
    seconds = connect.polling_interval(interval)
    waiting, end = stopped or threading.Event(), time.monotonic() + PATIENCE
    look: Callable[[], Any] = lambda: Data.info(dataset_id)  # noqa: E731 - one expression, named for reading
    while (state := getattr((answer := look()).data.version_info, status)) != wire.FINISHED:
        if state in {wire.FAILED, wire.TERMINATED}:
            raise DatasetError(f"{dataset_id}: {status.replace('_', ' ')} is {state}: {_reason(answer.body)}")
        if time.monotonic() > end:
            raise DatasetError(f"{dataset_id}: {status.replace('_', ' ')} did not finish in {PATIENCE:g} s")
        if clock.pause(seconds, waiting):
            raise DatasetError(f"{dataset_id}: stopped while waiting for its {status.replace('_', ' ')}")


def _reason(body: dict[str, Any]) -> str:
    version = (body.get("result") or {}).get("versionInfo") or {}
    return str(version.get("importErrorInfo") or version.get("errMsg") or "the platform gives no reason")
