"""Where a lane's ComfyUI is: at an address, or a child of ours that is started when it is needed."""

from __future__ import annotations

from dataclasses import dataclass

from service.comfy.embedded import EmbeddedEngine
from service.config import Config


@dataclass(frozen=True)
class Remote:
    """A ComfyUI that somebody else runs; when it is away it is waited for, never replaced."""

    address: str
    embedded: bool = False
    life: int = 0

    def url(self) -> str:
        """Return its address."""
        return self.address


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


def uses_embedded(config: Config) -> bool:
    """Return whether the embedded engine is the one backend."""
    return config.engine == "embedded" or (config.engine == "auto" and not config.backends)


def servers_of(config: Config) -> tuple[dict[str, Remote | Embedded], EmbeddedEngine | None]:
    """Return each lane's server by name, and the engine of our own where one is used."""
    if uses_embedded(config):
        engine = EmbeddedEngine(config.state_dir / "engine", config.models_dir / "models.yaml")
        return {"embedded": Embedded(engine)}, engine
    return {backend.name: Remote(backend.url) for backend in config.backends}, None
