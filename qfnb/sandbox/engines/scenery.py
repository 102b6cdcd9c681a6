"""The things that the sandbox can draw, one function each; places are shares of the picture's size."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

ON_LAND = {"house", "trees", "flowers", "grass", "cat", "dog"}
"""Things that do not stand in water."""

HORIZON = 0.66
"""Where the ground begins, from the top."""


@dataclass
class Scene:
    """A picture being painted."""

    image: Image.Image
    draw: random.Random
    colour: Colour | None
    pen: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.pen = ImageDraw.Draw(self.image)

    @property
    def width(self) -> int:
        """Pixels."""
        return self.image.size[0]

    @property
    def height(self) -> int:
        """Pixels."""
        return self.image.size[1]

    @property
    def unit(self) -> float:
        """A hundredth of the shorter side, in pixels."""
        return min(self.image.size) / 100

    @property
    def horizon(self) -> int:
        """Pixels from the top."""
        return int(self.height * HORIZON)

    def tint(self, default: Colour) -> Colour:
        """The colour that the prompt names, or a default."""
        return self.colour or default


def shade(colour: Colour, factor: float) -> Colour:
    """Return a lighter (above 1) or darker colour."""
    red, green, blue = (max(0, min(255, int(part * factor))) for part in colour)
    return red, green, blue


def disc(scene: Scene, x: float, y: float, radius: float, fill: Colour) -> None:
    """Paint a full circle."""
    scene.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def rings(scene: Scene) -> None:
    """Paint an abstract picture: rings in one family of colours."""
    colour = scene.tint(
        (scene.draw.randint(60, 210), scene.draw.randint(60, 210), scene.draw.randint(90, 220))
    )
    for _ in range(70):
        x, y = scene.draw.random() * scene.width, scene.draw.random() * scene.height
        radius = scene.draw.uniform(4, 30) * scene.unit
        box = (x - radius, y - radius, x + radius, y + radius)
        scene.pen.ellipse(
            box, outline=shade(colour, scene.draw.uniform(0.6, 1.5)), width=scene.draw.randint(1, 7)
        )


def stars(scene: Scene) -> None:
    """Paint stars above the horizon."""
    for _ in range(150):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(0, scene.horizon)
        disc(scene, x, y, scene.draw.choice((0.15, 0.2, 0.35)) * scene.unit, (255, 255, 226))


def sun(scene: Scene) -> None:
    """Paint the sun with its glow."""
    _luminary(scene, (255, 224, 120))


def moon(scene: Scene) -> None:
    """Paint the moon with its glow."""
    _luminary(scene, (246, 245, 222))


def clouds(scene: Scene) -> None:
    """Paint some clouds."""
    for _ in range(5):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(0.06, 0.32) * scene.height
        for part in range(5):
            rise = scene.draw.uniform(2, 5) * scene.unit
            left = x + part * 4.5 * scene.unit
            scene.pen.ellipse(
                (left, y - rise, left + 10 * scene.unit, y + 3 * scene.unit), fill=(250, 250, 252)
            )


def mountains(scene: Scene) -> None:
    """Paint three ranges, the nearest darkest."""
    for layer in range(3):
        base = scene.horizon - (2 - layer) * 0.05 * scene.height
        points: list[tuple[float, float]] = [(0, scene.height), (0, base)]
        for step in range(1, 13):
            rise = scene.draw.uniform(0.08, 0.34 - 0.08 * layer) * scene.height if step % 2 else 0
            points.append((scene.width * step / 12, base - rise))
        colour = shade(scene.tint((96, 118, 140)), 1.25 - 0.3 * layer)
        scene.pen.polygon([*points, (scene.width, scene.height)], fill=colour)


def city(scene: Scene) -> None:
    """Paint buildings with lit windows."""
    x, unit = 0.0, scene.unit
    while x < scene.width:
        wide, tall = scene.draw.uniform(7, 13) * unit, scene.draw.uniform(0.16, 0.46) * scene.height
        top = scene.horizon - tall
        scene.pen.rectangle(
            (x, top, x + wide, scene.horizon + 2 * unit),
            fill=shade((74, 80, 102), scene.draw.uniform(0.7, 1.2)),
        )
        for row in range(int(tall / (3 * unit)) - 1):
            for column in range(int(wide / (2.4 * unit)) - 1):
                left, up = x + (column + 0.7) * 2.4 * unit, top + (row + 0.6) * 3 * unit
                lit = scene.draw.random() < 0.5
                fill = (250, 226, 142) if lit else (58, 64, 84)
                scene.pen.rectangle((left, up, left + 1.1 * unit, up + 1.5 * unit), fill=fill)
        x += wide + scene.draw.uniform(0, 1.5) * unit
    scene.pen.rectangle(
        (0, scene.horizon + 2 * unit, scene.width, scene.horizon + 9 * unit), fill=(58, 60, 70)
    )
    for mark in range(0, int(scene.width), int(8 * unit)):
        scene.pen.rectangle(
            (mark, scene.horizon + 5 * unit, mark + 4 * unit, scene.horizon + 6 * unit), fill=(212, 204, 160)
        )


def ground(scene: Scene, *, snowy: bool = False, night: bool = False) -> None:
    """Paint the ground."""
    colour = (232, 238, 246) if snowy else (112, 164, 98)
    colour = shade(colour, 0.5) if night else colour
    scene.pen.rectangle((0, scene.horizon, scene.width, scene.height), fill=colour)


def shore(scene: Scene, *, snowy: bool = False) -> None:
    """Paint land in front of the water, for what does not stand in it."""
    colour = (232, 238, 246) if snowy else (196, 184, 132)
    top, deep = scene.horizon + 0.06 * scene.height, 0.04 * scene.height
    scene.pen.ellipse((-0.3 * scene.width, top, 1.3 * scene.width, top + 4 * deep), fill=colour)
    scene.pen.rectangle((0, top + 2 * deep, scene.width, scene.height), fill=colour)


def water(scene: Scene) -> None:
    """Paint water that mirrors what stands behind it."""
    low = scene.height - scene.horizon
    mirror = scene.image.crop((0, scene.horizon - low, scene.width, scene.horizon))
    mirror = mirror.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((scene.width, low))
    mirror = Image.blend(mirror, Image.new("RGB", mirror.size, (34, 96, 156)), 0.55)
    scene.image.paste(mirror, (0, scene.horizon))
    for _ in range(80):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(scene.horizon, scene.height)
        scene.pen.line((x, y, x + scene.draw.uniform(1, 8) * scene.unit, y), fill=(180, 208, 232))


def grass(scene: Scene) -> None:
    """Paint blades of grass."""
    for _ in range(260):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(scene.horizon + 4, scene.height)
        lean, tall = scene.draw.uniform(-1, 1) * scene.unit, scene.draw.uniform(1.5, 3.5) * scene.unit
        colour = shade((64, 134, 72), scene.draw.uniform(0.8, 1.3))
        scene.pen.line((x, y, x + lean, y - tall), fill=colour, width=max(1, int(scene.unit * 0.3)))


def flowers(scene: Scene) -> None:
    """Paint flowers on stems."""
    unit = scene.unit
    for _ in range(70):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(scene.horizon + 2 * unit, scene.height)
        scene.pen.line((x, y, x, y - 4 * unit), fill=(62, 132, 72), width=max(1, int(unit * 0.4)))
        colour = scene.tint(scene.draw.choice([(240, 120, 150), (250, 210, 90), (182, 122, 222)]))
        for petal in range(5):
            angle = petal * 1.257
            disc(
                scene,
                x + 1.1 * unit * math.cos(angle),
                y - 4 * unit + 1.1 * unit * math.sin(angle),
                0.9 * unit,
                colour,
            )
        disc(scene, x, y - 4 * unit, 0.7 * unit, (252, 226, 120))


def house(scene: Scene) -> None:
    """Paint a house with roof, door and window."""
    unit, x, base = scene.unit, scene.draw.uniform(0.2, 0.55) * scene.width, scene.horizon + 3 * scene.unit
    side = 22 * unit
    scene.pen.rectangle((x, base - 0.6 * side, x + side, base), fill=(228, 208, 174))
    roof = [
        (x - 2 * unit, base - 0.6 * side),
        (x + side / 2, base - side),
        (x + side + 2 * unit, base - 0.6 * side),
    ]
    scene.pen.polygon(roof, fill=scene.tint((170, 74, 62)))
    scene.pen.rectangle((x + 0.4 * side, base - 0.32 * side, x + 0.6 * side, base), fill=(112, 78, 52))
    scene.pen.rectangle(
        (x + 0.1 * side, base - 0.45 * side, x + 0.28 * side, base - 0.27 * side), fill=(250, 228, 150)
    )


def trees(scene: Scene) -> None:
    """Paint firs."""
    for _ in range(14):
        x, tall = scene.draw.uniform(0, scene.width), scene.draw.uniform(0.14, 0.28) * scene.height
        y = scene.horizon + scene.draw.uniform(0.0, 0.2) * scene.height
        scene.pen.rectangle(
            (x - 0.5 * scene.unit, y - 0.4 * tall, x + 0.5 * scene.unit, y), fill=(96, 72, 52)
        )
        for layer in range(3):
            half, low = tall * (0.3 - 0.07 * layer), y - tall * (0.25 + 0.22 * layer)
            points = [(x - half, low), (x, y - tall * (0.62 + 0.19 * layer)), (x + half, low)]
            scene.pen.polygon(points, fill=shade((54, 124, 74), scene.draw.uniform(0.8, 1.2)))


def boat(scene: Scene) -> None:
    """Paint a sailing boat."""
    unit, x, y = scene.unit, scene.draw.uniform(0.3, 0.6) * scene.width, scene.horizon + 8 * scene.unit
    hull = [(x, y), (x + 24 * unit, y), (x + 19 * unit, y + 5.5 * unit), (x + 5 * unit, y + 5.5 * unit)]
    scene.pen.polygon(hull, fill=(122, 74, 50))
    sail = [(x + 12 * unit, y - 18 * unit), (x + 12 * unit, y - unit), (x + 21 * unit, y - unit)]
    scene.pen.polygon(sail, fill=scene.tint((245, 240, 226)))


def snow(scene: Scene) -> None:
    """Paint falling snow."""
    for _ in range(220):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(0, scene.height)
        disc(scene, x, y, scene.draw.uniform(0.2, 0.6) * scene.unit, (255, 255, 255))


def rain(scene: Scene) -> None:
    """Paint falling rain."""
    for _ in range(240):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(0, scene.height)
        scene.pen.line((x, y, x - 0.8 * scene.unit, y + 3 * scene.unit), fill=(202, 212, 222))


def _luminary(scene: Scene, colour: Colour) -> None:
    x, y, radius = scene.draw.uniform(0.2, 0.8) * scene.width, 0.2 * scene.height, 8 * scene.unit
    glow = Image.new("L", scene.image.size, 0)
    box = (x - 2 * radius, y - 2 * radius, x + 2 * radius, y + 2 * radius)
    ImageDraw.Draw(glow).ellipse(box, fill=110)
    small = glow.resize((glow.width // 8, glow.height // 8)).filter(ImageFilter.GaussianBlur(radius / 10))
    scene.image.paste(Image.new("RGB", scene.image.size, colour), mask=small.resize(glow.size))
    disc(scene, x, y, radius, colour)
