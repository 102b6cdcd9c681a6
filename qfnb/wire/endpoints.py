"""The table of endpoints: one row for each operation of the API.

The client, the sandbox and the completeness tests all read the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from .base import Record

Plane = Literal["v1", "v2", "console", "iam", "oauth"]
"""A part of the platform, with its own host, authentication and shape of errors.

v1 and v2 are inference; console is management (v1 paths and v2 actions); iam and oauth issue
tokens.
"""

Envelope = Literal["code", "status", "action"]
"""How the management plane wraps its responses.

code: v1 finetuning, models, services: {"log_id", "result"}, errors {"error_code", "error_msg"} in
HTTP 200.
status: v1 datasets and prompts: "status" and "success" too, errors {"code", "message"} in HTTP 200.
action: v2: {"requestId", "result"}, errors {"code", "message"} in HTTP 4xx.
"""

BodyT = TypeVar("BodyT", bound=Record)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Endpoint(Generic[BodyT, ResultT]):
    """One row of the endpoint table.

    Attributes:
        repeatable: True if sending it twice does no harm, so that it may be sent again after a
            failure.
    """

    name: str  # dotted, unique; handlers and operations are found by it
    path: str  # below the plane's base URL; `{model}` is replaced by the model's path segment
    body: type[BodyT]  # type of the record that is sent, a GET's as the query
    result: type[ResultT]  # type of the response (of its `result` on the console plane)
    plane: Plane = field(kw_only=True)
    method: str = field(default="POST", kw_only=True)
    action: str | None = field(default=None, kw_only=True)  # the `?Action=` of a console v2 route
    repeatable: bool = field(default=True, kw_only=True)
    # of every request
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    # how a response is wrapped, on the management plane
    envelope: Envelope = field(default="code", kw_only=True)

    def __post_init__(self) -> None:
        assert self.name not in ENDPOINTS, f"two endpoints are called {self.name}"
        ENDPOINTS[self.name] = self


AnyEndpoint = Endpoint[Any, Any]
ENDPOINTS: dict[str, AnyEndpoint] = {}


@dataclass(frozen=True)
class EndpointGroup:
    """Endpoints of the management plane that share a path: `STOP = _TASKS.action("stop_task", ...,
    TaskRef, bool)`.
    """

    name: str  # prefix of the names of its rows
    path: str  # prefix of their paths, e.g. `/wenxinworkshop/dataset`; of v2, the whole path
    envelope: Envelope = field(default="code", kw_only=True)  # of its v1 rows

    def action(
        self,
        name: str,
        action: str,
        body: type[BodyT],
        result: type[ResultT],
        *,
        repeatable: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Endpoint[BodyT, ResultT]:
        """Add a v2 row: POST to the group's path with `?Action=`."""
        return Endpoint(
            f"{self.name}.{name}",
            self.path,
            body,
            result,
            plane="console",
            action=action,
            repeatable=repeatable,
            headers=headers or {},
            envelope="action",
        )

    def route(
        self,
        name: str,
        path: str,
        body: type[BodyT],
        result: type[ResultT],
        *,
        repeatable: bool = True,
        method: str = "POST",
    ) -> Endpoint[BodyT, ResultT]:
        """Add a v1 row at a path below the group's."""
        return Endpoint(
            f"{self.name}.{name}",
            f"{self.path}/{path}",
            body,
            result,
            plane="console",
            method=method,
            repeatable=repeatable,
            envelope=self.envelope,
        )
