"""reeldrop workflows: what people read of their workflows, and the exit codes that scripts go by."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.comfy.embedded import EmbeddedEngine
from service.commands import commands
from service.errors import Rejected
from tests.line.test_own_workflows import GREY
from tests.line.world import ROOT
from tests.workflows import OUTSIDE, SHIPPED


@pytest.fixture(scope="module")
def engine_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if url := os.environ.get("COMFY_URL"):
        yield url
        return
    engine = EmbeddedEngine(tmp_path_factory.mktemp("engine"), ROOT / "models" / "models.yaml")
    yield engine.start()
    engine.stop()


@pytest.fixture
def home(tmp_path: Path, engine_outside: str) -> Path:
    shutil.copytree(OUTSIDE, tmp_path / "workflows")
    set_up(tmp_path, [{"name": "gpu-1", "url": engine_outside}])
    return tmp_path


def set_up(home: Path, backends: list[dict[str, Any]], **more: Any) -> None:
    folders = {"workflows_dir": str(home / "workflows"), "models_dir": str(ROOT / "models")}
    (home / "config.yaml").write_text(json.dumps({**folders, "backends": backends, **more}))


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(commands, ["workflows", *words, "--config", str(home / "config.yaml")])


def told(home: Path, *words: str) -> dict[str, Any]:
    return dict(json.loads(call(home, *words, "--json").output))


def put(home: Path, name: str, content: Any) -> None:
    (home / "workflows" / name).write_text(json.dumps(content))


def test_the_list_says_where_to_drop_what_and_names_what_is_left_out(home: Path):
    put(home, "drawn.json", {"nodes": [], "links": []})
    put(home, "grey_clip.json", GREY)
    fed = {"class_type": "Unheard", "inputs": {"images": ["1", 0]}}
    put(home, "theirs.json", {**GREY, "4": fed, "2": {**GREY["2"], "inputs": {"images": ["4", 0], "fps": 8.0}}})
    result = call(home, "list")
    assert result.exit_code == 0
    assert (
        "image_to_video_svd: Image to video (Stable Video Diffusion XT)\n  drop files into inbox/image-to-video/"
        in (result.output)
    )
    assert "  needs a picture (image)\n" in result.output
    assert "drop files into inbox/grey-clip/" in result.output
    assert "its jobs need consent: true" in result.output
    assert "left out: workflows/drawn.json\n  The graph is in ComfyUI's UI format" in result.output
    listed = {each["name"]: each for each in told(home, "list")["workflows"]}
    assert next(iter(listed)) == "text_to_video_basic"
    assert list(listed).index("image_to_video_svd") < list(listed).index("image_to_video_animatediff")
    assert (listed["grey_clip"]["drafted"], listed["theirs"]["consent"]) == (True, True)
    assert listed["image_to_video_svd"]["media"] == {"image": "picture"}
    assert not (home / "workflows" / "grey_clip.yaml").exists(), "a command only looks"


def test_show_says_what_a_job_may_set_and_what_must_be_there(home: Path):
    shutil.copytree(SHIPPED, home / "workflows", dirs_exist_ok=True)
    result = call(home, "show", "image_to_video_svd")
    assert result.exit_code == 0
    assert "  frames: a whole number, 2 to 50, 25 unless set\n" in result.output
    assert "  width: a whole number, 64 to 1280, a multiple of 8, 1024 unless set\n" in result.output
    assert "becomes smaller where memory is short: frames 14; width 0.75, height 0.75" in result.output
    assert "https://github.com/Kosinkadink/ComfyUI-VideoHelperSuite" in result.output
    assert "models/checkpoints/svd_xt.safetensors from https://huggingface.co/" in result.output
    report = told(home, "show", "image_to_video_svd.yaml")
    assert report["parameters"]["frames"] == {"type": "whole", "default": 25, "minimum": 2, "maximum": 50}
    assert report["needs"]["comfyui"] == "0.3.64"


@pytest.mark.skipif("COMFY_URL" in os.environ, reason="what a true server can run is its own business")
def test_what_cannot_be_run_by_anybody_says_so_and_counts_only_when_it_is_asked_for(home: Path):
    for path in (home / "workflows").iterdir():
        if path.is_file() and path.stem not in ("motion_transfer_magicanimate", "text_to_video_basic"):
            path.unlink()
    words = "can't be run: its node pack doesn't load with the diffusers of today"
    for command in (["list"], ["show", "motion_transfer_magicanimate"], ["check"]):
        result = call(home, *command)
        assert result.exit_code == 0
        assert words in result.output
    assert call(home, "check", "motion_transfer_magicanimate").exit_code == 3
    (found,) = told(home, "check", "motion_transfer_magicanimate")["workflows"]
    assert (found["sound"], found["unavailable"].startswith("its node pack")) == (False, True)
    set_up(home, [{"name": "gpu-2", "url": "http://127.0.0.1:9"}])
    assert call(home, "check", "motion_transfer_magicanimate").exit_code == 3, "nor where nobody can be asked"


@pytest.mark.skipif("COMFY_URL" in os.environ, reason="light workflows stand in for these there")
def test_show_tells_switches_and_media_that_needn_t_be_brought(home: Path):
    result = call(home, "show", "combined_pipeline")
    assert "goes by a video (reference) and a picture (source) too, where a job brings it\n" in result.output
    assert "needs a picture" not in result.output
    assert "  switches.face_swap: on with a file as source. Puts the face" in result.output
    assert "  switches.restore: on unless set. Restores" in result.output
    assert "  switches.upscale: off unless set. Frames twice" in result.output
    report = told(home, "show", "combined_pipeline")
    assert report["optional"] == ["reference", "source"]
    assert "switches" in report["takes"]
    assert not {"matrix", "switches.upscale"} & set(report["takes"])


@pytest.mark.skipif("COMFY_URL" in os.environ, reason="it is about the engine of our own")
def test_what_the_preview_engine_lacks_is_said_as_what_it_is(home: Path):
    set_up(home, [], engine="embedded")
    result = call(home, "check", "face_swap_video")
    assert result.exit_code == 3
    (line,) = [each for each in result.output.splitlines() if "on embedded" in each]
    assert "The preview engine can't run this workflow: it has no ReActor" in line
    assert "backends in config.yaml" in line


def test_a_check_asks_the_backends_and_its_exit_code_says_whether_all_is_well(home: Path):
    for path in (home / "workflows").glob("*_*.*"):
        path.unlink()
    put(home, "grey_clip.json", GREY)
    result = call(home, "check")
    assert (result.exit_code, result.output) == (0, "grey_clip: may run, on gpu-1\n")
    put(home, "theirs.json", {**GREY, "4": {"class_type": "Unheard", "inputs": {}}})
    put(home, "drawn.json", {"nodes": [], "links": []})
    loading = {**GREY, "1": {"class_type": "VHS_LoadVideoPath", "inputs": {"video": "/x.mp4"}}}
    put(home, "loading.json", loading)
    report = told(home, "check")
    found = {each["name"]: each for each in report["workflows"]}
    assert (found["grey_clip"]["sound"], found["grey_clip"]["able"]) == (True, ["gpu-1"])
    # Nothing leads from the unknown node to what is saved.
    assert (found["theirs"]["sound"], found["theirs"]["consent"]) == (True, False), (
        "nothing leads from the unknown node to what is saved"
    )
    assert {each["code"] for each in found["loading"]["refused"]} == {"loader_refused"}
    assert report["broken"][0]["file"] == "workflows/drawn.json"
    assert call(home, "check").exit_code == 3
    assert call(home, "check", "grey_clip").exit_code == 0
    assert call(home, "check", "loading").exit_code == 3


def test_what_is_missing_is_named_with_its_cure_and_one_able_backend_is_enough(home: Path, engine_outside: str):
    steps = {"class_type": "RIFE VFI", "inputs": {"frames": ["1", 0]}, "_meta": {"title": "Smooth"}}
    put(home, "smooth.json", {**GREY, "4": steps, "2": {**GREY["2"], "inputs": {"images": ["4", 0], "fps": 8.0}}})
    result = call(home, "check", "smooth")
    assert result.exit_code == 3
    assert (
        "smooth: can't run (its jobs need consent: true)\n  on gpu-1: The server lacks the node RIFE" in result.output
    )
    assert "on gpu-1: The server lacks the node RIFE VFI (node 4 ‘Smooth’ of the workflow)." in result.output
    assert "https://github.com/Fannovel16/ComfyUI-Frame-Interpolation" in result.output
    away = {"name": "gpu-2", "url": "http://127.0.0.1:9"}
    set_up(home, [{"name": "gpu-1", "url": engine_outside}, away])
    put(home, "grey_clip.json", GREY)
    both = call(home, "check", "grey_clip")
    assert both.exit_code == 0
    assert both.output.startswith("gpu-2 doesn't answer: ")
    set_up(home, [away])
    alone = call(home, "check", "grey_clip")
    assert (alone.exit_code, "No backend answers" in alone.output) == (0, True)


def test_without_a_backend_the_embedded_engine_is_asked(home: Path):
    set_up(home, [], engine="embedded")
    result = call(home, "check", "text_to_video_basic")
    assert (result.exit_code, result.output) == (0, "text_to_video_basic: may run, on embedded\n")


def test_a_name_that_is_none_gets_the_nearest_and_a_broken_one_its_reason(home: Path):
    put(home, "drawn.json", {"nodes": [], "links": []})
    for name, words in (("image_to_video_svt", "Did you mean image_to_video_svd?"), ("drawn", "UI format")):
        result = call(home, "show", name)
        assert isinstance(result.exception, Rejected)
        assert words in str(result.exception)
