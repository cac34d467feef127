"""Alternatives in prompts: read, picked by a seed, written out, and never more than asked."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.alternatives import MAX_TEXT, Dice, count, escaped, every, parse, picked
from service.errors import Rejected

WILDCARDS = {"colour": ("red", "green", "__shade__ blue"), "shade": ("dark", "light"), "loop": ("__loop__",)}


def pick(text: str, seed: int = 1) -> str:
    return picked(text, Dice(seed, "prompt"), WILDCARDS)


def problem_of(text: str) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught:
        pick(text)
    (problem,) = caught.value.problems
    return problem.code, problem.title


def test_the_same_seed_picks_the_same_and_every_alternative_has_its_turn():
    found = [pick("a harbour at {dawn|noon|dusk}", seed) for seed in range(60)]
    assert found == [pick("a harbour at {dawn|noon|dusk}", seed) for seed in range(60)]
    assert set(found) == {"a harbour at dawn", "a harbour at noon", "a harbour at dusk"}


def test_what_a_seed_picks_is_the_same_for_ever():
    # Results are made again by their seed: a change here would make others of them.
    assert [pick("{a|b|c|d} {1|2|3|4} __colour__", seed) for seed in (0, 1, 42, 2**53 - 1)] == [
        "d 3 dark blue", "b 3 red", "a 2 green", "b 4 dark blue",
    ]  # fmt: skip


def test_two_places_are_picked_independently():
    pairs = {pick("{a|b} {a|b}", seed) for seed in range(50)}
    assert pairs == {"a a", "a b", "b a", "b b"}


def test_alternatives_nest():
    assert list(every("a {cat|{big|small} dog{ asleep|}}")) == [
        "a cat", "a big dog asleep", "a big dog", "a small dog asleep", "a small dog",
    ]  # fmt: skip


def test_weights_count():
    found = Counter(pick("{9::a|b|0::c}", seed) for seed in range(400))
    assert set(found) == {"a", "b"}
    assert 330 < found["a"] < 390


def test_several_may_be_taken_and_none_twice():
    for seed in range(40):
        taken = pick("{2$$a|b|c}", seed).split(", ")
        assert len(taken) == len(set(taken)) == 2
    assert {len(pick("{1-3$$ and $$a|b|c}", seed).split(" and ")) for seed in range(40)} == {1, 2, 3}
    assert list(every("{2$$a|b|c}")) == ["a, b", "a, c", "b, c"]
    assert list(every("{-1$$a|b}")) == ["", "a", "b"]


def test_wildcards_stand_for_a_line_and_may_name_others():
    assert {pick("a __colour__ boat", seed) for seed in range(60)} == {
        "a red boat", "a green boat", "a dark blue boat", "a light blue boat",
    }  # fmt: skip
    assert list(every("{__colour__|x}")) == ["__colour__", "x"]
    assert list(parse("__b__ {x|__a/c-d__}").wildcards()) == ["b", "a/c-d"]


@pytest.mark.parametrize(
    "text", ["{a} | {b}", "a|b", "{a|b", "a}|{b", "__init", "snake__case__name", "_____", "#1 (x:1.2)"]
)
def test_what_is_no_alternative_stays_as_it_is(text):
    assert pick(text) == text


def test_a_backslash_makes_text_of_them():
    assert pick(r"\{a\|b\} \__colour__ \( \n \\") == r"{a|b} __colour__ \( \n \\"
    assert pick(r"{a\|b|a\|b}") == "a|b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${season={a|b}}", "variable"), ("{3$$a|b}", "3 of 2"), ("{0$$a|b}", "0 of 2"), ("{2-1$$a|b}", "2-1 of 2"),
        ("{0::a|0::b}", "none may be taken"), ("{" * 21 + "a|b" + "}" * 21, "20 deep"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text, said):
    code, title = problem_of(text)
    assert code == "bad_alternatives"
    assert said in title


def test_nothing_becomes_longer_than_a_prompt_or_goes_on_for_ever():
    assert problem_of("__loop__")[0] == "too_long"
    assert problem_of("{a|b}" * 1500)[0] == "too_long"
    long = "x" * 900
    assert problem_of(f"{{{long}|{long}}}" * 12)[0] == "too_long"
    assert problem_of("__unknown__")[0] == "unknown_wildcard"


def test_counting_costs_nothing():
    assert count("{a|b}" * 1000) == 2**1000
    assert count("{20$$" + "|".join("x" * 1000) + "}") > 10**41
    assert count("{a|b} {1|2|3} __colour__") == 6


TEXTS = st.text("ab{}|\\_$: 19", max_size=40)


@given(TEXTS, st.integers(0, 2**53 - 1))
def test_escaped_text_means_itself(text, seed):
    assert pick(escaped(text), seed) == text


def read_or_refused(text):
    try:
        return count(text)
    except Rejected:
        return None


@given(TEXTS)
def test_what_is_written_out_is_as_much_as_was_counted_and_is_settled(text):
    times = read_or_refused(text)
    if times is None or times > 200:
        return
    ways = list(every(text))
    assert len(ways) == times
    assert all(count(way) == 1 for way in ways)


@given(
    st.lists(st.sampled_from(["a", " ", "{", "|", "}", "b", "1"]), max_size=30).map("".join), st.integers(0, 2**53 - 1)
)
def test_what_is_picked_is_one_of_all_wordings(text, seed):
    times = read_or_refused(text)
    if times is None or times > 300:
        return
    assert pick(text, seed) in {pick(way) for way in every(text)}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_never_too_long(text):
    try:
        assert len(pick(text)) <= MAX_TEXT
    except Rejected as refused:
        assert all(problem.fix for problem in refused.problems)  # noqa: PT017
