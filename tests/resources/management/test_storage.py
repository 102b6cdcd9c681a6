"""Object storage as the library's users call it."""

import asyncio
import contextlib
import os

import httpx
import pytest
from support.raw_http import connect, signed_headers
from support.scripted_server import http_answer
from support.waiting import until

from qfnb import errors
from qfnb.resources.management.storage import Storage, download
from qfnb.transport import file_transfer as object_storage, http

MIB = 1 << 20


@pytest.fixture
def small(monkeypatch):
    """Parts as small as the sandbox takes them."""
    monkeypatch.setattr(object_storage, "MAX_SINGLE_UPLOAD_BYTES", MIB)
    monkeypatch.setattr(object_storage, "PART_BYTES", MIB // 4)


@pytest.fixture
def breaking(monkeypatch):
    """Break the connection of the third part, the first few times."""
    exchange = http.exchange
    broken = []

    def start(times):
        async def wrapped(request, *arguments):
            if request.url.params.get("partNumber") == "3" and len(broken) < times:
                broken.append(request)
                raise httpx.ReadError("gone", request=request)
            return await exchange(request, *arguments)

        monkeypatch.setattr(http, "exchange", wrapped)
        return broken

    return start


def pending_uploads(sandbox):
    """Return the keys of the uploads in parts that have not ended."""
    with connect(sandbox) as client:
        headers = signed_headers(sandbox, "GET", "/bos/sandbox", uploads="")
        listing = client.get("/bos/sandbox", params={"uploads": ""}, headers=headers).json()
    return [row["key"] for row in listing["uploads"]]


def test_an_object_is_uploaded_described_read_and_deleted(sandbox):
    address = Storage.upload("bos:/sandbox/own/茶.txt", "茶".encode())
    info = Storage.info(address)
    assert (info.size, info.key) == (3, "own/茶.txt")
    assert Storage.read(address) == "茶".encode()
    Storage.delete(address)
    assert Storage.info(address) is None


def test_a_large_file_goes_up_in_parts_and_tells_how_far_it_is(sandbox, small, tmp_path):
    content = os.urandom(MIB + 17)
    reports = []
    (tmp_path / "big.bin").write_bytes(content)
    address = Storage.upload(
        "bos:/sandbox/own/big", tmp_path / "big.bin", lambda *n: reports.append(n)
    )
    assert Storage.read(address) == content
    assert Storage.info(address).e_tag.startswith("-")
    assert (len(reports), reports[-1]) == (5, (MIB + 17, MIB + 17))
    assert reports == sorted(reports)


def test_a_part_that_breaks_off_is_sent_again_by_itself(sandbox, small, breaking):
    content = os.urandom(2 * MIB)
    broken = breaking(1)
    address = Storage.upload("bos:/sandbox/own/again", content)
    assert (Storage.read(address), len(broken)) == (content, 1)


def test_parts_are_removed_when_one_fails_for_good(sandbox, small, breaking):
    breaking(99)
    with pytest.raises(errors.ConnectionFailed, match="gone"):
        Storage.upload("bos:/sandbox/own/never", bytes(2 * MIB))
    assert "own/never" not in pending_uploads(sandbox)
    assert Storage.info("bos:/sandbox/own/never") is None


def test_parts_are_removed_when_the_upload_is_cancelled(sandbox, small):
    async def stopped():
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def cancel(*_):
            with contextlib.suppress(RuntimeError):  # a later report may find the loop closed
                loop.call_soon_threadsafe(task.cancel)

        await Storage.upload.aio("bos:/sandbox/own/stopped", bytes(8 * MIB), cancel)

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(stopped())
    until(lambda: "own/stopped" not in pending_uploads(sandbox))
    assert Storage.info("bos:/sandbox/own/stopped") is None


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
