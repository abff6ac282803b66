import html
import re
from math import nan

import pytest

from ml_sys.outcomes.monitoring import Challenger, Check, Matured, Monitoring, Moved
from ml_sys.report.monitoring_page import monitoring_page
from ml_sys.report.monitoring_sentences import amount, headline

LOUD = Check("inputs", "industry", 0.2, 0.4, "share", 0.5, 0.15, 0.001, alarm=True)
QUIET = Check("age", "days since the model's data end", 20.0, 0.0, "days", 20.0, 180.0)


def page(**more):
    return monitoring_page(
        Monitoring("1.0.0", "abc", "2020-02-10", "2020-02-03", "2020-01-06", 1500, (LOUD, QUIET), **more)
    )


def test_the_page_begins_with_what_rings():
    html = page()
    assert html.index("1 alarm rings:") < html.index("industry: 20.0%, compared with 40.0% in the reference")
    assert "1,500 prospects at 2020-02-03" in html


def test_what_there_is_nothing_of_says_why():
    html = page()
    assert "no list has matured that the version was not trained on" in html
    assert "there is no candidate beside the version in production" in html


def test_lists_challengers_and_features_have_their_tables():
    html = page(
        matured=(Matured("2020-01-06", 1400, 9.94, 4, 17, 11),),
        handed_out=(Matured("2020-01-05", 1300, 8.5, 3, 15, 7),),
        challengers=(
            Challenger("1.1.0", 50, 44, 2, 9, 0.21, 0.18, 0.7),
            Challenger("1.2.0", 50, 41),
            Challenger("1.3.0", 50, problem="no such version <1.3.0>"),
        ),
        features=(Moved("actions_7d", 0.3),),
    )
    for cell in ("4 to 17", "44 of 50", "0.210", "70%", "41 of 50", "no such version &lt;1.3.0&gt;", "0.300"):
        assert cell in html, cell


def rows(page: str) -> list[list[str]]:
    """Return every row of every table, cell by cell."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", html.unescape(page), re.DOTALL)
    return [
        [re.sub(r"<[^>]+>|\s+", " ", one).strip() for one in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in found
    ]


def test_every_check_is_a_row_of_its_own_kind():
    above = Check("age", "above and silent", 3.0, 2.0, "days", 9.0, 1.0, 0.0)
    text = monitoring_page(
        Monitoring("1.0.0", "abc", "2020-02-10", "2020-02-03", "2020-01-06", 1500, (LOUD, QUIET, above))
    )
    found = rows(text)
    assert ["industry", "20.0%", "40.0%", "0.5", "0.15", "0.0010", "rings"] in found
    assert ["days since the model's data end", "20", "0", "20", "180", "–", ""] in found
    assert ["above and silent", "3", "2", "9", "1", "0.0000", ""] in found
    inputs, age = text.rindex("Do companies look as they used to?"), text.rindex("How old is the version?")
    assert inputs < text.index(">industry<") < age < text.index("above and silent")
    assert "<dt>alarms</dt><dd><strong>1</strong><span>of 3 checks</span></dd>" in text


def test_the_lists_and_the_challengers_are_told_cell_by_cell():
    html = page(
        handed_out=(Matured("2020-01-05", 1300, 8.5, 3, 15, 7),),
        challengers=(
            Challenger("1.1.0", 50, 44, 1, 9, 0.21, 0.18, 0.7),
            Challenger("1.2.0", 50, 41, 4, 0, nan, nan, nan),
        ),
        features=tuple(Moved(f"feature_{at}", 0.3 - at / 1000) for at in range(45)),
    )
    found = rows(html)
    assert ["2020-01-05", "1,300", "8.5", "3 to 15", "7"] in found
    assert ["1.1.0", "44 of 50", "1", "0.210", "0.180", "70%"] in found
    assert ["1.2.0", "41 of 50", "4", "–", "–", "–"] in found
    assert "Lists as this version handed them out" in html
    assert "made again by this version" not in html
    assert [one[0] for one in found if one[0].startswith("feature_")] == [f"feature_{at}" for at in range(40)]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (2.6, "days", "3"),
        (1234.4, "companies", "1,234"),
        (3.0, "conversions", "3"),
        (3.14, "conversions", "3.1"),
    ],
)
def test_an_amount_is_written_as_its_unit_is(value, unit, said):
    assert amount(value, unit) == said


def test_a_monitoring_in_which_no_check_rings_says_so():
    silent = Monitoring("1.0.0", "abc", "2020-02-10", "2020-02-03", "2020-01-06", 1500, (QUIET,))
    assert headline(silent) == "No alarm rings."
