from __future__ import annotations

import json
import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.text import (
    between,
    counted,
    date_of,
    is_rule,
    likely,
    named,
    plural,
    rule_version,
    signed,
    visible,
    visible_json,
    with_article,
    with_minus,
)


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2, ("row",), "2 rows"),
        (1234567, ("row",), "1,234,567 rows"),
        (1, ("company", "companies"), "1 company"),
        (3, ("company", "companies"), "3 companies"),
        (1, ("row is left out", "rows are left out"), "1 row is left out"),
        (11, ("row is left out", "rows are left out"), "11 rows are left out"),
    ],
)
def test_a_noun_agrees_with_its_number(number, words, said):
    assert counted(number, *words) == said


@given(st.dates())
def test_days_since_1970_are_dates(day):
    assert date_of((day - date(1970, 1, 1)) / timedelta(days=1)) == day.isoformat()


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.0, "under 1%"), (0.0099, "under 1%"), (0.01, "1%"), (0.5, "50%"), (0.99, "99%"), (0.994, "over 99%"),
     (1.0, "over 99%"), (math.nan, "–")],
)  # fmt: skip
def test_an_estimate_claims_no_certainty(probability, said):
    assert likely(probability) == said


@pytest.mark.parametrize(
    ("noun", "said"),
    [("value", "a value"), ("amount", "an amount"), ("Umsatz", "an Umsatz"),
     ("use", "a use"), ("élève", "an élève"),
     ("Übung", "an Übung"), ("SMS", "an SMS"), ("FAQs", "an FAQs"),
     ("URl", "a URl"), ("URL", "a URL"), ("EU", "an EU"), ("Sms", "a Sms"),
     ("Mb", "a Mb"), ("I", "an I"), ("X", "an X"), ("U", "a U"), ("x", "a x"), ("1", "a 1"), ("", "a ")],
)  # fmt: skip
def test_an_article_is_chosen_by_the_first_sound(noun, said):
    assert with_article(noun) == said


@pytest.mark.parametrize(
    ("one", "many"),
    [("company", "companies"), ("day", "days"), ("key", "keys"), ("buy", "buys"), ("y", "ies"),
     ("row", "rows"),
     ("class", "classes"), ("box", "boxes"), ("branch", "branches"), ("dish", "dishes"), ("month", "months"),
     ("person", "people"), ("Person", "People"), ("FIRMA", "Firmen"), ("Schüler", "Schüler"), ("h", "hs"),
     ("Privatkunde", "Privatkunden"), ("studierende", "studierende"), ("Gerät", "Geräte"),
     ("salesperson", "salespeople"),
     ("hobby", "hobbies"), ("Konto", "Konten"), ("Nutzer", "Nutzer"), ("child", "children")],
)  # fmt: skip
def test_several_are_called_as_people_call_them(one, many):
    assert plural(one) == many


@pytest.mark.parametrize(
    ("value", "digits", "plus", "said"),
    [(-0.31, 1, False, "−0.3"), (4.6, 1, False, "4.6"), (4.6, 1, True, "+4.6"), (-4.6, 1, True, "−4.6"),
     (-0.04, 1, True, "0.0"), (0.04, 1, True, "0.0"), (0.0, 0, True, "0"), (-0.05001, 1, False, "−0.1"),
     (0.09, 1, True, "+0.1"), (-1169.2, 0, False, "−1,169"), (1234567.0, 2, False, "1,234,567.00"),
     (0.5, 2, True, "+0.50"), (20.0, 0, True, "+20"), (-9e-3, 3, False, "−0.009"), (-30.0, 0, False, "−30")],
)  # fmt: skip
def test_a_number_has_a_sign_unless_it_reads_zero(value, digits, plus, said):
    assert signed(value, digits, plus=plus) == said


def test_a_number_for_people_has_one_digit_and_no_plus_where_nothing_else_is_asked():
    assert (signed(0.26), signed(-1.25e3)) == ("0.3", "−1,250.0")
    assert (with_minus("-2e-05"), with_minus("3"), with_minus("2e-05"), with_minus("")) == (
        "−2e-05", "3", "2e-05", "",
    )  # fmt: skip
    assert between(-2.31, 0.0007) == "−2.3 to 0.0007"
    assert between(-2e-9, -1.0) == "−2e-09 to −1"


def test_a_rule_is_told_from_a_version():
    assert rule_version("newest") == "rule: newest"
    assert [is_rule(one) for one in ("rule: newest", "1.0.0", None, "", "newest rule: ", "rule")] == [
        True, False, False, False, False, False,
    ]  # fmt: skip
    assert named("rule: most users") == 'the rule "most users"'
    assert named("1.0.0") == "version 1.0.0"
    assert named("rule: rule: ") == 'the rule "rule: "'


SEEN = "aZ09 ~¡ä−–—…\u2010\u2027\u202f\u2070\u200a東🙂\ufff8\ufffc\ufffd\u061b\u180d\ufefe"
UNSEEN = (
    "\x00\x07\t\n\r\x1b\x1f\x7f\x80\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a\u202e"
    "\u2060\u2066\u2069\u206f\ufeff\ufff9\ufffb\ud800\udbff\udc00\udfff\U000e0000\U000e007f"
)


@pytest.mark.parametrize("character", SEEN)
def test_what_is_seen_is_shown_as_it_is(character):
    assert visible(character * 2) == visible_json(character * 2) == character * 2


@pytest.mark.parametrize("character", UNSEEN)
def test_what_is_not_seen_is_written_out(character):
    out = visible(f"{character}/{character}")
    first, second = out.split("/")
    assert first == second != character
    assert out.isascii()
    assert out.isprintable()
    assert out.count("\\") == 2
    assert visible(f"a{character}b", keep=f"x{character}") == f"a{character}b"
    document = f'"a{character}b"'
    shown = visible_json(document)
    assert json.loads(shown, strict=False) == f"a{character}b"
    assert shown == document if character == "\n" else shown.isascii() and shown.isprintable()


def test_characters_are_written_out_as_programmers_write_them():
    assert visible("\x1b[2J a\u202eb\n") == "\\x1b[2J a\\u202eb\\n"
    assert visible("one\ntwo\r", keep="\n") == "one\ntwo\\r"
