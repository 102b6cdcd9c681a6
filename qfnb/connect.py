"""Selects the platform of each call: the cloud, another server, or the sandbox when there is no
key.

It is selected for each call from the present settings, so that a key set in one cell is used in the
next.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from . import config
from ._notices import warn_once
from .base.language import tr
from .config import Credentials, Settings
from .errors import CredentialsError, InvalidArgumentError
from .transport import event_loop, model_list
from .transport.client import Client
from .transport.platform import Platform, is_loopback

SANDBOX_TTL_S = 1.0
"""Seconds for which a sandbox that was reached counts as running, unless a connection to it
breaks.
"""

SANDBOX_POLLING_S = 0.3
"""Seconds between two polls of a job in the sandbox."""

_lock = threading.Lock()
_clients: dict[Platform, Client] = {}
_last_sandbox: tuple[Platform, float, str] | None = None
"""The sandbox that was reached last, when, and for which value of QFNB_STATE_DIR."""


PROFILES = {
    "intl": "https://api.baiduqianfan.ai/v1",
    "coding": "https://qianfan.baidubce.com/v2/coding",
    "tokenplan": "https://qianfan.baidubce.com/v2/tokenplan/personal",
    "tokenplan-team": "https://qianfan.baidubce.com/v2/tokenplan/team",
}
"""Base URLs of the international site and of the plans that have their own; they take an API
key.
"""


@dataclass(frozen=True)
class PlatformInfo:
    """What a call would use, without keys: for `%qfauth` and the banner.

    Attributes:
        name: `qianfan`, `sandbox` or `custom`.
        host: "" for a sandbox that is not running yet.
        kinds: which kinds of key are present.
        sources: setting -> where its key comes from.
    """

    name: str
    host: str
    kinds: tuple[str, ...]
    sources: Mapping[str, str]


def client(keys: Mapping[str, str | None] | None = None) -> Client:
    """Return the client for the present settings, starting the sandbox if it is needed.

    Args:
        keys: take precedence over the settings, e.g. those of a constructor.

    Raises:
        CredentialsError: half of a pair, or a malformed key.
        SandboxError: no key is set and the sandbox cannot start.
    """
    global _last_choice
    settings = config.settings()
    explicit_keys = dict(keys or {})
    if _last_choice and _last_choice[0] is settings and _last_choice[1] == explicit_keys:
        last_client = _last_choice[2]
        platform = last_client.platform
        # a sandbox may have stopped
        if platform.name != "sandbox" or platform == _recent_sandbox():
            return last_client
    platform = current_platform(keys)
    with _lock:
        is_new = platform not in _clients
        new_client = _clients.get(platform) or _clients.setdefault(platform, Client(platform))
    if is_new and platform.name == "qianfan":
        model_list.keep_fresh(new_client)
    _last_choice = settings, explicit_keys, new_client
    return new_client


_last_choice: tuple[Settings, Mapping[str, str | None], Client] | None = None
"""Settings and keys of the last call, and the client that they select."""


async def aclient(keys: Mapping[str, str | None] | None = None) -> Client:
    """Return the client, without blocking the I/O loop while a sandbox starts."""
    if _recent_sandbox() or event_loop.is_python_ending():  # no thread can be used at the end
        return client(keys)
    if _select_server(config.settings(), keys)[0] is not None:
        return client(keys)
    return await asyncio.to_thread(client, keys)


def current_platform(keys: Mapping[str, str | None] | None = None) -> Platform:
    """Return the platform that the settings and `keys` select; a sandbox is started.

    Raises:
        CredentialsError: the cloud is forced, and there is no key.
    """
    settings = config.settings()
    platform, credentials = _select_server(settings, keys)
    if platform is None:
        return _start_sandbox(settings)
    if not credentials and not platform.openai:
        raise CredentialsError(
            tr(
                "QIANFAN_PLATFORM=qianfan and no key is set\nset the variable QIANFAN_API_KEY, "
                "type the key "
                "into %qfauth set, or assign qfnb.get_config().api_key"
            )
        )
    return platform


def polling_interval(seconds: float) -> float:
    """Return the seconds between two polls of a running job: at most `SANDBOX_POLLING_S` in the
    sandbox.
    """
    if current_platform().name == "sandbox":
        return min(seconds, SANDBOX_POLLING_S)
    return seconds


def platform_info(keys: Mapping[str, str | None] | None = None) -> PlatformInfo:
    """Return the platform and keys that a call would use now, without starting a sandbox; `keys`
    take precedence over settings.
    """
    platform, credentials = _select_server(config.settings(), keys)
    if platform is not None:
        return PlatformInfo(platform.name, platform.host, credentials.kinds(), config.sources())
    from .sandbox import find  # noqa: PLC0415 - the sandbox is needed only without keys

    running = find()
    return PlatformInfo("sandbox", running.url.removeprefix("http://") if running else "", (), {})


def keys_in_use(keys: Mapping[str, str | None] | None = None) -> Credentials:
    """Return the keys that a call would send now; `keys` take precedence over settings."""
    return _select_server(config.settings(), keys)[1]


def _select_server(
    settings: Settings, keys: Mapping[str, str | None] | None
) -> tuple[Platform | None, Credentials]:
    """Return the platform, None for the sandbox, and the keys in use."""
    explicit_keys = dict(keys or {})
    base_url = explicit_keys.pop("base_url", None)
    credentials = Credentials.of(explicit_keys)
    openai_base_url = base_url or _openai_base_url(settings)
    if settings.platform == "sandbox" and not credentials and not openai_base_url:
        # whatever the keys in the settings are: this is also the way out of a wrong one
        return None, credentials
    if not credentials and not base_url:  # the key in the settings is not sent to another server
        credentials = config.credentials(settings)
    base_url = openai_base_url
    if base_url and base_url.rstrip("/") != f"{settings.console_api_base_url.rstrip('/')}/v2":
        return _openai_platform(settings, base_url, credentials), credentials
    if uses_sandbox(settings, credentials):
        return None, credentials
    return _configured_platform(settings, credentials), credentials


def uses_sandbox(settings: Settings, credentials: Credentials) -> bool:
    """Return whether calls go to the sandbox: because it is forced, or there is no key.

    Raises:
        InvalidArgumentError: QIANFAN_PLATFORM is unknown.
    """
    if settings.platform not in {"", "qianfan", "sandbox"}:
        raise InvalidArgumentError(
            tr(
                "QIANFAN_PLATFORM={platform!r}: must be 'qianfan', 'sandbox' or unset",
                platform=settings.platform,
            )
        )
    return settings.platform == "sandbox" or (not settings.platform and not credentials)


def _openai_base_url(settings: Settings) -> str:
    """Return the base URL of the OpenAI-compatible server in the settings, "" for Qianfan.

    Raises:
        InvalidArgumentError: the profile is unknown.
    """
    if settings.openai_base_url or not settings.profile:
        return settings.openai_base_url
    if settings.profile not in PROFILES:
        raise InvalidArgumentError(
            tr(
                "QIANFAN_PROFILE={profile!r}: must be one of {profiles}",
                profile=settings.profile,
                profiles=tr(", ").join(PROFILES),
            )
        )
    return PROFILES[settings.profile]


def _openai_platform(settings: Settings, base_url: str, credentials: Credentials) -> Platform:
    """Return the platform of a server with OpenAI's API; a server without keys is sent the word
    "none".
    """
    if base_url.rstrip("/") in PROFILES.values() and not credentials.get("api_key"):
        raise CredentialsError(
            tr(
                "{base_url} takes an API key of its own plan or site, and not {kinds}: set "
                "QIANFAN_API_KEY",
                base_url=base_url,
                kinds=tr(", ").join(credentials.kinds()) or tr("none"),
            )
        )
    keys = credentials
    if not keys.api_key:
        keys = Credentials.of({"api_key": "none"})
    return Platform(
        "custom",
        keys,
        settings.base_url,
        settings.console_api_base_url,
        settings.iam_base_url,
        settings.bos_base_url,
        openai=base_url,
    )


def _configured_platform(settings: Settings, credentials: Credentials) -> Platform:
    """Return Qianfan, or the servers that the settings name in its place.

    Raises:
        CredentialsError: the API key has not the form of Qianfan's.
    """
    defaults = Settings()
    console_url = settings.console_api_base_url
    is_default = (settings.base_url, console_url) == (
        defaults.base_url,
        defaults.console_api_base_url,
    )
    is_token = bool(settings.bearer_token) and not settings.api_key
    if (
        is_default
        and not is_token
        and credentials.api_key
        and not credentials.get("api_key").startswith("bce-v3/")
    ):
        raise CredentialsError(
            tr(
                "api_key is no key of Qianfan, which begins with bce-v3/ALTAK-\n"
                "for another server set QIANFAN_OPENAI_BASE_URL, too; else copy it whole from the "
                "console:"
                " `%qfauth set`"
            )
        )
    return Platform(
        "qianfan" if is_default else "custom",
        credentials,
        settings.base_url,
        console_url,
        console_url if is_loopback(console_url) else settings.iam_base_url,
        settings.bos_base_url,
        settings.bos_bucket,
        settings.app_id,
    )


def _start_sandbox(settings: Settings) -> Platform:
    global _last_sandbox
    if recent := _recent_sandbox():
        return recent
    from .sandbox import ensure, process  # noqa: PLC0415 - the sandbox is needed only without keys

    address = ensure(idle_minutes=settings.sandbox_idle_minutes)
    names = ("api_key", "access_key", "secret_key", "ak", "sk")
    keys = Credentials.of({name: getattr(address, name) for name in names})
    url = address.url
    platform = Platform("sandbox", keys, url, url, url, f"{url}/bos", address.bucket)
    if notice := process.claim_damage_notice():
        warn_once(notice)
    _last_sandbox = platform, time.monotonic(), os.environ.get("QFNB_STATE_DIR", "")
    return platform


def _recent_sandbox() -> Platform | None:
    if _last_sandbox is None:
        return None
    platform, reached_at, state_folder = _last_sandbox
    if time.monotonic() - reached_at > SANDBOX_TTL_S or state_folder != os.environ.get(
        "QFNB_STATE_DIR", ""
    ):
        return None
    client = _clients.get(platform)
    if client and client.is_connection_lost:
        return None
    return platform


def _reset_in_child() -> object:
    """Drop the parent's clients, which may be fetching tokens just now."""
    global _clients, _last_choice, _lock
    inherited = _clients, _last_choice
    _lock = threading.Lock()
    _clients = {}
    _last_choice = None
    return inherited


event_loop.register_child_reset(_reset_in_child)
