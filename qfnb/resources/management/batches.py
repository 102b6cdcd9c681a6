"""Offline batches: upload a file of requests, fetch the answers later.

Two services: `Files` and `Batches` take lines of {custom_id, method, url, body}, and an API key;
`BatchInference` takes lines of {id, query} out of your own BOS bucket, and an IAM pair. Neither
keeps the order of the input.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...transport import file_transfer
from ...transport.client import Client
from ...transport.response import Response
from ...wire import batches as wire
from .operation import Fields, operation, record_operation, transfer


class Files:
    """The files that batches read and write. Source: API pages of /v2/files."""

    @transfer
    async def upload(
        client: Client, source: str | Path | bytes, *, purpose: str = "batch", filename: str = ""
    ) -> Response[wire.FileObject]:
        """Upload a file from a path, or bytes; returns its `id`. A batch takes 5,000 lines, 1 GB at
        most.

        Args:
            source: a path, or the content.
            purpose: "batch" for batches.
            filename: the file's name; default: that of the path.
        """
        where = source if isinstance(source, bytes) else Path(source)
        return await file_transfer.upload(client, where, purpose=purpose, filename=filename)

    info = record_operation(wire.FILE_INFO, "Return a file's name, purpose, size in bytes and age.")

    list = record_operation(
        wire.LIST_FILES,
        """Return the files, the newest first; `after` is the last id of the page before.

        Args:
            purpose: only files with this purpose.
            after: the last id of the page before.
            limit: rows of a page.
            order: "asc" or "desc".
        """,
    )

    @transfer
    async def content(client: Client, file_id: str) -> bytes:
        """Return a file's bytes, 64 MiB at most; `download` has no such limit."""
        return await file_transfer.download_content(client, wire.FileRef(file_id=file_id))

    @transfer
    async def download(client: Client, file_id: str, path: str | Path) -> Path:
        """Write a file to a path, which is created when the download is complete; return the
        path.
        """
        await file_transfer.download_content(client, wire.FileRef(file_id=file_id), Path(path))
        return Path(path)

    delete = record_operation(wire.DELETE_FILE, "Delete a file.")


class Batches:
    """Batches in OpenAI's shape, but with the platform's statuses. Source: API pages of
    /v2/batches.
    """

    @operation(wire.CREATE)
    def create(
        input_file_id: str,
        endpoint: str = wire.CHAT,
        *,
        completion_window: str = "24h",
        metadata: Mapping[str, Any] | None = None,
        model: str | None = None,
    ) -> Fields:
        """Start a batch over an uploaded file; returns its `id`.

        Args:
            input_file_id: `file-...`; each line's url must be the endpoint.
            endpoint: `/v2/chat/completions`, `/v2/images/generations` or `/v2/images/edits`.
            completion_window: "1h" to "672h"; lines that are not answered by then expire.
            metadata: up to 16 pairs that come back with the batch.
            model: the model for all lines, in place of theirs; also a version of your own,
                `amv-...`.
        """
        return {"replace": {"model": model} if model else None}

    info = record_operation(
        wire.INFO,
        """Return a batch; its status is Queuing, Running, Done, Stopped, Failed or Expired.

        `.data.state` is the status in OpenAI's words, `.data.is_finished` whether it has ended.
        """,
    )

    list = record_operation(
        wire.LIST,
        "Return the batches, the newest first; `after` is the last id of the page before.",
    )

    cancel = record_operation(wire.CANCEL, "Stop a batch; its answers so far are kept.")


class BatchInference:
    """Tasks over your own BOS bucket. Source: API pages of /v2/batchinference."""

    create = record_operation(
        wire.CREATE_INFERENCE,
        """Start a task over the `*.jsonl` objects of a folder; returns its `taskId`.

        Args:
            name: name of the task.
            input_bos_uri: `bos:/bucket/dir/`, with lines {"id", "query"}.
            output_bos_uri: `bos:/bucket/dir/`; the answers are put into a new folder of it.
            model_id: a version of your own, `amv-...`, or
            endpoint: the full address of a chat service.
            inference_params: options of every request, e.g. temperature.
            description: description of the task.
            afs_config: files in AFS, in place of a bucket's.
            completion_window: e.g. "24h".
        """,
    )

    info = record_operation(
        wire.INFERENCE_INFO,
        "Return a task; `progress` counts answered records; the platform names no total.",
    )

    stop = record_operation(wire.STOP_INFERENCE, "Stop a task.")

    @operation(wire.LIST_INFERENCES)
    def list(
        marker: str | None = None,
        max_keys: int | None = None,
        page_reverse: bool | None = None,
        run_status: str | Sequence[str] | None = None,
    ) -> Fields:
        """Return the tasks in these states, or all.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
            run_status: some of Running, Done, Stopped and Failed; default: all.
        """
        return {"run_status": [run_status] if isinstance(run_status, str) else run_status or []}
