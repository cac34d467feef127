"""What waits between a socket that always reads and a lane that may be busy: a queue with a bound for frames."""

from __future__ import annotations

import queue
import threading
from typing import Any

#: A lane that sends a large file hears nothing for minutes; 40 previews a second of 30 kB are far below this.
_MOST_BYTES = 64 * 1024 * 1024
_MOST_FRAMES = 20_000


class Backlog:
    """A queue of frames (text, bytes) and of anything else, from many threads to one.

    Frames beyond the bound are dropped, for they are hints and history has the truth; what is no frame never is.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES, most_frames: int = _MOST_FRAMES) -> None:
        self._most_bytes, self._most_frames = most_bytes, most_frames
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._bytes = self._frames = 0

    def put(self, message: Any) -> None:
        """Put a message in, or drop it; never blocks."""
        if isinstance(message, str | bytes):
            with self._lock:
                if self._bytes + len(message) > self._most_bytes or self._frames >= self._most_frames:
                    return
                self._bytes += len(message)
                self._frames += 1
        self._waiting.put(message)

    def get(self, timeout: float) -> Any:
        """Return the oldest message; raise queue.Empty after so many seconds."""
        message = self._waiting.get(timeout=timeout)
        if isinstance(message, str | bytes):
            with self._lock:
                self._bytes -= len(message)
                self._frames -= 1
        return message
