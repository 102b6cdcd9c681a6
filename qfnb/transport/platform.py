"""Which Qianfan: the five addresses of one platform and the keys for it, as a value."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from ..config import Credentials
from ..errors import InvalidArgumentError
from ..wire.base import Plane

Name = Literal["qianfan", "sandbox", "custom"]


@dataclass(frozen=True)
class Platform:
    """One platform.

    Attributes:
        name: `qianfan` (the cloud), `sandbox` (this computer) or `custom` (other addresses).
        base_url: v1 inference and OAuth.
        console_url: v2 inference and management.
        iam_url: where an IAM pair is exchanged for a bearer.
        bos_url, bucket: object storage, and the bucket that uploads go to.
    """

    name: Name
    credentials: Credentials
    base_url: str
    console_url: str
    iam_url: str
    bos_url: str
    bucket: str = ""
    app_id: str = ""

    def __post_init__(self) -> None:
        for field in ("base_url", "console_url", "iam_url", "bos_url"):
            _check_url(field, getattr(self, field))

    def url(self, plane: Plane) -> str:
        """Return the base address of a plane, without a slash at the end."""
        own = {"v1": self.base_url, "oauth": self.base_url, "iam": self.iam_url}
        return own.get(plane, self.console_url).rstrip("/")

    @property
    def host(self) -> str:
        """The host that people know the platform by."""
        return urlsplit(self.console_url).netloc


def is_loopback(url: str) -> bool:
    """Tell whether an address is this computer's own."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_url(field: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgumentError(f"{field}={url!r} is not an address: it must start with https://")
    if parts.scheme == "http" and not is_loopback(url):
        raise InvalidArgumentError(
            f"{field}={url!r}: keys are sent over https only; plain http is for this computer's own addresses"
        )
