"""Files appear whole or not at all, and nothing is replaced that isn't ours."""

import os
import subprocess
import sys

import pytest

from service.disk import Disk, draft_of
from tests.inbox.world import ABILITIES, Fuel, Stopped


@pytest.fixture(params=ABILITIES)
def disk(request):
    return Disk(**ABILITIES[request.param])


def test_a_rename_to_a_new_name_moves_the_file(disk, tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"1")
    disk.rename_new(source, target)
    assert not source.exists()
    assert target.read_bytes() == b"1"
    assert target.stat().st_nlink == 1


@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
def test_a_rename_to_a_name_that_is_taken_changes_nothing(disk, tmp_path, there):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"1")
    if there == "file":
        target.write_bytes(b"2")
    elif there == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = target.lstat()
    with pytest.raises(FileExistsError):
        disk.rename_new(source, target)
    assert source.read_bytes() == b"1"
    assert target.lstat() == before


def test_a_rename_of_nothing_leaves_nothing(disk, tmp_path):
    with pytest.raises(FileNotFoundError):
        disk.rename_new(tmp_path / "a", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_rename_stopped_between_link_and_unlink_is_finished_by_repeating_it(disk, tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"1")
    os.link(source, target)
    if disk._exclusive_rename or disk._hard_links:
        disk.rename_new(source, target)
        assert not source.exists()
    assert target.read_bytes() == b"1"


def test_names_that_are_no_utf8_are_renamed_exactly(disk, tmp_path):
    source = tmp_path / os.fsdecode(b"\xff a")
    source.write_bytes(b"1")
    disk.rename_new(source, tmp_path / os.fsdecode(b"\xe9 b"))
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xe9 b"]


def test_a_durable_write_is_old_or_new_at_every_stop(tmp_path):
    path = tmp_path / "file"
    for allowed in range(4):
        path.write_bytes(b"old")
        fuel = Fuel(allowed)
        try:
            Disk(fuel).write_durable(path, b"the new one")
        except Stopped:
            assert path.read_bytes() == (b"old" if allowed < 2 else b"the new one")
    assert fuel.effects == [("write", ".file.part"), ("rename", ".file.part"), ("fsync", tmp_path.name)]
    assert path.read_bytes() == b"the new one"


def test_created_files_never_replace(disk, tmp_path):
    path = tmp_path / "file"
    disk.create(path, b"1")
    with pytest.raises(FileExistsError):
        disk.create(path, b"2")
    assert path.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_planted_under_a_drafts_name_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path = tmp_path / "file"
    draft_of(path).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        Disk().write(path, b"1")
    assert victim.read_bytes() == b"precious"


def test_folders_are_made_with_their_parents(tmp_path):
    Disk().make_folders(tmp_path / "a/b/c")
    Disk().make_folders(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Disk().make_folders(tmp_path / "file")


def test_new_files_get_the_rights_that_the_umask_leaves(tmp_path):
    code = (
        "import os, sys, pathlib; from service.disk import Disk; os.umask(0o027);"
        "Disk().write(pathlib.Path(sys.argv[1]), b'1')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True, timeout=20)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_no_draft(tmp_path):
    """A limit on the size of files stands for a full disk: the write fails in its middle."""
    code = (
        "import resource, sys, pathlib; from service.disk import Disk;"
        "folder = pathlib.Path(sys.argv[1]); big = folder / 'big'; big.write_bytes(bytes(200_000));"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); disk = Disk()\n"
        "for act in (lambda: disk.write(folder / 'a', bytes(200_000)),"
        "            lambda: disk.copy(big, folder / 'b', folder / '.b.part')):\n"
        "    try: act()\n"
        "    except OSError as error: print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=20, capture_output=True)
    assert done.stdout == b"27\n27\n"
    assert [path.name for path in tmp_path.iterdir()] == ["big"]


def test_a_draft_of_a_long_name_has_a_name_that_fits(tmp_path):
    path = tmp_path / ("é" * 127)
    Disk().write_durable(path, b"1")
    assert path.read_bytes() == b"1"


def test_anothers_file_under_the_new_name_is_no_success_of_ours(tmp_path):
    """A twin removes our draft and puts its own file there, before our rename."""
    for abilities in ABILITIES.values():
        source, target = tmp_path / "draft", tmp_path / "result"
        source.write_bytes(b"ours")
        target.unlink(missing_ok=True)

        def meanwhile(_effect, _path, source=source, target=target):
            source.unlink(missing_ok=True)
            if not target.exists():
                target.write_bytes(b"theirs")

        with pytest.raises(OSError, match=r"draft|result"):
            Disk(meanwhile, **abilities).rename_new(source, target)
        assert target.read_bytes() == b"theirs"
