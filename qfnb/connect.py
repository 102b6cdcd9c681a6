"""Which platform this process talks to: the cloud, another address, or the sandbox when there is no key.

Decided anew for each call from the settings, so that a key set in one cell is used by the next.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import config
from .config import Credentials, Settings
from .errors import CredentialsError, InvalidArgumentError
from .transport import portal
from .transport.client import Client
from .transport.platform import Platform, is_loopback

if TYPE_CHECKING:
    from .sandbox import Address

TRUSTED_FOR = 1.0
"""Seconds for which a sandbox that answered counts as alive."""

SANDBOX_POLLING = 0.3
"""Seconds between two looks at a job of the sandbox."""

_lock = threading.Lock()
_clients: dict[Platform, Client] = {}
_seen: tuple[Platform, float] | None = None


@dataclass(frozen=True)
class Situation:
    """What a first call would use, told without keys: for `%qfauth` and the greeting.

    Attributes:
        name: `qianfan`, `sandbox` or `custom`.
        host: "" for a sandbox that is not running yet.
        kinds: which kinds of key are at hand.
        sources: where each comes from.
    """

    name: str
    host: str
    kinds: tuple[str, ...]
    sources: Mapping[str, str]


def client(keys: Mapping[str, str | None] | None = None) -> Client:
    """Return the client for the present settings, starting the sandbox when it is needed.

    Args:
        keys: keys that win over the settings, e.g. from a constructor.

    Raises:
        CredentialsError: half of a pair, or a key that cannot be one.
        SandboxError: no key is set and the sandbox cannot start.
    """
    global _latest
    now, given = config.settings(), dict(keys or {})
    latest = _latest
    if latest and latest.settings is now and latest.keys == given and latest.lasts():
        return latest.client
    platform = current_platform(keys)
    with _lock:
        found = _clients.get(platform) or _clients.setdefault(platform, Client(platform))
    _latest = _Latest(now, given, found)
    return found


@dataclass(frozen=True)
class _Latest:
    """The client of the latest call, and what it was chosen by."""

    settings: Settings
    keys: Mapping[str, str | None]
    client: Client

    def lasts(self) -> bool:
        """Tell whether it need not be chosen anew: a sandbox may have gone meanwhile."""
        return self.client.platform.name != "sandbox" or self.client.platform == _fresh_sandbox()


_latest: _Latest | None = None


async def aclient(keys: Mapping[str, str | None] | None = None) -> Client:
    """Return the client without blocking the I/O loop while a sandbox starts."""
    if _fresh_sandbox() or not uses_sandbox(now := config.settings(), config.credentials(now)):
        return client(keys)
    return await asyncio.to_thread(client, keys)


def current_platform(keys: Mapping[str, str | None] | None = None) -> Platform:
    """Return the platform that the settings (and explicit keys) point to."""
    now = config.settings()
    given = dict(keys or {})
    if other := given.pop("base_url", None):
        return _openai(now, other, Credentials.of(given))  # never the settings' key to a stranger's server
    found = Credentials.of(given) or config.credentials(now)
    if other := config.openai_base_url(now):
        return _openai(now, other, found)
    if uses_sandbox(now, found):
        return _sandbox(now)
    if not found:
        raise CredentialsError(
            "QIANFAN_PLATFORM=qianfan and no key is set\n"
            "设置 QIANFAN_API_KEY，或用 %qfauth 输入 / set QIANFAN_API_KEY, or type it into %qfauth"
        )
    return _configured(now, found)


def polling_interval(seconds: float) -> float:
    """Return how often to look at a running job: as set for the cloud, at once in the sandbox."""
    return min(seconds, SANDBOX_POLLING) if current_platform().name == "sandbox" else seconds


def situation(keys: Mapping[str, str | None] | None = None) -> Situation:
    """Tell what a call would use now, without starting anything; `keys` win over the settings."""
    now = config.settings()
    given = dict(keys or {})
    own = given.pop("base_url", None)
    found = Credentials.of(given) or (Credentials() if own else config.credentials(now))
    if other := own or config.openai_base_url(now):
        platform = _openai(now, other, found)
        return Situation("custom", platform.host, found.kinds(), config.sources())
    if uses_sandbox(now, found):
        from .sandbox import find  # noqa: PLC0415 - the sandbox is needed only without keys

        running = find()
        return Situation("sandbox", running.url.removeprefix("http://") if running else "", (), {})
    platform = _configured(now, found)
    return Situation(platform.name, platform.host, found.kinds(), config.sources())


def uses_sandbox(now: Settings, found: Credentials) -> bool:
    """Tell whether calls go to the sandbox: forced, or because there is no key."""
    if now.platform not in {"", "qianfan", "sandbox"}:
        raise InvalidArgumentError(
            f"QIANFAN_PLATFORM={now.platform!r}: it is 'qianfan', 'sandbox' or not set"
        )
    return now.platform == "sandbox" or (not now.platform and not found)


def _openai(now: Settings, base_url: str, found: Credentials) -> Platform:
    """Return the platform of a server that speaks OpenAI's API; one without keys gets a word instead."""
    keys = found if found.get("api_key") else Credentials.of({"api_key": "none"})
    addresses = (now.base_url, now.console_api_base_url, now.iam_base_url, now.bos_base_url)
    return Platform("custom", keys, *addresses, openai=base_url)


def _configured(now: Settings, found: Credentials) -> Platform:
    default = Settings()
    own = all(getattr(now, name) == getattr(default, name) for name in ("base_url", "console_api_base_url"))
    return Platform(
        "qianfan" if own else "custom",
        found,
        now.base_url,
        now.console_api_base_url,
        now.iam_base_url if own or not is_loopback(now.console_api_base_url) else now.console_api_base_url,
        now.bos_base_url,
        now.bos_bucket,
        now.app_id,
    )


def _sandbox(now: Settings) -> Platform:
    global _seen
    if fresh := _fresh_sandbox():
        return fresh
    from .sandbox import ensure  # noqa: PLC0415 - the sandbox is needed only without keys

    platform = sandbox_platform(ensure(idle_minutes=now.sandbox_idle_minutes))
    _seen = platform, time.monotonic()
    return platform


def _fresh_sandbox() -> Platform | None:
    seen = _seen
    return seen[0] if seen and time.monotonic() - seen[1] < TRUSTED_FOR else None


def sandbox_platform(address: Address) -> Platform:
    """Return the platform that a running sandbox is."""
    keys = ("api_key", "access_key", "secret_key", "ak", "sk")
    found = Credentials.of({name: getattr(address, name) for name in keys})
    return Platform(
        "sandbox", found, address.url, address.url, address.url, f"{address.url}/bos", address.bucket
    )


def _forget() -> object:
    """Leave the clients to the parent, with the tokens that somebody may just be fetching there."""
    global _clients, _latest, _lock
    inherited = _clients, _latest
    _lock, _clients, _latest = threading.Lock(), {}, None
    return inherited


portal.in_child(_forget)
