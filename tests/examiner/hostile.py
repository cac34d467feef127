"""Classifiers that misbehave as a decoder does that falls over a crafted file; picklable into the child."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
from numpy.typing import NDArray

from service.errors import Unavailable
from tests.marker_classifier import MarkerClassifier


class _OnMarker:
    """Behaves like the marker classifier until it sees the marker."""

    def score(self, rgb: NDArray[np.uint8]) -> float:
        if MarkerClassifier().score(rgb) == 1:
            return self.misbehave()
        return 0.0

    def misbehave(self) -> float:
        raise NotImplementedError


class Crashing(_OnMarker):
    """Dies of a segmentation fault."""

    def misbehave(self) -> float:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(30)
        return 0.0


class Hanging(_OnMarker):
    """Never comes back and never lets another thread run for long."""

    def misbehave(self) -> float:
        while True:
            pass


class Greedy(_OnMarker):
    """Asks for more memory than the child may have."""

    def misbehave(self) -> float:
        return float(np.ones(6 * 1024**3, np.uint8)[0])


class Odd(_OnMarker):
    """Answers what is no score."""

    def misbehave(self) -> float:
        return float("nan")


class Buggy(_OnMarker):
    """Raises something that nobody expects."""

    def misbehave(self) -> float:
        raise ZeroDivisionError("boo")


class Missing:
    """Can't be made, as with the model's file gone."""

    def __init__(self) -> None:
        raise Unavailable("screening_missing", "The model is missing.", "Install it again.")

    def score(self, rgb: NDArray[np.uint8]) -> float:
        return 0.0


class Uninstalled:
    """Lacks what it is made of."""

    def __init__(self) -> None:
        raise ModuleNotFoundError("No module named 'onnxruntime'")
