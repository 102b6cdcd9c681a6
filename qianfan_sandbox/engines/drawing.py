"""Pictures without a model: edits of a picture, and a landscape that follows from the prompt and
the seed.

Each picture says at its foot that it is the sandbox's drawing. The same prompt, size and seed give
the same bytes.
"""

import hashlib
import io
import random
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

Colour = tuple[int, int, int]

THEMES: dict[str, tuple[str, ...]] = {
    "night": ("夜", "晚上", "星", "月", "night", "moon", "star"),
    "sunset": ("黄昏", "日落", "夕阳", "sunset", "dusk"),
    "winter": ("雪", "冬", "snow", "winter"),
}
"""What is drawn where the prompt has one of the words."""

SKIES: dict[str, tuple[Colour, Colour]] = {
    "night": ((12, 18, 48), (66, 70, 130)),
    "sunset": ((84, 60, 120), (250, 156, 96)),
    "winter": ((168, 190, 216), (236, 241, 250)),
    "day": ((116, 176, 236), (222, 238, 250)),
}
"""The colours of the sky, at the top and at the horizon."""


def picture(prompt: str, size: tuple[int, int], seed: int) -> tuple[bytes, list[str]]:
    """Return a PNG file of a width and height in pixels, and the themes that the prompt names."""
    text = prompt.lower()
    themes = []
    for theme, keywords in THEMES.items():
        if any(keyword in text for keyword in keywords):
            themes.append(theme)
    top, horizon = SKIES[themes[0] if themes else "day"]
    image = Image.composite(
        Image.new("RGB", size, horizon),
        Image.new("RGB", size, top),
        Image.linear_gradient("L").resize(size),
    )
    _draw_mountains(image, f"{prompt}|{seed}")
    draw_footer(image, "drawing", ", ".join(themes) or "nothing it knows")
    return to_png(image, prompt, seed), themes


def _draw_mountains(image: Image.Image, source: str) -> None:
    """Draw three ranges of mountains, whose shapes and colour follow from a text."""
    digest = hashlib.sha256(source.encode("utf-8", "replace")).digest()
    chance = random.Random(digest)  # noqa: S311 - reproducible, not secret
    pen = ImageDraw.Draw(image)
    width, height = image.size
    hue = [chance.randrange(60, 170) for _ in range(3)]
    for layer in range(3):
        base = (0.56 + 0.1 * layer) * height
        outline: list[tuple[float, float]] = [(0, height)]
        for number in range(13):
            outline.append((width * number / 12, base - chance.uniform(0, 0.3) * height))
        outline.append((width, height))
        red, green, blue = (int(tone * (1.25 - 0.3 * layer)) for tone in hue)
        pen.polygon(outline, fill=(red, green, blue))


def draw_footer(image: Image.Image, kind: str, understood: str) -> None:
    """Write at the foot of a picture that it is the sandbox's, and what of the prompt was
    understood.
    """
    pen = ImageDraw.Draw(image)
    width, height = image.size
    bar = max(26, height // 24)
    pen.rectangle((0, height - bar, width, height), fill=(20, 20, 24))
    text = f"qfnb LOCAL SANDBOX {kind}, not a model's image  |  understood: {understood}"
    font = ImageFont.load_default(max(9, min(bar / 2, 1.85 * width / len(text))))
    pen.text((10, height - bar + bar // 5), text, fill=(240, 240, 240), font=font)


def to_png(image: Image.Image, prompt: str, seed: int) -> bytes:
    """Return a picture as a PNG file with prompt, seed and size in its metadata."""
    metadata = PngInfo()
    metadata.add_itxt("prompt", prompt.encode("utf-8", "replace").decode("utf-8"))
    metadata.add_itxt("seed", str(seed))
    metadata.add_itxt("size", "{}x{}".format(*image.size))
    metadata.add_itxt("software", "qfnb sandbox drawing")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=metadata, compress_level=3)
    return buffer.getvalue()


MAX_SIDE = 2048

Operation = Callable[[Image.Image], Image.Image]


_OPERATIONS: dict[str, tuple[str, Operation]] = {
    "grayscale": ("黑白 灰度 gray grey", lambda image: ImageOps.grayscale(image).convert("RGB")),
    "mirror": ("镜像 翻转 mirror flip", ImageOps.mirror),
    "brighten": ("亮 白天 bright day", lambda image: ImageEnhance.Brightness(image).enhance(1.5)),
    "darken": ("暗 夜 dark night", lambda image: ImageEnhance.Brightness(image).enhance(0.5)),
}


def edit(prompt: str, reference: bytes, seed: int) -> tuple[bytes, list[str]]:
    """Return a PNG file made from a reference picture, and the operations that were understood.

    Args:
        prompt: what to do; one that names no operation gets a frame.
        reference: a picture file.
        seed: stands in the file's metadata only; an edit has nothing random.
    """
    with Image.open(io.BytesIO(reference)) as original:
        image = ImageOps.exif_transpose(original).convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    text = prompt.lower()
    names = []
    for name, (keywords, operation) in _OPERATIONS.items():
        if any(keyword in text for keyword in keywords.split()):
            names.append(name)
            image = operation(image)
    if not names:
        image = ImageOps.expand(image, border=8, fill=(200, 160, 80))
    draw_footer(image, "edit", ", ".join(names) or "nothing it knows, so a frame")
    return to_png(image, prompt, seed), names
