"""Qianfan's responses as pure functions: which are good, and which error a bad one is.

One function decides, for all five planes and the gateway in front of them.
"""

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import from_json

from .. import errors
from ..base.language import tr
from ..base.text import clip, duration
from ..redact import redact
from ..wire import error_codes

log = logging.getLogger("qfnb")

MAX_CLOCK_SKEW_S = 240
"""Seconds between this computer's clock and a server's that are worth a word; signatures are valid
for 300.
"""

_CLASSES: dict[error_codes.ErrorKind, type[errors.APIError]] = {
    "auth": errors.AuthError,
    "token": errors.AuthError,
    "throttle": errors.RateLimitError,
    "activation": errors.NotActivatedError,
    "server": errors.ServerError,
    "user": errors.APIError,
}


def decode_response(status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    """Return the JSON object of a good response; raise the typed error of a bad one.

    Args:
        status: of HTTP.
        headers: with lower-case names.
        content: the whole body.

    Raises:
        APIError: the response is a refusal, in any of the platform's shapes.
        UnexpectedContent: the response is not a JSON object (a proxy's page, an empty body).
    """
    if 300 <= status < 400:
        target = urlsplit(headers.get("location", "")).netloc or tr("another page")
        raise errors.UnexpectedContent(
            tr(
                "HTTP {status} redirects to {target}: keys are not sent there\ncheck base_url; or "
                "is a login "
                "page in between?",
                status=status,
                target=target,
            )
        )
    body = _parse_json_object(content)
    if body is not None:
        raise_for_error(body, status, headers)
    if status >= 400:
        raise _gateway_error(status, headers, content)
    if body is None:
        raise _unexpected_content(status, headers, content)
    return body


def raise_for_error(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Raise the error that a JSON response describes, if it describes one.

    Args:
        body: the response.
        status: of HTTP.
        headers: with lower-case names.

    Raises:
        APIError: of the class that fits its code.
    """
    code_and_message = _find_error(body)
    if code_and_message is None:
        return
    code, message = code_and_message
    code = code if isinstance(code, int | str) else json.dumps(code)
    raise build_api_error(
        code, message, status=status, headers=headers or {}, request_id=_find_request_id(body)
    )


def build_api_error(
    code: int | str, message: str, *, status: int, headers: Mapping[str, str], request_id: str = ""
) -> errors.APIError:
    """Return the exception for an error code, with a hint and the delay that the server asks for.

    Args:
        code: the platform's code, an int (v1, console) or a word (v2).
        message: the platform's text; secrets are removed.
        status: of HTTP.
        headers: with lower-case names.
        request_id: default: that of the headers.
    """
    row = error_codes.lookup(code, status)
    return _CLASSES[row.kind](
        code,
        redact(message),
        redact(request_id or _header_request_id(headers)),
        hint="\n".join(
            filter(
                None,
                (row.hint and tr(row.hint), _clock_note(headers) if row.kind == "auth" else ""),
            )
        ),
        status=status,
        retry_after=parse_retry_after(headers),
    )


def _clock_note(headers: Mapping[str, str]) -> str:
    """Return a note on the clock for a refused signature, "" where the clock is right."""
    ahead_s = -_seconds_until(headers.get("date", ""), datetime.now(UTC))
    if not abs(ahead_s) > MAX_CLOCK_SKEW_S:  # NaN without a date
        return ""
    if ahead_s > 0:
        return tr(
            "this computer's clock is {time} ahead: signatures of an IAM pair last minutes only",
            time=duration(ahead_s),
        )
    return tr(
        "this computer's clock is {time} behind: signatures of an IAM pair last minutes only",
        time=duration(-ahead_s),
    )


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait (as a number or a date), None if it does not
    say.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            seconds = float(text) * scale
        except ValueError:
            seconds = _seconds_until(text, now or datetime.now(UTC))
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def decode_stream_event(data: str) -> dict[str, Any]:
    """Return the JSON object of one stream event.

    Raises:
        APIError: the event describes an error.
        UnexpectedContent: it is not a JSON object.
    """
    body = _parse_json_object(data.encode())
    if body is None:
        raise errors.UnexpectedContent(
            tr(
                "the stream sent something that is not JSON: {excerpt}",
                excerpt=quote_excerpt(data.encode()),
            )
        )
    raise_for_error(body)
    return body


_is_invalid_utf8_logged = False


def decode_utf8(content: bytes) -> str:
    """Return the text of a response; bytes that are not UTF-8 become U+FFFD, which one log line
    says.
    """
    global _is_invalid_utf8_logged
    try:
        return content.decode()
    except UnicodeDecodeError:
        if not _is_invalid_utf8_logged:
            log.warning(tr("a response has bytes that are not UTF-8: shown as �"))
        _is_invalid_utf8_logged = True
        return content.decode("utf-8", "replace")


def _find_error(body: Mapping[str, Any]) -> tuple[Any, str] | None:
    error = body.get("error")
    # v2; a stored response may have failed
    if isinstance(error, Mapping) and body.get("object") != "response":
        return error.get("code") or error.get("type") or "error", str(error.get("message") or "")
    if isinstance(error, str) and error:  # OAuth
        return error, str(body.get("error_description") or "")
    if body.get("error_code"):  # v1, console v1
        return body["error_code"], str(body.get("error_msg") or "")
    if body.get("code") and ("message" in body or "msg" in body) and "result" not in body:
        message = body.get("message") or body.get("msg") or ""
        # v1 prompts
        if isinstance(message, Mapping):
            text = message.get("global", message)
        else:
            text = message
        return body["code"], str(text)
    return None


def _gateway_error(status: int, headers: Mapping[str, str], content: bytes) -> errors.QianfanError:
    code = headers.get("x-bce-error-code")
    message = headers.get("x-bce-error-message") or f"HTTP {status}: {quote_excerpt(content)}"
    if code is None and status < 500 and status not in {401, 403, 404, 408, 409, 429}:
        return errors.UnexpectedContent(message)
    return build_api_error(code or status, message, status=status, headers=headers)


def _unexpected_content(
    status: int, headers: Mapping[str, str], content: bytes
) -> errors.UnexpectedContent:
    kind = headers.get("content-type", tr("no content type"))
    return errors.UnexpectedContent(
        tr(
            "HTTP {status}, {kind}: the response is not a JSON object: {excerpt}\nis a proxy or a "
            "login "
            "page in between?",
            status=status,
            kind=kind,
            excerpt=quote_excerpt(content),
        ),
        request_id=redact(_header_request_id(headers)),
    )


def _parse_json_object(content: bytes) -> dict[str, Any] | None:
    content = content.removeprefix(b"\xef\xbb\xbf")  # which a parser may ignore
    try:
        body = from_json(content)
    except ValueError:
        try:
            body = json.loads(decode_utf8(content))  # accepts more, e.g. a lone surrogate
        except (ValueError, RecursionError):
            return None
    if isinstance(body, dict):
        return body
    return None


def _find_request_id(body: Mapping[str, Any]) -> str:
    names = ("id", "requestId", "request_id", "log_id")
    return next((str(body[name]) for name in names if body.get(name)), "")


def _header_request_id(headers: Mapping[str, str]) -> str:
    return headers.get("x-baidu-request-id", "") or headers.get("x-bce-request-id", "")


def _seconds_until(text: str, now: datetime) -> float:
    try:
        return (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return math.nan


def quote_excerpt(content: bytes) -> str:
    """Return the beginning of a response for a message, quoted and without secrets."""
    text = " ".join(redact(content[:2000].decode("utf-8", "replace")).split())
    if text:
        return repr(clip(text, 81))
    return "(empty)"
