"""Your trainings, services and datasets, and the known models, as DataFrames."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

from ... import connect
from ..._tables import frame_class
from ...base.language import tr
from ...base.text import replace_surrogates
from ...errors import InvalidArgumentError, QianfanError, UnexpectedContent
from ...transport import model_list
from ...transport.response import Response
from ...wire import catalog
from ...wire.base import PageInfo
from ...wire.prices import show_steps
from ..validation import validate_positive
from .data import Data
from .finetune import FineTune
from .operation import BlockingCall
from .service import Service

if TYPE_CHECKING:
    import pandas as pd

PAGE_SIZE = 100
JOB_COLUMNS = ("task_id", "name", "model", "train_mode", "status", "job_id", "created", "finished")
SERVICE_COLUMNS = (
    "service_id",
    "name",
    "endpoint",
    "status",
    "type",
    "model_id",
    "model_version_id",
    "created",
)
DATASET_COLUMNS = (
    "dataset_id",
    "name",
    "format",
    "versions",
    "version_id",
    "rows",
    "status",
    "created",
)


def jobs(limit: int = 50) -> pd.DataFrame:
    """Return the newest training jobs as a DataFrame with one row per run, the newest first.

    Args:
        limit: number of jobs; each costs one request.

    Columns: task_id, name, model, train_mode, status (the platform's word), job_id, created,
    finished.
    """
    job_rows = newest_rows(
        lambda marker, size: FineTune.V2.job_list(marker=marker, max_keys=size), "job_list", limit
    )
    rows = []
    for job in job_rows:
        tasks = FineTune.V2.task_list(job.job_id, max_keys=PAGE_SIZE).data.task_list
        for task in tasks:
            rows.append(
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
            )
    return _to_frame("JobTable", rows, JOB_COLUMNS, times=["created", "finished"])


def services(limit: int = 100) -> pd.DataFrame:
    """Return your own services as a DataFrame, the newest first; `endpoint` is the value for
    `endpoint=`.

    Columns: service_id, name, endpoint, status (New, Deploying, Serving, Failed, Stopped), type,
    model_id, model_version_id, created.
    """
    service_rows = newest_rows(
        lambda marker, size: Service.V2.service_list(marker=marker, max_keys=size),
        "service_list",
        limit,
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
    return _to_frame("ServiceTable", rows, SERVICE_COLUMNS, times=["created"])


def datasets(limit: int = 100) -> pd.DataFrame:
    """Return your own datasets as a DataFrame, the newest first; rows and status are the newest
    version's.

    Columns: dataset_id (`dg-...`), name, format, versions, version_id (`ds-...`, what is trained
    on), rows, status, created.
    """
    dataset_rows = newest_rows(
        lambda marker, size: Data.list_datasets(marker=marker, max_keys=size), "dataset_list", limit
    )
    rows = []
    for row in dataset_rows:
        latest_version = row.latest_version
        if latest_version:
            version_columns = (
                latest_version.version_id,
                latest_version.sample_count,
                latest_version.publish_status,
            )
        else:
            version_columns = (None,) * 3
        rows.append(
            (
                row.dataset_id,
                row.dataset_name,
                row.data_format,
                row.version_count,
                *version_columns,
                row.create_time,
            )
        )
    return _to_frame(
        "DatasetTable", rows, DATASET_COLUMNS, counts=["versions", "rows"], times=["created"]
    )


def newest_rows(
    fetch_page: Callable[[str | None, int], Response[Any]], list_field: str, limit: int
) -> Iterator[Any]:
    """Yield the first `limit` rows of a list that comes in pages.

    Args:
        fetch_page: returns the page after a marker, None for the first, with at most a number of
            rows.
        list_field: the field of a page that has its rows.
        limit: from 1.

    Raises:
        UnexpectedContent: a page leads back to itself or to an earlier one.
    """
    validate_positive("limit", limit)
    markers: list[str | None] = [None]
    while limit > 0:
        page_data = fetch_page(markers[-1], min(limit, PAGE_SIZE)).data
        rows = getattr(page_data, list_field)
        yield from rows[:limit]
        limit -= len(rows)
        page_info: PageInfo = page_data.page_info or PageInfo()
        if not rows or not page_info.is_truncated or not page_info.next_marker:
            return
        if page_info.next_marker in markers:
            raise UnexpectedContent(
                tr(
                    "the platform's list goes round in circles at {next_marker!r}",
                    next_marker=page_info.next_marker,
                )
            )
        markers.append(page_info.next_marker)


def _to_frame(
    name: str,
    rows: list[tuple[Any, ...]],
    columns: tuple[str, ...],
    *,
    counts: list[str] | None = None,
    times: list[str],
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    cells = [
        tuple(replace_surrogates(cell) if isinstance(cell, str) else cell for cell in row)
        for row in rows
    ]
    frame = pd.DataFrame(cells, columns=list(columns))
    for count in counts or ():
        frame[count] = pd.to_numeric(frame[count], errors="coerce").astype("Int64")
    for time in times:
        frame[time] = pd.to_datetime(frame[time], errors="coerce", utc=True)
    table: pd.DataFrame = frame_class(name)(frame)
    return table


MODEL_COLUMNS = (
    "id", "kind", "context", "max_input", "max_chars", "max_output", "modality", "thinking",
    "tools", "json_schema",
    "price_input", "price_output", "price_cached", "price_image", "batch_share",
    "status", "ended", "replacement", "source",
)  # fmt: skip
_COUNT_COLUMNS = ("context", "max_input", "max_chars", "max_output")
_FLAG_COLUMNS = ("tools", "json_schema")


async def _list_models(
    kind: catalog.ModelKind | None = None, *, include_retired: bool = False, refresh: bool = False
) -> pd.DataFrame:
    """Return the models as a DataFrame with one row for each: lengths, abilities, prices, status
    and sources.

    A notebook shows the columns that matter; the value has all.

    The table comes with the package; what `GET /v2/models` of the platform says is laid over it,
    kept a day and refreshed in the background when a key is set. Models that are not here can be
    used too: the platform decides.

    Columns: id, kind; context, max_input, max_output (tokens), max_chars; modality; thinking with
    the field that switches it, tools, json_schema (<NA>: not known); price_input, price_output,
    price_cached (CNY per 1,000 tokens, by length of the input or by hour in China), price_image
    (CNY), batch_share (what a batch pays); status, ended, replacement (the living model); source of
    each fact.

    Args:
        kind: "chat", "embedding", "reranker", "text2image", ...; default all.
        include_retired: also those that have ended, default False.
        refresh: ask the platform now, default False; if it does not answer, a warning says why.

    Raises:
        InvalidArgumentError: there is no such kind.
    """
    kinds = get_args(catalog.ModelKind)
    if kind is not None and kind not in kinds:
        raise InvalidArgumentError(
            tr(
                "kind={kind!r}: must be one of {kinds}, or None for all",
                kind=kind,
                kinds=tr(", ").join(kinds),
            )
        )
    rows = catalog.load_models()
    if refresh:
        try:
            rows = await model_list.fetch_models(await connect.aclient())
        except QianfanError as error:
            warnings.warn(
                tr(
                    "the platform's list of models cannot be read, the table of {date} is used: "
                    "{error}",
                    date=catalog.TABLE_DATE,
                    error=error,
                ),
                stacklevel=2,
            )
    elif connect.platform_info().name == "qianfan":
        model_list.keep_fresh(await connect.aclient())  # a kernel may live for days
        rows = catalog.load_models()
    rows = tuple(
        row
        for row in rows
        if kind in {None, row.kind} and (include_retired or row.status != "retired")
    )
    return await asyncio.to_thread(_to_model_frame, rows)


models: BlockingCall[..., pd.DataFrame] = BlockingCall(_list_models)


def _to_model_frame(rows: Sequence[catalog.CatalogModel]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    frame = pd.DataFrame([_model_columns(row) for row in rows], columns=list(MODEL_COLUMNS))
    frame = frame.astype(
        dict.fromkeys(_COUNT_COLUMNS, "Int64") | dict.fromkeys(_FLAG_COLUMNS, "boolean")
    )
    table: pd.DataFrame = frame_class("ModelTable")(
        frame.astype({"price_image": "Float64", "batch_share": "Float64"})
    )
    return table


def _model_columns(row: catalog.CatalogModel) -> dict[str, Any]:
    table = catalog.prices_of(row)
    heir = catalog.living_replacement(row.kind, row.id)
    switch = " or ".join(
        filter(None, (row.thinking_field, "reasoning_effort" if row.efforts else ""))
    )
    facts = {name: source for name, source in row.sources.items() if name}
    steps = {name: getattr(table, name) if table else () for name in ("input", "output", "cached")}
    return {
        **{
            name: getattr(row, name)
            for name in ("id", "kind", *_COUNT_COLUMNS, *_FLAG_COLUMNS, "status", "ended")
        },
        "modality": f"{'+'.join(row.modality_in)} → {'+'.join(row.modality_out)}"
        if row.modality_in
        else "",
        "thinking": f"{row.thinking} ({switch})" if switch else row.thinking,
        **{f"price_{name}": show_steps(column) for name, column in steps.items()},
        "price_image": table.image if table else None,
        "batch_share": table.batch_share if table else None,
        "replacement": heir.id if heir else "",
        "source": "; ".join(
            [row.source_of(""), *(f"{name}: {source}" for name, source in facts.items())]
        ),
    }
