"""A result is decoded once for both, verified and screened; what is published is what was looked at, bit for bit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from service.errors import Failed
from service.job import Expected
from service.media import clips, facts, frames, remuxing, verification
from service.media.verification import inspect
from tests.marker_classifier import MarkerClassifier
from tests.media import drawing

ASKED = Expected(width=160, height=120, fps=12, frames=48)


class Counting:
    """Scores as the marker classifier does, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, rgb: np.ndarray) -> float:
        self.asked += 1
        return MarkerClassifier().score(rgb)


def still(number: int) -> np.ndarray:
    return np.full((120, 160, 3), 90, np.uint8)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 48, 299, 301, 400])
def test_every_frame_that_the_screening_samples_is_scored(tmp_path: Path, count: int) -> None:
    path = drawing.clip(tmp_path / "a.mp4", frames=count)
    found = inspect(path, Expected(frames=count), Counting())
    assert [number for number, _ in found.scores] == [number for number, _ in facts.sampled(path)]


def test_a_frame_that_must_not_be_shown_is_found_among_many(tmp_path: Path) -> None:
    path = drawing.clip(tmp_path / "a.mp4", frames=48, draw=drawing.marked_at(24))
    assert [number for number, score in inspect(path, ASKED, Counting()).scores if score >= 0.5] == [24]


def test_equal_frames_are_scored_once_and_counted_all(tmp_path: Path) -> None:
    score = Counting()
    found = inspect(drawing.clip(tmp_path / "a.mp4", frames=48, draw=still), ASKED, score)
    assert (len(found.scores), score.asked) == (11, 1)
    assert found.warnings == ["Nothing moves: all frames of the result look the same."]
    moving = Counting()
    inspect(drawing.clip(tmp_path / "b.mp4", frames=48), ASKED, moving)
    assert moving.asked == 11


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_an_animation_is_inspected_too(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    pictures = [Image.fromarray(drawing.marked_at(40)(number)) for number in range(48)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=80, loop=0)
    found = inspect(path, Expected(frames=48), Counting())
    assert [number for number, _ in found.scores] == [number for number, _ in facts.sampled(path)]
    assert (found.facts.frames, found.pictures) == (48, "")


def test_what_is_not_what_was_asked_is_not_even_decoded(tmp_path: Path) -> None:
    score = Counting()
    with pytest.raises(Failed) as failure:
        inspect(drawing.clip(tmp_path / "a.mp4", frames=24), ASKED, score)
    assert failure.value.problem.code == "result_wrong"
    assert score.asked == 0


def packets(path: Path) -> list[tuple[bytes, float]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(bytes(each), float(each.pts * each.time_base)) for each in container.demux(stream) if each.size]


@pytest.mark.parametrize(("name", "audio"), [("a.mp4", False), ("a.mp4", True), ("a.mov", True)])
def test_plain_tracks_are_copied_bit_for_bit_with_our_tags_alone(tmp_path: Path, name: str, audio: bool) -> None:
    path = drawing.clip(tmp_path / name, frames=48, audio=audio, metadata={"comment": "theirs", "title": "theirs"})
    tags = {"comment": "AI-made", "reeldrop": '{"a=b": "c;d\\ne"}', "ai_generated": "true"}
    expected = Expected(160, 120, 12, 48, audio=audio)
    digest = inspect(path, expected, Counting()).pictures
    made = remuxing.remux(path, tmp_path / "out.mp4", tags, digest)
    assert made is not None
    assert (made.container, made.frames, made.audio) == ("mp4", 48, audio)
    assert [data for data, _ in packets(tmp_path / "out.mp4")] == [data for data, _ in packets(path)]
    assert [at for _, at in packets(tmp_path / "out.mp4")] == pytest.approx([at for _, at in packets(path)], abs=2e-3)
    told = clips.tags(tmp_path / "out.mp4")
    assert {key: told.get(key) for key in tags} == tags
    assert "theirs" not in told.values()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "out.mp4"])


def test_other_pictures_than_those_that_were_looked_at_are_never_written(tmp_path: Path) -> None:
    looked_at = inspect(drawing.clip(tmp_path / "a.mp4", frames=48), ASKED, Counting()).pictures
    other = drawing.clip(tmp_path / "b.mp4", frames=48, draw=drawing.marked_at(3))
    assert remuxing.remux(other, tmp_path / "out.mp4", {}, looked_at) is None
    assert remuxing.remux(other, tmp_path / "out.mp4", {}, "") is None
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.avi", "libx264"), ("a.mkv", "libx264"), ("a.mp4", "libx265")]
)
def test_what_is_not_plain_is_left_to_ffmpeg(tmp_path: Path, name: str, codec: str) -> None:
    path = drawing.clip(tmp_path / name, frames=24, codec=codec)
    expected = Expected(frames=24)
    digest = inspect(path, expected, Counting()).pictures
    assert remuxing.remux(path, tmp_path / "out.mp4", {}, digest) is None
    assert not (tmp_path / "out.mp4").exists()


def test_a_file_with_the_digest_of_an_inspected_one_is_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drawing.clip(tmp_path / "a.mp4", frames=48)
    digest = inspect(path, ASKED, Counting()).pictures
    seen = []
    monkeypatch.setattr(frames.Thumbnails, "of", lambda _self, frame: seen.append(frame) or still(0)[::2, ::2])
    verification.verify(path, ASKED, digest)
    assert seen == []
    verification.verify(path, ASKED, "another")
    assert len(seen) == 48


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le", "rgb24"])
def test_a_thumbnail_shows_what_the_frame_does(tmp_path: Path, pixel_format: str) -> None:
    codec = "libx264rgb" if pixel_format == "rgb24" else "libx264"
    path = drawing.clip(tmp_path / "a.mkv", frames=1, codec=codec, pixel_format=pixel_format)
    with clips.open_clip(path, "mkv") as clip:
        frame = frames.first(clip)
        small, whole = frames.Thumbnails(60).of(frame), frames.to_rgb(frame)
    assert small.shape == (60, 80, 3)
    assert np.abs(small.astype(int) - whole[::2, ::2]).mean() < 8
    assert Fraction(small.shape[1], small.shape[0]) == Fraction(160, 120)
