"""A shared folder: files go by link or copy, whole or not at all, and never through a link of somebody's."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from service.comfy.shared_folder import SharedFolder
from service.comfy.verdict import OutputFile
from service.errors import Failed, Unavailable

CLIP = OutputFile("job_00001_.mp4", "reeldrop", "output", "9")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "ComfyUI"
    for name in ("input", "output/reeldrop"):
        (base / name).mkdir(parents=True)
    (base / "output/reeldrop/job_00001_.mp4").write_bytes(b"a clip")
    return base


@pytest.fixture
def shared(base: Path) -> SharedFolder:
    return SharedFolder(base, patience_s=0.2)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    own.mkdir()
    (own / "cat.png").write_bytes(b"a cat")
    (own / "cat.png").chmod(0o644)
    return own


def other_disk() -> Path | None:
    """A folder of another file system, where this machine has one."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and memory.stat().st_dev != Path("/tmp").stat().st_dev else None


def test_an_upload_lands_under_the_very_reference_and_moves_no_byte(
    shared: SharedFolder, base: Path, own: Path
) -> None:
    assert shared.upload(own / "cat.png", "image.png", "reeldrop/d1") == "reeldrop/d1/image.png [temp]"
    assert (base / "temp/reeldrop/d1/image.png").samefile(own / "cat.png")
    assert shared.upload(own / "cat.png", "image.png", "", "input") == "image.png"
    assert [path.name for path in (base / "temp/reeldrop/d1").iterdir()] == ["image.png"]


def test_an_upload_again_replaces_what_lay_there(shared: SharedFolder, base: Path, own: Path) -> None:
    for content in (b"one", b"two"):
        (own / "again.png").unlink(missing_ok=True)
        (own / "again.png").write_bytes(content)
        for _ in range(2):
            shared.upload(own / "again.png", "x.png", "d")
        assert (base / "temp/d/x.png").read_bytes() == content
    assert [path.name for path in (base / "temp/d").iterdir()] == ["x.png"]


def test_a_file_that_the_server_could_not_read_is_copied(shared: SharedFolder, base: Path, own: Path) -> None:
    (own / "cat.png").chmod(0o600)
    shared.upload(own / "cat.png", "x.png", "")
    assert not (base / "temp/x.png").samefile(own / "cat.png")
    assert (base / "temp/x.png").read_bytes() == b"a cat"
    assert (base / "temp/x.png").stat().st_mode & 0o444 == 0o444


@pytest.mark.skipif(other_disk() is None, reason="one file system only")
def test_another_file_system_is_copied_both_ways(shared: SharedFolder, base: Path, own: Path) -> None:
    elsewhere = other_disk() / f"reeldrop-test-{os.getpid()}"
    elsewhere.mkdir()
    try:
        (elsewhere / "cat.png").write_bytes(b"a cat")
        shared.upload(elsewhere / "cat.png", "x.png", "")
        assert (base / "temp/x.png").read_bytes() == b"a cat"
        assert shared.fetch(CLIP, elsewhere / "out.mp4") == 6
        assert (elsewhere / "out.mp4").read_bytes() == b"a clip"
        assert sorted(path.name for path in elsewhere.iterdir()) == ["cat.png", "out.mp4"]
    finally:
        for path in elsewhere.iterdir():
            path.unlink()
        elsewhere.rmdir()


def test_a_result_is_fetched_without_leaving_the_server_until_it_is_published(
    shared: SharedFolder, base: Path, own: Path
) -> None:
    assert shared.fetch(CLIP, own / "out.mp4") == 6
    assert (own / "out.mp4").read_bytes() == b"a clip"
    assert (base / "output/reeldrop/job_00001_.mp4").exists()
    shared.forget([], [CLIP])
    assert (own / "out.mp4").read_bytes() == b"a clip"
    assert [path.name for path in (base / "output").iterdir()] == []


def test_what_was_uploaded_is_tidied_with_its_folders_and_nothing_else(
    shared: SharedFolder, base: Path, own: Path
) -> None:
    references = [shared.upload(own / "cat.png", name, "reeldrop/d1") for name in ("a.png", "b.png")]
    other = shared.upload(own / "cat.png", "c.png", "reeldrop/d2")
    shared.forget(references)
    assert not (base / "temp/reeldrop/d1").exists()
    assert (base / "temp/reeldrop/d2/c.png").exists()
    shared.forget([*references, other])
    assert (base / "temp").is_dir()
    assert list((base / "temp").iterdir()) == []
    assert (own / "cat.png").read_bytes() == b"a cat"


def test_all_that_a_job_left_is_swept_and_nothing_of_others(shared: SharedFolder, base: Path, own: Path) -> None:
    folder = base / "output/reeldrop"
    for name in ("job_00001_.png", "job-2_00001_-audio.mp4", "other_00001_.mp4"):
        (folder / name).write_bytes(b"x")
    (folder / "job.d").mkdir()
    (folder / "job_link").symlink_to(own / "cat.png")
    shared.sweep("output", "reeldrop", "job")
    assert sorted(path.name for path in folder.iterdir()) == ["job.d", "other_00001_.mp4"]
    assert (own / "cat.png").exists()
    shared.upload(own / "cat.png", "a.png", "reeldrop/d1")
    shared.sweep("temp", "reeldrop/d1")
    assert list((base / "temp").iterdir()) == []
    shared.sweep("temp", "reeldrop/none")


@pytest.mark.parametrize(
    ("name", "subfolder", "kind"),
    [("../input/x", "", "output"), ("x", "../..", "output"), ("x", "reeldrop/../..", "output"), ("x", "/etc", "output"),
     ("..", "", "output"), ("a\0b", "", "output"), ("passwd", "", "/etc"), ("", "", "output"), ("x", "", "models")],
)  # fmt: skip
def test_a_server_cannot_name_a_file_outside_its_folders(
    shared: SharedFolder, own: Path, name: str, subfolder: str, kind: str
) -> None:
    with pytest.raises(Failed) as missing:
        shared.fetch(OutputFile(name, subfolder, kind, "9"), own / "out.mp4")
    assert missing.value.problem.code == "result_missing"
    assert [path.name for path in own.iterdir()] == ["cat.png"]
    shared.forget([], [OutputFile(name, subfolder, kind, "9")])


def test_a_link_on_the_way_is_refused_with_the_cure(shared: SharedFolder, base: Path, own: Path) -> None:
    (base / "output/elsewhere").symlink_to(own)
    with pytest.raises(Unavailable) as refused:
        shared.fetch(OutputFile("cat.png", "elsewhere", "output", "9"), own / "out.png")
    assert refused.value.code == "shared_folder_linked"
    with pytest.raises(Unavailable):
        (base / "temp").symlink_to(own)
        shared.upload(own / "cat.png", "x.png", "")
    assert sorted(path.name for path in own.iterdir()) == ["cat.png"]


def test_a_result_that_is_a_link_or_a_pipe_is_none(shared: SharedFolder, base: Path, own: Path) -> None:
    (base / "output/link.mp4").symlink_to(own / "cat.png")
    os.mkfifo(base / "output/pipe.mp4")
    for name in ("link.mp4", "pipe.mp4", "reeldrop"):
        with pytest.raises(Failed):
            shared.fetch(OutputFile(name, "", "output", "9"), own / "out.mp4")


def test_a_result_that_the_share_shows_late_is_waited_for(base: Path, own: Path) -> None:
    late = OutputFile("late.mp4", "reeldrop", "output", "9")
    threading.Timer(0.3, (base / "output/reeldrop/late.mp4").write_bytes, [b"late"]).start()
    assert SharedFolder(base, patience_s=10).fetch(late, own / "out.mp4") == 4


def test_waiting_ends_at_once_when_told_to_stop(base: Path, own: Path) -> None:
    stop, began_s = threading.Event(), time.monotonic()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Unavailable) as stopped:
        SharedFolder(base, patience_s=20).fetch(OutputFile("no.mp4", "", "output", "9"), own / "out.mp4", stop=stop)
    assert stopped.value.code == "stopping"
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("made", [False, True])
def test_a_share_that_is_not_mounted_holds_with_the_cure(tmp_path: Path, own: Path, made: bool) -> None:
    away = tmp_path / "away"
    if made:
        away.mkdir()
    for act in (
        lambda: SharedFolder(away).upload(own / "cat.png", "x.png", ""),
        lambda: SharedFolder(away).fetch(CLIP, own / "out.mp4"),
    ):
        with pytest.raises(Unavailable) as held:
            act()
        assert held.value.code == ("shared_folder_wrong" if made else "shared_folder_missing")
        assert "config.yaml" in held.value.fix
