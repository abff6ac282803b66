"""What a model fitted at a cutoff, and its probabilities, depend on: bit for bit nothing that came later."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot, load
from ml_sys.data.sources import FileSource
from ml_sys.experiments.backtest import backtest
from ml_sys.experiments.schedule import Term
from ml_sys.model.split import Source, training_part
from ml_sys.model.train import spec_from
from ml_sys.settings import SchemaSettings, Settings
from tests.data.tables import MEASURES
from tests.model import world as w

REAL = Path(os.environ.get("MLSYS_REAL_DATA", Path(__file__).parents[3] / "shared/data/hubspot"))
WORLD = w.small_world()
SETTINGS = w.settings()
# Fits take a while: few examples, each of which changes hundreds of values, and no search for a smaller one.
FEW = settings(max_examples=3, deadline=None, phases=[Phase.reuse, Phase.generate])
seeds = st.integers(0, 2**32 - 1)


SAMPLED = w.settings(panel={"step_days": 7, "max_cutoffs": 30, "max_rows": 900, "negatives_per_positive": 4})


@pytest.fixture(scope="module")
def before() -> tuple[w.Fingerprint, np.ndarray, np.ndarray]:
    return w.fitted_at(WORLD, w.CUTOFF, SETTINGS)


def unchanged(before: tuple, changed: Snapshot, cutoff: int = w.CUTOFF, asked: Settings = SETTINGS) -> None:
    fitted, probability, features = w.fitted_at(changed, cutoff, asked)
    assert fitted == before[0]
    np.testing.assert_array_equal(features, before[2])
    np.testing.assert_array_equal(probability, before[1])


def last_training_window() -> int:
    """Day on which the last label window of the training part has closed."""
    part = training_part(
        Source.of(WORLD, SETTINGS), w.CUTOFF, spec_from(SETTINGS), SETTINGS.panel, SETTINGS.seed
    )
    return int(part.train.cutoff.max()) + w.HORIZON


def test_the_model_has_learnt_something(before: tuple) -> None:
    assert np.unique(before[1][~np.isnan(before[1])]).size > 50


@FEW
@given(seed=seeds)
def test_usage_complete_after_the_cutoff_changes_no_feature_and_no_probability(
    before: tuple, seed: int
) -> None:
    unchanged(before, w.with_more_usage(WORLD, w.CUTOFF, np.random.default_rng(seed)))


@FEW
@given(seed=seeds)
def test_closing_days_after_the_cutoff_change_no_feature_and_no_probability(before: tuple, seed: int) -> None:
    rng = np.random.default_rng(seed)
    closed = WORLD.closed.copy()
    later = (closed >= w.CUTOFF) & (rng.random(closed.size) < 0.5)
    closed[later] = rng.choice([NEVER_CLOSED, *range(w.CUTOFF, w.CUTOFF + 150)], int(later.sum()))
    unchanged(before, w.with_closed(WORLD, closed))


@FEW
@given(seed=seeds)
def test_other_ids_in_another_order_change_no_feature_and_no_probability(before: tuple, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(w.COMPANIES)
    unchanged((before[0], before[1][order], before[2][order]), w.renumbered(WORLD, order))


@FEW
@given(seed=seeds)
def test_mrr_changes_no_feature_and_no_probability(before: tuple, seed: int) -> None:
    money = np.random.default_rng(seed).normal(0, 1e6, w.COMPANIES)
    unchanged(before, replace(WORLD, companies=WORLD.companies.assign(value=money)))


@FEW
@given(seed=seeds)
def test_what_happens_after_the_last_training_window_changes_nothing_fitted(before: tuple, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = last_training_window()
    closed = WORLD.closed.copy()
    changed = rng.random(closed.size) < 0.5
    changed &= closed >= known
    closed[changed] = rng.integers(known, w.CUTOFF + 150, int(changed.sum()))
    values = WORLD.usage_values.copy()
    holdout = WORLD.usage_stamp + w.PERIOD > known - w.HORIZON
    values[holdout] = rng.integers(0, 900, (int(holdout.sum()), len(MEASURES)))
    changed_world = replace(w.with_closed(WORLD, closed), usage_values=values)
    fitted, probability, _ = w.fitted_at(changed_world, w.CUTOFF, SETTINGS)
    assert fitted == before[0]
    assert not np.array_equal(probability, before[1], equal_nan=True)


@settings(FEW, max_examples=2)
@given(seed=seeds)
def test_a_model_of_a_sampled_panel_depends_on_neither_ids_nor_order_nor_what_comes_later(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fitted = w.fitted_at(WORLD, w.CUTOFF, SAMPLED)
    source = Source.of(WORLD, SAMPLED)
    assert (
        training_part(source, w.CUTOFF, spec_from(SAMPLED), SAMPLED.panel, SAMPLED.seed).train.weight
        is not None
    )
    order = rng.permutation(w.COMPANIES)
    later = w.with_more_usage(WORLD, w.CUTOFF, rng)
    closed = np.where(
        (later.closed >= w.CUTOFF) & (rng.random(later.closed.size) < 0.5), NEVER_CLOSED, later.closed
    )
    changed = w.renumbered(w.with_closed(later, closed), order)
    unchanged((fitted[0], fitted[1][order], fitted[2][order]), changed, asked=SAMPLED)


def test_a_closing_day_inside_a_training_window_does_change_the_model(before: tuple) -> None:
    closed = WORLD.closed.copy()
    known = last_training_window()
    moved = np.flatnonzero(closed == NEVER_CLOSED)[:10]
    closed[moved] = known - 1
    assert w.fitted_at(w.with_closed(WORLD, closed), w.CUTOFF, SETTINGS)[0] != before[0]


def test_every_training_window_closes_by_the_cutoff_and_none_could_be_added() -> None:
    source, spec = Source.of(WORLD, SETTINGS), spec_from(SETTINGS)
    for cutoff in (w.CUTOFF, w.CUTOFF + 1, w.CUTOFF + 5, w.CUTOFF + 6):
        last = int(training_part(source, cutoff, spec, SETTINGS.panel, SETTINGS.seed).train.cutoff.max())
        assert last + w.HORIZON <= cutoff
        assert last + w.PERIOD + w.HORIZON > cutoff


def test_the_backtest_says_the_same_of_a_past_cutoff_however_much_arrives_later() -> None:
    rng = np.random.default_rng(1)
    changed = w.with_more_usage(WORLD, w.CUTOFF, rng)
    closed = np.where(changed.closed >= w.CUTOFF, w.CUTOFF + 2, changed.closed)
    changed = w.with_closed(changed, closed)
    settings = w.settings(engine={"workers": 1})
    told = [backtest(one, [Term(w.CUTOFF, (w.CUTOFF,))], settings).predictions() for one in (WORLD, changed)]
    pd.testing.assert_frame_equal(
        *(one.sort_values("id", ignore_index=True) for one in told), check_exact=True
    )


def changed_tables(folder: Path, into: Path, cutoff: str, seed: int) -> dict[str, str]:
    """Write tables that differ after a cutoff only, under other ids in another order.

    Returns the new id of each old one.
    """
    rng = np.random.default_rng(seed)
    customers, others, usage = (
        pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("customers", "noncustomers", "usage_actions")
    )
    ids = np.unique(np.concatenate([customers["id"], others["id"], usage["id"]]))
    new = dict(zip(ids, rng.permutation(ids), strict=True))
    day = pd.to_datetime(customers["CLOSEDATE"], errors="coerce", format="mixed")
    later = (day >= cutoff).to_numpy()
    moved = pd.Timestamp(cutoff) + pd.to_timedelta(rng.integers(0, 60, int(later.sum())), unit="D")
    customers.loc[later, "CLOSEDATE"] = moved.strftime("%Y-%m-%d")
    customers["MRR"] = rng.integers(-50, 9000, len(customers)).astype(str)
    extra = usage.sample(500, random_state=seed, ignore_index=True)
    stamps = pd.Timestamp(cutoff) + pd.to_timedelta(rng.integers(-6, 60, len(extra)), unit="D")
    extra["WHEN_TIMESTAMP"] = (stamps + pd.Timedelta(hours=11)).strftime("%Y-%m-%d %H:%M:%S")
    extra[[name for name in usage if "USERS" in name or "ACTIONS" in name]] = "777"
    for name, frame in {
        "customers": customers,
        "noncustomers": others,
        "usage_actions": pd.concat([usage, extra]),
    }.items():
        frame = frame.assign(id=frame["id"].map(new)).sample(frac=1, random_state=seed)
        frame.to_csv(into / f"{name}.csv", index=False)
    return new


def snapshot_of(folder: Path, artifacts: Path) -> Snapshot:
    names = {"customers": "customers", "noncustomers": "noncustomers", "usage": "usage_actions"}
    paths = {table: str(folder / f"{name}.csv") for table, name in names.items()}
    return load(
        ingest(
            Origin(FileSource(), SchemaSettings(), paths),
            Rules(max_rejected_share=1.0),
            artifacts,
            now=datetime(2026, 1, 1, tzinfo=UTC),
        ).path
    )


def probabilities(snapshot: Snapshot, cutoff: str) -> tuple[w.Fingerprint, dict[str, float]]:
    day = int(np.datetime64(cutoff, "D").astype(np.int64))
    asked = w.settings(panel={"max_cutoffs": 3}, resample={"sampling_strategy": 0.02})
    fitted, probability, _ = w.fitted_at(snapshot, day, asked)
    scored = zip(snapshot.companies["id"], probability, strict=True)
    return fitted, {name: float(p) for name, p in scored if not np.isnan(p)}


def stays_the_same_through_ingest(folder: Path, tmp_path: Path, cutoff: str) -> None:
    (tmp_path / "changed").mkdir()
    new = changed_tables(folder, tmp_path / "changed", cutoff, seed=5)
    fitted, told = probabilities(snapshot_of(folder, tmp_path / "artifacts"), cutoff)
    fitted_again, told_again = probabilities(
        snapshot_of(tmp_path / "changed", tmp_path / "artifacts"), cutoff
    )
    assert len(set(told.values())) > 50
    assert fitted_again == fitted
    assert told_again == {new[name]: p for name, p in told.items()}


def test_a_changed_future_under_other_ids_changes_no_probability_through_ingest(
    three_tables: Path, tmp_path: Path
) -> None:
    stays_the_same_through_ingest(three_tables, tmp_path, "2020-02-10")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.is_dir(), reason="no real tables here")
def test_a_changed_future_under_other_ids_changes_no_probability_on_the_real_tables(tmp_path: Path) -> None:
    stays_the_same_through_ingest(REAL, tmp_path, "2020-03-09")
