"""What all models that can be asked share: a checked call, whole or in pieces, awaited or not, or many."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Literal, TypeVar, Unpack

from pydantic import SecretStr

from .. import connect
from ..errors import APIError, InvalidArgumentError, StreamInterrupted
from ..transport import portal
from ..transport.client import Client, Limits
from ..transport.platform import Platform
from ..transport.response import Response
from ..wire import chat as wire
from ..wire.base import Endpoint, Sendable
from . import batch, crew, ledger
from .options import Keys
from .reply import Reply

ReplyT = TypeVar("ReplyT", bound=Reply[Any])

Version = Literal[1, 2, "1", "2"]

PATIENCE = 600.0
"""Seconds that a row of a batch goes on trying while the platform says "too fast"."""


@dataclass(frozen=True)
class Route:
    """Where a call goes on a platform: the row, what is sent, the model's own path segment."""

    endpoint: Endpoint[Any, Any]
    record: Sendable
    model: str

    @property
    def path(self) -> dict[str, str]:
        """The values of the placeholders in the row's path."""
        return {"model": self.model} if "{model}" in self.endpoint.path else {}


@dataclass(frozen=True)
class Ask(Generic[ReplyT]):
    """A checked call that does not know its platform yet.

    Attributes:
        route: where it goes on a platform.
        reply: makes the reply of an answer, or of a piece of one.
        limits: seconds and tries.
    """

    route: Callable[[Platform], Route]
    reply: Callable[[Response[Any]], ReplyT]
    limits: Limits

    def patiently(self) -> Ask[ReplyT]:
        """Return the call as a batch makes it: it waits for its turn as long as it takes."""
        return replace(self, limits=replace(self.limits, patience=PATIENCE))


class Asking(Generic[ReplyT]):
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
        **keys: Unpack[Keys],
    ) -> None:
        if version not in {None, 1, 2, "1", "2"}:
            raise InvalidArgumentError(f"version={version!r}: it is 1 or 2")
        _refuse_unknown_keys(keys)
        self.model, self.endpoint, self.version = model, endpoint, version
        self._keys: dict[str, Any] = {name: _sealed(name, value) for name, value in keys.items()}

    def ask(self, item: Any, **options: Any) -> Ask[ReplyT]:
        """Return the checked call for one input of a batch."""
        raise InvalidArgumentError(f"{type(self).__name__} takes no batches")

    def batch_do(
        self, items: Iterable[Any], /, worker_num: int | None = None, **options: Any
    ) -> batch.BatchTask[ReplyT]:
        """Ask many inputs at once, at most `worker_num` (default 8) at a time; returns at once.

        Args:
            items: one input of `do` each.
            worker_num: 1 to 1000.
            **options: of `do`, the same for all.

        Raises:
            InvalidArgumentError: an input or an option is wrong; it says which; nothing was sent.

        Source: seed 003 (批量推理).
        """
        size, rows = crew.checked_size("worker_num", worker_num), checked_rows("items", items, "inputs")
        refuse_stream(options)
        return self._batch(
            [checked_row("items", place, self.ask, row, options) for place, row in enumerate(rows)], size
        )

    def _batch(self, asks: Sequence[Ask[ReplyT]], size: int) -> batch.BatchTask[ReplyT]:
        return batch.BatchTask([partial(self.whole, ask.patiently()) for ask in asks], size)

    async def abatch_do(
        self, items: Iterable[Any], /, worker_num: int | None = None, **options: Any
    ) -> list[ReplyT | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each input, in order."""
        task = await self.batch_do(items, worker_num, **options)
        return task.results()

    def named(self, model: str | None, endpoint: str | None) -> tuple[str | None, str | None]:
        """Return the model and the endpoint of one call: what the call names wins over the object's."""
        return model or self.model, endpoint or (None if model else self.endpoint)

    @property
    def has_own_keys(self) -> bool:
        """Whether it was made with keys or a base_url of its own."""
        return bool(self._keys)

    def situation(self) -> connect.Situation:
        """Tell whom a call would ask, without starting anything."""
        return connect.situation(self._keys)

    def _version(self, platform: Platform, endpoint: str | None) -> int:
        if platform.openai or self.version is not None:
            return 2 if platform.openai else int(self.version or 2)
        keys = platform.credentials
        if endpoint and (keys.get("ak") or keys.get("access_key") or keys.get("access_token")):
            return 1  # services of one's own are addressed by path there
        return 2 if keys.get("api_key") or keys.get("access_key") else 1

    def _run(self, ask: Ask[ReplyT]) -> ReplyT:
        return portal.run(self.whole(ask))

    async def _arun(self, ask: Ask[ReplyT]) -> ReplyT:
        return await portal.hop(self.whole(ask))

    async def reach(self) -> Client:
        """Return the client that a call would go through now; on the I/O loop only."""
        return await connect.aclient(self._keys)

    async def whole(self, ask: Ask[ReplyT], client: Client | None = None) -> ReplyT:
        """Make a call and return the whole answer; on the I/O loop only."""
        client = client or await self.reach()
        route = ask.route(client.platform)
        with ledger.entry(route.model, client.platform.host) as entry:
            answer = await client.send(
                route.endpoint, route.record, path=route.path, limits=ask.limits, model=route.model
            )
            return entry.done(ask.reply(answer))

    async def _pieces(self, ask: Ask[ReplyT]) -> AsyncGenerator[ReplyT, None]:
        client = await connect.aclient(self._keys)
        route = ask.route(client.platform)
        pieces = client.stream(
            route.endpoint,
            route.record,
            path=route.path,
            final=wire.is_final,
            limits=ask.limits,
            model=route.model,
        )
        text: list[str] = []
        with ledger.entry(route.model, client.platform.host) as entry:
            try:
                async for piece in pieces:
                    text.append(wire.text_of(piece.body))
                    yield entry.done(ask.reply(piece))
            except StreamInterrupted as error:
                raise StreamInterrupted(str(error), partial="".join(text), events=error.events) from None
            except APIError as error:
                error.partial = "".join(text)
                raise
            finally:
                await pieces.aclose()


def checked_rows(field: str, rows: object, what: str) -> Iterable[Any]:
    """Return the rows of a batch; a text or a mapping would be taken apart, and is none.

    Raises:
        InvalidArgumentError: it is something else than a list or another iterable.
    """
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            f"{field}={rows!r:.60}: it is a list of {what}, one for each row (须为列表)"
        )
    return rows


def refuse_stream(options: Mapping[str, Any], where: str = "") -> None:
    """Refuse to make a batch of streams.

    Raises:
        InvalidArgumentError: the options ask for one.
    """
    if options.get("stream"):
        raise InvalidArgumentError(f"{where}stream={options['stream']!r}: a row of a batch comes as a whole")


def checked_row(
    field: str, place: int, make: Callable[..., Ask[ReplyT]], item: Any, options: Mapping[str, Any]
) -> Ask[ReplyT]:
    """Return the call of one row; an error says which row it is."""
    try:
        return make(item, **options)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{field}[{place}]: {error}") from None


def _sealed(name: str, value: Any) -> Any:
    """Return a key as it may be held: it is not seen where the object is shown."""
    return SecretStr(value) if isinstance(value, str) and name != "base_url" else value


def _refuse_unknown_keys(keys: Mapping[str, Any]) -> None:
    unknown = sorted(set(keys) - set(Keys.__annotations__))
    if unknown:
        allowed = ", ".join(Keys.__annotations__)
        raise InvalidArgumentError(f"{unknown[0]!r} is not a key of an account: those are {allowed}")
