from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

import ml_sys.scoring.ranking as ranking
from ml_sys.model.threshold import Tiers
from ml_sys.scoring.ranking import (
    COLUMNS,
    best_first,
    distribution_of_count,
    from_spreadsheet,
    plan_capacity,
    ranked_list,
    spreadsheet_safe,
    write_csv,
    write_pages,
    write_table,
)

PROBABILITIES = arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1))


def ranked(probability, *, a=0.5, b=0.1, threshold=0.3):
    model = SimpleNamespace(tiers=Tiers(a, b), threshold=threshold)
    ids = np.array([f"c{n}" for n in range(len(probability))], dtype=object)
    probability = np.asarray(probability, dtype=np.float64)
    return ranked_list(ids, probability, best_first(probability), model, version="1.0.0", cutoff="2020-06-01")


@given(PROBABILITIES)
def test_a_list_falls_in_probability_and_counts_its_ranks(probability):
    table = ranked(probability)
    assert tuple(table) == COLUMNS
    assert table["rank"].tolist() == list(range(1, len(probability) + 1))
    assert (np.diff(table["probability"]) <= 0).all()
    assert {name: probability[int(name[1:])] for name in table["id"]} == dict(
        zip(table["id"], table["probability"], strict=True)
    )


def test_equal_probabilities_keep_the_order_of_the_input():
    assert ranked([0.1, 0.4, 0.1, 0.4, 0.1])["id"].tolist() == ["c1", "c3", "c0", "c2", "c4"]


def test_tiers_and_the_decision_begin_at_their_bounds():
    table = ranked([0.29, 0.09, 0.5, 0.1, 0.49, 0.3])
    assert table["tier"].tolist() == ["A", "B", "B", "B", "B", "C"]
    assert table["will_convert"].tolist() == [True, True, True, False, False, False]


@given(calls=st.integers(1, 80), p=st.just(0.0) | st.floats(1e-9, 1.0))
def test_equal_probabilities_give_the_binomial_distribution(calls, p):
    expected = stats.binom(calls, p).pmf(np.arange(calls + 1))
    np.testing.assert_allclose(distribution_of_count(np.full(calls, p)), expected, rtol=1e-9, atol=1e-12)


@given(PROBABILITIES)
def test_a_distribution_has_the_moments_of_a_sum_of_independent_events(p):
    chances = distribution_of_count(p)
    k = np.arange(p.size + 1)
    assert chances.sum() == pytest.approx(1)
    assert (chances * k).sum() == pytest.approx(p.sum(), abs=1e-9)
    assert (chances * (k - p.sum()) ** 2).sum() == pytest.approx((p * (1 - p)).sum(), abs=1e-9)


@given(calls=st.integers(1, 80), p=st.floats(0.001, 0.999), confidence=st.sampled_from([0.5, 0.8, 0.95]))
def test_the_interval_of_a_plan_is_the_binomial_one(calls, p, confidence):
    plan = plan_capacity(np.full(calls, p), calls, confidence)
    tail = (1 - confidence) / 2
    low, high = stats.binom(calls, p).ppf([tail, 1 - tail])
    assert (plan.low, plan.high) == (low, high)
    assert plan.low <= plan.expected + 1 <= plan.high + 2


@given(p=PROBABILITIES, capacity=st.integers(1, 80))
def test_a_plan_adds_up(p, capacity):
    p = np.sort(p)[::-1]
    plan = plan_capacity(p, capacity, 0.95)
    assert plan.calls == min(capacity, p.size)
    assert plan.expected == pytest.approx(p[:capacity].sum())
    assert 0 <= plan.low <= plan.high <= plan.calls
    assert plan.share == pytest.approx(p[:capacity].sum() / p.sum() if p.sum() else 0.0)
    for stop in plan.stops:
        assert stop.expected == pytest.approx(p[: stop.calls].sum())
        assert stop.expected + stop.lost == pytest.approx(plan.expected)
    assert plan.stops[-1].calls == plan.calls
    assert plan.stops[-1].lost == 0


def test_a_plan_calls_the_first_of_the_list_whatever_the_probabilities_of_those_put_last():
    plan = plan_capacity(np.array([0.25, 0.125, 0.5]), 2, 0.8)
    assert (plan.expected, plan.share) == (0.375, 0.375 / 0.875)
    assert [(stop.calls, stop.expected, stop.lost) for stop in plan.stops] == [
        (1, 0.25, 0.125),
        (2, 0.375, 0),
    ]


def test_bounds_are_the_least_numbers_that_leave_no_more_than_half_the_rest_on_either_side():
    plan = plan_capacity(np.array([0.5, 0.5]), 2, 0.5)  # none, one or two: a quarter, a half, a quarter
    assert (plan.low, plan.high) == (0, 1)
    assert plan_capacity(np.full(10, 0.3), 10, 1 - 2**-53).high == 10


def test_stops_are_at_quarters_of_the_calls():
    assert [stop.calls for stop in plan_capacity(np.full(500, 0.01), 40, 0.95).stops] == [10, 20, 30, 40]
    assert [stop.calls for stop in plan_capacity(np.full(2, 0.01), 40, 0.95).stops] == [1, 2]


def test_a_quarter_of_calls_that_is_no_whole_number_is_rounded_up():
    assert [stop.calls for stop in plan_capacity(np.full(500, 0.01), 50, 0.95).stops] == [13, 25, 38, 50]


SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
DANGEROUS = [
    "=1+1",
    "+cmd",
    "-2",
    "@SUM(A1)",
    "\n=1",
    *(f"{sign}1" for sign in SIGNS),
    " =1",
    "\ufeff=1",
    "'=1",
]
# Where a semicolon or a tab is the delimiter, a cell begins behind it.
INSIDE = {
    "a;=1": "a;'=1",
    "a\t@b": "a\t'@b",
    "a\r-1": "a\r'-1",
    'x";\uff1d1': "x\";'\uff1d1",
    "\t=1": "'\t'=1",
}
AWKWARD = [
    *DANGEROUS,
    *INSIDE,
    "a;b",
    "a\tb",
    "a\rb",
    "'quoted",
    "''",
    "a'b;'c",
    'say "no"',
    "a\r\nb",
    "1;2,3",
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text):
    (safe,) = spreadsheet_safe([text])
    assert safe.startswith(f"'{text[0]}")


@pytest.mark.parametrize("text", INSIDE)
def test_a_formula_behind_another_delimiter_gets_one_too(text):
    assert spreadsheet_safe([text]) == [INSIDE[text]]


def test_other_texts_stay_as_they_are():
    texts = ["100123", "a=b", "", "'quoted", "a-b", "a;b", "x@example.com", "5f1c-44"]
    assert spreadsheet_safe(texts) == texts


@given(st.lists(st.text(st.sampled_from("'=+-@\uff1d;, \t\r\n\"a\ufeff") | st.characters(codec="utf-8"))))
@example(AWKWARD)
def test_what_was_escaped_is_read_back_as_it_was(texts):
    assert [from_spreadsheet(text) for text in spreadsheet_safe(texts)] == texts


@pytest.mark.parametrize("text", [text for text in AWKWARD if set(text) & set(";\t\r\n")])
def test_what_ends_a_cell_in_any_country_is_quoted(tmp_path, text):
    write_table(ranked(np.array([0.5])).assign(id=[text]), tmp_path / "list.csv")
    content = (tmp_path / "list.csv").read_bytes().decode()
    (escaped,) = spreadsheet_safe([text])
    quoted = '"' + escaped.replace('"', '""') + '"'
    assert f",{quoted}," in content
    rows = list(csv.reader(io.StringIO(content, newline=""), strict=True))
    assert [len(row) for row in rows] == [len(rows[0])] * 2
    assert from_spreadsheet(rows[1][1]) == text


def test_a_csv_holds_escaped_ids_and_a_parquet_file_the_ids_themselves(tmp_path):
    table = ranked(np.linspace(0.9, 0.1, len(DANGEROUS) + 1)).assign(id=["plain", *DANGEROUS])
    write_table(table, tmp_path / "new" / "list.csv")
    write_table(table, tmp_path / "new" / "list.parquet")
    with (tmp_path / "new" / "list.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["plain", *spreadsheet_safe(DANGEROUS)]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "new" / "list.parquet"), table)


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_text_that_a_spreadsheet_would_run_is_escaped_alone_in_its_list_too(tmp_path, text):
    write_table(ranked(np.array([0.5])).assign(id=[text]), tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert [row["id"]] == spreadsheet_safe([text])


def test_reasons_are_escaped_too_and_no_other_column_is(tmp_path):
    table = ranked(np.array([0.5])).assign(id="a", reason_1="=1+1", reason_2="a;b", model_version="+1")
    write_table(table, tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["reason_1"], row["reason_2"], row["model_version"]) == ("'=1+1", "a;b", "+1")


def test_a_csv_keeps_every_bit_of_a_probability(tmp_path):
    table = ranked(np.random.default_rng(1).random(200) ** 5)
    write_table(table, tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(newline="", encoding="utf-8") as file:
        read = [float(row["probability"]) for row in csv.DictReader(file)]
    assert read == table["probability"].tolist()


def test_without_anybody_to_call_there_is_no_stop():
    plan = plan_capacity(np.empty(0), 40, 0.95)
    assert (plan.calls, plan.expected, plan.low, plan.high, plan.share, plan.stops) == (0, 0, 0, 0, 0, ())


@pytest.mark.parametrize("odd", ["plain", "a;b", '=1,"q"'])
@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_file_is_the_same_however_its_table_is_cut(tmp_path, monkeypatch, name, odd):
    monkeypatch.setattr(ranking, "_GROUP_ROWS", 4)
    table = ranked(np.linspace(0.9, 0.1, 11)).assign(id=[*"abcdefghi", odd, "k"])
    write_table(table, tmp_path / name)
    write_pages(lambda: (table.iloc[at : at + 3] for at in range(0, 11, 3)), tmp_path / f"pages-{name}")
    assert (tmp_path / f"pages-{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_a_parquet_file_is_the_one_that_pandas_writes(tmp_path):
    table = ranked(np.linspace(0.9, 0.1, 70_000))
    write_pages(lambda: iter([table.iloc[:65_536], table.iloc[65_536:]]), tmp_path / "ours.parquet")
    table.to_parquet(tmp_path / "theirs.parquet", index=False)
    assert (tmp_path / "ours.parquet").read_bytes() == (tmp_path / "theirs.parquet").read_bytes()


def test_what_cannot_be_begun_anew_is_looked_through_first():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    table = ranked(np.array([0.5, 0.4, 0.3])).assign(id=["a", "b", "c;d"])
    pipe, file = Pipe(), io.BytesIO()
    for sink in (pipe, file):
        write_csv(lambda: (table.iloc[at : at + 1] for at in range(3)), sink)
    assert pipe.getvalue() == file.getvalue()
    assert b'"a"' in pipe.getvalue()


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_what_ends_between_two_pages_leaves_the_old_file(tmp_path, name):
    def pages():
        yield ranked(np.array([0.5]))
        raise KeyboardInterrupt

    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_pages(pages, tmp_path / name)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(name, b"old")]
