"""Several clients as one: each attempt of a row goes to the member that can send soonest.

The wait for a turn is in the pool, not in a member's queue, so that no row stays behind a member
that was refused. The retries of a call are those of `transport.client`; only the member is chosen
anew for each attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from .._jobs.background_batch import FATAL_ERRORS
from ..base.language import tr, trn
from ..base.text import labelled
from ..connect import PlatformInfo
from ..errors import QianfanError
from ..resources.inference.call_sender import InferenceRequest
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.reply import ChatResponse
from ..resources.inference.request_template import BatchRequests
from ..transport import clock
from ..transport.client import Client
from ..transport.platform import Platform
from ..transport.request import CallOptions, OutgoingCall, ReadResponse
from .pool_member import PooledRecord, PoolMember
from .request_spec import Conversation, validate_platform

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
        """Return what builds the requests of a batch's rows, for the member that sends each."""
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
        member = None if self._line.locked() and not useless else self._find_free(latest, useless)
        if member is not None:
            return member
        remaining_s = deadline.pause() if deadline else 0.0
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
        return (
            ""
            if None in rates
            else tr("{n:,.0f} requests/min of {clients} clients", n=total, clients=len(rates))
        )

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
