"""Colours by the hour: sky, haze, light, and how far things fade into the air."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Colour: TypeAlias = NDArray[Any]


def rgb(code: str) -> Colour:
    """Return a colour written as RRGGBB, in [0, 1]."""
    return np.array([int(code[at : at + 2], 16) / 255 for at in (0, 2, 4)], np.float32)


def mix(first: Colour, second: Colour, part: float) -> Colour:
    """Return a colour between two."""
    return (first + (second - first) * part).astype(np.float32)


def turned(colour: Colour, hue: float, saturation: float = 1.0) -> Colour:
    """Return a colour with its hue turned (in turns) and its saturation scaled."""
    hue_now, light, strength = colorsys.rgb_to_hls(*(float(part) for part in colour))
    return np.array(colorsys.hls_to_rgb((hue_now + hue) % 1, light, min(1, strength * saturation)), np.float32)


@dataclass(frozen=True)
class Palette:
    """The colours of an hour. `light` multiplies the colour of land; `glow` is how strongly sun or moon bloom."""

    top: Colour
    middle: Colour
    low: Colour
    sun: Colour
    haze: Colour
    near: Colour
    light: Colour
    glow: float
    stars: float
    lamps: float

    def land(self, tint: Colour, depth: float) -> Colour:
        """Return the colour of land at a depth from 0 (lost in the haze) to 1 (right before us)."""
        lit = mix(self.near, tint * self.light, 0.72)
        return mix(self.haze, lit, depth**0.75)

    def varied(self, hue: float, saturation: float) -> Palette:
        """Return this palette a little off, so that two seeds of one hour differ."""
        parts = {
            name: turned(getattr(self, name), hue, saturation)
            for name in ("top", "middle", "low", "sun", "haze", "near")
        }
        return Palette(**parts, light=self.light, glow=self.glow, stars=self.stars, lamps=self.lamps)

    def veiled(self, part: float) -> Palette:
        """Return this palette under a closed sky: greyer, flatter, its sun weaker."""
        grey = mix(self.haze, np.full(3, float(self.haze.mean()), np.float32), 0.75)
        return Palette(
            top=mix(self.top, grey * 0.72, part),
            middle=mix(self.middle, grey * 0.9, part),
            low=mix(self.low, grey, part),
            sun=mix(self.sun, grey, part),
            haze=mix(self.haze, grey, part),
            near=mix(self.near, np.full(3, float(self.near.mean()), np.float32), part * 0.6),
            light=self.light * (1 - 0.25 * part),
            glow=self.glow * (1 - 0.8 * part),
            stars=self.stars * (1 - part),
            lamps=max(self.lamps, 0.3 * part),
        )


def hour(codes: str, light: tuple[float, float, float], glow: float, stars: float, lamps: float) -> Palette:
    """Make a palette of six colour codes."""
    top, middle, low, sun, haze, near = map(rgb, codes.split())
    return Palette(top, middle, low, sun, haze, near, np.array(light, np.float32), glow, stars, lamps)


HOURS: dict[str, Palette] = {
    "dawn": hour("4A5A8C C996A8 FFD9AE FFF1D0 EABFB0 2C2840", (0.82, 0.68, 0.66), 0.75, 0.08, 0.35),
    "day": hour("2E6FB8 78B2E2 DCEEF6 FFFBE6 BED8E8 1E332E", (1.0, 1.0, 0.96), 0.45, 0.0, 0.0),
    "sunset": hour("2C3A72 C8687C FFB469 FFE3AC EC9A72 261A30", (0.86, 0.58, 0.44), 1.0, 0.05, 0.5),
    "dusk": hour("18224E 4A589A E8A893 FFD9B0 747AAC 10142A", (0.42, 0.45, 0.66), 0.55, 0.45, 0.9),
    "night": hour("0A1032 1C3066 4A6AA0 EEF2FF 35508A 070A18", (0.30, 0.38, 0.60), 0.55, 1.0, 1.0),
}

TINTS: dict[str, Colour] = {
    "mountain": rgb("5C7280"),
    "forest": rgb("3F6142"),
    "field": rgb("7A9A48"),
    "desert": rgb("D79A58"),
    "sea": rgb("4A5A62"),
    "city": rgb("566478"),
    "snow": rgb("DCE8F4"),
}
