"""Edits without a model: a reference picture, changed by the operations that the prompt names.

Each picture says at its foot that it is the sandbox's edit, and which operations were understood.
"""

import io
from collections.abc import Callable, Sequence

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from .drawing import draw_footer, to_png

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
