"""Descriptions of tables: what they mean, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ml_sys.settings.description import SchemaSettings

EVENTS = {"kind": "events", "id": "student", "at": "seen_at"}
PURCHASES = {"kind": "purchases", "id": "student", "at": "bought_on"}
STUDENTS = {"kind": "entities", "id": "student", "since": "joined"}


def described(**more):
    return SchemaSettings.model_validate(
        {"tables": {"seen": EVENTS, "bought": PURCHASES, "students": STUDENTS}} | more
    )


def test_the_default_form_counts_actions_before_users():
    form = SchemaSettings().form()
    assert form.measure_names == (
        "actions_crm_contacts", "actions_crm_companies", "actions_crm_deals", "actions_email",
        "users_crm_contacts", "users_crm_companies", "users_crm_deals", "users_email",
    )  # fmt: skip
    assert form.n_activity == 4
    assert form.objects == ("contacts", "companies", "deals", "email")
    assert [(one.name, one.kind, one.feature) for one in form.attributes] == [
        ("alexa_rank", "number", "rank"),
        ("employee_range", "range", "employees"),
        ("industry", "category", "industry"),
    ]
    assert not form.has_since


def test_other_tables_take_nothing_from_the_default():
    form = described().form()
    assert form.attributes == ()
    assert form.words.value == "value"
    assert form.has_since
    assert form.measure_names == ("seen_events",)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"bought": PURCHASES, "students": STUDENTS}, "no usage table is described"),
        ({"seen": EVENTS, "students": STUDENTS}, "nothing says who converted"),
        (
            {"seen": EVENTS | {"link": "teams", "id": "", "user": "who"}, "bought": PURCHASES},
            "is not a table",
        ),
        ({"seen": EVENTS | {"link": "teams", "id": ""}, "bought": PURCHASES}, "name the column of the user"),
        ({"seen": EVENTS | {"id": ""}, "bought": PURCHASES}, "name either the entity's id"),
        (
            {
                name: {"kind": "periods", "at": "at", "measures": {"visits": {"column": "n"}}}
                for name in ("web", "app")
            }
            | {"bought": PURCHASES},
            "two tables have a measure 'visits'",
        ),
    ],
)
def test_a_description_that_does_not_hang_together_is_refused(tables, said):
    with pytest.raises(ValidationError, match=said):
        described(tables=tables)


def test_attributes_need_a_table_of_entities():
    with pytest.raises(ValidationError, match="attributes are columns of entity tables"):
        described(tables={"seen": EVENTS, "bought": PURCHASES}, attributes={"country": {"kind": "category"}})


def test_a_column_may_have_another_name_in_the_users_tables():
    schema = SchemaSettings(columns={"CLOSEDATE": "closed at"})
    assert schema.column("CLOSEDATE") == "closed at"
    assert schema.column("MRR") == "MRR"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tables": {"students": STUDENTS | {"all_converted": True}}}, "name converted_on"),
        ({"tables": {"students": STUDENTS | {"attributes": ["land"]}}}, "no attribute 'land' is described"),
        ({"attributes": {"value": {"kind": "flag"}}}, "'value' is the name of something else"),
        ({"attributes": {"seen": {"kind": "flag"}}}, "'seen' is the name of something else"),
        (
            {"tables": {"seen": EVENTS | {"amounts": {"stamp": {"column": "n"}}}}},
            "'stamp' is the name of something else",
        ),
        ({"tables": {"seen": EVENTS | {"dates": "yes"}}}, "Input should be 'iso', 'day-first'"),
        ({"time_zone": "Mars/Olympus"}, "'Mars/Olympus' is not a time zone"),
    ],
)
def test_what_tables_attributes_and_zones_cannot_be_is_refused(changed, said):
    tables = {"seen": EVENTS, "bought": PURCHASES, "students": STUDENTS} | changed.pop("tables", {})
    with pytest.raises(ValidationError, match=said):
        SchemaSettings.model_validate({"tables": tables} | changed)


def test_an_attribute_may_be_called_company_and_a_zone_by_its_name():
    described(attributes={"company": {"kind": "category"}})
    assert SchemaSettings(time_zone="Europe/Berlin").time_zone == "Europe/Berlin"
