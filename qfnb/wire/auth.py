"""Tokens: an application's OAuth token (v1), and the bearer for an IAM pair (v2)."""

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
