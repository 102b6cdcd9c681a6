"""The platform's error codes: what each means, and what a user can do.

Sources: the public error pages (v1 codes), the v2 error table, and the platform's rate-limit page.
What qfnb does with each kind is decided in `transport.protocol` and `transport.retry`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from ..base.language import tr_noop

ErrorKind = Literal["auth", "token", "throttle", "activation", "server", "user"]


@dataclass(frozen=True)
class ErrorCode:
    """One error code; its kind decides the exception class and whether the call is tried again."""

    code: int | str
    kind: ErrorKind
    hint: str = ""
    """What it means and what to do, in English: `tr` translates it where it is shown."""


_LIMIT = tr_noop(
    "too many requests: wait, ask fewer rows at once, or raise the quota in the console"
)
_KEY = tr_noop("the key is wrong or expired: check it with %qfauth")
_RANGE = tr_noop(
    "the key is wrong, or its range does not allow this call: its application range and its "
    "endpoint range must both allow it, see the key in the console (appid: QIANFAN_APP_ID)"
)
_REFUSED = tr_noop(
    "the platform's message says why; it may be the account (see the billing page of the console), "
    "the model's activation, or the range of the key"
)
_BUSY = tr_noop("the platform is busy: try again later")
_ACTIVATE = tr_noop(
    "usually the model is not activated or the account is in arrears: see the billing page of the "
    "console"
)
_ARGUMENT = tr_noop(
    "correct the value that the platform names, or leave that option out: models differ in what "
    "they accept"
)
_REQUEST = tr_noop("the platform does not accept this request: correct what its message names")

_LENGTH = tr_noop("the input is too long: shorten the messages")
_JSON = tr_noop("the body of the request is not JSON")

_CODES: tuple[tuple[ErrorKind, str, tuple[int | str, ...]], ...] = (
    ("server", _BUSY, (1, 2, 336000, 336100, 500000, "internal_error")),
    ("server", tr_noop("the application does not exist yet: try again"), (15,)),
    (
        "throttle",
        _LIMIT,
        (4, 18, 336501, 336502, "rpm_rate_limit_exceeded", "tpm_rate_limit_exceeded"),
    ),
    ("activation", _ACTIVATE, (6, 17, 19)),
    ("token", _KEY, (13, 110, 111)),
    ("auth", _KEY, (14, 500002, "invalid_iam_token")),
    ("auth", tr_noop("this key has no permission for the call"), (336004,)),
    ("auth", tr_noop("this key may not use that parameter"), ("no_parameter_permission",)),
    ("auth", tr_noop("the application's AK or SK is wrong"), ("invalid_client",)),
    (
        "auth",
        tr_noop(
            "a Coding Plan key works at the base URL of its plan only (/v2/coding): set "
            "QIANFAN_PROFILE=coding"
        ),
        ("coding_plan_model_not_supported",),
    ),
    ("auth", tr_noop("unknown access key: check QIANFAN_ACCESS_KEY"), ("NotFound",)),
    ("auth", tr_noop("wrong signature: check QIANFAN_SECRET_KEY"), ("SignatureDoesNotMatch",)),
    ("auth", tr_noop("the request is too old: check this computer's clock"), ("RequestExpired",)),
    ("user", _ARGUMENT, (100, 336001, 336003, 500001, "invalid_argument")),
    ("user", _JSON, (336002, "malformed_json")),
    ("user", _LENGTH, (336007, 336103, "characters_too_long", "tokens_too_long")),
    ("user", tr_noop("not served on v1: try version=2 or the model's new name"), (3,)),
    ("user", tr_noop("there is no such endpoint: check endpoint="), (336005,)),
    ("user", tr_noop("no such model, or no permission: check model="), ("invalid_model",)),
    (
        "user",
        tr_noop(
            "check the conversation: no message may be empty, and the last one is the user's or a "
            "tool's"
        ),
        ("invalid_messages",),
    ),
    ("user", tr_noop("no such file, or it was deleted: see Files.list()"), ("file_not_found",)),
    ("user", tr_noop("no batch of this key has that id: see Batches.list()"), ("batch_not_found",)),
    (
        "user",
        tr_noop(
            "no response of this key has that id, or it was deleted: Responses.create() returns ids"
        ),
        ("response_not_found",),
    ),
)

CODES: dict[int | str, ErrorCode] = {
    code: ErrorCode(code, kind, hint) for kind, hint, codes in _CODES for code in codes
}

V1_CODES: dict[int | str, frozenset[int]] = {
    "rpm_rate_limit_exceeded": frozenset([336501]),
    "tpm_rate_limit_exceeded": frozenset([336502]),
    "qps_rate_limit_exceeded": frozenset([18]),
    "RATE_LIMIT_TOTAL_QPS": frozenset([18]),
    "QUOTA_USER_DAILY_REQUEST": frozenset([17]),
    "internal_error": frozenset([2, 336000, 336100, 500000]),
    "server_busy": frozenset([2, 336100]),
    "malformed_json": frozenset([336002]),
    "invalid_argument": frozenset([336001, 336003]),
    "invalid_model": frozenset([3, 336005]),
    "invalid_iam_token": frozenset([110, 111]),
}
"""v2's word for an error -> v1's numbers for it."""


def is_any_of(code: int | str, codes: Collection[int | str]) -> bool:
    """Return whether a code is one of these, also where it is v2's word for a number of v1 among
    them.
    """
    return code in codes or not V1_CODES.get(code, frozenset()).isdisjoint(codes)


_BY_STATUS: dict[int, ErrorCode] = {
    400: ErrorCode(400, "user", _REQUEST),
    401: ErrorCode(401, "auth", _KEY),
    403: ErrorCode(403, "auth", _RANGE),
    404: ErrorCode(404, "user", tr_noop("there is no such address: check base_url and endpoint=")),
    408: ErrorCode(408, "server", _BUSY),
    409: ErrorCode(409, "server", _BUSY),
    429: ErrorCode(429, "throttle", _LIMIT),
}


_ARREARS: Final = ("arrear", "balance", "billing", "overdue", "payment", "quota", "unpaid")
"""What in an unknown code tells that it is about the account and not about the key."""


def lookup(code: int | str, status: int = 200) -> ErrorCode:
    """Return the row of a code; that of an unknown code follows from its HTTP status."""
    if code in CODES:
        return CODES[code]
    if status == 403 and isinstance(code, str):
        is_account = any(word in code.lower() for word in _ARREARS)
        if is_account:
            return ErrorCode(code, "activation", _ACTIVATE)
        return ErrorCode(code, "auth", _REFUSED)
    return _BY_STATUS.get(status) or ErrorCode(code, "server" if status >= 500 else "user", "")
