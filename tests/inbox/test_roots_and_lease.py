"""One daemon owns an inbox, and a folder that is offline is never taken for an empty one."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from service.errors import Unavailable
from service.inbox.lease import take
from service.inbox.roots import kind_of, marker

MOUNTS = """\
22 1 0:21 / / rw - ext4 /dev/vda rw
23 22 0:22 / {root}/nas rw - nfs4 host:/x rw
24 22 0:23 / {root}/win rw - cifs //host/x rw
25 22 0:24 / {root}/with\\040space rw - fuse.sshfs host:/ rw
26 23 0:25 / {root}/nas/local rw - xfs /dev/vdb rw
27 22 0:26 / {root}/odd rw - exfat /dev/sdb1 rw
28 22 0:27 / {root}/Fotoalben-über rw - 9p share rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("here", "local"), ("nas", "share"), ("nas/deep/in", "share"), ("nas/local/x", "local"), ("nasty", "local"),
     ("win", "share"), ("with space", "share"), ("odd", "other"), ("Fotoalben-über/2026", "share")],
)  # fmt: skip
def test_the_mount_table_says_where_writers_can_be_seen(tmp_path, folder, kind):
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.format(root=tmp_path))
    assert kind_of(tmp_path / folder, table) == kind


def test_without_a_mount_table_nothing_is_promised(tmp_path):
    assert kind_of(tmp_path, tmp_path / "none") == "other"


# markers -------------------------------------------------------------------------------------------------------------


def test_a_root_is_marked_once(tmp_path):
    root = tmp_path / "inbox"
    made = marker(root, None)
    assert json.loads((root / ".reeldrop/marker.json").read_bytes())["id"] == made
    assert marker(root, made) == made
    # A new database meets a root that is known to another.
    assert marker(root, None) == made


def test_a_root_without_its_marker_is_offline_and_stays_untouched(tmp_path):
    root = tmp_path / "inbox"
    made = marker(root, None)
    shutil.rmtree(root / ".reeldrop")
    with pytest.raises(Unavailable) as raised:
        marker(root, made)
    assert raised.value.code == "folder_offline"
    assert list(root.iterdir()) == []
    shutil.rmtree(root)
    with pytest.raises(Unavailable):
        marker(root, made)
    assert not root.exists()


def test_another_roots_marker_is_refused(tmp_path):
    first = marker(tmp_path / "first", None)
    marker(tmp_path / "second", None)
    with pytest.raises(Unavailable) as raised:
        marker(tmp_path / "second", first)
    assert raised.value.code == "folder_changed"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff"])
def test_a_damaged_marker_is_said(tmp_path, content):
    marker(tmp_path, None)
    (tmp_path / ".reeldrop/marker.json").write_bytes(content)
    with pytest.raises(Unavailable) as raised:
        marker(tmp_path, None)
    assert raised.value.code == "marker_unreadable"


def test_a_root_that_cannot_be_made_is_said_with_its_cure(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable) as raised:
        marker(tmp_path / "file", None)
    assert raised.value.code == "folder_not_writable"


# leases --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def lease_file(inbox):
    return json.loads((inbox / ".reeldrop/lease.json").read_bytes())


def test_taking_the_inbox_raises_the_epoch_each_time(inbox, tmp_path):
    first = take(inbox, tmp_path / "var")
    assert (first.epoch, first.host) == (1, socket.gethostname())
    assert first.owner == f"{first.host}/{os.getpid()}"
    assert lease_file(inbox)["released"] is False
    first.release()
    first.release()
    assert lease_file(inbox)["released"] is True
    second = take(inbox, tmp_path / "var")
    assert second.epoch == 2
    second.release()


def test_a_second_daemon_is_told_who_runs(inbox, tmp_path):
    lease = take(inbox, tmp_path / "var")
    with pytest.raises(Unavailable) as raised:
        take(inbox, tmp_path / "var")
    assert raised.value.code == "already_running"
    assert f"process {os.getpid()} on {lease.host}" in raised.value.title
    lease.release()
    take(inbox, tmp_path / "var").release()


def test_a_daemon_with_another_state_folder_is_told_who_has_the_inbox(inbox, tmp_path):
    lease = take(inbox, tmp_path / "var")
    with pytest.raises(Unavailable) as raised:
        take(inbox, tmp_path / "other")
    assert raised.value.code == "inbox_taken"
    assert str(tmp_path / "var") in raised.value.title
    # The refused one holds nothing.
    lease.release()
    take(inbox, tmp_path / "other").release()


def test_a_dead_daemons_inbox_is_taken_at_once(inbox, tmp_path):
    code = (
        "import os, sys, pathlib; from service.inbox.lease import take; root = pathlib.Path(sys.argv[1])\n"
        "take(root / 'inbox', root / 'var'); print('taken', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with pytest.raises(Unavailable) as raised:
            take(inbox, tmp_path / "var")
        assert f"process {other.pid}" in raised.value.title
        other.kill()
        other.communicate(timeout=20)
    assert lease_file(inbox)["released"] is False
    for state in ("other", "var"):
        lease = take(inbox, tmp_path / state)
        lease.release()
    assert lease.epoch == 3


def test_another_machines_lease_is_refused_with_the_cure(inbox, tmp_path):
    lease = take(inbox, tmp_path / "var")
    lease.release()
    path = inbox / ".reeldrop/lease.json"
    path.write_text(json.dumps(lease_file(inbox) | {"host": "nas", "owner": "nas/77", "released": False}))
    with pytest.raises(Unavailable) as raised:
        take(inbox, tmp_path / "var")
    assert "process 77 on nas" in raised.value.title
    assert "lease.json" in raised.value.fix
    assert "not built yet" in raised.value.fix
    path.unlink()
    # The epoch of a lease that was deleted lives on in the claims that were made under it.
    (inbox / ".reeldrop/claims/d1.41").mkdir(parents=True)
    lease = take(inbox, tmp_path / "var")
    assert lease.epoch == 42
    lease.release()


def test_a_lease_that_another_took_since_is_not_released_by_us(inbox, tmp_path):
    lease = take(inbox, tmp_path / "var")
    path = inbox / ".reeldrop/lease.json"
    path.write_text(json.dumps(lease_file(inbox) | {"epoch": 9, "owner": "nas/77"}))
    lease.release()
    assert lease_file(inbox)["released"] is False


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"epoch": "x"}'])
def test_a_damaged_lease_is_said(inbox, tmp_path, content):
    (inbox / ".reeldrop").mkdir()
    (inbox / ".reeldrop/lease.json").write_text(content)
    with pytest.raises(Unavailable) as raised:
        take(inbox, tmp_path / "var")
    assert raised.value.code == "lease_unreadable"


def test_folders_that_cannot_be_used_are_said(tmp_path):
    (tmp_path / "file").touch()
    for inbox, state in ((tmp_path / "file", tmp_path / "var"), (tmp_path / "inbox", tmp_path / "file")):
        with pytest.raises(Unavailable) as raised:
            take(inbox, state)
        assert raised.value.code == "folder_not_writable"
