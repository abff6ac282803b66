"""Descriptions of attributes."""

from __future__ import annotations

from ml_sys.form import Noun
from ml_sys.settings.attributes import CategoryColumn, NumberColumn, RangeColumn, Worded, WordSettings


def test_a_number_that_may_mean_none_has_a_feature_that_says_so():
    found = NumberColumn(kind="number", none=0, label="page rank").attribute("rank")
    assert (found.none, found.none_feature, found.none_label) == (0, "rank_none", "no page rank")
    assert NumberColumn(kind="number").attribute("rank").none_feature == ""


def test_a_range_has_a_number_beside_its_levels():
    found = RangeColumn(kind="range", unit=Worded(one="seat", many="seats")).attribute("size")
    assert (found.name, found.feature, found.unit) == ("size", "size_number", Noun("seat", "seats"))


def test_what_is_not_said_of_an_attribute_follows_from_its_name():
    found = CategoryColumn(kind="category", synonyms={"b": "x", "a": "y"}).attribute("home_country")
    assert (found.label, found.feature) == ("home country", "home_country")
    assert found.synonyms == (("a", "y"), ("b", "x"))


def test_several_are_called_as_english_makes_plurals_unless_it_is_said():
    given = {
        "entity": {"one": "Kunde"},
        "user": {"one": "agency"},
        "customer": {"one": "Abo", "many": "Abos"},
    }
    found = WordSettings.model_validate(given).words()
    assert (found.entity.many, found.user.many, found.customer.many) == ("Kunden", "agencies", "Abos")
