"""One engine for all tests of a session, with the models that the recorded server had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.running import Engine, running_engine

#: What the recorded server had; the engine lists what the file names.
MODELS = """\
- {name: random_sd15_full.safetensors, folder: checkpoints, workflows: []}
- {name: random_sd15_tiny.safetensors, folder: checkpoints, workflows: []}
- {name: random_v3_motion.safetensors, folder: animatediff_models, workflows: []}
"""


@pytest.fixture(scope="session")
def models_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "models.yaml"
    path.write_text(MODELS)
    return path


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, models_file: Path) -> Iterator[Engine]:
    """An engine of all classes for the whole session: use names of your own in its folders."""
    with running_engine(tmp_path_factory.mktemp("engine"), models_file) as found:
        yield found


@pytest.fixture(scope="session")
def engine_url(engine: Engine) -> str:
    return engine.url
