"""What commands ask of servers themselves, without a daemon."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from service.backend_keys import EMBEDDED, Backend
from service.comfy.client import Client
from service.comfy.embedded import EmbeddedEngine
from service.config import Config
from service.errors import Unavailable
from service.servers import Remote, uses_embedded

Answers = tuple[dict[str, Mapping[str, Any]], dict[str, str]]


def ask_all(config: Config) -> Answers:
    """Return what each backend that answers says it has, and why the others didn't."""
    with _clients(config) as clients:
        return _ask(clients)


def ask_one(config: Config, where: str) -> Answers:
    """Return what the backend of this name or address says it has, or why it doesn't; any other address counts too."""
    known = next((backend for backend in config.backends if where in (backend.name, backend.url)), None)
    return _ask({where: partial(_client_of, known) if known is not None else partial(Client, where)})


def _ask(clients: Mapping[str, Callable[[], Client]]) -> Answers:
    infos: dict[str, Mapping[str, Any]] = {}
    silent: dict[str, str] = {}
    for name, reach in clients.items():
        try:
            with closing(reach()) as client:
                infos[name] = client.object_info()
        except Unavailable as away:
            silent[name] = f"{away.title} {away.fix}"
        except (OSError, ValueError) as trouble:
            silent[name] = str(trouble)
    return infos, silent


@contextmanager
def _clients(config: Config) -> Iterator[dict[str, Callable[[], Client]]]:
    if not uses_embedded(config):
        yield {backend.name: partial(_client_of, backend) for backend in config.backends}
        return
    # One of our own for a moment: the daemon's may be at work, and its address is nobody else's.
    with tempfile.TemporaryDirectory(prefix="reeldrop-") as folder:
        engine = EmbeddedEngine(Path(folder), config.models_dir / "models.yaml")
        try:
            yield {EMBEDDED: lambda: Client(engine.start())}
        finally:
            engine.stop()


def _client_of(backend: Backend) -> Client:
    reach = Remote(backend).reach()
    return Client(backend.url, headers=reach.headers, tls_verify=reach.tls_verify)
