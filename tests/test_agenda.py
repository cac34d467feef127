"""An agenda gives each name once, at its newest moment."""

from service.agenda import Agenda


def test_names_come_in_the_order_of_their_moments():
    agenda = Agenda()
    for name, due_s in (("late", 9.0), ("soon", 1.0), ("then", 4.0)):
        agenda.set(name, due_s)
    assert agenda.next_s(0.5) == 0.5
    assert agenda.take(4.0) == ["soon", "then"]
    assert agenda.take(8.9) == []
    assert agenda.take(20.0) == ["late"]
    assert agenda.next_s(20.0) is None


def test_a_later_word_replaces_the_earlier_one():
    agenda = Agenda()
    agenda.set("a", 1.0)
    agenda.set("a", 5.0)
    assert agenda.next_s(0.0) == 5.0
    assert agenda.take(4.9) == []
    assert agenda.take(5.0) == ["a"]
    assert agenda.take(9.0) == []


def test_what_was_dropped_never_comes():
    agenda = Agenda()
    agenda.set("a", 1.0)
    agenda.drop("a")
    agenda.drop("never there")
    assert agenda.next_s(0.0) is None
    assert agenda.take(2.0) == []
