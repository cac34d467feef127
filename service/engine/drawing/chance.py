"""Chance that repeats itself: the same words give the same dice on every machine."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


def dice(*words: object) -> np.random.Generator:
    """Return a generator seeded by the SHA-256 of some words."""
    digest = hashlib.sha256("\x1f".join(map(str, words)).encode("utf-8", "surrogatepass")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def pick(generator: np.random.Generator, choices: tuple[Choice, ...]) -> Choice:
    """Return one of some choices."""
    return choices[int(generator.integers(len(choices)))]
