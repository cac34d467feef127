import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.comfy.embedded import EmbeddedEngine
from tests.line.world import ROOT, World


@pytest.fixture(scope="session")
def engine_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that lives outside every daemon of the tests: an engine of ours, or the ComfyUI at COMFY_URL."""
    if url := os.environ.get("COMFY_URL"):
        yield url
        return
    engine = EmbeddedEngine(tmp_path_factory.mktemp("engine"), ROOT / "models" / "models.yaml")
    yield engine.start()
    engine.stop()


@pytest.fixture
def world(tmp_path: Path, engine_outside: str) -> Iterator[World]:
    world = World(tmp_path, engine_outside)
    yield world
    world.stop()
