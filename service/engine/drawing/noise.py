"""Noise with the look of nature: fractal, and endless, so that it may drift for ever without a seam."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

#: Numbers in float32 by convention; numpy's own types widen most arithmetic on them, so they are not stated.
Field: TypeAlias = NDArray[Any]


def cloudy(generator: np.random.Generator, size: int, *, falloff: float, stretch: float = 1.0) -> Field:
    """Return a square of fractal noise in [0, 1] that continues at its opposite edges.

    `falloff` is how fast detail fades (1.5 rough, 2.5 soft); `stretch` above 1 makes its shapes wider than high.
    """
    spectrum = np.fft.rfft2(generator.standard_normal((size, size)))
    down = np.fft.fftfreq(size)[:, None]
    across = np.fft.rfftfreq(size)[None, :]
    distance = np.sqrt((across * stretch) ** 2 + (down / stretch**0.5) ** 2)
    distance[0, 0] = 1.0
    spectrum *= distance**-falloff
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(size, size))
    return spread(field.astype(np.float32))


def spread(field: Field) -> Field:
    """Return a field whose middle 98 % fills [0, 1]."""
    low, high = np.quantile(field, (0.01, 0.99))
    made: Field = np.clip((field - low) / (high - low), 0, 1).astype(np.float32)
    return made


def line(generator: np.random.Generator, length: int, wave: float, *, gain: float = 0.5, octaves: int = 7) -> Field:
    """Return a wandering line in about [-1, 1]; `wave` is the length of its longest waves, `gain` its roughness."""
    total = np.zeros(length, np.float32)
    strength, reach = 1.0, wave
    for _ in range(octaves):
        knots = int(length / reach) + 4
        drawn = generator.uniform(-1, 1, (1, knots)).astype(np.float32)
        start = generator.uniform(0, 1) * reach
        smooth = cv2.resize(drawn, (max(length + int(reach) + 2, int(knots * reach)), 1), interpolation=cv2.INTER_CUBIC)
        total += strength * smooth[0, int(start) : int(start) + length]
        strength, reach = strength * gain, reach / 2
        if reach < 2:
            break
    return total


def ridged(generator: np.random.Generator, length: int, wave: float, *, gain: float = 0.5) -> Field:
    """Return a line with sharp crests and wide valleys, in about [0, 1]."""
    total, strength, reach, weight = np.zeros(length, np.float32), 1.0, wave, 0.0
    while reach > 2:
        total += strength * np.clip(1 - np.abs(line(generator, length, reach, octaves=1)), 0, 1) ** 1.7
        weight += strength
        strength, reach = strength * gain, reach / 2.1
    return (total / max(weight, 1e-6)).astype(np.float32)


def step(low: float, high: float, value: Field) -> Field:
    """Return a smooth step from 0 below `low` to 1 above `high`."""
    part = np.clip((value - low) / (high - low), 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)


def taken(field: Field, columns: Field, rows: Field) -> Field:
    """Look an endless field up at places counted in its own pixels."""
    size = field.shape[0]
    return cv2.remap(
        field,
        np.mod(columns, size).astype(np.float32),
        np.mod(rows, size).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )


def grid(height: int, width: int) -> tuple[Field, Field]:
    """Return each pixel's row and column."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return rows, columns
