"""What programs leave beside the files that people mean never starts anything."""

import pytest

from service.drops import group, is_conflict_copy, is_junk, is_junk_folder

JUNK = [
    *(".DS_Store", "._cat.jpg", ".nfs0000000000a1", ".smbdeleteAAA1", ".syncthing.cat.yaml.tmp"),
    *(".cat.yaml.Xy12Z9", ".goutputstream-X1", ".apdisk", ".fuse_hidden0001", ".cat.jpg.icloud", "~$cat.json"),
    *("~cat.tmp", "~syncthing~cat.yaml.tmp", "cat.yaml~", "Thumbs.db", "THUMBS.DB", "ehthumbs.db"),
    *("Desktop.ini", "cat.part", "cat.jpg.PARTIAL", "cat.filepart", "cat.crdownload", "cat.download"),
    *("cat.opdownload", "cat.TMP", "cat.temp", "cat.uploading", "cat.unmanic.part", "cat.!qB", "cat.aria2"),
    *("cat.lock", "cat.camelLock", "cat.swp", "cat.backup~", "cat.partial~", "cat.reason.txt"),
]

FOLDERS = [
    *("@eaDir", "@tmp", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", ".snapshot", "lost+found"),
    *("$RECYCLE.BIN", "System Volume Information", ".Trashes", ".Trash-1000", ".Spotlight-V100", ".fseventsd"),
    *(".TemporaryItems", ".AppleDouble", "__MACOSX", ".stfolder", ".stversions", ".~tmp~", "_UNPACK_cat", ".git"),
    "cat.mp4.download",
]

CONFLICTS = [
    "cat.sync-conflict-20261122-101010-ABCDEFG.yaml",  # Syncthing
    "cat (Ann's conflicted copy 2026-11-22).yaml",  # Dropbox
    "cat (ann-laptop's conflicted copy 2026-11-22 (1)).jpg",
    "cat (Case Conflict).jpg",
    "cat (Case Conflict 1).jpg",
    "cat (Selective Sync Conflict).jpg",
    "cat (Unicode Encoding Conflict).jpg",
    "cat (In Konflikt stehende Kopie von Ann 2026-11-22).yaml",
    "cat (Anns in Konflikt stehende Kopie 2026-11-22).yaml",
    "cat (Copie en conflit de Ann 2026-11-22).yaml",
    "cat (conflicted copy 2026-11-22 101010).yaml",  # Nextcloud
    "cat (conflicted copy Ann 2026-11-22 101010).yaml",
    "cat_conflict-20261122-101010.yaml",  # ownCloud, older Nextcloud
    "cat-DESKTOP-1A2B3C4.yaml",  # OneDrive
    "cat-LAPTOP-1A2B3C4D-2.jpg",
    "cat-WIN-1A2B3C4D5E6.jpg",
    "cat (Ann's MacBook's conflicted copy 2026-11-22).yaml",  # iCloud
    "cat_Ann-PC_Nov-22-1010-2026_Conflict.yaml",  # Synology Drive
    "cat_Ann-PC_Jan-03-0901-2026_CaseConflict_1.yaml",
    "cat (SFConflict ann@example.org 2026-11-22-10-10-10).yaml",  # Seafile
    "cat.Conflict.jpg",  # Resilio Sync
    "cat.Conflict2.jpg",
    "cat.yaml.conflict1",  # rclone
    "cat [conflicted].yaml",  # pCloud
    "cat(Conflict_ann (Web browser)_2026-11-22-10-10-10).jpg",  # FileCloud
]


@pytest.mark.parametrize("name", [*JUNK, "Icon\r"])
def test_what_programs_leave_behind_is_junk(name):
    assert is_junk(name)
    assert group([f"t/{name}"], ["t"]) == ((), ())


@pytest.mark.parametrize("name", FOLDERS)
def test_what_systems_leave_behind_are_junk_folders(name):
    assert is_junk_folder(name)
    assert group([f"t/{name}/a.yaml", f"t/b/{name}/c/a.jpg"], ["t"]) == ((), ())


@pytest.mark.parametrize("name", CONFLICTS)
def test_copies_that_sync_programs_made_are_left_alone_and_told_of(name):
    assert is_conflict_copy(name)
    assert group([f"t/{name}"], ["t"]) == ((), (f"t/{name}",))


@pytest.mark.parametrize(
    "name",
    [
        *("a.yaml", "party.jpg", "template.txt", "a.particle.png", "lock.yaml", "harbour 2.yaml", "harbour (1).yaml"),
        *("conflict.yaml", "the conflict of 2020.txt", "conflict-20261122.jpg", "no conflict (yet).yaml", "tmp.jpg"),
        *("a-desktop-view.jpg", "big-win-1.jpg", "my-laptop-photo.png", "desktop.jpg", "unpack_.jpg", "a~b.jpg"),
    ],
)
def test_what_people_drop_is_no_junk(name):
    assert not is_junk(name)
    assert not is_junk_folder(name)
    assert not is_conflict_copy(name)
    assert len(group([f"t/{name}"], ["t"])[0]) == 1
