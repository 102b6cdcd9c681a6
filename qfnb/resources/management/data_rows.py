"""Rows of the platform's datasets: cleaning and augmenting whole datasets, listing and annotating
single rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import data as wire
from ..validation import validate_choice, validate_range
from .operation import operation


class Cleaning:
    """Clean and augment datasets. Source: API pages of /wenxinworkshop/etl and
    /wenxinworkshop/enhance.
    """

    @operation(wire.CREATE_CLEANING)
    def create_dataset_etl_task(
        etl_task_name: str,
        source_dataset_id: int | str,
        destination_dataset_id: int | str,
        operations: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> wire.CreateCleaning:
        """Clean the rows of a dataset into another dataset; the sandbox returns the id of the
        cleaning.

        Args:
            etl_task_name: shown in the console.
            source_dataset_id: the dataset to clean; it is not changed.
            destination_dataset_id: an empty dataset of the same kind.
            operations: clean, filter, deduplication and desensitization, each a list of
                {"name": "remove_emoji", "args": {}}.

        Raises:
            InvalidArgumentError: there is no such group of operations.
        """
        for group in operations:
            validate_choice("operations", group, wire.GROUPS)
        return wire.CreateCleaning(
            etl_task_name=etl_task_name,
            source_dataset_id=source_dataset_id,
            dest_dataset_id=destination_dataset_id,
            operations_v2={
                group: [dict(step) for step in steps] for group, steps in operations.items()
            },
        )

    @operation(wire.DESCRIBE_CLEANING)
    def get_dataset_etl_task_info(etl_id: int | str) -> None:
        """Return the state of a cleaning: processStatus is 1 (running), 2 (finished) or 3 to 5
        (ended otherwise).
        """

    @operation(wire.LIST_CLEANINGS)
    def get_dataset_etl_task_list(page_size: int = 10, offset: int = 0) -> None:
        """Return a page of cleanings."""

    @operation(wire.DELETE_CLEANINGS)
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
        """Generate new rows from the examples of a dataset; look the task up by its name in the
        list.

        Args:
            name: shown in the console.
            source_dataset_id: the dataset with the examples.
            destination_dataset_id: the dataset that gets the new rows.
            dev_api_id: the platform's number of the model that generates them.
            app_id: your application.
            num_seed_fewshot: number of examples for each new row, 1 to 10.
            num_instances_to_generate: number of new rows, 1 to 5000.
            similarity_threshold: the similarity to other rows that a new row may have, 0 to 1.

        Raises:
            InvalidArgumentError: a number is out of its range.
        """
        validate_range("num_seed_fewshot", num_seed_fewshot, 1, wire.MAX_SEEDS)
        validate_range("num_instances_to_generate", num_instances_to_generate, 1, wire.MAX_NEW_ROWS)
        validate_range("similarity_threshold", similarity_threshold, 0, 1)
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
        """Return a page of augmentations whose name has a keyword, newest first by default.

        Args:
            keyword: only names with this text.
            sorted_by_start_time_asc: whether the oldest comes first.
            page_size: rows of a page.
            offset: index of the first row, from 0.
        """
        is_sorted = sorted_by_start_time_asc is not None
        return wire.ListAugmentations(
            offset=offset,
            page_size=page_size,
            word=keyword or None,
            sort_field="startTime" if is_sorted else None,
            sort_by=("asc" if sorted_by_start_time_asc else "desc") if is_sorted else None,
        )

    @operation(wire.DESCRIBE_AUGMENTATION)
    def get_dataset_augmenting_task_info(task_id: int | str) -> None:
        """Return the state of an augmentation."""

    @operation(wire.DELETE_AUGMENTATIONS)
    def delete_dataset_augmenting_task(task_ids: Sequence[int | str]) -> wire.AugmentationRefs:
        """Delete augmentations; the datasets stay."""
        return wire.AugmentationRefs(task_ids=list(task_ids))


class Entities:
    """List, annotate and delete rows. Source: API pages of /wenxinworkshop/entity."""

    @operation(wire.ANNOTATE)
    def annotate_an_entity(
        entity_id: str,
        dataset_id: int | str,
        content: Sequence[Mapping[str, Any]] | None = None,
        labels: Sequence[Mapping[str, Any]] | None = None,
    ) -> wire.AnnotateEntity:
        """Annotate a row with answers (`content`, its turns) or an image with labels.

        Args:
            entity_id: the row.
            dataset_id: its dataset.
            content: the turns [{"prompt", "response"}], with answers.
            labels: the labels of an image.

        Raises:
            InvalidArgumentError: neither or both of content and labels are given.
        """
        if bool(content) == bool(labels):
            raise InvalidArgumentError(tr("content, labels: one of them is needed"))
        return wire.AnnotateEntity(
            id=entity_id,
            dataset_id=dataset_id,
            content=[dict(turn) for turn in content] if content else None,
            labels=[dict(label) for label in labels] if labels else None,
        )

    @operation(wire.DELETE_ENTITIES)
    def delete_an_entity(entity_ids: Sequence[str], dataset_id: int | str) -> wire.DeleteEntities:
        """Delete rows; returns those that could not be deleted."""
        return wire.DeleteEntities(id=list(entity_ids), dataset_id=dataset_id)

    @operation(wire.LIST_ENTITIES)
    def list_all_entity_in_dataset(
        dataset_id: int | str,
        offset: int = 0,
        page_size: int = 20,
        import_time_closure: Sequence[float] | None = None,
        annotating_time_closure: Sequence[float] | None = None,
        listing_type: int = wire.ALL_ENTITIES,
        label_id_str: str | None = None,
    ) -> wire.ListEntities:
        """Return a page of rows; the content of each is fetched from its `url`.

        Args:
            dataset_id: the dataset.
            offset: index of the first row, from 0.
            page_size: rows of a page, 1 to 30.
            import_time_closure: (from, to) of the import, Unix seconds.
            annotating_time_closure: (from, to) of the annotation, Unix seconds.
            listing_type: 0 all, 1 with answers, 2 without.
            label_id_str: only images with this label.

        Raises:
            InvalidArgumentError: the page is too large, or a time is not a pair.
        """
        if not 1 <= page_size <= wire.MAX_ENTITIES:
            raise InvalidArgumentError(
                tr(
                    "page_size={page_size}: must be 1 to {limit}",
                    page_size=page_size,
                    limit=wire.MAX_ENTITIES,
                )
            )
        return wire.ListEntities(
            dataset_id=dataset_id,
            offset=offset,
            page_size=page_size,
            tab_type=int(listing_type),
            import_time=_validate_time_range("import_time_closure", import_time_closure),
            anno_time=_validate_time_range("annotating_time_closure", annotating_time_closure),
            label_id=label_id_str,
        )


def _validate_time_range(name: str, times: Sequence[float] | None) -> list[float] | None:
    if times and len(times) != 2:
        raise InvalidArgumentError(
            tr("{name}={times}: must be two times, from and to", name=name, times=list(times))
        )
    if times:
        return list(times)
    return None
