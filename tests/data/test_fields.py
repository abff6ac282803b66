"""Which columns of a described table are read, how, and what a bad value of each costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ml_sys.data.fields import attribute_reader, counted_by, fields_of, id_column, prospect_fields
from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.form import Attribute, Measure, Noun
from ml_sys.settings import SchemaSettings

ATTRIBUTES = {
    "rank": {"kind": "number", "scale": "log", "none": 999, "missing": ["n/a"]},
    "debt": {"kind": "number", "column": "owed"},
    "demo": {"kind": "flag", "missing": ["n/a"]},
    "stage": {"kind": "ordered", "levels": ["Seed", "Late"], "missing": ["n/a"]},
    "trade": {"kind": "category", "missing": ["n/a"]},
}
PAYING = {"kind": "entities", "id": "key", "converted_on": "paid", "value": "eur", "since": "born"}
TRIALS = {"kind": "entities", "id": "name", "since": "born", "attributes": ["debt", "trade"]}
VISITS = {"kind": "periods", "id": "key", "at": "day", "measures": {"visits": {"column": "n"}}}


def schema(**more: Any) -> SchemaSettings:
    tables = {"paying": PAYING, "trials": TRIALS, "seen": VISITS} | more.pop("tables", {})
    return SchemaSettings.model_validate({"tables": tables, "attributes": ATTRIBUTES} | more)


def read(name: str, field: str, *texts: str, **more: Any) -> tuple[list[Any], list[int] | None]:
    found = fields_of(schema(**more), name)[field].read(pa.array(texts, pa.string()))
    faults = None if found.faults is None else [int(bool(one)) for one in found.faults.tolist()]
    values = found.values
    return (values.to_pylist() if isinstance(values, pa.Array) else values.tolist()), faults


def test_a_bad_value_of_what_may_be_blank_is_blanked_and_of_anything_else_costs_the_row() -> None:
    fields = fields_of(schema(), "paying")
    assert {name for name, one in fields.items() if not one.blanked} == {"id", "converted_on"}
    assert {name for name, one in fields.items() if one.may_lack} == set(ATTRIBUTES)
    assert not any(one.blanked for one in fields_of(schema(), "seen").values())
    bought = {"kind": "purchases", "id": "key", "at": "day", "value": "eur"}
    fields = fields_of(schema(tables={"bought": bought}), "bought")
    assert {name for name, one in fields.items() if one.blanked} == {"value"}


def test_attributes_that_a_table_names_are_read_alone_and_have_to_be_there() -> None:
    fields = fields_of(schema(), "trials")
    assert list(fields) == ["id", "since", "debt", "trade"]
    assert not any(one.may_lack for one in fields.values())
    assert (fields["debt"].column, fields["trade"].column) == ("owed", "trade")
    renamed = fields_of(schema(columns={"owed": "owed_eur", "name": "NAME"}), "trials")
    assert (renamed["debt"].column, renamed["id"].column) == ("owed_eur", "NAME")


def test_a_blank_day_of_conversion_is_none_unless_all_have_converted_and_one_of_beginning_is_unknown() -> (
    None
):
    day = 19_724
    assert read("paying", "converted_on", "2024-01-02", "") == ([day, NEVER_CLOSED], None)
    every = {"tables": {"paying": PAYING | {"all_converted": True}}}
    assert read("paying", "converted_on", "2024-01-02", "", **every)[1] == [0, 1]
    assert read("paying", "since", "2024-01-02", "", "soon") == ([day, NEVER_BEGAN, NEVER_BEGAN], [0, 0, 1])


def test_attributes_are_read_by_their_kind_and_what_means_that_nothing_is_known_is_blank() -> None:
    numbers, faults = read("paying", "rank", "999", "12", "0", "n/a", "-1")
    np.testing.assert_array_equal(numbers, [np.inf, 12, np.nan, np.nan, np.nan])
    assert faults == [0, 0, 1, 0, 1]
    numbers, faults = read("paying", "debt", "-3", "0", "n/a")
    np.testing.assert_array_equal(numbers, [-3, 0, np.nan])
    assert faults == [0, 0, 1]
    np.testing.assert_array_equal(read("paying", "demo", "yes", "0", "N/A")[0], [1, 0, np.nan])
    assert read("paying", "demo", "yes", "N/A")[1] is None
    assert read("paying", "stage", "LATE", "n/a", "x") == (["Late", None, None], [0, 0, 1])
    assert read("paying", "trade", " shop ", "N/A", "") == (["shop", None, None], None)


def test_a_blank_of_a_period_s_amount_costs_the_row_and_one_of_an_event_adds_nothing() -> None:
    minutes = {"minutes": {"column": "m", "role": "amount", "digits": 1}}
    tables = {
        "app": {"kind": "periods", "id": "key", "at": "day", "measures": {"spent": minutes["minutes"]}},
        "log": {"kind": "events", "id": "key", "at": "at", "amounts": minutes, "user": "who"},
        "linked": {"kind": "events", "id": "", "at": "at", "user": "who", "link": "people"},
        "people": {"kind": "links", "user": "who", "id": "key"},
    }
    assert read("app", "spent", "1.25", "", tables=tables) == ([12, 0], [0, 1])
    assert read("log", "minutes", "1.25", "", tables=tables) == ([12, 0], None)
    assert read("log", "user", "ann", "", tables=tables) == (["ann", None], None)
    assert read("linked", "user", "ann", "", tables=tables)[1] == [0, 1]


@pytest.mark.parametrize(
    ("role", "digits", "read_as"),
    [("actions", 0, [5]), ("users", 0, [5]), ("amount", 0, [5]), ("users", 1, [50])],
)
def test_a_measure_keeps_its_digits(role: Any, digits: int, read_as: list[int]) -> None:
    one = Measure("n", role, "n", Noun("n", "n"), digits=digits)
    found = counted_by(one)(pa.array(["5"], pa.string()))
    assert found.values.tolist() == read_as
    assert found.values.dtype == (np.int32 if role != "amount" and not digits else np.int64)


def test_prospects_are_read_like_the_last_table_of_those_that_have_not_converted() -> None:
    fields = prospect_fields(schema())
    assert set(fields) == {"id", "since", *ATTRIBUTES}
    assert fields["id"].column == id_column(schema()) == "name"
    assert {name for name, one in fields.items() if one.may_lack} == {"rank", "demo", "stage"}
    only = prospect_fields(SchemaSettings.model_validate({"tables": {"paying": PAYING, "seen": VISITS}}))
    assert set(only) == {"id", "since"}  # neither the day of conversion nor its money
    bought = {"kind": "purchases", "id": "team", "at": "day"}
    none = SchemaSettings.model_validate({"tables": {"bought": bought, "seen": VISITS}})
    assert {name: one.column for name, one in prospect_fields(none).items()} == {"id": "team"}


def test_whichever_table_stands_last_prospects_are_read_like_those_that_have_not_converted() -> None:
    other = TRIALS | {"id": "lead"}
    for order, named in (
        ({"trials": TRIALS, "paying": PAYING, "seen": VISITS}, "name"),
        ({"trials": TRIALS, "leads": other, "paying": PAYING, "seen": VISITS}, "lead"),
    ):
        told = SchemaSettings.model_validate({"tables": order, "attributes": ATTRIBUTES})
        assert prospect_fields(told)["id"].column == named


def test_the_type_of_a_purchase_may_be_blank_and_nothing_is_said_of_it() -> None:
    bought = {"kind": "purchases", "id": "key", "at": "day", "type": "what"}
    assert read("bought", "type", " sale", "", tables={"bought": bought}) == (["sale", None], None)
    assert fields_of(schema(tables={"bought": bought}), "bought")["type"].column == "what"


def test_a_number_on_a_log_scale_is_above_zero_whether_or_not_one_stands_for_none() -> None:
    told = {"speed": {"kind": "number", "scale": "log"}}
    described = SchemaSettings.model_validate(
        {"tables": {"paying": PAYING, "seen": VISITS}, "attributes": told}
    )
    found = fields_of(described, "paying")["speed"].read(pa.array(["2", "0"], pa.string()))
    np.testing.assert_array_equal(found.values, [2, np.nan])
    assert [bool(one) for one in found.faults.tolist()] == [False, True]


def test_an_event_without_a_link_names_its_entity_beside_its_user() -> None:
    log = {"kind": "events", "id": "key", "at": "at", "user": "who", "event": "what", "event_id": "n"}
    fields = fields_of(schema(tables={"log": log}), "log")
    assert list(fields) == ["id", "user", "at", "event", "event_id"]
    assert read("log", "event", "", "a", tables={"log": log}) == ([None, "a"], None)
    linked = log | {"id": "", "link": "people"}
    people = {"kind": "links", "user": "who", "id": "team"}
    told = schema(tables={"log": linked, "people": people})
    assert list(fields_of(told, "log")) == ["user", "at", "event", "event_id"]
    assert {name: one.column for name, one in fields_of(told, "people").items()} == {
        "user": "who",
        "id": "team",
    }


def test_where_no_table_is_of_entities_the_id_is_that_of_the_first_which_has_one() -> None:
    log = {"kind": "events", "id": "", "at": "at", "user": "who", "link": "people"}
    people = {"kind": "links", "user": "who", "id": "team"}
    bought = {"kind": "purchases", "id": "buyer", "at": "day"}
    told = SchemaSettings.model_validate({"tables": {"log": log, "people": people, "bought": bought}})
    assert id_column(told) == "team"


def test_a_prospect_s_attribute_that_its_table_has_no_column_of_is_found_in_the_column_described() -> None:
    told = schema(attributes=ATTRIBUTES | {"rank": {"kind": "number", "column": "alexa"}})
    assert prospect_fields(told)["rank"].column == "alexa"


def test_the_day_of_beginning_is_that_of_the_clocks_of_the_zone() -> None:
    berlin = {"time_zone": "Europe/Berlin"}
    for name in ("since", "converted_on"):
        assert read("paying", name, "2024-01-01T23:30:00Z", **berlin)[0] == [19_724]
        assert read("paying", name, "2024-01-01T23:30:00Z")[0] == [19_723]


@pytest.mark.parametrize(
    ("kind", "more", "texts", "read"),
    [
        ("number", {}, ["-1", "9", "n/a"], [-1.0, 9.0, float("nan")]),
        ("number", {"none": 9.0}, ["-1", "9", "0"], [-1.0, np.inf, 0.0]),
        ("number", {"scale": "log"}, ["-1", "9", "0"], [float("nan"), 9.0, float("nan")]),
        ("flag", {}, ["yes", "N/A", "0"], [1.0, float("nan"), 0.0]),
        ("ordered", {"levels": ("low", "High")}, ["LOW", "high", "n/a"], ["low", "High", None]),
        ("category", {"levels": ("low",)}, ["LOW", " x ", "n/a"], ["LOW", "x", None]),
        ("range", {"scale": "log"}, ["1-5", "-1", "N/a"], ["1-5", "-1", None]),
    ],
)
def test_an_attribute_is_read_by_its_kind(
    kind: Any, more: dict[str, Any], texts: list[str], read: list[Any]
) -> None:
    one = Attribute("size", kind, "size", "size", missing=("n/a",), **more)
    found = attribute_reader(one)(pa.array(texts, pa.string())).values
    told = found.to_pylist() if isinstance(found, pa.Array) else found.tolist()
    assert list(map(str, told)) == list(map(str, read))
