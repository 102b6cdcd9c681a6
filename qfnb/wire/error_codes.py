"""The platform's error codes: what each means, and what a user can do.

Sources: the public error pages (v1 codes), the v2 error table, and the platform's rate-limit page. What qfnb
does with each kind is decided in `transport.protocol` and `transport.retry`.
"""

from dataclasses import dataclass
from typing import Literal

ErrorKind = Literal["auth", "token", "throttle", "activation", "server", "user"]


@dataclass(frozen=True)
class ErrorCode:
    """One error code; its kind decides the exception class and whether the call is tried again."""

    code: int | str
    kind: ErrorKind
    hint: str = ""


_LIMIT = "请求过快，qfnb 会按限额放慢 / too many requests: slow down or raise the quota in the console"
_KEY = "密钥不对或已失效，用 %qfauth 检查 / the key is wrong or expired: check it with %qfauth"
_RANGE = (
    "密钥不对，或其应用范围、接口范围不含此调用 / the key or its range: its application "
    "range and its endpoint range must both allow the call, see the key in the console (appid: QIANFAN_APP_ID)"
)
_BUSY = "平台繁忙，稍后再试 / the platform is busy: try again later"
_ACTIVATE = (
    "多半是模型未开通或账户欠费 / usually the model is not activated or the account is in arrears: "
    "see the console's billing page"
)
_ARGUMENT = "参数不符合要求 / an argument is out of range: see the message above"

_LENGTH = "输入过长 / the input is too long: shorten the messages"
_JSON = "请求体不是 JSON / the body is not JSON"

_CODES: tuple[tuple[ErrorKind, str, tuple[int | str, ...]], ...] = (
    ("server", _BUSY, (1, 2, 336000, 336100, 500000, "internal_error")),
    ("server", "应用不存在或创建失败 / the application does not exist yet: try again", (15,)),
    ("throttle", _LIMIT, (4, 18, 336501, 336502, "rpm_rate_limit_exceeded", "tpm_rate_limit_exceeded")),
    ("activation", _ACTIVATE, (6, 17, 19)),
    ("token", _KEY, (13, 110, 111)),
    ("auth", _KEY, (14, 500002, "invalid_iam_token")),
    ("auth", "没有权限 / this key has no permission for it", (336004,)),
    ("auth", "此密钥不能用该参数 / this key may not use that parameter", ("no_parameter_permission",)),
    ("auth", "AK/SK 不对 / the application's AK or SK is wrong", ("invalid_client",)),
    ("auth", "Coding Plan 密钥要用 /v2/coding 地址 / use the plan's base URL", ("coding_plan_model_not_supported",)),
    ("auth", "没有这个 access key / unknown access key: check QIANFAN_ACCESS_KEY", ("NotFound",)),
    ("auth", "签名不对，secret key 有误 / wrong signature: check QIANFAN_SECRET_KEY", ("SignatureDoesNotMatch",)),
    ("auth", "本机时钟不准 / the request is too old: check this computer's clock", ("RequestExpired",)),
    ("user", _ARGUMENT, (100, 336001, 336003, 500001, "invalid_argument")),
    ("user", _JSON, (336002, "malformed_json")),
    ("user", _LENGTH, (336007, 336103, "characters_too_long", "tokens_too_long")),
    ("user", "此模型不在 v1 接口上，试试 version=2 / not served on v1: try version=2 or the model's new name", (3,)),
    ("user", "没有这个接口 / there is no such endpoint: check endpoint=", (336005,)),
    ("user", "没有这个模型或无权使用 / no such model, or no permission: check model=", ("invalid_model",)),
    ("user", "messages 不符合要求 / the messages are not acceptable: see above", ("invalid_messages",)),
    (
        "user",
        "没有这个文件或已删除，用 Files.list() 查看 / no such file, or it was deleted: see Files.list()",
        ("file_not_found",),
    ),
    (
        "user",
        "没有这个批量任务，用 Batches.list() 查看 / no batch of this key has that id: see Batches.list()",
        ("batch_not_found",),
    ),
    (
        "user",
        "没有这个回复或已删除 / no response of this key has that id, or it was deleted: Responses.create() returns ids",
        ("response_not_found",),
    ),
)

CODES: dict[int | str, ErrorCode] = {
    code: ErrorCode(code, kind, hint) for kind, hint, codes in _CODES for code in codes
}

_BY_STATUS: dict[int, ErrorCode] = {
    400: ErrorCode(400, "user", _ARGUMENT),
    401: ErrorCode(401, "auth", _KEY),
    403: ErrorCode(403, "auth", _RANGE),
    404: ErrorCode(404, "user", "没有这个地址 / no such address: check base_url and endpoint="),
    408: ErrorCode(408, "server", _BUSY),
    409: ErrorCode(409, "server", _BUSY),
    429: ErrorCode(429, "throttle", _LIMIT),
}


def lookup(code: int | str, status: int = 200) -> ErrorCode:
    """Return the row of a code; that of an unknown code follows from its HTTP status."""
    if code in CODES:
        return CODES[code]
    return _BY_STATUS.get(status) or ErrorCode(code, "server" if status >= 500 else "user", "")
