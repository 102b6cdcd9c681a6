"""Work on whole datasets of the platform: cleaning and augmenting, from one dataset into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidArgumentError
from ...wire import cleaning as wire
from .operation import operation


class Cleaning:
    """Clean and augment datasets. Source: API pages of /wenxinworkshop/etl and /wenxinworkshop/enhance."""

    @operation(wire.CREATE)
    def create_dataset_etl_task(
        etl_task_name: str,
        source_dataset_id: int | str,
        destination_dataset_id: int | str,
        operations: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> wire.CreateCleaning:
        """Clean a dataset into another; the sandbox returns the id of the cleaning.

        Args:
            etl_task_name: shown in the console.
            source_dataset_id: what is cleaned; it stays as it is.
            destination_dataset_id: an empty dataset of the same kind.
            operations: clean, filter, deduplication and desensitization, each a list of
                {"name": "remove_emoji", "args": {}}.

        Raises:
            InvalidArgumentError: a group of operations has another name.
        """
        for group in operations:
            if group not in wire.GROUPS:
                raise InvalidArgumentError(f"operations[{group!r}]: the groups are {', '.join(wire.GROUPS)}")
        return wire.CreateCleaning(
            etl_task_name=etl_task_name,
            source_dataset_id=source_dataset_id,
            dest_dataset_id=destination_dataset_id,
            operations_v2={group: [dict(step) for step in steps] for group, steps in operations.items()},
        )

    @operation(wire.DETAIL)
    def get_dataset_etl_task_info(etl_id: int | str) -> wire.CleaningRef:
        """Return how far a cleaning is: processStatus 1 running, 2 finished, 3 to 5 ended otherwise."""
        return wire.CleaningRef(etl_id=etl_id)

    @operation(wire.LIST)
    def get_dataset_etl_task_list(page_size: int = 10, offset: int = 0) -> wire.ListTasks:
        """Return a page of cleanings."""
        return wire.ListTasks(offset=offset, page_size=page_size)

    @operation(wire.DELETE)
    def delete_dataset_etl_task(etl_ids: Sequence[int | str]) -> wire.CleaningRefs:
        """Delete cleanings; the datasets stay."""
        return wire.CleaningRefs(etl_ids=list(etl_ids))

    @operation(wire.AUGMENT)
    def create_dataset_augmenting_task(
        name: str,
        source_dataset_id: int | str,
        destination_dataset_id: int | str,
        dev_api_id: int | str,
        app_id: int | str,
        num_seed_fewshot: int,
        num_instances_to_generate: int,
        similarity_threshold: float,
    ) -> wire.CreateAugmentation:
        """Make new rows after the example of a dataset's; find the task by its name in the list.

        Args:
            name: shown in the console.
            source_dataset_id: whose rows are the examples.
            destination_dataset_id: where the new rows go.
            dev_api_id: the platform's number of the model that writes them.
            app_id: one's application.
            num_seed_fewshot: examples for each new row, 1 to 10.
            num_instances_to_generate: new rows, 1 to 5000.
            similarity_threshold: how alike a new row may be to the others, 0 to 1.

        Raises:
            InvalidArgumentError: a number is out of its range.
        """
        _validate_range("num_seed_fewshot", num_seed_fewshot, 1, wire.MAX_SEEDS)
        _validate_range("num_instances_to_generate", num_instances_to_generate, 1, wire.MAX_NEW_ROWS)
        _validate_range("similarity_threshold", similarity_threshold, 0, 1)
        return wire.CreateAugmentation(
            name=name,
            source_dataset_id=source_dataset_id,
            dest_dataset_id=destination_dataset_id,
            dev_api_id=dev_api_id,
            app_id=app_id,
            num_seed_fewshot=num_seed_fewshot,
            num_instances_to_generate=num_instances_to_generate,
            similarity_threshold=similarity_threshold,
        )

    @operation(wire.LIST_AUGMENTATIONS)
    def get_dataset_aug_task_list(
        keyword: str | None = None,
        sorted_by_start_time_asc: bool | None = None,
        page_size: int = 10,
        offset: int = 0,
    ) -> wire.ListAugmentations:
        """Return a page of augmentings, those that a keyword finds, the newest first by default."""
        is_sorted = sorted_by_start_time_asc is not None
        return wire.ListAugmentations(
            offset=offset,
            page_size=page_size,
            word=keyword or None,
            sort_field="startTime" if is_sorted else None,
            sort_by=("asc" if sorted_by_start_time_asc else "desc") if is_sorted else None,
        )

    @operation(wire.DESCRIBE_AUGMENTATION)
    def get_dataset_augmenting_task_info(task_id: int | str) -> wire.AugmentationRef:
        """Return how far an augmenting is."""
        return wire.AugmentationRef(task_id=task_id)

    @operation(wire.DELETE_AUGMENTATIONS)
    def delete_dataset_augmenting_task(task_ids: Sequence[int | str]) -> wire.AugmentationRefs:
        """Delete augmentings; the datasets stay."""
        return wire.AugmentationRefs(task_ids=list(task_ids))


def _validate_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidArgumentError(f"{name}={value}: it is {low} to {high}")
