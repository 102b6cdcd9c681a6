"""What there is on the platform, as DataFrames: trainings, services, datasets, models of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError
from ..transport.response import Response
from ..wire.base import PageInfo
from .data import Data
from .finetune import FineTune
from .service import Service

if TYPE_CHECKING:
    import pandas as pd

PAGE = 100
JOBS = ("task_id", "name", "model", "train_mode", "status", "job_id", "created", "finished")
SERVICES = ("service_id", "name", "endpoint", "status", "type", "model_id", "model_version_id", "created")
DATASETS = ("dataset_id", "name", "format", "versions", "version_id", "rows", "status", "created")


def jobs(most: int = 50) -> pd.DataFrame:
    """Return the newest training jobs as a DataFrame with one row per run, the newest first.

    Args:
        most: jobs that are looked at; each costs one request.

    Columns: task_id, name, model, train_mode, status (the platform's word), job_id, created, finished.
    """
    found = _newest(lambda marker, size: FineTune.V2.job_list(marker=marker, max_keys=size), "job_list", most)
    rows = []
    for job in found:
        tasks = FineTune.V2.task_list(job.job_id, max_keys=PAGE).data.task_list
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
    return _frame(rows, JOBS, times=["created", "finished"])


def services(most: int = 100) -> pd.DataFrame:
    """Return one's own services as a DataFrame, the newest first; `endpoint` is what `endpoint=` takes.

    Columns: service_id, name, endpoint, status (New, Deploying, Serving, Failed, Stopped), type, model_id,
    model_version_id, created.
    """
    found = _newest(
        lambda marker, size: Service.V2.service_list(marker=marker, max_keys=size), "service_list", most
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
        for row in found
    ]
    return _frame(rows, SERVICES, times=["created"])


def datasets(most: int = 100) -> pd.DataFrame:
    """Return one's own datasets as a DataFrame, the newest first; rows and status are the newest version's.

    Columns: dataset_id (`dg-...`), name, format, versions, version_id (`ds-...`, what is trained on), rows,
    status, created.
    """
    found = _newest(
        lambda marker, size: Data.list_datasets(marker=marker, max_keys=size), "dataset_list", most
    )
    rows = []
    for row in found:
        last = row.latest_version
        facts = (last.version_id, last.sample_count, last.publish_status) if last else (None,) * 3
        rows.append(
            (row.dataset_id, row.dataset_name, row.data_format, row.version_count, *facts, row.create_time)
        )
    return _frame(rows, DATASETS, counts=["versions", "rows"], times=["created"])


def _newest(page: Callable[[str | None, int], Response[Any]], key: str, most: int) -> Iterator[Any]:
    """Yield the first so many rows of a list that comes in pages."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InvalidArgumentError(f"most={most!r}: it is a whole number from 1 (须为正整数)")
    marker: str | None = None
    while most > 0:
        answer = page(marker, min(most, PAGE)).data
        rows = getattr(answer, key)
        yield from rows[:most]
        most -= len(rows)
        info: PageInfo = answer.page_info
        marker = info.next_marker
        if not rows or not info.is_truncated or not marker:
            return


def _frame(
    rows: list[tuple[Any, ...]],
    columns: tuple[str, ...],
    *,
    counts: list[str] | None = None,
    times: list[str],
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    made = pd.DataFrame(rows, columns=list(columns))
    for name in counts or ():
        made[name] = pd.to_numeric(made[name], errors="coerce").astype("Int64")
    for name in times:
        made[name] = pd.to_datetime(made[name], errors="coerce", utc=True)
    return made
