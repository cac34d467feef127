"""VideoHelperSuite's loader and combiner: which frames, which sizes, which files."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from service.engine.images import Frames
from tests.engine.clips import dropped, facts, ramp, saved, tone
from tests.engine.node_bench import Bench, frames_of, pixels


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


COMBINE = {"frame_rate": 8.0, "loop_count": 0, "filename_prefix": "c/x", "pingpong": False, "save_output": True}


def combined(bench: Bench, frames: Frames, form: str = "video/h264-mp4", **more: object) -> dict[str, object]:
    return bench.run("VHS_VideoCombine", **{**COMBINE, "images": frames, "format": form, **more}).ui["gifs"][0]


def files(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.folders.output / "c").iterdir())


def test_combining_writes_the_video_and_its_first_frame(bench: Bench) -> None:
    shown = combined(bench, frames_of(ramp(6)))
    assert files(bench) == ["x_00001.mp4", "x_00001.png"]
    assert (shown["filename"], shown["workflow"], shown["frame_rate"]) == ("x_00001.mp4", "x_00001.png", 8.0)
    assert shown["fullpath"] == str(bench.output(shown))
    assert facts(bench.output(shown))[:2] == (6, 8)
    assert [told[:2] for told in bench.told] == [(k + 1, 6) for k in range(6)]
    with Image.open(bench.folders.output / "c" / "x_00001.png") as poster:
        assert abs(int(np.asarray(poster).mean()) - 16) <= 1


def test_combining_with_sound_writes_a_second_file(bench: Bench) -> None:
    shown = combined(bench, frames_of(ramp(16)), audio=tone(0.5))
    assert files(bench) == ["x_00001-audio.mp4", "x_00001.mp4", "x_00001.png"]
    assert shown["filename"] == "x_00001-audio.mp4"
    with av.open(str(bench.output(shown))) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert abs(container.duration / av.time_base - 2.0) < 0.15


def test_a_client_may_ask_for_nothing_but_the_result(bench: Bench) -> None:
    extra = {"VHS_MetadataImage": False, "VHS_KeepIntermediate": False}
    bench.extra_data = {"extra_pnginfo": {"workflow": {"extra": extra}}}
    combined(bench, frames_of(ramp(8)), audio=tone(1))
    assert files(bench) == ["x_00001-audio.mp4"]


@pytest.mark.parametrize("extra", [None, [], {"workflow": None}, {"workflow": {"extra": 5}}])
def test_odd_extra_data_is_no_trouble(bench: Bench, extra: object) -> None:
    bench.extra_data = {"extra_pnginfo": extra}
    combined(bench, frames_of(ramp(2)))
    assert files(bench) == ["x_00001.mp4", "x_00001.png"]


def test_numbers_go_on_over_all_formats(bench: Bench) -> None:
    for form in ("video/h264-mp4", "image/gif", "video/webm"):
        combined(bench, frames_of(ramp(2)), form)
    assert [name for name in files(bench) if not name.endswith("png")] == ["x_00001.mp4", "x_00002.gif", "x_00003.webm"]


@pytest.mark.parametrize(
    ("form", "codec"),
    [
        ("video/h265-mp4", "hevc"),
        ("video/webm", "vp9"),
        ("video/av1-webm", "libdav1d"),
        ("video/ffv1-mkv", "ffv1"),
        ("video/ProRes", "prores"),
        ("image/gif", "gif"),
        ("video/ffmpeg-gif", "gif"),
    ],
)
def test_each_format_holds_every_frame(bench: Bench, form: str, codec: str) -> None:
    count, _rate, grey, codecs = facts(bench.output(combined(bench, frames_of(ramp(5)), form)))
    assert count == 5
    assert codecs[0] in (codec, "av1")
    assert abs(grey - 16) <= 4


def test_a_gif_keeps_its_colours(bench: Bench) -> None:
    pictures = [
        np.dstack([np.full((32, 32), value) for value in (200, 60 + 40 * k, 20)]).astype(np.uint8) for k in range(3)
    ]
    with Image.open(bench.output(combined(bench, frames_of(pictures), "image/gif"))) as saved:
        assert saved.n_frames == 3
        saved.seek(2)
        assert np.abs(np.asarray(saved.convert("RGB")).astype(int) - pictures[2]).max() <= 6


def test_an_animated_webp_holds_every_frame(bench: Bench) -> None:
    with Image.open(bench.output(combined(bench, frames_of(ramp(4)), "image/webp"))) as saved:
        assert saved.n_frames == 4


@pytest.mark.parametrize(("form", "mode"), [("video/8bit-png", "RGB"), ("video/16bit-png", "RGB")])
def test_numbered_pictures_begin_with_one(bench: Bench, form: str, mode: str) -> None:
    shown = combined(bench, frames_of(ramp(3)), form)
    assert shown["filename"] == "x_00001.%03d.png"
    assert files(bench) == ["x_00001.001.png", "x_00001.002.png", "x_00001.003.png", "x_00001.png"]
    with Image.open(bench.folders.output / "c" / "x_00001.002.png") as saved:
        assert saved.mode == mode


def test_there_and_back(bench: Bench) -> None:
    assert facts(bench.output(combined(bench, frames_of(ramp(5)), pingpong=True)))[0] == 8


def test_loops_of_a_video_are_written_out(bench: Bench) -> None:
    assert facts(bench.output(combined(bench, frames_of(ramp(3)), loop_count=2)))[0] == 9


def test_an_odd_size_is_made_even(bench: Bench) -> None:
    shown = combined(bench, frames_of(ramp(2, 65, 49)))
    with av.open(str(bench.output(shown))) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (66, 50)


def test_trimming_to_the_sound(bench: Bench) -> None:
    shown = combined(bench, frames_of(ramp(16)), audio=tone(1.0), trim_to_audio=True)
    assert facts(bench.output(shown))[0] == 8


def test_quality_is_as_asked(bench: Bench) -> None:
    noise = [np.random.default_rng(k).integers(0, 255, (96, 96, 3), dtype=np.uint8) for k in range(4)]
    sizes = [bench.output(combined(bench, frames_of(noise), crf=crf)).stat().st_size for crf in (5, 45)]
    assert sizes[0] > 3 * sizes[1]


def test_temporary_results_lie_in_the_temp_folder(bench: Bench) -> None:
    shown = combined(bench, frames_of(ramp(2)), save_output=False)
    assert shown["type"] == "temp"
    assert bench.output(shown).exists()


def test_a_missing_encoder_says_so_and_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(av.error.FFmpegError):
        combined(bench, frames_of(ramp(2, 256, 256)), "video/nvenc_h264-mp4")
    assert not any(name.endswith(".mp4") for name in files(bench))


LOAD = {
    "force_rate": 0,
    "custom_width": 0,
    "custom_height": 0,
    "frame_load_cap": 0,
    "skip_first_frames": 0,
    "select_every_nth": 1,
}


def loaded(bench: Bench, name: str, **more: object) -> tuple[object, ...]:
    return bench.run("VHS_LoadVideo", **{**LOAD, "video": name, **more}).values


@pytest.mark.parametrize(
    ("asked", "greys", "fps"),
    [
        ({}, range(12), 12),
        ({"frame_load_cap": 3}, [0, 1, 2], 12),
        ({"skip_first_frames": 4, "frame_load_cap": 2}, [4, 5], 12),
        ({"select_every_nth": 5}, [0, 5, 10], 2.4),
        ({"force_rate": 6}, [0, 2, 4, 6, 8, 10], 6),
        ({"force_rate": 24, "frame_load_cap": 5}, [0, 1, 1, 2, 2], 24),
        ({"force_rate": 6, "skip_first_frames": 1, "select_every_nth": 2}, [2, 6, 10], 3),
        ({"format": "Wan"}, range(9), 12),
    ],
)
def test_the_loader_chooses_frames(bench: Bench, asked: dict[str, object], greys: list[int], fps: float) -> None:
    name = dropped(bench, saved(bench, count=12))
    frames, count, _audio, info = loaded(bench, name, **asked)
    assert count == frames.count == len(greys)
    found = [round((int(picture.mean()) - 16) / 12) for picture in pixels(frames)]
    assert found == list(greys)
    told = bench.run("VHS_VideoInfoLoaded", video_info=info).values
    assert told == (pytest.approx(fps), count, pytest.approx(count / fps), frames.width, frames.height)


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"custom_width": 32}, (32, 24)),
        ({"custom_height": 24}, (32, 24)),
        ({"custom_width": 30, "custom_height": 30}, (30, 30)),
        ({"custom_width": 30, "custom_height": 30, "format": "Mochi"}, (32, 32)),
    ],
)
def test_the_loader_chooses_a_size(bench: Bench, asked: dict[str, object], size: tuple[int, int]) -> None:
    frames = loaded(bench, dropped(bench, saved(bench)), **asked)[0]
    assert (frames.width, frames.height) == size
    assert pixels(frames)[0].shape == (size[1], size[0], 3)


def test_the_loaded_sound_belongs_to_the_loaded_frames(bench: Bench) -> None:
    name = dropped(bench, saved(bench, count=24, audio=tone(2)))
    audio = loaded(bench, name, skip_first_frames=6, frame_load_cap=12)[2]
    assert audio.seconds == pytest.approx(1.0, abs=0.01)
    assert loaded(bench, dropped(bench, saved(bench), "silent.mp4"))[2] is None


def test_a_loader_that_skips_everything_says_so(bench: Bench) -> None:
    name = dropped(bench, saved(bench))
    with pytest.raises(RuntimeError, match="No frames generated"):
        loaded(bench, name, skip_first_frames=99)
