"""Files, batches, inference tasks and storage as the library's users call them."""

import json
from operator import attrgetter

import pytest
from support.scripted_server import http_answer
from support.waiting import wait_for

import qfnb
from qfnb import config, errors
from qfnb.resources.management.batches import Batches, BatchInference, Files
from qfnb.resources.management.storage import Storage
from qfnb.wire import batches as wire

FILE = b'{"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch"}'


def lines(count=3):
    body = {"model": "ernie-lite-8k", "messages": [{"role": "user", "content": "你是谁"}]}
    rows = [
        {"custom_id": str(i), "method": "POST", "url": wire.CHAT, "body": body}
        for i in range(count)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


is_finished = attrgetter("is_finished")


def test_a_batch_from_a_file_to_its_answers(sandbox, tmp_path):
    path = tmp_path / "问题 1.jsonl"
    path.write_bytes(lines())
    file = Files.upload(path).data
    assert (file.filename, file.bytes, file.purpose) == (path.name, len(lines()), "batch")
    batch = Batches.create(file.id, metadata={"who": "测试"}).data
    batch = wait_for(lambda: Batches.info(batch.id).data, is_finished)
    assert (batch.state, batch.request_counts.completed, batch.metadata) == (
        "completed",
        3,
        {"who": "测试"},
    )
    content = Files.content(batch.output_file_id)
    assert sorted(json.loads(row)["custom_id"] for row in content.splitlines()) == ["0", "1", "2"]
    target = Files.download(batch.output_file_id, tmp_path / "答案.jsonl")
    assert target.read_bytes() == content
    assert sorted(tmp_path.iterdir()) == sorted([path, target])


def test_files_are_listed_described_and_deleted(sandbox):
    first, second = (Files.upload(b"x", purpose="mine", filename="x.txt").data.id for _ in range(2))
    assert Files.info(first)["filename"] == "x.txt"
    page = Files.list(purpose="mine", limit=1).data
    assert ([row.id for row in page.data], page.has_more) == ([second], True)
    assert [row.id for row in Files.list(purpose="mine", after=second).data.data] == [first]
    assert Files.delete(first).data.deleted
    with pytest.raises(errors.APIError, match=r"No such file.*\n.*Files\.list"):
        Files.content(first)


def test_a_batch_is_cancelled_and_listed(sandbox):
    batch_id = Batches.create(Files.upload(lines(1500)).data.id, model="ernie-speed-8k").data.id
    assert Batches.cancel(batch_id).data.cancelling_at
    assert Batches.list(limit=1).data.data[0].id == batch_id
    assert (
        batch := wait_for(lambda: Batches.info(batch_id).data, is_finished)
    ).state == "cancelled"
    assert batch.status == "Stopped"
    with pytest.raises(errors.APIError, match="Cannot cancel"):
        Batches.cancel(batch_id)


def test_a_bad_line_is_named(sandbox):
    batch = Batches.create(Files.upload(lines() + b"{").data.id).data
    batch = wait_for(lambda: Batches.info(batch.id).data, is_finished)
    assert (batch.state, batch.errors.data[0].line) == ("failed", 4)


def test_a_task_over_object_storage(sandbox, tmp_path):
    content = "".join(
        json.dumps({"id": str(i), "query": "你是谁"}) + "\n" for i in range(4)
    ).encode()
    source = Storage.upload("bos:/sandbox/夜 里?/in/a#1.jsonl", content)
    url = f"{sandbox.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant"
    folder = source.rpartition("/")[0]
    task_id = BatchInference.create(
        "t", folder, "bos:/sandbox/夜 里?/out", endpoint=url
    ).data.task_id
    task = wait_for(lambda: BatchInference.info(task_id).data, is_finished)
    assert (task.run_status, task.progress, task.input_bos_uri) == ("Done", 4, folder)
    (output,) = Storage.list(f"bos:/sandbox/夜 里?/out/{task.output_dir}/")
    rows = [json.loads(row) for row in Storage.read(output).splitlines()]
    assert {row["id"] for row in rows} == {"0", "1", "2", "3"}
    assert Storage.download(output, tmp_path / "out").read_bytes() == Storage.read(output)
    page = BatchInference.list(run_status=["Done"], max_keys=1).data
    assert (page.task_list[0].task_id, page.page_info.max_keys) == (task_id, 1)
    with pytest.raises(errors.APIError, match="the task is Done"):
        BatchInference.stop(task_id)


def test_a_long_list_is_read_to_its_end(sandbox, monkeypatch):
    monkeypatch.setattr("qfnb.wire.storage.MAX_KEYS", 2)
    addresses = [Storage.upload(f"bos:/sandbox/long/{i}", b"x") for i in range(5)]
    assert Storage.list("bos:/sandbox/long/") == addresses


@pytest.mark.parametrize("id_", ["", " ", "..", ".", "a/b", "../x"])
def test_what_is_no_id_is_not_sent(scripted, id_):
    server = scripted([http_answer(FILE)])
    for call in (Files.info, Files.content, Files.delete, Batches.info, Batches.cancel):
        with pytest.raises(errors.InvalidArgumentError, match="is not an id"):
            call(id_)
    assert not server.requests


@pytest.mark.parametrize(
    "address",
    ["/tmp/x", "s3:/a/b", "bos:", "bos:/b", "bos:/b/", "bos:/b/../x", "bos:/b/./x", "bos:/b//x"],
)
def test_what_is_no_address_is_not_sent(scripted, address):
    server = scripted([http_answer(FILE)])
    config.get_config().access_key = "ALTAKx"
    config.get_config().secret_key = "y"
    for call in (Storage.read, lambda address: Storage.upload(address, b"x")):
        with pytest.raises(errors.InvalidArgumentError):
            call(address)
    assert not server.requests


@pytest.mark.parametrize("size", [0, (1 << 30) + 1])
def test_a_file_of_an_impossible_size_is_not_sent(scripted, tmp_path, size):
    server = scripted([http_answer(FILE)])
    with (tmp_path / "big.jsonl").open("wb") as file:
        file.truncate(size)
    with pytest.raises(errors.InvalidArgumentError, match="a file has 1 to"):
        Files.upload(tmp_path / "big.jsonl")
    assert not server.requests


def test_a_refused_upload_is_sent_again_from_its_start(scripted, tmp_path):
    busy = http_answer(
        b'{"error": {"code": "rpm_rate_limit_exceeded"}}', status="429 x", more="retry-after: 0\r\n"
    )
    server = scripted([busy], [http_answer(FILE)])
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"abc")
    assert Files.upload(path).data.id == "file-1"
    assert [request.count(b"\r\nabc\r\n") for request in server.requests] == [1, 1]


def test_an_upload_that_may_have_arrived_is_not_repeated(scripted):
    server = scripted([http_answer(b'{"error": {"code": "internal_error"}}', status="500 x")])
    with pytest.raises(errors.ServerError):
        Files.upload(b"abc")
    assert len(server.requests) == 1


@pytest.mark.fault("F83")
def test_a_download_that_breaks_leaves_no_file(scripted, tmp_path):
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc"
    server = scripted([cut])
    (tmp_path / "a").write_text("before")
    with qfnb.testing(), pytest.raises(errors.RequestError):
        Files.download("file-1", tmp_path / "a")
    assert len(server.requests) == 3
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_a_place_that_cannot_be_written_is_named(scripted, tmp_path):
    scripted([http_answer(b"abc")])
    with pytest.raises(errors.InvalidArgumentError, match="cannot be written"):
        Files.download("file-1", tmp_path / "no" / "folder")


def test_the_platforms_own_words_for_a_status_are_understood(scripted):
    body = b'{"id": "infer-1", "object": "batch", "status": "Stopped", "errors": {"code": "x", "message": "y"}}'
    server = scripted([http_answer(body)])
    batch = Batches.info("infer-1").data
    assert (batch.state, batch.is_finished) == ("cancelled", True)
    assert server.requests[0].startswith(b"GET /v2/batches/infer-1 ")


@pytest.fixture
def iam(scripted):
    """Start a scripted server that is spoken to with an IAM pair."""

    def start(*answers):
        server = scripted(*answers)
        now = config.get_config()
        now.api_key = ""
        now.bos_base_url = f"{server.url}/bos"
        now.access_key = "ALTAKx"
        now.secret_key = "y"
        return server

    return start


def bearer(name):
    return http_answer(json.dumps({"token": f"bce-v3/{name}", "userId": "u"}).encode())


@pytest.mark.fault("F43")
def test_a_revoked_bearer_is_renewed_for_an_upload_too(iam):
    revoked = http_answer(
        b'{"error": {"code": "invalid_iam_token", "message": "no"}}', status="401 x"
    )
    server = iam(
        [bearer("old")], [http_answer(FILE)], [revoked], [bearer("new")], [http_answer(FILE)]
    )
    assert Files.info("file-1").data.id == Files.upload(b"abc").data.id == "file-1"
    sent = [
        (b"bce-v3/new" in request, request.count(b"\r\nabc\r\n")) for request in server.requests
    ]
    assert sent == [(False, 0), (False, 0), (False, 1), (False, 0), (True, 1)]


def test_storage_needs_an_iam_pair(scripted):
    server = scripted([http_answer(b"")])
    with pytest.raises(errors.CredentialsError, match="IAM pair"):
        Storage.read("bos:/b/x")
    assert not server.requests
