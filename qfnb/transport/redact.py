"""Take secrets out of text before it is shown, logged or raised.

Keys are kept in SecretStr and added to a request only while it is being sent; this is the second line of
defence, for texts that come from elsewhere: a server's answer, an exception of the network library, a URL.
"""

from __future__ import annotations

import logging
import re

_SECRETS = (
    (re.compile(r"bce-v3/[\w.\-]+/[\w.\-]+"), "bce-v3/***"),
    (re.compile(r"bce-auth-v1/[^\s'\"]+"), "bce-auth-v1/***"),
    (re.compile(r"\bALTAK[\w\-]{4,}"), "ALTAK***"),
    (re.compile(r"(?i)\b(bearer|accesscode)\s+[\w.\-/+=]+"), r"\1 ***"),
    (
        re.compile(
            r"(?i)\b(access_token|refresh_token|client_id|client_secret|authorization|api_key|secret_key|access_key"
            r"|ak|sk)(['\"]?\s*[=:]\s*['\"]?)[^\s&'\",}]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"(?i)(https?://)[^/\s:@]+:[^/\s@]+@"), r"\1***@"),
)


def redact(text: str) -> str:
    """Return the text with everything that looks like a credential replaced by ***."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class _RedactUrls(logging.Filter):
    """httpx logs each URL, and a v1 URL carries the token."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


def guard_logs() -> None:
    """Make the network library's log lines safe; calling it again changes nothing."""
    for name in ("httpx", "httpcore.http11", "httpcore.connection", "aiohttp.client"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _RedactUrls) for known in logger.filters):
            logger.addFilter(_RedactUrls())
