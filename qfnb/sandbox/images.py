"""Text to image: a drawing program, which says on each picture what it is and what it understood."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from typing import Any

from ..wire import image as wire
from .inference import count_tokens
from .routing import Call, emulates, refuse_call

_RANGES = {"n": (1, 4), "steps": (10, 50), "seed": (0, 4294967295), "cfg_scale": (0, 30)}


@emulates(wire.TEXT2IMAGE_V1)
async def draw(call: Call, body: wire.ImageRequest) -> dict[str, Any]:
    """Answer `/text2image/<endpoint>`."""
    from .engine.drawing import picture  # noqa: PLC0415 - Pillow

    _check(call, body)
    width, height = map(int, (body.size or "1024x1024").split("x"))
    seed = secrets.randbelow(2**32) if body.seed is None else body.seed
    data = []
    for index in range(body.n or 1):
        content, understood = await asyncio.to_thread(picture, body.prompt, (width, height), seed + index)
        encoded = base64.b64encode(content).decode("ascii")
        mark = {"engine": "qfnb drawing program, not a model", "understood": understood, "seed": seed + index}
        data.append({"object": "image", "b64_image": encoded, "index": index + 1, "sandbox": mark})
    tokens = count_tokens(body.prompt)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"id": call.id, "object": "image", "created": int(time.time()), "data": data, "usage": usage}


def _check(call: Call, body: wire.ImageRequest) -> None:
    if not body.prompt.strip() or len(body.prompt) > 1024:
        raise refuse_call(call, "prompt must have 1 to 1024 characters")
    if body.size not in {None, *wire.SIZES}:
        raise refuse_call(call, f"size must be one of {', '.join(wire.SIZES)}")
    for name, (low, high) in _RANGES.items():
        value = getattr(body, name)
        if value is not None and not low <= value <= high:
            raise refuse_call(call, f"{name} must be in [{low}, {high}]")
