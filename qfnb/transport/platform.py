"""A platform: the base URLs of one Qianfan, and the keys for it."""

import functools
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from ..base.language import tr
from ..config import Credentials
from ..errors import InvalidArgumentError
from ..wire.endpoints import Endpoint, Plane

PlatformName = Literal["qianfan", "sandbox", "custom"]


@dataclass(frozen=True)
class Platform:
    """One platform.

    Attributes:
        name: `qianfan` (the cloud), `sandbox` (this computer) or `custom` (other URLs).
        credentials: the keys.
        base_url: of v1 inference and OAuth.
        console_url: of v2 inference and management.
        iam_url: where an IAM pair is exchanged for a bearer.
        bos_url, bucket: object storage, and the bucket for uploads.
        app_id: the application that is billed, "" for the default.
        openai: base URL of a server that has only OpenAI's API; "" for Qianfan.
    """

    name: PlatformName
    credentials: Credentials
    base_url: str
    console_url: str
    iam_url: str
    bos_url: str
    bucket: str = ""
    app_id: str = ""
    openai: str = ""

    def __post_init__(self) -> None:
        for field in ("base_url", "console_url", "iam_url", "bos_url", "openai"):
            if getattr(self, field) or field != "openai":
                _validate_url(field, getattr(self, field))

    def base_url_of(self, plane: Plane) -> str:
        """Return the base URL of a plane, without a slash at its end."""
        base_urls = {"v1": self.base_url, "oauth": self.base_url, "iam": self.iam_url}
        base_url = self.openai or base_urls.get(plane, self.console_url)
        return base_url.rstrip("/")

    def endpoint_url(self, endpoint: Endpoint[Any, Any], path_values: Mapping[str, str]) -> str:
        """Return the URL of an endpoint; `path_values` fills the placeholders in its path.

        Raises:
            InvalidArgumentError: the platform is an OpenAI-compatible server and the row is
                Qianfan's own.
        """
        values = {name: quote(value, safe="") for name, value in path_values.items()}
        endpoint_path = endpoint.path.format(**values)
        if self.openai:
            endpoint_path = endpoint_path.removeprefix("/v2")
        if self.openai and endpoint.plane != "v2":
            raise InvalidArgumentError(
                tr(
                    "{host} speaks OpenAI's API only: {endpoint} is Qianfan's own call",
                    host=self.host,
                    endpoint=endpoint.name,
                )
            )
        return self.base_url_of(endpoint.plane) + endpoint_path

    @cached_property
    def is_qianfan(self) -> bool:
        """Whether its models are Qianfan's, by their names and options: a plan's and the
        international site's are.
        """
        return not self.openai or self.host.endswith(("baidubce.com", "baiduqianfan.ai"))

    @cached_property
    def key_note(self) -> str:
        """What a refused key may have to do with the address, "" for other servers."""
        if not self.is_qianfan or self.name == "sandbox":
            return ""
        if self.host.endswith("baiduqianfan.ai"):
            return tr("the international site has accounts and keys of its own")
        if "/v2/coding" in self.openai or "/v2/tokenplan" in self.openai:
            return tr("this address takes the key of its own plan, not an ordinary API key")
        return tr(
            "a key of a plan or of the international site works at its own address only: "
            "QIANFAN_PROFILE=coding, tokenplan, tokenplan-team or intl"
        )

    @cached_property
    def host(self) -> str:
        """The host to show to users."""
        return urlsplit(self.openai or self.console_url).netloc


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this computer."""
    return is_loopback_host(urlsplit(url).hostname or "")


@functools.lru_cache(maxsize=256)
def is_loopback_host(host: str) -> bool:
    """Return whether a host is this computer."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _validate_url(field: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgumentError(
            tr(
                "{field}={url!r} is not an address: it must start with https://",
                field=field,
                url=url,
            )
        )
    if parts.scheme == "http" and not is_loopback(url):
        raise InvalidArgumentError(
            tr(
                "{field}={url!r}: keys are sent over https only; plain http is for this "
                "computer's own addresses",
                field=field,
                url=url,
            )
        )
