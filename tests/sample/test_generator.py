"""What `mlsys sample` promises: rates, faults, determinism, and a truth that is true."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from ml_sys.errors import UsageError
from ml_sys.sample.generator import SampleReport, generate
from ml_sys.sample.simulation import NEVER, draw_firms, draw_portals, free_usage, paid_usage

if TYPE_CHECKING:
    from pathlib import Path

COMPANIES, WEEKS, SEED = 20_000, 104, 5
HORIZON = pd.Timedelta(days=30)
FILES = ("customers.csv", "noncustomers.csv", "usage_actions.csv", "truth.csv")
MEASURES = [
    f"{kind}_{name}"
    for kind in ("ACTIONS", "USERS")
    for name in ("CRM_CONTACTS", "CRM_COMPANIES", "CRM_DEALS", "EMAIL")
]


class Sample:
    """A generated folder, read back."""

    def __init__(self, folder: Path, report: SampleReport) -> None:
        self.report = report
        read = {name: pd.read_csv(folder / name, dtype=str, keep_default_na=False) for name in FILES}
        self.customers, self.noncustomers, self.usage, self.truth = (read[name] for name in FILES)
        closed = pd.to_datetime(self.customers.CLOSEDATE, format="%Y-%m-%d", errors="coerce")
        self.closed = pd.Series(closed.to_numpy(), index=self.customers.id.to_numpy()).dropna()
        self.stamp = pd.to_datetime(self.usage.WHEN_TIMESTAMP, format="%Y-%m-%d %H:%M:%S.%f", errors="coerce")
        self.counts = self.usage[MEASURES].astype(int)
        self.cutoff = pd.to_datetime(self.truth.cutoff)
        self.probability = self.truth.probability.astype(float)
        day = self.truth.id.map(self.closed)
        self.label = ((day >= self.cutoff) & (day < self.cutoff + HORIZON)).to_numpy()
        # Windows of 30 days every 35 do not overlap, so that their outcomes are independent.
        apart = (self.log_end - self.cutoff).dt.days % 35 == 0
        self.mature = (apart & (self.cutoff + HORIZON <= self.log_end)).to_numpy()

    @property
    def log_start(self) -> pd.Timestamp:
        return self.stamp.min()

    @property
    def log_end(self) -> pd.Timestamp:
        return self.stamp.max() + pd.Timedelta(days=7)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample")
    return Sample(folder, generate(folder, companies=COMPANIES, weeks=WEEKS, seed=SEED))


def test_the_columns_are_those_of_the_default_schema(sample: Sample) -> None:
    assert list(sample.customers) == ["CLOSEDATE", "MRR", "ALEXA_RANK", "EMPLOYEE_RANGE", "INDUSTRY", "id"]
    assert list(sample.noncustomers) == ["ALEXA_RANK", "EMPLOYEE_RANGE", "INDUSTRY", "id"]
    assert list(sample.usage) == ["WHEN_TIMESTAMP", *MEASURES, "id"]
    assert list(sample.truth) == ["cutoff", "id", "probability"]


def test_the_report_counts_what_the_files_hold(sample: Sample) -> None:
    report = sample.report
    assert report.customers == sample.customers.id.nunique()
    assert report.noncustomers == sample.noncustomers.id.nunique()
    assert report.companies == report.customers + report.noncustomers == COMPANIES
    assert report.usage_rows == len(sample.usage)
    assert report.truth_rows == len(sample.truth)
    assert report.monthly_rate == pytest.approx(sample.probability.mean())


def test_between_two_and_five_in_a_thousand_pay_in_a_month(sample: Sample) -> None:
    assert 0.002 <= sample.label[sample.mature].mean() <= 0.005
    assert 0.002 <= sample.report.monthly_rate <= 0.005


def test_usage_looks_like_the_real_log(sample: Sample) -> None:
    assert (sample.counts == 0).all(axis=1).mean() == pytest.approx(0.38, abs=0.04)
    assert set(sample.stamp.dropna().dt.day_of_week) == {0}
    assert sample.log_start == pd.Timestamp("2019-01-07")
    assert sample.log_end == pd.Timestamp("2019-01-07") + pd.Timedelta(weeks=WEEKS)
    day = sample.usage.id.map(sample.closed)
    of_customers = day.notna() & sample.stamp.notna()
    assert (sample.stamp >= day)[of_customers].mean() > 0.6


def test_usage_rises_after_the_purchase(sample: Sample) -> None:
    total = sample.counts.sum(axis=1)
    weeks = (sample.stamp - sample.usage.id.map(sample.closed)).dt.days / 7
    before, early, late = (total[weeks.between(*span)].mean() for span in ((-8, -1), (0, 4), (20, 40)))
    assert before < early < late


def test_firmographics_have_the_oddities_of_the_real_ones(sample: Sample) -> None:
    others = sample.noncustomers
    assert (others.ALEXA_RANK == "16000001").mean() > 0.5
    assert 0.6 < (others.INDUSTRY == "").mean() < 0.8
    assert {"COMPUTER_SOFTWARE", "Technology - Software"} <= set(others.INDUSTRY)
    assert "10,001 or more" in set(others.EMPLOYEE_RANGE)
    assert (others.EMPLOYEE_RANGE == "").mean() > 4 * (sample.customers.EMPLOYEE_RANGE == "").mean() > 0
    assert (sample.customers.MRR.astype(float) < 0).any()
    assert (sample.customers.MRR.astype(float) == 0).any()


def test_some_customers_closed_before_the_log_begins_and_none_after_the_export(sample: Sample) -> None:
    assert (sample.closed < sample.log_start).any()
    assert sample.log_end - pd.Timedelta(days=7) < sample.closed.max() < sample.log_end


def test_the_faults_are_there_as_reported_and_few(sample: Sample) -> None:
    last_id = 100_000 + COMPANIES
    repeated = sample.noncustomers[sample.noncustomers.id.duplicated(keep=False)]
    for _, pair in repeated.groupby("id"):
        assert all(len(set(pair[name]) - {""}) <= 1 for name in ("ALEXA_RANK", "EMPLOYEE_RANGE", "INDUSTRY"))
    found = {
        "customers: MRR not above zero": (sample.customers.MRR.astype(float) <= 0).sum(),
        "customers: unparsable CLOSEDATE": len(sample.customers) - len(sample.closed),
        "noncustomers: repeated": sample.noncustomers.id.duplicated().sum(),
        "usage: unparsable WHEN_TIMESTAMP": sample.stamp.isna().sum(),
        "usage: negative count": (sample.counts < 0).any(axis=1).sum(),
        "usage: unknown id": (sample.usage.id.astype(int) >= last_id).sum(),
    }
    reported = dict(sample.report.anomalies)
    repeats = reported.pop("usage: repeated")
    assert found.pop("customers: MRR not above zero") >= reported.pop("customers: MRR not above zero") > 0
    assert found == reported
    assert all(found.values())
    assert 0.9 * repeats <= sample.usage.duplicated().sum() <= repeats  # a repeat may be spoilt as well
    of_usage = [count for name, count in reported.items() if name.startswith("usage")]
    assert (sum(of_usage) + repeats) / len(sample.usage) < 0.01


def test_every_company_has_a_good_row_in_its_table(sample: Sample) -> None:
    ids = set(sample.closed.index) | set(sample.noncustomers.id)
    assert ids == {str(number) for number in range(100_000, 100_000 + COMPANIES)}


def test_truth_is_of_the_end_of_every_week(sample: Sample) -> None:
    expected = pd.date_range(end=sample.log_end, periods=WEEKS, freq="7D")
    assert sorted(sample.cutoff.unique()) == list(expected)


def test_truth_is_of_every_company_that_has_not_paid_by_the_cutoff(sample: Sample) -> None:
    for cutoff in (sample.cutoff.min(), sample.log_end):
        free = 100_000 + np.arange(COMPANIES)
        gone = sample.closed.index[sample.closed < cutoff].astype(int)
        there = sample.truth.id[sample.cutoff == cutoff].astype(int)
        np.testing.assert_array_equal(np.sort(there), np.setdiff1d(free, gone))


def test_truth_is_calibrated_within_binomial_error(sample: Sample) -> None:
    probability, label = sample.probability[sample.mature].to_numpy(), sample.label[sample.mature]
    level = np.searchsorted([0.001, 0.003, 0.01, 0.05, 0.15, 0.4], probability)
    for at in range(7):
        inside = level == at
        error = np.sqrt((probability[inside] * (1 - probability[inside])).sum())
        assert abs(label[inside].sum() - probability[inside].sum()) < 4 * error
        assert label[inside].any()


def test_the_best_reachable_average_precision_is_that_of_a_hard_but_learnable_problem(sample: Sample) -> None:
    best = [
        _average_precision(sample.label[rows], sample.probability[rows].to_numpy())
        for rows in (
            sample.mature & (sample.cutoff == cutoff) for cutoff in sample.cutoff[sample.mature].unique()
        )
    ]
    assert 0.15 < np.mean(best) < 0.35


def test_neither_id_nor_row_order_says_anything_about_the_outcome(sample: Sample) -> None:
    paid = np.isin(100_000 + np.arange(COMPANIES), sample.closed.index.astype(int))
    share = paid.mean()
    for part in np.array_split(paid, 10):
        assert abs(part.mean() - share) < 4 * np.sqrt(share * (1 - share) / len(part))
    order = sample.closed.index.astype(int).to_numpy()
    correlation = np.corrcoef(np.arange(len(order)), order)[0, 1]
    assert abs(correlation) < 4 / np.sqrt(len(order))


def test_usage_before_the_purchase_does_not_depend_on_the_purchase() -> None:
    rng = np.random.default_rng(0)
    firms = draw_firms(rng, 500)
    portals = draw_portals(rng, firms, 60)
    free = free_usage(rng, portals, 60)
    week = np.where(np.arange(500) % 2, rng.integers(-5, 60, 500), NEVER)
    paid = paid_usage(rng, free, portals, week)
    before = np.arange(60) < week[:, None]
    for name in ("present", "users", "actions"):
        np.testing.assert_array_equal(getattr(paid, name)[before], getattr(free, name)[before])
        assert (getattr(paid, name)[~before] != getattr(free, name)[~before]).any()


def test_given_the_truth_buyers_used_no_more_before_the_cutoff_than_others(sample: Sample) -> None:
    known = sample.stamp.notna() & (sample.counts >= 0).all(axis=1)
    worst = []
    for cutoff in sample.cutoff[sample.mature].unique():
        recent = known & (sample.stamp < cutoff) & (sample.stamp >= cutoff - pd.Timedelta(days=28))
        users = sample.counts[MEASURES[4:]].sum(axis=1)[recent].groupby(sample.usage.id[recent]).sum()
        rows = (sample.cutoff == cutoff).to_numpy() & (sample.probability > 0.03).to_numpy()
        signal = np.log1p(sample.truth.id[rows].map(users).fillna(0).to_numpy())
        worst.append((signal, sample.label[rows], sample.probability[rows].to_numpy()))
    signal, label, probability = (np.concatenate(parts) for parts in zip(*worst, strict=True))
    signal = signal - signal.mean()
    surplus = (signal * (label - probability)).sum()
    assert abs(surplus) < 4 * np.sqrt((signal**2 * probability * (1 - probability)).sum())


def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / name, companies=3000, weeks=30, seed=seed)
    for name in FILES:
        first, again, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == again
        assert first != other


def test_progress_counts_companies_up_to_the_last(tmp_path: Path) -> None:
    seen: list[int] = []
    generate(tmp_path, companies=4500, weeks=5, seed=0, on_progress=seen.append)
    assert seen == sorted(set(seen))
    assert seen[-1] == 4500
    assert len(seen) > 1


@pytest.mark.parametrize(("companies", "weeks"), [(1, 1), (1, 104), (3, 2), (40, 3)])
def test_the_smallest_samples_are_written_too(tmp_path: Path, companies: int, weeks: int) -> None:
    report = generate(tmp_path, companies=companies, weeks=weeks, seed=3)
    assert report.customers + report.noncustomers == companies


@pytest.mark.parametrize("wrong", [{"companies": 0}, {"weeks": 0}, {"seed": -1}])
def test_arguments_out_of_range_are_named(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        generate(tmp_path / "none", **{"companies": 10, "weeks": 10, "seed": 0, **wrong})
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    small, large = (_peak_bytes(tmp_path / str(companies), companies) for companies in (20_000, 400_000))
    assert large < small + 40_000_000


def _peak_bytes(folder: Path, companies: int) -> int:
    code = (
        "import resource, sys; from pathlib import Path; from ml_sys.sample.generator import generate; "
        f"generate(Path({str(folder)!r}), companies={companies}, weeks=104, seed=1); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit


def _average_precision(label: np.ndarray, probability: np.ndarray) -> float:
    hits = label[np.argsort(-probability, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()) if hits.any() else 0.0
