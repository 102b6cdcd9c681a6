"""The platform's two offline services behind one face: hand rows over, look, fetch answers, stop."""

from __future__ import annotations

import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from .. import connect
from ..errors import InvalidArgumentError, UnexpectedContent
from ..resources.batches import Batches, BatchInference, Files
from ..resources.chat import ChatCompletion
from ..resources.storage import Storage
from ..wire import batches as wire
from .plan import Conversation, Plan

Via = Literal["files", "bos"]

Row = tuple[str, Conversation]
"""What an answer is found again by, and what is asked."""

Said = tuple[str, Mapping[str, Any] | None, str]
"""The same name, the reply's body, and what went wrong when there is none."""


@dataclass(frozen=True)
class Look:
    """How far a job is: whether it is over, rows done, the platform's own word, what it says went wrong."""

    over: bool
    done: int
    state: str
    message: str = ""


class Service(ABC):
    """One of the two; its coroutines run on the I/O loop."""

    most: ClassVar[int] = wire.MOST_REQUESTS

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @abstractmethod
    async def hand_over(self, name: str, rows: Sequence[Row]) -> str:
        """Upload rows; return what `start` needs."""

    @abstractmethod
    async def start(self, name: str, uploaded: str) -> str:
        """Start a job over uploaded rows, unless there is one already; return its id."""

    @abstractmethod
    async def look(self, job: str) -> Look:
        """Return how far a job is."""

    @abstractmethod
    def answers(self, job: str, uploaded: str) -> AsyncIterator[Said]:
        """Yield what there is of a job's answers, in any order."""

    @abstractmethod
    async def stop(self, job: str) -> None:
        """Stop a job; what it has answered stays."""


class ByFile(Service):
    """`/v2/files` and `/v2/batches`: an API key, any conversation."""

    async def hand_over(self, name: str, rows: Sequence[Row]) -> str:
        """Upload rows; return what `start` needs."""
        asking = ChatCompletion(version=2)
        platform = (await connect.aclient()).platform

        def line(row: Row) -> str:
            ask = asking.ask(row[1], self.plan.model, self.plan.endpoint, **self.plan.options)
            body = {k: v for k, v in ask.route(platform).record.to_wire().items() if k != "stream"}
            return _line({"custom_id": row[0], "method": "POST", "url": wire.CHAT, "body": body})

        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            path = _written(Path(folder) / f"{name}.jsonl", map(line, rows))
            return (await Files.upload.aio(path)).data.id

    async def start(self, name: str, uploaded: str) -> str:
        """Start a job over uploaded rows; return its id."""
        known = (await Batches.list.aio(limit=100)).data.data
        found = next((batch.id for batch in known if batch.input_file_id == uploaded), "")
        return found or (await Batches.create.aio(uploaded, metadata={"qfnb": name})).data.id

    async def look(self, job: str) -> Look:
        """Return how far a job is."""
        now = (await Batches.info.aio(job)).data
        counts = now.request_counts or wire.RequestCounts()
        wrong = now.errors.data if now.errors else []
        said = "; ".join(f"line {error.line}: {error.message}" for error in wrong[:3])
        return Look(now.finished, counts.completed + counts.failed, now.status, said)

    async def answers(self, job: str, uploaded: str) -> AsyncIterator[Said]:
        """Yield what there is of a job's answers."""
        now = (await Batches.info.aio(job)).data
        for file in filter(None, (now.output_file_id, now.error_file_id)):
            with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
                path = await Files.download.aio(file, Path(folder) / "answers.jsonl")
                for row in _lines(path):
                    yield _said(row)

    async def stop(self, job: str) -> None:
        """Stop a job."""
        await Batches.cancel.aio(job)


class ByBucket(Service):
    """`CreateBatchInferenceTask` over one's own BOS bucket: an IAM pair, single prompts."""

    async def hand_over(self, name: str, rows: Sequence[Row]) -> str:
        """Upload rows; return what `start` needs."""
        if any(not isinstance(asked, str) for _, asked in rows):
            raise InvalidArgumentError(
                "offline_via='bos' takes single prompts, and a row is a conversation: use offline_via='files'"
            )
        bucket = (await connect.aclient()).platform.bucket
        if not bucket:
            raise InvalidArgumentError(
                "rows are uploaded to your own BOS bucket first, and none is set: set QIANFAN_BOS_BUCKET "
                "(请设置 QIANFAN_BOS_BUCKET)"
            )
        folder = f"bos:/{bucket}/qfnb/{name}/"
        lines = "".join(_line({"id": key, "query": asked}) for key, asked in rows)
        await Storage.upload.aio(f"{folder}in/rows.jsonl", lines.encode())
        return folder

    async def start(self, name: str, uploaded: str) -> str:
        """Start a job over uploaded rows; return its id."""
        for task in (await BatchInference.list.aio(max_keys=100)).data.task_list:
            if task.input_bos_uri == f"{uploaded}in/":
                return task.task_id
        own = (self.plan.endpoint or self.plan.model or "").startswith("amv-")
        answer = await BatchInference.create.aio(
            name,
            f"{uploaded}in/",
            f"{uploaded}out/",
            model_id=self.plan.endpoint or self.plan.model if own else None,
            endpoint=None if own else await self._address(),
            parameters=self.plan.options,
        )
        return answer.data.task_id

    async def look(self, job: str) -> Look:
        """Return how far a job is."""
        now = (await BatchInference.info.aio(job)).data
        return Look(now.finished, now.progress or 0, now.run_status or "", now.message or "")

    async def answers(self, job: str, uploaded: str) -> AsyncIterator[Said]:
        """Yield what there is of a job's answers."""
        now = (await BatchInference.info.aio(job)).data
        for address in await Storage.list.aio(f"{uploaded}out/{now.output_dir or ''}"):
            with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
                path = await Storage.download.aio(address, Path(folder) / "answers.jsonl")
                for row in _lines(path):
                    output = row.get("output")
                    wrong = output is None or "error_code" in output
                    yield str(row.get("id")), None if wrong else output, _reason(output) if wrong else ""

    async def stop(self, job: str) -> None:
        """Stop a job."""
        await BatchInference.stop.aio(job)

    async def _address(self) -> str:
        platform = (await connect.aclient()).platform
        ask = ChatCompletion(version=1).ask("?", self.plan.model, self.plan.endpoint)
        route = ask.route(platform)
        return platform.address(route.endpoint, route.path)


SERVICES: dict[Via, type[Service]] = {"files": ByFile, "bos": ByBucket}


def _said(row: Mapping[str, Any]) -> Said:
    name, response = str(row.get("custom_id")), row.get("response") or {}
    body = response.get("body") or {}
    wrong = row.get("error") or body.get("error") or (body if "error_code" in body else None)
    if wrong or response.get("status_code", 200) >= 400:
        return name, None, _reason(wrong)
    return name, body, ""


def _reason(wrong: Any) -> str:
    if not isinstance(wrong, Mapping):
        return "the platform gives no reason"
    code = wrong.get("code", wrong.get("error_code", ""))
    return f"[{code}] {wrong.get('message', wrong.get('error_msg', ''))}"


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _written(path: Path, lines: Iterator[str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    return path


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                raise UnexpectedContent(f"an answer file has a line that is no JSON: {line[:60]!r}") from None
            if isinstance(value, Mapping):
                yield value
