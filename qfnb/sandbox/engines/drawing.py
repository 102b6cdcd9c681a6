"""Pictures without a model: a landscape, drawn with Pillow from the things and colours that a prompt names.

Each picture says at its foot that it is the sandbox's drawing, and what was understood of the prompt. The
same prompt, size and seed give the same bytes.
"""

import hashlib
import io
import random
import re
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "红 red": (214, 66, 60),
    "橙 橘 orange": (240, 150, 60),
    "黄 金 yellow gold": (243, 205, 80),
    "绿 green": (80, 160, 90),
    "青 cyan": (80, 180, 180),
    "蓝 blue": (70, 120, 200),
    "紫 purple": (130, 90, 180),
    "粉 pink": (240, 160, 190),
    "白 white": (245, 245, 245),
    "黑 black": (60, 60, 68),
    "灰 gray grey": (150, 150, 160),
}

DAY: tuple[Colour, Colour] = ((116, 176, 236), (222, 238, 250))
SKIES: dict[str, tuple[Colour, Colour]] = {
    "夜 晚上 night 星 月 moon star": ((12, 18, 48), (66, 70, 130)),
    "黄昏 日落 夕阳 sunset dusk": ((84, 60, 120), (250, 156, 96)),
    "清晨 日出 朝阳 sunrise dawn": ((150, 190, 230), (255, 222, 184)),
    "雨 rain 阴 雾 fog": ((110, 120, 132), (184, 190, 196)),
    "雪 snow 冬 winter": ((168, 190, 216), (236, 241, 250)),
}
"""The colours of the sky, at the top and at the horizon."""

THINGS: dict[str, str] = {
    "stars": "星 夜 night star",
    "sun": "太阳 阳光 日出 日落 夕阳 sun sunset sunrise",
    "moon": "月 moon",
    "mountains": "山 mountain hill",
    "city": "城 楼 都市 city building",
    "trees": "树 林 竹 tree forest bamboo",
    "water": "海 湖 河 水 溪 sea ocean lake river water",
}
"""What can be drawn, from back to front, and the words that name it."""

HORIZON = 0.66
"""Where the ground begins: a share of the height, from the top."""


@dataclass(frozen=True)
class Understood:
    """What was understood of a prompt: things to draw, a colour for them, the colours of the sky."""

    things: tuple[str, ...]
    colour: Colour | None
    sky: tuple[Colour, Colour]


@dataclass
class Canvas:
    """A picture being drawn.

    Attributes:
        image: the picture.
        chance: the source of all random numbers.
        colour: the colour that the prompt names, if any.
    """

    image: Image.Image
    chance: random.Random
    colour: Colour | None
    pen: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.pen = ImageDraw.Draw(self.image)
        self.width, self.height = self.image.size
        self.unit = min(self.image.size) / 100
        self.horizon = int(self.height * HORIZON)

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """Draw a filled circle; lengths are in pixels."""
        self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def ridge(self, base: float, rise: float, fill: Colour) -> None:
        """Draw a range of peaks that rise up to `rise` pixels above `base` and fill all below."""
        peaks = [(self.width * i / 12, base - self.chance.uniform(0, rise)) for i in range(13)]
        self.pen.polygon([(0, self.height), *peaks, (self.width, self.height)], fill=fill)


def understand(prompt: str) -> Understood:
    """Return the things, the colour and the sky that a prompt names in Chinese or English."""
    text = prompt.lower()
    colours = [colour for words, colour in COLOURS.items() if _names(text, words)]
    skies = [sky for words, sky in SKIES.items() if _names(text, words)]
    things = tuple(thing for thing, words in THINGS.items() if _names(text, words))
    return Understood(things, next(iter(colours), None), next(iter(skies), DAY))


def picture(prompt: str, size: tuple[int, int], seed: int) -> tuple[bytes, list[str]]:
    """Return a PNG file, and the things that were understood and drawn.

    Args:
        prompt: names the things, a colour and the time of day.
        size: width and height in pixels.
        seed: another seed gives another picture.
    """
    understood = understand(prompt)
    digest = hashlib.sha256(f"{prompt}|{seed}".encode("utf-8", "replace")).digest()
    chance = random.Random(digest)  # noqa: S311 - reproducible, not secret
    canvas = Canvas(_sky(size, understood.sky), chance, understood.colour)
    if not understood.things:  # another prompt looks different, also when nothing of it is understood
        canvas.colour = canvas.colour or chance.choice([*COLOURS.values()])
    things = understood.things or ("mountains",)
    for thing in things:
        _DRAW[thing](canvas)
    if "water" not in things:
        canvas.ridge(canvas.horizon + 3 * canvas.unit, 3 * canvas.unit, (92, 136, 84))
    _footer(canvas, ", ".join(understood.things) or "nothing it knows")
    return _png(canvas.image, prompt, seed), list(understood.things)


def _names(text: str, words: str) -> bool:
    """Return whether a lower-case text has one of the words; English words count whole, or as plurals."""
    return any(re.search(rf"\b{word}(e?s|y|ny)?\b", text) if word.isascii() else word in text for word in words.split())


def _sky(size: tuple[int, int], colours: tuple[Colour, Colour]) -> Image.Image:
    fade = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, colours[1]), Image.new("RGB", size, colours[0]), fade)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (max(0, min(255, int(part * factor))) for part in colour)
    return red, green, blue


def _stars(canvas: Canvas) -> None:
    for _ in range(150):
        x, y = canvas.chance.uniform(0, canvas.width), canvas.chance.uniform(0, canvas.horizon)
        canvas.disc(x, y, canvas.chance.choice((0.15, 0.2, 0.35)) * canvas.unit, (255, 255, 226))


def _sun(canvas: Canvas) -> None:
    canvas.disc(canvas.chance.uniform(0.2, 0.8) * canvas.width, 0.2 * canvas.height, 8 * canvas.unit, (255, 224, 120))


def _moon(canvas: Canvas) -> None:
    canvas.disc(canvas.chance.uniform(0.2, 0.8) * canvas.width, 0.2 * canvas.height, 7 * canvas.unit, (246, 245, 222))


def _mountains(canvas: Canvas) -> None:
    for layer in range(3):
        colour = _shade(canvas.colour or (96, 118, 140), 1.25 - 0.3 * layer)
        canvas.ridge(canvas.horizon - (2 - layer) * 0.05 * canvas.height, (0.34 - 0.08 * layer) * canvas.height, colour)


def _city(canvas: Canvas) -> None:
    x = 0.0
    while x < canvas.width:
        wide, tall = (canvas.chance.uniform(6, 13) * canvas.unit, canvas.chance.uniform(0.1, 0.42) * canvas.height)
        colour = _shade(canvas.colour or (86, 92, 112), canvas.chance.uniform(0.7, 1.2))
        canvas.pen.rectangle((x, canvas.horizon - tall, x + wide, canvas.height), fill=colour)
        for number in range(int(tall / (4 * canvas.unit))):
            y = canvas.horizon - tall + (4 * number + 2) * canvas.unit
            canvas.pen.rectangle((x + wide / 4, y, x + wide / 2, y + canvas.unit), fill=(250, 226, 150))
        x += wide + canvas.unit


def _water(canvas: Canvas) -> None:
    canvas.pen.rectangle((0, canvas.horizon, canvas.width, canvas.height), fill=canvas.colour or (58, 112, 166))
    for _ in range(120):
        x, y = canvas.chance.uniform(0, canvas.width), canvas.chance.uniform(canvas.horizon, canvas.height)
        canvas.pen.line((x, y, x + canvas.chance.uniform(1, 8) * canvas.unit, y), fill=(180, 208, 232))


def _trees(canvas: Canvas) -> None:
    for _ in range(14):
        x, tall = canvas.chance.uniform(0, canvas.width), canvas.chance.uniform(0.14, 0.28) * canvas.height
        y = canvas.horizon + canvas.chance.uniform(0.0, 0.04) * canvas.height
        colour = _shade(canvas.colour or (54, 124, 74), canvas.chance.uniform(0.8, 1.2))
        canvas.pen.polygon([(x - 0.25 * tall, y), (x, y - tall), (x + 0.25 * tall, y)], fill=colour)


_DRAW = {
    "stars": _stars,
    "sun": _sun,
    "moon": _moon,
    "mountains": _mountains,
    "city": _city,
    "water": _water,
    "trees": _trees,
}


def _footer(canvas: Canvas, understood: str) -> None:
    tall = max(26, canvas.height // 24)
    canvas.pen.rectangle((0, canvas.height - tall, canvas.width, canvas.height), fill=(20, 20, 24))
    text = f"qfnb LOCAL SANDBOX drawing, not a model's image  |  understood: {understood}"
    font = ImageFont.load_default(max(9, min(tall / 2, 1.85 * canvas.width / len(text))))
    canvas.pen.text((10, canvas.height - tall + tall // 5), text, fill=(240, 240, 240), font=font)


def _png(image: Image.Image, prompt: str, seed: int) -> bytes:
    about = PngInfo()
    size, software = "{}x{}".format(*image.size), "qfnb sandbox drawing"
    for key, value in {"prompt": prompt, "seed": str(seed), "size": size, "software": software}.items():
        about.add_itxt(key, value.encode("utf-8", "replace").decode("utf-8"))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=about, compress_level=3)
    return buffer.getvalue()
