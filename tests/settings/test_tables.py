"""Descriptions of tables of events."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ml_sys.form import Noun
from ml_sys.settings.tables import EventTable, MeasureColumn, measures_of_events, usage_of_events


def test_kinds_amounts_and_users_of_events_become_measures_in_that_order():
    minutes = {"column": "min", "role": "amount", "one": "minute", "many": "minutes", "verb": "watched"}
    table = EventTable(
        kind="events", id="student", at="seen_at", event="what", user="who", amounts={"minutes": minutes}
    )
    measures = measures_of_events("seen", table, ("Quiz passed",))
    assert [(one.name, one.role, one.object, one.digits) for one in measures] == [
        ("seen_quiz_passed", "actions", "quiz_passed", 0),
        ("seen_other", "actions", "other", 0),
        ("minutes", "amount", "minutes", 3),
        ("seen_users", "users", "seen", 0),
    ]
    assert measures[0].noun == Noun("Quiz passed event", "Quiz passed events")
    assert measures[2].verb == "watched"


def test_a_measure_without_words_is_called_by_its_role_or_its_name():
    assert MeasureColumn(column="n").measure("visits").noun == Noun("action", "actions")
    assert MeasureColumn(column="n", role="users").measure("readers").noun == Noun("person", "people")
    assert MeasureColumn(column="n", role="amount").measure("play_time").noun == Noun(
        "play time", "play time"
    )


def test_a_request_gives_events_under_the_names_of_their_columns():
    table = EventTable(
        kind="events", id="Student", at="Seen At", event="What", user="Who", event_id="#",
        amounts={"minutes": {"column": "min"}},
    )  # fmt: skip
    found = usage_of_events("seen", table, ("Quiz",), ("seen_quiz", "seen_other", "minutes", "seen_users"))
    assert (found.at, found.event, found.user, found.amounts) == ("seen_at", "what", "who", ("minutes",))
    assert found.kinds == ("Quiz",)


@pytest.mark.parametrize("kinds", [("Log in", "log_in"), ("other",), ("view", "Users")])
def test_kinds_that_would_share_a_name_are_refused(kinds):
    with pytest.raises(ValidationError, match="would be called"):
        EventTable(kind="events", at="day", event="what", kinds=kinds)
