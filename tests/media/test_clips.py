import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from service.errors import Rejected
from service.job import MediaKind
from service.media import clips, facts, frames
from tests.marker_classifier import MarkerClassifier
from tests.media import drawing


def ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments], check=True, timeout=25)


def marked(path: Path) -> list[int]:
    """The looked-at frames that have the marker in them."""
    classifier = MarkerClassifier()
    return [number for number, rgb in facts.sampled(path) if classifier.score(rgb) == 1]


@pytest.mark.parametrize(
    ("name", "codec", "canonical"),
    [
        ("a.mp4", "libx264", "h264"), ("a.mov", "libx264", "h264"), ("a.mkv", "libx265", "hevc"),
        ("a.webm", "libvpx-vp9", "vp9"), ("a.webm", "libvpx", "vp8"), ("a.mp4", "libsvtav1", "av1"),
        ("a.avi", "libx264", "h264"), ("a.mp4", "mpeg4", "mpeg4"),
    ],
)  # fmt: skip
def test_a_clip_is_told_by_size_rate_frames_and_codec(tmp_path, name, codec, canonical, capfd):
    found = facts.probe(drawing.clip(tmp_path / name, frames=30, codec=codec))
    assert (found.kind, found.container, found.codec) == (MediaKind.VIDEO, name[2:], canonical)
    assert (found.width, found.height, found.frames) == (160, 120, 30)
    assert found.fps == pytest.approx(12, abs=0.05)
    assert found.seconds == pytest.approx(2.5, abs=0.05)
    assert found.audio is False


def test_sound_is_seen(tmp_path):
    assert facts.probe(drawing.clip(tmp_path / "a.mp4", audio=True)).audio is True


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"g": "250", "bf": "3"}),
        ("a.mp4", "libx264", {"g": "10", "bf": "2"}),
        ("a.mkv", "libx264", {"g": "250", "bf": "3"}),
        ("a.avi", "libx264", {"g": "25", "bf": "2"}),
        ("a.webm", "libvpx-vp9", {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "16"}),
        ("a.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
    ],
)
def test_every_sampled_frame_is_the_right_one(tmp_path, name, codec, options):
    """First, last, the spread ones and each second's first: a marker in exactly those is found in exactly those."""
    expected = [0, 12, 14, 24, 28, 36, 42, 48, 57, 60, 71, 72, 84, 85, 96, 99]
    path = drawing.clip(tmp_path / name, frames=100, codec=codec, options=options, draw=drawing.marked_at(*expected))
    assert marked(path) == expected


def test_a_marker_between_the_key_frames_is_found_by_seeking_too(tmp_path):
    path = drawing.clip(
        tmp_path / "a.mp4", frames=100, options={"g": "30", "bf": "2"}, draw=drawing.marked_at(*range(45, 53))
    )
    assert marked(path) == [48]


def test_a_short_clip_is_looked_at_frame_by_frame(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=16, draw=drawing.marked_at(9))
    assert marked(path) == [9]
    assert len(list(facts.sampled(path))) == 16


def test_rotation_is_honoured(tmp_path):
    drawing.clip(tmp_path / "a.mp4", frames=4)
    ffmpeg("-display_rotation", "90", "-i", str(tmp_path / "a.mp4"), "-c", "copy", str(tmp_path / "turned.mp4"))
    ffmpeg("-i", str(tmp_path / "turned.mp4"), "-frames:v", "1", str(tmp_path / "shown.png"))
    found = facts.probe(tmp_path / "turned.mp4")
    assert (found.width, found.height) == (120, 160)
    ((_, shown),) = list(facts.sampled(tmp_path / "shown.png"))
    _, ours = next(facts.sampled(tmp_path / "turned.mp4"))
    assert ours.shape == shown.shape
    assert np.abs(ours.astype(int) - shown.astype(int)).mean() < 3


def test_an_mp4_without_its_index_is_rejected_by_that_name(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    with pytest.raises(Rejected, match="its index \\(the moov box\\) is missing"):
        facts.probe(path)


@pytest.mark.parametrize(
    ("name", "options"), [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {}), ("a.webm", {}), ("a.avi", {})]
)
def test_a_cut_off_clip_is_rejected(tmp_path, name, options):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = drawing.clip(tmp_path / name, frames=60, codec=codec, container_options=options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(Rejected, match="cut off"):
        facts.probe(path)


def test_a_clip_of_a_frame_every_few_seconds_is_whole(tmp_path):
    found = facts.probe(drawing.clip(tmp_path / "a.mp4", frames=10, fps=Fraction(1, 4)))
    assert (found.frames, found.seconds) == (10, 40)


def test_damage_in_the_middle_is_rejected_when_screened(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=60, container_options={"movflags": "faststart"})
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 1500
    content[start : start + 300] = np.random.default_rng(1).bytes(300)
    path.write_bytes(content)
    with pytest.raises(Rejected, match="damaged"):
        list(facts.sampled(path))


def test_a_sound_recording_is_no_video(tmp_path):
    drawing.clip(tmp_path / "a.mp4", audio=True)
    ffmpeg("-i", str(tmp_path / "a.mp4"), "-vn", "-c", "copy", str(tmp_path / "b.mp4"))
    with pytest.raises(Rejected, match="holds no video"):
        facts.probe(tmp_path / "b.mp4")


def test_two_video_tracks_are_rejected_because_only_one_would_be_screened(tmp_path):
    drawing.clip(tmp_path / "a.mp4")
    source = str(tmp_path / "a.mp4")
    ffmpeg("-i", source, "-i", source, "-map", "0:v", "-map", "1:v", "-c", "copy", str(tmp_path / "b.mp4"))
    with pytest.raises(Rejected, match="2 video tracks"):
        facts.probe(tmp_path / "b.mp4")


def test_a_playlist_under_a_videos_name_is_never_followed(tmp_path):
    drawing.clip(tmp_path / "a.mp4")
    (tmp_path / "list.mkv").write_text(f"ffconcat version 1.0\nfile '{tmp_path}/a.mp4'\n")
    with pytest.raises(Rejected, match="plain text"):
        facts.probe(tmp_path / "list.mkv")


def test_odd_names_are_just_names(tmp_path):
    source = drawing.clip(tmp_path / "a.mp4", frames=3)
    for name in ("concat:a|b.mp4", "-x.mp4", "http:b.mp4", "%03d.mp4"):
        shutil.copy(source, tmp_path / name)
        assert facts.probe(tmp_path / name).frames == 3


def test_counting_gives_way_to_the_header_when_time_is_short(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=30)
    with clips.open_clip(path, "mp4") as clip:
        assert frames.index(clip, budget_s=-1) is None
        found = clips.describe(clip, None, frames.first(clip))
    assert (found.frames, found.fps) == (30, 12)
    assert found.seconds == pytest.approx(2.5)
