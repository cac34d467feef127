"""A connection: what a lane waits on, and one life of its server as we know it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

from service.comfy.backlog import Backlog
from service.comfy.client import Client
from service.comfy.socket import Connected, Disconnected, Socket

#: How the words for our own engine begin; whoever must tell its results from a ComfyUI's asks for them.
PREVIEW_ENGINE = "Reeldrop preview engine"


class Stopped(Exception):
    """The daemon stops; the prompt stays where it is and is found again at the next start."""


class Ear:
    """What a lane waits on: frames of the socket, wake-ups, and being stopped; one queue, so that nothing polls."""

    def __init__(self) -> None:
        self._said = Backlog()
        self._stopping = threading.Event()
        self.hearing = False

    def tell(self, message: Any) -> None:
        """Put a message in; never blocks."""
        self._said.put(message)

    def stop(self) -> None:
        """Make every wait end, now and from now on."""
        self._stopping.set()
        self._said.put(None)

    def listen(self, timeout_s: float) -> Any:
        """Return the next message, or None after the time-out or a wake-up; raises Stopped."""
        try:
            said = self._said.get(timeout=timeout_s)
        except queue.Empty:
            said = None
        if self._stopping.is_set():
            raise Stopped
        if isinstance(said, Connected | Disconnected):
            self.hearing = isinstance(said, Connected)
        return said

    def drain(self, seconds: float) -> None:
        """Wait so long, and drop what is said meanwhile; raises Stopped."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self.listen(left_s)

    def rest(self, seconds: float) -> None:
        """Wait without listening; raises Stopped."""
        if self._stopping.wait(seconds):
            raise Stopped


class Connection:
    """One life of a server as we know it: its client, its socket, what it is and what it can do.

    Raises Unavailable where the server can't be reached or isn't a ComfyUI.
    """

    def __init__(self, url: str, client_id: str, ear: Ear) -> None:
        self.url = url
        self.client = Client(url)
        self.engine = engine_words(self.client.system_stats())
        self.object_info: Mapping[str, Any] = self.client.object_info()
        ear.hearing = False
        self._socket = Socket(url, client_id, ear.tell)
        self._socket.start()

    @property
    def client_id(self) -> str:
        """The id under which the socket listens now; a new one after each reconnect."""
        return self._socket.client_id

    def close(self) -> None:
        """Leave the server; what it runs goes on there."""
        self._socket.stop()
        self.client.close()


def engine_words(stats: Mapping[str, Any]) -> str:
    """Return the engine's name and version from /system_stats; the embedded engine says that it is one."""
    system = stats.get("system") or {}
    version = system.get("comfyui_version", "of unknown version")
    if "reeldrop_engine" in system:
        return f"{PREVIEW_ENGINE} {system['reeldrop_engine']}, in place of ComfyUI {version}"
    return f"ComfyUI {version}"
