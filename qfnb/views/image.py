"""Pictures, shown in the notebook and carried by it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..resources.text2image import ImageResponse
from . import stopping
from .chat import SANDBOX
from .display import Bundle, Live
from .safety import escape, plain

_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class Drawing:
    """Pictures that are drawn, or have been; `saved` are the files that they were written to."""

    prompt: str
    reply: ImageResponse | None = None
    state: Literal["waiting", "done", "interrupted"] = "waiting"
    saved: tuple[str, ...] = ()


def bundle(reply: ImageResponse) -> Bundle:
    """Return the pictures in every format."""
    return {"text/plain": text(reply), "text/html": html(reply)}


def live(prompt: str, stop: Callable[[], None]) -> Live:
    """Return a live output for pictures that are about to be drawn."""
    return Live(
        Drawing(prompt),
        widget=lambda: stopping.widget(stop, tooltip="Stop drawing"),
        draw=lambda box, drawing: stopping.draw(box, _drawing(drawing)["text/html"]),
        final=_drawing,
    )


def _drawing(drawing: Drawing) -> Bundle:
    if drawing.reply is None:
        words = "■ 已中断 / interrupted" if drawing.state == "interrupted" else "… 正在画 / drawing"
        said = f"{words}: {drawing.prompt}"
        return {"text/plain": plain(said), "text/html": f"<div><em>{escape(said)}</em></div>"}
    shown = bundle(drawing.reply)
    if not drawing.saved:
        return shown
    files = f"已保存 saved: {', '.join(drawing.saved)}"
    return {
        "text/plain": f"{shown['text/plain']}\n{plain(files)}",
        "text/html": f'{shown["text/html"]}<div style="font-size:85%;opacity:0.75">{escape(files)}</div>',
    }


def html(reply: ImageResponse) -> str:
    """Return the pictures side by side; each carries its prompt as alternative text."""
    images = reply.images
    width = 512 if len(images) == 1 else 256
    look = f'alt="{escape(reply.prompt)}" width="{width}" style="max-width:100%;margin:4px"'
    cells = "".join(f'<img src="{_address(image)}" {look}>' for image in images)
    foot = f'<div style="font-size:85%;opacity:0.75">{escape(_caption(reply))}</div>'
    return f"<div>{cells}{foot}</div>"


def text(reply: ImageResponse) -> str:
    """Return what the pictures are, in words."""
    return f"{len(reply.data.data)} image(s): {plain(_caption(reply))}"


def _caption(reply: ImageResponse) -> str:
    sandbox = [SANDBOX] if any("sandbox" in picture for picture in reply.body.get("data", ())) else []
    marks = [picture["sandbox"] for picture in reply.body.get("data", ()) if "sandbox" in picture]
    seeds = [str(mark["seed"]) for mark in marks if "seed" in mark]
    seed = [f"seed {', '.join(seeds)}"] if seeds else []
    return " · ".join([*sandbox, reply.prompt, *seed])


def _address(image: bytes) -> str:
    return f"data:{_kind(image)};base64,{base64.b64encode(image).decode('ascii')}"


def _kind(image: bytes) -> str:
    return next((kind for magic, kind in _KINDS.items() if image.startswith(magic)), "image/png")
