"""What words ask for, however they are written: nothing that must be refused passes, and next to nothing else is."""

from __future__ import annotations

import pytest

from service.prompt_rules import Asked, findings_of, loras_in, may_show_a_minor, problems_of
from tests.guard import cases
from tests.guard.ordinary import ORDINARY


def categories(text: str, *, adult: bool, how: str = "wanted") -> set[str]:
    return {finding.category for finding in findings_of(Asked(**{how: {"prompt": text}}), adult=adult)}


@pytest.mark.parametrize("text", cases.SEXUAL)
def test_what_is_sexual_is_refused_outside_the_adult_task(text: str):
    assert categories(text, adult=False)


@pytest.mark.parametrize("text", cases.SEXUAL_MINOR)
def test_a_child_in_a_sexual_light_is_refused_everywhere(text: str):
    assert "sexual_minor" in categories(text, adult=False)
    assert "minor" in categories(text, adult=True)


@pytest.mark.parametrize("text", cases.UNDRESSING_NEGATIVES)
def test_asking_for_no_clothes_is_asking_for_nudity(text: str):
    assert categories(text, adult=False, how="unwanted") == {"sexual"}


@pytest.mark.parametrize("text", cases.POSSIBLE_MINORS)
def test_the_adult_task_refuses_whoever_may_be_a_minor(text: str):
    assert "minor" in categories(text, adult=True)
    assert "minor" in categories(f"nude, {text}, bedroom", adult=True)
    assert may_show_a_minor([text])


@pytest.mark.parametrize("text", cases.AGEING_NEGATIVES)
def test_the_adult_task_refuses_asking_for_nobody_grown_up(text: str):
    assert categories(text, adult=True, how="unwanted") == {"minor"}


@pytest.mark.parametrize("text", cases.MINORS_NAMES)
def test_the_adult_task_refuses_files_that_are_called_after_minors(text: str):
    assert categories(text, adult=True, how="names") == {"minor"}


@pytest.mark.parametrize("text", cases.REAL_PEOPLE)
def test_the_adult_task_refuses_people_who_live(text: str):
    assert "real_person" in categories(text, adult=True)


@pytest.mark.parametrize("text", cases.ADULT_FINE)
def test_the_adult_task_takes_what_shows_grown_ups(text: str):
    assert categories(text, adult=True) == set()


def test_there_are_enough_cases():
    tables = [cases.SEXUAL, cases.SEXUAL_MINOR, cases.UNDRESSING_NEGATIVES, cases.POSSIBLE_MINORS]
    assert sum(map(len, [*tables, cases.AGEING_NEGATIVES, cases.MINORS_NAMES, cases.REAL_PEOPLE])) >= 150
    assert len(set(ORDINARY)) >= 200


def test_of_two_hundred_ordinary_prompts_at_most_four_are_refused():
    refused = [text for text in ORDINARY if categories(text, adult=False)]
    assert len(refused) <= len(ORDINARY) * 0.02, refused


@pytest.mark.parametrize(
    "text", ["nsfw, nude, naked, child, lowres", "worst quality, low quality, watermark, text, extra limbs", "people"]
)
def test_an_ordinary_negative_prompt_keeps_out_what_it_likes(text: str):
    assert categories(text, adult=False, how="unwanted") == set()


def test_a_word_that_is_wanted_less_than_nothing_is_judged_the_other_way_round():
    assert categories("(clothes:-1.2), a woman", adult=False) == {"sexual"}
    assert categories("(nude:-1)", adult=False, how="unwanted") == {"sexual"}
    assert categories("(child:-0.5)", adult=True, how="unwanted") == {"minor"}


def test_what_is_split_over_two_fields_is_read_together():
    asked = Asked(wanted={"prompt": "a seductive pose", "node 7": "a child"})
    assert {each.category for each in findings_of(asked, adult=False)} == {"sexual_minor"}
    asked = Asked(wanted={"prompt": "a sexy pose"}, unwanted={"negative_prompt": "adult, mature"})
    assert {(each.field, each.category) for each in findings_of(asked, adult=False)} == {
        ("negative_prompt", "sexual_minor")
    }


@pytest.mark.parametrize(("adult", "text"), [(False, "a nude woman"), (True, "a schoolgirl"), (False, "a sexy child")])
def test_a_refusal_names_the_field_and_the_category_and_never_the_word(adult: bool, text: str):
    (problem,) = problems_of(text, "prompt", adult)
    assert problem.field == "prompt"
    assert problem.title.startswith("prompt ")
    assert problem.fix
    for word in text.split()[1:]:
        assert word not in problem.sentence()


def test_files_named_in_a_prompt_are_found():
    assert loras_in("a cat <lora:x/some Style:0.8> embedding:bad_hands, (embedding:other:1.2)") == (
        "x/some Style", "bad_hands", "other:1.2",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "portrait at her seventeenth birthday party", "zu ihrem siebzehnten Geburtstag", "su decimoquinto cumpleaños",
        "il suo sedicesimo compleanno", "son seizième anniversaire",
    ],
)  # fmt: skip
def test_a_birthday_that_is_counted_in_words_is_an_age(text: str):
    assert "minor" in categories(text, adult=True)
    assert not categories(text, adult=False)


@pytest.mark.parametrize("text", ["옷을 벗은 성인 여자", "a braless woman"])
def test_undressing_is_met_in_its_forms(text: str):
    assert categories(text, adult=False)


@pytest.mark.parametrize(
    "text",
    [
        "A pair of blue-footed boobies dancing on a Galapagos rock", "Naked oak trees against a grey winter sky",
        "A shuttle cock flying across a badminton court in slow motion",
        "A cocktail called Sex on the Beach with an orange slice, bar counter",
        "Die nackte Wahrheit: Zeitungsschlagzeilen rasen vorbei, Stop-Motion",
        "Eine nackte Glühbirne hängt in einem leeren Keller",
        "Les nuages nus au-dessus de la mer, poésie, lumière d'hiver",
        "Mise à nu du béton, une façade en rénovation, accéléré", "La montaña desnuda bajo la luna, invierno",
        "La nuda pietra di una cattedrale romanica, luce radente",
    ],
)  # fmt: skip
def test_bare_things_birds_and_drinks_are_let_through(text: str):
    assert not categories(text, adult=False)
