"""A `ChatCompletion` that sends a row only when the job's budget allows it, and counts what each
answer costs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ...errors import APIError, ConnectionFailed, InvalidArgumentError, QianfanError
from ...resources.inference.call_sender import InferenceRequest
from ...resources.inference.chat import ChatCompletion
from ...resources.inference.reply import ChatResponse
from ...resources.inference.reply_row import row_result_of
from ...transport import clock
from ...transport.client import CallOptions, Client

POLL_S: Final = 0.02
"""Seconds between two looks at the allowance."""


class Account:
    """What a try of a shard has used, has reserved and may use, by unit.

    Args:
        row: what one row is expected to use; the most that one has used counts from then on.
    """

    def __init__(self, row: Mapping[str, float]) -> None:
        self._mutex = threading.Lock()
        self.used = dict.fromkeys(row, 0.0)
        self._row = dict(row)
        self._most = dict.fromkeys(row, 0.0)
        self._allowance = dict.fromkeys(row, 0.0)
        self._in_flight = self._waiting = 0
        self._is_reporting = False

    async def reserve(self) -> None:
        """Wait until one more row is allowed."""
        self._waiting += 1
        try:
            while not self._try_reserve():
                await clock.sleep(POLL_S)
        finally:
            self._waiting -= 1

    def settle(self, amounts: Mapping[str, float | None]) -> None:
        """Count what a row has used; an amount that the platform did not count (None) is the
        expected one.
        """
        with self._mutex:
            self._in_flight -= 1
            for unit, amount in amounts.items():
                if unit in self.used:
                    self.used[unit] += self._row[unit] if amount is None else amount
                    self._most[unit] = max(self._most[unit], amount or 0.0)
                    self._row[unit] = self._most[unit] or self._row[unit]

    def take_report(self, rows: int) -> dict[str, Any]:
        """Return what is used and reserved; nothing is reserved until `apply`.

        Args:
            rows: that could be sent soon.
        """
        with self._mutex:
            self._is_reporting = True
            self._allowance = {
                unit: self.used[unit] + self._in_flight * self._row[unit] for unit in self.used
            }
            return {
                "committed": dict(self._allowance),
                "row": dict(self._row),
                "rows": rows + self._waiting,
                "in_flight": self._in_flight,
                "is_waiting": self._waiting > 0,
            }

    def apply(self, allowance: Mapping[str, float] | None) -> None:
        """Take an allowance, None where there was no answer: then nothing is allowed but what is in
        flight.
        """
        with self._mutex:
            self._is_reporting = False
            self._allowance.update(allowance or {})

    def _try_reserve(self) -> bool:
        with self._mutex:
            if self._is_reporting and self.used:
                return False
            rows = self._in_flight + 1
            for unit, used in self.used.items():
                if used + rows * self._row[unit] > self._allowance[unit] + 1e-9:
                    return False
            self._in_flight = rows
            return True


class MeteredChat(ChatCompletion):
    """A `ChatCompletion` whose calls are paid from an account; the account of a job without a
    budget is empty.
    """

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account

    async def send_request(
        self, request: InferenceRequest, client: Client, options: CallOptions
    ) -> ChatResponse:
        """Send a request when the budget allows it, and return the whole reply; on the I/O loop
        only.
        """
        account = self._account
        unknown = dict.fromkeys(self._account.used)
        await account.reserve()
        amounts: dict[str, float | None] = {}
        is_reserved = True

        async def pay_again(error: QianfanError) -> None:
            nonlocal is_reserved
            account.settle(unknown if _may_be_charged(error) else {})
            is_reserved = False
            await account.reserve()
            is_reserved = True

        try:
            reply = await super().send_request(
                request, client, replace(options, before_retry=pay_again)
            )
            result = row_result_of(reply, at_list_price=True)
            counts = (result.prompt_tokens, result.completion_tokens)
            amounts = {
                "CNY": result.cost,
                "tokens": None if None in counts else sum(filter(None, counts)),
            }
        except BaseException as error:
            amounts = unknown if _may_be_charged(error) else {}
            raise
        finally:
            if is_reserved:
                account.settle(amounts)
        return reply


def _may_be_charged(error: BaseException) -> bool:
    """Return whether the platform may have answered, and nobody knows what that cost."""
    if isinstance(error, ConnectionFailed):
        return error.sent
    return not isinstance(error, (APIError, InvalidArgumentError))
