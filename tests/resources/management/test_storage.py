"""Object storage as the library's users call it."""

import os

import pytest
from support.scripted_server import http_answer

from qfnb import errors
from qfnb.resources.management.storage import Storage, download

MIB = 1 << 20


def test_an_object_is_uploaded_described_read_and_deleted(sandbox):
    address = Storage.upload("bos:/sandbox/own/茶.txt", "茶".encode())
    info = Storage.info(address)
    assert (info.size, info.key) == (3, "own/茶.txt")
    assert Storage.read(address) == "茶".encode()
    Storage.delete(address)
    assert Storage.info(address) is None


def test_a_large_file_tells_how_far_it_is(sandbox, tmp_path):
    content = os.urandom(MIB + 17)
    reports = []
    (tmp_path / "big.bin").write_bytes(content)
    address = Storage.upload(
        "bos:/sandbox/own/big", tmp_path / "big.bin", lambda *n: reports.append(n)
    )
    assert Storage.read(address) == content
    assert (len(reports), reports[-1]) == (5, (MIB + 17, MIB + 17))
    assert reports == sorted(reports)


def test_a_download_that_is_too_long_leaves_nothing(sandbox, tmp_path):
    address = Storage.upload("bos:/sandbox/own/ten", b"0123456789")
    with pytest.raises(errors.ResponseTooLarge, match="more than 9 bytes"):
        Storage.download(address, tmp_path / "ten", max_bytes=9)
    assert not list(tmp_path.iterdir())
    assert Storage.download(address, tmp_path / "ten", max_bytes=10).read_bytes() == b"0123456789"


@pytest.mark.fault("F93")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/x.zip", "not https"),
        ("https://127.0.0.1:1/x.zip", "private network"),
        ("", "not https"),
    ],
)
def test_only_public_addresses_and_the_platforms_own_are_downloaded_from(
    sandbox, tmp_path, url, message
):
    with pytest.raises(errors.UnexpectedContent, match=message):
        download(url, tmp_path / "x", max_bytes=100)


@pytest.mark.fault("F83")
@pytest.mark.parametrize("status", ["302 Found", "403 Forbidden", "206 Partial Content"])
def test_a_download_that_leads_elsewhere_has_expired_or_is_a_part_is_refused(
    scripted, tmp_path, status
):
    server = scripted(
        [http_answer(b"part", status=status, more="location: https://evil.invalid/x\r\n")]
    )
    with pytest.raises(errors.UnexpectedContent, match=f"HTTP {status[:3]}"):
        download(f"{server.url}/x.zip", tmp_path / "x", max_bytes=100)
    assert (len(server.requests), list(tmp_path.iterdir())) == (1, [])


@pytest.mark.fault("F83")
def test_an_address_without_a_file_is_named(sandbox, tmp_path):
    with pytest.raises(errors.UnexpectedContent, match="HTTP 404"):
        download(f"{sandbox.url}/_imports/gone/gone", tmp_path / "x", max_bytes=100)
    assert not list(tmp_path.iterdir())
