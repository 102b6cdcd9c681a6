"""The official BOS client (bce-python-sdk), unmodified, on the sandbox's storage."""

import hashlib
import io
import os
import urllib.request

import pytest
from baidubce.exception import BceHttpClientError

from qfnb.resources.management.storage import Storage

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

BUCKET = "sandbox"


@pytest.fixture
def client(sandbox):
    from baidubce.auth.bce_credentials import BceCredentials
    from baidubce.bce_client_configuration import BceClientConfiguration
    from baidubce.services.bos.bos_client import BosClient

    keys = BceCredentials(sandbox.access_key, sandbox.secret_key)
    return BosClient(BceClientConfiguration(credentials=keys, endpoint=sandbox.url))


def test_objects_are_put_read_listed_and_deleted(client):
    client.put_object_from_string(BUCKET, "bce/中 文.txt", "你好")
    assert client.get_object_as_string(BUCKET, "bce/中 文.txt").decode() == "你好"
    rows_by_key = client.get_object_meta_data(BUCKET, "bce/中 文.txt").metadata
    assert (rows_by_key.content_length, rows_by_key.etag) == (
        "6",
        hashlib.md5("你好".encode()).hexdigest(),
    )
    assert "bce/中 文.txt" in [
        row.key for row in client.list_objects(BUCKET, prefix="bce/").contents
    ]
    client.delete_object(BUCKET, "bce/中 文.txt")
    assert Storage.info("bos:/sandbox/bce/中 文.txt") is None


def test_a_large_file_is_uploaded_in_concurrent_parts(client, tmp_path):
    content = os.urandom((11 << 20) + 17)
    (tmp_path / "big.bin").write_bytes(content)
    assert client.put_super_object_from_file(
        BUCKET, "bce/big", str(tmp_path / "big.bin"), chunk_size=5, thread_num=3
    )
    assert Storage.read("bos:/sandbox/bce/big") == content


def test_a_multipart_upload_is_aborted(client):
    upload = client.initiate_multipart_upload(BUCKET, "bce/given-up").upload_id
    client.upload_part(BUCKET, "bce/given-up", upload, 1, 5, io.BytesIO(b"12345"))
    client.abort_multipart_upload(BUCKET, "bce/given-up", upload)
    with pytest.raises(BceHttpClientError, match="does not exist"):
        client.upload_part(BUCKET, "bce/given-up", upload, 1, 5, io.BytesIO(b"12345"))


def test_a_presigned_url_is_fetched_without_a_key(client):
    client.put_object_from_string(BUCKET, "bce/shared", "shared")
    url = client.generate_pre_signed_url(BUCKET, "bce/shared").decode()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        assert answer.read() == b"shared"


def test_the_bucket_exists(client):
    assert client.does_bucket_exist(BUCKET)
