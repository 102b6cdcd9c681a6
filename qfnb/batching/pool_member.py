"""One member of a pool of clients: what it sends, how soon it may, and how it fares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from .. import config
from .._jobs.background_batch import FATAL_ERRORS, MAX_FATAL_IN_A_ROW
from .._jobs.row_result import is_transient, summarize_error
from ..errors import APIError, RateLimitError
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.request_template import BatchRequests
from ..transport import clock
from ..transport.client import Client
from ..transport.rate_limiter import RateLimiter
from ..transport.request import OutgoingCall, ReadResponse
from ..transport.retry import MAX_RETRY_AFTER
from ..transport.shared_rate_limiter import get_limiter
from ..wire import error_codes
from ..wire.base import Sendable
from .request_spec import Conversation

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
            self._rests_until = now + (error.retry_after or 0) if is_long else self._rests_until
            return is_long
        if not is_transient(error):
            self._faults_in_a_row = 0
            return False
        self.faults += 1
        if sent_at >= self._fault_at:  # one fault for all rows that were in flight
            self._fault_at = now
            self._faults_in_a_row = self._faults_in_a_row + 1
            doublings = self._faults_in_a_row - REST_FAULTS
            self._rests_until = (
                now + min(2.0 ** min(doublings, 10), MAX_REST_S) if doublings >= 0 else now
            )
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
        state = "out" if self.problem else "resting" if self.is_resting else "ready"
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
