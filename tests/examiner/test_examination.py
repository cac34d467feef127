"""What a drop brings becomes inputs, and what is uploaded is what was examined or the job fails with the reason."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from PIL import Image

from service.disk import Disk, sha256_of
from service.errors import Failed, Rejected
from service.examination import Examination
from service.examiner import Examiner
from service.inbox.look import facts_of
from service.inbox.record import Claim, Member, entries_of
from service.job import Expected, Job, MediaKind, Render, State
from service.uploads import files
from tests.marker_classifier import MARKER, MarkerClassifier
from tests.media import drawing

DROP = "0198"
VIDEO, PICTURE = MediaKind.VIDEO, MediaKind.PICTURE


@pytest.fixture(scope="module")
def examiner(tmp_path_factory):
    examiner = Examiner("drops", MarkerClassifier, temporary=tmp_path_factory.mktemp("scratch"))
    examiner.start()
    yield examiner
    examiner.stop()


class Desk:
    """An inbox with one claim, and what is asked of it."""

    def __init__(self, root: Path, examiner: Examiner, large_bytes: int = 1 << 26):
        self.root, self.inbox, self.work = root, root / "inbox", root / "work"
        self.photos = root / "photos"
        self.folder = self.inbox / ".reeldrop" / "claims" / f"{DROP}.1"
        for folder in (self.folder, self.photos, self.inbox / "media", self.inbox / "retouch" / "trip"):
            folder.mkdir(parents=True)
        self.examination = Examination(examiner, self.inbox, self.work, [self.photos], large_bytes=large_bytes)
        self.members: list[Member] = []
        self.more: dict[str, object] = {"folder": None, "found": {}, "named": {}}

    def own(self, made: Path, path: str = "") -> str:
        """Move a file into the claim, as a claim does."""
        path = path or f"retouch/trip/{made.name}"
        self.members.append(Member(path, facts_of(made)))
        made.rename(self.folder / made.name)
        return made.name

    def name(self, made: Path, written: str = "") -> str:
        """Note a file that the job names, as it lies there now."""
        key = str(made.relative_to(self.inbox)) if made.is_relative_to(self.inbox) else str(made)
        seen = os.lstat(made)
        self.more["found"][written or made.name] = key
        self.more["named"][key] = [seen.st_size, seen.st_mtime_ns, seen.st_ino]
        return written or made.name

    @property
    def claim(self) -> Claim:
        record = {"drop": DROP, "stage": "claimed", "members": entries_of(self.members), **self.more}
        return Claim(self.folder, record, Disk())

    def examine(self, file: str, wanted: MediaKind, role: str = "target", label: str = "target"):
        return self.examination.examine(self.claim, role, file, wanted, label)

    def sent(self, made):
        """Return what is uploaded, as (reference, content)."""
        inputs = [{"role": made.role, "file": made.file, "sha256": made.sha256}]
        job = Job("j", DROP, "job", None, "retouch", "trip", "a", State.QUEUED, "", "", inputs=inputs)
        upload = {"role": made.role, "where": made.where, "file": made.prepared, "reference": made.reference}
        render = Render("j", "p", {}, "5", Expected(), {}, [upload])
        given = files(self.claim, job, render, self.work, [self.photos])
        return [(reference, path.read_bytes()) for reference, path in given]


@pytest.fixture
def desk(tmp_path, examiner):
    return Desk(tmp_path, examiner)


@pytest.fixture
def small_desk(tmp_path, examiner):
    """Everything counts as large here."""
    return Desk(tmp_path, examiner, large_bytes=1000)


def test_an_owned_picture_is_sent_as_a_clean_png(desk):
    made = desk.examine(desk.own(drawing.photo(desk.root / "cat.jpg")), PICTURE, "image", "image-2")
    assert (made.role, made.file, made.where, made.prepared) == ("image", "cat.jpg", "work", "image-2.png")
    assert made.reference == "reeldrop/0198/image-2.png [temp]"
    assert made.sha256 == sha256_of(desk.folder / "cat.jpg")
    ((reference, content),) = desk.sent(made)
    assert (reference, content[:4]) == (made.reference, b"\x89PNG")


def test_an_owned_video_is_sent_as_a_clean_mp4_and_what_changed_is_told(desk):
    path = drawing.clip(desk.root / "walk.avi", codec="mpeg4")
    made = desk.examine(desk.own(path), VIDEO)
    assert (made.where, made.prepared, made.facts.codec) == ("work", "target.mp4", "h264")
    assert made.adjusted == ("walk.avi: converted from mpeg4 in AVI to h264 in MP4",)
    assert desk.sent(made)[0][1][4:8] == b"ftyp"


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_animation_plays_a_video_and_gives_a_picture_its_first_frame(desk, name):
    images = [Image.fromarray(drawing.scene(number)) for number in range(5)]
    images[0].save(desk.root / name, save_all=True, append_images=images[1:], duration=100)
    file = desk.own(desk.root / name)
    video = desk.examine(file, VIDEO)
    assert (video.facts.kind, video.facts.frames, video.prepared) == (VIDEO, 5, "target.mp4")
    picture = desk.examine(file, PICTURE, "image", "image")
    assert (picture.facts.frames, picture.prepared) == (1, "image.png")
    assert picture.adjusted == (f"{name}: it moves, and its first frame is used",)


def test_the_wrong_kind_is_refused(desk):
    still = desk.own(drawing.photo(desk.root / "a.gif"))
    clip = desk.own(drawing.clip(desk.root / "b.mp4", audio=True))
    with pytest.raises(Rejected, match=r"a\.gif is a picture, and target must be a video"):
        desk.examine(still, VIDEO)
    with pytest.raises(Rejected, match=r"b\.mp4 is a video, and image must be a picture"):
        desk.examine(clip, PICTURE, "image")


def test_what_is_screened_is_what_would_be_sent(desk):
    file = desk.own(drawing.clip(desk.root / "a.webm", codec="libvpx", draw=drawing.marked_at(0, 1, 2)))
    with pytest.raises(Rejected, match="nudity"):
        desk.examine(file, VIDEO)
    Image.new("RGB", (60, 60), MARKER).save(desk.root / "b.png")
    with pytest.raises(Rejected, match="nudity"):
        desk.examine(desk.own(desk.root / "b.png"), PICTURE)


def test_a_file_of_a_dropped_folder_is_found_by_its_place_in_it(desk):
    (desk.root / "in").mkdir()
    source = drawing.photo(desk.root / "in" / "source.jpg")
    desk.own(source, "retouch/trip/NAME/in/source.jpg")
    desk.more["folder"] = "retouch/trip/NAME"
    assert desk.examine("in/source.jpg", PICTURE).file == "in/source.jpg"


@pytest.mark.parametrize("place", ["media", "roots", "beside"])
def test_a_shared_file_is_copied_once(desk, place):
    folder = {"media": desk.inbox / "media", "roots": desk.photos, "beside": desk.inbox / "retouch" / "trip"}[place]
    file = desk.name(drawing.clip(folder / "walk.mp4", audio=True))
    made = desk.examine(file, VIDEO)
    (folder / "walk.mp4").unlink()
    assert desk.examine(file, VIDEO) == made
    assert len(desk.sent(made)) == 1


def test_a_large_clean_video_is_used_where_it_lies(small_desk):
    desk = small_desk
    shared = desk.examine(desk.name(drawing.clip(desk.photos / "walk.mp4", audio=True)), VIDEO)
    assert (shared.where, shared.prepared, shared.adjusted) == ("shared", str(desk.photos / "walk.mp4"), ())
    assert desk.sent(shared) == [("reeldrop/0198/target.mp4 [temp]", (desk.photos / "walk.mp4").read_bytes())]
    owned = desk.examine(desk.own(drawing.clip(desk.root / "own.mp4", audio=True)), VIDEO, label="other")
    assert (owned.where, owned.prepared) == ("claim", "retouch/trip/own.mp4")
    assert desk.sent(owned)[0][1] == (desk.folder / "own.mp4").read_bytes()
    assert list(desk.work.rglob("*.mp4")) == []


def change(path: Path) -> None:
    """Overwrite the content and keep size and time, as nobody does by accident."""
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("act", [change, grow, replace, link, pipe])
def test_a_large_shared_file_that_changed_fails_the_job(small_desk, act):
    desk = small_desk
    made = desk.examine(desk.name(drawing.clip(desk.photos / "walk.mp4", audio=True)), VIDEO)
    act(desk.photos / "walk.mp4")
    with pytest.raises(Failed, match=r"target .*\(walk\.mp4\) was changed or replaced") as failure:
        desk.sent(made)
    assert failure.value.problem.code == "media_changed"


@pytest.mark.parametrize("act", [grow, replace, link])
@pytest.mark.parametrize("wanted", [PICTURE, VIDEO])
def test_an_owned_file_that_changed_in_the_claim_fails_the_job(desk, act, wanted):
    path = drawing.photo(desk.root / "a.png") if wanted is PICTURE else drawing.clip(desk.root / "a.mp4", audio=True)
    made = desk.examine(desk.own(path), wanted)
    act(desk.folder / path.name)
    with pytest.raises(Failed, match="was changed or replaced"):
        desk.sent(made)


def test_a_file_that_changes_while_it_is_sent_fails_the_job(small_desk):
    desk = small_desk
    made = desk.examine(desk.name(drawing.clip(desk.photos / "walk.mp4", audio=True)), VIDEO)
    inputs = [{"role": "target", "file": made.file, "sha256": made.sha256}]
    job = Job("j", DROP, "job", None, "retouch", "", "a", State.QUEUED, "", "", inputs=inputs)
    upload = {"role": "target", "where": made.where, "file": made.prepared, "reference": made.reference}
    given = files(desk.claim, job, Render("j", "p", {}, "5", Expected(), {}, [upload]), desk.work, [desk.photos])
    next(given)
    change(desk.photos / "walk.mp4")
    with pytest.raises(Failed, match="was changed or replaced"):
        next(given)


@pytest.mark.parametrize("act", [grow, replace, link, pipe])
def test_a_shared_file_that_changed_before_it_was_examined_is_refused(desk, act):
    file = desk.name(drawing.photo(desk.inbox / "media" / "cat.png"))
    act(desk.inbox / "media" / "cat.png")
    with pytest.raises(Rejected, match="was changed or replaced") as refusal:
        desk.examine(file, PICTURE)
    assert refusal.value.problems[0].code == "media_changed"


def test_a_file_that_is_gone_is_told(desk):
    shared = desk.name(drawing.photo(desk.photos / "cat.png"))
    (desk.photos / "cat.png").unlink()
    with pytest.raises(Rejected, match=r"cat\.png is gone"):
        desk.examine(shared, PICTURE)
    made = desk.examine(desk.own(drawing.photo(desk.root / "dog.png")), PICTURE)
    (desk.work / DROP / made.prepared).unlink()
    with pytest.raises(Failed, match=r"\(dog\.png\) is gone"):
        desk.sent(made)


def test_nothing_outside_of_inbox_and_roots_is_read(desk):
    secret = drawing.photo(desk.root / "secret.png")
    (desk.photos / "door").symlink_to(desk.root)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(desk.photos / "socket.png"))
    roots = desk.photos
    keys = [str(secret), str(roots / "door" / "secret.png"), "../secret.png", f"{roots}/../secret.png"]
    for key in (*keys, str(roots / "socket.png"), str(roots), "/dev/zero", "", "media"):
        seen = os.lstat(secret)
        desk.more |= {"found": {"x.png": key}, "named": {key: [seen.st_size, seen.st_mtime_ns, seen.st_ino]}}
        with pytest.raises(Rejected):
            desk.examine("x.png", PICTURE)
    listener.close()


def test_a_link_in_a_root_itself_is_the_operators_own(desk, examiner):
    (desk.root / "mounted").symlink_to(desk.photos)
    drawing.photo(desk.photos / "cat.png")
    desk.examination = Examination(examiner, desk.inbox, desk.work, [desk.root / "mounted"])
    assert desk.examine(desk.name(desk.root / "mounted" / "cat.png"), PICTURE).file == "cat.png"


def test_a_drop_with_the_name_of_a_shared_file_keeps_them_apart(desk):
    shared = desk.name(drawing.photo(desk.photos / "cat.png", size=(80, 60)), "far/cat.png")
    own = desk.own(drawing.photo(desk.root / "cat.png"))
    far = desk.examine(shared, PICTURE, "source", "source")
    near = desk.examine(own, PICTURE, "image", "image")
    assert (far.facts.width, near.facts.width) == (80, 160)
