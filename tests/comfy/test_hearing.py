"""When an open socket counts as deaf, on a clock that is an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.comfy.hearing import GRACE_S, Hearing


def connected(at_s: float = 100.0) -> Hearing:
    hearing = Hearing()
    hearing.connected(at_s, "me")
    hearing.heard(at_s)
    return hearing


def test_a_change_without_a_frame_is_deafness_within_five_seconds() -> None:
    hearing = connected()
    hearing.changed(110, since_s=108)
    assert not hearing.deaf(110 + GRACE_S - 0.1)
    assert hearing.deaf(110 + GRACE_S)
    assert GRACE_S + 2 <= 5, "looks are at most two seconds apart"


def test_a_post_without_a_frame_is_deafness() -> None:
    hearing = connected()
    hearing.posted(110, "me", began_s=109.5)
    assert not hearing.hears("me")
    assert hearing.deaf(113)


def test_a_frame_before_the_answer_but_after_the_sending_is_the_broadcast() -> None:
    hearing = connected()
    hearing.heard(109.7)
    hearing.posted(110, "me", began_s=109.5)
    assert hearing.hears("me")
    assert not hearing.deaf(1000)


def test_any_frame_in_the_grace_ends_the_doubt() -> None:
    hearing = connected()
    hearing.posted(110, "me")
    hearing.changed(111, since_s=109)
    hearing.heard(112)
    assert not hearing.deaf(1000)
    assert hearing.hears("me")


def test_a_frame_from_before_the_change_is_no_excuse() -> None:
    hearing = connected()
    hearing.heard(107.9)
    hearing.changed(110, since_s=108)
    assert hearing.deaf(113)


def test_a_frame_that_came_between_two_changes_excuses_the_first_alone() -> None:
    hearing = connected()
    hearing.changed(110, since_s=108)
    hearing.changed(112, since_s=111)
    hearing.heard(110.5)
    assert not hearing.deaf(113.5)
    assert hearing.deaf(115)


def test_what_changed_before_the_connection_proves_nothing() -> None:
    hearing = connected(100)
    hearing.changed(101, since_s=99)
    hearing.changed(101)
    assert not hearing.deaf(1000)


def test_what_changed_before_the_connection_proves_nothing_even_if_nothing_was_heard_yet() -> None:
    hearing = Hearing()
    hearing.connected(100, "me")
    hearing.changed(101, since_s=99.9)
    hearing.posted(101, "me", began_s=99.9)
    assert not hearing.deaf(1000)
    hearing.changed(102, since_s=100)
    assert hearing.deaf(105)


def test_a_prompt_sent_under_an_earlier_id_isnt_heard_but_proves_nothing() -> None:
    hearing = connected()
    hearing.posted(110, "an earlier one")
    assert not hearing.deaf(1000)
    assert not hearing.hears("an earlier one")


def test_without_a_connection_nobody_is_deaf() -> None:
    hearing = Hearing()
    hearing.changed(10, since_s=9)
    hearing.posted(10, "me")
    assert not hearing.deaf(1000)
    hearing.connected(20, "me")
    hearing.heard(20)
    hearing.changed(30, since_s=29)
    hearing.disconnected()
    assert not hearing.deaf(1000)
    assert not hearing.hears("me")


def test_a_new_connection_begins_anew() -> None:
    hearing = connected()
    hearing.changed(110, since_s=109)
    assert hearing.deaf(113)
    hearing.connected(114, "me-1")
    assert not hearing.deaf(1000)
    hearing.heard(114)
    assert hearing.hears("me-1")


def test_a_quiet_server_is_not_a_deaf_socket() -> None:
    assert not connected().deaf(1e9)


def test_a_change_in_time_is_looked_back_for_when_nobody_says_since_when() -> None:
    hearing = connected()
    hearing.heard(109)
    hearing.changed(110)
    assert not hearing.deaf(1000)


@given(
    st.lists(st.tuples(st.sampled_from(["heard", "changed", "posted", "connected", "gone"]), st.floats(0, 4)),
             max_size=30)
)  # fmt: skip
def test_deaf_is_never_said_without_its_proof(steps: list[tuple[str, float]]) -> None:
    """The law, written down a second time: a change after the connection, and not one frame from it to the end."""
    hearing, now, up_s = Hearing(), 0.0, None
    frames: list[float] = []
    changes: list[tuple[float, float]] = []
    for what, wait_s in steps:
        now += wait_s
        proven = any(
            up_s is not None and since >= up_s and now >= seen + GRACE_S and not any(at >= since for at in frames)
            for since, seen in changes
        )
        assert hearing.deaf(now) == proven
        if what == "heard" and up_s is not None:
            frames.append(now)
            hearing.heard(now)
        elif what == "connected":
            up_s, frames, changes = now, [], []
            hearing.connected(now, "me")
        elif what == "gone":
            up_s, frames, changes = None, [], []
            hearing.disconnected()
        elif what == "changed":
            changes.append((now - 1, now))
            hearing.changed(now, since_s=now - 1)
        elif what == "posted":
            changes.append((now, now))
            hearing.posted(now, "me")
