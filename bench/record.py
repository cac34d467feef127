"""A proxy before the engine that notes when each request reached it."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from bench.site import wait_until
from tests.faults.proxy import Proxy
from tests.faults.script import Fault


class Recorder(Proxy):
    """Passes everything on; a request counts as arrived once its head has been read."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        #: (method and path, moment on perf_counter), in order.
        self.arrivals: list[tuple[str, float]] = []

    def note(self, method: str, target: str) -> list[Fault]:
        self.arrivals.append((f"{method} {urlsplit(target).path}", time.perf_counter()))
        return super().note(method, target)

    def arrival(self, request: str, after_s: float, seconds: float = 30) -> float:
        """Return when the first such request after a moment arrived, waiting for it."""
        found: list[float] = []

        def arrived() -> bool:
            found[:] = [at for what, at in list(self.arrivals) if what == request and at > after_s]
            return bool(found)

        wait_until(arrived, seconds, f"{request} arrives")
        return found[0]
