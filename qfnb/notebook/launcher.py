"""The form that starts a training, with the datasets of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from IPython import get_ipython

from ..dataset import Dataset
from ..errors import InvalidArgumentError
from ..views.launcher.launcher import Launcher

if TYPE_CHECKING:
    from ..trainer import LLMFinetune

UNNAMED_DATASET = "dataset"  # the name of a dataset that is not a variable of the notebook


def launcher(
    dataset: Dataset | str | Path | None = None, *, on_launch: Callable[[LLMFinetune], object] | None = None
) -> Launcher:
    """Return the form that starts a training; as the last value of a cell it shows itself.

    Args:
        dataset: a `Dataset`, the name of a variable, a `ds-...` id, or the path of a file.
        on_launch: is called with the trainer that was started, to show it; default: its panel replaces the
            form, and `%qftrain wait` knows it.

    Raises:
        InvalidArgumentError: the dataset is of the wrong type.
    """
    if not isinstance(dataset, (Dataset, str, Path, type(None))):
        kind = type(dataset).__name__
        raise InvalidArgumentError(
            f"launcher: a {kind} is not a dataset: pass a Dataset, a 'ds-...' id, or the path of a file"
        )
    shell = get_ipython()

    def list_datasets() -> Mapping[str, Dataset]:
        """Return the notebook's datasets by name, and the one that was passed."""
        variables = list((shell.user_ns if shell else {}).items())
        datasets = {name: value for name, value in variables if isinstance(value, Dataset) and not name.startswith("_")}
        if isinstance(dataset, Dataset) and all(value is not dataset for value in datasets.values()):
            datasets[UNNAMED_DATASET] = dataset
        return datasets

    name = str(dataset or "") if not isinstance(dataset, Dataset) else ""
    name = name or next((name for name, value in list_datasets().items() if value is dataset), "")
    return Launcher(
        name,
        list_datasets=list_datasets,
        insert_cell=(lambda code: shell.set_next_input(code, replace=False)) if shell else None,
        on_launch=on_launch,
    )
