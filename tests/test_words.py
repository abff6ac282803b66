"""Texts speak in the words of a description: of students, subscribers and amounts, where it calls them so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ml_sys.form import PLAIN_WORDS, Noun
from ml_sys.registry import criteria
from ml_sys.report.markdown import as_markdown
from ml_sys.report.week import summary_page
from ml_sys.settings import Settings
from ml_sys.settings.attributes import WordSettings
from ml_sys.views.frame.cells import plain
from tests.report import test_week

PACKAGE = Path(__file__).parents[1] / "ml_sys"
# Fields, objects and attributes of the default description, as words or parts of names.
OF_THE_DEFAULT = re.compile(
    r"(?<![a-z])(contacts?|deals?|crm|alexa|employees?|industry|industries|mrr|closedate|when_timestamp|"
    r"actions_email|users_email|firmographics?)(?![a-z])",
    re.IGNORECASE,
)
# The description itself and the tables generated in its form; the words that `init` knows of tables of any
# form, by which it guesses what columns mean.
MAY_NAME_THEM = (
    "settings/presets/",
    "sample/",
    "data/looking/",
    "data/judging/",
    "data/proposing/",
)
STUDENT = Noun("student", "students")
WORDS = replace(PLAIN_WORDS, entity=STUDENT, customer=Noun("subscriber", "subscribers"), value="amount")
week = test_week.week


def test_a_number_is_said_with_its_noun_and_what_is_said_of_so_many():
    assert STUDENT.counted(1) == "1 student"
    assert STUDENT.counted(0, "waits", "wait") == "0 students wait"
    assert STUDENT.counted(2000, "that converts", "that convert") == "2,000 students that convert"


def test_a_description_says_what_one_is_that_has_converted():
    given = WordSettings.model_validate({"customer": {"one": "subscriber", "many": "subscribers"}})
    assert given.words().customer == Noun("subscriber", "subscribers")
    assert WordSettings().words() == PLAIN_WORDS


def test_a_weeks_summary_knows_no_company_where_students_are_described(week):
    told = replace(week, ingested=replace(week.ingested, words=WORDS))
    text = as_markdown(summary_page(told))
    assert "students to call" in text
    assert "subscribers" in text
    assert "compan" not in text.split("## What the lists brought")[0]
    assert "customer" not in text.replace("customers.csv", "")


def test_words_are_no_part_of_what_is_printed_as_json(week):
    assert "words" not in plain(replace(week.ingested, words=WORDS))
    assert plain(week.ingested)["companies"] == week.ingested.companies


def test_the_gate_asks_for_students_and_finds_them():
    gate = Settings().gate
    asked = criteria.asked(gate, beside_champion=False, entity=STUDENT)
    assert asked[criteria.CONVERTERS] == f"at least {gate.min_positives} students"
    assert criteria.unseen("", 2, STUDENT).text == "it has not; 2 students left out"
    assert not any("compan" in one for one in asked.values())


def test_only_the_default_description_and_the_sample_name_its_fields_objects_and_attributes():
    modules = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".toml", ".j2"})
    named = [
        f"{path.relative_to(PACKAGE)}:{at}: {line.strip()}"
        for path in modules
        if not path.relative_to(PACKAGE).as_posix().startswith(MAY_NAME_THEM)
        for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if OF_THE_DEFAULT.search(line)
    ]
    assert named == []


def test_a_canary_speaks_of_students_and_subscribers():
    from ml_sys.leaks.canary import BLANKS, Canary

    told = Canary(BLANKS, "passed", {}, WORDS).sentence()
    assert told == "Blank attributes do not tell subscribers from the others."
