"""A server that writes down what clients send, and answers everything well enough."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class SentRequest:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


CHAT = {
    "id": "as-x",
    "object": "chat.completion",
    "created": 1,
    "result": "好",
    "is_end": True,
    "usage": {"total_tokens": 1},
}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "好"}, "finish_reason": "stop"}
ANSWERS = {
    "/oauth/2.0/token": {"access_token": "24.token", "expires_in": 2592000},
    "/v1/BCE-BEARER/token": {"token": "bce-v3/bearer", "expireTime": "2099-01-01T00:00:00Z", "createTime": "2026-01-01T00:00:00Z", "userId": "u"},
    "/v2/chat/completions": {**CHAT, "choices": [CHOICE], "model": "m"},
    "/wenxinworkshop/service/list": {"log_id": "1", "result": {"common": [], "custom": []}},
}  # fmt: skip
EMBEDDING: dict[str, Any] = {
    "id": "as-x",
    "object": "embedding_list",
    "created": 1,
    "data": [{"object": "embedding", "embedding": [0.1], "index": 0}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
IMAGE = {
    "id": "as-x",
    "object": "image",
    "created": 1,
    "data": [{"object": "image", "b64_image": "iVBORw0KGgo=", "index": 1}],
}
RERANK = {
    "id": "as-x",
    "object": "reranker_list",
    "created": 1,
    "results": [{"document": "d", "relevance_score": 0.5, "index": 0}],
}


@contextmanager
def record_requests() -> Iterator[tuple[str, list[SentRequest]]]:
    """Serve on loopback; yield the address and the growing list of what was sent."""
    requests: list[SentRequest] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(content) if content else None
            headers = {key.lower(): value for key, value in self.headers.items()}
            requests.append(
                SentRequest(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
            )
            self._reply(parts.path, body if isinstance(body, dict) else {})

        def _reply(self, path: str, body: dict[str, Any]) -> None:
            stream = bool(body.get("stream"))
            vectors = EMBEDDING["data"] * len(body.get("input", ""))
            kinds = {
                "/embeddings": EMBEDDING | {"data": vectors},
                "/text2image": IMAGE,
                "/images/": IMAGE,
                "/rerank": RERANK,
            }
            replies = next((answer for part, answer in kinds.items() if part in path), CHAT)
            text = json.dumps(ANSWERS.get(path, replies))
            done = "data: [DONE]\n\n" if path.startswith("/v2/") else ""
            content = (f"data: {text}\n\n{done}" if stream else text).encode()
            self.send_response(200)
            self.send_header("content-type", "text/event-stream" if stream else "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server wants

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join(180)
