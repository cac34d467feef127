"""Outlines of things that may stand in a picture: height 1, feet at (0, 0), x to the right, y up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.engine.drawing.noise import Field

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Piece:
    """A filled outline; `tone` is body, pale or lamp; `round` smooths its corners so many times."""

    points: Points
    tone: str = "body"
    round: int = 0


@dataclass(frozen=True)
class Silhouette:
    """A thing: its pieces, painted in order, and its height in parts of the frame."""

    height: float
    pieces: tuple[Piece, ...]


def box(left: float, low: float, right: float, high: float, tone: str = "body") -> Piece:
    """Return a rectangle."""
    return Piece(((left, low), (right, low), (right, high), (left, high)), tone)


def mirrored(points: Points) -> Points:
    """Return a right half made whole: the points, then their mirror images back."""
    return (*points, *((-x, y) for x, y in reversed(points)))


def circle(x: float, y: float, radius: float, tone: str = "body") -> Piece:
    """Return a circle of thirty-two corners."""
    turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return Piece(tuple((x + radius * float(np.cos(t)), y + radius * float(np.sin(t))) for t in turns), tone)


def smooth(points: Field, times: int) -> Field:
    """Return a closed outline with its corners cut, again and again (Chaikin)."""
    for _ in range(times):
        following = np.roll(points, -1, axis=0)
        points = np.stack((0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following), 1).reshape(-1, 2)
    return points


PERSON = Silhouette(
    0.105,
    (
        circle(0.0, 0.905, 0.075),
        Piece(((-0.05, 0.86), (0.05, 0.86), (0.13, 0.78), (0.14, 0.62), (0.12, 0.46), (0.15, 0.42), (0.10, 0.40),
               (0.07, 0.44), (0.08, 0.22), (0.07, 0.0), (0.135, -0.005), (0.0, 0.0), (0.015, 0.22), (0.0, 0.40),
               (-0.03, 0.22), (-0.075, 0.0), (-0.005, -0.005), (-0.14, 0.0), (-0.09, 0.24), (-0.10, 0.44),
               (-0.13, 0.40), (-0.16, 0.43), (-0.13, 0.60), (-0.13, 0.78)), round=2),
    ),
)  # fmt: skip

CAT = Silhouette(
    0.075,
    (
        Piece(((-0.30, 0.0), (0.24, 0.0), (0.26, 0.06), (0.16, 0.10), (0.18, 0.44), (0.22, 0.60), (-0.02, 0.66),
               (-0.16, 0.52), (-0.32, 0.30), (-0.38, 0.10)), round=2),
        circle(0.14, 0.76, 0.155),
        Piece(((0.00, 0.80), (0.03, 1.0), (0.14, 0.88), (0.25, 1.0), (0.28, 0.80), (0.14, 0.74))),
        Piece(((-0.30, 0.0), (-0.30, 0.07), (-0.52, 0.06), (-0.66, 0.18), (-0.62, 0.36), (-0.70, 0.40), (-0.76, 0.18),
               (-0.60, -0.01)), round=2),
    ),
)  # fmt: skip

DOG = Silhouette(
    0.08,
    (
        Piece(((-0.52, 0.0), (-0.42, 0.0), (-0.40, 0.28), (-0.34, 0.40), (0.16, 0.36), (0.20, 0.0), (0.30, 0.0),
               (0.30, 0.40), (0.42, 0.62), (0.52, 0.64), (0.72, 0.64), (0.74, 0.72), (0.56, 0.84), (0.50, 0.96),
               (0.44, 0.84), (0.34, 0.84), (0.22, 0.66), (-0.40, 0.66), (-0.52, 0.70), (-0.70, 0.92), (-0.74, 0.88),
               (-0.60, 0.58), (-0.58, 0.30)), round=2),
        Piece(((-0.36, 0.3), (-0.34, 0.0), (-0.24, 0.0), (-0.24, 0.42), (0.06, 0.42), (0.08, 0.0), (0.17, 0.0),
               (0.18, 0.45), (-0.36, 0.5)), round=1),
    ),
)  # fmt: skip

HORSE = Silhouette(
    0.12,
    (
        Piece(((-0.44, 0.0), (-0.37, 0.0), (-0.36, 0.22), (-0.30, 0.40), (0.14, 0.40), (0.18, 0.20), (0.17, 0.0),
               (0.24, 0.0), (0.26, 0.22), (0.28, 0.46), (0.40, 0.66), (0.50, 0.72), (0.62, 0.66), (0.68, 0.70),
               (0.64, 0.82), (0.52, 0.92), (0.46, 1.0), (0.42, 0.92), (0.30, 0.82), (0.18, 0.68), (-0.28, 0.68),
               (-0.44, 0.66), (-0.56, 0.46), (-0.60, 0.22), (-0.54, 0.24), (-0.48, 0.46), (-0.44, 0.30)), round=2),
        Piece(((-0.30, 0.45), (-0.26, 0.0), (-0.20, 0.0), (-0.20, 0.45))),
        Piece(((0.06, 0.45), (0.08, 0.22), (0.04, 0.0), (0.11, 0.0), (0.16, 0.24), (0.16, 0.45))),
    ),
)  # fmt: skip

BOAT = Silhouette(
    0.15,
    (
        Piece(((0.02, 0.16), (0.36, 0.20), (0.22, 0.55), (0.02, 0.98)), "pale", 0),
        Piece(((-0.03, 0.18), (-0.03, 0.92), (-0.20, 0.50), (-0.34, 0.22)), "pale", 0),
        box(-0.012, 0.1, 0.012, 1.0),
        Piece(((-0.46, 0.13), (0.50, 0.15), (0.38, -0.01), (-0.34, -0.01)), round=1),
    ),
)

LIGHTHOUSE = Silhouette(
    0.30,
    (
        Piece(((-0.095, 0.0), (0.095, 0.0), (0.055, 0.78), (-0.055, 0.78)), "pale"),
        Piece(((-0.084, 0.18), (0.084, 0.18), (0.075, 0.34), (-0.075, 0.34))),
        Piece(((-0.068, 0.50), (0.068, 0.50), (0.060, 0.66), (-0.060, 0.66))),
        box(-0.085, 0.775, 0.085, 0.80),
        box(-0.045, 0.80, 0.045, 0.90, "lamp"),
        Piece(((-0.06, 0.90), (0.06, 0.90), (0.0, 0.985))),
        box(-0.006, 0.97, 0.006, 1.02),
        Piece(((0.08, 0.0), (0.30, 0.0), (0.30, 0.10), (0.19, 0.17), (0.08, 0.10))),
        box(0.15, 0.035, 0.20, 0.085, "lamp"),
    ),
)

HOUSE = Silhouette(
    0.12,
    (
        box(-0.55, 0.0, 0.55, 0.52),
        Piece(((-0.66, 0.50), (0.66, 0.50), (0.40, 0.92), (-0.40, 0.92))),
        box(0.22, 0.80, 0.34, 1.08),
        box(-0.38, 0.20, -0.20, 0.40, "lamp"),
        box(0.02, 0.20, 0.20, 0.40, "lamp"),
        box(0.33, 0.0, 0.46, 0.36),
    ),
)

CASTLE = Silhouette(
    0.22,
    (
        box(-0.50, 0.0, 0.50, 0.42),
        *(box(-0.50 + 0.125 * k, 0.42, -0.44 + 0.125 * k, 0.47) for k in range(9)),
        box(-0.42, 0.0, -0.24, 0.66),
        Piece(((-0.47, 0.64), (-0.19, 0.64), (-0.33, 0.88))),
        box(-0.10, 0.0, 0.14, 0.78),
        Piece(((-0.15, 0.76), (0.19, 0.76), (0.02, 1.05))),
        box(0.27, 0.0, 0.42, 0.58),
        Piece(((0.23, 0.56), (0.46, 0.56), (0.345, 0.78))),
        box(-0.01, 0.56, 0.04, 0.64, "lamp"),
        box(-0.35, 0.48, -0.31, 0.55, "lamp"),
        box(0.33, 0.42, 0.365, 0.48, "lamp"),
    ),
)

CAR = Silhouette(
    0.07,
    (
        Piece(((-1.05, 0.22), (-1.02, 0.50), (-0.62, 0.58), (-0.36, 0.95), (0.30, 0.95), (0.62, 0.58), (1.02, 0.48),
               (1.08, 0.22)), round=2),
        Piece(((-0.46, 0.60), (-0.29, 0.86), (-0.03, 0.86), (-0.03, 0.60)), "pale"),
        Piece(((0.05, 0.60), (0.05, 0.86), (0.25, 0.86), (0.45, 0.60)), "pale"),
        circle(-0.62, 0.19, 0.20),
        circle(0.64, 0.19, 0.20),
        circle(1.02, 0.38, 0.055, "lamp"),
    ),
)  # fmt: skip

BALLOON = Silhouette(
    0.22,
    (
        Piece(mirrored(((0.045, 0.20), (0.16, 0.36), (0.30, 0.56), (0.33, 0.76), (0.24, 0.95), (0.0, 1.02))), round=2),
        Piece(
            mirrored(((0.012, 0.21), (0.06, 0.40), (0.105, 0.60), (0.11, 0.78), (0.07, 0.96), (0.0, 1.0))), "pale", 2
        ),
        box(-0.055, 0.0, 0.055, 0.09),
        Piece(((-0.05, 0.09), (-0.04, 0.09), (-0.035, 0.22), (-0.045, 0.22))),
        Piece(((0.05, 0.09), (0.04, 0.09), (0.035, 0.22), (0.045, 0.22))),
        circle(0.0, 0.175, 0.022, "lamp"),
    ),
)

ALL = {
    "person": PERSON,
    "cat": CAT,
    "dog": DOG,
    "horse": HORSE,
    "boat": BOAT,
    "lighthouse": LIGHTHOUSE,
    "house": HOUSE,
    "castle": CASTLE,
    "car": CAR,
    "balloon": BALLOON,
}
