import numpy as np
import pytest
from PIL import Image

from service.errors import Failed
from service.job import Expected
from service.media import verification
from tests.media import drawing

ASKED = Expected(width=160, height=120, fps=12, frames=24)


def test_a_good_result_passes_without_warnings(tmp_path):
    found, warnings = verification.verify(drawing.clip(tmp_path / "a.mp4"), ASKED)
    assert (found.frames, found.codec, warnings) == (24, "h264", [])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Expected(width=320, height=120), "160x120 instead of 320x120"),
        (Expected(frames=16), "24 instead of 16 frames"),
        (Expected(fps=24), "12 instead of 24 frames per second"),
        (Expected(audio=True), "no sound"),
    ],
)
def test_what_differs_from_the_asked_fails_with_both_numbers(tmp_path, asked, words):
    with pytest.raises(Failed) as failure:
        verification.verify(drawing.clip(tmp_path / "a.mp4"), asked)
    assert failure.value.problem.code == "result_wrong"
    assert words in failure.value.problem.title


def test_one_frame_more_or_less_is_no_failure(tmp_path):
    for frames in (23, 25):
        verification.verify(drawing.clip(tmp_path / "a.mp4", frames=frames), ASKED)


def test_asked_sound_is_enough_when_it_is_there(tmp_path):
    found, _ = verification.verify(drawing.clip(tmp_path / "a.mp4", audio=True), Expected(audio=True))
    assert found.audio


def test_a_cut_off_result_fails(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=60, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-800])
    with pytest.raises(Failed) as failure:
        verification.verify(path, Expected())
    assert failure.value.problem.code == "result_broken"


@pytest.mark.parametrize("frames", [40, 320])
def test_a_damaged_frame_fails(tmp_path, frames):
    path = drawing.clip(tmp_path / "a.mp4", frames=frames, container_options={"movflags": "faststart"})
    content = bytearray(path.read_bytes())
    at = content.index(b"mdat") + 1500
    content[at : at + 300] = np.random.default_rng(1).bytes(300)
    path.write_bytes(content)
    with pytest.raises(Failed):
        verification.verify(path, Expected(frames=frames))


def test_a_black_result_passes_with_a_warning(tmp_path):
    black = np.zeros((120, 160, 3), np.uint8)
    _, warnings = verification.verify(drawing.clip(tmp_path / "a.mp4", draw=lambda _: black), ASKED)
    assert warnings == ["The whole result is black."]


def test_a_frozen_result_passes_with_a_warning(tmp_path):
    still = drawing.scene(4)
    _, warnings = verification.verify(drawing.clip(tmp_path / "a.mp4", draw=lambda _: still), ASKED)
    assert warnings == ["Nothing moves: all frames of the result look the same."]


def test_a_single_picture_is_not_called_frozen(tmp_path):
    found, warnings = verification.verify(drawing.photo(tmp_path / "a.png"), Expected(width=160, height=120, frames=1))
    assert (found.codec, warnings) == ("png", [])


@pytest.mark.parametrize("name", ["a.webp", "a.gif"])
def test_an_animated_picture_is_a_result_too(tmp_path, name):
    images = [Image.fromarray(drawing.scene(number)) for number in range(24)]
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=83)
    found, warnings = verification.verify(tmp_path / name, ASKED)
    assert (found.frames, warnings) == (24, [])


def test_what_the_server_returned_instead_of_a_video_fails(tmp_path):
    (tmp_path / "a.mp4").write_text("<html>502 Bad Gateway</html>")
    with pytest.raises(Failed, match="a web page"):
        verification.verify(tmp_path / "a.mp4", ASKED)
