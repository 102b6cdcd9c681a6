"""Whom the rows are asked of: looked up now and then, and always the platform that the journal belongs to."""

from __future__ import annotations

import time
from typing import Any, Final

from ..errors import CredentialsError
from ..resources.asking import Ask
from ..resources.chat import ChatCompletion
from ..transport import limits
from ..transport.client import Client
from ..transport.limits import Limiter
from .plan import Plan, name_of

AGAIN: Final = 1.0
"""Seconds after which it is looked up anew: a sandbox may have moved, a key may have been changed."""


class Reach:
    """The way to the platform of a batch.

    Attributes:
        limiter: whose turns the rows wait for; None before the first.
    """

    def __init__(self, asking: ChatCompletion, plan: Plan) -> None:
        self._asking, self._plan = asking, plan
        self._client: Client | None = None
        self._until = 0.0
        self.limiter: Limiter | None = None

    async def client(self, ask: Ask[Any]) -> Client:
        """Return the client for a row.

        Raises:
            CredentialsError: calls go to another platform by now.
        """
        if self._client is not None and time.monotonic() < self._until:
            return self._client
        client = await self._asking.reach()
        if (now := name_of(client.platform)) != self._plan.platform:
            raise CredentialsError(
                f"calls go to {now} now, and this batch was asked of {self._plan.platform} (平台已改变)"
            )
        self.limiter = limits.of(client.platform, ask.route(client.platform).model)
        self._client, self._until = client, time.monotonic() + AGAIN
        return client

    def forget(self) -> None:
        """Look it up anew for the next row."""
        self._until = 0.0
