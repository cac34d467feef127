"""What is done beside: one thing at a time, and its trouble reaches whoever handed it over."""

from __future__ import annotations

import threading

import pytest

from service.syncing import Relay


def test_what_is_handed_over_goes_on_beside_and_the_next_waits_for_it():
    relay, may_end, done = Relay(), threading.Event(), list[int]()

    def first() -> None:
        assert may_end.wait(10)
        done.append(1)

    relay.hand_over(first)
    assert done == []
    may_end.set()
    relay.hand_over(lambda: done.append(2))
    assert done[:1] == [1]
    relay.finish()
    assert done == [1, 2]


def test_trouble_beside_is_raised_once_where_its_end_is_awaited():
    relay = Relay()

    def fall() -> None:
        raise OSError("the disk is gone")

    relay.hand_over(fall)
    with pytest.raises(OSError, match="the disk is gone"):
        relay.finish()
    relay.finish()
    relay.hand_over(fall)
    with pytest.raises(OSError, match="the disk is gone"):
        relay.hand_over(lambda: None)
