"""What ingest takes, what it puts into quarantine and why, and what it reports."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.data import snapshot
from ml_sys.data.checking import scalars, values
from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.reading.rows import RawTable
from ml_sys.data.schema import CUSTOMERS, NONCUSTOMERS, USAGE
from ml_sys.data.sources import FileSource
from ml_sys.days import Period
from ml_sys.errors import MissingColumnError, NotEnoughDataError, TooManyRejectedError, UsageError
from ml_sys.sample.generator import generate
from ml_sys.settings import SchemaSettings
from tests.data import described
from tests.data.tables import ACTIONS, COUNTS, FREE_IDS, PAID_IDS, Tables, adds_up, quarantined, usage_row

REAL = Path(os.environ.get("MLSYS_REAL_DATA", Path(__file__).parents[3] / "shared/data/hubspot"))

NOT_A_DATE = "is not an ISO date (YYYY-MM-DD, with or without a time)"
BAD_STAMPS = {
    "31/12/2019": NOT_A_DATE,
    "12-31-19": NOT_A_DATE,
    "43830": NOT_A_DATE,
    "yesterday": NOT_A_DATE,
    "2019-13-01": NOT_A_DATE,
    "2019-02-29": NOT_A_DATE,
    "20191231": NOT_A_DATE,
    "2019-12-31 25:00": NOT_A_DATE,
    "2019-12-31T10:00+25:00": NOT_A_DATE,
    "2019-12-31T10:00+01:75": NOT_A_DATE,
    "٢٠١٩-12-31": NOT_A_DATE,
    "": "is blank",
    "0001-01-01": "lies outside 1970 to 2099",
    "9999-12-31": "lies outside 1970 to 2099",
}
BAD_COUNTS = {
    "": "is blank",
    " ": "is blank",
    "1.5": "is not a whole number",
    "-3": "is negative",
    "-0.5": "is negative",
    "1e400": "is too large",
    "2147483648": "is too large",
    "9" * 400: "is too large",
    "many": "is not a number",
    "0x10": "is not a number",
    "1 000": "is not a number",
    "nan": "is not a number",
    "inf": "is not a number",
    "=1+1": "is not a number",
    "٣": "is not a number",
}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def counts(value: str) -> tuple[str, ...]:
    return (value, *COUNTS[1:])


def only(tables: Tables, table: str) -> tuple[int, str]:
    """Ingest, and return line and reason of the one row that must be in quarantine."""
    report = tables.ingest()
    assert adds_up(report)
    ((where, line, reason),) = quarantined(report)
    assert where == table
    return line, reason


def test_good_tables_are_taken_whole(tables: Tables) -> None:
    report = tables.ingest(max_rejected_share=0.0)
    assert quarantined(report) == []
    assert (report.companies, report.customers, report.usage_rows) == (11, 3, 33)
    assert (report.tables[USAGE].first_day, report.tables[USAGE].last_day) == ("2020-01-06", "2020-01-20")
    assert (report.tables[CUSTOMERS].first_day, report.as_of) == ("2020-02-10", "2020-02-12")


@pytest.mark.parametrize("stamp", BAD_STAMPS)
def test_a_usage_row_with_a_bad_stamp_is_rejected(tables: Tables, stamp: str) -> None:
    tables.usage.insert(4, usage_row("n1", stamp))
    assert only(tables, USAGE) == (6, f"WHEN_TIMESTAMP {BAD_STAMPS[stamp]}")


@pytest.mark.parametrize("day", BAD_STAMPS)
def test_a_customer_with_a_bad_closing_day_is_rejected(tables: Tables, day: str) -> None:
    tables.customers.append(f"{day},1,1,2 to 5,RETAIL,c9")
    assert only(tables, CUSTOMERS) == (5, f"CLOSEDATE {BAD_STAMPS[day]}")


@pytest.mark.parametrize("value", BAD_COUNTS)
def test_a_usage_row_with_a_bad_count_is_rejected(tables: Tables, value: str) -> None:
    tables.usage.append(usage_row("n1", counts=counts(value)))
    assert only(tables, USAGE) == (35, f"ACTIONS_CRM_CONTACTS {BAD_COUNTS[value]}")


@pytest.mark.parametrize("value", ["12", "12.0", " 12 ", "+12", "1.2e1", "012", "12."])
def test_a_whole_number_counts_however_it_is_written(tables: Tables, value: str) -> None:
    tables.usage = [usage_row("n1", counts=counts(value))]
    tables.ingest(max_rejected_share=0.0)
    assert snapshot.latest(tables.artifacts).usage_values[:, 0].tolist() == [12]


def test_the_largest_count_is_kept_exactly(tables: Tables) -> None:
    tables.usage = [usage_row("n1", counts=counts("2147483647"))]
    tables.ingest(max_rejected_share=0.0)
    assert snapshot.latest(tables.artifacts).usage_values[0, 0] == 2147483647


BAD_RANKS = {
    "0": "is not positive",
    "-5": "is not positive",
    "n/a": "is not a number",
    "1,200": "is not a number",
    "1e999": "is too large",
}
BAD_MRR = {"1,200.50": "is not a number", "a lot": "is not a number", "1e999": "is too large"}


def quoted(value: str) -> str:
    return f'"{value}"' if "," in value else value


@pytest.mark.parametrize("value", BAD_RANKS)
def test_a_bad_rank_is_blanked_and_said_and_costs_nothing_else(tables: Tables, value: str) -> None:
    tables.noncustomers.append(f"{quoted(value)},2 to 5,RETAIL,n99")
    tables.customers.append(f"2020-02-11,10,{quoted(value)},2 to 5,RETAIL,c99")
    report = tables.ingest(max_rejected_share=0.0)
    assert adds_up(report)
    assert quarantined(report) == []
    taken = snapshot.latest(tables.artifacts)
    companies = taken.companies.set_index("id")
    assert companies.loc[["n99", "c99"], "alexa_rank"].isna().all()
    assert companies.loc["n99", "employee_range"] == "2 to 5"
    assert taken.closed[companies.index.get_loc("c99")] == np.datetime64("2020-02-11").astype(int)
    reason = f"ALEXA_RANK {BAD_RANKS[value]}"
    assert report.tables[NONCUSTOMERS].blanked == report.tables[CUSTOMERS].blanked == {reason: 1}
    assert f"noncustomers: {reason} in 1 row, first in line 10; read as blank" in report.notes
    assert f"customers: {reason} in 1 row, first in line 5; read as blank" in report.notes


@pytest.mark.parametrize("value", BAD_MRR)
def test_a_bad_mrr_is_blanked_and_said_and_never_costs_a_customer_its_label(
    tables: Tables, value: str
) -> None:
    tables.customers += [f"2020-02-{day},{quoted(value)},1,2 to 5,RETAIL,c{day}" for day in (11, 12)]
    report = tables.ingest(max_rejected_share=0.0)
    assert (report.customers, quarantined(report)) == (5, [])
    assert np.isnan(snapshot.latest(tables.artifacts).companies.set_index("id").loc["c11", "value"])
    assert report.tables[CUSTOMERS].blanked == {f"MRR {BAD_MRR[value]}": 2}
    assert f"customers: MRR {BAD_MRR[value]} in 2 rows, first in line 5; read as blank" in report.notes


def test_a_row_that_is_rejected_has_no_value_blanked(tables: Tables) -> None:
    tables.customers.append("yesterday,a lot,0,2 to 5,RETAIL,c99")
    report = tables.ingest()
    assert quarantined(report) == [(CUSTOMERS, 5, f"CLOSEDATE {NOT_A_DATE}")]
    assert report.tables[CUSTOMERS].blanked == {}


def test_a_bad_value_does_not_contradict_a_good_one(tables: Tables) -> None:
    tables.noncustomers += ["n/a,6 to 10,,n99", "77,6 to 10,,n99"]
    report = tables.ingest(max_rejected_share=0.0)
    assert report.tables[NONCUSTOMERS].merged == {"duplicate company, merged": 1}
    assert snapshot.latest(tables.artifacts).companies.set_index("id").loc["n99", "alexa_rank"] == 77


def test_a_column_and_a_single_value_are_stripped_alike() -> None:
    spaces = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = [f"{space}a{space}" for space in spaces]
    assert values.free_texts(pa.array(texts)).values.to_pylist() == [scalars.free_text(one) for one in texts]
    assert values.free_texts(pa.array(spaces)).values.to_pylist() == [
        scalars.free_text(one) for one in spaces
    ]


def test_a_blank_id_is_rejected_in_every_table(tables: Tables) -> None:
    tables.customers.append("2020-02-12,1,1,2 to 5,RETAIL,")
    tables.noncustomers.append("1,2 to 5,RETAIL,  ")
    tables.usage.append(usage_row(""))
    report = tables.ingest()
    assert quarantined(report) == [
        (CUSTOMERS, 5, "id is blank"),
        (NONCUSTOMERS, 10, "id is blank"),
        (USAGE, 35, "id is blank"),
    ]
    assert adds_up(report)


def test_a_row_with_several_faults_is_listed_once(tables: Tables) -> None:
    tables.usage.append(usage_row("", "never", counts("-1")))
    assert only(tables, USAGE) == (35, "id is blank")


def test_usage_of_an_unknown_id_is_rejected(tables: Tables) -> None:
    tables.usage.append(usage_row("stranger"))
    assert only(tables, USAGE) == (35, "unknown id")


@pytest.mark.parametrize("written", ["007", "7.0", "70", "+7", "1234567890123"])
def test_an_id_is_text_even_when_all_ids_are_numbers(tables: Tables, written: str) -> None:
    tables.customers, tables.noncustomers = ["2020-02-12,1,1,2 to 5,RETAIL,8"], ["1,2 to 5,RETAIL,7"]
    tables.usage = [usage_row("7"), usage_row(written)]
    assert only(tables, USAGE) == (3, "unknown id")


def test_an_id_is_stripped(tables: Tables) -> None:
    tables.usage = [usage_row(" n1\u00a0")]
    assert tables.ingest().usage_rows == 1


def test_the_second_of_two_equal_usage_rows_is_rejected(tables: Tables) -> None:
    tables.usage += [tables.usage[3], tables.usage[3].replace(" 00:00:00.000", "")]
    report = tables.ingest()
    assert quarantined(report) == [(USAGE, 35, "exact duplicate"), (USAGE, 36, "exact duplicate")]
    assert report.tables[USAGE].rejected == {"exact duplicate": 2}
    assert adds_up(report)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_contradicting_usage_rows_the_busier_is_kept_whatever_their_order(
    tables: Tables, order: tuple[int, int]
) -> None:
    quiet, busy = usage_row("n1", counts=tuple("71000000")), usage_row("n1", counts=tuple("19000000"))
    tables.usage = [(quiet, busy)[i] for i in order]
    assert only(tables, USAGE) == (2 + order.index(0), "conflicting usage row")
    assert snapshot.latest(tables.artifacts).usage_values[0, :2].tolist() == [1, 9]


def test_stamps_of_one_day_at_other_times_do_not_contradict_each_other(tables: Tables) -> None:
    tables.usage = [usage_row("n1", "2020-01-06 01:00"), usage_row("n1", "2020-01-06 02:00", counts("9"))]
    assert tables.ingest(max_rejected_share=0.0).usage_rows == 2


def test_agreeing_duplicates_are_merged_into_the_most_complete_row(tables: Tables) -> None:
    tables.noncustomers += [",6 to 10,,n99", "77,6 to 10,RETAIL,n99", ",,RETAIL,n99"]
    report = tables.ingest(max_rejected_share=0.0)
    assert quarantined(report) == [
        (NONCUSTOMERS, 10, "duplicate company, merged"),
        (NONCUSTOMERS, 12, "duplicate company, merged"),
    ]
    assert report.tables[NONCUSTOMERS].rejected == {}
    assert adds_up(report)
    kept = snapshot.latest(tables.artifacts).companies.set_index("id").loc["n99"]
    assert (kept.alexa_rank, kept.employee_range, kept.industry) == (77, "6 to 10", "RETAIL")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_duplicates_that_fill_different_blanks_lose_no_value(tables: Tables, order: tuple[int, ...]) -> None:
    rows = ["77,,,n99", ",6 to 10,,n99", ",,RETAIL,n99"]
    tables.noncustomers += [rows[i] for i in order]
    report = tables.ingest(max_rejected_share=0.0)
    assert report.tables[NONCUSTOMERS].merged == {"duplicate company, merged": 2}
    assert adds_up(report)
    kept = snapshot.latest(tables.artifacts).companies.set_index("id").loc["n99"]
    assert (kept.alexa_rank, kept.employee_range, kept.industry) == (77, "6 to 10", "RETAIL")


def test_duplicate_customers_that_fill_different_blanks_lose_no_value(tables: Tables) -> None:
    tables.customers += ["2020-02-11,,5,,RETAIL,c99", "2020-02-11,20.5,,2 to 5,,c99"]
    assert tables.ingest(max_rejected_share=0.0).customers == 4
    kept = snapshot.latest(tables.artifacts).companies.set_index("id").loc["c99"]
    assert (kept.value, kept.alexa_rank, kept.employee_range, kept.industry) == (20.5, 5, "2 to 5", "RETAIL")


def test_what_only_the_noncustomer_row_of_a_customer_says_is_kept(tables: Tables) -> None:
    tables.customers.append("2020-02-11,20.5,,2 to 5,,c99")
    tables.noncustomers += ["5,6 to 10,RETAIL,c99", "6,,RETAIL,c99"]
    report = tables.ingest(max_rejected_share=0.0)
    assert report.tables[NONCUSTOMERS].merged == {"also a customer": 2}
    kept = snapshot.latest(tables.artifacts).companies.set_index("id").loc["c99"]
    # The customer's own row counts first; two ranks that contradict each other say nothing.
    assert (kept.employee_range, kept.industry) == ("2 to 5", "RETAIL")
    assert np.isnan(kept.alexa_rank)


def test_contradicting_duplicates_all_go_to_quarantine_and_their_usage_with_them(tables: Tables) -> None:
    tables.noncustomers += ["77,6 to 10,,n99", "78,6 to 10,,n99"]
    tables.usage.append(usage_row("n99"))
    report = tables.ingest()
    assert quarantined(report) == [
        (NONCUSTOMERS, 10, "conflicting company rows"),
        (NONCUSTOMERS, 11, "conflicting company rows"),
        (USAGE, 35, "its company is in quarantine"),
    ]
    assert adds_up(report)


def test_an_id_in_both_tables_is_a_customer(tables: Tables) -> None:
    tables.noncustomers.append("1,2 to 5,RETAIL,c1")
    report = tables.ingest(max_rejected_share=0.0)
    assert quarantined(report) == [(NONCUSTOMERS, 10, "also a customer")]
    assert report.tables[NONCUSTOMERS].merged == {"also a customer": 1}
    assert report.customers == 3
    assert adds_up(report)


@pytest.mark.parametrize("second", ["yesterday,1,1,2 to 5,RETAIL,c9", "2020-02-11,1,1,2 to 5,RETAIL,c9"])
def test_a_customer_whose_row_cannot_be_used_does_not_become_a_noncustomer(
    tables: Tables, second: str
) -> None:
    tables.customers.append(second)
    if not second.startswith("yesterday"):
        tables.customers.append("2020-02-12,1,1,2 to 5,RETAIL,c9")
    tables.noncustomers.append("1,2 to 5,RETAIL,c9")
    report = tables.ingest()
    assert (NONCUSTOMERS, 10, "its customer row is in quarantine") in quarantined(report)
    assert "c9" not in set(snapshot.latest(tables.artifacts).companies["id"])
    assert adds_up(report)


def test_quarantine_names_the_file_and_keeps_the_row_as_it_stands(tables: Tables) -> None:
    tables.usage.append("last Monday,1,2,3,4,5,6,7,8,n1")
    report = tables.ingest()
    (row,) = pq.read_table(report.path / snapshot.QUARANTINE).to_pylist()
    assert row["file"] == str(tables.path(USAGE))
    assert row["raw"] == "last Monday,1,2,3,4,5,6,7,8,n1"


def test_too_many_rejected_rows_fail_and_the_quarantine_is_kept(tables: Tables) -> None:
    tables.usage += [usage_row("stranger"), usage_row("n1", "soon")]
    with pytest.raises(
        TooManyRejectedError, match=r"2 of 35 rows rejected \(5\.7%\).*unknown id \(1\)"
    ) as caught:
        tables.ingest(max_rejected_share=0.05)
    (kept,) = (tables.artifacts / "quarantine").glob("*.parquet")
    assert str(kept) in caught.value.hint
    assert sorted(pq.read_table(kept)["line"].to_pylist()) == [35, 36]
    assert not (tables.artifacts / "snapshots").exists()


def test_as_many_rejected_rows_as_the_limit_allows_pass(tables: Tables) -> None:
    tables.usage += [usage_row("stranger")]
    assert tables.ingest(max_rejected_share=1 / 34).tables[USAGE].rejected == {"unknown id": 1}


def test_tables_without_any_usable_date_fail(tables: Tables) -> None:
    tables.customers, tables.usage = ["soon,1,1,,,c1"], [usage_row("n1", "soon")]
    with pytest.raises(NotEnoughDataError):
        tables.ingest(as_of="")


def test_the_day_of_the_export_can_be_given(tables: Tables) -> None:
    report = tables.ingest(as_of="2020-02-11")
    assert report.as_of == "2020-02-11"
    assert any("1 customer is dated after 2020-02-11" in warning for warning in report.warnings)
    with pytest.raises(UsageError, match="is not a valid date"):
        tables.ingest(as_of="2020-02-31")


@pytest.mark.parametrize(
    ("stamp", "day"),
    [
        ("2020-01-06", "2020-01-06"),
        ("2020-01-06T00:00:00Z", "2020-01-06"),
        ("2020-01-06 13:00", "2020-01-07"),
        ("2020-01-06 00:00:00.000001", "2020-01-07"),
        ("2020-01-06 00:00:00.000000001", "2020-01-07"),
        ("2020-01-06T01:00:00+02:00", "2020-01-06"),
        ("2020-01-06T23:30:00-0100", "2020-01-08"),
        (" 2020-01-06 ", "2020-01-06"),
    ],
)
def test_a_stamp_is_brought_to_utc_and_rounded_up_to_a_day(tables: Tables, stamp: str, day: str) -> None:
    tables.usage = [usage_row("n1", stamp)]
    tables.ingest(max_rejected_share=0.0)
    stored = snapshot.latest(tables.artifacts).usage_stamp
    assert stored.astype("datetime64[D]").astype(str).tolist() == [day]


def test_the_unranked_value_becomes_infinite_and_a_blank_rank_nan(tables: Tables) -> None:
    tables.noncustomers += ["16000001,,,n97", "16000001.0,,,n98", ",,,n99"]
    tables.ingest(max_rejected_share=0.0)
    ranks = snapshot.latest(tables.artifacts).companies.set_index("id")["alexa_rank"]
    assert np.isinf(ranks[["n97", "n98"]]).all()
    assert np.isnan(ranks["n99"])


def test_column_names_come_from_the_schema(tables: Tables) -> None:
    tables.write()
    path = tables.path(USAGE)
    path.write_text(path.read_text().replace("ACTIONS_EMAIL", "mails"))
    schema = SchemaSettings(columns={"ACTIONS_EMAIL": "mails"})
    report = tables.ingest_as_they_are(schema=schema, max_rejected_share=0.0)
    assert report.tables[USAGE].accepted == 33
    assert snapshot.latest(tables.artifacts).usage_values[0, ACTIONS.index("actions_email")] == 1


def test_notes_tell_of_odd_mrr_and_ignored_columns(tables: Tables) -> None:
    tables.customers[0] = "2020-02-10,-3,1000,2 to 5,RETAIL,c1"
    tables.write()
    path = tables.path(NONCUSTOMERS)
    path.write_text("\n".join(f"{line},more" for line in path.read_text().splitlines()) + "\n")
    notes = tables.ingest_as_they_are(max_rejected_share=0.0).notes
    assert any(note.startswith("1 customer with an MRR of zero or less is kept") for note in notes)
    assert "noncustomers: ignored 'more'" in notes


def test_the_canary_tells_of_blanks_that_differ_by_outcome(tables: Tables) -> None:
    assert not any("is blank for" in note for note in tables.ingest().notes)
    tables.noncustomers[:7] = [row.replace("6 to 10", "") for row in tables.noncustomers[:7]]
    report = tables.ingest()
    assert any(
        note.startswith("employee_range is blank for 0.0% of customers and 87.5%") for note in report.notes
    )
    rates = {entry.column: (entry.customers, entry.noncustomers) for entry in report.blanks}
    assert rates["employee_range"] == (0.0, 0.875)


def test_conversion_by_month_counts_only_companies_that_were_still_free(tables: Tables) -> None:
    tables.customers = ["2020-01-15,1,1,,,c1", "2020-02-10,1,1,,,c2", "2019-12-01,1,1,,,c3"]
    tables.usage = [usage_row("c2", "2020-01-06"), usage_row("n1", "2020-01-06", ("0",) * 8)]
    january, february = tables.ingest(max_rejected_share=0.0).conversion
    assert (january.month, january.free, january.conversions, january.active) == ("2020-01", 10, 1, 0)
    assert (february.month, february.free, february.conversions) == ("2020-02", 9, 1)
    assert (february.active, february.active_conversions) == (1, 1)
    assert february.rate == pytest.approx(1 / 9)


def test_progress_is_told_table_by_table(tables: Tables) -> None:
    told: dict[str, int] = {}
    tables.ingest(on_progress=lambda table, rows: told.update({table: rows}))
    assert told == {CUSTOMERS: 3, NONCUSTOMERS: 8, USAGE: 33}


FAULTS = {
    "unknown": lambda _: usage_row("stranger"),
    "negative": lambda i: usage_row(FREE_IDS[i % 8], counts=counts("-1")),
    "no date": lambda i: usage_row(FREE_IDS[i % 8], "31/12/2019"),
    "short": lambda _: "2020-01-06,1,2",
    "open quote": lambda i: f'"{usage_row(FREE_IDS[i % 8])}',
    "repeated": lambda i: usage_row(FREE_IDS[i % 8], "2020-01-06"),
    "contradicting": lambda i: usage_row(FREE_IDS[i % 8], "2020-01-06", counts(str(i))),
    "NUL": lambda _: "2020-01-06,\0,,,,,,,,n1",
    "blank": lambda _: ",,,,,,,,,",
}


@given(
    faults=st.lists(st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 50)), max_size=12),
    twins=st.lists(st.sampled_from([*PAID_IDS, *FREE_IDS]), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_accepted_and_quarantined_add_up_to_read_whatever_is_wrong(
    faults: list[tuple[str, int]], twins: list[str], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(Path(folder))
        tables.usage += [FAULTS[kind](i) for kind, i in faults]
        tables.noncustomers += [f"{2000 + seed % 3},6 to 10,,{name}" for name in twins]
        report = tables.ingest()
        assert adds_up(report)
        assert report.tables[USAGE].read == 33 + len(faults)
        shuffled = Tables(Path(folder), usage=tables.usage[:], noncustomers=tables.noncustomers[:])
        for rows in (shuffled.usage, shuffled.noncustomers):
            random.Random(seed).shuffle(rows)  # noqa: S311 - an order, not a secret
        if not any(kind == "open quote" for kind, _ in faults):
            assert shuffled.ingest().id == report.id


def test_a_generated_sample_is_ingested_within_the_default_limit(tmp_path: Path) -> None:
    made = generate(tmp_path, companies=3000, weeks=60, seed=3)
    report = ingest(
        Origin(
            FileSource(),
            SchemaSettings(),
            {
                "customers": str(tmp_path / "customers.csv"),
                "noncustomers": str(tmp_path / "noncustomers.csv"),
                "usage": str(tmp_path / "usage_actions.csv"),
            },
        ),
        Rules(max_rejected_share=0.05),
        tmp_path / "artifacts",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert adds_up(report)
    assert report.companies == 3000
    assert made is not None
    shutil.rmtree(tmp_path / "artifacts")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="no real tables here")
def test_the_real_tables_are_taken_with_three_duplicates_merged(tmp_path: Path) -> None:
    report = ingest(
        Origin(
            FileSource(),
            SchemaSettings(),
            {
                "customers": str(REAL / "customers.csv"),
                "noncustomers": str(REAL / "noncustomers.csv"),
                "usage": str(REAL / "usage_actions.csv"),
            },
        ),
        Rules(max_rejected_share=0.0),
        tmp_path,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    accepted = {table: found.accepted for table, found in report.tables.items()}
    assert accepted == {CUSTOMERS: 163, NONCUSTOMERS: 5037, USAGE: 21542}
    assert report.tables[NONCUSTOMERS].merged == {"duplicate company, merged": 3}
    assert report.as_of == "2020-06-01"
    assert adds_up(report)


def test_entities_that_turn_up_in_a_circle_keep_what_is_theirs(tmp_path: Path) -> None:
    files = described.write(
        tmp_path,
        bought="team,day\nb,2024-03-02\n",
        seen="day,team,visits\n2024-03-01,b,2\n2024-03-01,c,3\n2024-03-01,a,1\n",
        clicks="\n".join(["team,when", *(f"{one},2024-03-01" for one in "abbccc")]),
    )
    tables = {
        "bought": {"kind": "purchases", "id": "team", "at": "day"},
        "seen": described.VISITS,
        "clicks": {"kind": "events", "id": "team", "at": "when"},
    }
    found, _ = described.ingested(tmp_path, {"tables": tables}, files)
    day = "2024-03-01"
    assert described.told(found) == [("a", day, 1, 1), ("b", day, 2, 2), ("c", day, 3, 3)]


def test_of_months_the_one_of_the_export_is_not_complete_and_those_after_it_are_later(tmp_path: Path) -> None:
    files = described.write(
        tmp_path,
        teams="team,born\na,2023-01-01\n",
        bought="team,paid_on,euros\na,2024-02-05,3\na,2024-03-09,4\n",
        seen="day,team,visits\n2024-01-01,a,1\n2024-02-01,a,2\n2024-03-01,a,4\n2024-04-01,a,8\n",
    )
    tables = {
        "teams": {"kind": "entities", "id": "team", "since": "born"},
        "bought": {"kind": "purchases", "id": "team", "at": "paid_on", "value": "euros"},
        "seen": described.VISITS,
    }
    _, report = described.ingested(
        tmp_path, {"tables": tables}, files, period=Period("month"), as_of="2024-03-01"
    )
    assert report.tables["seen"].rejected == {
        "its period is not complete": 1,
        "later than the export": 1,
    }
    assert (report.tables["seen"].first_day, report.tables["seen"].last_day) == ("2024-01-01", "2024-02-01")
    # A table of purchases speaks of the days of conversion, whatever the days of usage.
    bought = report.tables["bought"]
    assert (bought.first_day, bought.last_day) == ("2024-02-05", "2024-02-05")


def test_where_nothing_is_left_it_is_said_in_the_words_of_the_description(tmp_path: Path) -> None:
    files = described.write(
        tmp_path, teams="team,paid\na,\n", seen="day,team,visits\n2030-01-01,a,1\n2031-01-01,a,1\n"
    )
    team = {"kind": "entities", "id": "team", "converted_on": "paid"}
    words = {"customer": {"one": "buyer", "many": "buyers"}}
    with pytest.raises(NotEnoughDataError, match="no accepted row of the buyers or the usage"):
        described.ingested(
            tmp_path, {"tables": {"teams": team, "seen": described.VISITS}, "words": words}, files
        )


def test_a_file_that_is_named_wins_over_that_of_the_description_and_this_over_the_table_s_name() -> None:
    asked = []

    class Asking:
        def open(self, _table: str, location: str, columns: dict[str, str], *_: object) -> RawTable:
            asked.append((location, sorted(columns)))
            return RawTable(location, (), iter(()))

    table = {"kind": "entities", "id": "team"}
    tables = {"one": table | {"file": "own.csv"}, "two": table | {"file": "other.csv"}, "three": table}
    sold = {"kind": "purchases", "id": "team", "at": "day"}
    schema = SchemaSettings.model_validate({"tables": tables | {"seen": described.VISITS, "sold": sold}})
    Origin(Asking(), schema, {"one": "given.csv"}).opened()
    assert [place for place, _ in asked] == ["given.csv", "other.csv", "three", "seen", "sold"]
    assert asked[0][1] == ["id"]


def test_an_attribute_may_be_in_any_table_of_entities_and_the_last_is_named_where_none_has_it() -> None:
    class Having:
        def __init__(self, *names: str) -> None:
            self.names = names

        def open(self, table: str, *_: object) -> RawTable:
            return RawTable(
                f"{table}.csv", (), iter(()), lacks=frozenset() if table in self.names else {"size"}
            )

    team = {"kind": "entities", "id": "team"}
    tables = {"one": team | {"converted_on": "paid"}, "two": team, "seen": described.VISITS}
    schema = SchemaSettings.model_validate(
        {"tables": tables, "attributes": {"size": {"kind": "number", "column": "n"}}}
    )
    for name in ("one", "two"):
        assert set(Origin(Having(name, "seen"), schema).opened()) == set(tables)
    with pytest.raises(MissingColumnError, match=r"two\.csv: column 'n' is missing"):
        Origin(Having("seen"), schema).opened()


def test_what_a_table_speaks_of_is_told_by_its_own_days_and_rows(tmp_path: Path) -> None:
    files = described.write(
        tmp_path,
        teams="team,paid\na,2024-03-05\nb,\nc,\nd,2024-03-07\nd,2024-03-08\n",
        bought="team,on,eur\nb,2024-03-06,0\nb,2024-03-06,-4\nd,2024-03-07,1\nq,2024-03-09,1\n",
        seen="day,team,visits\n2024-03-01,a,1\n2024-03-02,b,1\n2024-03-12,c,1\n",
    )
    tables = {
        "teams": {"kind": "entities", "id": "team", "converted_on": "paid"},
        "bought": {"kind": "purchases", "id": "team", "at": "on", "value": "eur"},
        "seen": described.VISITS,
    }
    _, report = described.ingested(tmp_path, {"tables": tables}, files)
    spans = {name: (one.first_day, one.last_day) for name, one in report.tables.items()}
    paid = "2024-03-05", "2024-03-05"
    assert spans == {"teams": paid, "bought": paid, "seen": ("2024-03-01", "2024-03-12")}
    assert report.tables["bought"].rejected == {"its company is in quarantine": 1, "unknown id": 1}
    assert "bought: 2 rows do not count as a conversion: a refund, or nothing was paid" in report.notes
