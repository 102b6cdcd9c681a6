"""The form that starts a training, with the datasets of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython import get_ipython

from ..base.language import tr
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError
from ..trainer.form.inspection import is_data
from ..views.launcher.launcher import Launcher
from .parser import store_variable, user_variables

if TYPE_CHECKING:
    from ..trainer import LLMFinetune

TRAINER_VARIABLE = "trainer"
UNNAMED_DATASET = "dataset"  # the name of a dataset that is not a variable of the notebook


def launcher(
    dataset: Dataset | str | Path | None = None,
    *,
    variable: str | None = None,
    on_launch: Callable[[LLMFinetune], object] | None = None,
) -> Launcher:
    """Return the form that starts a training; as the last value of a cell it shows itself.

    Args:
        dataset: a `Dataset`, a DataFrame, the name of a variable, a `ds-...` id, or the path of a
            file.
        variable: the variable that is to keep the trainer; default: trainer, or trainer_2 where
            there is one.
        on_launch: is called with the trainer that was started, to show it; default: its panel
            replaces the form, and `%qftrain wait` knows it.

    Raises:
        InvalidArgumentError: the dataset is of the wrong type.
    """
    if not (dataset is None or isinstance(dataset, (str, Path)) or is_data(dataset)):
        kind = type(dataset).__name__
        raise InvalidArgumentError(
            tr(
                "A {kind} is not training data: pass a Dataset, a DataFrame, a ds-… id, or the "
                "path of a file.",
                kind=kind,
            )
        )
    shell = get_ipython()

    def list_variables() -> Mapping[str, Any]:
        """Return the notebook's variables by name, and the data that were passed."""
        notebook = [*user_variables(shell).items()]
        variables = {name: value for name, value in notebook if not name.startswith("_")}
        if is_data(dataset) and all(value is not dataset for value in variables.values()):
            variables[UNNAMED_DATASET] = dataset
        return variables

    variables = list_variables()
    name = "" if is_data(dataset) else str(dataset or "")
    for key, value in variables.items():
        if value is dataset is not None:
            name = key
    return Launcher(
        name,
        variable=variable or _free_name(variables),
        list_variables=list_variables,
        insert_cell=partial(shell.set_next_input, replace=False) if shell else None,
        keep=partial(store_variable, shell) if shell else None,
        on_launch=on_launch,
    )


def _free_name(variables: Mapping[str, Any]) -> str:
    name = TRAINER_VARIABLE
    for number in count(2):
        if name not in variables:
            break
        name = f"{TRAINER_VARIABLE}_{number}"
    return name
