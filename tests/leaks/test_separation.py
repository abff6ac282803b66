"""How well single columns rank converters: scikit-learn's figures, in the better direction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn.metrics import average_precision_score, roc_auc_score

from ml_sys.features.compute import ATTRIBUTE_GROUP, FeatureSpec
from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.leaks.separation import _halves, _rates, column_separations, separation, two_shares_p_value
from ml_sys.model.split import Source, split
from ml_sys.model.train import spec_from
from ml_sys.settings import Settings

BLANK = float("nan")
VALUES = st.one_of(st.sampled_from([0.0, 1.0, -2.5, BLANK]), st.floats(-10, 10, width=32))


@st.composite
def columns(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A column with ties and blanks, and labels of both kinds."""
    n = draw(st.integers(2, 40))
    label = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    label[:2] = (True, False)
    return np.array(draw(st.lists(VALUES, min_size=n, max_size=n)), dtype=np.float32), label


@given(column=columns())
def test_separation_is_the_best_that_scikit_learn_finds_in_any_direction(column: tuple) -> None:
    values, label = column
    ways = [sign * np.nan_to_num(values, nan=blank) for sign in (1, -1) for blank in (-99, 99)]
    auc, precision = separation(values, label)
    assert auc == pytest.approx(max(roc_auc_score(label, way) for way in ways), abs=1e-9)
    assert precision == pytest.approx(max(average_precision_score(label, way) for way in ways), abs=1e-9)


@given(column=columns(), times=st.integers(2, 5))
def test_rows_that_stand_for_others_separate_as_those_would(column: tuple, times: int) -> None:
    values, label = column
    weight = np.where(label, 1, times)
    again = np.repeat(np.arange(label.size), weight)
    found = separation(values, label, weight.astype(np.float64))
    assert found == pytest.approx(separation(values[again], label[again]), abs=1e-9)


@given(n=st.integers(1, 60), data=st.data())
def test_two_shares_are_compared_by_the_exact_tails(n: int, data: st.DataObject) -> None:
    marked, group = (np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n))) for _ in range(2))
    exact = hypergeom(n, marked.sum(), group.sum())
    both = (marked & group).sum()
    expected = min(1.0, 2 * min(exact.cdf(both), exact.sf(both - 1)))
    assert two_shares_p_value(marked, group) == pytest.approx(expected, abs=1e-9)


@pytest.fixture(scope="module")
def train(source: Source, quick_settings: Settings) -> tuple[Panel, FeatureSpec]:
    spec = spec_from(quick_settings)
    return split(source, spec, quick_settings)[0].train, spec


def test_every_feature_of_generated_data_is_judged_and_none_comes_close_to_perfect(train: tuple) -> None:
    panel, spec = train
    found = column_separations(panel, spec)
    assert [one.column for one in found] == spec.names()
    assert all(0.5 <= one.roc_auc < 0.95 and one.average_precision < 0.3 for one in found)


def test_usage_is_judged_by_row_and_firmographics_by_company(train: tuple) -> None:
    panel, spec = train
    rate = {one.column: one.rate for one in column_separations(panel, spec)}
    companies, converters = (np.unique(one).size for one in (panel.company, panel.company[panel.label]))
    assert rate["actions_28d"] == pytest.approx(panel.label.mean())
    assert rate["log_rank"] == rate["industry"] == pytest.approx(converters / companies)


def test_many_small_levels_that_mean_nothing_look_like_chance(train: tuple) -> None:
    panel, spec = train
    for n_levels in (30, 300, 3000):
        level = np.random.default_rng(5).integers(0, n_levels, panel.company.max() + 1)
        names = np.array([f"level {i}" for i in level], dtype=object)[panel.company]
        other = replace(panel, rows=Rows.of(panel.features.assign(industry=names)))
        found = {one.column: one for one in column_separations(other, spec)}
        assert found["industry"].roc_auc < 0.65
        assert found["industry"].average_precision < 0.2


def test_halves_share_converters_and_others_evenly() -> None:
    converts = np.array([0, 1, 0, 1, 1, 0, 0, 0], dtype=bool)
    assert _halves(converts).tolist() == [0, 0, 1, 1, 0, 0, 1, 0]


def test_a_level_has_the_rate_of_the_other_half_drawn_to_the_rate_of_all() -> None:
    # In the second half one in two of level a converts, of b none: a rate of 1 in 4, worth twenty rows.
    column = np.array(["a", "b", None, "a", "a", "b", None], dtype=object)
    label = np.array([0, 0, 0, 1, 0, 0, 0], dtype=bool)
    half = np.array([0, 0, 0, 1, 1, 1, 1])
    found = _rates(column, label, half)
    assert found[:3] == pytest.approx([(1 + 5) / 22, (0 + 5) / 21, (0 + 5) / 21])
    # In the first half nobody converts.
    assert found[3:].tolist() == [0, 0, 0, 0]
    assert _rates(column[:3], ~label[:3], half[:3]).tolist() == [0, 0, 0]  # there is no other half


def test_separation_is_worked_out_by_hand() -> None:
    values, label = np.array([3.0, 2, 2, 1]), np.array([1, 0, 1, 0], dtype=bool)
    assert separation(values, label) == pytest.approx(((1 + 0.75) / 2, (1 + 2 / 3) / 2))
    assert separation(-values, label) == separation(values, label)
    # One negative row stands for three.
    weight = np.array([1.0, 3, 1, 1])
    assert separation(values, label, weight) == pytest.approx(((1 + 2.5 / 4) / 2, (1 + 2 / 5) / 2))


def test_rows_of_a_sample_count_for_usage_as_often_as_they_stand_for_others_and_companies_once(
    train: tuple,
) -> None:
    panel, spec = train
    few = panel.take(np.flatnonzero(np.isin(panel.company, np.unique(panel.company)[:300])))
    times = np.where(few.label, 1, 1 + np.arange(len(few)) % 3)
    sample = replace(few, rows=Rows(few.rows.different, few.rows.which, times.astype(np.float64)))
    found = column_separations(sample, spec)
    plain = column_separations(few, spec)
    whole = column_separations(few.take(np.repeat(np.arange(len(few)), times)), spec)
    of_usage = [spec.groups()[one.column] != ATTRIBUTE_GROUP for one in found]
    for one, once, often, usage in zip(found, plain, whole, of_usage, strict=True):
        expected = often if usage else once
        assert one.rate == pytest.approx(expected.rate)
        assert (one.roc_auc, one.average_precision) == pytest.approx(
            (expected.roc_auc, expected.average_precision)
        )


def test_where_nearly_all_are_marked_only_what_can_be_is_counted() -> None:
    marked, group = np.arange(10) < 9, np.arange(10) > 0
    exact = hypergeom(10, 9, 9)
    assert two_shares_p_value(marked, group) == 1
    assert two_shares_p_value(marked, marked) == pytest.approx(2 * exact.sf(8))


def test_blanks_are_read_before_all_numbers_and_after_them():
    label = np.array([True, True, False])
    below, above = (np.array([np.nan, *numbers]) for numbers in ((1.0, 2.0), (2.0, 1.0)))
    assert separation(below, label) == (1.0, 1.0)
    assert separation(above, label) == (1.0, 1.0)
