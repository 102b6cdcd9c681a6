"""Authentication: tokens, and the IAM signature `bce-auth-v1`, which the client computes and the
sandbox verifies.

The signature is made of pure functions over strings; the body is not signed. Source: the
platform's authentication page; the rules that matter are the canonical request's four lines and
that the signing key is used as its hex text.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import quote

from .base import ConsoleRecord, EmptyBody, Record
from .endpoints import Endpoint


class CreateBearer(ConsoleRecord):
    """How many seconds a bearer is valid."""

    expire_in_seconds: int | None = None


class AccessToken(Record):
    """The token for AK and SK; `expires_in` in seconds."""

    access_token: str = ""
    expires_in: int = 2592000


class Bearer(ConsoleRecord):
    """The bearer for an IAM pair; times as ISO 8601 in UTC."""

    token: str = ""
    status: str = ""
    expire_time: str = ""


OAUTH_TOKEN = Endpoint("auth.oauth", "/oauth/2.0/token", EmptyBody, AccessToken, plane="oauth")
BCE_BEARER = Endpoint(
    "auth.bearer", "/v1/BCE-BEARER/token", CreateBearer, Bearer, plane="iam", method="GET"
)


# The IAM signature `bce-auth-v1`: what the client computes and the sandbox verifies.


def format_timestamp(unix_time: float) -> str:
    """Return a Unix time in the signature's format, e.g. 2023-11-14T22:13:20Z."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_canonical_request(
    method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str]
) -> str:
    """Return the text that is signed, with exactly these headers; the path is URL-quoted, the query
    is not.
    """
    pairs = sorted(f"{_encode(k)}={_encode(v)}" for k, v in query if k.lower() != "authorization")
    lines = sorted(
        f"{_encode(k.lower())}:{_encode(v.strip())}" for k, v in headers.items() if v.strip()
    )
    return "\n".join([method.upper(), path, "&".join(pairs), "\n".join(lines)])


def build_authorization(
    access_key: str,
    secret_key: str,
    *,
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    date: str,
    expires: int = 300,
) -> str:
    """Return the Authorization header of a request, valid for `expires` seconds from `date`
    (`format_timestamp`).
    """
    prefix = f"bce-auth-v1/{access_key}/{date}/{expires}"
    header_names = ";".join(sorted(name.lower() for name in headers))
    digest = _compute_signature(
        secret_key, prefix, build_canonical_request(method, path, query, headers)
    )
    return f"{prefix}/{header_names}/{digest}"


@dataclass(frozen=True)
class SignatureHeader:
    """A parsed Authorization header."""

    access_key: str
    date: str  # as `format_timestamp` writes it
    expires: int  # seconds for which the signature is valid
    # lower-case names of the signed headers; empty means the default ones
    signed_names: tuple[str, ...]
    signature: str  # 64 hexadecimal digits

    @classmethod
    def parse(cls, header: str) -> Self | None:
        """Return the parts of a `bce-auth-v1` header, None if it is not one."""
        parts = header.split("/")
        if len(parts) != 6 or parts[0] != "bce-auth-v1" or not parts[3].isdigit():
            return None
        signed_names = tuple(name for name in parts[4].split(";") if name)
        return cls(parts[1], parts[2], int(parts[3]), signed_names, parts[5])

    def verify(
        self,
        secret_key: str,
        *,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]],
        headers: Mapping[str, str],
    ) -> bool:
        """Return whether the secret has signed this request."""
        signed_headers = {name: headers[name] for name in self._select_headers(headers)}
        prefix = f"bce-auth-v1/{self.access_key}/{self.date}/{self.expires}"
        expected = _compute_signature(
            secret_key, prefix, build_canonical_request(method, path, query, signed_headers)
        )
        return hmac.compare_digest(expected, self.signature)

    def is_expired(self, now: float) -> bool:
        """Return whether the signature is no longer (or not yet) valid at a Unix time."""
        try:
            signed_at = (
                datetime.strptime(self.date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
            )
        except ValueError:
            return True
        return not signed_at - self.expires <= now <= signed_at + self.expires

    def _select_headers(self, headers: Mapping[str, str]) -> set[str]:
        default = {"host", "content-md5", "content-length", "content-type"}
        included = {name.lower() for name in self.signed_names} or default
        return {name for name in headers if name in included or name.startswith("x-bce-")}


def _compute_signature(secret_key: str, prefix: str, canonical: str) -> str:
    signing_key = hmac.new(secret_key.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    return hmac.new(signing_key.encode(), canonical.encode(), hashlib.sha256).hexdigest()


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
