"""Which files become one job, whatever comes first: a table, each row through a whole daemon."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.line.world import World, photo
from tests.media import drawing
from tests.workflows import with_shipped

TINY = "seed: 7\nwidth: 64\nheight: 64\nframes: 2\nsteps: 1\n"
AGAIN = "rerun: true\n"
#: Two pictures that can be told from each other.
ONE, OTHER = photo((64, 48)), photo((80, 60))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return drawing.clip(tmp_path_factory.mktemp("films") / "film.mp4").read_bytes()


@pytest.fixture
def bench(tmp_path: Path, engine_outside: str) -> World:
    """A daemon with workflows for every set of roles, and a media folder beside the inbox."""
    (tmp_path / "roots" / "cats").mkdir(parents=True)
    folder = str(with_shipped(tmp_path / "workflows"))
    return World(tmp_path, engine_outside, workflows_dir=folder, media_roots=[str(tmp_path / "roots")])


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def used(status: dict[str, Any]) -> dict[str, str]:
    """Return which content played which role."""
    return {each["role"]: each["sha256"] for each in status["inputs"]}


def lies(world: World, path: str) -> bool:
    return (world.config.inbox_dir / path).exists()


# what is dropped, one file after another ------------------------------------------------------------------------------

#: Files in the order in which they come, the roles that they must play, by the number of the file, and where each goes.
Steps = list[tuple[str, str | bytes]]
TABLE: dict[str, tuple[Steps, dict[str, int]]] = {
    "job file first": ([("image-to-video/cat.yaml", TINY), ("image-to-video/cat.jpg", ONE)], {"image": 1}),
    "picture first": ([("image-to-video/cat.jpg", ONE), ("image-to-video/cat.yaml", TINY)], {"image": 0}),
    "another case": ([("image-to-video/cat.yaml", TINY), ("image-to-video/CAT.JPG", ONE)], {"image": 1}),
    "accents stored apart": (
        [("image-to-video/noe\u0308l.jpg", ONE), ("image-to-video/noël.yaml", TINY)],
        {"image": 0},
    ),
    "a hidden ending": ([("image-to-video/cat.jpg", ONE), ("image-to-video/cat.yaml.txt", TINY)], {"image": 0}),
    "in a folder for order": (
        [("image-to-video/trip/cat.jpg", ONE), ("image-to-video/trip/cat.yaml", TINY)],
        {"image": 0},
    ),
    "a picture by role": (
        [("image-to-video/cat.image.jpg", ONE), ("image-to-video/cat.yaml", TINY)],
        {"image": 0},
    ),
    "roles by name": (
        [("face-swap/ann.source.jpg", ONE), ("face-swap/ann.target.mp4", b"film"), ("face-swap/ann.yaml", AGAIN)],
        {"source": 0, "target": 1},
    ),
    "roles by kind": (
        [("face-swap/ann.yaml", AGAIN), ("face-swap/ann.mp4", b"film"), ("face-swap/ann.jpg", ONE)],
        {"source": 2, "target": 1},
    ),
    "one role by name, one by kind": (
        [("motion-mimic/ann.yaml", AGAIN), ("motion-mimic/ann.mp4", b"film"), ("motion-mimic/ann.image.jpg", ONE)],
        {"image": 2, "reference": 1},
    ),
    "combined": (
        [("combined/ann.jpg", ONE), ("combined/ann.mp4", b"film"), ("combined/ann.yaml", AGAIN)],
        {"source": 0, "reference": 1},
    ),
    "a film alone": ([("retouch/walk.mp4", b"film")], {"target": 0}),
    "roles by field": (
        [
            ("face-swap/a.jpg", ONE), ("face-swap/b.mp4", b"film"),
            ("face-swap/ann.yaml", f"source: a.jpg\ntarget: b.mp4\n{AGAIN}"),
        ],
        {"source": 0, "target": 1},
    ),
    "the field wins over the name": (
        [
            ("image-to-video/cat.jpg", ONE), ("media/dog.jpg", OTHER),
            ("image-to-video/cat.yaml", f"image: cat.jpg\n{TINY}"),
        ],
        {"image": 0},
    ),
    "named in inbox/media": (
        [("media/cats/tabby.jpg", ONE), ("image-to-video/cat.yaml", f"image: cats/tabby.jpg\n{TINY}")],
        {"image": 0},
    ),
    "its own folder before inbox/media": (
        [
            ("media/tabby.jpg", OTHER), ("image-to-video/tabby.jpg", ONE),
            ("image-to-video/cat.yaml", f"image: tabby.jpg\n{TINY}"),
        ],
        {"image": 1},
    ),
    "in a media root": (
        [("../roots/cats/tabby.jpg", ONE), ("image-to-video/cat.yaml", f"image: cats/tabby.jpg\n{TINY}")],
        {"image": 0},
    ),
    "inbox/media before a media root": (
        [
            ("../roots/cats/tabby.jpg", OTHER), ("media/cats/tabby.jpg", ONE),
            ("image-to-video/cat.yaml", f"image: cats/tabby.jpg\n{TINY}"),
        ],
        {"image": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_files_find_each_other_in_whatever_order_they_come(bench: World, film: bytes, row: str):
    steps, roles = TABLE[row]
    contents = [film if content == b"film" else content for _, content in steps]
    with bench:
        for (path, _), content in zip(steps, contents, strict=True):
            bench.drop(path, content)
            if path.endswith(".yaml") and path is not steps[-1][0]:
                # Seen and waiting before the next file comes.
                file = bench.config.output_dir / f"{path[:-5]}.status.json"
                bench.until(file.exists, "its status")
        last = next((path for path, _ in steps if ".yaml" in path), steps[0][0])
        name = last.partition(".")[0]
        status = bench.until_state(name, "done", "rejected", "failed")
        assert status["state"] == "done", status["error"]
        stays = [path for path, _ in steps if path.startswith(("media/", "../"))]
        for path, _ in steps:
            if path not in stays:
                bench.until_returned(f"done/{path}")
    expected = {role: contents[number] for role, number in roles.items()}
    assert used(status) == {
        role: sha(content if isinstance(content, bytes) else content.encode()) for role, content in expected.items()
    }
    assert all(lies(bench, path) for path in stays)


# what can't be paired -------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Steps, str, list[str]]] = {
    "two pictures for one role": (
        [("image-to-video/cat.png", OTHER), ("image-to-video/cat.jpg", ONE), ("image-to-video/cat.yaml", TINY)],
        "image-to-video/cat",
        ["cat.jpg", "cat.png", "Rename", "cat.image."],
    ),
    "two films for one role": (
        [
            ("face-swap/ann.mp4", b"film"), ("face-swap/ann.mov", b"film"), ("face-swap/ann.jpg", ONE),
            ("face-swap/ann.yaml", AGAIN),
        ],
        "face-swap/ann",
        ["ann.mov", "ann.mp4", "Rename", "ann.target."],
    ),
    "a role that the workflow lacks": (
        [("image-to-video/cat.source.jpg", ONE), ("image-to-video/cat.yaml", TINY)],
        "image-to-video/cat",
        ["no source", "Rename it to cat.image.jpg"],
    ),
    "the wrong kind by name": (
        [("face-swap/ann.source.mp4", b"film"), ("face-swap/ann.target.mp4", b"film"), ("face-swap/ann.yaml", AGAIN)],
        "face-swap/ann",
        ["source takes a picture", "ann.source.mp4 is a video"],
    ),
    "the wrong kind by field": (
        [("face-swap/a.mp4", b"film"), ("face-swap/ann.yaml", "source: a.mp4\ntarget: a.mp4\n")],
        "face-swap/ann",
        ["source takes a picture", "a.mp4 is a video"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_not_clear_is_refused_with_the_renaming_to_do(bench: World, film: bytes, row: str):
    steps, name, words = REFUSED[row]
    with bench:
        for path, content in steps:
            bench.drop(path, film if content == b"film" else content)
        bench.until_state(name, "rejected", "done")
        bench.until_returned(f"rejected/{name}.reason.txt")
    reason = bench.reason(name)
    assert [word for word in words if word not in reason] == [], reason


# over time ------------------------------------------------------------------------------------------------------------


def test_a_picture_replaced_before_the_claim_is_the_one_that_is_used(bench: World):
    with bench:
        bench.drop("image-to-video/PAUSE", "")
        bench.drop("image-to-video/cat.yaml", TINY)
        bench.drop("image-to-video/cat.jpg", ONE)
        bench.until_hold("image-to-video/cat", "paused")
        bench.drop("image-to-video/cat.jpg", OTHER)
        (bench.config.inbox_dir / "image-to-video/PAUSE").unlink()
        status = bench.until_state("image-to-video/cat", "done")
        bench.until_returned("done/image-to-video/cat.jpg")
    assert used(status) == {"image": sha(OTHER)}
    assert (bench.config.inbox_dir / "done/image-to-video/cat.jpg").read_bytes() == OTHER


def test_a_picture_that_two_jobs_name_follows_the_last_of_them(bench: World):
    with bench:
        bench.drop("image-to-video/PAUSE", "")
        bench.drop("image-to-video/tabby.jpg", ONE)
        for name in ("first", "second"):
            bench.drop(f"image-to-video/{name}.yaml", f"image: tabby.jpg\n{TINY.replace('7', str(len(name)))}")
        for name in ("first", "second"):
            bench.until_hold(f"image-to-video/{name}", "paused")
        (bench.config.inbox_dir / "image-to-video/PAUSE").unlink()
        for name in ("first", "second"):
            assert used(bench.until_state(f"image-to-video/{name}", "done")) == {"image": sha(ONE)}
            bench.until_returned(f"done/image-to-video/{name}.yaml")
        bench.until_returned("done/image-to-video/tabby.jpg")
    assert not lies(bench, "image-to-video/tabby.jpg")
    assert [name for name in bench.outbox() if name.endswith(".mp4")] == [
        "image-to-video/first.mp4", "image-to-video/second.mp4",
    ]  # fmt: skip


def test_a_picture_stays_while_a_job_that_names_it_waits_for_another(bench: World, film: bytes):
    with bench:
        bench.drop("face-swap/face.jpg", ONE)
        bench.drop("face-swap/walk.mp4", film)
        bench.drop("face-swap/waits.yaml", "source: face.jpg\ntarget: nowhere.mp4\n")
        bench.until_hold("face-swap/waits", "media_missing")
        bench.drop("face-swap/goes.yaml", "source: face.jpg\ntarget: walk.mp4\n")
        bench.until_state("face-swap/goes", "done")
        bench.until_returned("done/face-swap/walk.mp4")
        assert lies(bench, "face-swap/face.jpg")
        bench.drop("face-swap/nowhere.mp4", film)
        bench.until_state("face-swap/waits", "done")
        bench.until_returned("done/face-swap/face.jpg")


MISSING: dict[str, tuple[Steps, str, list[str]]] = {
    "by its own name": ([("image-to-video/cat.yaml", TINY)], "image-to-video/cat", ["cat.jpg", "picture"]),
    "by field": ([("image-to-video/cat.yaml", "image: dog.jpg\n")], "image-to-video/cat", ["dog.jpg"]),
    "one of two": (
        [("face-swap/ann.source.jpg", ONE), ("face-swap/ann.yaml", AGAIN)],
        "face-swap/ann",
        ["target", "ann.mp4"],
    ),
}


@pytest.mark.parametrize("row", MISSING)
def test_what_is_missing_is_named_while_it_waits_and_in_the_reason(tmp_path, engine_outside, row: str):
    steps, name, words = MISSING[row]
    folder = str(with_shipped(tmp_path / "workflows"))
    world = World(tmp_path, engine_outside, workflows_dir=folder, watch={"media_wait_minutes": 0.015})
    with world:
        for path, content in steps:
            world.drop(path, content)
        hold = world.until_hold(name, "media_missing")
        world.until_returned(f"rejected/{name}.reason.txt")
        for path, _ in steps:
            world.until_returned(f"rejected/{path}")
    said = f"{hold['title']} {hold['fix']}"
    assert [word for word in words if word not in said] == [], said
    assert hold["title"] in world.reason(name)
    assert hold["fix"] in world.reason(name)


def test_media_that_need_more_stay_without_a_status_until_a_job_file_comes(bench: World, film: bytes):
    with bench:
        bench.drop("motion-mimic/ann.mp4", film)
        bench.drop("image-to-video/cat.jpg", ONE)
        bench.until_state("image-to-video/cat", "done")
        assert lies(bench, "motion-mimic/ann.mp4")
        assert [name for name in bench.outbox() if name.startswith("motion-mimic/")] == []
        bench.drop("motion-mimic/ann.jpg", OTHER)
        bench.drop("motion-mimic/ann.yaml", AGAIN)
        status = bench.until_state("motion-mimic/ann", "done")
    assert used(status) == {"image": sha(OTHER), "reference": sha(film)}
