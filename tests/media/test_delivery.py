import json
import os
import stat
import subprocess
import sys
import threading
import time

import av
import imageio_ffmpeg
import pytest

from service.errors import Failed, Unavailable
from service.job import Expected
from service.media import clips, delivery, tagging, verification
from service.media.encodings import USUAL, Encoding, encoding_of
from tests.media import drawing

TAGS = {
    "title": 'harbour; #1 = "x" \\ y\'',
    "comment": "AI-made with Reeldrop\nsecond line",
    "reeldrop.job": "0198",
    "reeldrop.settings": json.dumps({"prompt": "fishing harbour at dawn, ü☃ " * 4000}, ensure_ascii=False),
}
MP4 = {"encoding": USUAL, "deadline_s": 20.0}
VP9 = Encoding("webm", ("libvpx-vp9",))


def read(path):
    with av.open(str(path)) as container:
        streams = [(stream.type, stream.codec_context.codec.canonical_name) for stream in container.streams]
        return dict(container.metadata), streams, [dict(stream.metadata) for stream in container.streams]


def test_a_right_codec_is_copied_bit_for_bit_and_tagged(tmp_path):
    source = drawing.clip(tmp_path / "a.mp4", audio=True)
    delivery.deliver(source, tmp_path / "out.mp4", TAGS, **MP4)
    assert drawing.packets(tmp_path / "out.mp4") == drawing.packets(source)
    metadata, streams, _ = read(tmp_path / "out.mp4")
    assert {key: metadata[key] for key in TAGS} == TAGS
    assert streams == [("video", "h264"), ("audio", "aac")]
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(("container", "codec"), [("mp4", "libx264"), ("webm", "libvpx-vp9"), ("mov", "libx264")])
def test_the_servers_own_tags_are_gone(tmp_path, container, codec):
    secret = {"prompt": '{"1": {"class_type": "KSampler"}}', "workflow": "{}", "comment": "graph", "artist": "somebody"}
    source = drawing.clip(tmp_path / "a.mkv", codec=codec, metadata=secret)
    out = tmp_path / f"out.{container}"
    delivery.deliver(source, out, {"comment": "AI-made"}, Encoding(container, (codec,)), deadline_s=20)
    metadata, _, of_streams = read(out)
    assert {value for key, value in metadata.items() if key.lower() == "comment"} == {"AI-made"}
    assert not {"prompt", "workflow", "artist"} & {key.lower() for tags in (metadata, *of_streams) for key in tags}
    assert b"KSampler" not in out.read_bytes()
    assert drawing.packets(out) == drawing.packets(source)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.mkv", "libx265"), ("a.avi", "libx264"), ("a.mp4", "mpeg4")]
)
def test_another_codec_is_encoded_anew_and_sound_is_kept(tmp_path, name, codec, capfd):
    source = drawing.clip(tmp_path / name, codec=codec, audio=name.endswith("webm"))
    delivery.deliver(source, tmp_path / "out.mp4", TAGS, Encoding("mp4", ("libx264",), 20), deadline_s=20.0)
    found, warnings = verification.verify(tmp_path / "out.mp4", Expected(160, 120, 12, 24, audio=name.endswith("webm")))
    assert (found.container, found.codec, warnings) == ("mp4", "h264", [])
    assert read(tmp_path / "out.mp4")[0]["reeldrop.job"] == "0198"


def test_a_lower_crf_gives_a_larger_file(tmp_path):
    source = drawing.clip(tmp_path / "a.webm", codec="libvpx-vp9")
    sizes = []
    for crf in (10, 40):
        delivery.deliver(source, tmp_path / "out.mp4", {}, Encoding("mp4", ("libx264",), crf), deadline_s=20.0)
        sizes.append((tmp_path / "out.mp4").stat().st_size)
    assert sizes[0] > sizes[1]


def test_webm_gets_its_own_codecs(tmp_path):
    source = drawing.clip(tmp_path / "a.mp4", audio=True)
    delivery.deliver(source, tmp_path / "out.webm", {"comment": "AI-made"}, VP9, deadline_s=20.0)
    metadata, streams, _ = read(tmp_path / "out.webm")
    assert streams == [("video", "vp9"), ("audio", "opus")]
    assert {value for key, value in metadata.items() if key.lower() == "comment"} == {"AI-made"}


def test_a_broken_source_fails_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(200))
    with pytest.raises(Failed) as failure:
        delivery.deliver(tmp_path / "a.mp4", tmp_path / "out.mp4", TAGS, **MP4)
    assert failure.value.problem.code == "delivery_failed"
    assert str(tmp_path) not in failure.value.problem.detail
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_names_that_look_like_options_or_protocols_are_just_names(tmp_path):
    source = drawing.clip(tmp_path / "a.mp4", frames=4)
    for name in ("-y.mp4", "concat:a|b.mp4", "http:x.mp4", "per%cent.mp4"):
        odd = source.rename(tmp_path / name)
        delivery.deliver(odd, tmp_path / f"out{name}", {}, **MP4)
        assert (tmp_path / f"out{name}").exists()
        source = odd


def program(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_program_that_hangs_is_killed_at_the_deadline_with_its_children(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder / "ffmpeg", f"sleep 300 & echo $! > {tmp_path}/pid; wait")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    started = time.monotonic()
    with pytest.raises(Failed, match="too long"):
        delivery.deliver(drawing.clip(tmp_path / "a.mp4"), tmp_path / "out.mp4", {}, **{**MP4, "deadline_s": 1.0})
    assert time.monotonic() - started < 10
    child = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 5
    while time.monotonic() < until and _runs(child):
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def test_a_system_ffmpeg_without_the_encoder_gives_way_to_the_bundled_one(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    real = imageio_ffmpeg.get_ffmpeg_exe()
    program(
        folder / "ffmpeg",
        f'case "$*" in *libx264*) echo "Unknown encoder \'libx264\'" >&2; exit 8;; esac; exec {real} "$@"',
    )
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    source = drawing.clip(tmp_path / "a.webm", codec="libvpx-vp9")
    delivery.deliver(source, tmp_path / "out.mp4", {}, **MP4)
    assert read(tmp_path / "out.mp4")[1] == [("video", "h264")]


def test_the_tags_are_in_no_process_list(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder / "ffmpeg", f'echo "$@" >> {tmp_path}/argv; exec {imageio_ffmpeg.get_ffmpeg_exe()} "$@"')
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    delivery.deliver(drawing.clip(tmp_path / "a.mp4"), tmp_path / "out.mp4", {"title": "a private wish"}, **MP4)
    assert "private" not in (tmp_path / "argv").read_text()
    assert read(tmp_path / "out.mp4")[0]["title"] == "a private wish"


def test_the_daemon_loads_no_decoder_for_it():
    heavy = "{'av', 'numpy', 'PIL', 'cv2', 'onnxruntime', 'pillow_heif'}"
    modules = "import service.examiner, service.media.delivery, service.guard, service.node_classes, sys"
    code = f"{modules}; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=20)
    assert said.stdout.strip() == "[]"


def test_a_delivery_that_is_stopped_ends_at_once_and_kills_its_ffmpeg(tmp_path, monkeypatch):
    source = drawing.clip(tmp_path / "a.mp4")
    note = tmp_path / "pid"
    monkeypatch.setenv("PATH", f"{sleeping_ffmpeg(tmp_path / 'bin', note)}{os.pathsep}{os.environ['PATH']}")
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began_s = time.monotonic()
    with pytest.raises(Unavailable) as stopped:
        delivery.deliver(source, tmp_path / "out.mp4", TAGS, **(MP4 | {"deadline_s": 60.0}), stop=stop)
    assert stopped.value.code == "stopping"
    assert time.monotonic() - began_s < 3
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "bin", "pid"]


def sleeping_ffmpeg(folder, note):
    """Put a program called ffmpeg into a folder that writes its process id down and sleeps; return the folder."""
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho $$ > {note}\nexec sleep 60\n")
    program.chmod(0o755)
    return folder


CODECS = {"mp4": ("h264", "hevc", "av1"), "webm": ("vp9", "av1"), "mov": ("h264", "hevc", "prores")}
WISHES = [{"format": kind, "codec": codec} for kind, codecs in CODECS.items() for codec in codecs]


@pytest.mark.parametrize("audio", [True, False], ids=["sound", "silent"])
@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: f"{wish['format']}-{wish['codec']}")
def test_every_codec_of_every_format_is_what_was_asked_and_says_so(tmp_path, wish, audio):
    source = drawing.clip(tmp_path / "a.mp4", audio=True)
    encoding = encoding_of({**wish, "audio": "keep" if audio else "drop"}, 12.0)
    out = tmp_path / f"out.{wish['format']}"
    delivery.deliver(source, out, TAGS, encoding, deadline_s=20.0)
    found, _ = verification.verify(out, Expected(160, 120, 12, 24, audio=audio))
    assert (found.container, found.codec, found.audio) == (wish["format"], wish["codec"], audio)
    told = {key.lower(): value for key, value in clips.tags(out).items()}
    assert told["comment"] == TAGS["comment"]
    assert told["reeldrop.job"] == "0198"


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_moving_pictures_carry_the_tags_and_no_sound(tmp_path, kind):
    source = drawing.clip(tmp_path / "a.mp4", audio=True)
    out = tmp_path / f"out.{kind}"
    delivery.deliver(source, out, TAGS, encoding_of({"format": kind}, 12.0), deadline_s=20.0)
    tagging.write(out, TAGS)
    found, _ = verification.verify(out, Expected(160, 120, 12, 24, audio=False))
    assert (found.container, found.audio) == (kind, False)
    assert clips.tags(out) == TAGS


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_moving_picture_of_somebody_else_has_no_tags(tmp_path, kind):
    source = drawing.clip(tmp_path / "a.mp4")
    out = tmp_path / f"out.{kind}"
    delivery.deliver(source, out, {}, encoding_of({"format": kind}, 12.0), deadline_s=20.0)
    assert tagging.read(out) == {}
    for cut in (13, 40, 200):
        (tmp_path / "cut").write_bytes(out.read_bytes()[:cut])
        assert tagging.read(tmp_path / "cut") == {}


def test_frames_are_left_out_or_repeated_for_another_rate(tmp_path):
    source = drawing.clip(tmp_path / "a.mp4", frames=24)
    for fps, frames in ((6, 12), (24, 48)):
        delivery.deliver(source, tmp_path / "out.mp4", {}, encoding_of({"fps": fps}, 12.0), deadline_s=20.0)
        found, _ = verification.verify(tmp_path / "out.mp4", Expected(160, 120, fps))
        assert abs(found.frames - frames) <= 1


def test_frames_are_made_by_motion_between_those_that_there_are(tmp_path):
    source = drawing.clip(tmp_path / "a.mp4", frames=24)
    delivery.deliver(source, tmp_path / "out.mp4", {}, encoding_of({}, 12.0, interpolation=2), deadline_s=25.0)
    found, _ = verification.verify(tmp_path / "out.mp4", Expected(160, 120, 24))
    assert 44 <= found.frames <= 48


def test_an_encoder_that_this_machine_lacks_gives_way_to_another_of_its_codec(tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_absent", set())
    source = drawing.clip(tmp_path / "a.webm", codec="libvpx-vp9")
    encoding = encoding_of({"codec": "h264_nvenc"}, 12.0)
    used = delivery.deliver(source, tmp_path / "out.mp4", {}, encoding, deadline_s=25.0)
    if used == "h264_nvenc":
        pytest.skip("this machine has one")
    assert used == "libx264"
    assert delivery._absent == {"h264_nvenc"}
    verification.verify(tmp_path / "out.mp4", Expected(160, 120, 12, 24))
