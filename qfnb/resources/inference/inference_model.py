"""What all models that can be asked share: a checked call, whole or in pieces, awaited or not, or many."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Literal, TypeVar, Unpack

from pydantic import SecretStr

from ... import connect
from ..._jobs import worker_pool
from ...errors import APIError, InvalidArgumentError, StreamInterrupted
from ...transport import event_loop
from ...transport.client import CallOptions, Client
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import chat as wire
from ...wire.base import Sendable
from ...wire.endpoints import Endpoint
from . import batch_task, usage_log
from .options import AccountKeys
from .reply import Reply

ReplyT = TypeVar("ReplyT", bound=Reply[Any])

Version = Literal[1, 2, "1", "2"]

BATCH_RATE_LIMIT_WAIT_S = 600.0
"""Seconds that a row of a batch goes on trying while the platform says "too fast"."""


@dataclass(frozen=True)
class Route:
    """Where a call goes on a platform: the row, what is sent, the model's own path segment."""

    endpoint: Endpoint[Any, Any]
    record: Sendable
    model: str


@dataclass(frozen=True)
class PreparedCall(Generic[ReplyT]):
    """A checked call that does not know its platform yet.

    Attributes:
        for_platform: where it goes on a platform.
        to_reply: makes the reply of an answer, or of a piece of one.
        limits: seconds and tries.
    """

    for_platform: Callable[[Platform], Route]
    to_reply: Callable[[Response[Any]], ReplyT]
    limits: CallOptions

    def waiting_for_rate_limit(self) -> PreparedCall[ReplyT]:
        """Return the call as a batch makes it: it waits for its turn as long as it takes."""
        return replace(self, limits=replace(self.limits, rate_limit_wait_s=BATCH_RATE_LIMIT_WAIT_S))


class InferenceModel(Generic[ReplyT]):
    """A kind of model that can be asked; each kind adds `do`, `ado` and its own arguments.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means 1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`, and `base_url` for any
            server that speaks OpenAI's API; default: the settings'.
    """

    def __init__(
        self,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        version: Version | None = None,
        **keys: Unpack[AccountKeys],
    ) -> None:
        if version not in {None, 1, 2, "1", "2"}:
            raise InvalidArgumentError(f"version={version!r}: it is 1 or 2")
        _validate_keys(keys)
        self.model, self.endpoint, self.version = model, endpoint, version
        self._keys: dict[str, Any] = {name: _hide_secret(name, value) for name, value in keys.items()}

    def prepare(self, item: Any, **options: Any) -> PreparedCall[ReplyT]:
        """Return the checked call for one input of a batch."""
        raise InvalidArgumentError(f"{type(self).__name__} takes no batches")

    def batch_do(
        self, items: Iterable[Any], /, worker_num: int | None = None, **options: Any
    ) -> batch_task.BatchTask[ReplyT]:
        """Ask many inputs at once, at most `worker_num` (default 8) at a time; returns at once.

        Args:
            items: one input of `do` each.
            worker_num: 1 to 1000.
            **options: of `do`, the same for all.

        Raises:
            InvalidArgumentError: an input or an option is wrong; it says which; nothing was sent.

        Source: seed 003 (批量推理).
        """
        worker_count, rows = (
            worker_pool.validate_worker_count("worker_num", worker_num),
            validate_rows("items", items, "inputs"),
        )
        validate_no_stream(options)
        return self._start_batch(
            [prepare_row("items", index, self.prepare, row, options) for index, row in enumerate(rows)],
            worker_count,
        )

    def _start_batch(
        self, calls: Sequence[PreparedCall[ReplyT]], worker_count: int
    ) -> batch_task.BatchTask[ReplyT]:
        return batch_task.BatchTask(
            [partial(self.send, call.waiting_for_rate_limit()) for call in calls], worker_count
        )

    async def abatch_do(
        self, items: Iterable[Any], /, worker_num: int | None = None, **options: Any
    ) -> list[ReplyT | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each input, in order."""
        task = await self.batch_do(items, worker_num, **options)
        return task.results()

    def resolve_target(self, model: str | None, endpoint: str | None) -> tuple[str | None, str | None]:
        """Return the model and the endpoint of one call: what the call names wins over the object's."""
        return model or self.model, endpoint or (None if model else self.endpoint)

    @property
    def has_own_keys(self) -> bool:
        """Whether it was made with keys or a base_url of its own."""
        return bool(self._keys)

    def situation(self) -> connect.PlatformInfo:
        """Tell whom a call would ask, without starting anything."""
        return connect.platform_info(self._keys)

    def _api_version(self, platform: Platform, endpoint: str | None) -> int:
        if platform.openai or self.version is not None:
            return 2 if platform.openai else int(self.version or 2)
        credentials = platform.credentials
        if endpoint and (
            credentials.get("ak") or credentials.get("access_key") or credentials.get("access_token")
        ):
            return 1  # services of one's own are addressed by path there
        return 2 if credentials.get("api_key") or credentials.get("access_key") else 1

    def _run(self, call: PreparedCall[ReplyT]) -> ReplyT:
        return event_loop.run(self.send(call))

    async def _run_async(self, call: PreparedCall[ReplyT]) -> ReplyT:
        return await event_loop.run_async(self.send(call))

    async def resolve_client(self) -> Client:
        """Return the client that a call would go through now; on the I/O loop only."""
        return await connect.aclient(self._keys)

    async def send(self, call: PreparedCall[ReplyT], client: Client | None = None) -> ReplyT:
        """Make a call and return the whole answer; on the I/O loop only."""
        client = client or await self.resolve_client()
        route = call.for_platform(client.platform)
        with usage_log.log_call(route.model, client.platform.host) as entry:
            response = await client.send(route.endpoint, route.record, options=call.limits, model=route.model)
            return entry.record_reply(call.to_reply(response))

    async def _stream(self, call: PreparedCall[ReplyT]) -> AsyncGenerator[ReplyT, None]:
        client = await connect.aclient(self._keys)
        route = call.for_platform(client.platform)
        pieces = client.stream(
            route.endpoint,
            route.record,
            final=wire.is_final,
            options=call.limits,
            model=route.model,
        )
        text: list[str] = []
        with usage_log.log_call(route.model, client.platform.host) as entry:
            try:
                async for piece in pieces:
                    text.append(wire.text_of(piece.body))
                    yield entry.record_reply(call.to_reply(piece))
            except StreamInterrupted as error:
                raise StreamInterrupted(str(error), partial="".join(text), events=error.events) from None
            except APIError as error:
                error.partial = "".join(text)
                raise
            finally:
                await pieces.aclose()


def validate_rows(field: str, rows: object, label: str) -> Iterable[Any]:
    """Return the rows of a batch; a text or a mapping would be taken apart, and is none.

    Raises:
        InvalidArgumentError: it is something else than a list or another iterable.
    """
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            f"{field}={rows!r:.60}: it is a list of {label}, one for each row (须为列表)"
        )
    return rows


def validate_no_stream(options: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse to make a batch of streams.

    Raises:
        InvalidArgumentError: the options ask for one.
    """
    if options.get("stream"):
        raise InvalidArgumentError(f"{prefix}stream={options['stream']!r}: a row of a batch comes as a whole")


def prepare_row(
    field: str,
    index: int,
    prepare: Callable[..., PreparedCall[ReplyT]],
    item: Any,
    options: Mapping[str, Any],
) -> PreparedCall[ReplyT]:
    """Return the call of one row; an error says which row it is."""
    try:
        return prepare(item, **options)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{field}[{index}]: {error}") from None


def _hide_secret(name: str, value: Any) -> Any:
    """Return a key as it may be held: it is not seen where the object is shown."""
    return SecretStr(value) if isinstance(value, str) and name != "base_url" else value


def _validate_keys(keys: Mapping[str, Any]) -> None:
    unknown = sorted(set(keys) - set(AccountKeys.__annotations__))
    if unknown:
        allowed = ", ".join(AccountKeys.__annotations__)
        raise InvalidArgumentError(f"{unknown[0]!r} is not a key of an account: those are {allowed}")
