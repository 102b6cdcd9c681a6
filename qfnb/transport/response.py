"""The response of a call: its JSON as received, and the same as a typed record.

Subscripts are for users (`resp["result"]`, `resp["body"]["result"]`); qfnb's own code reads `.data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import UnexpectedContent
from ..redact import redact

R = TypeVar("R")
_ATTRIBUTE_KEYS = ("body", "code", "headers", "statistic")


@dataclass(repr=False)
class Response(Mapping[str, Any], Generic[R]):
    """A response.

    Attributes:
        body: the JSON object as received, with unknown fields.
        data_type: type of `data`.
        code: HTTP status.
        headers: with lower-case names.
        statistic: seconds in request_latency, first_token_latency (streams) and total_latency; attempts.
        unwrap: the key of `body` that holds `data`; None for the whole body.
    """

    body: dict[str, Any]
    data_type: type[R]
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    statistic: dict[str, float] = field(default_factory=dict)
    unwrap: str | None = None

    @cached_property
    def data(self) -> R:
        """The typed record, validated on first access.

        Raises:
            UnexpectedContent: a required field is missing or has the wrong type.
        """
        raw = self.body if self.unwrap is None else self.body.get(self.unwrap)
        try:
            return TypeAdapter(self.data_type).validate_python(raw)
        except ValidationError as error:
            first_error = error.errors(include_input=False, include_url=False)[0]
            location = ".".join(map(str, first_error["loc"])) or self.unwrap or "body"
            raise UnexpectedContent(
                f"the response's {location!r} is not as documented: {first_error['msg']}"
            ) from None

    @property
    def request_id(self) -> str:
        """The id by which the platform's support finds the call; "" if the response has none."""
        body = self.body
        body_id = body.get("id") or body.get("requestId") or body.get("log_id")
        text = str(body_id) if body_id else self.headers.get("x-baidu-request-id", "")
        return text.encode("utf-8", "replace").decode()  # a server may send half of a surrogate pair

    def __getitem__(self, key: str) -> Any:
        if key in self.body:
            return self.body[key]
        if key in _ATTRIBUTE_KEYS:
            return getattr(self, key)
        return self.body[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.body)

    def __len__(self) -> int:
        return len(self.body)

    def __repr__(self) -> str:
        return redact(f"{type(self).__name__}({self.body!r})")
