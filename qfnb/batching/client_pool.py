"""Several clients as one: each attempt of a row goes to the member that can send soonest.

The wait for a turn is in the pool, not in a member's queue, so that no row stays behind a member
that was refused. The retries of a call are those of `transport.client`; only the member is chosen
anew for each attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from .. import config
from .._jobs.background_batch import FATAL_ERRORS, MAX_FATAL_IN_A_ROW
from .._jobs.row_result import is_transient, summarize_error
from ..base.language import tr, trn
from ..base.text import labelled
from ..config import Credentials
from ..connect import PlatformInfo
from ..errors import APIError, CredentialsError, InvalidArgumentError, QianfanError, RateLimitError
from ..resources.inference.chat import BatchRequests, ChatCompletion
from ..resources.inference.inference_model import InferenceRequest
from ..resources.inference.reply import ChatResponse
from ..transport import clock
from ..transport.client import CallOptions, Client, OutgoingCall
from ..transport.platform import Platform
from ..transport.rate_limiter import MAX_RETRY_AFTER, RateLimiter
from ..transport.response import ReadResponse
from ..transport.shared_rate_limiter import get_limiter
from ..wire import error_codes
from ..wire.base import Sendable
from .request_spec import Conversation, platform_name, validate_platform

REST_FAULTS: Final = 2
"""Faults in a row after which a member rests, and then gets one row at a time until it answers."""

MAX_REST_S: Final = 60.0
"""The longest rest; the first is a second, and each further fault doubles it."""

USELESS_CODES: Final = frozenset([3, 17, 19, 336005])
"""No such model or endpoint, or the quota of a day or of the account is used up."""

MEMBER_COLUMNS: Final = [
    "client",
    "endpoint",
    "rows",
    "in_flight",
    "refusals",
    "faults",
    "state",
    "problem",
]
"""Columns of `Batch.clients`."""


class PooledRecord:
    """What is sent for one row; each member builds the record of its own request.

    Attributes:
        conversation: the row's.
        record: of the latest attempt.
        member: that made it, None before the first.
    """

    __slots__ = ("conversation", "member", "record")

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.record: Sendable | None = None
        self.member: PoolMember | None = None

    def _latest(self) -> Sendable:
        assert self.record is not None, "an attempt has built it"
        return self.record

    def to_json(self) -> bytes:
        """Return the JSON text that was sent last."""
        return self._latest().to_json()

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that was sent last."""
        return self._latest().to_wire()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._latest(), name)


class PoolMember:
    """A client of a pool; on the I/O loop only.

    Args:
        name: for messages: its position, and the end of its key's id.
        chat: it sends the rows, to its endpoint if it has one.

    Attributes:
        client, requests, limiter: what a row needs, renewed by `connect`.
        in_flight: rows of this batch that it is sending.
        answered, refusals, faults: rows that it answered, rows that it refused as too fast,
        failures of the platform
            or the network.
        problem: why it sends no more rows, "" while it does.
    """

    client: Client
    requests: BatchRequests
    limiter: RateLimiter

    def __init__(self, name: str, chat: ChatCompletion) -> None:
        self.name = name
        self.chat = chat
        self.in_flight = self.answered = self.refusals = self.faults = 0
        self.readmit()

    def readmit(self) -> None:
        """Forget what went wrong."""
        self.problem = ""
        self._rests_until = -math.inf
        self._fault_at = -math.inf
        self._faults_in_a_row = self._fatal_in_a_row = 0

    def connect(self, client: Client) -> None:
        """Take the client that calls go through now; with another key it may send again."""
        if client is not getattr(self, "client", None):
            self.client = client
            self.readmit()

    def build_requests(
        self, model: str | None, endpoint: str | None, options: Mapping[str, Any]
    ) -> None:
        """Prepare the requests of a batch; the arguments are those of
        `ChatCompletion.batch_requests`.
        """
        platform = self.client.platform
        self.requests = self.chat.batch_requests(
            platform, model, self.chat.endpoint or endpoint, options
        )
        self.limiter = get_limiter(platform, self.requests.model)
        self.limiter.apply_settings(config.settings())

    @property
    def is_resting(self) -> bool:
        """Whether it gets no row now, because the latest ones failed."""
        is_probed = self._faults_in_a_row >= REST_FAULTS and self.in_flight > 0
        return is_probed or clock.now() < self._rests_until

    def claim(self) -> bool:
        """Return whether a row may go now; it must then go at once."""
        return self.limiter.seconds_to_wait() <= 0 and self.limiter.claim()

    async def send(
        self, call: OutgoingCall, record: PooledRecord, read: ReadResponse[Any]
    ) -> tuple[Any, Any]:
        """Make one attempt of a call with this member's key and endpoint; see `Client.send_once`.

        Args:
            call: its endpoint and settings become the member's.
            record: the row.
            read: reads the response.
        """
        request = self.requests.for_row(record.conversation)
        options = call.options.with_defaults(self.chat.call_defaults)
        call.settings = options.effective(config.settings())
        record.record = request.record
        call.endpoint = request.endpoint
        call.build_request = self.client.request_builder(
            request.endpoint, request.record, request.model, options
        )
        self.in_flight += 1
        try:
            return await self.client.send_once(call, read)
        finally:
            self.in_flight -= 1

    def record_answer(self) -> None:
        """Count an answer."""
        self.answered += 1
        self._faults_in_a_row = self._fatal_in_a_row = 0

    def record_error(self, error: Exception, sent_at: float) -> bool:
        """Count an error; return whether only this member meets it, so that another may answer the
        row.

        Args:
            error: why an attempt failed.
            sent_at: when the row was handed over, on `clock.now`.
        """
        now = clock.now()
        if is_useless(error):
            self._fatal_in_a_row += 1
            return True
        self._fatal_in_a_row = 0
        if isinstance(error, RateLimitError):
            self.refusals += 1
            is_long = (error.retry_after or 0) > MAX_RETRY_AFTER
            if is_long:
                self._rests_until = now + (error.retry_after or 0)
            return is_long
        if not is_transient(error):
            self._faults_in_a_row = 0
            return False
        self.faults += 1
        if sent_at >= self._fault_at:  # one fault for all rows that were in flight
            self._fault_at = now
            self._faults_in_a_row = self._faults_in_a_row + 1
            doublings = self._faults_in_a_row - REST_FAULTS
            if doublings >= 0:
                self._rests_until = now + min(2.0 ** min(doublings, 10), MAX_REST_S)
            else:
                self._rests_until = now
        return False

    @property
    def is_hopeless(self) -> bool:
        """Whether its errors are of the kind that every row would meet; the rule is that of a batch
        of one client.
        """
        return self._fatal_in_a_row >= MAX_FATAL_IN_A_ROW or (
            self._fatal_in_a_row > 0 and not self.answered
        )

    def to_row(self) -> tuple[str | int, ...]:
        """Return its row of `Batch.clients`."""
        if self.problem:
            state = "out"
        elif self.is_resting:
            state = "resting"
        else:
            state = "ready"
        counts = (self.answered, self.in_flight, self.refusals, self.faults)
        return (self.name, self.chat.endpoint or "", *counts, state, self.problem)

    def take_out(self, error: Exception) -> None:
        """Send it no more rows."""
        self.problem = f"{type(error).__name__}: {summarize_error(error)}"


def is_useless(error: Exception) -> bool:
    """Return whether every row of a key and endpoint would meet an error: it says nothing about the
    row.
    """
    if isinstance(error, FATAL_ERRORS):
        return True
    return isinstance(error, APIError) and (
        error.status == 404 or error_codes.is_any_of(error.error_code, USELESS_CODES)
    )


MIN_POLL_S: Final = 0.002
MAX_POLL_S: Final = 0.05
"""Seconds between two looks for a member that can send; a member's known wait counts between the
two.
"""

MAX_DESCRIBED: Final = 3
"""Members whose limits are described one by one."""


class PooledRequests(BatchRequests):
    """The requests of a batch's rows, whose member is chosen when they are sent."""

    def for_row(self, conversation: Conversation) -> InferenceRequest:
        """Return the request of one row; a member validates its messages when it sends them."""
        return InferenceRequest(self.endpoint, PooledRecord(conversation), self.model)


class PooledClient(Client):
    """Sends records through the members of a pool.

    Args:
        platform: of a member.
        pool: chooses one for each attempt.
    """

    def __init__(self, platform: Platform, pool: ClientPool) -> None:
        super().__init__(platform)
        self._pool = pool

    async def send_once(self, call: OutgoingCall, read: ReadResponse[Any]) -> tuple[Any, Any]:
        """Send once through the member that can send soonest, and through another where only that
        member is at fault.

        Raises:
            QianfanError: the row's own error, one that says nothing about the member, or the last
                member's.
        """
        record = call.body
        pool = self._pool
        assert isinstance(record, PooledRecord), "the pool builds the requests"
        useless = set[PoolMember]()
        renewed = set[PoolMember]()
        while True:
            record.member = member = await pool.choose_member(record.member, useless, call.deadline)
            sent_at = clock.now()
            try:
                return await member.send(call, record, read)
            except QianfanError as error:
                is_expired = call.has_expired_token
                call.has_expired_token = False
                if is_expired and member not in renewed:
                    renewed.add(member)
                    continue
                if not pool.record_error(member, error, sent_at):
                    raise
                useless.add(member)
                if not pool.has_members(useless):
                    raise


class ClientPool(ChatCompletion):
    """Clients that answer the rows of a batch together, as one.

    Args:
        members: of one platform; they answer with the same model.
        platform: its name, as journals have it.
        target: model and endpoint in the batch's `RequestSpec`; what a member asks does not change
            a row's key.
    """

    def __init__(
        self,
        members: Sequence[PoolMember],
        platform: str,
        target: tuple[str | None, str | None] = (None, None),
    ) -> None:
        super().__init__(version=members[0].chat.version)
        self.members = tuple(members)
        self._platform = platform
        self._target = target
        self._error = QianfanError()
        self._line = asyncio.Lock()
        self._client: PooledClient | None = None
        self._departures: list[tuple[PoolMember, int]] = []

    @property
    def present(self) -> list[PoolMember]:
        """The members that get rows."""
        return [member for member in self.members if not member.problem]

    @property
    def service(self) -> str | None:
        """An endpoint that a member asks instead of the model, None where all ask the model."""
        return next((member.chat.endpoint for member in self.members if member.chat.endpoint), None)

    def has_members(self, useless: Collection[PoolMember]) -> bool:
        """Return whether there is a member beside these."""
        return any(member not in useless for member in self.present)

    def readmit(self) -> None:
        """Let all members send again, for a batch that is resumed."""
        self._departures.clear()
        for member in self.members:
            member.readmit()

    def resolve_target(
        self, _model: str | None, _endpoint: str | None
    ) -> tuple[str | None, str | None]:
        """Return model and endpoint as the journal has them, whichever member answers."""
        return self._target

    def platform_info(self) -> PlatformInfo:
        """Return which platform a call would use, without starting anything."""
        return self.members[0].chat.platform_info()

    async def resolve_client(self) -> Client:
        """Return the client that sends through the members; they take the present keys of the
        settings.
        """
        for member in self.members:
            try:
                client = await member.chat.resolve_client()
                validate_platform(client.platform, self._platform)
            except QianfanError as error:
                self._take_out(member, error)
            else:
                member.connect(client)
        platform = self._first().client.platform
        self._client = self._client or PooledClient(platform, self)
        self._client.platform = platform
        return self._client

    def batch_requests(
        self,
        _platform: Platform,
        model: str | None,
        endpoint: str | None,
        options: Mapping[str, Any],
    ) -> BatchRequests:
        """Return the builder of the requests of a batch's rows, for the member that sends each."""
        for member in self.present:
            try:
                member.build_requests(model, endpoint, options)
            except QianfanError as error:
                self._take_out(member, error)
        return PooledRequests(self._first().requests.build)

    async def send_request(
        self, request: InferenceRequest, client: Client, options: CallOptions
    ) -> ChatResponse:
        """Send a row through the members and return the whole reply; on the I/O loop only."""
        reply = await super().send_request(request, client, options)
        assert isinstance(request.record, PooledRecord), "the pool builds the requests"
        if request.record.member is not None:
            request.record.member.record_answer()
        return reply

    async def choose_member(
        self,
        latest: PoolMember | None,
        useless: Collection[PoolMember],
        deadline: clock.Deadline | None = None,
    ) -> PoolMember:
        """Return the member that can send soonest, when it can; of several the one with fewest rows
        in flight.

        Args:
            latest: the member of the row's attempt before, which comes after the others that can
                send now.
            useless: members that the row must not be sent through.
            deadline: is paused during the wait.

        Raises:
            QianfanError: no member is left; the error that took the last one out.
        """
        if self._line.locked() and not useless:
            member = None
        else:
            member = self._find_free(latest, useless)
        if member is not None:
            return member
        if deadline:
            remaining_s = deadline.pause()
        else:
            remaining_s = 0.0
        # who cannot take any must not hold up others
        async with contextlib.nullcontext() if useless else self._line:
            while (member := self._find_free(latest, useless)) is None:
                waits = [each.limiter.seconds_to_wait() for each in self._candidates(useless)]
                await clock.sleep(min(max(min(waits), MIN_POLL_S), MAX_POLL_S))
        if deadline:
            deadline.resume(remaining_s)
        return member

    def _find_free(
        self, latest: PoolMember | None, useless: Collection[PoolMember]
    ) -> PoolMember | None:
        candidates = sorted(
            self._candidates(useless), key=lambda member: (member is latest, member.in_flight)
        )
        return next((member for member in candidates if member.claim()), None)

    def _candidates(self, useless: Collection[PoolMember]) -> list[PoolMember]:
        """Return the members that may get a row; where all rest, as if none did: the batch judges
        an outage.
        """
        members = [member for member in self.present if member not in useless]
        if not members:
            raise self._error.with_traceback(None)
        return [member for member in members if not member.is_resting] or members

    def record_error(self, member: PoolMember, error: QianfanError, sent_at: float) -> bool:
        """Count an error of a member; return whether another one may answer the row.

        Args:
            member: that made the attempt.
            error: why it failed.
            sent_at: when the row was handed over, on `clock.now`.
        """
        is_elsewhere = member.record_error(error, sent_at)
        # what names the request's own model or endpoint fails the row, not the batch, where nobody
        # else is left
        is_last = len(self.present) == 1 and not isinstance(error, FATAL_ERRORS)
        if member.is_hopeless and not is_last:
            self._take_out(member, error)
        return is_elsewhere

    def _take_out(self, member: PoolMember, error: QianfanError) -> None:
        if not member.problem:
            self._error = error
            member.take_out(error)
            self._departures.append((member, len(self.present)))

    def _first(self) -> PoolMember:
        if not (present := self.present):
            raise self._error.with_traceback(None)
        return present[0]

    def describe(self) -> str:
        """Return the members' limits and waits as one line, of many members the sum; "" without
        limits.
        """
        limiters = [
            (member, member.limiter) for member in self.present if hasattr(member, "limiter")
        ]
        if len(limiters) <= MAX_DESCRIBED:
            texts = [(member.name, limiter.describe()) for member, limiter in limiters]
            return tr("; ").join(labelled(name, text) for name, text in texts if text)
        rates = [limiter.requests.rate for _, limiter in limiters]
        total = sum(filter(None, rates))
        if None in rates:
            return ""
        return tr("{n:,.0f} requests/min of {clients} clients", n=total, clients=len(rates))

    def remarks(self) -> tuple[str, ...]:
        """Return which members were taken out, and why, in words."""
        return tuple(
            trn(
                "{client} gets no more rows: {problem} · {n} client remains",
                "{client} gets no more rows: {problem} · {n} clients remain",
                remaining,
                client=member.name,
                problem=member.problem,
            )
            for member, remaining in self._departures
            if member.problem
        )

    def to_rows(self) -> list[tuple[str | int, ...]]:
        """Return the rows of `Batch.clients`."""
        return [member.to_row() for member in self.members]


def build_pool(
    clients: object,
    *,
    client: object,
    model: str | None,
    endpoint: str | None,
    mode: str = "online",
) -> ClientPool:
    """Return the clients of a batch as one, if they can answer it together; nothing is sent.

    Args:
        clients: the argument of `batch`.
        client: the argument of `batch`, which cannot be used beside it.
        model: the argument of `batch`; the endpoints of clients serve it.
        endpoint: the argument of `batch`.
        mode: `online`, or `offline`, which works with one key.

    Raises:
        InvalidArgumentError: names the client by its position, its value and what to do.
    """
    if client is not None:
        raise InvalidArgumentError(
            tr("client= and clients=: only one of them can be used; put all into clients=[...]")
        )
    if mode == "offline":
        raise InvalidArgumentError(
            tr("mode='offline' works with the keys of the settings, not with those of clients=")
        )
    if isinstance(clients, (str, bytes)) or not isinstance(clients, Sequence):
        kind = type(clients).__name__  # not the value: it may be a key
        raise InvalidArgumentError(
            tr(
                "clients is a {kind}: must be a list, [ChatCompletion(api_key=...), "
                "ChatCompletion(...)]",
                kind=kind,
            )
        )
    if not clients:
        raise InvalidArgumentError(
            tr("clients=[]: name at least one, [ChatCompletion(api_key=...)]")
        )
    for index, chat in enumerate(clients):
        if not isinstance(chat, ChatCompletion):
            kind = type(chat).__name__
            raise InvalidArgumentError(
                tr("clients[{i}] is a {kind}: must be a qfnb.ChatCompletion", i=index, kind=kind)
            )
    platform, keys = _require_one_platform(clients)
    _refuse_duplicates(keys, [endpoint or chat.endpoint for chat in clients])
    target = _choose_target(clients, model, endpoint)
    names = [
        f"clients[{index}]{f' ({key.tail})' if key.tail else ''}" for index, key in enumerate(keys)
    ]
    return ClientPool(list(map(PoolMember, names, clients)), platform, target)


def _require_one_platform(clients: Sequence[ChatCompletion]) -> tuple[str, list[Credentials]]:
    """Return the platform of all clients and the keys of each."""
    names = list[str]()
    keys = list[Credentials]()
    for index, chat in enumerate(clients):
        try:
            names.append(platform_name(chat.platform_info()))
            keys.append(chat.keys_in_use())
        except CredentialsError as error:
            raise CredentialsError(f"clients[{index}]: {error}") from None
        if names[index] != names[0]:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] calls {platform}, and clients[0] calls {first}: answers of the "
                    "two are not mixed; "
                    "run a batch for each",
                    i=index,
                    platform=names[index],
                    first=names[0],
                )
            )
    return names[0], keys


def _refuse_duplicates(keys: Sequence[Credentials], endpoints: Sequence[str | None]) -> None:
    positions: dict[tuple[Credentials, str | None], int] = {}
    for index, sender in enumerate(zip(keys, endpoints, strict=True)):
        first = positions.setdefault(sender, index)
        if first != index:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] has the key and endpoint of clients[{first}] ({key}): leave one "
                    "of them out; "
                    "more rows at once are workers=",
                    i=index,
                    first=first,
                    key=keys[index].tail or tr("none"),
                )
            )


def _choose_target(
    clients: Sequence[ChatCompletion], model: str | None, endpoint: str | None
) -> tuple[str | None, str | None]:
    """Return model and endpoint of the batch: the endpoint only where it stands for the model.

    Raises:
        InvalidArgumentError: the clients answer with different models, or nobody says which.
    """
    models = [chat.choose(model, endpoint or chat.endpoint).model for chat in clients]
    endpoints = [endpoint or chat.endpoint for chat in clients]
    for index, chat in enumerate(clients):
        names = {
            "i": index,
            "service": endpoints[index],
            "model": models[index],
            "first": models[0],
        }
        if endpoint and chat.endpoint and chat.endpoint != endpoint:
            raise InvalidArgumentError(
                tr(
                    "endpoint={endpoint!r}, and clients[{i}] has endpoint={service!r}: leave "
                    "endpoint= out; those of "
                    "clients may differ",
                    i=index,
                    endpoint=endpoint,
                    service=chat.endpoint,
                )
            )
        if (
            models[index] is None
            and endpoints[index]
            and len(set(zip(models, endpoints, strict=True))) > 1
        ):
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] has endpoint={service!r} and names no model: say which one all "
                    "clients answer with, "
                    "model='ernie-5.1' for example",
                    **names,
                )
            )
        if models[index] != models[0]:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] asks {model}, and clients[0] asks {first}: the answers of a "
                    "batch are of one model; "
                    "set model=",
                    **names,
                )
            )
    return models[0], endpoint if endpoint or models[0] else endpoints[0]
