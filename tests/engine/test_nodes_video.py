"""Videos are opened, taken apart, put together and saved, with their sound."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from service.engine.images import never_interrupted
from service.engine.node import Interrupted
from service.engine.nodes import NODE_CLASSES
from tests.engine.clips import dropped, facts, ramp, saved, tone
from tests.engine.node_bench import Bench, frames_of, pixels


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_saved_video_has_its_frames_its_rate_and_its_colours(bench: Bench) -> None:
    count, rate, grey, codecs = facts(saved(bench))
    assert (count, rate, codecs) == (8, 12, ["h264"])
    assert abs(grey - 16) <= 3


def test_pictures_are_drawn_once_to_be_saved(bench: Bench) -> None:
    frames = frames_of(ramp(8))
    video = bench.first("CreateVideo", images=frames, fps=12.0)
    bench.run("SaveVideo", video=video, filename_prefix="v", format="mp4", codec="h264")
    assert frames.draws == [1] * 8


def test_sound_is_kept_and_cut_to_the_picture(bench: Bench) -> None:
    path = saved(bench, audio=tone(30))
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        blocks = [frame.to_ndarray() for frame in container.decode(container.streams.audio[0])]
    loud = np.concatenate(blocks, axis=1)
    assert 0.55 < loud.shape[1] / 8000 < 0.95
    assert np.abs(loud[:, 2000:4000]).max() > 0.3


def test_the_file_carries_the_prompt(bench: Bench) -> None:
    bench.extra_data = {"extra_pnginfo": {"workflow": {"id": "w"}}}
    with av.open(str(saved(bench))) as container:
        assert json.loads(container.metadata["workflow"]) == {"id": "w"}
        assert "prompt" in container.metadata


def test_an_odd_size_is_refused_by_the_encoder_and_leaves_nothing(bench: Bench) -> None:
    video = bench.first("CreateVideo", images=frames_of(ramp(3, 65, 49)), fps=12.0)
    with pytest.raises(av.error.ExternalError, match="avcodec_open2"):
        bench.run("SaveVideo", video=video, filename_prefix="odd", format="auto", codec="auto")
    assert list(bench.folders.output.iterdir()) == []


def test_an_interrupted_save_leaves_nothing(bench: Bench) -> None:
    video = bench.first("CreateVideo", images=frames_of(ramp(8)), fps=12.0)
    bench.stop_at = lambda: bench.checks > 3
    with pytest.raises(Interrupted):
        bench.run("SaveVideo", video=video, filename_prefix="v", format="auto", codec="auto")
    assert list(bench.folders.output.iterdir()) == []


def test_a_loaded_video_knows_itself_before_anything_is_drawn(bench: Bench) -> None:
    name = dropped(bench, saved(bench, audio=tone(1, channels=2)))
    video = bench.first("LoadVideo", file=name)
    frames, audio, fps = bench.run("GetVideoComponents", video=video).values
    assert (frames.count, frames.width, frames.height, fps) == (8, 64, 48, 12.0)
    assert (audio.rate, audio.channels) == (8000, 2)
    assert abs(int(pixels(frames)[5].mean()) - (16 + 5 * 12)) <= 3
    assert not frames.drawn


def test_a_whole_h264_file_is_copied_not_encoded_again(bench: Bench) -> None:
    name = dropped(bench, saved(bench, audio=tone(1)))
    video = bench.first("LoadVideo", file=name)
    ui = bench.run("SaveVideo", video=video, filename_prefix="copy", format="auto", codec="auto").ui
    with av.open(str(bench.output(ui["images"][0]))) as copy, av.open(str(bench.folders.input / name)) as given:
        packets = [[bytes(p) for p in file.demux(file.streams.video[0]) if p.size] for file in (copy, given)]
        assert packets[0] == packets[1]
        assert copy.streams.audio


def test_a_video_without_sound_gives_none(bench: Bench) -> None:
    video = bench.first("LoadVideo", file=dropped(bench, saved(bench)))
    assert bench.run("GetVideoComponents", video=video).values[1] is None
    again = bench.first("CreateVideo", images=video.frames, fps=12.0, audio=None)
    assert again.audio is None


@pytest.mark.parametrize("content", [b"", b"no video at all" * 99])
def test_a_file_that_is_no_video_fails_in_its_own_node(bench: Bench, content: bytes) -> None:
    (bench.folders.input / "bad.mp4").write_bytes(content)
    with pytest.raises(av.error.FFmpegError):
        bench.run("LoadVideo", file="bad.mp4")


def test_a_file_with_sound_only_is_no_video(bench: Bench) -> None:
    ui = bench.run("SaveAudio", audio=tone(1), filename_prefix="s").ui
    (bench.folders.input / "s.mp4").write_bytes(bench.output(ui["audio"][0]).read_bytes())
    with pytest.raises(ValueError, match="No video stream"):
        bench.run("LoadVideo", file="s.mp4")


def test_a_turned_video_stands_upright(bench: Bench) -> None:
    path = saved(bench)
    turned = bench.folders.input / "turned.mp4"
    with av.open(str(path)) as given, av.open(str(turned), "w") as output:
        stream = output.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    data = turned.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    straight = b"".join(value.to_bytes(4, "big") for value in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))
    quarter = b"".join(
        (value & 0xFFFFFFFF).to_bytes(4, "big") for value in (0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000)
    )
    assert data[at : at + 36] == straight
    turned.write_bytes(data[:at] + quarter + data[at + 36 :])
    frames = bench.first("LoadVideo", file="turned.mp4").frames
    assert (frames.width, frames.height) == (48, 64)
    assert pixels(frames)[0].shape == (64, 48, 3)


@pytest.mark.parametrize(("codec", "name"), [("vp9", "vp9"), ("av1", "libdav1d")])
def test_webm_is_written_in_both_codecs(bench: Bench, codec: str, name: str) -> None:
    ui = bench.run("SaveWEBM", images=frames_of(ramp(5)), filename_prefix="w", codec=codec, fps=10.0, crf=32.0).ui
    count, rate, _grey, codecs = facts(bench.output(ui["images"][0]))
    assert (count, rate) == (5, 10)
    assert codecs[0] in (name, codec)


def test_sound_is_saved_and_loaded_again(bench: Bench) -> None:
    ui = bench.run("SaveAudio", audio=tone(0.5, channels=2), filename_prefix="a/s").ui
    path = bench.output(ui["audio"][0])
    (bench.folders.input / "s.flac").write_bytes(path.read_bytes())
    audio = bench.first("LoadAudio", audio="s.flac")
    assert (audio.rate, audio.channels, audio.samples) == (8000, 2, 4000)
    found = np.concatenate(list(audio.pull(never_interrupted)), axis=1)
    expected = np.concatenate(list(tone(0.5, channels=2).pull(never_interrupted)), axis=1)
    assert np.abs(found - expected).max() < 1e-3


def test_silence_is_silent(bench: Bench) -> None:
    audio = bench.first("EmptyAudio", duration=1.5, sample_rate=8000, channels=2)
    found = np.concatenate(list(audio.pull(never_interrupted)), axis=1)
    assert found.shape == (2, 12000)
    assert not found.any()


def test_every_class_declares_an_entry_that_a_client_can_read(bench: Bench) -> None:
    for name, declared in NODE_CLASSES.items():
        info = declared.info({}, bench.folders)
        assert info["name"] == name
        assert set(info["input_order"]) == set(info["input"])
        assert len(info["output"]) == len(info["output_name"])
        json.dumps(info)
