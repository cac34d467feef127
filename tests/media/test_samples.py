from hypothesis import given
from hypothesis import strategies as st

from service.media import samples


def test_a_clip_of_sixteen_frames_is_looked_at_whole():
    assert samples.positions([number / 12 for number in range(16)]) == list(range(16))


def test_a_longer_clip_gives_eight_spread_frames_and_one_for_each_full_second():
    times = [number / 12 for number in range(40)]
    assert samples.positions(times) == [0, 6, 11, 12, 17, 22, 24, 28, 33, 36, 39]


def test_a_short_clip_of_many_frames_gives_eight():
    assert samples.positions([number / 100 for number in range(50)]) == [0, 7, 14, 21, 28, 35, 42, 49]


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=300))
def test_first_and_last_are_always_looked_at_and_every_second_is(steps):
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step)
    chosen = samples.positions(times)
    assert chosen == sorted(set(chosen))
    assert (chosen[0], chosen[-1]) == (0, len(times) - 1)
    if len(times) > samples.WHOLE:
        seen = {int(times[number]) for number in chosen}
        assert {int(time) for time in times} <= seen
