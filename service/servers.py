"""Where a lane's ComfyUI is and how it is reached: at an address, or a child of ours that is started when needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.backend_keys import EMBEDDED, Backend
from service.comfy.access import bearer
from service.comfy.embedded import EmbeddedEngine
from service.config import Config
from service.errors import Unavailable


@dataclass(frozen=True)
class Reach:
    """How a server is spoken to: headers for its proxy, whom to trust, and the folder that both sides see."""

    headers: Mapping[str, str] = field(default_factory=dict)
    tls_verify: bool | Path = True
    shared_folder: Path | None = None
    previews: bool = True


@dataclass(frozen=True)
class Remote:
    """A ComfyUI that somebody else runs; when it is away it is waited for, never replaced."""

    backend: Backend
    embedded: bool = False
    life: int = 0

    def url(self) -> str:
        """Return its address."""
        return self.backend.url

    def reach(self) -> Reach:
        """Return how it is reached; raises Unavailable where its token can't be read."""
        headers = {name: value.get_secret_value() for name, value in self.backend.headers.items()}
        token = _token_of(self.backend)
        if token is not None:
            headers |= bearer(token)
        return Reach(headers, self.backend.tls_verify, self.backend.shared_folder, self.backend.previews)


class Embedded:
    """The engine of our own; started when a lane first asks for it, and again whenever it fell."""

    embedded = True

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = engine
        self._url: str | None = None
        #: How often it was started; each time it had died before.
        self.life = 0

    def url(self) -> str:
        """Return its address, starting it if it doesn't live; raises Unavailable where it can't start."""
        if self._url is None or not self._engine.alive():
            self._url = self._engine.start()
            self.life += 1
        return self._url

    def reach(self) -> Reach:
        """Return how it is reached: as it is."""
        return Reach()


def uses_embedded(config: Config) -> bool:
    """Return whether the embedded engine is the one backend."""
    return config.engine == "embedded" or (config.engine == "auto" and not config.backends)


def servers_of(config: Config) -> tuple[dict[str, Remote | Embedded], EmbeddedEngine | None]:
    """Return each lane's server by name, and the engine of our own where one is used."""
    servers: dict[str, Remote | Embedded] = {backend.name: Remote(backend) for backend in config.backends}
    if uses_embedded(config):
        engine = EmbeddedEngine(config.state_dir / "engine", config.models_dir / "models.yaml")
        return {**servers, EMBEDDED: Embedded(engine)}, engine
    return servers, None


def _token_of(backend: Backend) -> str | None:
    """Return a backend's token, read anew each time: it may be changed while we run."""
    if backend.token is not None:
        return backend.token.get_secret_value()
    if backend.token_variable is not None:
        token = os.environ.get(backend.token_variable, "").strip()
        if not token:
            title = f"The environment variable {backend.token_variable}, the token of {backend.name}, is not set."
            raise Unavailable("token_missing", title, "Set it for the service and start the service again.")
        return token
    if backend.token_file is not None:
        try:
            token = backend.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as trouble:
            title = f"The file with the token of {backend.name} can't be read ({type(trouble).__name__})."
            raise Unavailable("token_missing", title, "Correct token_file in config.yaml, or its rights.") from trouble
        if not token or not token.isprintable() or not token.isascii():
            title = f"The file with the token of {backend.name} holds no token."
            raise Unavailable("token_missing", title, "Write the token into it, on one line.")
        return token
    return None
