"""The outbox shows whole files only, and never replaces a result."""

import json
import os
import threading
import unicodedata

import pytest

from service.disk import Disk
from service.outbox import Outbox
from tests.inbox.world import ABILITIES, Fuel, stops


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "outbox")


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result.mp4"
    path.write_bytes(os.urandom(300_000))
    return path


def names(outbox, folder="text-to-video"):
    return sorted(os.listdir(outbox.root / folder))


def test_a_result_appears_and_its_source_stays(outbox, result):
    path = outbox.publish(result, "text-to-video/trip/harbour.mp4")
    assert path == outbox.root / "text-to-video/trip/harbour.mp4"
    assert path.read_bytes() == result.read_bytes()
    assert names(outbox, "text-to-video/trip") == ["harbour.mp4"]


def test_a_result_never_replaces_anything(outbox, result):
    path = outbox.publish(result, "text-to-video/harbour.mp4")
    path.write_bytes(b"the user's cut")
    with pytest.raises(FileExistsError):
        outbox.publish(result, "text-to-video/harbour.mp4")
    assert path.read_bytes() == b"the user's cut"
    assert names(outbox) == ["harbour.mp4"]


@pytest.mark.parametrize("abilities", ABILITIES)
def test_a_result_is_whole_or_absent_at_every_stop(abilities, result, tmp_path):
    def new_outbox(number):
        return Outbox(tmp_path / str(number))

    def publish(outbox, fuel):
        Outbox(outbox.root, Disk(fuel, **ABILITIES[abilities])).publish(result, "text-to-video/harbour.mp4")

    seen = set()
    for _, outbox in stops(new_outbox, publish):
        path = outbox.root / "text-to-video/harbour.mp4"
        content = path.read_bytes() if path.exists() else None
        # Where there are neither exclusive renames nor hard links a name is taken by an empty file first.
        assert content in (None, result.read_bytes(), b"" if abilities == "placeholders" else None)
        seen.add(content)
        if not content:
            path.unlink(missing_ok=True)
            outbox.publish(result, "text-to-video/harbour.mp4")
            assert names(outbox) == ["harbour.mp4"]
    assert len(seen) >= 2


def test_of_many_publishers_of_one_name_one_wins(outbox, tmp_path):
    sources = []
    for number in range(8):
        sources.append(tmp_path / str(number))
        sources[-1].write_bytes(b"%d" % number * 100_000)
    won = []

    def publish(source):
        try:
            # Each its own outbox, as twins on two machines would have.
            Outbox(outbox.root).publish(source, "text-to-video/harbour.mp4")
            won.append(source)
        except (FileExistsError, FileNotFoundError):
            pass

    threads = [threading.Thread(target=publish, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (outbox.root / "text-to-video/harbour.mp4").read_bytes() == won[0].read_bytes()


def test_a_status_file_is_for_people_and_programs(outbox):
    document = {"name": "Häfen 猫", "odd": os.fsdecode(b"caf\xe9.jpg"), "list": [1]}
    outbox.write_status("text-to-video/a.status.json", document, durable=True)
    data = (outbox.root / "text-to-video/a.status.json").read_bytes()
    assert "Häfen 猫".encode() in data
    assert b'\n  "list": [1]\n' in data
    assert json.loads(data) == document


def test_a_status_file_is_whole_at_every_moment(outbox):
    relative = "text-to-video/a.status.json"
    outbox.write_status(relative, {"n": 0}, durable=False)
    stop = threading.Event()

    def write(number):
        while not stop.is_set():
            outbox.write_status(relative, {"n": number, "fill": "x" * 20_000}, durable=False)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        read = {json.loads((outbox.root / relative).read_bytes())["n"] for _ in range(600)}
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert read <= {0, 1, 2}
    assert names(outbox) == ["a.status.json"]


def test_only_state_changes_are_written_durably(tmp_path):
    fuel = Fuel()
    outbox = Outbox(tmp_path, Disk(fuel))
    outbox.write_status("a.status.json", {}, durable=False)
    assert "fsync" not in [effect for effect, _ in fuel.effects]
    outbox.write_status("a.status.json", {}, durable=True)
    assert "fsync" in [effect for effect, _ in fuel.effects]


def test_previews_replace_each_other(outbox):
    for data in (b"first", b"second"):
        outbox.write_preview("text-to-video/a.preview.jpg", data)
    assert (outbox.root / "text-to-video/a.preview.jpg").read_bytes() == b"second"


def test_only_our_own_passing_files_are_removed(outbox, result):
    outbox.publish(result, "text-to-video/a.mp4")
    outbox.write_preview("text-to-video/a.preview.jpg", b"x")
    outbox.remove("text-to-video/a.preview.jpg")
    outbox.remove("text-to-video/a.preview.jpg")
    outbox.remove("no-such-task/a.status.json")
    with pytest.raises(ValueError, match="not ours"):
        outbox.remove("text-to-video/a.mp4")
    assert names(outbox) == ["a.mp4"]


@pytest.mark.parametrize("relative", ["../a.status.json", "/a.status.json", "a/../../b.status.json", ""])
def test_no_path_leads_out_of_the_outbox(outbox, relative):
    with pytest.raises(ValueError, match="outbox"):
        outbox.write_status(relative, {}, durable=False)


def test_a_name_is_taken_by_any_result_that_looks_like_it(outbox):
    folder = outbox.root / "text-to-video"
    folder.mkdir(parents=True)
    (folder / unicodedata.normalize("NFD", "Café.MP4")).touch()
    (folder / "dog.status.json").touch()
    (folder / "cat.txt").touch()
    assert outbox.taken("text-to-video", "café")
    assert outbox.taken("text-to-video", "CAFÉ", [".mp4"])
    assert not outbox.taken("text-to-video", "café", [".png"])
    assert not outbox.taken("text-to-video", "dog")
    assert not outbox.taken("text-to-video", "cat")
    assert not outbox.taken("no-such-task", "cat")


def test_many_status_files_are_written_together(outbox):
    outbox.write_statuses([(f"text-to-video/{number}.status.json", {"number": number}) for number in range(50)])
    folder = outbox.root / "text-to-video"
    assert [json.loads((folder / f"{number}.status.json").read_text())["number"] for number in range(50)] == [
        *range(50)
    ]
    assert len(list(folder.iterdir())) == 50
