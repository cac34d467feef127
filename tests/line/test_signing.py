"""Signed results: the whole line with a certificate, and what becomes of a job that can't be signed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.commands import commands
from tests.line.world import SMALL, World

#: No model has been trained where rules draw; what a ComfyUI renders comes out of one.
SOURCE = "trainedAlgorithmicMedia" if "COMFY_URL" in os.environ else "algorithmicMedia"


@pytest.fixture
def signing(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "keys"
    assert CliRunner().invoke(commands, ["verify", "--make-certificate", str(folder)]).exit_code == 0
    return {"certificate": str(folder / "certificate.pem"), "private_key": str(folder / "private_key.pem")}


def verified(world: World, file: str) -> dict:
    config = world.folder / "config.yaml"
    config.write_text(json.dumps({"c2pa": {key: str(path) for key, path in vars(world.config.c2pa).items() if path}}))
    done = CliRunner().invoke(
        commands, ["verify", "--json", "--config", str(config), str(world.config.output_dir / file)]
    )
    return json.loads(done.stdout)


def verdicts(told: dict) -> dict[str, str]:
    return {finding["check"]: finding["verdict"] for finding in told["findings"]}


def test_results_are_signed_where_their_format_carries_it_and_verify_reads_it_back(
    tmp_path: Path, engine_outside, signing
):
    with World(tmp_path / "world", engine_outside, c2pa=signing) as world:
        world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}")
        world.drop("text-to-video/gif.yaml", f"prompt: a cup\noutput: {{format: gif, fps: 10}}\n{SMALL}")
        world.drop("text-to-video/web.yaml", f"prompt: a cup\noutput: {{format: webm}}\n{SMALL}")
        done = {name: world.until_state(f"text-to-video/{name}", "done", "failed") for name in ("cup", "gif", "web")}
    assert {name: status["state"] for name, status in done.items()} == dict.fromkeys(done, "done")
    assert {name: status["outputs"][0]["signed"] for name, status in done.items()} == {
        "cup": True, "gif": True, "web": False,
    }  # fmt: skip
    for file in ("cup.mp4", "gif.gif"):
        told = verified(world, f"text-to-video/{file}")
        assert told["fine"], told
        assert (told["c2pa"]["state"], verdicts(told)["c2pa"]) == ("Trusted", "fine")
        assert told["c2pa"]["source_types"] == [SOURCE]
    told = verified(world, "text-to-video/web.webm")
    assert (told["fine"], verdicts(told)["c2pa"]) == (True, "absent")


def test_a_job_that_can_not_be_signed_is_held_and_goes_on_once_it_can(tmp_path: Path, engine_outside, signing):
    key = Path(signing["private_key"])
    aside = key.rename(key.with_suffix(".aside"))
    with World(tmp_path / "world", engine_outside, c2pa=signing) as world:
        world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}")
        hold = world.until_hold("text-to-video/cup", "signing_failed")
        assert "c2pa.private_key" in hold["title"]
        assert str(tmp_path) not in json.dumps(world.status("text-to-video/cup")["hold"])
        assert not [name for name in world.outbox() if name.endswith(".mp4")]
        aside.rename(key)
        status = world.until_state("text-to-video/cup", "done", "failed")
    assert (status["state"], status["outputs"][0]["signed"]) == ("done", True)
