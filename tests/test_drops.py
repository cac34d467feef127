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
    Control,
    control_of,
    group,
    is_junk,
    is_junk_folder,
    left_outside,
    media_kind,
    name_of,
    role_in_folder,
    role_of,
    said_by,
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
    "a forgotten txt beside what it was made from": (
        ["a.yaml", "a.yaml.txt"],
        [("job_file", "a", ["a.yaml"]), ("job_file", "a", ["a.yaml.txt"])],
        [],
    ),
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
    "two of one kind and one of the other": (
        ["cat.jpg", "cat.mov", "cat.png"],
        [("media", "cat", ["cat.jpg", "cat.mov"]), ("media", "cat", ["cat.png"])],
        [],
    ),
    "two that differ by case alone": (
        ["Cat.jpg", "cat.jpg"],
        [("media", "Cat", ["Cat.jpg"]), ("media", "cat", ["cat.jpg"])],
        [],
    ),
    "a moving picture is a picture by its name": (
        ["cat.gif", "cat.webp"],
        [("media", "cat", ["cat.gif"]), ("media", "cat", ["cat.webp"])],
        [],
    ),
    "roles beside a picture without one": (
        ["a.jpg", "a.source.jpg", "a.target.mp4"],
        [("media", "a", ["a.source.jpg", "a.target.mp4"]), ("media", "a", ["a.jpg"])],
        [],
    ),
    "a role and the other kind": (["a.mp4", "a.source.jpg"], [("media", "a", ["a.source.jpg", "a.mp4"])], []),
    "a live photo with a job file": (
        ["cat.heic", "cat.mov", "cat.yaml"],
        [("job_file", "cat", ["cat.yaml", "cat.heic", "cat.mov"])],
        [],
    ),
    "a live photo": (["cat.heic", "cat.mov"], [("media", "cat", ["cat.heic", "cat.mov"])], []),
    "a live photo, video first": (["cat.MOV", "cat.jpg"], [("media", "cat", ["cat.jpg", "cat.MOV"])], []),
    "a prompt": (["a.txt"], [("text", "a", ["a.txt"])], []),
    "a prompt beside media": (["a.jpg", "a.txt"], [("text", "a", ["a.txt", "a.jpg"])], []),
    "a note beside a job file": (["a.txt", "a.yaml"], [("job_file", "a", ["a.yaml"])], ["a.txt"]),
    "case differs": (["Cat.JPG", "cat.yaml"], [("job_file", "cat", ["cat.yaml", "Cat.JPG"])], []),
    "two texts of one name": (
        ["a.TXT", "a.jpg", "a.txt"],
        [("text", "a", ["a.TXT", "a.jpg"]), ("text", "a", ["a.txt"])],
        [],
    ),
    "two job files of one name on one picture": (
        ["a.jpg", "a.yaml", "a.yml"],
        [("job_file", "a", ["a.yaml", "a.jpg"]), ("job_file", "a", ["a.yml"])],
        [],
    ),
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
    "orders are no drops and are not left alone": (["a.cancel", "a.Cancel.TXT", "PAUSE", "pause.txt"], [], []),
    "PAUSE in a folder below, where it means nothing": (
        ["trip/PAUSE", "trip/Pause.txt", "trip/a.cancel"],
        [],
        ["trip/PAUSE", "trip/Pause.txt"],
    ),
    "a picture of an order's name": (
        ["cancel.jpg", "pause.png"],
        [("media", "cancel", ["cancel.jpg"]), ("media", "pause", ["pause.png"])],
        [],
    ),
    "a status file of ours": (["a.status.json"], [("again", "a", ["a.status.json"])], []),
    "a status file in capitals, with a forgotten txt": (
        ["A.STATUS.JSON.TXT"],
        [("again", "A", ["A.STATUS.JSON.TXT"])],
        [],
    ),
    "a status file beside media": (
        ["a.jpg", "a.source.png", "a.status.json", "b.jpg"],
        [("again", "a", ["a.status.json", "a.jpg", "a.source.png"]), ("media", "b", ["b.jpg"])],
        [],
    ),
    "a status file beside our video": (
        ["a.mp4", "a.status.json"],
        [("again", "a", ["a.status.json", "a.mp4"])],
        [],
    ),
    "a status file beside a job file, which has the media": (
        ["a.jpg", "a.json", "a.status.json"],
        [("job_file", "a", ["a.json", "a.jpg"]), ("again", "a", ["a.status.json"])],
        [],
    ),
    "a status file beside a text": (["a.status.json", "a.txt"], [("again", "a", ["a.status.json"])], ["a.txt"]),
    "a job file of the name status": (["status.json"], [("job_file", "status", ["status.json"])], []),
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
    "a folder drop": (
        ["cat/job.yaml", "cat/more/b.jpg", "cat/source.jpg", "cats/b.jpg"],
        [
            ("folder", "cat", ["cat/job.yaml", "cat/more/b.jpg", "cat/source.jpg"]),
            ("media", "b", ["cats/b.jpg"]),
        ],
        [],
    ),
    "a folder drop beside files of its name": (
        ["cat.jpg", "cat.yaml", "cat/Job.YML.txt", "cat/cat.jpg"],
        [
            ("job_file", "cat", ["cat.yaml", "cat.jpg"]),
            ("folder", "cat", ["cat/Job.YML.txt", "cat/cat.jpg"]),
        ],
        [],
    ),
    "all in a folder drop belongs to it": (
        [
            *("cat/a.status.json", "cat/job.json", "cat/job.txt", "cat/job.yaml", "cat/notes.pdf", "cat/other.yaml"),
            *("cat/a (Ann's conflicted copy 2026-11-22).jpg", "cat/done/b.jpg", "cat/inner/job.yaml", "cat/z.jpg"),
        ],
        [
            (
                "folder",
                "cat",
                [
                    *("cat/job.yaml", "cat/done/b.jpg", "cat/z.jpg", "cat/a (Ann's conflicted copy 2026-11-22).jpg"),
                    *("cat/a.status.json", "cat/inner/job.yaml", "cat/job.json", "cat/job.txt", "cat/notes.pdf"),
                    "cat/other.yaml",
                ],
            )
        ],
        [],
    ),
    "junk and orders in a folder drop are none of its own": (
        ["cat/.DS_Store", "cat/@eaDir/a.jpg", "cat/a.cancel", "cat/a.jpg.part", "cat/job.yaml"],
        [("folder", "cat", ["cat/job.yaml"])],
        [],
    ),
    "a folder drop in a grouping folder": (
        ["trip/a.jpg", "trip/cat/job.yml", "trip/cat/cat.mp4"],
        [("media", "a", ["trip/a.jpg"]), ("folder", "cat", ["trip/cat/job.yml", "trip/cat/cat.mp4"])],
        [],
    ),
    "a folder drop of a reserved name, or in one": (
        ["done/job.yaml", "Media/cat/job.yaml", "media/cat/a.jpg"],
        [],
        ["Media/cat/job.yaml", "done/job.yaml", "media/cat/a.jpg"],
    ),
    "a folder with a job file of another name": (
        ["cat/jobs.yaml", "cat/my.job.yaml"],
        [("job_file", "jobs", ["cat/jobs.yaml"]), ("job_file", "my.job", ["cat/my.job.yaml"])],
        [],
    ),
    "a re-drop called job is no folder drop": (
        ["cat/job.status.json", "cat/job.jpg"],
        [("again", "job", ["cat/job.status.json", "cat/job.jpg"])],
        [],
    ),
    "copies of sync programs": (
        ["a (Ann's conflicted copy 2026-11-22).yaml", "a.jpg", "a.sync-conflict-20261122-101010-ABCDEFG.jpg"],
        [("media", "a", ["a.jpg"])],
        ["a (Ann's conflicted copy 2026-11-22).yaml", "a.sync-conflict-20261122-101010-ABCDEFG.jpg"],
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
    names = {
        "a.status.json": "a",
        "a.status.json.txt": "a",
        "a.cancel": "a",
        "a.yaml": "a",
        "a.yaml.txt": "a",
        "a.txt": "a",
        "a.source.jpg": "a",
        "a.b.png": "a.b",
        ".x": "",
        "x": "x",
    }
    assert {path: name_of(f"t/g/{path}") for path in names} == names


def test_a_text_is_left_alone_where_the_task_takes_no_prompt():
    listing = [*in_task("a.jpg", "a.txt", "pause.txt"), "face-swap/a.txt"]
    candidates, left = group(listing, TASKS, {"face-swap"})
    assert [(drop.kind, drop.members) for drop in candidates] == [
        ("text", ("face-swap/a.txt",)),
        ("media", ("image-to-video/a.jpg",)),
    ]
    assert left == ("image-to-video/a.txt",)


def test_a_folder_drop_says_its_folder_and_what_is_above_it():
    (drop,), _ = group(["face-swap/trip/cat/job.yaml", "face-swap/trip/cat/in/source.jpg"], TASKS)
    assert (drop.task, drop.grouping, drop.name, drop.folder) == ("face-swap", "trip", "cat", "face-swap/trip/cat")
    assert (drop.job_file, drop.media) == ("face-swap/trip/cat/job.yaml", ("face-swap/trip/cat/in/source.jpg",))
    assert said_by(drop.members[0], drop.folder) == ("face-swap", "trip", "cat")
    assert said_by("face-swap/trip/a.source.jpg") == ("face-swap", "trip", "a")


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("PAUSE", Control("pause", "", "")),
        ("pause.TXT", Control("pause", "", "")),
        ("face-swap/Pause", Control("pause", "face-swap", "")),
        ("face-swap/trip/PAUSE", None),
        ("face-swap/a.cancel", Control("cancel", "face-swap", "a")),
        ("face-swap/trip/a.b.CANCEL.txt", Control("cancel", "face-swap/trip", "a.b")),
        ("face-swap/pause.cancel", Control("cancel", "face-swap", "pause")),
        ("face-swap/\udce9.cancel", Control("cancel", "face-swap", "\udce9")),
        ("a.cancel", None),
        ("face-swap/.cancel", None),
        ("face-swap/.a.cancel", None),
        ("face-swap/done/a.cancel", None),
        ("rejected/face-swap/a.cancel", None),
        (".reeldrop/PAUSE", None),
        ("face-swap/@eaDir/a.cancel", None),
        ("face-swap/a.cancel.yaml", None),
        ("face-swap/unpause", None),
    ],
)
def test_orders_count_where_a_person_would_put_them(path, order):
    assert control_of(path) == order


def test_what_lies_outside_of_the_tasks_is_told_of():
    listing = [
        *("PAUSE", "Thumbs.db", "a.cancel", "a.yaml", "adult/a.yaml", "done/a.yaml", "face-swap/a.pdf", "media/a.jpg"),
        *("strange/PAUSE", "strange/@eaDir/a.jpg", "strange/deep/.x/a.jpg", "strange/deep/a.jpg", ".reeldrop/x"),
    ]
    expected = ("a.cancel", "a.yaml", "adult/a.yaml", "strange/PAUSE", "strange/deep/a.jpg")
    assert left_outside(listing, TASKS) == expected


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("source.jpg", "source"),
        ("in/Target.MP4", "target"),
        ("cat.image.png", "image"),
        ("cat.jpg", None),
        ("sources.jpg", None),
    ],
)
def test_in_a_folder_drop_the_name_may_be_the_role(path, role):
    assert role_in_folder(path) == role


parts = st.sampled_from(["a", "A", "b", "job", "a.source", "done", ".x", "trip"])
endings = st.sampled_from(
    [".yaml", ".yml", ".json", ".txt", ".yaml.txt", ".jpg", ".png", ".mp4", ".pdf", ".part", ".cancel", ".status.json"]
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
        task_of(path) not in TASKS
        or is_junk(path.rpartition("/")[2])
        or any(map(is_junk_folder, path.split("/")[:-1]))
        or control_of(path)
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
        assert f"`{role}`" in page
