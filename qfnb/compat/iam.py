"""Bearer tokens for an IAM pair."""

from ..resources.management.operation import operation
from ..wire import auth as wire


class IAM:
    """Identity of an account. Source: API page of /v1/BCE-BEARER/token."""

    @operation(wire.BCE_BEARER)
    def create_bearer_token(expire_in_seconds: int = 1000) -> None:
        """Return a bearer token, as `token`, that is valid for so many seconds."""
