"""Pictures without a model: edits of a picture, and a landscape that follows from the prompt and
the seed.

Each picture says at its foot that it is the sandbox's drawing. The same prompt, size and seed give
the same bytes.
"""

import hashlib
import io
import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
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
    if is_night:
        disc = (246, 245, 222)
    else:
        disc = (255, 224, 120)
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
        if has_water:
            end = (x + chance.uniform(0.01, 0.06) * width, y)
        else:
            end = (x, y - 0.01 * height)
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


MAX_SIDE = 2048

Operation = Callable[[Image.Image], Image.Image]


def _sketch(image: Image.Image) -> Image.Image:
    return ImageOps.invert(image.convert("L").filter(ImageFilter.FIND_EDGES)).convert("RGB")


_TINTS = {
    "red": "红 red", "orange": "橙 orange", "gold": "黄 金 yellow gold", "green": "绿 green",
    "blue": "蓝 blue",
    "purple": "紫 purple", "pink": "粉 pink",
}  # fmt: skip
_OPERATIONS: dict[str, tuple[str, Operation]] = {
    "grayscale": (("黑白 灰度 gray grey "
                  "monochrome"), lambda image: ImageOps.grayscale(image).convert("RGB")),
    "invert": ("反色 反相 invert negative", ImageOps.invert),
    "blur": ("模糊 blur",
    lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 100))),
    "sketch": ("线稿 素描 sketch outline", _sketch),
    "mirror": ("镜像 翻转 mirror flip", ImageOps.mirror),
    "rotate": ("旋转 rotate", lambda image: image.rotate(180)),
    "brighten": ("亮 白天 bright day", lambda image: ImageEnhance.Brightness(image).enhance(1.5)),
    "darken": ("暗 夜 dark night", lambda image: ImageEnhance.Brightness(image).enhance(0.5)),
    "sharpen": ("清晰 锐 sharp", lambda image: ImageEnhance.Sharpness(image).enhance(3)),
}  # fmt: skip


def edit(prompt: str, references: Sequence[bytes], seed: int) -> tuple[bytes, list[str]]:
    """Return a PNG file made from the reference pictures, and the operations that were understood.

    Several pictures stand side by side; a prompt that names no operation gets a frame.

    Args:
        prompt: what to do.
        references: one to three picture files.
        seed: stands in the file's metadata only; an edit has nothing random.
    """
    image = _join([_open(content) for content in references])
    text = prompt.lower()
    names = [
        name
        for name, (words, _) in _OPERATIONS.items()
        if any(word in text for word in words.split())
    ]
    for name in names:
        image = _OPERATIONS[name][1](image)
    for colour, words in _TINTS.items():
        if any(word in text for word in words.split()):
            names.append(colour)
            image = Image.blend(image, Image.new("RGB", image.size, colour), 0.35)
    if not names:
        border = max(4, min(image.size) // 20)
        image = ImageOps.expand(ImageOps.crop(image, border), border, fill=(200, 160, 80))
    draw_footer(image, "edit", ", ".join(names) or "nothing it knows, so a frame")
    return to_png(image, prompt, seed), names


def _open(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return image


def _join(images: Sequence[Image.Image]) -> Image.Image:
    """Return pictures side by side at the height of the lowest one."""
    height = min(image.height for image in images)
    scaled = [
        image.resize((max(1, image.width * height // image.height), height)) for image in images
    ]
    joined = Image.new("RGB", (sum(image.width for image in scaled), height))
    x = 0
    for image in scaled:
        joined.paste(image, (x, 0))
        x += image.width
    joined.thumbnail((MAX_SIDE, MAX_SIDE))
    return joined
