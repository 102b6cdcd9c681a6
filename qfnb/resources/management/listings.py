"""Your trainings, services and datasets, and the known models, as DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...transport.response import Response
from ...wire import catalog, inference as wire
from ...wire.base import PageInfo
from ..validation import validate_positive
from .data import Data
from .finetune import FineTune
from .operation import operation
from .service import Service

if TYPE_CHECKING:
    import pandas as pd

PAGE_SIZE = 100
JOB_COLUMNS = ("task_id", "name", "model", "train_mode", "status", "job_id", "created", "finished")
SERVICE_COLUMNS = ("service_id", "name", "endpoint", "status", "type", "model_id", "model_version_id", "created")
DATASET_COLUMNS = ("dataset_id", "name", "format", "versions", "version_id", "rows", "status", "created")


def jobs(limit: int = 50) -> pd.DataFrame:
    """Return the newest training jobs as a DataFrame with one row per run, the newest first.

    Args:
        limit: number of jobs; each costs one request.

    Columns: task_id, name, model, train_mode, status (the platform's word), job_id, created, finished.
    """
    job_rows = _newest_rows(lambda marker, size: FineTune.V2.job_list(marker=marker, max_keys=size), "job_list", limit)
    rows = []
    for job in job_rows:
        tasks = FineTune.V2.task_list(job.job_id, max_keys=PAGE_SIZE).data.task_list
        rows += [
            (
                task.task_id,
                job.name,
                task.model or job.model,
                task.train_mode or job.train_mode,
                task.run_status,
                job.job_id,
                task.create_date,
                task.finish_date,
            )
            for task in tasks
        ]
    return _to_frame(rows, JOB_COLUMNS, times=["created", "finished"])


def services(limit: int = 100) -> pd.DataFrame:
    """Return your own services as a DataFrame, the newest first; `endpoint` is the value for `endpoint=`.

    Columns: service_id, name, endpoint, status (New, Deploying, Serving, Failed, Stopped), type, model_id,
    model_version_id, created.
    """
    service_rows = _newest_rows(
        lambda marker, size: Service.V2.service_list(marker=marker, max_keys=size), "service_list", limit
    )
    rows = [
        (
            row.service_id,
            row.name,
            row.endpoint,
            row.run_status,
            row.service_type,
            row.model_id,
            row.model_version_id,
            row.create_time,
        )
        for row in service_rows
    ]
    return _to_frame(rows, SERVICE_COLUMNS, times=["created"])


def datasets(limit: int = 100) -> pd.DataFrame:
    """Return your own datasets as a DataFrame, the newest first; rows and status are the newest version's.

    Columns: dataset_id (`dg-...`), name, format, versions, version_id (`ds-...`, what is trained on), rows,
    status, created.
    """
    dataset_rows = _newest_rows(
        lambda marker, size: Data.list_datasets(marker=marker, max_keys=size), "dataset_list", limit
    )
    rows = []
    for row in dataset_rows:
        latest_version = row.latest_version
        version_columns = (
            (latest_version.version_id, latest_version.sample_count, latest_version.publish_status)
            if latest_version
            else (None,) * 3
        )
        rows.append(
            (row.dataset_id, row.dataset_name, row.data_format, row.version_count, *version_columns, row.create_time)
        )
    return _to_frame(rows, DATASET_COLUMNS, counts=["versions", "rows"], times=["created"])


def _newest_rows(fetch_page: Callable[[str | None, int], Response[Any]], list_field: str, limit: int) -> Iterator[Any]:
    """Yield the first `limit` rows of a list that comes in pages."""
    validate_positive("limit", limit)
    marker: str | None = None
    while limit > 0:
        page_data = fetch_page(marker, min(limit, PAGE_SIZE)).data
        rows = getattr(page_data, list_field)
        yield from rows[:limit]
        limit -= len(rows)
        page_info: PageInfo = page_data.page_info
        marker = page_info.next_marker
        if not rows or not page_info.is_truncated or not marker:
            return


def _to_frame(
    rows: list[tuple[Any, ...]], columns: tuple[str, ...], *, counts: list[str] | None = None, times: list[str]
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    frame = pd.DataFrame(rows, columns=list(columns))
    for name in counts or ():
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype("Int64")
    for name in times:
        frame[name] = pd.to_datetime(frame[name], errors="coerce", utc=True)
    return frame


MODEL_COLUMNS = (
    "id",
    "kind",
    "context",
    "max_input",
    "max_output",
    "thinking",
    "tools",
    "status",
    "ended",
    "replacement",
    "source",
)


def models(*, refresh: bool = False) -> pd.DataFrame:
    """Return the models as a DataFrame: id, kind, lengths in tokens, abilities, status.

    Args:
        refresh: add the models that only the platform lists (`GET /v2/models`), with source "platform".

    Models that are not listed can be used too: the platform decides.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = [{**vars(row), "source": row.source_of("")} for row in catalog.load_models()]
    if refresh:
        known_ids = {row["id"] for row in rows}
        rows += [
            {"id": name, "kind": "", "source": "platform"}
            for name in (row.id for row in available_model_list().data.data)
            if name not in known_ids
        ]
    return pd.DataFrame(rows, columns=list(MODEL_COLUMNS))


@operation(wire.MODELS_V2)
def available_model_list() -> None:
    """Return the models that the platform offers now, by their v2 ids."""
