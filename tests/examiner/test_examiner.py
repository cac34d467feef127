import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from fractions import Fraction

import numpy as np
import psutil
import pytest
from PIL import Image

from service.errors import Failed, Rejected, Unavailable
from service.examiner import Deadlines, Examiner
from service.job import Expected, MediaKind
from tests.examiner import hostile
from tests.marker_classifier import MARKER, MarkerClassifier
from tests.media import drawing
from tests.media.test_pictures import bomb

QUICK = Deadlines(probe_s=5, screen_s=2.0, preview_s=2.0, preview_turn_s=0.2)


@pytest.fixture(scope="module")
def examiner(tmp_path_factory):
    examiner = Examiner("drops", MarkerClassifier, temporary=tmp_path_factory.mktemp("scratch"))
    examiner.start()
    yield examiner
    examiner.stop()


@pytest.fixture
def make(tmp_path):
    made = []

    def make(classifier, **options):
        examiner = Examiner("odd", classifier, temporary=tmp_path / "scratch", deadlines=QUICK, **options)
        made.append(examiner)
        examiner.start()
        return examiner

    yield make
    for one in made:
        one.stop()


def child_of(examiner):
    return next(
        child for child in psutil.Process().children() if child.is_running() and child.pid == examiner._process.pid
    )


def test_start_returns_at_once_and_ready_waits(tmp_path):
    examiner = Examiner("drops", MarkerClassifier, temporary=tmp_path)
    started = time.monotonic()
    examiner.start()
    assert time.monotonic() - started < 0.5
    examiner.ready()
    examiner.stop()
    assert not [child for child in psutil.Process().children() if child.name() == "examiner-drops"]


def test_a_clip_goes_the_whole_way(examiner, tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", draw=drawing.marked_at(23))
    found = examiner.probe(path)
    assert (found.kind, found.width, found.frames) == (MediaKind.VIDEO, 160, 24)
    screening = examiner.screen(path, found)
    assert (screening.score, screening.frame, screening.samples, screening.hit) == (1.0, 23, 9, True)
    facts, warnings = examiner.verify(path, Expected(160, 120, 12, 24, audio=False))
    assert (facts, warnings) == (found, [])


def test_a_harmless_clip_is_no_hit(examiner, tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=16)
    screening = examiner.screen(path, examiner.probe(path))
    assert (screening.hit, screening.samples) == (False, 16)


def test_a_picture_is_screened_and_prepared(examiner, tmp_path):
    Image.new("RGB", (90, 60), MARKER).save(tmp_path / "a.heic")
    found = examiner.probe(tmp_path / "a.heic")
    assert examiner.screen(tmp_path / "a.heic", found).hit
    made, lines = examiner.prepare(tmp_path / "a.heic", tmp_path / "a.png")
    assert lines == []
    assert (made.container, made.width, made.height, made.kind) == ("png", 90, 60, MediaKind.PICTURE)
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_what_is_hidden_behind_transparency_is_not_what_leaves(examiner, tmp_path):
    Image.new("RGBA", (90, 60), (*MARKER, 0)).save(tmp_path / "a.png")
    examiner.prepare(tmp_path / "a.png", tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").getextrema() == ((255, 255), (255, 255), (255, 255))


def test_a_video_is_not_prepared_as_a_picture(examiner, tmp_path):
    with pytest.raises(Rejected, match="is a video"):
        examiner.prepare(drawing.clip(tmp_path / "a.mp4", frames=2), tmp_path / "a.png")


def test_a_wrong_result_fails(examiner, tmp_path):
    path = drawing.clip(tmp_path / "a.mp4")
    with pytest.raises(Failed, match="24 instead of 16 frames"):
        examiner.verify(path, Expected(frames=16))


def broken_files(folder):
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, format="JPEG")
    yield "cut.jpg", data.getvalue()[:9000], "cut off"
    video = drawing.clip(folder / "whole.mp4").read_bytes()
    yield "nomoov.mp4", video[: video.index(b"moov") - 4], "index"
    yield "empty.png", b"", "is empty"
    yield "prompt.png", b"a fishing harbour", "plain text"
    yield "video.jpg", video, "its content is a video"
    yield "tiff.tif", b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 60000) + os.urandom(500), "damaged"


def test_broken_files_are_rejected_with_what_and_cure_and_nothing_falls(examiner, tmp_path):
    examiner.ready()
    before = child_of(examiner).pid
    for name, content, words in broken_files(tmp_path):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Rejected) as refusal:
            examiner.probe(tmp_path / name)
        (problem,) = refusal.value.problems
        assert words in problem.title, name
        assert name in problem.title
        assert problem.title.endswith(".")
        assert problem.fix.endswith(".")
    assert child_of(examiner).pid == before


def test_a_bomb_is_refused_without_being_decoded(examiner, tmp_path):
    bomb(tmp_path / "a.png", 20_000)
    with pytest.raises(Rejected, match="20000 x 20000"):
        examiner.probe(tmp_path / "a.png")


def test_names_of_any_bytes_are_examined(examiner, tmp_path):
    path = tmp_path / os.fsdecode(b"cat\xff \xe2\x98\x83\n.png")
    drawing.photo(tmp_path / "a.png").rename(path)
    assert examiner.probe(path).width == 160


def test_fuzzed_files_are_rejected_or_read_but_fell_nothing(examiner, tmp_path):
    random = np.random.default_rng(7)
    sources = [drawing.clip(tmp_path / "a.mp4", frames=6), drawing.clip(tmp_path / "a.mkv", frames=6)]
    refusals = []
    sources += [drawing.photo(tmp_path / name) for name in ("a.jpg", "a.webp", "a.avif", "a.heic", "a.gif", "a.tiff")]
    for number in range(80):
        source = sources[number % len(sources)]
        content = bytearray(source.read_bytes())
        for at in random.integers(0, len(content), 12):
            content[at] = random.integers(0, 256)
        path = tmp_path / f"f{number}{source.suffix}"
        path.write_bytes(content)
        try:
            found = examiner.probe(path)
            examiner.screen(path, found)
        except Rejected as refusal:
            refusals.append(refusal.problems[0].sentence())
    assert refusals


def test_a_crashing_decoder_is_started_again_and_the_file_judged(make, tmp_path):
    examiner = make(hostile.Crashing)
    bad = drawing.clip(tmp_path / "bad.mp4", frames=8, draw=drawing.marked_at(3))
    good = drawing.clip(tmp_path / "good.mp4", frames=8)
    facts = examiner.probe(bad)
    with pytest.raises(Rejected, match=r"bad\.mp4 made the decoder fall over"):
        examiner.screen(bad, facts)
    assert examiner.screen(good, examiner.probe(good)).samples == 8


def test_a_hanging_decoder_is_killed_at_its_deadline(make, tmp_path):
    examiner = make(hostile.Hanging)
    bad = drawing.clip(tmp_path / "bad.mp4", frames=8, draw=drawing.marked_at(3))
    examiner.ready()
    pid = child_of(examiner).pid
    facts = examiner.probe(bad)
    started = time.monotonic()
    with pytest.raises(Rejected, match=r"bad\.mp4 could not be examined within 2 seconds"):
        examiner.screen(bad, facts)
    assert time.monotonic() - started < 5
    assert not psutil.pid_exists(pid)
    assert examiner.probe(bad) == facts


@pytest.mark.parametrize(
    ("classifier", "words"),
    [(hostile.Greedy, "too much memory"), (hostile.Odd, "damaged"), (hostile.Buggy, "damaged")],
)
def test_what_cannot_be_scored_does_not_pass(make, tmp_path, classifier, words):
    examiner = make(classifier)
    path = drawing.clip(tmp_path / "a.mp4", frames=8, draw=drawing.marked_at(3))
    with pytest.raises(Rejected, match=words):
        examiner.screen(path, examiner.probe(path))


def test_for_results_the_same_trouble_is_a_failure_of_the_render(make, tmp_path):
    examiner = make(hostile.Crashing, results=True)
    bad = drawing.clip(tmp_path / "bad.mp4", frames=8, draw=drawing.marked_at(3))
    with pytest.raises(Failed) as failure:
        examiner.screen(bad, examiner.probe(bad))
    assert failure.value.problem.code == "result_broken"
    (tmp_path / "b.mp4").write_bytes(b"")
    with pytest.raises(Failed, match="is empty"):
        examiner.verify(tmp_path / "b.mp4", Expected())


def test_without_the_model_nothing_is_screened_but_files_are_still_read(make, tmp_path):
    examiner = make(hostile.Missing)
    path = drawing.clip(tmp_path / "a.mp4", frames=8)
    with pytest.raises(Unavailable) as trouble:
        examiner.ready()
    assert trouble.value.code == "screening_missing"
    found = examiner.probe(path)
    with pytest.raises(Unavailable):
        examiner.screen(path, found)
    with pytest.raises(Unavailable):
        examiner.preview(drawing.photo(tmp_path / "a.png").read_bytes())


def test_a_screen_that_is_not_installed_is_no_fault_of_the_file(make, tmp_path):
    examiner = make(hostile.Uninstalled, results=True)
    clip = drawing.clip(tmp_path / "a.mp4")
    for ask in (examiner.ready, lambda: examiner.screen(clip, examiner.probe(clip))):
        with pytest.raises(Unavailable) as missing:
            ask()
        assert missing.value.code == "screening_missing"


def test_a_busy_child_that_could_screen_once_is_not_asked_again(make):
    examiner = make(MarkerClassifier)
    examiner.ready()
    with examiner._turn:
        examiner.ready()
    examiner.stop()
    with pytest.raises(Unavailable):
        examiner.ready()


def test_a_preview_becomes_a_clean_small_jpeg_with_its_score(examiner, tmp_path):
    Image.new("RGB", (800, 400), MARKER).save(tmp_path / "a.png")
    jpeg, screening = examiner.preview((tmp_path / "a.png").read_bytes())
    with Image.open(io.BytesIO(jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", (512, 256))
    assert (screening.hit, screening.samples) == (True, 1)
    assert not examiner.preview(drawing.photo(tmp_path / "b.jpg").read_bytes())[1].hit


def test_a_hostile_preview_is_rejected(examiner, make, tmp_path):
    bomb(tmp_path / "a.png", 20_000)
    whole = drawing.photo(tmp_path / "a.jpg").read_bytes()
    for data in (b"", b"x" * 100, b"GIF89a" + bytes(50), (tmp_path / "a.png").read_bytes(), whole[:500]):
        with pytest.raises(Rejected):
            examiner.preview(data)
    Image.new("RGB", (80, 40), MARKER).save(tmp_path / "b.png")
    with pytest.raises(Rejected, match="The preview made the decoder fall over"):
        make(hostile.Crashing, results=True).preview((tmp_path / "b.png").read_bytes())


def test_a_preview_does_not_wait_long_for_its_turn(make, tmp_path):
    examiner = make(hostile.Hanging)
    bad = drawing.clip(tmp_path / "bad.mp4", frames=8, draw=drawing.marked_at(3))
    facts = examiner.probe(bad)

    def screen() -> None:
        with pytest.raises(Rejected):
            examiner.screen(bad, facts)

    busy = threading.Thread(target=screen)
    busy.start()
    until = time.monotonic() + 2
    while time.monotonic() < until and not examiner._turn.locked():
        time.sleep(0.01)
    with pytest.raises(Unavailable) as trouble:
        examiner.preview(drawing.photo(tmp_path / "a.png").read_bytes())
    assert trouble.value.code == "examiner_busy"
    busy.join(10)


def test_stopping_judges_nobody(make, tmp_path):
    examiner = make(hostile.Hanging)
    bad = drawing.clip(tmp_path / "bad.mp4", frames=8, draw=drawing.marked_at(3))
    facts = examiner.probe(bad)
    heard = []

    def screen() -> None:
        try:
            examiner.screen(bad, facts)
        except (Unavailable, Rejected) as trouble:
            heard.append(trouble)

    thread = threading.Thread(target=screen)
    thread.start()
    until = time.monotonic() + 2
    while time.monotonic() < until and not examiner._turn.locked():
        time.sleep(0.01)
    started = time.monotonic()
    examiner.stop()
    thread.join(10)
    assert time.monotonic() - started < 2
    assert [type(trouble) for trouble in heard] == [Unavailable]
    with pytest.raises(Unavailable):
        examiner.probe(bad)


def test_a_child_that_was_ended_from_outside_between_requests_costs_nobody_anything(examiner, tmp_path):
    path = drawing.photo(tmp_path / "a.png")
    examiner.probe(path)
    child = child_of(examiner)
    child.kill()
    child.wait(5)
    assert examiner.probe(path).width == 160


PARENT = """
import sys
from pathlib import Path
from service.examiner import Examiner
from tests.examiner.hostile import Hanging

if __name__ == "__main__":
    examiner = Examiner("drops", Hanging, temporary=Path(sys.argv[1]))
    examiner.start()
    facts = examiner.probe(Path(sys.argv[2]))
    print(examiner._process.pid, flush=True)
    examiner.screen(Path(sys.argv[2]), facts)
"""


def test_a_busy_child_outlives_ctrl_c_but_not_its_parent(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=4, draw=drawing.marked_at(0))
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    argv = [sys.executable, str(script), str(tmp_path), str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        child.send_signal(signal.SIGINT)
        assert not _ended(child, within_s=0.5)
        parent.kill()
        assert _ended(child, within_s=5)


def _ended(process, within_s):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


RECIPE = {
    "reeldrop": '{"seed": 42, "settings": {"prompt": "ein Hafen, ü☃"}}',
    "reeldrop_job": "0198",
    "title": "harbour",
}


def test_the_tags_of_a_video_are_read(examiner, tmp_path):
    path = drawing.clip(
        tmp_path / "a.mp4", frames=2, metadata=RECIPE, container_options={"movflags": "use_metadata_tags"}
    )
    assert {key: examiner.tags(path).get(key) for key in RECIPE} == RECIPE


def test_tags_are_bounded_and_only_of_videos(examiner, tmp_path):
    many = {f"key{number}": "x" * 200 for number in range(300)} | {"huge": "x" * 500_000}
    path = drawing.clip(
        tmp_path / "a.mp4", frames=2, metadata=many, container_options={"movflags": "use_metadata_tags"}
    )
    found = examiner.tags(path)
    assert len(found) == 64
    assert sum(map(len, found.values())) < 1_000_000
    with pytest.raises(Rejected, match="is a picture"):
        examiner.tags(drawing.photo(tmp_path / "a.png"))


def test_a_decoder_that_hangs_over_a_video_is_killed_and_the_next_file_is_fine(tmp_path):
    hurried = Deadlines(probe_s=5, video_s=0.3, video_s_for_s=0.0)
    examiner = Examiner("hurried", MarkerClassifier, temporary=tmp_path / "scratch", deadlines=hurried)
    examiner.start()
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    long = drawing.clip(
        tmp_path / "long.webm",
        frames=60,
        codec="libvpx",
        options={"deadline": "realtime", "cpu-used": "8"},
        draw=lambda number: np.roll(noise, number * 7, axis=1),
    )
    examiner.ready()
    with pytest.raises(Rejected, match=r"long\.webm could not be examined within 0 seconds"):
        examiner.prepare_video(long, tmp_path / "out.mp4", examiner.probe(long), 1 << 26)
    assert not (tmp_path / "out.mp4").exists()
    assert examiner.probe(drawing.photo(tmp_path / "a.png")).width == 160
    examiner.stop()


def test_a_picture_of_thousands_of_frames_is_refused(examiner, tmp_path):
    small = Image.new("P", (2, 2))
    frames = [small.copy() for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.putpixel((0, 0), number)
    held = io.BytesIO()
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:], duration=20)
    data = held.getvalue()
    head, block = data[: data.index(b"!\xf9")], data[data.rindex(b"!\xf9") : -1]
    (tmp_path / "a.gif").write_bytes(head + block * 12_000 + b";")
    with pytest.raises(Rejected, match="12000 frames; at most 10000 are read"):
        examiner.probe(tmp_path / "a.gif")


def test_a_video_of_many_hours_is_refused(examiner, tmp_path):
    with pytest.raises(Rejected, match="longer than 6 hours"):
        examiner.probe(drawing.clip(tmp_path / "a.mp4", frames=10, fps=Fraction(1, 3600)))


def test_an_mp4_that_claims_more_than_it_has_is_refused(examiner, tmp_path):
    data = bytearray(drawing.clip(tmp_path / "a.mp4").read_bytes())
    place = data.index(b"stts") + 16
    data[place : place + 4] = (0x7FFFFFF0).to_bytes(4, "big")
    (tmp_path / "long.mp4").write_bytes(data)
    with pytest.raises(Rejected, match="longer than 6 hours"):
        examiner.probe(tmp_path / "long.mp4")


def test_a_video_that_is_huge_is_refused_without_being_decoded(examiner, tmp_path):
    path = drawing.clip(tmp_path / "a.avi", codec="rawvideo", pixel_format="bgr24", frames=2)
    data = bytearray(path.read_bytes())
    place = data.index(b"strf") + 12
    data[place : place + 8] = (20_000).to_bytes(4, "little") * 2
    path.write_bytes(data)
    with pytest.raises(Rejected, match=r"20000 x 20000 pixels; at most 35 million|damaged"):
        examiner.probe(path)
