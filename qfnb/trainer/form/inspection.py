"""What a form has to know about its data, looked up among the notebook's variables, files and the
platform.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._tables import is_pandas_frame
from ...dataset.quality import NearDuplicates, find_near_duplicates, input_texts
from ...dataset.typed_dataset import Dataset
from .data import DatasetInfo, inspect_dataset
from .launch_form import LaunchForm


def is_data(value: object) -> bool:
    """Return whether a variable can be trained on: a dataset, or a DataFrame."""
    return isinstance(value, Dataset) or is_pandas_frame(value)


def inspect_sources(
    form: LaunchForm, variables: Mapping[str, Any], *, again: bool = False
) -> dict[str, Any]:
    """Return the facts about the data of a form that it does not have yet: its fields `datasets`
    and `overlaps`.

    Args:
        form: the form.
        variables: the notebook's datasets and DataFrames by name.
        again: look up everything again, since it may have changed.
    """
    datasets = dict(form.datasets)
    draft = form.draft
    for source in draft.sources:
        info = datasets.get(source)
        value = variables.get(source.strip())
        is_current = (
            info is not None and not info.problem and (value is None or info.dataset is value)
        )
        if again or not is_current:
            datasets[source] = inspect_dataset(source, variables)
    overlaps = dict(form.overlaps)
    if draft.after == "evaluate" and draft.sources >= {draft.dataset, draft.eval_dataset}:
        pair = draft.dataset, draft.eval_dataset
        overlaps[pair] = compare_datasets(*(datasets[source] for source in pair))
    return {"datasets": datasets, "overlaps": overlaps}


def compare_datasets(train: DatasetInfo, evaluation: DatasetInfo) -> NearDuplicates:
    """Return which rows for evaluation nearly repeat training rows; none where the rows are not in
    memory.
    """
    datasets = [
        info.dataset
        for info in (train, evaluation)
        if info.dataset is not None and info.dataset.is_fetched
    ]
    if len(datasets) < 2:
        return NearDuplicates()
    references, texts = (input_texts(dataset.rows, dataset.schema) for dataset in datasets)
    return find_near_duplicates(texts, references)
