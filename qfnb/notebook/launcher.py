"""The form that starts a training, in this notebook: its datasets, its files, its next cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dataset import Dataset
from ..errors import InvalidArgumentError
from ..views.launcher.launcher import Launcher

if TYPE_CHECKING:
    from ..trainer import LLMFinetune

UNNAMED_DATASET = "dataset"
"""What a dataset is called that has no name in the notebook."""


def launcher(
    dataset: Dataset | str | Path | None = None,
    *,
    on_launch: Callable[[LLMFinetune], object] | None = None,
) -> Launcher:
    """Return the form that starts a training; as the last value of a cell it shows itself.

    Args:
        dataset: what is trained on: a `Dataset`, a variable's name, a `ds-...` id, or a file.
        on_launch: is called with the trainer that was started, to show it; default: its panel takes the
            place of the form, and `%qftrain wait` knows it.

    Raises:
        InvalidArgumentError: the dataset is something else.
    """
    shell = _shell()
    unnamed = dataset if isinstance(dataset, Dataset) else None

    def list_datasets() -> Mapping[str, Dataset]:
        return _datasets_by_name(shell, unnamed)

    return Launcher(
        _dataset_name(list_datasets(), dataset),
        list_datasets=list_datasets,
        folder=Path(),
        insert_cell=(lambda code: shell.set_next_input(code, replace=False)) if shell else None,
        on_launch=on_launch,
    )


def _datasets_by_name(shell: Any, unnamed: Dataset | None) -> Mapping[str, Dataset]:
    """Return the notebook's datasets by name; what was given without a name has one all the same."""
    datasets = {
        name: value
        for name, value in list((shell.user_ns if shell else {}).items())
        if isinstance(value, Dataset) and not name.startswith("_")
    }
    if unnamed is None or any(value is unnamed for value in datasets.values()):
        return datasets
    return {**datasets, UNNAMED_DATASET: unnamed}


def _dataset_name(datasets: Mapping[str, Dataset], dataset: Dataset | str | Path | None) -> str:
    if dataset is None:
        return ""
    if isinstance(dataset, Dataset):
        return next(name for name, value in datasets.items() if value is dataset)
    if isinstance(dataset, (str, Path)):
        return str(dataset)
    raise InvalidArgumentError(
        f"launcher: a {type(dataset).__name__} is no dataset: give a Dataset, a 'ds-...' id, or a file's path"
    )


def _shell() -> Any:
    from IPython import get_ipython  # noqa: PLC0415

    return get_ipython()
