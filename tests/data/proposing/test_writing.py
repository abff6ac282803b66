"""How a proposal is written down."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from ml_sys.data.judging.parts import JudgedTables
from ml_sys.data.proposing.answers import LeftOut
from ml_sys.data.proposing.proposal import Proposal
from ml_sys.data.proposing.writing import _text, as_toml, comment
from tests.data.proposing.small import column, day, draft, looked


def test_a_comment_is_wrapped_and_each_line_of_it_marked():
    lines = comment("word " * 60)
    assert len(lines) == 3
    assert all(line.startswith("# word") and len(line) <= 110 for line in lines)
    assert len(lines[0]) == 106
    assert comment("two\nlines") == ["# two lines"]
    assert comment("x" * 200) == [f"# {'x' * 200}"]


@pytest.mark.parametrize(
    "text", ["plain", 'SELECT "a"', """SELECT "a" = 'b'""", "it's", """a" '''""", 'a\\b"c']
)
def test_a_text_is_read_as_it_was(text):
    assert tomllib.loads(f"x = {_text(text)}")["x"] == text


def test_a_query_is_written_as_it_is():
    assert _text('SELECT "a"') == """'''SELECT "a"'''"""


@pytest.fixture
def proposal():
    users = looked("users", column("id"), column("country"), day("since"))
    log = looked("log", column("id"), day("at"), column("page"))
    usage = looked("usage", column("id"), day("week"), column("n", "whole"))
    teams = looked("teams", column("id"), column("user"))
    drafts = [
        draft("periods", usage, id="id", at="week"),
        draft("events", log, user="id", at="at"),
        draft("links", teams, user="user", id="id"),
        draft("entities", users, id="id", since="since"),
    ]
    drafts[0].measures = {"n": {"column": "n", "role": "actions"}}
    drafts[1].link = drafts[2]
    drafts[1].measures = {"page": {"column": "page"}}
    drafts[1].why |= {"one": "view", "many": "views", "at": "its name"}
    drafts[3].all_converted = True
    drafts[3].why["kind"] = "one row for each"
    drafts[3].attributes = {"country": {"column": "country"}}
    return Proposal(
        drafts,
        {"country": {"kind": "category", "column": "country", "blank_leaks": True}},
        {"entity": {"one": "user", "many": "users"}},
        {"words": "one user", "country": "a text", "usage": "rows", "horizon": "days", "step": "weeks"},
        [
            LeftOut("users", "mail", "personal"),
            LeftOut("gone", "", "nothing"),
            LeftOut("users", "mail", "personal"),
        ],
        ["look at this"],
        {"usage": {"period": "week"}, "label": {"horizon_days": 14}, "panel": {"step_days": 7}},
        JudgedTables(1, 1, 1, 1),
    )


def test_tables_stand_in_the_order_of_who_pays_and_use_and_are_read_back(proposal):
    told = tomllib.loads(as_toml(proposal, ["a", "b"]))
    assert list(told["schema"]["tables"]) == ["users", "teams", "usage", "log"]
    assert told["schema"]["tables"]["users"] == {
        "kind": "entities", "file": "users.csv", "id": "id", "since": "since", "all_converted": True,
    }  # fmt: skip
    assert told["schema"]["tables"]["log"] == {
        "kind": "events", "file": "log.csv", "id": "", "user": "id", "at": "at", "link": "teams",
        "one": "view", "many": "views", "amounts": {"page": {"column": "page"}},
    }  # fmt: skip
    assert told["schema"]["tables"]["usage"]["measures"] == {"n": {"column": "n", "role": "actions"}}
    assert told["schema"]["attributes"] == proposal.attributes
    assert {name: told[name] for name in proposal.settings} == proposal.settings


def test_parts_are_one_blank_line_apart(proposal):
    for left in (proposal.left, []):
        text = as_toml(replace(proposal, left=left), ["a"])
        assert "\n\n\n" not in text
        assert not text.endswith("\n\n")


def test_dates_that_are_no_iso_dates_say_how_they_are_written(proposal):
    bought = looked("bought", column("id"), column("at", "date", format="%d.%m.%Y"))
    drafts = [*proposal.drafts, draft("purchases", bought, id="id", at="at")]
    text = as_toml(replace(proposal, drafts=drafts), ["a"])
    assert tomllib.loads(text)["schema"]["tables"]["bought"]["dates"] == "day-first"


def test_every_choice_has_a_line_on_why_and_what_is_left_out_stands_with_its_table(proposal):
    lines = as_toml(proposal, ["a", "b"]).splitlines()
    assert lines[0] == "# What your tables mean, proposed by mlsys init a b"
    assert "# Note: look at this" in lines
    assert lines[lines.index("[schema.attributes.country]") - 1] == "# a text"
    assert lines[lines.index('at = "at"') - 1] == "# its name"
    assert lines[lines.index("[schema.tables.users]") - 1] == "# users.csv: one row for each"
    assert lines[lines.index("[schema.tables.usage]") - 1] == "# usage.csv: periods"
    assert lines[lines.index("[usage]") - 1] == "# The period that usage is counted by: rows"
    assert lines[lines.index("[label]") - 1] == "# How many days ahead to predict: days"
    assert [line for line in lines if "Left out" in line] == [
        "# Left out: users.mail: personal",
        "# Left out: gone: nothing",
    ]
    assert lines.index("# Left out: users.mail: personal") < lines.index("[schema.tables.teams]")
    assert lines.index("# Left out: gone: nothing") > lines.index("[schema.attributes.country]")
