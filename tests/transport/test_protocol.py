"""Responses become JSON or the right error, in every shape of the platform and its gateways."""

import codecs
from datetime import UTC, datetime

import pytest

from qfnb import errors
from qfnb.transport import response as protocol


@pytest.mark.fault("F26")
@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, b'{"error_code":336003,"error_msg":"bad","id":"as-1"}', errors.APIError, 336003),
        (200, b'{"error_code":110,"error_msg":"x"}', errors.AuthError, 110),
        (200, b'{"error_code":17,"error_msg":"daily limit"}', errors.NotActivatedError, 17),
        (200, b'{"error_code":18,"error_msg":"qps"}', errors.RateLimitError, 18),
        (200, b'{"code":336501,"msg":"rpm"}', errors.RateLimitError, 336501),
        (400, b'{"requestId":"r","code":"InappropriateJSON","message":"param[x] invalid"}', errors.APIError, "InappropriateJSON"),
        (401, b'{"error":{"code":"invalid_iam_token","message":"x","type":"t"},"id":"as-1"}', errors.AuthError, "invalid_iam_token"),
        (401, b'{"error":"invalid_client","error_description":"unknown client id"}', errors.AuthError, "invalid_client"),
        (429, b'{"error":{"code":"rpm_rate_limit_exceeded","message":"x"},"id":"as-1"}', errors.RateLimitError, "rpm_rate_limit_exceeded"),
        (403, b'{"error":{"code":"account_overdue","message":"x"}}', errors.NotActivatedError, "account_overdue"),
        (403, b'{"error":{"code":"access_denied","message":"x"}}', errors.AuthError, "access_denied"),
        (503, b"<html>busy</html>", errors.ServerError, 503),
        (200, b'{"status":400,"success":false,"code":"500001","message":"no"}', errors.APIError, "500001"),
    ],
)  # fmt: skip
def test_a_refusal_is_typed(status, body, kind, code):
    with pytest.raises(kind) as caught:
        protocol.decode_response(status, {}, body)
    assert caught.value.error_code == code


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b"null", b"[1]", b"[" * 100_000])
def test_a_response_that_is_not_an_object_is_unexpected(body):
    with pytest.raises(errors.UnexpectedContent, match="not a JSON object"):
        protocol.decode_response(200, {"content-type": "text/html"}, body)


def test_a_good_response_is_returned_unchanged():
    for byte_order_mark in (b"", codecs.BOM_UTF8):
        body = byte_order_mark + b'{"result":1,"new":2}'
        assert protocol.decode_response(200, {}, body) == {"result": 1, "new": 2}


@pytest.mark.parametrize("code", ["account_overdue", "access_denied"])
def test_a_403_with_an_unknown_code_does_not_say_that_the_key_is_wrong(code):
    with pytest.raises(errors.APIError) as caught:
        protocol.decode_response(403, {}, b'{"error":{"code":"%s","message":"x"}}' % code.encode())
    assert "key is wrong" not in str(caught.value)
    assert "billing page" in str(caught.value)


def test_a_gateways_error_is_read_from_its_headers():
    headers = {
        "x-bce-error-code": "NotFound",
        "x-bce-error-message": "NotFound, cause: Could not find credential.",
    }
    with pytest.raises(errors.AuthError, match="Could not find credential"):
        protocol.decode_response(403, headers, b"")


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.fault("F52")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:20 GMT"}, 20),
        ({"retry-after": "Wed, 31 Dec 2025 00:00:00 GMT"}, None),
        ({"retry-after": "-10"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_parsed_in_every_form(headers, seconds):
    assert protocol.parse_retry_after(headers, NOW) == seconds


def test_an_error_has_the_request_id_and_a_hint():
    with pytest.raises(errors.APIError) as caught:
        protocol.decode_response(200, {}, b'{"error_code":17,"error_msg":"limit","id":"as-9"}')
    assert "as-9" in str(caught.value)
    assert "in arrears" in str(caught.value)
    (text,) = caught.value._render_traceback_()
    assert len(text.splitlines()) <= 3
