"""The rows of a dataset on the platform, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidArgumentError
from ...wire import entities as wire
from .operation import operation


class Entities:
    """List, mark and delete rows. Source: API pages of /wenxinworkshop/entity."""

    @operation(wire.ANNOTATE)
    def annotate_an_entity(
        entity_id: str,
        dataset_id: int | str,
        content: Sequence[Mapping[str, Any]] | None = None,
        labels: Sequence[Mapping[str, Any]] | None = None,
    ) -> wire.AnnotateEntity:
        """Give a row its answers (`content`, its turns), or a picture its labels.

        Raises:
            InvalidArgumentError: neither is given, or both.
        """
        if bool(content) == bool(labels):
            raise InvalidArgumentError("content, labels: give one of them")
        return wire.AnnotateEntity(
            id=entity_id,
            dataset_id=dataset_id,
            content=[dict(turn) for turn in content] if content else None,
            labels=[dict(label) for label in labels] if labels else None,
        )

    @operation(wire.DELETE)
    def delete_an_entity(entity_ids: Sequence[str], dataset_id: int | str) -> wire.DeleteEntities:
        """Delete rows; returns those that could not be deleted."""
        return wire.DeleteEntities(id=list(entity_ids), dataset_id=dataset_id)

    @operation(wire.LIST)
    def list_all_entity_in_dataset(
        dataset_id: int | str,
        offset: int = 0,
        page_size: int = 20,
        import_time_closure: Sequence[float] | None = None,
        annotating_time_closure: Sequence[float] | None = None,
        listing_type: int = wire.ALL,
        label_id_str: str | None = None,
    ) -> wire.ListEntities:
        """Return a page of rows; the content of each is fetched from its `url`.

        Args:
            dataset_id: whose rows.
            offset: the first one, from 0.
            page_size: 1 to 30.
            import_time_closure: imported from and to, seconds since the epoch.
            annotating_time_closure: the same for when they were annotated.
            listing_type: 0 all, 1 with answers, 2 without.
            label_id_str: pictures with this label.

        Raises:
            InvalidArgumentError: the page is too large, or a time is no pair.
        """
        if not 1 <= page_size <= wire.MAX_ENTITIES:
            raise InvalidArgumentError(f"page_size={page_size}: a page has 1 to {wire.MAX_ENTITIES} rows")
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
        raise InvalidArgumentError(f"{name}={list(times)}: it has two times, from and to")
    return list(times) if times else None
