from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_sys import console
from ml_sys.jobs.lists.handing_out import HandedOut
from ml_sys.jobs.lists.listed import Listed
from ml_sys.outcomes.lists import HandedOutList
from ml_sys.outcomes.lottery import NO_WAIT, Drawn
from ml_sys.scoring.reasons import Reason
from ml_sys.scoring.scored_list import ScoredList
from ml_sys.views import score
from ml_sys.views.frame.cells import plain

GOLDEN = Path(__file__).parent / "golden"


def ranked(rows):
    """A list of so many prospects."""
    table = pd.DataFrame(
        {
            "rank": range(1, rows + 1),
            "id": [str(n) for n in range(rows)],
            "probability": 0.5,
            "tier": "A",
            "will_convert": True,
            "model_version": "1.0.0",
            "cutoff": "2020-01-06",
        }
    )
    return ScoredList(table, np.arange(rows), (), (), pa.table({}))


@pytest.mark.parametrize(
    ("rows", "of", "written"), [(1, "1 prospect", "1 row"), (1200, "1,200 prospects", "1,200 rows")]
)
def test_a_list_says_how_many_prospects_it_holds(capsys, rows, of, written):
    score.scored(Listed(ranked(rows), 1, out=Path("list.csv")))
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"Top 1 of {of}, model 1.0.0, as of 2020-01-06"
    assert last == f"Written: list.csv ({written})"


def test_an_id_and_a_reason_with_line_ends_stay_on_their_own_line(capsys):
    table = ranked(1).table.assign(id="a\nb\x1b[0m", reason_1="raises: of \r\n\u202eretail")
    reason = Reason("of \r\n\u202eretail", "raises", 0.5, ("industry",))
    listed = ScoredList(table, np.arange(1), ("one\nnote",), ("two\nwarnings",), pa.table({}), ([reason],))
    score.scored(Listed(listed, 1))
    out, err = capsys.readouterr()
    assert "a\\nb\\x1b[0m" in out
    assert "raises: of \\r\\n\\u202eretail" in out
    assert err.splitlines() == ["note: one\\nnote", "warning: two\\nwarnings"]


def explained():
    """A list with reasons for its first two companies, and one that cools down."""
    rose = Reason(
        "deal activity rose to 3.2× its 28-day rate in the last 7 days", "raises", 1.25, ("growth",)
    )
    people = Reason("12 people used contacts in the last 7 days", "raises", 0.5, ("users", "most_users"))
    rank = Reason("[bold]site has no traffic rank[/]", "lowers", -0.25, ("unranked",))
    given = ([rose, people, rank], [rank])
    table = ranked(3).table.assign(listed_on=["", "", "2019-12-30"])
    for at in range(3):
        told = [f"{one[at].direction}: {one[at].text}" if at < len(one) else "" for one in given]
        table[f"reason_{at + 1}"] = [*told, ""]
    return ScoredList(table, np.arange(3), (), (), pa.table({}), given)


def test_reasons_stand_below_each_other_beside_their_company(capsys):
    """What a person sees; after a wanted change, put what the failure shows into the golden file."""
    score.scored(Listed(explained(), 3))
    assert capsys.readouterr().out == (GOLDEN / "reasons.txt").read_text(encoding="utf-8")


def test_a_long_id_is_never_broken_and_then_reasons_stand_below_the_table(capsys, monkeypatch):
    monkeypatch.setattr(console, "_PLAIN_WIDTH", 80)
    ids = [f"0b5f6a3e-7c1d-4e2f-9a8b-{at:012d}" for at in range(3)]
    listed = explained()
    table = listed.table.assign(id=ids).drop(columns="listed_on")
    kept = ScoredList(table, np.arange(3), (), (), pa.table({}), listed.reasons)
    score.scored(Listed(kept, 3))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [one for one in ids if any(one in line for line in lines)] == ids
    assert "   1  raises: deal activity rose to 3.2× its 28-day rate in the last 7 days" in lines
    assert "      raises: 12 people used contacts in the last 7 days" in lines
    assert sum("50.00%" in line for line in lines) == 3


def test_reasons_are_parts_of_their_row_as_plain_data():
    first, second, third = plain(Listed(explained(), 3))["list"]
    assert first["reasons"][1] == {
        "text": "12 people used contacts in the last 7 days",
        "direction": "raises",
        "contribution": 0.5,
        "features": ["users", "most_users"],
    }
    assert [len(one["reasons"]) for one in (first, second, third)] == [3, 1, 0]
    assert [one["listed_on"] for one in (first, second, third)] == [None, None, "2019-12-30"]
    assert "reason_1" not in first
    (only,) = plain(Listed(ranked(1), 1))["list"]
    assert not {"reasons", "listed_on"} & set(only)


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        ("new", "handed out as list 2020-01-06-ab: 1 company to call"),
        ("same", "list 2020-01-06-ab was already handed out on 2020-01-07 and is unchanged"),
        (
            "replaced",
            "handed out as list 2020-01-06-ab: 1 company to call, replacing the one before (why)",
        ),
    ],
)
def test_what_became_of_a_list_that_is_handed_out_is_a_note(capsys, recorded, told):
    listed = HandedOutList(
        "2020-01-06-ab", 18267, "1.0.0", "2020-01-07T06:00", "", 30, 50, "none", 7, 1, 0.5, 1, reason="why"
    )
    drawn = Drawn(np.ones(1, bool), np.ones(1), np.array([""], dtype=object), np.full(1, NO_WAIT, np.int32))
    score.scored(Listed(ranked(1), 1, handed_out=HandedOut(listed, recorded, drawn)))
    assert capsys.readouterr().err == f"{told}\n"
    score.scored(Listed(ranked(1), 1, handed_out=HandedOut(listed, recorded, drawn, later="2020-01-13-cd")))
    said = " ".join(capsys.readouterr().err.split())
    assert ("warning: list 2020-01-13-cd of a later day is out" in said) == (recorded != "same")
