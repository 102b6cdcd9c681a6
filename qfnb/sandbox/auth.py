"""Who is calling: every request proves it, with the sandbox's own keys only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from ..wire import auth as wire
from ..wire.base import Plane
from ..wire.signature import Claim
from .routing import Call, Refusal, emulates, gateway, refuse
from .store import random_id

if TYPE_CHECKING:
    from .world import World

TOKEN_SECONDS = 30 * 24 * 3600
BEARER_SECONDS = 43200
_ONLY_OWN = "this is the qfnb sandbox: it takes only its own keys (run `qfnb sandbox env`)"


@dataclass(frozen=True)
class Seen:
    """What authentication looks at."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    def parameter(self, name: str) -> str:
        """Return one query parameter, "" when it is absent."""
        return dict(self.query).get(name, "")


def seen(request: Request) -> Seen:
    """Return what authentication looks at, with the header names as they came."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers.raw}
    raw = request.scope.get("raw_path") or request.url.path.encode()
    query = tuple(parse_qsl(request.url.query, keep_blank_values=True))
    return Seen(request.method, raw.split(b"?")[0].decode("ascii"), query, headers)


def authorize(world: World, plane: Plane, seen: Seen) -> None:
    """Return when the caller may use a plane.

    Raises:
        Refusal: in the plane's own words.
    """
    header = seen.headers.get("authorization", "")
    if plane == "oauth":
        return
    if plane == "v2":
        _check_bearer(world, header)
    elif plane == "v1" and not header.startswith("bce-auth-v1/"):
        _check_access_token(world, seen.parameter("access_token"))
    else:
        check_signature(world, header, seen)


def check_signature(world: World, header: str, seen: Seen) -> None:
    """Return when the IAM signature is this sandbox's own, fresh and right.

    Raises:
        Refusal: 403, as the platform's gateway answers.
    """
    claim = Claim.parse(header)
    if claim is None:
        raise gateway("AccessDenied", "no IAM signature (Authorization: bce-auth-v1/...) was given")
    if claim.access_key != world.address.access_key:
        raise gateway("NotFound", f"NotFound, cause: Could not find credential. {_ONLY_OWN}")
    if claim.expired(time.time()):
        raise gateway("RequestExpired", "RequestExpired, cause: the signature is too old; check the clock")
    right = claim.proves(
        world.address.secret_key, method=seen.method, path=seen.path, query=seen.query, headers=seen.headers
    )
    if not right:
        raise gateway(
            "SignatureDoesNotMatch",
            "SignatureDoesNotMatch, cause: Fail to authn user: Signature does not match",
        )


def _check_bearer(world: World, header: str) -> None:
    token = header.removeprefix("Bearer ").strip()
    if secrets.compare_digest(token.encode(), world.address.api_key.encode()):
        return
    issued = world.store.get("bearer", token) if token.startswith("bce-v3/") else None
    if issued is None or issued["until"] < time.time():
        text = _ONLY_OWN if token.startswith("bce-v3/ALTAK-") and issued is None else "invalid bearer token"
        raise refuse("v2", 0, text, word="invalid_iam_token", status=401)


def _check_access_token(world: World, token: str) -> None:
    issued = world.store.get("token", token) if token.startswith("24.") else None
    if issued is None:
        raise refuse("v1", 110, f"Access token invalid or no longer valid; {_ONLY_OWN}")
    if issued["until"] < time.time():
        raise refuse("v1", 111, "Access token expired")


@emulates(wire.OAUTH_TOKEN)
def oauth_token(call: Call, body: Any) -> dict[str, Any]:
    """Exchange AK and SK, given in the query (or the body), for an access token."""
    given = {**(body.model_extra or {}), **call.query}
    address = call.world.address
    if not secrets.compare_digest(str(given.get("client_id", "")).encode(), address.ak.encode()):
        raise Refusal(
            401, {"error": "invalid_client", "error_description": f"unknown client id; {_ONLY_OWN}"}
        )
    if not secrets.compare_digest(str(given.get("client_secret", "")).encode(), address.sk.encode()):
        raise Refusal(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
    token = f"24.{secrets.token_hex(16)}.{TOKEN_SECONDS}.{int(time.time())}.sandbox"
    call.world.store.add("token", token, until=time.time() + TOKEN_SECONDS)
    return {
        "access_token": token,
        "expires_in": TOKEN_SECONDS,
        "refresh_token": f"25.{secrets.token_hex(16)}",
        "scope": "public ai_custom_yiyan_com",
        "session_key": "",
        "session_secret": "",
    }


@emulates(wire.BCE_BEARER)
def exchange_bearer(call: Call, body: Any) -> dict[str, Any]:
    """Exchange an IAM signature for a bearer."""
    wanted = call.query.get("expireInSeconds", "")
    seconds = int(wanted) if wanted.isdigit() else BEARER_SECONDS
    token = f"{random_id('bce-v3/ALTAK-sandbox')}/{secrets.token_hex(20)}"
    call.world.store.add("bearer", token, until=time.time() + seconds)
    return {
        "userId": "sandbox",
        "token": token,
        "status": "enable",
        "createTime": _iso(time.time()),
        "expireTime": _iso(time.time() + seconds),
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
