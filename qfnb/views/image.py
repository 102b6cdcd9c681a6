"""Images, embedded in the notebook."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..base.language import tr, trn
from ..resources.inference.images import ImageResponse
from . import components
from .components import Html
from .controls import open_with_stop_button
from .display import Bundle, LiveOutput
from .text import escape, strip_controls

_MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class ImageState:
    """The images of a prompt, while they are drawn and after; `saved_paths` are the files
    written.
    """

    prompt: str
    reply: ImageResponse | None = None
    state: Literal["waiting", "done", "interrupted"] = "waiting"
    saved_paths: tuple[str, ...] = ()


def bundle(reply: ImageResponse) -> Bundle:
    """Return the images in every format."""
    return _drawn_bundle(ImageState(reply.prompt, reply, "done"))


def open_live(prompt: str, stop: Callable[[], None]) -> LiveOutput:
    """Return a live output for images that are about to be drawn."""
    return open_with_stop_button(
        ImageState(prompt), html=_body, final=_drawn_bundle, stop=stop, tooltip=tr("Stop drawing")
    )


def _drawn_bundle(drawing: ImageState) -> Bundle:
    return {"text/plain": text(drawing), "text/html": components.output(_body(drawing))}


def _body(drawing: ImageState) -> Html:
    """Return the images side by side, the prompt their alternative text; before they are there,
    what is going on.
    """
    if drawing.reply is None:
        return Html(f'<div class="qf-sub" role="status">{escape(_status(drawing))}</div>')
    images = drawing.reply.images
    figures = "".join(_figure(drawing, image, n, len(images)) for n, image in enumerate(images, 1))
    mark = components.sandbox_mark() if _marks(drawing.reply) else ""
    foot = components.footer(mark, drawing.prompt, _saved(drawing))
    return Html(f'<article class="qf-answer"><div class="qf-pics">{figures}</div>{foot}</article>')


def _figure(drawing: ImageState, image: bytes, number: int, total: int) -> str:
    if total > 1:
        position = f"{number} / {total}"
    else:
        position = ""
    alt = escape(", ".join(part for part in (drawing.prompt, position) if part))
    marks = _marks(drawing.reply)
    if not (number <= len(marks)):
        seed = None
    else:
        seed = marks[number - 1].get("seed")
    caption = " · ".join(
        part for part in (position, "" if seed is None else f"seed {seed}") if part
    )
    if caption:
        below = f"<figcaption>{escape(caption)}</figcaption>"
    else:
        below = ""
    return f'<figure><img src="{_data_url(image)}" alt="{alt}">{below}</figure>'


def text(drawing: ImageState) -> str:
    """Return the number of images, the prompt, the seeds and the files as text."""
    if drawing.reply is None:
        return strip_controls(_status(drawing))
    marks = _marks(drawing.reply)
    seeds = [str(mark["seed"]) for mark in marks if "seed" in mark]
    count = trn("{n} picture", "{n} pictures", len(drawing.reply.data.data))
    parts = [count, tr(components.SANDBOX_MARK) if marks else "", drawing.prompt]
    parts += [f"seed {tr(', ').join(seeds)}" if seeds else "", _saved(drawing)]
    return strip_controls(" · ".join(part for part in parts if part))


def _status(drawing: ImageState) -> str:
    if drawing.state == "interrupted":
        return tr("■ Stopped: {prompt}", prompt=drawing.prompt)
    return tr("Drawing: {prompt}", prompt=drawing.prompt)


def _saved(drawing: ImageState) -> str:
    if drawing.saved_paths:
        return tr("saved as {files}", files=tr(", ").join(drawing.saved_paths))
    return ""


def _marks(reply: ImageResponse | None) -> list[dict[str, Any]]:
    """Return the sandbox's remark on each of its pictures, [] for those of the platform."""
    if reply:
        return [
            picture["sandbox"] for picture in reply.body.get("data", ()) if "sandbox" in picture
        ]
    return []


def _data_url(image: bytes) -> str:
    kind = next(
        (kind for magic, kind in _MEDIA_TYPES.items() if image.startswith(magic)), "image/png"
    )
    return f"data:{kind};base64,{base64.b64encode(image).decode('ascii')}"
