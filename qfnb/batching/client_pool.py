"""The clients that answer the rows of a batch together; most batches have one.

Each row goes to the client with the fewest rows in flight, so that one that is slow or waits for
its limits gets fewer. The retries of a call are those of `transport.client`; only an error that
every row of a key and endpoint would meet sends the row to another client.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .._jobs.background_batch import FATAL_ERRORS, MAX_FATAL_IN_A_ROW
from .._jobs.row_result import is_transient, summarize_error
from ..base.language import tr, trn
from ..base.text import labelled
from ..errors import APIError, CredentialsError, InvalidArgumentError, QianfanError
from ..resources.inference.chat import BatchRequests, ChatCompletion
from ..resources.inference.reply import ChatResponse
from ..transport.client import CallOptions, Client
from ..transport.rate_limiter import RateLimiter
from ..transport.shared_rate_limiter import get_limiter
from ..wire import error_codes
from .request_spec import Conversation, RequestSpec, platform_name, validate_platform

USELESS_CODES: Final = frozenset([3, 17, 19, 336005])
"""No such model or endpoint, or the quota of a day or of the account is used up."""

MAX_FAULTS: Final = 3
"""Failures in a row that count as rows in flight; a member is never left without a row for ever."""

ROUTE_LIFETIME_S: Final = 1.0
"""Seconds after which the clients are looked up again: a sandbox may have moved, a key may have
changed.
"""

MEMBER_COLUMNS: Final = ["client", "endpoint", "rows", "in_flight", "state", "problem"]
"""Columns of `Batch.clients`."""


class PoolMember:
    """A client of a pool; on the I/O loop only.

    Args:
        name: for messages: its position, and the end of its key's id.
        chat: it sends the rows.
        endpoint: that it sends them to, None for the model.

    Attributes:
        client, requests, limiter: what a row needs, renewed from time to time.
        in_flight, answered: rows that it is sending, and rows that it answered.
        fatal_in_a_row, faults_in_a_row: errors that every row would meet, and failures of the
            platform or the network, since its last answer.
        problem: why it sends no more rows, "" while it does.
    """

    client: Client
    requests: BatchRequests
    limiter: RateLimiter | None = None

    def __init__(self, name: str, chat: ChatCompletion, endpoint: str | None) -> None:
        self.name = name
        self.chat = chat
        self.endpoint = endpoint
        self.in_flight = self.answered = self.fatal_in_a_row = self.faults_in_a_row = 0
        self.problem = ""

    async def connect(self, request: RequestSpec, options: Mapping[str, Any]) -> None:
        """Look up what its rows need.

        Raises:
            QianfanError: it has no valid key, or calls another platform.
        """
        self.client = await self.chat.resolve_client()
        platform = self.client.platform
        validate_platform(platform, request.platform)
        self.requests = self.chat.batch_requests(platform, request.model, self.endpoint, options)
        self.limiter = get_limiter(platform, self.requests.model)

    async def send(self, conversation: Conversation, options: CallOptions) -> ChatResponse:
        """Send a row and return the whole reply."""
        self.in_flight += 1
        try:
            reply = await self.chat.send_request(
                self.requests.for_row(conversation), self.client, options
            )
        except QianfanError as error:
            self.fatal_in_a_row = self.fatal_in_a_row + 1 if _is_useless(error) else 0
            self.faults_in_a_row += is_transient(error)
            raise
        finally:
            self.in_flight -= 1
        self.answered += 1
        self.fatal_in_a_row = self.faults_in_a_row = 0
        return reply

    @property
    def load(self) -> int:
        """Its rows in flight, and as many more as its latest ones failed: it gets fewer then."""
        return self.in_flight + min(self.faults_in_a_row, MAX_FAULTS)

    @property
    def is_hopeless(self) -> bool:
        """Whether its errors are of the kind that every row would meet; the rule is that of a batch
        of one client.
        """
        return self.fatal_in_a_row >= MAX_FATAL_IN_A_ROW or (
            self.fatal_in_a_row > 0 and not self.answered
        )


def _is_useless(error: Exception) -> bool:
    """Return whether every row of a key and endpoint would meet an error: it says nothing about the
    row.
    """
    if isinstance(error, FATAL_ERRORS):
        return True
    return isinstance(error, APIError) and (
        error.status == 404 or error_codes.is_any_of(error.error_code, USELESS_CODES)
    )


class ClientPool:
    """Clients that answer the rows of a batch, on one platform and with one model.

    Args:
        chats: the clients, at least one.
        request: what is sent for each row; what a client asks instead does not change a row's key.
        options: of `ChatCompletion.do`.
    """

    def __init__(
        self, chats: Sequence[ChatCompletion], request: RequestSpec, options: Mapping[str, Any]
    ) -> None:
        self._request = request
        self._options = options
        self._expires_at = 0.0
        self._departures: list[tuple[PoolMember, int]] = []
        self.members = []
        for index, chat in enumerate(chats):
            name = ""
            endpoint = request.endpoint
            if len(chats) > 1:
                tail = chat.keys_in_use().tail
                name = f"clients[{index}] ({tail})" if tail else f"clients[{index}]"
                endpoint = chat.endpoint or endpoint
            self.members.append(PoolMember(name, chat, endpoint))

    @property
    def present(self) -> list[PoolMember]:
        """The members that get rows."""
        return [member for member in self.members if not member.problem]

    def readmit(self) -> None:
        """Let all members send again, for a batch that is resumed."""
        self._departures.clear()
        self._expires_at = 0.0
        for member in self.members:
            member.problem = ""
            member.fatal_in_a_row = 0

    async def send(self, conversation: Conversation, options: CallOptions) -> ChatResponse:
        """Send a row through a member, and through another where only that member is at fault.

        Raises:
            QianfanError: the row's own error, one that says nothing about the member, or the last
                member's.
        """
        await self._connect()
        useless = set[PoolMember]()
        while True:
            candidates = [member for member in self.present if member not in useless]
            member = min(candidates, key=lambda candidate: candidate.load)
            try:
                return await member.send(conversation, options)
            except QianfanError as error:
                useless.add(member)
                if not member.fatal_in_a_row or useless.issuperset(self.present):
                    raise
                if member.is_hopeless:
                    self._take_out(member, error)

    async def _connect(self) -> None:
        """Look up the keys and platforms of the members, which may have changed.

        Raises:
            QianfanError: none of them can send.
        """
        if time.monotonic() < self._expires_at:
            return
        for member in self.present:
            try:
                await member.connect(self._request, self._options)
            except QianfanError as error:
                if len(self.present) == 1:
                    raise
                self._take_out(member, error)
        self._expires_at = time.monotonic() + ROUTE_LIFETIME_S

    def _take_out(self, member: PoolMember, error: QianfanError) -> None:
        if not member.problem:
            member.problem = f"{type(error).__name__}: {summarize_error(error)}"
            self._departures.append((member, len(self.present)))

    def describe(self) -> str:
        """Return the members' limits and waits as one line, "" without limits."""
        texts = [
            labelled(member.name, text) if member.name else text
            for member in self.present
            if member.limiter is not None and (text := member.limiter.describe())
        ]
        return tr("; ").join(texts)

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
        )

    def to_rows(self) -> list[tuple[str | int, ...]]:
        """Return the rows of `Batch.clients`."""
        rows = list[tuple[str | int, ...]]()
        for member in self.members:
            state = "out" if member.problem else "ready"
            counts = (member.answered, member.in_flight)
            rows.append((member.name, member.endpoint or "", *counts, state, member.problem))
        return rows


def validate_clients(clients: object, client: object, *, is_offline: bool) -> None:
    """Check that the clients of a batch can answer it together.

    Args:
        clients: the argument of `batch`.
        client: the argument of `batch`, which cannot be used beside it.
        is_offline: whether the platform's batch service answers, which works with one key.

    Raises:
        InvalidArgumentError: names the client by its position, its value and what to do.
    """
    if client is not None:
        raise InvalidArgumentError(
            tr("client= and clients=: only one of them can be used; put all into clients=[...]")
        )
    if is_offline:
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
    platforms = []
    for index, chat in enumerate(clients):
        if not isinstance(chat, ChatCompletion):
            kind = type(chat).__name__
            raise InvalidArgumentError(
                tr("clients[{i}] is a {kind}: must be a qfnb.ChatCompletion", i=index, kind=kind)
            )
        try:
            platforms.append(platform_name(chat.platform_info()))
        except CredentialsError as error:
            raise CredentialsError(f"clients[{index}]: {error}") from None
        if platforms[index] != platforms[0]:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] calls {platform}, and clients[0] calls {first}: answers of the "
                    "two are not mixed; "
                    "run a batch for each",
                    i=index,
                    platform=platforms[index],
                    first=platforms[0],
                )
            )


def choose_target(
    clients: Sequence[ChatCompletion], model: str | None, endpoint: str | None
) -> tuple[str | None, str | None]:
    """Return model and endpoint of a batch: the endpoint only where it stands for the model.

    Raises:
        InvalidArgumentError: the clients answer with different models, or nobody says which.
    """
    if len(clients) == 1:
        return clients[0].resolve_target(model, endpoint)
    targets = []
    for index, chat in enumerate(clients):
        service = endpoint or chat.endpoint
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
        targets.append((chat.choose(model, service).model, service))
    first_model, first_endpoint = targets[0]
    for index, (name, service) in enumerate(targets):
        if name is None and service and len(set(targets)) > 1:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] has endpoint={service!r} and names no model: say which one all "
                    "clients answer with, "
                    "model='ernie-5.1' for example",
                    i=index,
                    service=service,
                )
            )
        if name != first_model:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] asks {model}, and clients[0] asks {first}: the answers of a "
                    "batch are of one model; "
                    "set model=",
                    i=index,
                    model=name,
                    first=first_model,
                )
            )
    return first_model, endpoint if endpoint or first_model else first_endpoint
