"""How long a download waits, and for what: each wait has an end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Waits in seconds; `least_bytes` in each `window_s` or the connection counts as stuck."""

    connect_s: float = 15
    read_s: float = 30
    #: From the first word of the question to the last of the answer's head, redirects included.
    head_s: float = 60
    window_s: float = 30
    least_bytes: int = 64 * 1024
    #: Breaks in a row that brought nothing, before it is left for another time.
    tries: int = 4
    #: Before the second try; twice as long before each further one.
    pause_s: float = 1
