"""Pictures without a model: a landscape whose time of day, water and colours follow from the prompt
and the seed.

Each picture says at its foot that it is the sandbox's drawing. The same prompt, size and seed give
the same bytes.
"""

import hashlib
import io
import random

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

Colour = tuple[int, int, int]

THEMES: dict[str, tuple[str, ...]] = {
    "night": ("夜", "晚上", "星", "月", "night", "moon", "star"),
    "sunset": ("黄昏", "日落", "夕阳", "sunset", "dusk"),
    "winter": ("雪", "冬", "snow", "winter"),
    "water": ("海", "湖", "河", "水", "溪", "sea", "ocean", "lake", "river", "water"),
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
    themes = [theme for theme, words in THEMES.items() if any(word in text for word in words)]
    digest = hashlib.sha256(f"{prompt}|{seed}".encode("utf-8", "replace")).digest()
    chance = random.Random(digest)  # noqa: S311 - reproducible, not secret
    image = _draw_sky(size, SKIES[next((theme for theme in themes if theme in SKIES), "day")])
    _draw_land(image, chance, is_night="night" in themes, has_water="water" in themes)
    draw_footer(image, "drawing", ", ".join(themes) or "nothing it knows")
    return to_png(image, prompt, seed), themes


def _draw_sky(size: tuple[int, int], colours: tuple[Colour, Colour]) -> Image.Image:
    fade = Image.linear_gradient("L").resize(size)
    return Image.composite(
        Image.new("RGB", size, colours[1]), Image.new("RGB", size, colours[0]), fade
    )


def _draw_land(
    image: Image.Image, chance: random.Random, *, is_night: bool, has_water: bool
) -> None:
    """Draw the sun or the moon, three ranges of mountains, and a meadow or water."""
    pen = ImageDraw.Draw(image)
    (width, height) = image.size
    x = chance.uniform(0.2, 0.8) * width
    y = 0.2 * height
    radius = 0.08 * min(width, height)
    disc = (246, 245, 222) if is_night else (255, 224, 120)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=disc)
    hue = [chance.randrange(60, 170) for _ in range(3)]
    for layer in range(3):
        rise = (0.34 - 0.08 * layer) * height
        base = (0.56 + 0.05 * layer) * height
        peaks = [(width * i / 12, base - chance.uniform(0, rise)) for i in range(13)]
        red, green, blue = (int(part * (1.25 - 0.3 * layer)) for part in hue)
        pen.polygon([(0, height), *peaks, (width, height)], fill=(red, green, blue))
    pen.rectangle(
        (0, 0.68 * height, width, height), fill=(58, 112, 166) if has_water else (92, 136, 84)
    )
    for _ in range(120):
        x = chance.uniform(0, width)
        y = chance.uniform(0.69, 1) * height
        end = (x + chance.uniform(0.01, 0.06) * width, y) if has_water else (x, y - 0.01 * height)
        pen.line(((x, y), end), fill=(180, 208, 232) if has_water else (120, 166, 100))


def draw_footer(image: Image.Image, kind: str, understood: str) -> None:
    """Write at the foot of a picture that it is the sandbox's, and what of the prompt was
    understood.
    """
    pen = ImageDraw.Draw(image)
    (width, height) = image.size
    bar = max(26, height // 24)
    pen.rectangle((0, height - bar, width, height), fill=(20, 20, 24))
    text = f"qfnb LOCAL SANDBOX {kind}, not a model's image  |  understood: {understood}"
    font = ImageFont.load_default(max(9, min(bar / 2, 1.85 * width / len(text))))
    pen.text((10, height - bar + bar // 5), text, fill=(240, 240, 240), font=font)


def to_png(image: Image.Image, prompt: str, seed: int) -> bytes:
    """Return a picture as a PNG file with prompt, seed and size in its metadata."""
    about = PngInfo()
    size = "{}x{}".format(*image.size)
    software = "qfnb sandbox drawing"
    for key, value in {
        "prompt": prompt,
        "seed": str(seed),
        "size": size,
        "software": software,
    }.items():
        about.add_itxt(key, value.encode("utf-8", "replace").decode("utf-8"))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=about, compress_level=3)
    return buffer.getvalue()
