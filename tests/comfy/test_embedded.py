"""The embedded engine as a child: it starts, answers, and never outlives us."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from service.comfy.client import Client
from service.comfy.embedded import EmbeddedEngine
from service.errors import Unavailable
from tests.comfy.conftest import MODELS
from tests.comfy.following import until


def test_it_starts_answers_and_stops(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path, MODELS)
    assert not engine.alive()
    client = Client(engine.start())
    assert engine.alive()
    assert "reeldrop_engine" in client.system_stats()["system"]
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 4
    assert not engine.alive()
    with pytest.raises(Unavailable) as caught:
        client.system_stats()
    assert caught.value.refused
    client.close()
    engine.stop()


def test_one_that_died_is_noticed_and_can_be_started_again(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path, MODELS)
    engine.start()
    assert engine._process is not None
    engine._process.kill()
    until(lambda: not engine.alive(), 5)
    client = Client(engine.start())
    client.system_stats()
    client.close()
    engine.stop()


def test_one_that_cannot_start_says_why_and_where_to_read_more(tmp_path: Path) -> None:
    broken = tmp_path / "models.yaml"
    broken.write_text("- [this is no list of models")
    engine = EmbeddedEngine(tmp_path, broken)
    with pytest.raises(Unavailable) as caught:
        engine.start()
    assert caught.value.code == "engine_failed"
    assert "/engine.log" in caught.value.fix
    assert str(tmp_path) not in f"{caught.value.title} {caught.value.fix}"
    assert (tmp_path / "engine.log").read_text()
    assert not engine.alive()


def test_its_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_bytes(b"old\n" * 1_500_000)
    engine = EmbeddedEngine(tmp_path, MODELS)
    engine.start()
    engine.stop()
    assert (tmp_path / "engine.log").stat().st_size < 1_000_000


def test_it_ends_when_we_are_gone(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path, MODELS)
    engine.start()
    process = engine._process
    assert process is not None
    assert process.stdin is not None
    os.close(os.dup(process.stdin.fileno()))
    process.stdin.close()  # as the system does when our process ends
    assert process.wait(5) == 0
    assert process.stdin.closed
    until(lambda: not engine.alive(), 1)
