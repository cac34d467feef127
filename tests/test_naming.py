"""One function makes names; every system takes them."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.naming import MAX_BYTES, clean, fit, fold, free_name, numbered

# Any text at all, and text made of what file systems stumble over.
stumbling = 'ab.:/\\?*"<>| \x00\x1f\x7f\u0338\u0301\udcff\uf022\u2028é\U0001f3ac'
devices = st.builds(
    lambda before, device, after: before + device + after,
    st.text(" ._", max_size=3),
    st.sampled_from(["con", "NUL", "Com1", "lpt³", "CONIN$", "aux"]),
    st.sampled_from(["", ".", ".txt", "  .x", " ", ". .", ".é" * 120]),
)
names = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.text(alphabet=stumbling, max_size=40),
    devices,
    st.text(min_size=100, max_size=400),
)


@given(names)
def test_a_clean_name_stays_as_it_is(name):
    assert clean(clean(name)) == clean(name)


@given(names)
def test_a_clean_name_is_taken_by_every_system(name):
    made = clean(name)
    assert 1 <= len(made.encode()) <= MAX_BYTES
    assert unicodedata.is_normalized("NFC", made)
    assert not set(made) & set('<>:"/\\|?*')
    assert not [character for character in made if unicodedata.category(character) in ("Cc", "Cs", "Cn")]
    assert made[-1] not in " ."
    assert made[0] not in " ."
    stem = made.split(".", 1)[0].rstrip(" ").upper()
    assert not re.fullmatch("CON|PRN|AUX|NUL|CONIN[$]|CONOUT[$]|(COM|LPT)[0-9¹²³]", stem)


@pytest.mark.parametrize(
    ("dropped", "made"),
    [
        ("harbour", "harbour"),
        ("Häfen am Morgen", "Häfen am Morgen"),
        (unicodedata.normalize("NFD", "café"), "café"),
        ("a/b\\c", "a_b_c"),
        ("what?", "what_"),
        ("..hidden", "hidden"),
        ("ends. . ", "ends"),
        ("", "unnamed"),
        ("...", "unnamed"),
        ("con", "_con"),
        ("NUL.old", "_NUL.old"),
        ("console", "console"),
        ("caf\udce9", "caf_"),
        ("<\u0338", "≮"),
        ("猫" * 100, "猫" * 60),
    ],
)
def test_names_come_out_as_written_here(dropped, made):
    assert clean(dropped) == made


@given(names, st.integers(0, 123456))
def test_a_numbered_name_is_clean_and_keeps_its_number(name, number):
    made = numbered(clean(name), number)
    assert made.endswith(f"_{number:04d}")
    assert clean(made) == made


@given(names, st.integers(0, 12))
def test_the_free_name_is_the_first_that_is_not_taken(name, taken_count):
    name, taken = clean(name), set()
    for _ in range(taken_count):
        taken.add(free_name(name, taken.__contains__))
    made = free_name(name, taken.__contains__)
    assert len(taken) == taken_count
    assert made not in taken
    assert clean(made) == made


def test_free_names_count_from_two():
    taken = {"cat", "cat_2"}
    assert free_name("cat", set().__contains__) == "cat"
    assert free_name("cat", taken.__contains__) == "cat_3"


@given(names)
def test_folding_twice_is_folding_once(name):
    assert fold(fold(name)) == fold(name)


def test_names_clash_across_case_and_unicode_form():
    assert fold("Café") == fold(unicodedata.normalize("NFD", "CAFÉ"))
    assert fold("straße") == fold("STRASSE")
    assert fold("cat") != fold("cats")


@given(st.binary(min_size=1, max_size=400), st.sampled_from(["", ".reason.txt", "_2"]))
def test_a_fitted_name_has_room_for_its_ending_and_keeps_short_names_exactly(data, ending):
    name = data.decode("utf-8", "surrogateescape")
    made = fit(name, ending)
    assert len(made.encode("utf-8", "surrogateescape")) <= 255
    assert made.endswith(ending)
    if len(data) + len(ending) <= 255:
        assert made == name + ending


def test_what_turns_the_direction_of_text_is_taken_out():
    assert clean("cat\u202e4pm.exe") == "cat4pm.exe"
    assert clean("\u2066cat\u2069") == "cat"
    assert clean("\u202e.cat") == "cat"
