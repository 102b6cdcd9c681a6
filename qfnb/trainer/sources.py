"""What a training learns from: a dataset or several, and the run that it continues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._tables import open_table
from ..base.language import tr
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..resources.management.finetune import FineTune
from .configs import TrainConfig

DataSource = Any
"""A `Dataset`, a table, a `ds-...` id, a path of data, `bos:/bucket/key`, a list of these, or the
facts of a `LoadDataSetAction`.
"""

Source = Dataset | str
"""A dataset, or the address of an object in a bucket."""


def load_sources(data: DataSource) -> list[Source]:
    """Return the datasets and addresses that an argument names.

    Raises:
        InvalidArgumentError: one of them is something else, or a dataset has no rows.
    """
    if isinstance(data, Mapping) and isinstance(data.get("datasets"), list):
        data = data["datasets"]
    if isinstance(data, Sequence) and not isinstance(data, (str, Dataset)) and data:
        return [_load_source(item) for item in data]
    return [_load_source(data)]


def _load_source(source: Any) -> Source:
    table = open_table(source)
    if table is not None:
        source = Dataset.load(table)
    if (address := _address_of(source)) is not None:
        return address
    if not isinstance(source, Dataset):
        source = getattr(source, "path", source)
    if (dataset_id := _dataset_id_of(source)) is not None:
        source = Dataset.load(qianfan_dataset_id=dataset_id)
    elif isinstance(source, (str, Path)):
        source = Dataset.load(source)
    if not isinstance(source, Dataset):
        kind = type(source).__name__
        raise InvalidArgumentError(
            tr(
                "dataset is a {kind}: pass a Dataset, a 'ds-...' id, or the path of a data file",
                kind=kind,
            )
        )
    if source.id is None and not len(source):
        raise InvalidArgumentError(tr("the dataset has no rows: load some before training"))
    return source


def _address_of(source: Any) -> str | None:
    """Return the `bos:/bucket/key` of a source that is used where it is, None for others."""
    if isinstance(source, Mapping):
        source = source.get("bosPath")
    if not isinstance(source, str):
        return getattr(source, "bos_address", None) or getattr(source, "address", None)
    if source.startswith("bos:"):
        return source.replace("bos://", "bos:/", 1)
    return None


def _dataset_id_of(source: Any) -> str | None:
    """Return the id of a source that is on the platform, None for others."""
    if isinstance(source, Mapping):
        source = source.get("id")
        return None if source is None else str(source)
    if isinstance(source, (str, Path)):
        return str(source) if str(source).startswith("ds-") else None
    if isinstance(source, Dataset):
        return None
    return getattr(source, "id", None)


def with_data_options(config: TrainConfig, options: dict[str, Any]) -> TrainConfig:
    """Return a config with the fields that the official SDK takes as keywords of a trainer; they
    are removed from `options`.
    """
    names = {
        "corpus_config": "corpus_config",
        "resource_config": "resource_config",
        "sampling_rate": "sampling_rate",
        "eval_split_ratio": "trainset_rate",
    }
    values = config.model_dump()
    for keyword, field in names.items():
        if (value := options.pop(keyword, None)) is not None:
            values[field] = value
    return TrainConfig(**values)


def model_of_task(task_id: str | None) -> str:
    """Return the model of a run.

    Raises:
        InvalidArgumentError: there is no run, so that the model must be named.
    """
    if task_id is None:
        raise InvalidArgumentError(
            tr("train_type is missing: name the model to tune, e.g. ERNIE-4.5-Turbo-128K")
        )
    return str(FineTune.V2.task_detail(task_id)["result"]["model"])


def previous_task(task_id: str | None, trainer: Any, step: int | None) -> str | None:
    """Return the id of the run to continue from, None for none.

    Raises:
        InvalidArgumentError: several are named, or the one has no run.
    """
    if task_id is not None and trainer is not None:
        raise InvalidArgumentError(tr("pass only one of previous_task_id and previous_trainer"))
    if trainer is not None:
        task_id = trainer.progress.task_id
        if not task_id:
            raise InvalidArgumentError(
                tr("the earlier training has no finished run to continue from")
            )
    if step is not None and task_id is None:
        raise InvalidArgumentError(tr("previous_step needs previous_task_id or previous_trainer"))
    return task_id
