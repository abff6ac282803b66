"""Answers and questions."""

from __future__ import annotations

import pytest

from ml_sys.data.proposing.answers import Asker, LeftOut, matches
from ml_sys.errors import InputError


@pytest.mark.parametrize(
    ("answer", "is_it"),
    [
        ("at", True),
        ("AT", True),
        ("Events.At", True),
        ("others.at", False),
        ("events.day", False),
        ("events", False),
        ("", False),
    ],
)
def test_an_answer_names_a_column_with_or_without_its_table(answer, is_it):
    assert matches(answer, "events", "at") is is_it


def test_a_table_is_named_in_any_case():
    assert matches("events.at", "Events", "At")


def test_a_column_may_have_a_dot_in_its_table():
    assert matches("db.events.at", "db.events", "at")
    assert not matches("db.events.at", "events", "at")


def test_three_questions_are_asked_and_no_fourth():
    asked = []
    asker = Asker(lambda question, among: asked.append(question) or among[-1])
    assert [asker.choose(str(at), ["a", "b"], "--x") for at in range(3)] == ["b"] * 3
    with pytest.raises(InputError, match="the fourth") as caught:
        asker.choose("the fourth", ["a", "b"], "--x")
    assert (asked, asker.asked, caught.value.hint) == (["0", "1", "2"], 3, "answer with --x a|b")


def test_where_nobody_is_asked_nothing_counts_as_asked():
    asker = Asker()
    with pytest.raises(InputError):
        asker.choose("which", ["a"], "--x")
    assert asker.asked == 0


def test_what_is_left_out_is_a_column_or_a_whole_table():
    assert (LeftOut("users", "mail", "").where, LeftOut("users", "", "").where) == ("users.mail", "users")
