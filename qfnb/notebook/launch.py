"""The form that starts a training, in this notebook: its datasets, its files, its next cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dataset import Dataset
from ..errors import InvalidArgumentError
from ..views.launcher import Launcher

if TYPE_CHECKING:
    from ..trainer import LLMFinetune

GIVEN = "dataset"
"""What a dataset is called that has no name in the notebook."""


def launcher(
    dataset: Dataset | str | Path | None = None,
    *,
    launched: Callable[[LLMFinetune], object] | None = None,
) -> Launcher:
    """Return the form that starts a training; as the last value of a cell it shows itself.

    Args:
        dataset: what is trained on: a `Dataset`, a variable's name, a `ds-...` id, or a file.
        launched: is called with the trainer that was started, to show it; default: its panel takes the
            place of the form, and `%qftrain wait` knows it.

    Raises:
        InvalidArgumentError: the dataset is something else.
    """
    shell = _shell()
    given = dataset if isinstance(dataset, Dataset) else None

    def named() -> Mapping[str, Dataset]:
        return _named(shell, given)

    return Launcher(
        _name(named(), dataset),
        named=named,
        folder=Path(),
        insert=(lambda code: shell.set_next_input(code, replace=False)) if shell else None,
        launched=launched,
    )


def _named(shell: Any, given: Dataset | None) -> Mapping[str, Dataset]:
    """Return the notebook's datasets by name; what was given without a name has one all the same."""
    known = {
        name: value
        for name, value in list((shell.user_ns if shell else {}).items())
        if isinstance(value, Dataset) and not name.startswith("_")
    }
    if given is None or any(value is given for value in known.values()):
        return known
    return {**known, GIVEN: given}


def _name(known: Mapping[str, Dataset], dataset: Dataset | str | Path | None) -> str:
    if dataset is None:
        return ""
    if isinstance(dataset, Dataset):
        return next(name for name, value in known.items() if value is dataset)
    if isinstance(dataset, (str, Path)):
        return str(dataset)
    raise InvalidArgumentError(
        f"launcher: a {type(dataset).__name__} is no dataset: give a Dataset, a 'ds-...' id, or a file's path"
    )


def _shell() -> Any:
    from IPython import get_ipython  # noqa: PLC0415

    return get_ipython()
