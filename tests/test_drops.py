"""One listing is grouped into drops by names alone."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.drops import (
    RESERVED,
    ROLES,
    Candidate,
    group,
    is_junk,
    is_junk_folder,
    media_kind,
    name_of,
    role_of,
    task_of,
)
from service.job import MediaKind

TASKS = ("text-to-video", "image-to-video", "face-swap")


def drops_of(*paths):
    """The drops as (kind, name, files) and what is left alone."""
    candidates, left = group(paths, TASKS)
    return [(drop.kind, drop.name, drop.members) for drop in candidates], list(left)


def in_task(*names):
    return [f"image-to-video/{name}" for name in names]


TABLE = {
    "a job file alone": (["a.yaml"], [("job_file", "a", ["a.yaml"])], []),
    "a job file of each ending": (
        ["a.yml", "b.json", "C.YAML"],
        [("job_file", "C", ["C.YAML"]), ("job_file", "a", ["a.yml"]), ("job_file", "b", ["b.json"])],
        [],
    ),
    "a forgotten txt": (["a.yaml.txt"], [("job_file", "a", ["a.yaml.txt"])], []),
    "a job file and media": (["a.jpg", "a.yaml"], [("job_file", "a", ["a.yaml", "a.jpg"])], []),
    "media by role": (
        ["a.source.jpg", "a.target.mp4", "a.yaml"],
        [("job_file", "a", ["a.yaml", "a.source.jpg", "a.target.mp4"])],
        [],
    ),
    "roles without a job file": (
        ["a.source.jpg", "a.target.jpg"],
        [("media", "a", ["a.source.jpg", "a.target.jpg"])],
        [],
    ),
    "media alone": (["cat.jpg"], [("media", "cat", ["cat.jpg"])], []),
    "two of one kind": (["cat.jpg", "cat.png"], [("media", "cat", ["cat.jpg"]), ("media", "cat", ["cat.png"])], []),
    "a live photo": (["cat.heic", "cat.mov"], [("media", "cat", ["cat.heic", "cat.mov"])], []),
    "a live photo, video first": (["cat.MOV", "cat.jpg"], [("media", "cat", ["cat.jpg", "cat.MOV"])], []),
    "a prompt": (["a.txt"], [("text", "a", ["a.txt"])], []),
    "a prompt beside media": (["a.jpg", "a.txt"], [("text", "a", ["a.txt", "a.jpg"])], []),
    "a note beside a job file": (["a.txt", "a.yaml"], [("job_file", "a", ["a.yaml"])], ["a.txt"]),
    "case differs": (["Cat.JPG", "cat.yaml"], [("job_file", "cat", ["cat.yaml", "Cat.JPG"])], []),
    "two job files of one name": (
        ["a.jpg", "a.json", "a.yaml"],
        [("job_file", "a", ["a.yaml", "a.jpg"]), ("job_file", "a", ["a.json"])],
        [],
    ),
    "a job file named like the role": (
        ["a.source.jpg", "a.source.yaml"],
        [("job_file", "a.source", ["a.source.yaml", "a.source.jpg"])],
        [],
    ),
    "control and status files": (
        ["a.cancel", "a.cancel.txt", "PAUSE", "a.status.json"],
        [],
        ["PAUSE", "a.cancel", "a.cancel.txt", "a.status.json"],
    ),
    "other files": (["a.pdf", "noending"], [], ["a.pdf", "noending"]),
    "junk is not worth a word": (
        [".DS_Store", "._a.jpg", "Thumbs.db", "a.yaml~", "a.jpg.part", "a.reason.txt"],
        [],
        [],
    ),
    "a file in a junk folder": (["@eaDir/a.jpg", ".snapshot/b.jpg"], [], []),
    "a grouping folder": (
        ["trip/rome/a.jpg", "a.yaml"],
        [("job_file", "a", ["a.yaml"]), ("media", "a", ["trip/rome/a.jpg"])],
        [],
    ),
    "a folder drop, before anybody asks for it": (
        ["cat/job.yaml", "cat/source.jpg", "cat/more/b.jpg", "cats/b.jpg"],
        [("media", "b", ["cats/b.jpg"])],
        ["cat/job.yaml", "cat/more/b.jpg", "cat/source.jpg"],
    ),
    "job.yaml in the task's own folder": (["job.yaml"], [("job_file", "job", ["job.yaml"])], []),
    "reserved folders": (["done/a.jpg", "media/b.jpg"], [], ["done/a.jpg", "media/b.jpg"]),
    "a dot in the name": (["a.b.jpg", "a.b.yaml"], [("job_file", "a.b", ["a.b.yaml", "a.b.jpg"])], []),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_listing_is_grouped_as_written_here(case):
    names, expected, left = TABLE[case]
    found, found_left = drops_of(*in_task(*names))
    assert found == [(kind, name, tuple(in_task(*files))) for kind, name, files in expected]
    assert found_left == in_task(*left)


def test_names_pair_across_unicode_forms():
    composed, decomposed = "café.yaml", unicodedata.normalize("NFD", "café.jpg")
    [(_, name, files)], _ = drops_of(*in_task(composed, decomposed))
    assert (name, files) == ("café", tuple(in_task(composed, decomposed)))


def test_names_that_are_no_utf8_are_kept_exactly():
    [(_, name, files)], _ = drops_of(*in_task("caf\udce9.jpg"))
    assert (name, files) == ("caf\udce9", ("image-to-video/caf\udce9.jpg",))


def test_only_task_folders_count():
    assert drops_of("a.yaml", "done/a.yaml", "rejected/x/a.yaml", "media/a.jpg", "unknown/a.yaml") == ([], [])


def test_a_candidate_says_its_task_and_grouping():
    (candidate,), _ = group(["face-swap/rome/2026/a.yaml"], TASKS)
    assert candidate == Candidate(
        "face-swap", "rome/2026", "a", "job_file", "face-swap/rome/2026/a.yaml", None, ()
    )  # fmt: skip
    assert task_of("face-swap/rome/2026/a.yaml") == "face-swap"
    assert task_of("PAUSE") == ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPEG", "picture"),
        ("a.heic", "picture"),
        ("a.tif", "picture"),
        ("a.mov", "video"),
        ("a.avi", "video"),
        ("a", None),
    ],
)
def test_kinds_come_from_endings(name, kind):
    assert media_kind(name) == (MediaKind(kind) if kind else None)


def test_roles_are_the_last_part_before_the_ending():
    assert role_of("a.source.jpg", "a") == "source"
    assert role_of("A.Target.mp4", "a") == "target"
    assert role_of("a.jpg", "a") is None
    assert role_of("b.source.jpg", "a") is None
    assert role_of("a.summer.jpg", "a") is None


def test_every_dropped_file_has_a_name():
    names = {"a.yaml": "a", "a.yaml.txt": "a", "a.txt": "a", "a.source.jpg": "a", "a.b.png": "a.b", ".x": "", "x": "x"}
    assert {path: name_of(f"t/g/{path}") for path in names} == names


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "._x",
        ".nfs000",
        "~$x.doc",
        "x~",
        "THUMBS.DB",
        "desktop.ini",
        "a.part",
        "a.CRDOWNLOAD",
        "a.!qB",
        "a.backup~",
        "a.reason.txt",
        ".a.yaml.Xy12Z9",
    ],
)
def test_what_programs_leave_behind_is_junk(name):
    assert is_junk(name)


@pytest.mark.parametrize(
    "name", ["@eaDir", "#recycle", ".stfolder", "$RECYCLE.BIN", "System Volume Information", "_UNPACK_x"]
)
def test_what_systems_leave_behind_are_junk_folders(name):
    assert is_junk_folder(name)


@pytest.mark.parametrize("name", ["a.yaml", "party.jpg", "template.txt", "a.particle.png", "lock.yaml"])
def test_what_people_drop_is_no_junk(name):
    assert not is_junk(name)
    assert not is_junk_folder(name)


parts = st.sampled_from(["a", "A", "b", "job", "a.source", "done", ".x", "trip"])
endings = st.sampled_from(
    [".yaml", ".yml", ".json", ".txt", ".yaml.txt", ".jpg", ".png", ".mp4", ".pdf", ".part", ".cancel"]
)
paths = st.builds(
    lambda task, folders, stem, ending: "/".join([task, *folders, stem + ending]),
    st.sampled_from([*TASKS, "done", "other"]),
    st.lists(parts, max_size=2),
    parts,
    endings,
)


@given(st.lists(paths, unique=True, max_size=30), st.randoms())
def test_each_file_is_in_one_place_at_most_and_order_does_not_matter(listing, random):
    candidates, left = group(listing, TASKS)
    placed = [path for candidate in candidates for path in candidate.members] + list(left)
    assert len(placed) == len(set(placed))
    missed = set(listing) - set(placed)
    assert all(
        task_of(path) not in TASKS or is_junk(path.rpartition("/")[2]) or any(map(is_junk_folder, path.split("/")))
        for path in missed
    )
    shuffled = list(listing)
    random.shuffle(shuffled)
    assert group(shuffled, TASKS) == (candidates, left)
    assert all(candidate.members for candidate in candidates)


def test_the_page_on_folders_names_what_the_code_knows():
    page = (Path(__file__).parent.parent / "docs/folders.md").read_text(encoding="utf-8")
    for name in RESERVED:
        assert name in page
    for ending in (".yaml", ".yml", ".json", ".txt"):
        assert ending in page
    for kind in ("JPEG", "PNG", "WebP", "HEIC", "AVIF", "GIF", "BMP", "TIFF", "MP4", "MOV", "MKV", "WebM", "AVI"):
        assert kind in page
    for role in ROLES - {"image"}:
        assert f"`{role}`" in page.partition("## Not built yet")[2]
