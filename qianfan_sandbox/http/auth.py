"""Authentication: each request proves that it has the sandbox's own keys; others are refused."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from qfnb.wire import auth as wire
from qfnb.wire.auth import SignatureHeader
from qfnb.wire.base import JsonObject
from qfnb.wire.catalog import MODELS_V2
from qfnb.wire.endpoints import AnyEndpoint

from ..state.store import random_id
from ..state.world import World
from .call import Call, Refusal, emulates, gateway_refusal, utc, v1_refusal, v2_refusal

TOKEN_SECONDS = 30 * 24 * 3600
BEARER_SECONDS = 43200
_OWN_KEYS_ONLY = "this is the qfnb sandbox: it takes only its own keys (run `qfnb sandbox env`)"


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that authentication reads."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    def parameter(self, name: str) -> str:
        """Return a query parameter, "" when it is absent."""
        return dict(self.query).get(name, "")


def signed_request(request: Request) -> SignedRequest:
    """Return the parts of a request that authentication reads."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in request.headers.raw
    }
    raw_path = request.scope.get("raw_path") or request.url.path.encode()
    query = tuple(parse_qsl(request.url.query, keep_blank_values=True))
    return SignedRequest(request.method, raw_path.split(b"?")[0].decode("ascii"), query, headers)


def authorize(world: World, endpoint: AnyEndpoint, request: SignedRequest) -> None:
    """Check that the caller may use an operation.

    Args:
        world: the state with the sandbox's keys.
        endpoint: the operation.
        request: the request.

    Raises:
        Refusal: the credentials are missing or wrong.
    """
    header = request.headers.get("authorization", "")
    plane = endpoint.plane
    if plane == "oauth":
        return
    if not header and endpoint is MODELS_V2:
        raise v2_refusal(
            "access_denied", "no key (Authorization: Bearer bce-v3/...) was given", status=403
        )
    if plane == "v2":
        _verify_bearer(world, header)
    elif plane == "v1" and not header.startswith("bce-auth-v1/"):
        _verify_access_token(world, request.parameter("access_token"))
    else:
        verify_signature(world, header, request)


def verify_signature(world: World, header: str, request: SignedRequest) -> None:
    """Check that an IAM signature is right, recent, and made with this sandbox's keys.

    Args:
        world: the state with the sandbox's keys.
        header: the signature, `bce-auth-v1/...`.
        request: the signed request.

    Raises:
        Refusal: 403, as the platform's gateway answers.
    """
    claim = SignatureHeader.parse(header)
    if claim is None:
        raise gateway_refusal(
            "AccessDenied", "no IAM signature (Authorization: bce-auth-v1/...) was given"
        )
    if claim.access_key != world.address.access_key:
        raise gateway_refusal(
            "NotFound", f"NotFound, cause: Could not find credential. {_OWN_KEYS_ONLY}"
        )
    if claim.is_expired(time.time()):
        raise gateway_refusal(
            "RequestExpired", "RequestExpired, cause: the signature is too old; check the clock"
        )
    is_valid = claim.verify(
        world.address.secret_key,
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
    )
    if not is_valid:
        raise gateway_refusal(
            "SignatureDoesNotMatch",
            "SignatureDoesNotMatch, cause: Fail to authn user: Signature does not match",
        )


def _verify_bearer(world: World, header: str) -> None:
    token = header.removeprefix("Bearer ").strip()
    if secrets.compare_digest(token.encode(), world.address.api_key.encode()):
        return
    if not token.startswith("bce-v3/"):
        issued = None
    else:
        issued = world.store.get("bearer", token)
    if issued is None or issued["until"] < time.time():
        if token.startswith("bce-v3/ALTAK-") and issued is None:
            message = _OWN_KEYS_ONLY
        else:
            message = "invalid bearer token"
        raise v2_refusal("invalid_iam_token", message, status=401)


def _verify_access_token(world: World, token: str) -> None:
    if not token.startswith("24."):
        issued = None
    else:
        issued = world.store.get("token", token)
    if issued is None:
        raise v1_refusal(110, f"Access token invalid or no longer valid; {_OWN_KEYS_ONLY}")
    if issued["until"] < time.time():
        raise v1_refusal(111, "Access token expired")


@emulates(wire.OAUTH_TOKEN)
def oauth_token(call: Call, body: Any) -> JsonObject:
    """Exchange AK and SK, in the query or the body, for an access token."""
    params = {**(body.model_extra or {}), **call.query}
    address = call.world.address
    if not secrets.compare_digest(str(params.get("client_id", "")).encode(), address.ak.encode()):
        raise Refusal(
            401,
            {
                "error": "invalid_client",
                "error_description": f"unknown client id; {_OWN_KEYS_ONLY}",
            },
        )
    if not secrets.compare_digest(
        str(params.get("client_secret", "")).encode(), address.sk.encode()
    ):
        raise Refusal(
            401, {"error": "invalid_client", "error_description": "Client authentication failed"}
        )
    token = f"24.{secrets.token_hex(16)}.{TOKEN_SECONDS}.{int(time.time())}.sandbox"
    call.store.add("token", token, until=time.time() + TOKEN_SECONDS)
    return {
        "access_token": token,
        "expires_in": TOKEN_SECONDS,
        "refresh_token": f"25.{secrets.token_hex(16)}",
        "scope": "public ai_custom_yiyan_com",
        "session_key": "",
        "session_secret": "",
    }


@emulates(wire.BCE_BEARER)
def exchange_bearer(call: Call, body: wire.CreateBearer) -> JsonObject:
    """Exchange an IAM signature for a bearer."""
    if body.expire_in_seconds is None:
        seconds = BEARER_SECONDS
    else:
        seconds = body.expire_in_seconds
    token = f"{random_id('bce-v3/ALTAK-sandbox')}/{secrets.token_hex(20)}"
    call.store.add("bearer", token, until=time.time() + seconds)
    return {
        "userId": "sandbox",
        "token": token,
        "status": "enable",
        "createTime": utc(time.time()).replace("Z", ".000Z"),
        "expireTime": utc(time.time() + seconds).replace("Z", ".000Z"),
    }
