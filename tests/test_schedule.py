"""The order of the queue: priority, then whose turn it is, then arrival; nobody waits behind another folder's crowd."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.schedule import Turn, in_order

TASKS = ("image-to-video", "text-to-video", "face-swap")
STARTED = st.dictionaries(st.sampled_from(TASKS), st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03"]))


@st.composite
def queues(draw: st.DrawFn) -> list[Turn]:
    kinds = draw(st.lists(st.tuples(st.sampled_from(TASKS), st.sampled_from([-50, 0, 0, 50])), max_size=30))
    return [Turn(str(number), task, priority, number) for number, (task, priority) in enumerate(kinds, start=1)]


def next_of(heads: list[Turn], started: dict[str, str]) -> Turn | None:
    """The law itself: the higher priority, then the folder whose last start is longest ago, then arrival."""
    return min(heads, key=lambda job: (-job.priority, started.get(job.task, ""), job.number), default=None)


def one_by_one(queued: list[Turn], last_started: dict[str, str]) -> list[Turn]:
    """Take jobs as a lane does, each start noted, until nothing is left."""
    left, started, clock = list(queued), dict(last_started), 0
    order = []
    while (job := next_of(left, started)) is not None:
        clock += 1
        started[job.task] = f"2027-{clock:06}"
        left.remove(job)
        order.append(job)
    return order


@given(queues(), STARTED)
def test_places_are_the_order_in_which_a_lane_takes_them(queued: list[Turn], last_started: dict[str, str]):
    assert list(in_order(queued, last_started)) == one_by_one(queued, last_started)


@given(queues(), STARTED)
def test_a_higher_priority_is_never_passed_and_a_folder_keeps_its_order(queued: list[Turn], last: dict[str, str]):
    order = list(in_order(queued, last))
    assert [job.priority for job in order] == sorted((job.priority for job in queued), reverse=True)
    for task in TASKS:
        mine = [job for job in order if job.task == task]
        assert mine == sorted(mine, key=lambda job: (-job.priority, job.number))


@given(queues(), STARTED)
def test_of_equals_no_folder_has_a_second_turn_before_each_had_one(queued: list[Turn], last: dict[str, str]):
    equals = [Turn(job.id, job.task, 0, job.number) for job in queued]
    order = list(in_order(equals, last))
    for place, job in enumerate(order):
        later = order[place + 1 :]
        again = next((number for number, other in enumerate(later) if other.task == job.task), None)
        if again is not None:
            assert {other.task for other in later[:again]} == {other.task for other in later} - {job.task}


def test_a_job_behind_ten_thousand_of_another_folder_waits_for_at_most_two():
    crowd = [Turn(f"c{number}", "text-to-video", 0, number) for number in range(1, 10_001)]
    late = Turn("late", "image-to-video", 0, 10_001)
    for started in ({}, {"text-to-video": "2026"}, {"image-to-video": "2026"}, dict.fromkeys(TASKS, "2026")):
        places = [job.id for job in in_order([*crowd, late], started)]
        assert places.index("late") <= 1
        assert len(places) == 10_001


def test_nothing_queued_is_nothing_to_start():
    assert list(in_order([], {})) == []
