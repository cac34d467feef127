"""The first design's config.yaml, word for word: it loads, and each of its keys shows in the graph or in the job."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.binding import Binding
from service.cells import cells_of
from service.commands.speech import keep_log
from service.config import parse
from service.errors import Rejected
from service.job import MediaFacts, MediaKind
from service.job_fields import JobSettings
from service.library import load
from service.reading import Dropped, read
from service.workflow import Bound, bind
from tests.line.test_adult import GROWN, adults
from tests.line.test_folder_drops import ended
from tests.line.world import ROOT, World

DESIGN = (ROOT / "tests" / "design-config.yaml").read_text(encoding="utf-8")
KEYS: dict[str, Any] = yaml.safe_load(DESIGN)
CUP = "prompt: a cup\n"
TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\nseed: 7\n"
PICTURE = MediaFacts(MediaKind.PICTURE, "png", 64, 64, 1, None, None, "png", audio=False)
CLIP = MediaFacts(MediaKind.VIDEO, "mp4", 64, 64, 25, 25.0, 1.0, "h264", audio=True)


def design(**changes: Any) -> str:
    """Return the design's file with other values behind some of its keys; all else stays as it is written."""
    text = DESIGN
    for key, value in changes.items():
        text, found = re.subn(rf"^{key}: .*$", f"{key}: {json.dumps(value)}", text, flags=re.MULTILINE)
        assert found == 1, key
    return text


def job(text: str = CUP, task: str = "text-to-video", **changes: Any) -> tuple[Bound, dict[str, Any]]:
    """Return what becomes of a job file under the design's configuration: its graph, and its settings as told."""
    library = load(parse(design(**changes), ROOT))
    readings = read(Dropped(task, "", "cup", "job_file", text.encode(), ()), library)
    made = Binding(library, dict, embedded=False).bind(cells_of(readings, 1), {}, ["id"])[0]
    return made.bound, dict(made.settings)


def inputs_of(bound: Bound, class_type: str) -> dict[str, Any]:
    (node,) = [node for node in bound.graph.values() if node["class_type"] == class_type]
    found: dict[str, Any] = node["inputs"]
    return found


def refused(text: str, **changes: Any) -> tuple[str, str | None]:
    with pytest.raises(Rejected) as caught:
        job(text, **changes)
    return caught.value.problems[0].code, caught.value.problems[0].field


def swapped(**changes: Any) -> dict[str, Any]:
    """Return what goes into the node that swaps faces."""
    config = parse(design(**changes), ROOT)
    flow = load(config).workflows["face_swap_video"]
    media = {"target": "reeldrop/x/t.mp4 [temp]", "source": "reeldrop/x/s.png [temp]"}
    facts = {"target": CLIP, "source": PICTURE}
    bound = bind(flow, JobSettings(), 7, media, "reeldrop/x", config.workflow_defaults(), facts)
    return inputs_of(bound, "ReActorFaceSwapOpt")


def test_each_of_its_keys_has_a_test_here():
    assert list(KEYS) == [
        "output_dir", "temp_dir", "log_level", "default_checkpoint", "nsfw_checkpoint", "vae", "default_fps",
        "default_frames", "max_frames", "video_format", "video_codec", "default_steps", "default_cfg",
        "default_sampler", "face_enhancer", "face_swap_model", "nsfw_enabled", "nsfw_safety_filter",
        "age_slider_default", "age_slider_range", "body_slider_default", "body_slider_range",
    ]  # fmt: skip
    assert [key for key in KEYS if key not in " ".join(globals())] == []


# General ---------------------------------------------------------------------------------------------------------


class Scribbler:
    """Leaves a file where temporary files go; it finds nothing in any picture."""

    def score(self, _rgb: object) -> float:
        (Path(tempfile.gettempdir()) / "scratch").touch()
        return 0.0


def test_output_dir_and_temp_dir_are_where_results_and_scratch_files_go(tmp_path: Path, engine_outside: str):
    world = World(tmp_path, engine_outside, **KEYS)
    world.classifier = Scribbler
    with world:
        world.drop("text-to-video/cup.yaml", f"{CUP}{TINY}")
        status = ended(world, "text-to-video/cup")
    assert status["state"] == "done", status["error"]
    assert (tmp_path / "outputs" / "text-to-video" / "cup.mp4").stat().st_size == status["outputs"][0]["bytes"]
    assert not (tmp_path / "outbox").exists()
    assert (tmp_path / "temp" / "scratch").exists()


def test_temp_dir_moves_the_scratch_files(tmp_path: Path, engine_outside: str):
    world = World(tmp_path, engine_outside, **{**KEYS, "temp_dir": "./elsewhere"})
    world.classifier = Scribbler
    with world:
        world.drop("text-to-video/cup.yaml", f"{CUP}{TINY}")
        assert ended(world, "text-to-video/cup")["state"] == "done"
    assert (tmp_path / "elsewhere" / "scratch").exists()
    assert not (tmp_path / "temp").exists()


@pytest.fixture
def _own_log() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_own_log")
@pytest.mark.parametrize(("level", "told"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_log_level_says_how_much_the_log_tells(tmp_path: Path, level: str, told: int):
    keep_log(parse(design(log_level=level), tmp_path), to_terminal=False)
    for severity in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger("service.test").log(severity, "a word")
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "var").glob("reeldrop.log*"))
    assert written.count("a word") == told


# Models ----------------------------------------------------------------------------------------------------------


def test_default_checkpoint_is_loaded_where_a_job_names_none():
    assert inputs_of(job()[0], "CheckpointLoaderSimple")["ckpt_name"] == "realisticVision_v51.safetensors"
    ours, told = job(default_checkpoint="other.safetensors")
    assert inputs_of(ours, "CheckpointLoaderSimple")["ckpt_name"] == told["checkpoint"] == "other.safetensors"
    own, _ = job(f"{CUP}checkpoint: own.safetensors\n", default_checkpoint="other.safetensors")
    assert inputs_of(own, "CheckpointLoaderSimple")["ckpt_name"] == "own.safetensors"


def test_nsfw_checkpoint_is_the_adult_workflows_and_no_other_jobs():
    text = "prompt: a woman in her forties\n"
    bound, _ = job(text, "adult", nsfw_enabled=True, nsfw_checkpoint="grown.safetensors")
    assert inputs_of(bound, "CheckpointLoaderSimple")["ckpt_name"] == "grown.safetensors"
    named = f"{CUP}checkpoint: grown.safetensors\n"
    assert refused(named, nsfw_checkpoint="grown.safetensors")[0] == "adult_model"


def test_vae_is_loaded_where_a_job_names_none():
    assert inputs_of(job()[0], "VAELoader")["vae_name"] == "vae-ft-mse-840000-ema-pruned.safetensors"
    assert inputs_of(job(vae="other.safetensors")[0], "VAELoader")["vae_name"] == "other.safetensors"


# Video settings --------------------------------------------------------------------------------------------------


def test_default_fps_is_the_rate_of_the_video():
    usual, other = job()[0], job(default_fps=8)[0]
    assert [inputs_of(each, "VHS_VideoCombine")["frame_rate"] for each in (usual, other)] == [12, 8]
    assert (usual.expected.fps, other.expected.fps) == (12, 8)


def test_default_frames_is_the_length_of_the_video():
    usual, other = job()[0], job(default_frames=24)[0]
    assert (usual.expected.frames, other.expected.frames) == (16, 24)
    assert 24 in [node["inputs"].get("batch_size") for node in other.graph.values()]


def test_max_frames_is_as_long_as_a_job_may_make_it():
    assert job(f"{CUP}frames: 64\n")[0].expected.frames == 64
    assert refused(f"{CUP}frames: 65\n") == ("out_of_range", "frames")
    assert job(f"{CUP}frames: 65\n", max_frames=65)[0].expected.frames == 65
    assert refused(f"{CUP}frames: 33\n", max_frames=32) == ("out_of_range", "frames")


def test_video_format_is_the_container_of_results():
    assert "output" not in job()[1], "an MP4 in H.264 is what needn't be said"
    assert job(video_format="webm")[1]["output"]["format"] == "webm"
    assert job(f"{CUP}output: {{format: mov}}\n", video_format="webm")[1]["output"]["format"] == "mov"


def test_video_codec_is_the_codec_of_results():
    assert job(video_codec="libx265")[1]["output"] == {"format": "mp4", "codec": "libx265"}
    assert "output" not in job(f"{CUP}output: {{codec: h264}}\n", video_codec="libx265")[1]


# Generation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "input_", "usual", "other"),
    [
        ("default_steps", "steps", 20, 31),
        ("default_cfg", "cfg", 7.5, 5.5),
        ("default_sampler", "sampler_name", "euler_ancestral", "dpmpp_2m"),
    ],
)
def test_default_steps_and_default_cfg_and_default_sampler_go_to_the_sampler(
    key: str, input_: str, usual: Any, other: Any
):
    assert inputs_of(job()[0], "KSampler")[input_] == usual
    assert inputs_of(job(**{key: other})[0], "KSampler")[input_] == other
    own, _ = job(f"{CUP}steps: 3\ncfg: 3\nsampler: lcm\n", **{key: other})
    assert inputs_of(own, "KSampler")[input_] in (3, "lcm")


# Face swap -------------------------------------------------------------------------------------------------------


def test_face_enhancer_restores_faces_after_a_swap():
    enhancers = ("gfpgan", "codeformer", "none")
    found = [swapped(face_enhancer=each)["face_restore_model"] for each in enhancers]
    assert found == ["GFPGANv1.4.pth", "codeformer-v0.1.0.pth", "none"]


def test_face_swap_model_swaps_them():
    assert swapped()["swap_model"] == "inswapper_128.onnx"
    assert swapped(face_swap_model="reswapper_256.onnx")["swap_model"] == "reswapper_256.onnx"


# NSFW mode -------------------------------------------------------------------------------------------------------


def test_nsfw_enabled_makes_the_adult_folder_a_task():
    assert "adult" not in load(parse(DESIGN, ROOT)).tasks
    enabled = load(parse(design(nsfw_enabled=True), ROOT))
    assert enabled.tasks["adult"] == ("text_to_video_nsfw",)
    assert enabled.adult.enabled
    assert refused(f"workflow: text_to_video_nsfw\n{CUP}")[0] == "adult_workflow"


@pytest.mark.parametrize("filtered", [False, True])
def test_nsfw_safety_filter_says_whether_adult_jobs_are_screened_too(
    tmp_path: Path, engine_outside: str, *, filtered: bool
):
    with adults(tmp_path, engine_outside, nsfw_enabled=True, nsfw_safety_filter=filtered) as world:
        world.drop("adult/one.yaml", GROWN)
        world.drop("text-to-video/cup.yaml", f"{CUP}{TINY}")
        assert ended(world, "adult/one")["state"] == ("failed" if filtered else "done")
        assert ended(world, "text-to-video/cup")["state"] == "failed", "all others are screened either way"


# Sliders ---------------------------------------------------------------------------------------------------------


def sliders_in(bound: Bound) -> dict[str, float]:
    nodes = [node["inputs"] for node in bound.graph.values() if "lora_name" in node["inputs"]]
    return {each["lora_name"]: each["strength_model"] for each in nodes}


@pytest.mark.parametrize("name", ["age", "body"])
def test_age_slider_default_and_body_slider_default_hold_where_a_job_is_silent(name: str):
    assert sliders_in(job()[0]) == {}, "a slider of 0 leaves no node"
    bound, told = job(**{f"{name}_slider_default": 0.5})
    assert sliders_in(bound) == {f"{name}_slider.safetensors": 1.5}
    assert told["sliders"][name] == 0.5
    assert sliders_in(job(f"{CUP}sliders: {{{name}: 0}}\n", **{f"{name}_slider_default": 0.5})[0]) == {}


@pytest.mark.parametrize("name", ["age", "body"])
def test_age_slider_range_and_body_slider_range_bound_what_a_job_may_ask_for(name: str):
    asked = f"{CUP}sliders: {{{name}: 0.6}}\n"
    assert sliders_in(job(asked)[0]) == {f"{name}_slider.safetensors": pytest.approx(1.8)}
    assert refused(asked, **{f"{name}_slider_range": [-0.5, 0.5]}) == ("out_of_range", f"sliders.{name}")
