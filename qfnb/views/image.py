"""Images, embedded in the notebook."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..resources.inference.image_reply import ImageResponse
from . import styles
from .display import Bundle, LiveOutput, open_with_stop_button
from .text import escape, strip_controls

_MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class ImageState:
    """The images of a prompt, while they are drawn and after; `saved_paths` are the files written."""

    prompt: str
    reply: ImageResponse | None = None
    state: Literal["waiting", "done", "interrupted"] = "waiting"
    saved_paths: tuple[str, ...] = ()


def bundle(reply: ImageResponse) -> Bundle:
    """Return the images in every format."""
    return {"text/plain": text(reply), "text/html": html(reply)}


def open_live(prompt: str, stop: Callable[[], None]) -> LiveOutput:
    """Return a live output for images that are about to be drawn."""
    return open_with_stop_button(
        ImageState(prompt),
        html=lambda state: str(_state_bundle(state)["text/html"]),
        final=_state_bundle,
        stop=stop,
        tooltip="Stop drawing",
    )


def _state_bundle(drawing: ImageState) -> Bundle:
    if drawing.reply is None:
        words = "■ 已中断 / interrupted" if drawing.state == "interrupted" else "… 正在画 / drawing"
        line = f"{words}: {drawing.prompt}"
        return {"text/plain": strip_controls(line), "text/html": f"<div><em>{escape(line)}</em></div>"}
    result = bundle(drawing.reply)
    if not drawing.saved_paths:
        return result
    files = f"已保存 saved: {', '.join(drawing.saved_paths)}"
    return {
        "text/plain": f"{result['text/plain']}\n{strip_controls(files)}",
        "text/html": f"{result['text/html']}<div {styles.FOOT}>{escape(files)}</div>",
    }


def html(reply: ImageResponse) -> str:
    """Return the images side by side; the prompt is their alternative text."""
    images = reply.images
    width = 512 if len(images) == 1 else 256
    attributes = f'alt="{escape(reply.prompt)}" width="{width}" {styles.IMAGE_TILE}'
    cells = "".join(f'<img src="{_data_url(image)}" {attributes}>' for image in images)
    foot = f"<div {styles.FOOT}>{escape(_caption(reply))}</div>"
    return f"<div>{cells}{foot}</div>"


def text(reply: ImageResponse) -> str:
    """Return the number of images, the prompt and the seeds."""
    return f"{len(reply.data.data)} image(s): {strip_controls(_caption(reply))}"


def _caption(reply: ImageResponse) -> str:
    sandbox = [styles.SANDBOX_LABEL] if any("sandbox" in picture for picture in reply.body.get("data", ())) else []
    marks = [picture["sandbox"] for picture in reply.body.get("data", ()) if "sandbox" in picture]
    seeds = [str(mark["seed"]) for mark in marks if "seed" in mark]
    seed = [f"seed {', '.join(seeds)}"] if seeds else []
    return " · ".join([*sandbox, reply.prompt, *seed])


def _data_url(image: bytes) -> str:
    kind = next((kind for magic, kind in _MEDIA_TYPES.items() if image.startswith(magic)), "image/png")
    return f"data:{kind};base64,{base64.b64encode(image).decode('ascii')}"
