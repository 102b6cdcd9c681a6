"""Images, embedded in the notebook."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..base.language import tr, trn
from ..base.text import listed
from ..resources.inference.images import ImageResponse
from . import components
from .components import Html
from .display import Bundle, LiveOutput
from .formats import dotted, escape, strip_controls
from .panel import open_with_stop_button

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


def text(drawing: ImageState) -> str:
    """Return the number of images, the prompt, the seeds and the files as text."""
    return _body(drawing).text


def _drawn_bundle(drawing: ImageState) -> Bundle:
    return {"text/plain": text(drawing), "text/html": components.output(_body(drawing))}


def _body(drawing: ImageState) -> Html:
    """Return the images side by side, the prompt their alternative text; before they are there,
    what is going on.
    """
    prompt = drawing.prompt
    if drawing.reply is None:
        status = tr("Drawing: {prompt}", prompt=prompt)
        if drawing.state == "interrupted":
            status = tr("■ Stopped: {prompt}", prompt=prompt)
        html = f'<div class="qf-sub" role="status">{escape(status)}</div>'
        return Html(html, strip_controls(status))
    pictures = drawing.reply.body.get("data", ())
    # the sandbox's remark on each of its pictures, none on those of the platform
    marks = [picture["sandbox"] for picture in pictures if "sandbox" in picture]
    seeds = [str(mark["seed"]) for mark in marks if "seed" in mark]
    images = drawing.reply.images
    figures = ""
    for number, image in enumerate(images, 1):
        facts = []
        if len(images) > 1:
            facts.append(f"{number} / {len(images)}")
        alt = escape(", ".join(filter(None, [prompt, *facts])))
        facts += [f"seed {seed}" for seed in seeds[number - 1 : number]]
        caption = components.wrap("<figcaption>", dotted(*facts), "</figcaption>")
        figures += f'<figure><img src="{_data_url(image)}" alt="{alt}">{caption}</figure>'
    saved = ""
    if drawing.saved_paths:
        saved = tr("saved as {files}", files=listed(drawing.saved_paths))
    foot = components.footer(components.sandbox_mark() if marks else "", prompt, saved)
    html = f'<article class="qf-answer"><div class="qf-pics">{figures}</div>{foot}</article>'
    lines = [trn("{n} picture", "{n} pictures", len(images))]
    if marks:
        lines.append(tr(components.SANDBOX_MARK))
    lines += [prompt, f"seed {listed(seeds)}" if seeds else "", saved]
    return Html(html, strip_controls(dotted(*lines)))


def _data_url(image: bytes) -> str:
    kinds = [kind for magic, kind in _MEDIA_TYPES.items() if image.startswith(magic)]
    encoded = base64.b64encode(image).decode("ascii")
    return f"data:{(kinds or ['image/png'])[0]};base64,{encoded}"
