"""A classifier for tests: pure magenta counts as nudity, everything else as harmless.

Pass the class itself as the examiner's classifier; it can be pickled into the child process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: The colour that scores 1; what encoders make of it still does.
MARKER = (255, 0, 255)


class MarkerClassifier:
    """Scores 1 if at least one pixel in 500 is magenta, otherwise 0."""

    def score(self, rgb: NDArray[np.uint8]) -> float:
        red, green, blue = (rgb[:, :, channel].astype(int) for channel in range(3))
        marked = (red > 190) & (green < 90) & (blue > 190)
        return 1.0 if marked.mean() > 1 / 500 else 0.0
