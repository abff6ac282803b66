"""A list of prospects: who is ranked where, who comes last and why, and what is told beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.quarantine import MERGED_DUPLICATE, Quarantine
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.schema import NEVER_BEGAN, NONCUSTOMERS, USAGE
from ml_sys.form import Noun, Words
from ml_sys.scoring import scorer as scorer_module
from ml_sys.scoring.batch import score_companies, score_ready, scored
from ml_sys.scoring.cooldown import COOLING, WAITING
from ml_sys.scoring.prospects import ProspectTable, ProspectUsage, Ready
from ml_sys.scoring.ranking import COLUMNS
from ml_sys.scoring.reasons import explain
from ml_sys.scoring.scored_list import ListOptions
from ml_sys.scoring.streaming import held
from ml_sys.scoring.streaming.features import ReadyFeatures
from ml_sys.scoring.streaming.held import held_frame
from tests.scoring.test_reasons import NARROW, fitted, random_frame

CUTOFF = 18_000  # 2019-04-14
ASKED = ListOptions("1.2.0", CUTOFF, 14)
IDS = np.array([f"c{at}" for at in range(12)], dtype=object)
FRAME = random_frame(NARROW, 12, 5)


@pytest.fixture(scope="module")
def scorer():
    return fitted(NARROW, n_estimators=5).scorer


def ready(prospects: Quarantine | None = None, frame: pd.DataFrame = FRAME) -> Ready:
    return Ready(held_frame(frame.assign(id=IDS[: len(frame)])), prospects or Quarantine(), len(frame))


def probabilities(scorer, frame: pd.DataFrame = FRAME) -> np.ndarray:
    return scorer.probabilities(scorer.rows({name: frame[name].to_numpy() for name in frame}))


def test_a_plain_list_ranks_everybody_and_has_nothing_beside_it(scorer):
    found = score_ready(scorer, ready(), ASKED)
    probability = probabilities(scorer)
    order = np.argsort(-probability, kind="stable")
    assert tuple(found.table) == COLUMNS
    assert found.table["rank"].tolist() == list(range(1, 13))
    assert found.table["id"].tolist() == IDS[order].tolist()
    np.testing.assert_array_equal(found.table["probability"], probability[order])
    assert found.table["tier"].tolist() == scorer.tiers.of(probability[order]).tolist()
    assert found.table["will_convert"].tolist() == (probability[order] >= 0.5).tolist()
    assert set(found.table["model_version"]) == {"1.2.0"}
    assert set(found.table["cutoff"]) == {"2019-04-14"}
    assert found.table["id"][found.input_order].tolist() == IDS.tolist()
    assert (found.notes, found.warnings, found.reasons, found.excluded) == ((), (), (), None)
    assert found.group.tolist() == [""] * 12
    assert found.quarantine.num_rows == 0


def test_who_was_listed_lately_or_waits_comes_last_and_is_counted(scorer):
    best = score_ready(scorer, ready(), ASKED).table["id"].tolist()
    listed = {best[0]: CUTOFF - 7, best[2]: CUTOFF - 27, best[3]: CUTOFF - 28, "stranger": CUTOFF - 1}
    asked = replace(ASKED, listed=listed, cooldown_weeks=4, waiting={best[1], best[2]})
    found = score_ready(scorer, ready(), asked)
    assert found.table["id"].tolist() == [*best[3:], *best[:3]]
    assert found.group.tolist() == [*[""] * 9, COOLING, WAITING, WAITING]
    # One that waits is told to wait, whenever it was listed.
    assert found.table["listed_on"].tolist() == [*[""] * 9, "2019-04-07", "", ""]
    assert found.notes == (
        "1 company was listed in the last 4 weeks and put last",
        "2 companies wait for the outcome of an earlier draw and were put last",
    )
    assert found.table["id"][found.input_order].tolist() == IDS.tolist()
    both = score_ready(scorer, ready(), replace(asked, waiting=(best[5],)))
    assert both.notes == (
        "2 companies were listed in the last 4 weeks and put last",
        "1 company waits for the outcome of an earlier draw and was put last",
    )


def test_a_cool_down_of_which_nobody_is_part_says_nothing_and_has_its_column(scorer):
    found = score_ready(scorer, ready(), replace(ASKED, listed={"stranger": CUTOFF - 1}, cooldown_weeks=4))
    assert found.table["listed_on"].tolist() == [""] * 12
    assert found.notes == ()
    assert "listed_on" not in score_ready(scorer, ready(), replace(ASKED, cooldown_weeks=4)).table
    at_once = score_ready(scorer, ready(), replace(ASKED, listed={"c1": CUTOFF - 1}))
    assert (at_once.group.tolist(), at_once.notes) == ([""] * 12, ())


def test_who_is_excluded_is_told_with_its_probability_and_changes_nothing_for_the_others(scorer):
    whole = score_ready(scorer, ready(), ASKED).table
    found = score_ready(scorer, ready(), replace(ASKED, excluded={"c2", "c9", "stranger"}))
    rest = whole[~whole["id"].isin(["c2", "c9"])]
    assert found.table["id"].tolist() == rest["id"].tolist()
    np.testing.assert_array_equal(found.table["probability"], rest["probability"])
    assert found.table["rank"].tolist() == list(range(1, 11))
    probability = probabilities(scorer)[[2, 9]]
    assert found.excluded.to_dict("list") == {
        "id": ["c2", "c9"],
        "probability": probability.tolist(),
        "tier": scorer.tiers.of(probability).tolist(),
        "group": ["excluded", "excluded"],
    }
    assert found.notes == ("2 companies were taken out of the list by score.exclude",)
    one = score_ready(scorer, ready(), replace(ASKED, excluded={"c2"}))
    assert one.notes == ("1 company was taken out of the list by score.exclude",)
    paid = score_ready(scorer, ready(), replace(ASKED, excluded={"c2"}, paid_since={"c2", "c9"}))
    assert paid.excluded["group"].tolist() == ["paid since"] * 2
    assert paid.table["id"].tolist() == found.table["id"].tolist()
    (told,) = paid.notes
    assert told.startswith("2 companies became customers since ")


def test_reasons_are_given_for_the_top_alone(scorer):
    found = score_ready(scorer, ready(), replace(ASKED, reasons=2, reasons_top=3))
    order = np.argsort(-probabilities(scorer), kind="stable")[:3]
    rows = scorer.rows({name: FRAME[name].to_numpy() for name in FRAME})
    given = [
        explain(scorer, rows[at : at + 1], {name: FRAME[name].to_numpy()[at] for name in FRAME}, 2)
        for at in order
    ]
    assert found.reasons == tuple(one.reasons for one in given)
    table = found.table
    assert table.columns.tolist()[7:] == ["who_they_are", "what_they_do", "reason_1", "reason_2"]
    for at, one in enumerate(given):
        assert table["who_they_are"][at] == round(one.who_they_are, 3)
        assert table["what_they_do"][at] == round(one.what_they_do, 3)
        told = [f"{reason.direction}: {reason.text}" for reason in one.reasons]
        assert table.loc[at, ["reason_1", "reason_2"]].tolist() == [*told, "", ""][:2]
    assert table["who_they_are"][3:].isna().all()
    assert table["what_they_do"][3:].isna().all()
    assert set(table["reason_1"][3:]) == {""}
    everything = score_ready(scorer, ready(), replace(ASKED, reasons=100, reasons_top=1)).table
    assert everything.columns[-1] == f"reason_{len(NARROW.names())}"
    assert everything.iloc[0, -1] == ""


def test_rows_not_taken_are_counted_by_reason_merged_ones_apart(scorer):
    prospects = Quarantine()
    prospects.add(NONCUSTOMERS, "list.csv", [BadRow(2, "blank id", ""), BadRow(3, "no number", "x")])
    prospects.add(NONCUSTOMERS, "list.csv", [BadRow(4, "no number", "y"), BadRow(5, MERGED_DUPLICATE, "z")])
    found = score_ready(scorer, ready(prospects), ASKED)
    assert found.warnings == ("3 prospects not taken: no number (2), blank id (1)",)
    assert found.notes == (f"1 prospect not taken: {MERGED_DUPLICATE} (1)",)
    assert sorted(found.quarantine["line"].to_pylist()) == [2, 3, 4, 5]


def companies(*industries: str) -> ProspectTable:
    n = len(industries)
    frame = pd.DataFrame(
        {
            "id": IDS[:n],
            "alexa_rank": np.full(n, 1000.0),
            "employee_range": np.array(["1"] * n, dtype=object),
            "industry": np.array(industries, dtype=object),
        }
    )
    return ProspectTable(held_frame(frame), Quarantine(), n)


def usage(company: list[int], stamp: list[int], strangers: int = 0, rejected: int = 0) -> ProspectUsage:
    quarantine = Quarantine()
    quarantine.add(USAGE, "usage.csv", [BadRow(at, "no date", "") for at in range(rejected)])
    return ProspectUsage(
        np.array(company, dtype=np.int32),
        np.array(stamp, dtype=np.int32),
        np.full((len(company), 8), 3, dtype=np.int32),
        strangers,
        quarantine,
        None,
    )


# A row stamped a week before the cutoff is complete on it.
ON_TIME = CUTOFF - 7


@pytest.mark.parametrize(("ends", "warned"), [(CUTOFF - 14, False), (CUTOFF - 15, True)])
def test_usage_is_counted_by_company_and_warned_of_once_it_is_older_than_asked(scorer, ends, warned):
    four = companies("software", "retail", "finance", "software")
    rows = usage([0, 0, 1, 2], [ends - 14, ends - 7, ends - 7, ON_TIME + 1])
    found = score_companies(scorer, four, rows, ASKED, customers={})
    assert found.notes == ("2 of 4 prospects have usage complete by 2019-04-14",)
    told = (
        "usage ends on 2019-03-30, 15 days before 2019-04-14: every company looks idle since; "
        "ingest newer usage or move --as-of"
    )
    assert found.warnings == ((told,) if warned else ())
    assert len(found.table) == 4


def test_usage_that_ends_on_the_cutoff_counts_and_without_any_there_is_a_warning(scorer):
    two = companies("software", "retail")
    found = score_companies(scorer, two, usage([1], [ON_TIME]), ASKED, customers={})
    assert found.notes == ("1 of 2 prospects have usage complete by 2019-04-14",)
    assert found.warnings == ()
    for rows in (usage([], []), usage([1], [ON_TIME + 1])):
        none = score_companies(scorer, two, rows, ASKED, customers={})
        assert none.notes == ("0 of 2 prospects have usage complete by 2019-04-14",)
        assert none.warnings == ("no usage is complete by 2019-04-14: the ranking uses attributes only",)


def test_customers_of_before_are_left_out_and_those_of_the_day_itself_are_not(scorer):
    four = companies("software", "retail", "finance", "software")
    rows = usage([0, 1, 2, 3], [ON_TIME] * 4, strangers=3, rejected=1)
    closed = {"c1": CUTOFF - 1, "c2": CUTOFF, "c3": 10**6, "stranger": 1}
    whole = score_companies(scorer, four, rows, ASKED, customers={})
    found = score_companies(scorer, four, rows, ASKED, customers=closed)
    assert found.notes == (
        "3 usage rows belong to companies that are not in the list",
        "4 of 4 prospects have usage complete by 2019-04-14",
        "1 company was a customer before 2019-04-14 and left out",
    )
    assert found.warnings == ("1 usage row not taken: no date (1)",)
    assert found.quarantine["table"].to_pylist() == [USAGE]
    rest = whole.table[whole.table["id"] != "c1"]
    assert found.table["id"].tolist() == rest["id"].tolist()
    np.testing.assert_array_equal(found.table["probability"], rest["probability"])
    both = score_companies(
        scorer, four, usage([0], [ON_TIME], strangers=1), ASKED, customers={"c0": 5, "c1": 6}
    )
    assert both.notes == (
        "1 usage row belongs to companies that are not in the list",
        "1 of 4 prospects have usage complete by 2019-04-14",
        "2 companies were customers before 2019-04-14 and left out",
    )
    assert sorted(both.table["id"]) == ["c2", "c3"]


def test_every_company_keeps_its_own_usage(scorer):
    three = companies("software", "software", "software")
    rows = usage([0, 0, 2], [ON_TIME - 7, ON_TIME, ON_TIME])
    together = score_companies(scorer, three, rows, ASKED, customers={}).table.set_index("id")["probability"]
    for at in range(3):
        alone = ProspectTable(held_frame(three.frame.iloc[[at]]), Quarantine(), 1)
        mine = rows.company == at
        own = usage([0] * int(mine.sum()), rows.stamp[mine].tolist())
        (probability,) = score_companies(scorer, alone, own, ASKED, customers={}).table["probability"]
        assert probability == together[f"c{at}"]


def test_who_did_not_exist_for_a_day_by_the_cutoff_is_left_out():
    spec = replace(NARROW, form=replace(NARROW.form, has_since=True), history="off")
    four = companies("software", "retail", "finance", "software")
    since = np.array([NEVER_BEGAN, CUTOFF - 1, CUTOFF, CUTOFF + 1], dtype=np.int32)
    born = replace(four, rows=held_frame(four.frame.assign(since=since)))
    rows = usage([0, 1, 2, 3], [ON_TIME] * 4)
    found = score_companies(fitted(spec, n_estimators=5).scorer, born, rows, ASKED, customers={})
    assert sorted(found.table["id"]) == ["c0", "c1"]
    assert found.notes[-1] == "2 companies did not exist for a day by 2019-04-14 and left out"


def test_a_list_is_the_same_however_it_is_cut(scorer, monkeypatch):
    asked = replace(ASKED, excluded={"c1", "c6", "c7"})
    whole = score_ready(scorer, ready(), asked)
    monkeypatch.setattr(held, "BATCH_ROWS", 5)
    monkeypatch.setattr(scorer_module, "_SLICE_ROWS", 2)
    cut = score_ready(scorer, ready(), asked)
    pd.testing.assert_frame_equal(cut.table, whole.table, check_exact=True)
    pd.testing.assert_frame_equal(cut.excluded, whole.excluded, check_exact=True)
    assert cut.input_order.tolist() == whole.input_order.tolist()


@pytest.mark.parametrize("batch_rows", [2, 4, 6])
def test_a_part_tells_where_a_value_unknown_to_the_version_stood_first_however_it_is_cut(
    scorer, monkeypatch, batch_rows
):
    monkeypatch.setattr(held, "BATCH_ROWS", batch_rows)
    industry = ["software", "fishing", "fishing", "mining", "mining", "fishing"]
    rows = ready(frame=FRAME.head(6).assign(industry=industry)).rows
    found = scored(scorer, rows, ReadyFeatures(scorer.spec), ASKED, is_part=True)
    assert found.levels["industry"] == {"software": 1, "fishing": 3, "mining": 2}
    assert found.first["industry"] == {"software": 0, "fishing": 1, "mining": 3}


def test_who_is_not_ranked_is_neither_taken_out_nor_looked_at(scorer):
    three = companies("never seen before", "retail", "never seen either")
    rows = usage([0, 1, 2], [ON_TIME] * 3)
    asked = replace(ASKED, excluded={"c0", "c2"})
    found = score_companies(scorer, three, rows, asked, customers={"c0": CUTOFF - 1})
    assert (found.table["id"].tolist(), found.excluded["id"].tolist()) == (["c1"], ["c2"])
    assert not [one for one in found.warnings if "never seen" in one]


def test_a_cool_down_without_an_earlier_list_has_its_column_all_the_same(scorer):
    found = score_ready(scorer, ready(), replace(ASKED, listed={}, cooldown_weeks=4))
    assert found.table["listed_on"].tolist() == [""] * 12


def test_what_is_told_is_in_the_words_of_the_model(scorer):
    words = Words(entity=Noun("account", "accounts"), customer=Noun("buyer", "buyers"))
    spec = replace(scorer.spec, form=replace(scorer.spec.form, words=words))
    prospects = companies("software", "retail", "finance")
    prospects.quarantine.add_blanked(NONCUSTOMERS, "n.csv", {"RANK is odd": [5, 4]})
    found = score_companies(
        replace(scorer, spec=spec), prospects, usage([0], [ON_TIME - 70], strangers=1),
        replace(ASKED, listed={"c0": CUTOFF - 7}, cooldown_weeks=2, waiting={"c2"}),
        customers={"c1": CUTOFF - 1},
    )  # fmt: skip
    assert found.notes == (
        "1 usage row belongs to accounts that are not in the list",
        "1 of 3 prospects have usage complete by 2019-04-14",
        "1 account was a buyer before 2019-04-14 and left out",
        "1 account was listed in the last 2 weeks and put last",
        "1 account waits for the outcome of an earlier draw and was put last",
    )
    assert found.warnings == (
        "usage ends on 2019-02-03, 70 days before 2019-04-14: every account looks idle since; "
        "ingest newer usage or move --as-of",
        "prospects: RANK is odd in 2 rows, first in line 4; read as blank",
    )
    assert found.words is words
