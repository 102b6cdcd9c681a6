"""A service that answers: a deployed model behind an endpoint, or a preset model by name."""

from __future__ import annotations

import json
import logging
import random
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import connect
from .._notices import warn_once
from ..base.language import tr
from ..base.text import describe_problem, listed
from ..config import settings
from ..errors import (
    APIError,
    ConnectionFailed,
    InternalError,
    InvalidArgumentError,
    QianfanError,
    RateLimitError,
    RequestError,
    SandboxError,
    ServerError,
)
from ..resources.console.consts import DeployPoolType
from ..resources.inference.chat import ChatCompletion
from ..resources.management.service import Service as Services
from ..transport import clock
from ..wire import service as wire
from .consts import ServiceStatus, ServiceType

log = logging.getLogger("qfnb.model")


Input = TypeVar("Input")
Output = TypeVar("Output")


class Executable(ABC, Generic[Input, Output]):
    """An object that can be executed."""

    @abstractmethod
    def exec(self, input: Input | None = None, **kwargs: Any) -> Output:  # noqa: A002 - the seeds' word
        """Execute, and return the output."""


class Serializable(ABC):
    """An object that can be written to bytes and read back."""

    @abstractmethod
    def dumps(self) -> bytes | None:
        """Return the object as UTF-8 JSON."""

    @abstractmethod
    def loads(self, data: bytes) -> Any:
        """Read what `dumps` wrote."""


class ExecuteSerializable(Executable[Input, Output], Serializable):
    """An object that can be executed and written to bytes."""


class ValidatedModel(BaseModel):
    """A record whose construction raises InvalidArgumentError, with the field's name, for a wrong
    value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            field_names = listed(type(self).model_fields)
            setting = f"{type(self).__name__}.{field}={first['input']!r}"
            if first["type"] == "extra_forbidden":
                raise InvalidArgumentError(
                    tr(
                        "{setting}: there is no such field; the fields are {fields}",
                        setting=setting,
                        fields=field_names,
                    )
                ) from None
            raise InvalidArgumentError(f"{setting}: {describe_problem(first)}") from None


class DeployConfig(ValidatedModel):
    """Settings of a deployment.

    Attributes:
        name: the service's name; default svc_<model>.
        endpoint_prefix: the seeds' older name for `endpoint_suffix`.
        endpoint_suffix: the readable part of the endpoint: letters, digits, _ and -; the platform
            judges its length.
        replicas: from 1; the queries per second grow with it.
        hours: from 1, paid in advance.
        qps: queries per second of one replica; None for the platform's default.
        months: paid in advance in place of the hours.

    Source: seed 004 (DeployConfig), seed 000 (endpoint_suffix, hours).
    """

    name: str = ""
    endpoint_prefix: str = ""
    endpoint_suffix: str = ""
    description: str = ""
    replicas: int = Field(default=1, ge=1)
    pool_type: DeployPoolType = DeployPoolType.PrivateResource
    service_type: ServiceType = ServiceType.Chat
    hours: int = Field(default=1, ge=1)
    qps: float | None = Field(default=None, gt=0)
    months: int | None = Field(default=None, ge=1)
    resource_type: str = "GPU-I-2"
    extras: Any = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.suffix and not re.fullmatch(r"[A-Za-z0-9_-]+", self.suffix):
            name = "endpoint_suffix" if self.endpoint_suffix else "endpoint_prefix"
            raise InvalidArgumentError(
                tr(
                    "DeployConfig.{name}={value!r}: use letters, digits, _ and -",
                    name=name,
                    value=self.suffix,
                )
            )

    @property
    def resources(self) -> dict[str, Any]:
        """What the service runs on, as the platform takes it."""
        return {"type": self.resource_type, "replicasCount": self.replicas, "qps": self.qps}

    @property
    def billing(self) -> dict[str, Any]:
        """The time that is paid in advance, as the platform takes it."""
        unit, length = ("Month", self.months) if self.months else ("Hour", self.hours)
        return {"reservation": {"reservationTimeUnit": unit, "reservationLength": length}}

    @property
    def suffix(self) -> str:
        """The readable part of the endpoint, under either name."""
        return self.endpoint_suffix or self.endpoint_prefix


T = TypeVar("T")

TRANSIENT_ERRORS = (RequestError, ServerError, RateLimitError)
"""Errors that pass by themselves: the job on the platform continues meanwhile."""

MAX_REFUSALS: Final = 3
"""Number of other errors in a row that ends the polling."""

MAX_RETRY_INTERVAL_S: Final = 60.0
"""Longest pause in seconds while the platform does not answer, unless the interval is longer."""

SPEED_UP = 8.0
GROWTH = 1.6
"""Factor by which polls are more frequent after a change, and by which each further pause grows."""


@dataclass(frozen=True)
class PollResult(Generic[T]):
    """The result of one poll: an answer, or an error.

    Attributes:
        failing_since: Unix seconds of the first of the failed polls in a row, None after an answer.
    """

    answer: T | None
    error: QianfanError | None = None
    failing_since: float | None = None


class Poller(Generic[T]):
    """Polls often after a change, and rarely while nothing changes.

    Args:
        fetch: asks the platform.
        interval: seconds between two polls while nothing changes; shorter in the sandbox.
        stop_event: set it to end the polling.
    """

    def __init__(
        self, fetch: Callable[[], T], interval: float, stop_event: threading.Event
    ) -> None:
        self._fetch = fetch
        self._stop_event = stop_event
        self._interval_s = connect.polling_interval(interval)
        self._next_interval_s = self._interval_s / SPEED_UP

    def reset_interval(self) -> None:
        """Poll more often again, after a change."""
        self._next_interval_s = self._interval_s / SPEED_UP

    def __iter__(self) -> Iterator[PollResult[T]]:
        """Yield the result of each poll until `stop_event` is set.

        Raises:
            QianfanError: the platform refused `MAX_REFUSALS` polls in a row.
        """
        failures = 0
        refusals = 0
        failing_since = None
        while True:
            try:
                result: PollResult[T] = PollResult(self._fetch())
                failures = 0
                refusals = 0
                failing_since = None
            except (*TRANSIENT_ERRORS, APIError, SandboxError) as error:
                refusals = 0 if isinstance(error, TRANSIENT_ERRORS) else refusals + 1
                if refusals == MAX_REFUSALS:
                    raise
                failures += 1
                failing_since = failing_since or time.time()
                result = PollResult(None, error, failing_since)
            yield result
            if clock.wait(self._next_pause(failures), self._stop_event):
                return

    def _next_pause(self, failure_count: int) -> float:
        if failure_count:
            longest = max(MAX_RETRY_INTERVAL_S, self._interval_s)
            pause_s = min(self._interval_s * 2.0 ** min(failure_count, 10), longest)
            return pause_s * random.uniform(0.8, 1.0)  # noqa: S311
        pause_s = self._next_interval_s
        self._next_interval_s = min(self._next_interval_s * GROWTH, self._interval_s)
        return pause_s


def wait_for_state(
    fetch: Callable[[], T],
    state_of: Callable[[T], str],
    *,
    done_states: Collection[str],
    failed_states: Collection[str],
    interval: float,
    label: str,
    stop_event: threading.Event | None = None,
) -> T:
    """Poll until the state is one of `done_states`, and return that answer; unknown states are
    waited out.

    Args:
        fetch: asks the platform.
        state_of: returns the state of an answer.
        done_states: states that end the wait.
        failed_states: states that raise.
        interval: seconds between two polls while nothing changes.
        label: what is waited for, in the messages.
        stop_event: set it to give up.

    Raises:
        QianfanError: the state is one of `failed_states`, the wait was stopped, or the platform
            refuses to answer.
    """
    poller = Poller(fetch, interval, stop_event or threading.Event())
    last_state = ""
    for poll in poller:
        if poll.answer is None:
            continue
        state = state_of(poll.answer)
        if state in done_states:
            return poll.answer
        if state in failed_states:
            raise QianfanError(tr("{job} ended in the state {state}", job=label, state=repr(state)))
        if state != last_state:
            poller.reset_interval()
        last_state = state
    raise QianfanError(tr("waiting for {job} was stopped", job=label))


MAX_ATTEMPTS: Final = 3
MAX_LOOKUPS = 3
LOOKUP_INTERVAL_S = 2.0
"""Lookups of an object that may have been created, and seconds between them: a list may lag
behind.
"""


def create_once(
    create: Callable[[], T],
    find_existing: Callable[[], T | None],
    *,
    label: str,
    may_exist: bool = False,
) -> T:
    """Return the result of `create`; where its answer was lost, look for the object before a second
    attempt.

    Args:
        create: sends the request once and returns the object.
        find_existing: finds the object by what is unique to it (name, note, origin); None where it
            is not there.
        label: the object's name in the log.
        may_exist: whether an earlier attempt may have created the object.

    Raises:
        QianfanError: the object was not created, or it is unknown whether it was.
    """
    attempts = 0
    while True:
        if may_exist and (existing := _look_up(find_existing)) is not None:
            warn_once(
                tr("{thing} exists already; it is used, and no second one is created", thing=label)
            )
            return existing
        attempts += 1
        try:
            return create()
        except (RequestError, ServerError) as error:
            is_unsent = isinstance(error, ConnectionFailed) and not error.sent
            if is_unsent or attempts == MAX_ATTEMPTS:
                raise
            text = tr(
                "the answer to the creation of {thing} was lost ({reason}); looking for it",
                thing=label,
                reason=error,
            )
            log.warning(text)
            may_exist = True


def _look_up(find_existing: Callable[[], T | None]) -> T | None:
    """Look the object up `MAX_LOOKUPS` times; an error of the last lookup is raised."""
    for remaining in reversed(range(MAX_LOOKUPS)):
        try:
            if (existing := find_existing()) is not None:
                return existing
        except QianfanError:
            if not remaining:
                raise
        if remaining:
            clock.wait(LOOKUP_INTERVAL_S, threading.Event())
    return None


_STATUS = {
    wire.NEW: ServiceStatus.Created,
    wire.DEPLOYING: ServiceStatus.Deploying,
    wire.SERVING: ServiceStatus.Deployed,
    wire.FAILED: ServiceStatus.DeployFailed,
    wire.STOPPED: ServiceStatus.DeployStopped,
}


class Service(ExecuteSerializable[dict[str, Any], Any]):
    """A model that answers.

    Args:
        id: `svco-...` of a deployed service.
        endpoint: the last part of the address of a deployed service.
        model: the `Model` behind the service, or the name of a preset model.
        deploy_config: settings that the service was deployed with.
        service_type: kind of API, default Chat.
        name: the label in charts and tables.

    Source: seed 000, seed 004 (Service).
    """

    def __init__(
        self,
        id: int | str | None = None,  # noqa: A002 - the seeds' word
        endpoint: str | None = None,
        model: Any = None,
        deploy_config: DeployConfig | None = None,
        service_type: ServiceType | None = None,
        *,
        name: str = "",
    ) -> None:
        self.id = id
        self.endpoint = endpoint
        self.model = model
        self.deploy_config = deploy_config
        self.service_type = service_type or ServiceType.Chat
        self.name = name

    def wait_until_serving(self, *, stop_event: threading.Event | None = None) -> Service:
        """Wait until the service is ready, and look up its endpoint.

        Raises:
            QianfanError: the deployment failed, or `stop_event` was set.
        """
        answer = wait_for_state(
            lambda: Services.V2.service_detail(str(self.id)),
            lambda answer: answer.data.run_status,
            done_states={wire.SERVING},
            failed_states={wire.FAILED, wire.STOPPED},
            interval=settings().deploy_status_polling_interval,
            label=tr("deploying {service}", service=self.label),
            stop_event=stop_event,
        )
        self.endpoint = answer.data.endpoint or self.endpoint
        return self

    @property
    def label(self) -> str:
        """The name in tables and charts."""
        preset = self.model if isinstance(self.model, str) else ""
        return self.name or preset or self.endpoint or str(self.id)

    @property
    def status(self) -> ServiceStatus:
        """The service's state on the platform.

        Raises:
            InternalError: the service has no id.
        """
        if self.id is None:
            raise InternalError(tr("this service has no id: only deployed services have a status"))
        detail = Services.V2.service_detail(str(self.id)).data
        return _STATUS.get(detail.run_status, ServiceStatus.Unknown)

    def get_res(self) -> ChatCompletion:
        """Return the client of this service.

        Raises:
            InternalError: its type is not supported.
            InvalidArgumentError: it has no id, no endpoint and no preset model.
        """
        if self.service_type is not ServiceType.Chat:
            raise InternalError(
                tr(
                    "a service of the type {kind} cannot be called by this version",
                    kind=self.service_type,
                )
            )
        if self.endpoint is None and self.id is not None:
            self.endpoint = Services.V2.service_detail(str(self.id)).data.endpoint
        if self.endpoint:
            return ChatCompletion(endpoint=self.endpoint)
        if not isinstance(self.model, str):
            raise InvalidArgumentError(
                tr("Service needs an id, an endpoint, or the name of a preset model")
            )
        return ChatCompletion(model=self.model)

    def batch_inference(
        self, dataset: Any, prompt_template: Any = None, system_prompt: str | None = None
    ) -> Any:
        """Return a dataset of questions, answers and right answers: each row is asked of the
        service.

        Args:
            dataset: a `qfnb.dataset.Dataset`, with its input columns.
            prompt_template: a `Prompt` with these columns as variables.
            system_prompt: what the model is told of its role.

        Raises:
            InvalidArgumentError: the dataset is of another kind.
        """
        if not hasattr(dataset, "test_using_llm"):
            raise InvalidArgumentError(
                tr(
                    "batch_inference takes a qfnb.dataset.Dataset; qfnb.batch answers a {kind}",
                    kind=type(dataset).__name__,
                )
            )
        client = self.get_res()
        options = {} if prompt_template is None else {"prompt_template": prompt_template}
        return dataset.test_using_llm(
            service_model=client.model,
            service_endpoint=client.endpoint,
            system_prompt=system_prompt or "",
            **options,
        )

    def exec(self, input: dict[str, Any] | None = None, **options: Any) -> Any:  # noqa: A002
        """Call it: `service.exec({"messages": [{"role": "user", "content": "Hello"}]})`."""
        return self.get_res().do(**{**(input or {}), **options})

    def dumps(self) -> bytes:
        """Return the service as UTF-8 JSON."""
        preset = self.model if isinstance(self.model, str) else None
        fields = {
            "id": self.id,
            "endpoint": self.endpoint,
            "service_type": self.service_type,
            "name": self.name,
        }
        return json.dumps({"qfnb": 1, "type": "Service", "model": preset} | fields).encode()

    @classmethod
    def loads(cls, data: bytes) -> Service:
        """Return the service that `dumps` wrote.

        Raises:
            InvalidArgumentError: the bytes are not its JSON; a pickle is never opened.
        """
        try:
            value = json.loads(data)
            assert value["type"] == "Service"
            kind = ServiceType(value["service_type"])
            return cls(
                value["id"], value["endpoint"], value["model"], None, kind, name=value["name"]
            )
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise InvalidArgumentError(
                tr("these bytes are not a service written by Service.dumps()")
            ) from None

    def __repr__(self) -> str:
        return f"<Service {self.label}>"
