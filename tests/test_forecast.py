"""What `status` foretells of queued jobs is what the backends then do, as long as nothing else comes."""

from __future__ import annotations

import heapq
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.forecast import Forecast, Stand, foretell
from service.schedule import Bay, Turn, in_order
from tests.shift import TASKS, bays_of, run, trace_of

ONE = Stand(Bay("gpu", 1.0, frozenset(), free=True))


def turns_of(count: int, **values: object) -> list[Turn]:
    return [replace(Turn(f"{number:05}", TASKS[0], 0, number), **values) for number in range(count)]


def always(*_: object) -> bool:
    return True


def ten(*_: object) -> float:
    return 10.0


@pytest.mark.parametrize("seed", range(5))
def test_places_on_one_backend_are_the_order_in_which_it_then_starts(seed: int):
    turns = trace_of(seed, 4, lora=0.1)
    found = foretell(turns, {}, [ONE], always, ten)
    order = [turn.id for turn in run(turns, bays_of(1)).order]
    assert sorted(found, key=lambda job: found[job].place) == order
    assert [found[job].done_s for job in order] == [10.0 * (place + 1) for place in range(len(order))]


def test_several_backends_share_what_there_is():
    stands = [Stand(bay) for bay in bays_of(3)]
    found = foretell(turns_of(9), {}, stands, always, ten)
    assert sorted(each.done_s for each in found.values()) == [10.0] * 3 + [20.0] * 3 + [30.0] * 3
    assert {each.backend for each in found.values()} == {"gpu-0", "gpu-1", "gpu-2"}


def test_what_runs_and_what_other_people_queued_comes_before():
    found = foretell(turns_of(2), {}, [replace(ONE, busy_s=25.0, foreign=3)], always, ten)
    assert found == {"00000": Forecast(4, 35.0, "gpu"), "00001": Forecast(5, 45.0, "gpu")}


def test_a_closed_backend_gets_what_nobody_else_can_run():
    stands = [ONE, Stand(Bay("night", 1.0, frozenset(), free=False), busy_s=3600.0)]
    found = foretell(turns_of(3), {}, stands, lambda name, turn: name == ("night" if turn.number == 0 else "gpu"), ten)
    assert found["00000"].done_s == 3610.0
    assert {found[job].backend for job in ("00001", "00002")} == {"gpu"}


def test_without_history_there_are_places_but_no_times():
    found = foretell(turns_of(2), {}, [ONE], always, lambda *_: None)
    assert [(each.place, each.done_s) for each in found.values()] == [(1, None), (2, None)]


def test_without_a_backend_the_plain_order_holds():
    turns = [Turn("a", TASKS[0], 0, 1), Turn("b", TASKS[0], 0, 2), Turn("c", TASKS[1], 0, 3), Turn("d", TASKS[0], 9, 4)]
    found = foretell(turns, {}, [], always, ten)
    assert [job for job, _ in sorted(found.items(), key=lambda each: each[1].place)] == [
        turn.id for turn in in_order(turns, {})
    ]
    assert all(each.done_s is None for each in found.values())


QUEUES = st.lists(
    st.tuples(st.sampled_from(TASKS), st.sampled_from([-10, 0, 10]), st.frozensets(st.sampled_from("ab"), max_size=1)),
    max_size=25,
)


@settings(deadline=None)
@given(QUEUES, st.integers(0, 3))
def test_everybody_has_one_place(kinds, bays: int):
    turns = [Turn(f"{at:03}", task, priority, at, models) for at, (task, priority, models) in enumerate(kinds)]
    found = foretell(turns, {}, [Stand(bay) for bay in bays_of(bays)], always, ten)
    assert sorted(each.place for each in found.values()) == list(range(1, len(turns) + 1))
    times: list[float] = [0.0] * bays
    for _ in turns if bays else ():
        heapq.heappush(times, heapq.heappop(times) + 10.0)
    assert max((each.done_s or 0.0 for each in found.values()), default=0.0) == max(times, default=0.0)


def test_of_ten_thousand_each_has_a_place_and_a_time():
    found = foretell(trace_of(1, 6, jobs=10_000), {}, [Stand(bay) for bay in bays_of(3)], always, ten)
    assert {each.place for each in found.values()} == set(range(1, 10_001))
    assert max(each.done_s for each in found.values()) == pytest.approx(33_340)
