"""Keys and logging set by functions, as in 2023; `get_config()` is the present form."""

import logging

from ..config import get_config

logger = logging.getLogger("qfnb")


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


def enable_log(log_level: int | str = logging.INFO) -> None:
    """Show log lines of qfnb from this level on, e.g. `"DEBUG"`, where no logging is configured."""
    logger.setLevel(log_level)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("[%(levelname)s][%(asctime)s] %(message)s"))
        logger.addHandler(handler)


def disable_log() -> None:
    """Show log lines of the highest level only."""
    logger.setLevel(logging.CRITICAL)
