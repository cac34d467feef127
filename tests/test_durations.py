"""How long nodes take, from what they took before: the arithmetic alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.durations import (
    KEPT,
    Growth,
    Lap,
    Plan,
    Size,
    Stopwatch,
    likeliest,
    p95_s,
    pace,
    patience_s,
    size_of,
    typical_s,
    weights,
)  # fmt: skip

SMALL, LARGE = Size(512 * 512 * 16, 20), Size(1024 * 1024 * 16, 40)


def laps(*seconds: float, size: Size = SMALL, backend: str = "gpu") -> list[Lap]:
    return [Lap("3", "KSampler", backend, size, each) for each in seconds]


def test_a_node_takes_what_it_took_before_at_the_same_size() -> None:
    history = [*laps(10, 11, 12), *laps(80, 90, size=LARGE)]
    assert likeliest(history, SMALL, Growth.STEPS, "gpu") == [10, 11, 12]
    assert likeliest(history, LARGE, Growth.STEPS, "gpu") == [80, 90]


def test_a_size_that_never_ran_is_scaled_from_the_nearest_by_what_makes_the_node_slow() -> None:
    history = laps(10)
    assert likeliest(history, LARGE, Growth.STEPS, "gpu") == [pytest.approx(80)]
    assert likeliest(history, LARGE, Growth.PIXELS, "gpu") == [pytest.approx(40)]
    assert likeliest(history, LARGE, Growth.FIXED, "gpu") == [10]


def test_a_size_that_nobody_knows_is_taken_to_be_like_the_newest() -> None:
    assert likeliest(laps(10, 12), Size(), Growth.STEPS, "gpu") == [10, 12]
    assert likeliest(laps(10, size=Size()), LARGE, Growth.STEPS, "gpu") == [10]


def test_another_backends_laps_count_only_where_this_one_has_none() -> None:
    history = [*laps(10, backend="slow"), *laps(2, backend="gpu")]
    assert likeliest(history, SMALL, Growth.STEPS, "gpu") == [2]
    assert likeliest(laps(10, backend="slow"), SMALL, Growth.STEPS, "gpu") == [10]


def test_only_the_newest_laps_count() -> None:
    assert likeliest(laps(*[100.0] * KEPT, *[1.0] * KEPT), SMALL, Growth.FIXED, "gpu") == [1.0] * KEPT


def test_one_hiccup_doesnt_spoil_what_is_typical() -> None:
    assert typical_s([10, 10, 10, 500]) == 10
    assert typical_s([]) is None
    assert p95_s([1.0] * 19 + [50.0]) == 1.0
    assert p95_s([1.0] * 18 + [50.0] * 2) == 50.0
    assert p95_s([]) is None


def test_patience_is_five_times_what_a_node_takes_and_two_minutes_at_least() -> None:
    assert patience_s([1, 2], least_s=120, unknown_s=1800) == 120
    assert patience_s([100] * 3, least_s=120, unknown_s=1800) == 500
    assert patience_s([], least_s=120, unknown_s=1800) == 1800


def test_nodes_weigh_what_they_took_and_those_never_seen_hardly_anything() -> None:
    got = weights({"1": 10.0, "2": 90.0, "3": None}, {"1": 1.0, "2": 1.0, "3": 50.0})
    assert (got["1"], got["2"]) == (10.0, 90.0)
    assert got["3"] == pytest.approx(2.0)


def test_without_history_the_defaults_are_the_weights() -> None:
    assert weights({"1": None, "2": None}, {"1": 3.0, "2": 40.0}) == {"1": 3.0, "2": 40.0}


def test_a_jobs_size_is_what_it_sets_and_otherwise_what_comes_out_of_it() -> None:
    assert size_of({"width": 10, "height": 20, "frames": 3, "steps": 4}) == Size(600, 4)
    assert size_of({"steps": 4}, {"width": 10, "height": 20, "frames": 3, "fps": 8}) == Size(600, 4)
    assert size_of({"width": None, "steps": True, "frames": float("nan")}) == Size(1, 1)


def test_what_is_left_shrinks_with_what_is_done_and_with_the_time_in_a_silent_node() -> None:
    plan = Plan({"1": 20.0, "2": 80.0}, render_s=100.0, whole_s=90.0, after_s=5.0)
    assert plan.total_s() == 95
    assert plan.left_s(0.2) == 85
    assert plan.left_s(0.2, since_s=30, node="2") == 55
    assert plan.left_s(0.2, since_s=3000, node="2") == pytest.approx(80 * 0.05 + 5)
    assert plan.left_s(0.2, pace=2.0) == 165
    assert Plan({"1": 1.0}).left_s(0.5) is None


def test_pace_follows_a_slower_server_little_at_first_and_more_later() -> None:
    expected = {"1": 10.0, "2": 40.0, "3": 50.0}
    early, late = pace({"1": 20.0}, expected), pace({"1": 20.0, "2": 80.0}, expected)
    assert 1 < early < late < 2
    assert pace({}, expected) == 1
    assert pace({"9": 5.0}, {}) == 1


def test_a_stopwatch_times_only_what_it_heard_whole() -> None:
    watch = Stopwatch()
    watch.end("1", 5)
    watch.start(10)
    watch.begin("1", 11)
    watch.end("1", 14)
    watch.begin("2", 14)
    watch.begin("3", 20)
    watch.end("2", 21)
    watch.end("3", 22)
    assert watch.node_seconds == {"1": 3, "3": 2}
    assert watch.whole_s(30) == 20
    watch.start(40)
    assert (watch.node_seconds, watch.whole_s(41)) == ({}, 1)


sizes = st.builds(Size, st.floats(1, 1e12), st.floats(1, 1e4))


@given(sizes, sizes, st.lists(st.floats(0, 1e5), min_size=1, max_size=30))
def test_whatever_is_known_the_answers_are_finite_and_ordered(size: Size, other: Size, seconds: list[float]) -> None:
    for growth in Growth:
        found = likeliest(laps(*seconds, size=other), size, growth, "gpu")
        middle, high = typical_s(found), p95_s(found)
        assert middle is not None
        assert high is not None
        assert 0 <= middle <= high * (1 + 1e-9) < float("inf")
