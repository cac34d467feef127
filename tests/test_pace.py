"""Looking is soon where something moves, rare where it is costly."""

from hypothesis import given
from hypothesis import strategies as st

from service.pace import next_look_s

seconds = st.floats(0, 1000, allow_nan=False)


def looks(**changed):
    facts = {"polling": True, "rescan_s": 10.0, "look_took_s": 0.001, "changed_ago_s": None} | changed
    return next_look_s(**facts)


def test_without_events_looks_come_every_two_seconds_while_something_is_going_on():
    assert looks(busy=True) == 2
    assert looks(changed_ago_s=0) == 2


def test_without_events_looks_ease_off_the_longer_nothing_changes():
    waits = [looks(changed_ago_s=ago_s, rescan_s=30) for ago_s in (0, 20, 50, 100, 250, 300, 9000)]
    assert waits == [2, 2, 5, 10, 25, 30, 30]
    assert looks() == 10


def test_with_events_only_the_rescan_counts():
    assert looks(polling=False, busy=True) == 10
    assert looks(polling=False, rescan_s=0.5) == 0.5


def test_a_file_that_is_due_is_looked_at_in_time():
    assert looks(due_s=0.2) == 0.2
    assert looks(due_s=0.0, look_took_s=0.5) == 0.5
    assert looks(due_s=100) == 10


@given(st.booleans(), st.floats(0.5, 3600), seconds, st.none() | seconds, st.booleans())
def test_looking_costs_a_hundredth_of_a_core_at_rest_and_a_tenth_at_most(polling, rescan_s, took_s, ago_s, busy):
    wait_s = looks(polling=polling, rescan_s=rescan_s, look_took_s=took_s, changed_ago_s=ago_s, busy=busy)
    assert wait_s >= took_s * 10
    if not busy and (ago_s is None or ago_s >= 20):
        assert wait_s >= took_s * 100


@given(st.floats(0.5, 3600), st.none() | seconds, st.booleans())
def test_what_costs_little_is_never_looked_at_less_often_than_was_asked_for(rescan_s, ago_s, busy):
    assert 0 < looks(rescan_s=rescan_s, changed_ago_s=ago_s, busy=busy, look_took_s=0) <= rescan_s
