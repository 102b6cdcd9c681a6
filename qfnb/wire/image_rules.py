"""What the pages of image models say about prompts and sizes; the platform decides."""

from typing import NamedTuple

from ..base.language import tr
from .base import JsonMapping


class ImageRules(NamedTuple):
    """The limits of one image model."""

    max_chars: int
    max_n: int
    # others become 1024x1024; empty: any with sides of 512 to 2048 pixels
    sizes: frozenset[str] = frozenset()


AIR_IMAGE_SIZES = frozenset(
    f"{width}x{height}"
    for a, b in ((1024, 1024), (1280, 720), (1152, 864), (1328, 1328), (1664, 928), (1472, 1104))
    for width, height in ((a, b), (b, a))
)

IMAGE_RULES: dict[str, ImageRules] = {
    "qwen-image": ImageRules(800, 1),
    "qwen-image-edit": ImageRules(800, 1),
    "musesteamer-air-image": ImageRules(1000, 1, AIR_IMAGE_SIZES),
}
"""API pages of 2026-04-21 and 2025-12."""

_V1_OPTIONS = ("negative_prompt", "steps", "sampler_index", "cfg_scale", "style", "seed")


def image_warnings(model: str, prompt: str, options: JsonMapping) -> list[str]:
    """Return the parts of a request that the page of a model does not allow, each as one line.

    Args:
        model: its v2 id; of others nothing is known.
        prompt: the description.
        options: of the call, e.g. size.
    """
    rules = IMAGE_RULES.get(model)
    size = str(options.get("size") or "")
    if rules is None:
        return []
    texts = [
        tr("{name}: {model} has no such option, it may be ignored", name=name, model=model)
        for name in _V1_OPTIONS
        if options.get(name)
    ]
    if len(prompt) > rules.max_chars:
        texts.append(
            tr(
                "prompt has {n:,} characters: {model} takes {limit:,}",
                n=len(prompt),
                model=model,
                limit=rules.max_chars,
            )
        )
    if rules.sizes and size not in {"", *rules.sizes}:
        sizes = ", ".join(sorted(rules.sizes))
        texts.append(
            tr(
                "size={size}: {model} draws 1024x1024 instead; its sizes are {sizes}",
                size=size,
                model=model,
                sizes=sizes,
            )
        )
    elif not rules.sizes and any(
        side.isdigit() and not 512 <= int(side) <= 2048 for side in size.split("x")
    ):
        texts.append(
            tr(
                "size={size}: {model} takes 512 to 2048 pixels for each side",
                size=size,
                model=model,
            )
        )
    return texts
