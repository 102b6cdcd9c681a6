"""Every kind of call, cancelled or interrupted at every scheduling point, leaves nothing behind."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from functools import partial

import pytest
from support.cancellation import cancel_everywhere, interrupt_everywhere, observe_io_loop
from support.lockstep_server import LockstepServer

import qfnb
from qfnb import config
from qfnb._jobs import background_batch
from qfnb.model.service import wait_for_state
from qfnb.resources import FineTune, Responses, Storage
from qfnb.resources.management.batches import Files
from qfnb.transport import file_transfer as object_storage

pytestmark = pytest.mark.long

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "好"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
REPLY = {"id": "as-1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE}
EMBEDDING = {"object": "embedding", "embedding": [0.1], "index": 0}
RESPONSE = {
    "id": "resp-1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [],
}
FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 3,
    "filename": "a.jsonl",
    "purpose": "batch",
    "created_at": 1,
}
BATCH = {"id": "batch-1", "object": "batch", "input_file_id": "file-1", "output_file_id": "file-1"}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

BODIES = {
    "/oauth/2.0/token": {"access_token": "24.token", "expires_in": 2592000},
    "/v2/chat/completions": REPLY | {"choices": [CHOICE]},
    "/rpc/2.0/": REPLY | {"result": "好", "is_end": True},
    "/v2/embeddings": REPLY | {"data": [EMBEDDING]},
    "/v2/images/generations": {
        "id": "as-1",
        "created": 1,
        "data": [{"b64_image": PICTURE, "index": 0}],
    },
    "/v2/responses": RESPONSE,
    "/v2/files/file-1/content": {"custom_id": "row"},
    "/v2/files": FILE,
}


def chunk(**choice):
    return {
        **REPLY,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "finish_reason": None, **choice}],
    }


STREAM = [
    chunk(delta={"content": "你"}),
    chunk(delta={"content": "好"}),
    chunk(delta={}, finish_reason="stop"),
]
EVENTS = [
    {
        "type": "response.output_text.delta",
        "delta": "好",
        "item_id": "1",
        "output_index": 0,
        "content_index": 0,
    },
    {"type": "response.completed", "response": RESPONSE},
]


NUMBERS = itertools.count()
POLLS = Counter()
"""Numbers for names that are used once; how often the state of a job was asked for."""


def answer_job(request, path):
    """Return the answer about a job, which runs at the first poll and has ended at the second."""
    POLLS[path] += request.startswith(b"GET") or b"DescribeFineTuningTask" in request
    if path.startswith("/v2/finetuning"):
        return {
            "requestId": "1",
            "result": {"taskId": "task-1", "runStatus": "Running" if POLLS[path] < 2 else "Done"},
        }
    if path.startswith("/v2/batches?"):
        return {"object": "list", "data": []}
    if path.startswith("/v2/batches"):
        return BATCH | {"status": "Running" if POLLS[path] < 2 else "Done"}
    return {"uploadId": "u-1", "bucket": "bucket", "key": "key"} if "/bucket/key" in path else None


def answer(request):
    """Return the pieces of the answer to a request; whole ones have a head and two halves."""
    path = request.split(b" ")[1].decode()
    if b'"stream":true' in request.replace(b" ", b""):
        events = EVENTS if "/responses" in path else STREAM
        pieces = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [
            b"data: [DONE]\n\n"
        ]
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        return [head, *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]
    body = json.dumps(
        answer_job(request, path)
        or next(body for prefix, body in BODIES.items() if path.startswith(prefix))
    ).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )
    return [head, body[:9], body[9:]]


@pytest.fixture(scope="module")
def observed():
    with qfnb.testing(), observe_io_loop(LockstepServer(answer)) as laboratory:
        yield laboratory


@pytest.fixture
def laboratory(observed):
    now = config.get_config()
    now.base_url = now.console_api_base_url = now.iam_base_url = observed.server.url
    now.bos_base_url = observed.server.url
    now.api_key = "bce-v3/ALTAK-test/canary0123456789"
    observed.freezes = True
    now.access_key = "ALTAKtest"
    now.secret_key = "test-secret"
    return observed


MODELS = {
    "chat": (qfnb.ChatCompletion(version=2), "你好", {}),
    "embedding": (qfnb.Embedding(version=2), ["你好"], {}),
    "image": (qfnb.Text2Image(version=2), "猫", {}),
}


def cancel_and_interrupt(laboratory, awaited, blocking, stride=1):
    """Cancel one form of a call and interrupt the other, at every point; in the end both are
    answered.
    """

    async def call():
        await awaited()

    assert cancel_everywhere(laboratory, call, stride) > 15
    assert interrupt_everywhere(laboratory, blocking, stride) > 15


@pytest.mark.parametrize("kind", MODELS)
def test_a_call_is_cancelled_at_every_point(laboratory, kind):
    model, item, options = MODELS[kind]
    cancel_and_interrupt(
        laboratory, lambda: model.ado(item, **options), lambda: model.do(item, **options)
    )


async def read(stream):
    return [piece async for piece in stream]


async def leave(stream):
    async for _ in stream:
        break


@pytest.mark.parametrize("end", [read, leave])
def test_a_stream_is_cancelled_at_every_point(laboratory, end):
    chat = qfnb.ChatCompletion(version=2)

    async def awaited():
        await end(await chat.ado("你好", stream=True))

    def blocking():
        pieces = chat.do("你好", stream=True)
        next(pieces) if end is leave else list(pieces)
        pieces.close()

    cancel_and_interrupt(laboratory, awaited, blocking)


def test_events_of_a_response_are_cancelled_at_every_point(laboratory):
    cancel_and_interrupt(
        laboratory,
        lambda: read(Responses.stream.aio("你好")),
        lambda: list(Responses.stream("你好")),
    )


@pytest.mark.parametrize(
    "call",
    [partial(Files.upload, b"{}\n"), partial(FineTune.V2.task_detail, "task-1")],
    ids=["upload", "training"],
)
def test_an_operation_is_cancelled_at_every_point(laboratory, call):
    cancel_and_interrupt(laboratory, lambda: call.func.aio(*call.args), call)


def test_a_download_to_a_file_is_cancelled_at_every_point(laboratory, tmp_path):
    path = tmp_path / "a.jsonl"
    cancel_and_interrupt(
        laboratory,
        lambda: Files.download.aio("file-1", path),
        lambda: Files.download("file-1", path),
    )
    assert list(tmp_path.iterdir()) == [path]


def test_an_upload_is_cancelled_at_every_point(laboratory, monkeypatch):
    monkeypatch.setattr(object_storage, "CHUNK_BYTES", 1000)
    address = "bos:/bucket/key"
    content = b"x" * 2500
    cancel_and_interrupt(
        laboratory,
        lambda: Storage.upload.aio(address, content),
        lambda: Storage.upload(address, content),
    )


def test_polling_a_training_is_interrupted_at_every_point(laboratory):
    def poll():
        POLLS.clear()
        fetch = partial(FineTune.V2.task_detail, "task-1")
        wait_for_state(
            fetch,
            lambda row: row.data.run_status,
            done_states={"Done"},
            failed_states=(),
            interval=0,
            label="a run",
        )

    assert interrupt_everywhere(laboratory, poll) > 30


def test_a_token_is_fetched_for_others_when_the_call_that_fetches_it_is_cancelled(laboratory):
    def model():
        return qfnb.ChatCompletion(version=1, ak=f"ak-{next(NUMBERS)}", sk="test-sk")

    async def first_of_two():
        chat = model()
        second = asyncio.ensure_future(chat.ado("你好"))
        try:
            await chat.ado("你好")
        finally:
            assert (await second).text

    laboratory.freezes = False  # the second call has an answer
    cancel_and_interrupt(laboratory, first_of_two, lambda: model().do("你好"))


BATCHES = {
    "in memory": lambda: qfnb.ChatCompletion(version=2).batch_do(["一", "二"], worker_num=2),
    "journal": lambda: qfnb.batch(["一", "二"], name=f"cancel-{next(NUMBERS)}", workers=2),
    "offline": lambda: qfnb.batch(["一", "二"], name=f"cancel-{next(NUMBERS)}", mode="offline"),
}


STRIDES = {"in memory": 2, "journal": 4, "offline": 29}
"""A batch has hundreds of points."""


@pytest.mark.parametrize("kind", BATCHES)
def test_a_batch_is_cancelled_at_every_point(laboratory, monkeypatch, kind):
    monkeypatch.setattr(background_batch, "CANCEL_GRACE_S", 0.0)
    begin = BATCHES[kind]

    async def awaited():
        POLLS.clear()
        await begin()

    def blocking():
        POLLS.clear()
        begin().wait()

    # the platform is told to stop the job, and asked whether it has
    laboratory.freezes = kind != "offline"
    cancel_and_interrupt(laboratory, awaited, blocking, stride=STRIDES[kind])
