"""What a dataset on the platform can do there: list its rows, be cleaned."""

from __future__ import annotations

import copy
import secrets
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from ... import connect
from ...base.language import tr
from ...config import settings
from ...dataset import platform
from ...errors import InvalidArgumentError, QianfanError
from ...resources.console.consts import DataTemplateType, ETLTaskStatus
from ...resources.management.data import Data
from ...resources.management.storage import download
from ...transport import clock
from .platform_source import QianfanDataSource
from .table import Table

MAX_ROW_BYTES: Final = 16 * 1024 * 1024
PAGE_SIZE: Final = 30
"""Rows of a page that the platform lists."""

GROUPS: Final = ("clean", "filter", "deduplication", "desensitization")
"""Groups of operators; a cleaning names all of them."""

RUNNING: Final = (ETLTaskStatus.NoTask, ETLTaskStatus.Running, ETLTaskStatus.Paused)


Items = list[Any]


class CloudRows(Table):
    """A table that may be on the platform."""

    inner_data_source_cache: Any
    id: int | str | None

    def is_dataset_located_in_qianfan(self) -> bool:
        """Return whether the dataset is on the platform."""
        return self.id is not None and isinstance(self.inner_data_source_cache, QianfanDataSource)

    def is_dataset_generic_text(self) -> bool:
        """Return whether the dataset is on the platform and holds texts."""
        template_type = getattr(self.inner_data_source_cache, "template_type", None)
        return (
            self.is_dataset_located_in_qianfan() and template_type == DataTemplateType.GenericText
        )

    def fetch_rows(self) -> Self:
        """Return a copy that lists its rows also where they are on the platform, whose list has
        ids.
        """
        rows = copy.copy(self)
        if rows.is_dataset_located_in_qianfan() and rows._entries is not None:  # noqa: SLF001 - fetches them
            rows.inner_data_source_cache = None
        return rows

    def row_number(self) -> int:
        """Return the number of rows; of a dataset on the platform without fetching them."""
        if self.is_dataset_located_in_qianfan():
            return platform.remote_info(str(self.id)).count
        return super().row_number()

    def list(self, by: Any = None, **options: Any) -> Any:
        """Return all rows, one by its number, some by numbers, or a slice whose end is included.

        Of a dataset on the platform: `[{"entity_id": ..., "entity_content": "the row as JSON"}]`.
        """
        if self.is_dataset_located_in_qianfan():
            return _list_rows(str(self.id), by, len(self), **options)
        return super().list(by)

    def start_online_data_process_task(self, operators: Sequence[Any]) -> str:
        """Start a cleaning of texts on the platform, into a new dataset; return its id.

        Raises:
            InvalidArgumentError: the dataset is not on the platform, or holds no texts.
        """
        source = self.inner_data_source_cache
        if not self.is_dataset_generic_text():
            raise InvalidArgumentError(
                tr("the platform cleans only datasets of texts that are on the platform")
            )
        operations: dict[str, Items] = {group: [] for group in GROUPS}
        for operator in operators:
            operations[operator.operator_type].append(
                {"name": operator.operator_name, "args": operator.arguments()}
            )
        suffix = secrets.token_hex(5)
        target = QianfanDataSource.create_bare_dataset(
            f"etl_result_set_{suffix}",
            source.template_type,
            source.storage_type,
            source.storage_id,
            source.storage_raw_path,
        )
        answer = Data.create_dataset_etl_task(
            f"etl_task_{suffix}", source.id, target.id, operations
        )
        return str(answer["result"])

    def online_data_process(self, operators: Sequence[Any]) -> dict[str, Any]:
        """Clean texts on the platform, and wait for the end.

        Returns:
            is_succeeded, etl_task_id, and new_dataset_id where it succeeded.
        """
        task_id = self.start_online_data_process_task(operators)
        interval_s = connect.polling_interval(settings().import_status_polling_interval)
        never = threading.Event()
        while (task := Data.get_dataset_etl_task_info(task_id)["result"])[
            "processStatus"
        ] in RUNNING:
            clock.wait(interval_s, never)
        outcome = {
            "is_succeeded": task["processStatus"] == ETLTaskStatus.Finished,
            "etl_task_id": task_id,
        }
        return outcome | (
            {"new_dataset_id": task["destDatasetStrId"]} if outcome["is_succeeded"] else {}
        )


def _list_rows(dataset_id: str, by: Any, count: int, **options: Any) -> Items:
    """Return rows of a dataset on the platform, as JSON.

    Raises:
        InvalidArgumentError: rows are chosen by something else than a number or a slice.
    """
    if by is not None and not isinstance(by, (int, slice)):
        raise InvalidArgumentError(
            tr("rows on the platform are chosen by a number or a slice, not by {value!r}", value=by)
        )
    last = count - 1
    if by is None:
        span = slice(0, last)
    elif isinstance(by, int):
        span = slice(by, by)
    else:
        span = by
    start = span.start or 0
    if span.stop is None:
        end = last
    else:
        end = min(span.stop, last)
    items: Items = []
    while start + len(items) <= end:
        size = min(PAGE_SIZE, end - start - len(items) + 1)
        page = Data.list_all_entity_in_dataset(dataset_id, start + len(items), size, **options)[
            "result"
        ]["items"]
        if not page:
            break
        items += page
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
        return [
            {"entity_id": row["id"], "entity_content": _read(row["url"], Path(folder) / row["id"])}
            for row in items
        ]


def _read(url: str, path: Path) -> str:
    try:
        return download(url, path, max_bytes=MAX_ROW_BYTES).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise QianfanError(tr("the row at {url} is not UTF-8", url=url)) from error
