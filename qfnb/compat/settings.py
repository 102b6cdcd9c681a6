"""Keys set by functions, as notebooks of 2023 do; `get_config()` is the present form."""

from ..config import get_config


def AK(ak: str) -> None:  # noqa: N802 - the official SDK's name, as the next ones
    """Set the API key of an application."""
    get_config().ak = ak


def SK(sk: str) -> None:  # noqa: N802
    """Set the secret key of an application."""
    get_config().sk = sk


def AccessToken(access_token: str) -> None:  # noqa: N802
    """Set an access token of v1."""
    get_config().access_token = access_token


def AccessKey(access_key: str) -> None:  # noqa: N802
    """Set the access key of an IAM pair."""
    get_config().access_key = access_key


def SecretKey(secret_key: str) -> None:  # noqa: N802
    """Set the secret key of an IAM pair."""
    get_config().secret_key = secret_key
