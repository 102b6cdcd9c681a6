"""Whom the rows are asked of: looked up now and then, and always the platform that the journal belongs to."""

from __future__ import annotations

import time
from typing import Any, Final

from ..errors import CredentialsError
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.inference_model import PreparedCall
from ..transport import rate_limiter
from ..transport.client import Client
from ..transport.rate_limiter import RateLimiter
from .request_spec import RequestSpec, platform_name

REFRESH_AFTER_S: Final = 1.0
"""Seconds after which it is looked up anew: a sandbox may have moved, a key may have been changed."""


class PlatformResolver:
    """The way to the platform of a batch.

    Attributes:
        limiter: whose turns the rows wait for; None before the first.
    """

    def __init__(self, chat: ChatCompletion, spec: RequestSpec) -> None:
        self._chat, self._spec = chat, spec
        self._client: Client | None = None
        self._valid_until = 0.0
        self.limiter: RateLimiter | None = None

    async def resolve(self, call: PreparedCall[Any]) -> Client:
        """Return the client for a row.

        Raises:
            CredentialsError: calls go to another platform by now.
        """
        if self._client is not None and time.monotonic() < self._valid_until:
            return self._client
        client = await self._chat.resolve_client()
        if (platform := platform_name(client.platform)) != self._spec.platform:
            raise CredentialsError(
                f"calls go to {platform} now, and this batch was asked of {self._spec.platform} (平台已改变)"
            )
        self.limiter = rate_limiter.get_limiter(client.platform, call.for_platform(client.platform).model)
        self._client, self._valid_until = client, time.monotonic() + REFRESH_AFTER_S
        return client

    def invalidate(self) -> None:
        """Look it up anew for the next row."""
        self._valid_until = 0.0
