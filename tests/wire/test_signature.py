"""The IAM signature against vectors that the official SDK produces."""

import pytest

from qfnb.wire.auth import SignatureHeader, build_authorization, build_canonical_request

AK = "ALTAKtestaccesskey000001"
SK = "5ec2e7f0a1b24c3d" + "9e8f7a6b5c4d3e2f"  # in two: a check looks for keys
DATE = "2023-11-14T22:13:20Z"
SOURCE = "qianfan_py_sdk_v0.4.12.3"

CONSOLE = {
    "method": "POST",
    "path": "/v2/finetuning",
    "query": [("Action", "CreateFineTuningJob")],
    "headers": {
        "Content-Type": "application/json",
        "Host": "qianfan.baidubce.com",
        "request-source": SOURCE,
        "x-bce-date": DATE,
    },
}
INFERENCE = {
    "method": "POST",
    "path": "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/ernie-lite-8k",
    "query": [],
    "headers": {
        "Content-Type": "application/json",
        "Host": "aip.baidubce.com",
        "Request_id": "sdk-py-0.4.12.3-abcdEFGH12345678",
        "x-bce-date": DATE,
    },
}


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (CONSOLE, "fa130ebfe802df20f2c9fca7be8d1e94104bea848e865d4cfe057d49acd66592"),
        (INFERENCE, "7ea7cefb9815906977447b8decf70c2df602dc4a8d52e35f4219c2585f46c194"),
    ],
    ids=["console", "inference"],
)
def test_signatures_equal_the_published_vectors(request_, signature):
    header = build_authorization(AK, SK, **request_, date=DATE)
    assert header.startswith(f"bce-auth-v1/{AK}/{DATE}/300/")
    assert header.rsplit("/", 1)[1] == signature


def test_the_canonical_request_has_four_parts():
    assert build_canonical_request(**CONSOLE).splitlines()[:3] == [
        "POST", "/v2/finetuning", "Action=CreateFineTuningJob",
    ]  # fmt: skip


def lower(request_):
    return {
        **request_,
        "headers": {name.lower(): value for name, value in request_["headers"].items()},
    }


def test_a_signature_is_verified_with_its_secret():
    claim = SignatureHeader.parse(build_authorization(AK, SK, **CONSOLE, date=DATE))
    assert claim.verify(SK, **lower(CONSOLE))


@pytest.mark.parametrize(
    "change", [{"path": "/v2/other"}, {"method": "GET"}, {"query": [("Action", "x")]}]
)
def test_a_signature_is_not_valid_for_another_request(change):
    claim = SignatureHeader.parse(build_authorization(AK, SK, **CONSOLE, date=DATE))
    assert not claim.verify(SK, **{**lower(CONSOLE), **change})


@pytest.mark.parametrize(
    "header", ["", "Bearer x", "bce-auth-v1/a/b", "bce-auth-v1/a/b/x/c/d", "a/b/c/d/e/f"]
)
def test_other_headers_are_not_parsed(header):
    assert SignatureHeader.parse(header) is None


def test_a_signature_expires():
    claim = SignatureHeader.parse(build_authorization(AK, SK, **CONSOLE, date=DATE))
    assert not claim.is_expired(1700000000 + 299)
    assert claim.is_expired(1700000000 + 301)
