"""Object storage over plain HTTP: ranges, parts, digests, pre-signed addresses."""

import hashlib
import time
from urllib.parse import parse_qsl, urlencode

import pytest
from support.raw_http import signed_headers

from qfnb.wire import auth

BIG = "/bos/sandbox/parts/big"


@pytest.fixture
def bos(sandbox, http):
    def send(method, address, content=b"", **headers):
        path, _, query = address.partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        headers |= signed_headers(sandbox, method, path, **params)
        return http.request(method, path, params=params, content=content, headers=headers)

    return send


def start_upload(bos, path=BIG):
    return bos("POST", f"{path}?uploads=").json()["uploadId"]


def completed(bos, upload, *parts, path=BIG):
    body = ",".join(f'{{"partNumber": {number}, "eTag": "{tag}"}}' for number, tag in parts)
    return bos("POST", f"{path}?uploadId={upload}", f'{{"parts": [{body}]}}'.encode())


def put_part(bos, upload, number, content, path=BIG):
    answer = bos("PUT", f"{path}?partNumber={number}&uploadId={upload}", content)
    return number, answer.headers["etag"].strip('"')


def test_an_object_is_put_looked_at_and_deleted(bos):
    put = bos("PUT", "/bos/sandbox/one/茶.txt", b"tea")
    head = bos("HEAD", "/bos/sandbox/one/茶.txt")
    assert put.headers["etag"] == head.headers["etag"] == f'"{hashlib.md5(b"tea").hexdigest()}"'
    assert (head.headers["content-length"], head.content) == ("3", b"")
    assert "GMT" in head.headers["last-modified"]
    assert bos("DELETE", "/bos/sandbox/one/茶.txt").status_code == 204
    assert bos("HEAD", "/bos/sandbox/one/茶.txt").status_code == 404


def test_parts_that_do_not_fit_are_refused(bos):
    upload = start_upload(bos)
    one = put_part(bos, upload, 1, b"small")
    two = put_part(bos, upload, 2, b"end")
    for parts, code in [
        ((two, one), "InvalidPartOrder"),
        ((), "InvalidPartOrder"),
        (((1, "0" * 32),), "InvalidPart"),
        ((one, (3, one[1])), "InvalidPart"),
        ((one, two), "EntityTooSmall"),
    ]:
        assert completed(bos, upload, *parts).json()["code"] == code
    assert bos("POST", f"{BIG}?uploadId={upload}", b"oops").json()["code"] == "MalformedJSON"
    assert (
        bos("PUT", f"{BIG}?uploadId={upload}&partNumber=0", b"x").json()["code"]
        == "InvalidArgument"
    )
    assert bos("DELETE", f"{BIG}?uploadId={upload}").status_code == 204


def test_a_presigned_address_needs_no_header_and_expires(sandbox, http, bos):
    bos("PUT", "/bos/sandbox/shared", b"shared")

    def address(path, signed_at):
        claim = auth.build_authorization(
            sandbox.access_key,
            sandbox.secret_key,
            method="GET",
            path=path,
            query=[],
            headers={"host": http.base_url.netloc.decode()},
            date=auth.format_timestamp(signed_at),
            expires=60,
        )
        return f"{path}?{urlencode({'authorization': claim})}"

    def fetch(url):
        return http.get(url, headers={"authorization": ""})

    assert fetch(address("/bos/sandbox/shared", time.time())).content == b"shared"
    assert fetch(address("/bos/sandbox/shared", time.time() - 61)).status_code == 403
    changed = address("/bos/sandbox/shared", time.time()).replace("shared?", "ranged?")
    assert fetch(changed).status_code == 403
