"""Compressing a model version, console v2 (`/v2/model?Action=...ModelComp...`)."""

from __future__ import annotations

from pydantic import Field

from .base import ConsoleRecord, PageInfo, PageRequest
from .model_v2 import MODELS

COMPRESSION_CREATING, COMPRESSION_RUNNING, COMPRESSION_SUCCEEDED, COMPRESSION_FAILED = "creating", "running", "succeeded", "failed"
COMPRESSION_STOPPING, COMPRESSION_STOPPED = "stopping", "stopped"
"""Values of status."""

COMPRESSION_STRATEGIES = ("Quantization", "Sparsity")
COMPRESSION_WEIGHTS = ("INT8-PTQ", "W8A16C16", "W4A16C16")
"""Values of weight, which quantization takes."""


class CompressionConfig(ConsoleRecord):
    """How to compress."""

    strategy: str
    weight: str | None = None


class CreateCompression(ConsoleRecord):
    """Compress the version `source_model_id` into a new one of the set `model_set_id`."""

    name: str = Field(min_length=1)
    source_model_id: int | str
    model_set_id: int | str
    config: CompressionConfig
    description: str | None = None


class CompressionRef(ConsoleRecord):
    """Which compression, as `amva-...`."""

    model_comp_task_id: int | str


class ListCompressions(PageRequest):
    """Which compressions: of one version, or all."""

    source_model_id: int | str | None = None


class Compression(ConsoleRecord):
    """A compression; `model_id` is the version that it made, once it has succeeded."""

    id: str = ""
    name: str = ""
    status: str = ""
    source_model_id: str = ""
    model_id: str | None = None
    failed_reason: str | None = None
    create_time: str | None = None
    finish_time: str | None = None


class CompressionList(ConsoleRecord):
    """A page of compressions, the newest first."""

    model_comp_task_list: list[Compression] = []
    page_info: PageInfo = PageInfo()


CREATE_COMPRESSION = MODELS.action("create_compression", "CreateModelCompTask", CreateCompression, str, repeatable=False)
LIST_COMPRESSIONS = MODELS.action("list_compressions", "DescribeModelCompTasks", ListCompressions, CompressionList)
DESCRIBE_COMPRESSION = MODELS.action("describe_compression", "DescribeModelCompTask", CompressionRef, Compression)
CANCEL_COMPRESSION = MODELS.action("cancel_compression", "CancelModelCompTask", CompressionRef, bool)
DELETE_COMPRESSION = MODELS.action("delete_compression", "DeleteModelCompTask", CompressionRef, bool)
