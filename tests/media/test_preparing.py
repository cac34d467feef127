"""Whatever a video is, what is uploaded is upright H.264 at a constant rate with one sound track, or it is refused."""

import shutil
import subprocess
from fractions import Fraction

import av
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from service.errors import Rejected
from service.media import facts, preparing
from service.media.preparing import Spread, prepare
from tests.marker_classifier import MARKER
from tests.media import drawing

LARGE = 1 << 26


def ffmpeg(*arguments):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)], check=True, timeout=25)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return drawing.clip(tmp_path_factory.mktemp("plain") / "plain.mp4", audio=True, metadata={"comment": "secret"})


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "audio"),
    [
        ("a.mp4", "libx264", "yuv420p", True), ("a.mov", "libx264", "yuv420p", False),
        ("a.mkv", "libx264", "yuv420p", True), ("a.mp4", "libx264", "yuv420p10le", False),
        ("a.mp4", "libx265", "yuv420p", True), ("a.mkv", "libx265", "yuv420p10le", False),
        ("a.webm", "libvpx-vp9", "yuv420p", True), ("a.webm", "libvpx", "yuv420p", False),
        ("a.mp4", "libsvtav1", "yuv420p", False), ("a.mkv", "libsvtav1", "yuv420p10le", False),
        ("a.mp4", "mpeg4", "yuv420p", True), ("a.avi", "mpeg4", "yuv420p", False),
        ("a.avi", "libx264", "yuv420p", False), ("a.avi", "mjpeg", "yuvj420p", False),
        ("a.mov", "prores_ks", "yuv422p10le", True), ("a.mov", "mjpeg", "yuvj444p", False),
        ("a.mkv", "ffv1", "yuv444p", False),
    ],
)  # fmt: skip
def test_every_container_and_codec_becomes_the_same(tmp_path, name, codec, pixels, audio, capfd):
    path = drawing.clip(tmp_path / name, codec=codec, pixel_format=pixels, audio=audio)
    found, lines, made = prepare(path, tmp_path / "out.mp4", LARGE)
    assert (found.container, found.codec, found.width, found.height) == ("mp4", "h264", 160, 120)
    assert (found.frames, found.audio, made) == (24, audio, True)
    assert found.fps == pytest.approx(12)
    loved = codec == "libx264" and pixels == "yuv420p" and not name.endswith("avi")
    assert bool(lines) is not loved
    with av.open(str(tmp_path / "out.mp4")) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.pix_fmt == "yuv420p"
        # Loaders that offer sound fail where there is none, so a silent clip gets a track of nothing.
        (sound,) = container.streams.audio
        heard = [frame.to_ndarray() for frame in container.decode(sound)]
        assert any(np.abs(samples).max() > 0.01 for samples in heard) is audio
        lasting = sum(samples.shape[1] for samples in heard) / sound.sample_rate
        assert lasting == pytest.approx(2, abs=0.1)
    ((_, before), *_), ((_, after), *_) = facts.sampled(path), facts.sampled(tmp_path / "out.mp4")
    assert np.abs(before.astype(int) - after.astype(int)).mean() < 4


def test_a_clean_clip_is_copied_without_its_metadata(plain, tmp_path):
    _, lines, made = prepare(plain, tmp_path / "out.mp4", LARGE)
    assert (lines, made) == ([], True)
    assert drawing.packets(tmp_path / "out.mp4") == drawing.packets(plain)
    assert b"secret" in plain.read_bytes()
    assert b"secret" not in (tmp_path / "out.mp4").read_bytes()


def test_a_clean_clip_that_is_large_is_used_where_it_lies(plain, tmp_path):
    found, lines, made = prepare(plain, tmp_path / "out.mp4", plain.stat().st_size - 1)
    assert (found, lines, made) == (facts.probe(plain), [], False)
    assert list(tmp_path.iterdir()) == []


def test_a_large_clip_without_sound_is_copied_with_a_track_of_nothing(tmp_path):
    silent = drawing.clip(tmp_path / "silent.mp4")
    found, lines, made = prepare(silent, tmp_path / "out.mp4", silent.stat().st_size - 1)
    assert (found.audio, lines, made) == (False, [], True)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_clip_stands_upright(plain, tmp_path, degrees):
    ffmpeg("-display_rotation", degrees, "-i", plain, "-c", "copy", tmp_path / "turned.mp4")
    found, lines, _ = prepare(tmp_path / "turned.mp4", tmp_path / "out.mp4", LARGE)
    assert lines == ["turned upright"]
    assert (found.width, found.height) == ((160, 120) if degrees == 180 else (120, 160))
    assert found.audio
    ((_, shown), *_), ((_, after), *_) = facts.sampled(tmp_path / "turned.mp4"), facts.sampled(tmp_path / "out.mp4")
    assert np.abs(shown.astype(int) - after.astype(int)).mean() < 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).rotation == 0


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30", "60", "120", "7/2"])
def test_a_constant_rate_stays(tmp_path, rate, plain):
    ffmpeg("-i", plain, "-an", "-vf", f"fps={rate}", tmp_path / "a.mkv")
    found, lines, _ = prepare(tmp_path / "a.mkv", tmp_path / "out.mp4", LARGE)
    assert lines == []
    assert found.fps == pytest.approx(float(Fraction(rate)), rel=0.001)


def test_a_changing_rate_becomes_constant_and_nothing_moves_in_time(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=48, draw=drawing.marked_at(30), audio=True)
    keep = "select='lt(n,12)+eq(n,20)+gt(n,28)'"
    ffmpeg("-i", path, "-vf", keep, "-fps_mode", "vfr", "-c:a", "copy", tmp_path / "vfr.mp4")
    assert facts.probe(tmp_path / "vfr.mp4").frames == 32
    found, lines, _ = prepare(tmp_path / "vfr.mp4", tmp_path / "out.mp4", LARGE)
    assert lines == ["its changing frame rate became 12 frames per second"]
    assert (found.frames, found.fps, found.audio) == (48, 12, True)
    with av.open(str(tmp_path / "out.mp4")) as container:
        marked = [
            number
            for number, frame in enumerate(container.decode(video=0))
            if np.abs(frame.to_ndarray(format="rgb24")[80, 80].astype(int) - MARKER).max() < 60
        ]
    assert marked == [30]


@pytest.mark.parametrize(
    ("filters", "size", "words"),
    [
        ("scale=161:121,format=yuv444p", (160, 120), "cropped from 161x121 to 160x120 pixels"),
        ("setsar=4/3", (214, 120), "stretched from 160x120 to 214x120 pixels"),
        ("setsar=1/2", (160, 240), "stretched from 160x120 to 160x240 pixels"),
        ("scale=8:6", (16, 16), "enlarged from 8x6 to 16x16 pixels"),
    ],
)
def test_pixels_are_square_and_sides_even(plain, tmp_path, filters, size, words):
    ffmpeg("-i", plain, "-vf", filters, "-c:a", "copy", tmp_path / "a.mp4")
    found, lines, _ = prepare(tmp_path / "a.mp4", tmp_path / "out.mp4", LARGE)
    assert (found.width, found.height) == size
    assert any(words in line for line in lines), lines


def test_the_sound_track_that_players_play_is_kept(tmp_path):
    silent = drawing.clip(tmp_path / "silent.mp4", frames=12)
    tones = [f"sine=frequency={hertz}:duration=1" for hertz in (300, 900)]
    inputs = [part for tone in tones for part in ("-f", "lavfi", "-i", tone)]
    marks = ["-disposition:a:0", "0", "-disposition:a:1", "default"]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "copy", *marks]
    ffmpeg("-i", silent, *inputs, *maps, tmp_path / "a.mkv")
    found, lines, _ = prepare(tmp_path / "a.mkv", tmp_path / "out.mp4", LARGE)
    assert found.audio
    assert lines[0] == "one of its 2 sound tracks is used"
    with av.open(str(tmp_path / "out.mp4")) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        rate = container.streams.audio[0].rate
    assert np.abs(np.fft.rfft(heard[:rate])).argmax() * rate / len(heard[:rate]) == pytest.approx(900, abs=20)


@pytest.mark.parametrize(("codec", "name"), [("libmp3lame", "a.mp4"), ("pcm_s16le", "a.mov"), ("flac", "a.mkv")])
def test_other_sound_becomes_aac(plain, tmp_path, codec, name):
    ffmpeg("-i", plain, "-c:v", "copy", "-c:a", codec, "-ac", "2", "-ar", "44100", tmp_path / name)
    found, lines, _ = prepare(tmp_path / name, tmp_path / "out.mp4", LARGE)
    assert (found.audio, found.frames) == (True, 24)
    assert "to aac" in lines[0]
    assert drawing.packets(tmp_path / "out.mp4") == drawing.packets(plain)


def test_b_frames_of_a_container_without_exact_times_keep_their_order(tmp_path):
    path = drawing.clip(tmp_path / "a.mkv", frames=40, fps=30, options={"bf": "3"}, audio=True)
    found, lines, _ = prepare(path, tmp_path / "out.mp4", LARGE)
    assert (lines, found.frames, found.fps) == ([], 40, 30)
    with av.open(str(path)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        for one, other in zip(before.decode(video=0), after.decode(video=0), strict=True):
            assert (one.to_ndarray() == other.to_ndarray()).all()
            assert abs(one.time - other.time) < 0.002


def test_packets_that_no_mp4_takes_are_encoded_anew(tmp_path):
    """Cut between key frames into a container without decoding times, its first frames can't be put in order."""
    reordered = {"x264-params": "open-gop=1:keyint=15:bframes=3"}
    path = drawing.clip(tmp_path / "a.mp4", frames=60, fps=30, options=reordered)
    ffmpeg("-ss", "0.9", "-i", path, "-c", "copy", tmp_path / "cut.mkv")
    found, _, _ = prepare(tmp_path / "cut.mkv", tmp_path / "out.mp4", LARGE)
    assert found.frames >= 33
    assert found.fps == pytest.approx(30, abs=0.5)


def test_a_clip_that_was_cut_without_encoding_is_whole(plain, tmp_path):
    long = drawing.clip(tmp_path / "long.mp4", frames=60, audio=True)
    ffmpeg("-ss", "1.5", "-i", long, "-c", "copy", tmp_path / "cut.mp4")
    found, _, _ = prepare(tmp_path / "cut.mp4", tmp_path / "out.mp4", LARGE)
    assert 40 <= found.frames <= 43


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
@pytest.mark.parametrize(
    ("times_ms", "rate", "frames"),
    [
        ([100] * 10, 10, 10),
        ([100] * 9 + [1000], 10, 19),
        ([40] * 10, 25, 10),
        ([0] * 5, 10, 5),
        ([2000, 2000, 2000], 1, 6),
    ],
)
def test_an_animation_keeps_its_times(tmp_path, name, times_ms, rate, frames):
    images = [Image.fromarray(drawing.scene(number * 3)) for number in range(len(times_ms))]
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=times_ms)
    found, lines, _ = prepare(tmp_path / name, tmp_path / "out.mp4", LARGE)
    assert (found.frames, found.fps, found.codec) == (frames, rate, "h264")
    assert lines == [f"converted from {name[2:].upper()} to h264 in MP4 at {rate} frames per second"]
    assert found.seconds == pytest.approx(sum(each if each > 10 else 100 for each in times_ms) / 1000, abs=0.02)


def test_frames_are_spread_over_slots():
    spread = Spread(Fraction(10))
    shown = [list(spread.put(Fraction(at, 100), at)) for at in (0, 10, 12, 30, 31)]
    assert [each for part in shown for each in part] == [0, 12, 12]
    assert list(spread.end(Fraction(60, 100))) == [31, 31, 31]
    assert list(Spread(Fraction(10)).end(None)) == []


def test_a_broken_clip_leaves_nothing_and_what_was_there_stays(plain, tmp_path):
    (tmp_path / "a.mp4").write_bytes(plain.read_bytes()[:-900])
    (tmp_path / "out.mp4").write_bytes(b"earlier")
    with pytest.raises(Rejected):
        prepare(tmp_path / "a.mp4", tmp_path / "out.mp4", LARGE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"earlier"


def test_a_silent_track_is_no_sound(plain, tmp_path):
    """Some recorders add a sound track and put nothing into it."""
    with av.open(str(plain)) as given, av.open(str(tmp_path / "a.mkv"), "w") as output:
        stream = output.add_stream_from_template(given.streams.video[0])
        output.add_stream("aac", rate=48000, layout="stereo")
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    found, lines, _ = prepare(tmp_path / "a.mkv", tmp_path / "out.mp4", LARGE)
    assert (found.audio, lines) == (False, [])


def test_names_of_any_kind_are_prepared(plain, tmp_path):
    for name in ("concat:a|b.mp4", "-x.mp4", "%03d.mp4"):
        shutil.copy(plain, tmp_path / name)
        assert preparing.prepare(tmp_path / name, tmp_path / "out.mp4", LARGE)[0].frames == 24
