"""Windows of tasks: what is closed and until when, said on queued jobs, and taken back when a task opens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.errors import Rejected
from service.hours import Hours
from service.job import Drop, Hold, Job, State
from service.outbox import Outbox
from service.priorities import prioritise, priority_of
from service.register import Register
from service.store import Store
from service.timetable import Timetable

BERLIN = ZoneInfo("Europe/Berlin")
AT = "2026-11-22T00:00:00.000Z"


class Day:
    """A register, and a clock that the test sets."""

    def __init__(self, folder: Path, windows: list[str], task_windows: dict[str, list[str]]) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=BERLIN)
        self.store = Store(folder / "var" / "reeldrop.db")
        self.register = Register(self.store, Outbox(folder / "outbox"), "here/1", lambda: 0.0)
        self.timetable = Timetable(windows, task_windows, lambda: self.now)
        self.moved: list[str] = []
        tasks = ["text-to-video", "face-swap"]
        self.hours = Hours(self.timetable, self.register, tasks, lambda: self.moved.append("moved"))

    def queue(self, task: str, name: str, state: State = State.QUEUED) -> None:
        drop = Drop(f"drop-{name}", task, "", name, "job_file", ())
        job = Job(name, drop.id, "job", None, task, "", name, State.WAITING, AT, AT)
        self.register.see(drop, replace(job, workflow="flow"))
        if state is not State.WAITING:
            self.store.move(name, State.QUEUED)

    def hold(self, name: str) -> Hold | None:
        job = self.store.get(name)
        assert job is not None
        return job.hold


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    day = Day(tmp_path, ["22:00-06:00"], {"face-swap": ["sat 00:00-24:00"]})
    yield day
    day.store.close()


def test_a_closed_task_says_on_its_queued_jobs_until_when(day: Day):
    day.queue("text-to-video", "harbour")
    day.queue("face-swap", "ann")
    day.hours.tell()
    assert day.hours.closed_tasks == {"text-to-video", "face-swap"}
    hold = day.hold("harbour")
    assert hold is not None
    assert (hold.code, hold.title) == (
        "task_outside_window",
        "The task text-to-video is outside its time window until 2026-11-23 22:00.",
    )
    assert "2026-11-28 00:00" in getattr(day.hold("ann"), "title", "")


def test_when_a_task_opens_its_jobs_are_free_and_the_lanes_are_told_once(day: Day):
    day.queue("text-to-video", "harbour")
    day.hours.tell()
    day.now = datetime(2026, 11, 23, 22, tzinfo=BERLIN)
    day.hours.tell()
    day.hours.tell()
    assert (day.hold("harbour"), day.moved) == (None, ["moved"])
    assert day.hours.closed_tasks == {"face-swap"}


def test_a_clock_that_is_set_back_closes_a_task_again(day: Day):
    day.queue("text-to-video", "harbour")
    day.now = datetime(2026, 11, 23, 22, 10, tzinfo=BERLIN)
    day.hours.tell()
    assert day.hold("harbour") is None
    day.now = datetime(2026, 11, 23, 21, 10, tzinfo=BERLIN)
    day.hours.tell()
    assert getattr(day.hold("harbour"), "code", "") == "task_outside_window"


def test_what_an_earlier_life_said_is_taken_back_where_windows_are_others_now(day: Day):
    day.queue("text-to-video", "harbour")
    day.hours.tell()
    later = Hours(Timetable([], {}, lambda: day.now), day.register, ["text-to-video"], lambda: None)
    later.tell()
    assert day.hold("harbour") is None


def test_other_windows_say_it_in_other_words(day: Day):
    day.queue("text-to-video", "harbour")
    day.hours.tell()
    day.hours.follow(Timetable(["23:00-06:00"], {}, lambda: day.now), ["text-to-video"])
    day.hours.tell()
    assert "until 2026-11-23 23:00" in getattr(day.hold("harbour"), "title", "")


def test_a_pause_is_not_overwritten(day: Day):
    day.queue("text-to-video", "harbour")
    paused = Hold("paused", "The task text-to-video is paused.", "Remove it.", AT)
    day.register.hold("harbour", paused)
    day.hours.tell()
    assert getattr(day.hold("harbour"), "code", "") == "paused"


def test_a_tasks_own_windows_stand_in_place_of_those_for_all(day: Day):
    free = Timetable(["22:00-06:00"], {"text-to-video": []}, lambda: day.now)
    assert list(free.closed(["text-to-video", "face-swap"])) == ["face-swap"]
    assert free.change("text-to-video") is None
    assert free.change("face-swap") == datetime(2026, 11, 23, 22, tzinfo=BERLIN)


def test_windows_for_a_task_that_is_not_there_are_trouble(day: Day):
    assert day.hours.notices() == {"unknown_task": None}
    wrong = Timetable([], {"face-swp": ["22:00-06:00"]}, lambda: day.now).unknown(["face-swap"])
    assert wrong is not None
    assert "Did you mean face-swap?" in wrong.fix


# priorities ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "value"), [("low", -50), ("high", 50), ("normal", 0), ("-100", -100), ("7", 7)])
def test_a_priority_is_a_word_or_a_number(word: str, value: int):
    assert priority_of(word) == value


@pytest.mark.parametrize("word", ["", "101", "-101", "higher", "1.5", "--5", "\u0661", "00100", "1" * 5000])
def test_anything_else_is_refused(word: str):
    with pytest.raises(Rejected):
        priority_of(word)


def test_a_priority_that_is_changed_changes_the_order(day: Day):
    for name in ("one", "two"):
        day.queue("text-to-video", name)
    assert prioritise(day.store, "two", None, "high") == "text-to-video/two: priority 50."
    assert [turn.id for turn in day.store.candidates(["text-to-video"])] == ["two", "one"]
    assert prioritise(day.store, "text-to-video/two", None, "50") == "text-to-video/two: priority 50, as before."


def test_what_is_not_queued_yet_has_its_priority_in_its_file(day: Day):
    day.queue("text-to-video", "harbour", State.WAITING)
    with pytest.raises(Rejected) as refused:
        prioritise(day.store, "harbour", None, "high")
    assert refused.value.problems[0].code == "not_queued"
    with pytest.raises(Rejected) as unknown:
        prioritise(day.store, "harbor", None, "high")
    assert "Did you mean harbour" in unknown.value.problems[0].fix
