"""Rows that are answered with pictures, by the platform's batch service only: what is sent, and
saving what is drawn.

A row for an edit is a conversation of one turn: a text, and the pictures that are changed.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ... import connect
from ..._jobs.row_result import RowResult, summarize_error
from ...base.language import tr
from ...errors import InvalidArgumentError, QianfanError
from ...resources.inference.images import ImageEdit, ImageResponse, Text2Image
from ...resources.inference.inference_model import InferenceRequest
from ...resources.inference.reply import create_reply, row_result_of
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import inference as wire
from ..request_spec import Conversation, OfflineVia, RequestSpec


def validate_pictures(
    request: RequestSpec, via: OfflineVia | None, budget_tokens: int | None
) -> None:
    """Check what a batch of pictures cannot be, for a model that draws or edits.

    Raises:
        InvalidArgumentError: it is online, or uses a service, a model, a budget or an option that
            pictures do not have.
    """
    if via != "files":
        raise InvalidArgumentError(
            tr(
                "{model} answers with pictures: batches of these are offline only (mode='offline', "
                "offline_via='files'); online use Text2Image().batch_do(prompts) or "
                "ImageEdit().batch_do(items)",
                model=request.model,
            )
        )
    if request.model and request.model.lower().startswith("musesteamer"):
        raise InvalidArgumentError(
            tr(
                "model={model!r}: the platform's batches have no endpoint for it",
                model=request.model,
            )
        )
    if budget_tokens is not None:
        raise InvalidArgumentError(
            tr(
                "budget_tokens={budget_tokens}: pictures have no tokens; use budget= (CNY)",
                budget_tokens=budget_tokens,
            )
        )
    if request.kind == "text2image":
        Text2Image(version=2).prepare("x", request.model, **request.options)


def build_picture_request(
    request: RequestSpec, conversation: Conversation, platform: Platform
) -> InferenceRequest:
    """Return the request of one row.

    Raises:
        InvalidArgumentError: a picture cannot be read or is not one that the platform takes.
    """
    if request.kind == "text2image":
        prompt = _split(conversation)[0]
        return (
            Text2Image(version=2)
            .prepare(prompt, request.model, **request.options)
            .request_for(platform)
        )
    return (
        ImageEdit()
        .prepare(_split(conversation), request.model, **request.options)
        .request_for(platform)
    )


async def save_pictures(
    request: RequestSpec,
    conversation: Conversation,
    body: Mapping[str, Any],
    folder: Path,
    name: str,
) -> RowResult:
    """Save the pictures of a row; the result's text is their paths, one a line.

    Args:
        request: what is sent for every row.
        conversation: what was sent for this one.
        body: of the reply.
        folder: where they are saved.
        name: the beginning of their names.

    Returns:
        A result whose text is the addresses, valid for 24 hours, where the pictures could not be
        downloaded; its message says why.
    """
    reply = create_reply(ImageResponse, Response(dict(body), wire.ImageReply), request.model or "")
    reply.is_offline = True
    reply.prompt = _split(conversation)[0]
    reply.host = (await connect.aclient()).platform.host
    urls = [image.url for image in reply.data.data if image.url]
    message = ""
    if urls:
        await reply.fetch_images()
    try:
        texts = [str(path) for path in await asyncio.to_thread(reply.save, folder, name=name)]
    except QianfanError as error:
        texts = [url or "" for url in urls]
        message = summarize_error(error)
    cost = reply.cost_range
    row = row_result_of(reply)
    return RowResult(
        text="\n".join(texts),
        cost=cost.high if cost else None,
        cost_low=cost.low if cost else None,
        message=message,
        request_id=row.request_id,
    )


def _split(conversation: Conversation) -> tuple[str, list[str]]:
    """Return text and pictures of a row."""
    if isinstance(conversation, str):
        return conversation, []
    content = conversation[-1].get("content") or ""
    if isinstance(content, str):
        return content, []
    texts = [part["text"] for part in content if part.get("type") == "text"]
    return "\n".join(texts), [
        part["image_url"]["url"] for part in content if part.get("type") == "image_url"
    ]
