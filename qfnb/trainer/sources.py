"""What a training learns from, as the official SDK says it: several datasets, corpora, machines."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .._tables import open_table
from ..base.language import tr
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..model import Model
from ..resources.management.finetune import FineTune
from .configs import TrainConfig

log = logging.getLogger("qfnb.trainer")

DataSource = Any
"""A `Dataset`, a table, a `ds-...` id, a path of data, `bos:/bucket/key`, a list of these, or a
`DatasetConfig`.
"""

SampledSources = list[tuple[Dataset | str, float | None]]
"""Datasets and addresses in a bucket, each with the share of its rows that is used; None for all of
them.
"""


class _Config(BaseModel):
    """Values of the official SDK, under its own names and under the platform's keys."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    def to_wire(self) -> dict[str, Any]:
        """Return the values that are set, under the platform's keys."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class CorpusConfigItem(_Config):
    """A corpus that the platform mixes in: its share ("1:5"), its kind, and labels of ERNIE's
    vertical one.
    """

    corpus_proportion: Any = Field(default=None, alias="proportion")
    corpus_type: int | None = Field(default=None, alias="corpusType")
    corpus_labels: list[str] | None = Field(default=None, alias="labels")


class CorpusConfig(_Config):
    """The corpora that the platform mixes in; `copy_data` repeats the data where it is too little.

    Other names are sent as they are, with a warning: the platform's corpora have had further
    fields.
    """

    model_config = ConfigDict(extra="allow")

    def model_post_init(self, _context: Any, /) -> None:
        """Warn of names that qfnb does not know."""
        if self.model_extra:
            names = tr(", ").join(self.model_extra)
            log.warning(tr("CorpusConfig does not know {names}: sent as it is", names=names))

    copy_data: bool | None = Field(default=None, alias="copyData")
    corpus_configs: list[CorpusConfigItem] = Field(default=[], alias="config")


class ResourceConfig(_Config):
    """Machines of your own; `extras` are further keys of the platform."""

    resource_id: str | None = Field(default=None, alias="resourceId")
    node_num: int | None = Field(default=None, alias="nodeNum")
    idle_resource: bool | None = Field(default=None, alias="idleResource")
    extras: dict[str, Any] = {}

    def to_wire(self) -> dict[str, Any]:
        """Return the values that are set, under the platform's keys."""
        values = super().to_wire()
        extras: dict[str, Any] = values.pop("extras")
        return values | extras


class DatasetConfig(_Config):
    """The data of a training.

    Attributes:
        datasets: datasets, data sources, or entries of the platform's `datasetConfig`.
        sampling_rates: the share of the rows of each that is used.
        sampling_rate: one share for all of them.
        eval_split_ratio: percent that is held out for validation.
        corpus_proportion, corpus_type, corpus_labels: of one corpus, see `CorpusConfigItem`.
        source_type: Platform or Bos; the entries say it themselves.
    """

    datasets: list[Any]
    sampling_rates: list[float] | None = None
    eval_split_ratio: float | None = None
    corpus_proportion: Any = None
    corpus_type: int | None = None
    corpus_labels: list[str] | None = None
    sampling_rate: float | None = None
    source_type: str | None = None

    def rates(self) -> list[float | None]:
        """Return the share of each dataset, None for all of its rows.

        Raises:
            InvalidArgumentError: there are fewer shares than datasets, or more.
        """
        rates: Sequence[float | None] = self.sampling_rates or [self.sampling_rate] * len(
            self.datasets
        )
        if len(rates) != len(self.datasets):
            raise InvalidArgumentError(
                tr(
                    "{n} sampling_rates for {datasets} datasets",
                    n=len(rates),
                    datasets=len(self.datasets),
                )
            )
        return [*rates]

    def apply_to(self, config: TrainConfig) -> TrainConfig:
        """Return a config with the validation share and the corpus that are set here."""
        values: dict[str, Any] = {}
        if self.eval_split_ratio is not None:
            values["trainset_rate"] = round(self.eval_split_ratio)
        if self.corpus_type is not None:
            item = CorpusConfigItem.model_validate(
                self.model_dump(include={"corpus_proportion", "corpus_type", "corpus_labels"})
            )
            values["corpus_config"] = CorpusConfig(corpus_configs=[item]).to_wire()
        if values:
            return TrainConfig(**{**config.model_dump(), **values})
        return config


def resolve_sources(data: Any) -> list[tuple[Any, float | None]]:
    """Return the datasets that an argument names, each with its sampling rate; their ids and files
    are not read.

    Args:
        data: a `DatasetConfig`, a dataset, an id, a path, an address, a list of these, or
            `{"datasets": [{"type": 1, "id": "ds-..."}]}`.
    """
    if isinstance(data, DatasetConfig):
        return [*zip(data.datasets, data.rates(), strict=True)]
    if isinstance(data, Mapping) and isinstance(
        rows := data.get("datasets", data.get("versions")), (Mapping, list)
    ):
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
    source = source if table is None else Dataset.load(table)
    if (address := address_of(source)) is not None:
        return address
    dataset_id = dataset_id_of(source)
    return load_dataset(
        source if dataset_id is None else Dataset.load(qianfan_dataset_id=dataset_id)
    )


def load_dataset(source: DataSource) -> Dataset:
    """Return the dataset of a data source.

    Raises:
        InvalidArgumentError: it is something else, or has no rows.
    """
    if not isinstance(source, (Dataset, str, Path)):
        source = getattr(source, "path", source)
    if not isinstance(source, (Dataset, str, Path)):
        kind = type(source).__name__
        raise InvalidArgumentError(
            tr(
                "dataset is a {kind}: pass a Dataset, a 'ds-...' id, or the path of a data file",
                kind=kind,
            )
        )
    if dataset_id := dataset_id_of(source):
        source = Dataset.load(qianfan_dataset_id=dataset_id)
    if isinstance(source, Dataset):
        dataset = source
    else:
        dataset = Dataset.load(source)
    if dataset.id is None and not len(dataset):
        raise InvalidArgumentError(tr("the dataset has no rows: load some before training"))
    return dataset


def address_of(source: Any) -> str | None:
    """Return the `bos:/bucket/key` of a source that is used where it is, None for others."""
    if isinstance(source, Mapping):
        source = source.get("versionBosUri") or source.get("bosPath")
    if not isinstance(source, str):
        return getattr(source, "bos_address", None) or getattr(source, "address", None)
    if source.startswith("bos:"):
        return source.replace("bos://", "bos:/", 1)
    return None


def dataset_id_of(source: Any) -> str | None:
    """Return the id of a source that is on the platform, None for others."""
    if isinstance(source, Mapping):
        value = source.get("versionId") or source.get("id")
        if value is None:
            return None
        return str(value)
    if isinstance(source, (str, Path)):
        if str(source).startswith("ds-"):
            return str(source)
        return None
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
    settings = {
        name: options.pop(name)
        for name in ("corpus_config", "resource_config")
        if options.get(name) is not None
    }
    if settings:
        config = TrainConfig(**{**config.model_dump(), **settings})
    names = DatasetConfig.model_fields.keys() - {"datasets"}
    values = {name: options.pop(name) for name in names & options.keys()}
    if isinstance(dataset, DatasetConfig):
        dataset = dataset.model_copy(update=values)
    elif values:
        dataset = DatasetConfig(datasets=[row for row, _ in resolve_sources(dataset)], **values)
    return dataset, dataset.apply_to(config) if isinstance(dataset, DatasetConfig) else config


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
    sources = [item for item in (task_id, trainer, model) if item is not None]
    if step is not None and not sources:
        raise InvalidArgumentError(
            tr("previous_step needs previous_task_id, previous_trainer or previous_model")
        )
    if len(sources) > 1:
        raise InvalidArgumentError(
            tr("pass only one of previous_task_id, previous_trainer and previous_model")
        )
    if trainer is not None:
        task_id = trainer.progress.task_id
    if model is not None:
        task_id = str(model.task_id or model.find_task_id() or "")
    if sources and not task_id:
        raise InvalidArgumentError(tr("the earlier training has no finished run to continue from"))
    return task_id
