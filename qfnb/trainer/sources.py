"""What a training learns from: a dataset or several, and the run that it continues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._tables import open_table
from ..base.language import tr
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..model import Model
from ..resources.management.finetune import FineTune
from .configs import TrainConfig

DataSource = Any
"""A `Dataset`, a table, a `ds-...` id, a path of data, `bos:/bucket/key`, a list of these, or a
`DatasetConfig`.
"""

SampledSources = list[tuple[Dataset | str, float | None]]
"""Datasets and addresses in a bucket, each with the share of its rows that is used; None for all of
them.
"""


@dataclass(frozen=True)
class DatasetConfig:
    """The data of a training, under the official SDK's names.

    Attributes:
        datasets: datasets, data sources, or entries of the platform's `datasetConfig`.
        sampling_rates: the share of the rows of each that is used.
        sampling_rate: one share for all of them.
        eval_split_ratio: percent that is held out for validation.
    """

    datasets: Sequence[Any]
    sampling_rates: Sequence[float] | None = None
    eval_split_ratio: float | None = None
    sampling_rate: float | None = None

    def with_rates(self) -> list[tuple[Any, float | None]]:
        """Return the datasets, each with the share of its rows that is used; None for all of them.

        Raises:
            InvalidArgumentError: there are fewer shares than datasets, or more.
        """
        count = len(self.datasets)
        rates: Sequence[float | None] = self.sampling_rates or [self.sampling_rate] * count
        if len(rates) != count:
            raise InvalidArgumentError(
                tr("{n} sampling_rates for {datasets} datasets", n=len(rates), datasets=count)
            )
        return list(zip(self.datasets, rates, strict=True))


def resolve_sources(data: Any) -> list[tuple[Any, float | None]]:
    """Return the datasets that an argument names, each with its sampling rate; their ids and files
    are not read.

    Args:
        data: a `DatasetConfig`, a dataset, an id, a path, an address, a list of these, or
            `{"datasets": [{"type": 1, "id": "ds-..."}]}`.
    """
    if isinstance(data, DatasetConfig):
        return data.with_rates()
    if isinstance(data, Mapping):
        rows = data.get("datasets", data.get("versions"))
        if isinstance(rows, (Mapping, list)):
            return resolve_sources(rows)
    if isinstance(data, Sequence) and not isinstance(data, (str, Dataset)) and data:
        return [(item, None) for item in data]
    return [(data, None)]


def load_sources(data: DataSource) -> SampledSources:
    """Return the datasets and addresses that an argument names.

    Raises:
        InvalidArgumentError: one of them is something else, or a dataset has no rows.
    """
    return [(_load_source(source), rate) for source, rate in resolve_sources(data)]


def _load_source(source: Any) -> Dataset | str:
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
        source = source.get("versionBosUri") or source.get("bosPath")
    if not isinstance(source, str):
        return getattr(source, "bos_address", None) or getattr(source, "address", None)
    if source.startswith("bos:"):
        return source.replace("bos://", "bos:/", 1)
    return None


def _dataset_id_of(source: Any) -> str | None:
    """Return the id of a source that is on the platform, None for others."""
    if isinstance(source, Mapping):
        source = source.get("versionId") or source.get("id")
        return None if source is None else str(source)
    if isinstance(source, (str, Path)):
        return str(source) if str(source).startswith("ds-") else None
    if isinstance(source, Dataset):
        return None
    return getattr(source, "id", None)


def apply_data_options(
    dataset: DataSource, config: TrainConfig, options: dict[str, Any]
) -> tuple[DataSource, TrainConfig]:
    """Return the data and the config with what the official SDK takes as keywords; it is removed
    from `options`.

    Args:
        dataset: what to train on.
        config: the hyper-parameters.
        options: keywords of a trainer.
    """
    settings = {}
    for name in ("corpus_config", "resource_config", "sampling_rate"):
        if (value := options.pop(name, None)) is not None:
            settings[name] = value
    ratio = options.pop("eval_split_ratio", None)
    if isinstance(dataset, DatasetConfig) and ratio is None:
        ratio = dataset.eval_split_ratio
    if ratio is not None:
        settings["trainset_rate"] = round(ratio)
    return dataset, TrainConfig(**{**config.model_dump(), **settings})


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


def previous_task(
    task_id: str | None, trainer: Any, model: Model | None, step: int | None = None
) -> str | None:
    """Return the id of the run to continue from, None for none.

    Raises:
        InvalidArgumentError: several are named, or the one has no run.
    """
    count = sum(item is not None for item in (task_id, trainer, model))
    if count == 0 and step is not None:
        raise InvalidArgumentError(
            tr("previous_step needs previous_task_id, previous_trainer or previous_model")
        )
    if count > 1:
        raise InvalidArgumentError(
            tr("pass only one of previous_task_id, previous_trainer and previous_model")
        )
    if trainer is not None:
        task_id = trainer.progress.task_id
    if model is not None:
        task_id = model.find_task_id()
    if count and not task_id:
        raise InvalidArgumentError(tr("the earlier training has no finished run to continue from"))
    return task_id
