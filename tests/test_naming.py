"""One function makes names; every system takes them."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.naming import MAX_BYTES, clean, fit, fold, free_name, numbered

# Any text at all, and text made of what file systems stumble over.
stumbling = (
    'ab.-:/\\?*"<>| \x00\x1f\x7f\u0338\u0301\udcff\uf022\u2028é\U0001f3ac'
    "\u200d\u200c\ufe0f\u200b\u3000\u2066\u1100\u1161\u0130ıß"
)
clusters = [
    *(
        "e\u0301\u0323",
        "👩\u200d👩\u200d👧\u200d👦",
        "🇩🇪",
        "👍🏽",
        "❤\ufe0f\u200d🔥",
        "한",
        "क्षि",
        "กำ",
        "a\u0308",
        "\u0601١",
    ),
    *("猫", "\u1112\u1161\u11ab", "1\ufe0f\u20e3"),
]
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
    st.lists(st.sampled_from(clusters), max_size=60).map("".join),
    st.binary(min_size=1, max_size=255).map(lambda data: data.decode("utf-8", "surrogateescape")),
)


# Format characters that are drawn, or that shape what is around them.
KEPT = "\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"


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
    assert made[0] not in " .-"
    assert not [character for character in made if character not in KEPT and unicodedata.category(character) == "Cf"]
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
        ("--help", "_-help"),
        (" .-5 degrees", "_5 degrees"),
        ("com¹", "_com¹"),
        ("COM²\u3000", "_COM²"),
        ("LPT9 .tar.gz", "_LPT9 .tar.gz"),
        ("conin$", "_conin$"),
        ("CONOUT$.x", "_CONOUT$.x"),
        ("c\u200bon", "_con"),
        ("com10", "com10"),
        ("a\tb\x7fc\x85d", "a_b_c_d"),
        ("東京\u3000駅", "東京 駅"),
        ("a\u00adb\u200b\u2060\ufeffc", "abc"),
        ("cat\U000e0070\U000e0064", "cat"),
        ("\u3164", "unnamed"),
        ("\u2800.mp4", "mp4"),
        ("cat\u200d", "cat"),
        ("a\u200db", "ab"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("\ufe0fcat", "cat"),
        ("\uff1a\uff0e", "：．"),
        ("x\uf022y", "x_y"),
        ("\udcff\udcfe", "__"),
        ("a" * 255, "a" * 180),
        ("猫" * 85, "猫" * 60),
        ("con" + " " * 200 + "x", "_con"),
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


@given(st.lists(st.sampled_from(clusters), min_size=1, max_size=80), st.sampled_from(["", "_2", "_0001"]))
def test_a_long_name_loses_whole_characters_as_people_see_them(drawn, ending):
    name = clean("".join(drawn))
    made = _with(name, ending)
    stem = made[: len(made) - len(ending)]
    whole = [clean("".join(drawn[:length])) for length in range(1, len(drawn) + 1)]
    assert stem in whole
    longer = [each for each in whole if len(each.encode()) + len(ending) <= MAX_BYTES]
    assert len(stem) == max(map(len, longer))


def _with(name, ending):
    if ending == "_2":
        return free_name(name, {name}.__contains__)
    return numbered(name, 1) if ending else name


@pytest.mark.parametrize("drawn", clusters)
def test_no_character_is_cut_wherever_the_end_falls(drawn):
    character = unicodedata.normalize("NFC", drawn)
    for before in range(12):
        made = clean("x" * before + drawn * 100)
        room = MAX_BYTES - before
        assert made == "x" * before + character * (room // len(character.encode()))


def test_one_character_that_is_too_long_alone_is_cut():
    made = clean("a" + "\u0301\u0323" * 200)
    assert 170 < len(made.encode()) <= MAX_BYTES
    assert clean(made) == made


@given(st.lists(names, max_size=12))
def test_names_given_out_never_clash(dropped):
    taken = {}
    for name in dropped:
        made = free_name(clean(name), lambda other: fold(other) in taken)
        taken[fold(made)] = made
    assert len(taken) == len(dropped)
    for alike in (str.lower, str.upper, str.casefold, lambda name: unicodedata.normalize("NFD", name.casefold())):
        assert len({alike(name) for name in taken.values()}) == len(taken)


def test_two_names_of_different_bytes_that_are_no_text_get_different_names():
    first, second = (clean(data.decode("utf-8", "surrogateescape")) for data in (b"caf\xe9", b"caf\xe8"))
    assert (first, free_name(second, {first}.__contains__)) == ("caf_", "caf__2")


def test_a_batch_of_a_second_name_keeps_both_numbers():
    name = clean("猫" * 100)
    second = free_name(name, {name}.__contains__)
    assert numbered(second, 1).endswith("_2_0001")
    assert len(numbered(second, 1).encode()) <= MAX_BYTES


@given(names)
def test_folding_twice_is_folding_once(name):
    assert fold(fold(name)) == fold(name)


def test_names_clash_across_case_and_unicode_form():
    assert fold("Café") == fold(unicodedata.normalize("NFD", "CAFÉ"))
    assert fold("straße") == fold("STRASSE")
    assert fold("cat") != fold("cats")
    assert fold("ISTANBUL") == fold("istanbul") == fold("ıstanbul") == fold("İstanbul")
    assert fold("ﬁsh") == fold("FISH")
    assert fold("ẞ") == fold("ß") == fold("ſs")
    assert fold("\u212aelvin") == fold("kelvin")
    assert fold("ΣΑΣ") == fold("σας")
    assert fold("cat\u200b") == fold("\u2060CAT") == fold("cat")
    assert fold("❤\ufe0f") == fold("❤")


@given(names)
def test_names_clash_whatever_rule_a_disk_has(name):
    for other in (name.casefold(), unicodedata.normalize("NFD", name), unicodedata.normalize("NFC", name)):
        assert fold(other) == fold(name)
    # Letter by letter, as NTFS and SMB have it.
    assert fold("".join(each.upper() if len(each.upper()) == 1 else each for each in name)) == fold(name)
    assert fold("".join(each.lower() if len(each.lower()) == 1 else each for each in name)) == fold(name)


@given(st.binary(min_size=1, max_size=400), st.sampled_from(["", ".reason.txt", "_2"]))
def test_a_fitted_name_has_room_for_its_ending_and_keeps_short_names_exactly(data, ending):
    name = data.decode("utf-8", "surrogateescape")
    made = fit(name, ending)
    assert len(made.encode("utf-8", "surrogateescape")) <= 255
    assert made.endswith(ending)
    if len(data) + len(ending) <= 255:
        assert made == name + ending


def test_a_fitted_name_is_never_cut_inside_a_character():
    assert fit("é" * 127, ".x") == "é" * 126 + ".x"
    assert fit("\udce9" * 255, ".x") == "\udce9" * 253 + ".x"
    family = "👩\u200d👩\u200d👧\u200d👦"
    assert fit(family * 11, ".reason.txt") == family * 9 + ".reason.txt"
    assert (
        fit(unicodedata.normalize("NFD", "é") * 90, ".reason.txt")
        == unicodedata.normalize("NFD", "é") * 81 + ".reason.txt"
    )


def test_what_turns_the_direction_of_text_is_taken_out():
    assert clean("cat\u202e4pm.exe") == "cat4pm.exe"
    assert clean("\u2066cat\u2069") == "cat"
    assert clean("\u202e.cat") == "cat"
