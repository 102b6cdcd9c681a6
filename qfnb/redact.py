"""Remove secrets from text before it is shown, logged or raised.

Keys are kept in `config.Secret` and added to a request only while it is sent; this is the second
line of defence,
for text from elsewhere: a server's response, an exception of the network library, a URL. Keys in
use are recognised by value, since those of other servers have no common form; all others by their
form.
"""

import logging
import re
from collections.abc import Iterable
from typing import Final, TypeVar
from urllib.parse import quote

E = TypeVar("E", bound=Exception)

MIN_SECRET_CHARS: Final = 8  # shorter secrets, like "ollama", are words and not hidden by value
MIN_KEY_CHARS: Final = 20  # shorter ones, like "lm-studio", may be words of an answer
_in_use: frozenset[str] = frozenset()
_by_value: re.Pattern[str] | None = None
_keys_by_value: re.Pattern[str] | None = None

_KEYS = (  # "*": a part may be hidden by value already
    (re.compile(r"bce-v3/(?:[\w.\-*]+/|[\w.\-]*\*)[\w.\-*]+"), "bce-v3/***"),
    (re.compile(r"bce-auth-v1/[^\s'\"]+"), "bce-auth-v1/***"),
    (re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-*]{20,}"), "sk-***"),
    (re.compile(r"\bALTAK[\w\-*]{4,}"), "ALTAK***"),
)
"""What is a key by its form alone, also in a text that is the user's data."""

_SECRETS = (
    *_KEYS,
    (re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-*]{8,}"), "sk-***"),
    (re.compile(r"(?i)\b(bearer|accesscode)\s+[\w.\-/+=*]+"), r"\1 ***"),
    (
        re.compile(
            r"(?i)\b(access_token|refresh_token|client_id|client_secret|authorization|api_key|secret_key|access_key"
            r"|ak|sk)(['\"]?\s*[=:]\s*['\"]?)[^\s&'\",}]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.\-]*://)[^/\s:@]+:[^/\s@]+@"), r"\1***@"),
)


def register_secret(secret: str) -> None:
    """Hide this text, also in its URL-quoted form, in all texts from now on."""
    global _by_value, _in_use, _keys_by_value
    if len(secret) < MIN_SECRET_CHARS or secret in _in_use:
        return
    _in_use |= {secret, quote(secret, safe="")}
    _by_value = _match_any(_in_use)
    keys = [value for value in _in_use if len(value) >= MIN_KEY_CHARS]
    if not keys:
        _keys_by_value = None
    else:
        _keys_by_value = _match_any(keys)


def _match_any(secrets: Iterable[str]) -> re.Pattern[str]:
    return re.compile(
        "|".join(_match_value(value) for value in sorted(secrets, key=len, reverse=True))
    )


def _match_value(secret: str) -> str:
    """Return a pattern of a secret and of what goes on after it: the key may have been pasted
    without its end.
    """
    return re.escape(secret) + (
        r"[A-Za-z0-9_\-/%]*" if secret.startswith("bce-v3") else r"[A-Za-z0-9_\-]*"
    )


def hide_secrets(text: str) -> str:
    """Return the text with the secrets in use replaced by ***."""
    if _by_value:
        return _by_value.sub("***", text)
    return text


def hide_keys(answer: str) -> str:
    """Return an answer with the keys in use replaced by ***: a server can echo what it was sent."""
    if _keys_by_value:
        return _keys_by_value.sub("***", answer)
    return answer


def hide_secrets_in(error: E) -> E:
    """Replace the secrets in use in all texts of an error, drop its frames and chain, and return
    the error.

    Frames hold what is hidden from the message: IPython prints their variables in the mode Verbose.
    """
    error.__cause__ = error.__context__ = error.__traceback__ = None
    error.args = tuple(
        hide_secrets(value) if isinstance(value, str) else value for value in error.args
    )
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, hide_secrets(value))
    return error


def hide_all_keys(text: str) -> str:
    """Return a text of the user's with the secrets in use, and whatever has the form of a key,
    replaced by ***.
    """
    text = hide_secrets(text)
    for pattern, replacement in _KEYS:
        text = pattern.sub(replacement, text)
    return text


def redact(text: str) -> str:
    """Return the text with the secrets in use, and whatever looks like a credential, replaced by
    ***.
    """
    text = hide_secrets(text)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class _RedactUrls(logging.Filter):
    """Redacts log lines: the network library logs URLs, and a v1 URL contains the token."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = ()
        return True


def install_log_filter() -> None:
    """Redact the network library's log lines; repeated calls have no effect."""
    for name in ("httpx", "httpcore.http11", "httpcore.connection", "aiohttp.client"):
        logger = logging.getLogger(name)
        if not any(isinstance(log_filter, _RedactUrls) for log_filter in logger.filters):
            logger.addFilter(_RedactUrls())
