"""Consent: nothing that transfers an identity runs unless the job itself says that everyone shown has agreed."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.consents import SENTENCE
from tests.engine.running import running_engine
from tests.line.test_folder_drops import ended
from tests.line.test_retry import fail, retry
from tests.line.world import World, photo

PHOTO = photo((64, 48))
#: `Number` is the test engine's own class: on neither list, so it counts as carrying somebody's identity.
GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}},
    "2": {"class_type": "Number", "inputs": {"value": 4}, "_meta": {"title": "Somebody's node"}},
    "3": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": ["2", 0]}},
    "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": 8}},
    "5": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["4", 0], "filename_prefix": "x", "format": "auto", "codec": "auto"},
    },
}
MANIFEST = {
    "schema": 1,
    "title": "Somebody's face, moving",
    "task": "likeness",
    "media": {"image": {"kind": "picture", "node": "1", "input": "image"}},
    "parameters": {
        "frames": {"type": "whole", "minimum": 1, "maximum": 64, "default": 4, "to": {"node": "2", "input": "value"}}
    },
    "output": {"node": "5"},
}

pytestmark = pytest.mark.skipif("COMFY_URL" in os.environ, reason="the class is the test engine's own")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_engine(tmp_path_factory.mktemp("engine"), module="tests.engine.and_number") as started:
        yield started.url


def made(folder: Path, url: str | None, **keys: Any) -> World:
    workflows = folder / "workflows"
    (workflows / "presets").mkdir(parents=True)
    (workflows / "likeness.json").write_text(json.dumps(GRAPH))
    (workflows / "likeness.yaml").write_text(json.dumps(MANIFEST))
    (workflows / "presets" / "agreed.yaml").write_text("title: Agreed\nconsent: true\n")
    (workflows / "presets" / "slow.yaml").write_text("title: Slow\nframes: 6\n")
    return World(folder / "world", url, workflows_dir=str(workflows), **keys)


@pytest.fixture
def world(tmp_path: Path, engine: str) -> Iterator[World]:
    world = made(tmp_path, engine)
    yield world
    world.stop()


def drop(world: World, name: str, text: str, content: bytes = PHOTO) -> None:
    world.drop(f"likeness/{name}.jpg", content)
    world.drop(f"likeness/{name}.yaml", text)


def test_without_consent_it_is_refused_by_field_and_category_and_with_it_it_runs_and_is_recorded(world: World):
    with world:
        for name, text in {"anna": "frames: 4\n", "no": "consent: false\n", "agreed/by": "preset: slow\n"}.items():
            drop(world, name, text)
            refused = ended(world, f"likeness/{name}")
            assert (refused["state"], refused["error"]["code"]) == ("rejected", "consent_missing"), name
            assert "consent is missing" in refused["error"]["title"]
            assert "identity" in refused["error"]["title"]
            assert "consent: true into the job file itself" in refused["error"]["fix"]
            assert refused["consent"] is None
        drop(world, "bea", "consent: true\n")
        status = ended(world, "likeness/bea")
        assert (status["state"], status["error"]) == ("done", None)
        given = status["consent"]
        assert given["sentence"] == SENTENCE
        assert (given["owner"], given["host"]) == (getpass.getuser(), socket.gethostname())
        assert given["at"].endswith("Z")
        sha256 = hashlib.sha256(PHOTO).hexdigest()
        assert given["inputs"] == [{"role": "image", "file": "bea.jpg", "sha256": sha256}]
        assert status["chosen"] == "first of likeness's list that server can run"
        assert "consent" not in status["settings"]


def test_of_several_jobs_in_a_file_each_needs_it_and_above_them_it_counts_for_each(world: World):
    with world:
        drop(world, "two", "jobs:\n  - consent: true\n  - frames: 3\n")
        refused = ended(world, "likeness/two")
        assert (refused["state"], refused["error"]["code"]) == ("rejected", "consent_missing")
        assert "Job 2: " in refused["error"]["title"]
        drop(world, "three", "consent: true\njobs:\n  - frames: 2\n  - frames: 3\n")
        assert ended(world, "likeness/three")["state"] == "done"
        assert all(world.status(f"likeness/three_000{number}")["consent"] for number in (1, 2))


def test_a_status_file_or_a_result_has_it_only_if_this_database_knows_it_for_the_same_input(
    world: World, engine: str, tmp_path: Path
):
    with world:
        drop(world, "bea", "consent: true\n")
        first = ended(world, "likeness/bea")
        world.until_returned("done/likeness/bea.jpg")
        outbox = world.config.output_dir / "likeness"
        video, text = (outbox / "bea.mp4").read_bytes(), (outbox / "bea.status.json").read_text()
        for number, (name, content) in enumerate((("bea.status.json", text), ("bea.mp4", video)), start=2):
            world.drop(f"likeness/{name}", content)
            again = ended(world, f"likeness/bea_{number}")
            assert (again["state"], again["error"]) == ("done", None), again["error"]["title"]
            assert again["consent"] == first["consent"]
            world.until_returned(f"done/likeness/{name}")
        # The same words about somebody else's face.
        world.drop("likeness/other/bea.status.json", text)
        world.drop("likeness/other/bea.jpg", photo((80, 64)))
        refused = ended(world, "likeness/other/bea")
        assert (refused["state"], refused["error"]["code"]) == ("rejected", "consent_missing")
        assert "a status file or a result can't give it" in refused["error"]["fix"]
    with made(tmp_path / "elsewhere", engine) as elsewhere:
        forged = {**first, "settings": {**first["settings"], "consent": True}}
        elsewhere.drop("likeness/bea.jpg", PHOTO)
        elsewhere.drop("likeness/bea.status.json", json.dumps(forged))
        refused = ended(elsewhere, "likeness/bea")
        assert (refused["state"], refused["error"]["code"], refused["consent"]) == ("rejected", "consent_missing", None)


def test_a_retry_keeps_it(tmp_path: Path, engine: str):
    world = made(tmp_path, None, engine="off")
    with world:
        drop(world, "bea", "consent: true\n")
        given = world.until_state("likeness/bea", "queued")["consent"]
        assert given["sentence"] == SENTENCE
        fail(world, "bea")
        world.until_returned("rejected/likeness/bea.yaml")
        retry(world, "likeness/bea")
        assert world.until_state("likeness/bea", "queued")["consent"] == given
    running_world = World(
        tmp_path / "world", engine, workflows_dir=str(tmp_path / "workflows"), backends=[{"name": "gpu", "url": engine}]
    )
    with running_world:
        status = ended(running_world, "likeness/bea")
    assert (status["state"], status["attempt"], status["consent"]) == ("done", 2, given)


def test_a_picture_alone_waits_for_the_job_file_that_says_so(world: World):
    with world:
        world.drop("likeness/anna.jpg", PHOTO)
        drop(world, "bea", "consent: true\n")
        assert ended(world, "likeness/bea")["state"] == "done"
        assert world.app is not None
        assert [job.name for job in world.app.store.newest(10)] == ["bea"]
        world.drop("likeness/anna.yaml", "consent: true\n")
        assert ended(world, "likeness/anna")["state"] == "done"


def test_a_preset_can_never_give_it(world: World, caplog: pytest.LogCaptureFixture):
    with world:
        assert world.app is not None
        assert "agreed" not in world.app.library.presets
    assert "A preset can't set consent." in caplog.text
