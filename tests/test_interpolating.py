"""More frames a second: by the server's own node where it has one with a model, otherwise left to ffmpeg."""

from __future__ import annotations

from dataclasses import replace

from service.interpolating import fitted, without
from service.job import Expected, Parts, Render, Span

WITH = {
    "FrameInterpolate": {"input": {"required": {}}},
    "FrameInterpolationModelLoader": {
        "input": {"required": {"model_name": ["COMBO", {"options": ["rife.safetensors"]}]}}
    },
}
EMPTY = {**WITH, "FrameInterpolationModelLoader": {"input": {"required": {"model_name": ["COMBO", {"options": []}]}}}}
COMBINE = {"images": ["3", 0], "frame_rate": 12, "filename_prefix": "x"}


def render(interpolation: int = 2, **more: object) -> Render:
    graph = {
        "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0]}},
        "14": {"class_type": "VHS_VideoCombine", "inputs": {**COMBINE, **more}},
    }
    return Render("job", "id", graph, "14", Expected(64, 64, 12.0, 16), {}, [], interpolation)


def test_a_server_that_has_a_node_and_a_model_makes_them():
    made = fitted(render(), WITH)
    assert made.interpolation == 1
    assert made.expected == Expected(64, 64, 24.0, 31)
    assert made.graph["14"]["inputs"]["frame_rate"] == 24
    frames = made.graph[made.graph["14"]["inputs"]["images"][0]]
    assert (frames["class_type"], frames["inputs"]["images"], frames["inputs"]["multiplier"]) == (
        "FrameInterpolate", ["3", 0], 2,
    )  # fmt: skip
    model = made.graph[frames["inputs"]["interp_model"][0]]
    assert model["inputs"] == {"model_name": "rife.safetensors"}


def test_a_server_without_a_node_or_without_a_model_is_left_alone():
    plain = render()
    assert fitted(plain, {}) is plain
    assert fitted(plain, EMPTY) is plain
    assert fitted(render(1), WITH) == render(1)


def test_a_plan_that_moves_to_another_server_is_what_it_was():
    made = fitted(render(), WITH)
    assert without(made) == render()
    assert fitted(made, EMPTY) == render()
    assert fitted(made, WITH) == made


def test_a_rate_that_comes_from_another_node_is_left_to_ffmpeg():
    linked = render(frame_rate=["20", 1])
    assert fitted(linked, WITH) is linked


def test_a_video_that_is_put_together_before_it_is_saved_is_found():
    graph = {
        "1": {"class_type": "VAEDecode", "inputs": {}},
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 12.5}},
        "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "x"}},
    }
    plain = Render("job", "id", graph, "3", Expected(fps=12.5, frames=5), {}, [], 3)
    made = fitted(plain, WITH)
    assert made.graph["2"]["inputs"]["fps"] == 37.5
    assert made.expected == Expected(fps=37.5, frames=13)
    assert without(made) == plain


def test_a_render_in_parts_is_left_to_ffmpeg():
    parted = replace(render(), parts=Parts((Span(0, 8), Span(8, 8)), (), ()))
    assert fitted(parted, WITH) is parted
