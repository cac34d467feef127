"""The adult task as people and attackers use it: by its folder, by files of ours, by what is dropped elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.adult_workflow import ADULT_WORKFLOW, GUARD
from tests.line.test_folder_drops import ended
from tests.line.world import ROOT, World
from tests.workflows import with_shipped

SIZE = "width: 64\nheight: 64\nframes: 2\nsteps: 1\nseed: 7\n"
GROWN = f"prompt: a nude woman in her forties\n{SIZE}"
CUP = f"prompt: a cup\n{SIZE}"


class Everything:
    """Counts every picture as nudity."""

    def score(self, rgb: object) -> float:
        return 0.95


def models(folder: Path) -> str:
    """Return a list of models whose adult checkpoint fits the workflow."""
    folder.mkdir(exist_ok=True)
    text = (ROOT / "models/models.yaml").read_text()
    name = "- name: ponyDiffusionV6XL.safetensors\n"
    assert name in text
    before, _, after = text.partition(name)
    (folder / "models.yaml").write_text(before + name + after.replace("family: sdxl", "family: sd15", 1))
    return str(folder)


def adults(tmp_path: Path, url: str, **keys: Any) -> World:
    keys = {"workflows_dir": str(ROOT / "workflows"), "models_dir": models(tmp_path / "list"), **keys}
    world = World(tmp_path / "world", url, **keys)
    world.classifier = Everything
    return world


@pytest.fixture
def enabled(tmp_path: Path, engine_outside: str) -> Iterator[World]:
    world = adults(tmp_path, engine_outside, nsfw_enabled=True)
    yield world
    world.stop()


def refusal(world: World, path: str) -> str:
    status = ended(world, path)
    assert status["state"] == "rejected", status
    return str(status["error"]["code"])


def test_its_folder_is_there_only_where_the_operator_enables_it(tmp_path: Path, engine_outside: str):
    world = adults(tmp_path, engine_outside)
    with world:
        assert not (world.config.inbox_dir / "adult").exists()
        world.drop("adult/one.yaml", GROWN)
        world.drop("text-to-video/two.yaml", f"workflow: {ADULT_WORKFLOW}\n{CUP}")
        world.drop("text-to-video/three.yaml", f"checkpoint: ponyDiffusionV6XL.safetensors\n{CUP}")
        assert refusal(world, "text-to-video/two") == "adult_workflow"
        assert refusal(world, "text-to-video/three") == "adult_model"
        assert not (world.config.output_dir / "adult").exists()
    assert "adult/one.yaml" in world.inbox()


def test_an_adult_job_is_rendered_marked_and_not_screened(enabled: World):
    with enabled as world:
        world.drop("adult/one.yaml", f"{GROWN}negative_prompt: blurry\n")
        status = ended(world, "adult/one")
        assert status["state"] == "done", status["error"]
        graph = world.app.store.render(status["job"]).graph
        tags = world.app._drops_examiner.tags(world.config.output_dir / "adult/one.mp4")
    assert status["workflow"] == ADULT_WORKFLOW
    assert graph["6"]["inputs"]["text"] == f"{GUARD}, blurry"
    assert "true" in [text for name, text in tags.items() if name.lower() == "reeldrop_adult"]


def test_with_the_filter_adult_results_are_screened_like_all_others(tmp_path: Path, engine_outside: str):
    with adults(tmp_path, engine_outside, nsfw_enabled=True, nsfw_safety_filter=True) as world:
        world.drop("adult/one.yaml", GROWN)
        status = ended(world, "adult/one")
    assert (status["state"], status["error"]["code"]) == ("failed", "nudity_quarantined")


def test_every_other_job_is_screened_whatever_is_enabled(enabled: World):
    with enabled as world:
        world.drop("text-to-video/cup.yaml", CUP)
        status = ended(world, "text-to-video/cup")
    assert (status["state"], status["error"]["code"]) == ("failed", "nudity_quarantined")


ATTEMPTS = {
    "minor": (f"prompt: a schoolgirl\n{SIZE}", "possible_minor"),
    "negative": (f"{GROWN}negative_prompt: adult\n", "possible_minor"),
    "cfg": (f"{GROWN}cfg: 1\n", "out_of_range"),
    "cell": (f"{GROWN}matrix: {{cfg: [7, 1]}}\n", "out_of_range"),
    "words": (f"{SIZE}matrix: {{prompt: [a nude woman of forty, a nude teen]}}\n", "possible_minor"),
    "alternative": (f'prompt: "a nude {{teen|teenager}}"\n{SIZE}', "possible_minor"),
    "several": (f"{SIZE}jobs:\n- prompt: a nude man of forty\n- prompt: a nude boy\n", "possible_minor"),
    "checkpoint": (f"{GROWN}checkpoint: realisticVision_v51.safetensors\n", "adult_refused"),
    "slider": (f"{GROWN}sliders: {{age: -1}}\n", "field_not_taken"),
    "other": (f"workflow: text_to_video_basic\n{GROWN}", "wrong_task"),
    "named": (f"{GROWN}output: {{name: schoolgirl}}\n", "possible_minor"),
    "loli": (GROWN, "possible_minor"),
    "media": (f"{GROWN}image: cat.jpg\n", "field_not_taken"),
    "lora": (f"{GROWN}loras: [{{name: x.safetensors}}]\n", "adult_refused"),
}


def test_what_must_not_be_made_is_refused_and_the_words_are_told_to_nobody(enabled: World, caplog):
    with enabled as world:
        for name, (text, _) in ATTEMPTS.items():
            world.drop(f"adult/{name}.yaml", text)
        found = {name: refusal(world, f"adult/{name}") for name in ATTEMPTS}
        for name in ATTEMPTS:
            world.until_returned(f"rejected/adult/{name}.reason.txt")
        reasons = "".join(world.reason(f"adult/{name}") for name in ATTEMPTS)
    assert found == {name: code for name, (_, code) in ATTEMPTS.items()}
    assert "teenager" not in reasons
    assert "schoolgirl" not in reasons
    assert "refused for minor in prompt: 'schoolgirl'" in caplog.text


def test_a_job_that_waits_is_refused_when_adult_content_is_switched_off_meanwhile(tmp_path: Path, engine_outside: str):
    with adults(tmp_path, "http://127.0.0.1:9", nsfw_enabled=True) as world:
        world.drop("adult/one.yaml", GROWN)
        world.until_state("adult/one", "queued")
    with adults(tmp_path, engine_outside) as world:
        status = world.until_state("adult/one", "failed", "done")
    assert (status["state"], status["error"]["code"]) == ("failed", "adult_disabled")


def test_a_status_file_and_a_video_are_checked_afresh(enabled: World):
    with enabled as world:
        world.drop("adult/one.yaml", GROWN)
        status = ended(world, "adult/one")
        world.until_returned("done/adult/one.yaml")
        video = (world.config.output_dir / "adult/one.mp4").read_bytes()
        forged = {**status, "settings": {**status["settings"], "prompt": "a nude teenager"}, "consent": {"at": "now"}}
        world.drop("adult/forged.status.json", json.dumps(forged))
        weak = {**status, "settings": {**status["settings"], "cfg": 1.0}}
        world.drop("adult/weak.status.json", json.dumps(weak))
        unguarded = {**status, "settings": {**status["settings"], "negative_prompt": "blurry"}}
        world.drop("adult/unguarded.status.json", json.dumps(unguarded))
        moved = {**status, "settings": {**status["settings"], "prompt": "a cup"}}
        world.drop("text-to-video/moved.status.json", json.dumps(moved))
        world.drop("text-to-video/one.mp4", video)
        world.drop("adult/again.mp4", video)
        assert refusal(world, "adult/forged") == "possible_minor"
        assert refusal(world, "adult/weak") == "out_of_range"
        assert refusal(world, "text-to-video/moved") == "adult_workflow"
        assert refusal(world, "text-to-video/one") == "adult_workflow"
        assert ended(world, "adult/again")["state"] == "done"
        made = ended(world, "adult/unguarded")
        assert made["state"] == "done"
        assert world.app.store.render(made["job"]).graph["6"]["inputs"]["text"] == f"{GUARD}, blurry"


def test_a_result_of_the_adult_task_is_media_for_nothing(tmp_path: Path, engine_outside: str):
    library = with_shipped(tmp_path / "library")
    with adults(tmp_path, engine_outside, nsfw_enabled=True, workflows_dir=str(library)) as world:
        world.drop("adult/one.yaml", GROWN)
        assert ended(world, "adult/one")["state"] == "done"
        world.until_returned("done/adult/one.yaml")
    world.classifier = Harmless
    with world:
        world.drop("retouch/one.mp4", (world.config.output_dir / "adult/one.mp4").read_bytes())
        assert refusal(world, "retouch/one") == "adult_media"


class Harmless:
    """Counts no picture as nudity: what the screen misses is known by its own words."""

    def score(self, rgb: object) -> float:
        return 0.0
