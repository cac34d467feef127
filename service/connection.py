"""A connection: what a lane waits on, and one life of its server as we know it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from service.comfy.backlog import Backlog
from service.comfy.client import Client
from service.comfy.fetch import Files as Fetching
from service.comfy.hearing import Hearing
from service.comfy.prompt import EXTRA_DATA
from service.comfy.shared_folder import SharedFolder
from service.comfy.socket import Connected, Disconnected, Socket
from service.servers import Reach

#: A client id is given up for being deaf at most this often.
_RENEW_GAP_S = 60.0
#: How the words for our own engine begin; whoever must tell its results from a ComfyUI's asks for them.
PREVIEW_ENGINE = "Reeldrop preview engine"


class Stopped(Exception):
    """The daemon stops; the prompt stays where it is and is found again at the next start."""


class Files(Fetching, Protocol):
    """How files get to a server and back: over HTTP, or through a folder that both see."""

    def upload(self, path: Path, name: str, subfolder: str, kind: str = "temp") -> str:
        """Put a file into the server's folder `kind` and return the reference that a loader node takes."""


class Ear:
    """What a lane waits on: frames of the socket, wake-ups, and being stopped; one queue, so that nothing polls."""

    def __init__(self) -> None:
        self._said = Backlog()
        self._stopping = threading.Event()

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
            said = self._said.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            said = None
        if self._stopping.is_set():
            raise Stopped
        return said

    def rest(self, seconds: float) -> None:
        """Wait without listening; raises Stopped."""
        if self._stopping.wait(seconds):
            raise Stopped


class Connection:
    """One life of a server as we know it: its client, its socket, what it is, what it can do, whether it is heard.

    Raises Unavailable where the server can't be reached or isn't a ComfyUI.
    """

    def __init__(self, url: str, client_id: str, ear: Ear, reach: Reach, monotonic: Callable[[], float]) -> None:
        self.url = url
        self._monotonic = monotonic
        self.client = client_at(url, reach)
        self.engine = engine_words(self.client.system_stats())
        self.object_info: Mapping[str, Any] = self.client.object_info()
        self.files: Files = SharedFolder(reach.shared_folder) if reach.shared_folder else self.client
        #: What goes with every prompt.
        self.extra_data = EXTRA_DATA if reach.previews else {**EXTRA_DATA, "preview_method": "none"}
        self.hearing = Hearing()
        self._renewed_s = float("-inf")
        self._socket = Socket(url, client_id, ear.tell, headers=reach.headers, tls_verify=reach.tls_verify)
        self._socket.start()

    @property
    def client_id(self) -> str:
        """The id under which prompts are sent from now on."""
        return self._socket.client_id

    def ask_again(self) -> None:
        """Ask the server anew what it has; raises Unavailable."""
        self.object_info = self.client.object_info()

    def take_note(self, said: Any) -> None:
        """Note what the socket says of itself, and that it says anything."""
        if isinstance(said, Connected):
            self.hearing.connected(self._monotonic(), said.client_id)
        elif isinstance(said, Disconnected):
            self.hearing.disconnected()
        else:
            self.hearing.heard(self._monotonic())

    def heed_deafness(self) -> bool:
        """Take a fresh client id where a change that HTTP showed was not told of; return whether that was so."""
        now = self._monotonic()
        if self._socket.heard_s is not None:
            # Frames may still lie in the ear.
            self.hearing.heard(self._socket.heard_s)
        # Where a stuck client of somebody else's silences the server for everybody, another id doesn't help.
        if not self.hearing.deaf(now) or now - self._renewed_s < _RENEW_GAP_S:
            return False
        self._renewed_s = now
        self.hearing.disconnected()
        self._socket.renew()
        return True

    def close(self) -> None:
        """Leave the server; what it runs goes on there."""
        self._socket.stop()
        self.client.close()


def client_at(url: str, reach: Reach) -> Client:
    """Return a client of the server at an address; nothing is asked yet."""
    return Client(url, headers=reach.headers, tls_verify=reach.tls_verify)


def engine_words(stats: Mapping[str, Any]) -> str:
    """Return the engine's name and version from /system_stats; the embedded engine says that it is one."""
    system = stats.get("system") or {}
    version = system.get("comfyui_version", "of unknown version")
    if "reeldrop_engine" in system:
        return f"{PREVIEW_ENGINE} {system['reeldrop_engine']}, in place of ComfyUI {version}"
    return f"ComfyUI {version}"
