"""Pictures from words without a model: a small grammar of things, colours and skies, drawn with Pillow.

Every picture says at its foot that it is the sandbox's drawing, and what was understood; the same prompt,
size and seed give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image, ImageFont
from PIL.PngImagePlugin import PngInfo

from . import creatures, scenery

Colour = tuple[int, int, int]
T = TypeVar("T")

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

SKIES: dict[str, tuple[Colour, Colour]] = {
    "夜 晚上 night 星 月 moon star": ((12, 18, 48), (66, 70, 130)),
    "黄昏 日落 夕阳 sunset dusk": ((84, 60, 120), (250, 156, 96)),
    "清晨 日出 朝阳 sunrise dawn": ((150, 190, 230), (255, 222, 184)),
    "雨 rain 阴 雾 fog": ((110, 120, 132), (184, 190, 196)),
    "雪 snow 冬 winter": ((168, 190, 216), (236, 241, 250)),
}
DAY: tuple[Colour, Colour] = ((116, 176, 236), (222, 238, 250))

Painter = Callable[["scenery.Scene"], None]

THINGS: dict[str, tuple[str, Painter]] = {
    "星 夜 night star": ("stars", scenery.stars),
    "太阳 阳光 日出 日落 夕阳 sun sunset sunrise": ("sun", scenery.sun),
    "月 moon": ("moon", scenery.moon),
    "云 cloud 天空 sky": ("clouds", scenery.clouds),
    "山 mountain hill": ("mountains", scenery.mountains),
    "城 楼 都市 city building": ("city", scenery.city),
    "地面 ground": ("ground", scenery.ground),
    "海 湖 河 水 溪 sea ocean lake river water": ("water", scenery.water),
    "草 田 grass field": ("grass", scenery.grass),
    "房 屋 家 院 house home": ("house", scenery.house),
    "树 林 竹 tree forest bamboo": ("trees", scenery.trees),
    "花 春 flower": ("flowers", scenery.flowers),
    "船 boat ship": ("boat", scenery.boat),
    "鱼 fish": ("fish", creatures.fish),
    "鸟 bird": ("birds", creatures.birds),
    "猫 cat": ("cat", creatures.cat),
    "狗 dog": ("dog", creatures.dog),
    "雪 snow": ("snow", scenery.snow),
    "雨 rain": ("rain", scenery.rain),
}
"""In the order in which things are painted, from back to front."""


@dataclass(frozen=True)
class Understood:
    """What the words of a prompt stand for here."""

    things: tuple[str, ...]
    painters: tuple[Painter, ...]
    colour: Colour | None
    sky: tuple[Colour, Colour]


def understand(prompt: str) -> Understood:
    """Return the things, the colour and the sky that a prompt names."""
    text = prompt.lower()
    found = _named(THINGS, text)
    colours, skies = _named(COLOURS, text), _named(SKIES, text)
    return Understood(
        tuple(name for name, _ in found),
        tuple(painter for _, painter in found),
        colours[0] if colours else None,
        skies[0] if skies else DAY,
    )


def picture(prompt: str, size: tuple[int, int], seed: int) -> tuple[bytes, list[str]]:
    """Return a PNG file and the things that were understood; nothing known gives an abstract picture."""
    meant = understand(prompt)
    draw = random.Random(  # noqa: S311 - reproducible, not secret
        hashlib.sha256(f"{prompt}|{seed}".encode("utf-8", "replace")).digest()
    )
    scene = scenery.Scene(_sky(size, meant.sky), draw, meant.colour)
    painters = meant.painters or (scenery.rings,)
    if meant.painters and "ground" not in meant.things and not _by_water(meant):
        scenery.ground(scene, snowy="snow" in meant.things, night=sum(meant.sky[0]) < 200)
    if _by_water(meant) and "water" not in meant.things:
        scenery.water(scene)
    for painter in painters:
        painter(scene)
        if painter is scenery.water and set(meant.things) & scenery.ON_LAND:
            scenery.shore(scene, snowy="snow" in meant.things)
    _footer(scene, ", ".join(meant.things) or "nothing it knows (abstract)")
    return _png(scene.image, prompt, seed), list(meant.things)


def _by_water(meant: Understood) -> bool:
    return bool(set(meant.things) & {"water", "fish", "boat"})


def _named(table: Mapping[str, T], text: str) -> list[T]:
    return [value for words, value in table.items() if any(_says(text, word) for word in words.split())]


def _says(text: str, word: str) -> bool:
    if word.isascii():  # whole words and plurals: there is no cat in education
        return re.search(rf"\b{word}(e?s|y|ny)?\b", text) is not None
    return word in text


def _sky(size: tuple[int, int], colours: tuple[Colour, Colour]) -> Image.Image:
    fade = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, colours[1]), Image.new("RGB", size, colours[0]), fade)


def _footer(scene: scenery.Scene, understood: str) -> None:
    width, height = scene.image.size
    tall = max(26, height // 24)
    scene.pen.rectangle((0, height - tall, width, height), fill=(20, 20, 24))
    text = f"qfnb LOCAL SANDBOX drawing, not a model's image  |  understood: {understood}"
    font = ImageFont.load_default(max(9, min(tall / 2, 1.85 * width / len(text))))
    scene.pen.text((10, height - tall + tall // 5), text, fill=(240, 240, 240), font=font)


def _png(image: Image.Image, prompt: str, seed: int) -> bytes:
    about = PngInfo()
    for key, value in (
        ("prompt", prompt),
        ("seed", str(seed)),
        ("size", "{}x{}".format(*image.size)),
        ("software", "qfnb sandbox drawing"),
    ):
        about.add_itxt(key, value.encode("utf-8", "replace").decode("utf-8"))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=about, compress_level=3)
    return buffer.getvalue()
