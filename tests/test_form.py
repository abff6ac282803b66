"""What tables mean, once columns have been read."""

from __future__ import annotations

import json
from dataclasses import asdict

from ml_sys.form import (
    PLAIN_WORDS,
    Attribute,
    Form,
    Measure,
    Noun,
    Words,
    form_from_plain,
    name_of,
    ordered,
)
from ml_sys.settings.description import SchemaSettings

CLICK = Measure("clicks", "actions", "page", Noun("click", "clicks"))
READERS = Measure("readers", "users", "page", Noun("person", "people"))
MINUTES = Measure("minutes", "amount", "video", Noun("minute", "minutes"), verb="watched", digits=3)


def test_actions_come_before_amounts_and_these_before_users():
    assert ordered((READERS, MINUTES, CLICK)) == (CLICK, MINUTES, READERS)


def test_a_form_knows_the_places_of_a_role_and_its_objects():
    form = Form(measures=(CLICK, MINUTES, READERS))
    assert form.of_role("amount") == (1,)
    assert form.of_role("users") == (2,)
    assert form.n_activity == 2
    assert form.objects == ("page",)


def test_a_form_survives_being_written_as_json():
    form = SchemaSettings().form()
    assert form_from_plain(json.loads(json.dumps(asdict(form)))) == form


def test_a_form_keeps_its_words_since_when_one_exists_and_whose_days_they_are():
    words = Words(
        Noun("school", "schools"), Noun("lesson", "lessons"), Noun("pupil", "pupils"), Noun("book", "books"),
        value="fees", customer=Noun("member", "members"),
    )  # fmt: skip
    form = Form(measures=(CLICK,), words=words, has_since=True, time_zone="Europe/Berlin")
    plain = json.loads(json.dumps(asdict(form)))
    assert form_from_plain(plain) == form
    del plain["time_zone"]  # as of before there were any
    assert form_from_plain(plain).time_zone == "UTC"


def test_amounts_make_a_period_active_and_users_do_not():
    forms = (Form(measures=ordered(some)) for some in ((READERS,), (READERS, MINUTES), (CLICK,)))
    assert [one.n_activity for one in forms] == [0, 1, 1]
    assert Form(measures=ordered((READERS, MINUTES))).objects == ()


def test_several_are_spoken_of_where_there_is_none():
    noun = Noun("student", "students")
    said = [noun.counted(number, "is called", "are called") for number in (0, 1, 2)]
    assert said == ["0 students are called", "1 student is called", "2 students are called"]


def test_a_name_is_the_same_whatever_the_case_and_what_stands_between_its_words():
    assert {name_of(text) for text in ("Minutes watched", "minutes-WATCHED", " minutes.watched ")} == {
        "minutes_watched"
    }
    assert name_of("?!") == "unnamed"
    assert name_of("Video -- minutes (total)") == "video_minutes_total"
    assert name_of("Straße") == name_of("STRASSE") == "strasse"


def test_what_is_said_of_companies_is_said_in_the_words_of_a_description():
    words = Words(entity=Noun("Übung", "Übungen"), customer=Noun("student", "students"))
    said = "A company that is a customer. Companies of accompanying customers_x"
    assert words.spoken(said) == "An Übung that is a student. Übungen of accompanying customers_x"
    assert PLAIN_WORDS.spoken(said) == said


def test_what_is_not_described_is_as_in_the_default():
    words = Words()
    nouns = (words.entity, words.action, words.user, words.object, words.customer)
    assert [(one.one, one.many) for one in nouns] == [
        ("company", "companies"), ("action", "actions"), ("user", "users"), ("tool", "tools"),
        ("customer", "customers"),
    ]  # fmt: skip
    assert words.value == "value"
    measure = Measure("clicks", "actions", "page", Noun("click", "clicks"))
    assert (measure.place, measure.verb, measure.digits) == ("", "", 0)


def test_an_attribute_is_found_by_its_name():
    attributes = SchemaSettings().form().attributes
    form = SchemaSettings().form()
    assert [form.attribute(one.name) for one in attributes] == list(attributes)
    assert isinstance(attributes[0], Attribute)
