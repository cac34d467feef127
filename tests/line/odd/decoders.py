"""Classifiers that hang over a marked picture until they are let go or killed; picklable into the examiner."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.marker_classifier import MarkerClassifier


@dataclass(frozen=True)
class Hanging:
    """Makes a classifier that says in `folder` that it hangs, and dies as decoders do once `go` lies there."""

    folder: Path

    def __call__(self) -> Hanging:
        return self

    def score(self, rgb: NDArray[np.uint8]) -> float:
        """Return 0 for what isn't marked, and nothing for what is."""
        if MarkerClassifier().score(rgb) < 1:
            return 0.0
        (self.folder / "hangs").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.01)
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
        return 0.0
