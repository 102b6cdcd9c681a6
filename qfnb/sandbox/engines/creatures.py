"""The animals that the sandbox can draw."""

from __future__ import annotations

from .scenery import HORIZON, Colour, Scene, disc, shade


def fish(scene: Scene) -> None:
    """Paint fish."""
    for _ in range(6):
        x, y = (
            scene.draw.uniform(0.1, 0.85) * scene.width,
            scene.draw.uniform(HORIZON + 0.05, 0.92) * scene.height,
        )
        size, colour = scene.draw.uniform(3, 5) * scene.unit, scene.tint((250, 142, 62))
        scene.pen.ellipse((x - size, y - 0.45 * size, x + size, y + 0.45 * size), fill=colour)
        scene.pen.polygon(
            [(x + 0.8 * size, y), (x + 1.5 * size, y - 0.5 * size), (x + 1.5 * size, y + 0.5 * size)],
            fill=colour,
        )


def birds(scene: Scene) -> None:
    """Paint birds far away."""
    for _ in range(9):
        x, y = scene.draw.uniform(0, scene.width), scene.draw.uniform(0.06, 0.4) * scene.height
        size, thick = scene.draw.uniform(1.5, 3.5) * scene.unit, max(1, int(scene.unit * 0.5))
        scene.pen.arc((x - 2 * size, y, x, y + size), 190, 340, fill=(44, 44, 54), width=thick)
        scene.pen.arc((x, y, x + 2 * size, y + size), 200, 350, fill=(44, 44, 54), width=thick)


def cat(scene: Scene) -> None:
    """Paint a sitting cat."""
    colour = scene.tint((236, 216, 192))
    x, y, size = _animal(scene, colour)
    for side in (-1, 1):
        ear = [
            (x + side * 0.82 * size, y - 0.75 * size),
            (x + side * 0.85 * size, y - 1.6 * size),
            (x + side * 0.15 * size, y - 1.15 * size),
        ]
        scene.pen.polygon(ear, fill=shade(colour, 0.78))
    _face(scene, x, y, size, colour)
    for side in (-1, 1):
        for hair in range(3):
            start, end = (
                (x + side * 0.2 * size, y - 0.32 * size),
                (x + side * 1.15 * size, y + (0.18 * hair - 0.5) * size),
            )
            scene.pen.line((*start, *end), fill=(96, 86, 84), width=max(1, int(scene.unit * 0.25)))


def dog(scene: Scene) -> None:
    """Paint a sitting dog."""
    colour = scene.tint((192, 142, 94))
    x, y, size = _animal(scene, colour)
    _face(scene, x, y, size, colour)
    for side in (-1, 1):
        box = sorted((x + side * 0.6 * size, x + side * 1.1 * size))
        scene.pen.ellipse((box[0], y - 1.25 * size, box[1], y - 0.1 * size), fill=shade(colour, 0.72))


def _animal(scene: Scene, colour: Colour) -> tuple[float, float, float]:
    """Paint a body with a tail; return the head's centre and size."""
    x, y, size = scene.width * 0.5, scene.height * 0.6, 13 * scene.unit
    tail = (x + 0.5 * size, y - 0.2 * size, x + 1.9 * size, y + 1.4 * size)
    scene.pen.arc(tail, 270, 110, fill=shade(colour, 0.85), width=int(size * 0.22))
    scene.pen.ellipse(
        (x - 1.1 * size, y - 0.4 * size, x + 1.1 * size, y + 1.7 * size), fill=shade(colour, 0.95)
    )
    for side in (-0.5, 0.5):
        paw = (x + (side - 0.3) * size, y + 1.35 * size, x + (side + 0.3) * size, y + 1.75 * size)
        scene.pen.ellipse(paw, fill=shade(colour, 1.06))
    return x, y, size


def _face(scene: Scene, x: float, y: float, size: float, colour: Colour) -> None:
    scene.pen.ellipse((x - 0.95 * size, y - 1.4 * size, x + 0.95 * size, y + 0.2 * size), fill=colour)
    for side in (-1, 1):
        eye = x + side * 0.38 * size
        scene.pen.ellipse(
            (eye - 0.12 * size, y - 0.8 * size, eye + 0.12 * size, y - 0.5 * size), fill=(58, 108, 168)
        )
        disc(scene, eye + 0.03 * size, y - 0.7 * size, 0.04 * size, (255, 255, 255))
    nose = [(x - 0.11 * size, y - 0.4 * size), (x + 0.11 * size, y - 0.4 * size), (x, y - 0.27 * size)]
    scene.pen.polygon(nose, fill=(222, 124, 132))
