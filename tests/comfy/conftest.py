"""The server that the client's tests speak to: the embedded engine, or the true ComfyUI that COMFY_URL names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.comfy.client import Client
from service.comfy.embedded import EmbeddedEngine
from tests.faults.proxy import Proxy

MODELS = Path(__file__).resolve().parents[2] / "models" / "models.yaml"


@pytest.fixture(scope="session")
def comfy_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server: COMFY_URL if it is set, otherwise an engine of our own."""
    if os.environ.get("COMFY_URL"):
        yield os.environ["COMFY_URL"]
        return
    engine = EmbeddedEngine(tmp_path_factory.mktemp("engine"), MODELS)
    yield engine.start()
    engine.stop()


@pytest.fixture
def proxy(comfy_url: str) -> Iterator[Proxy]:
    """A scripted proxy before that server."""
    with Proxy(comfy_url) as standing:
        yield standing


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    """A client that speaks to the server through the proxy."""
    speaking = Client(proxy.url, read_s=3)
    yield speaking
    speaking.close()
