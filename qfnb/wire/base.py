"""Records, the JSON objects on the wire: their base classes, and those that many endpoints
share.
"""

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

JsonObject = dict[str, Any]
JsonMapping = Mapping[str, Any]
"""A JSON object without a record of its own; a mapping, where it is only read."""

Id = int | str
"""An object's number, or its id as text; most operations take both."""


class Record(BaseModel):
    """A JSON object with snake_case keys on the wire; unknown keys are kept."""

    model_config = ConfigDict(
        extra="allow",
        populate_by_name=True,
        protected_namespaces=(),
        ser_json_inf_nan="constants",
        # most programs use few of the records: each is compiled when it is first used
        defer_build=True,
    )

    def to_wire(self) -> JsonObject:
        """Return the JSON object to send, with the names on the wire and without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_json(self) -> bytes:
        """Return the JSON text of `to_wire`; several times as fast."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Sendable(Protocol):
    """Anything that can be sent: a record, or an object that writes the same JSON."""

    def to_wire(self) -> JsonObject:
        """Return the JSON object to send."""

    def to_json(self) -> bytes:
        """Return the JSON text to send."""


class ConsoleRecord(Record):
    """A JSON object of the management plane: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_zero_dates(cls, value: Any) -> Any:
        """Drop dates of zeros: so the platform writes what has not happened yet."""
        if not isinstance(value, dict):
            return value
        return {name: item for name, item in value.items() if not _is_zero_date(item)}


def _is_zero_date(value: object) -> bool:
    return isinstance(value, str) and value.startswith("0000-00-00")


class EmptyBody(ConsoleRecord):
    """An empty body."""


class PageRequest(ConsoleRecord):
    """A page of a v2 list: the items after the id `marker`, or before it with `page_reverse`."""

    marker: str | None = None
    max_keys: int | None = None
    page_reverse: bool | None = None


class PageInfo(ConsoleRecord):
    """The end of a page: `next_marker` requests the next one while `is_truncated`."""

    marker: str | None = None
    max_keys: int | None = None
    is_truncated: bool = False
    next_marker: str | None = None


ItemT = TypeVar("ItemT")


class CountedPage(ConsoleRecord, Generic[ItemT]):
    """A page of a v1 list; `total` counts the items of all pages."""

    total: int = 0
    items: list[ItemT] = []


class MarkedPage(ConsoleRecord, Generic[ItemT]):
    """A page of a v2 list."""

    items: list[ItemT] = []
    page_info: PageInfo | None = None


class OffsetRequest(ConsoleRecord):
    """A page of a v1 list, by the number of items before it."""

    offset: int = 0
    page_size: int = 10
