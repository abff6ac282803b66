"""Folds and shares: a company on one side, the same side whatever else there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import NotEnoughDataError
from ml_sys.features.panel import Panel
from ml_sys.model.folds import company_folds, stratified_share
from ml_sys.model.split import Source, training_part
from ml_sys.model.train import spec_from
from tests.model import world as w

SETTINGS = w.settings()
WORLD = w.small_world()


def panel_of(world: object = WORLD) -> Panel:
    return training_part(
        Source.of(world, SETTINGS), w.CUTOFF, spec_from(SETTINGS), SETTINGS.panel, SETTINGS.seed
    ).train  # type: ignore[arg-type]


PANEL = panel_of()


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_every_company_with_a_row_is_in_one_fold_and_conversions_are_dealt_evenly(n_folds: int) -> None:
    fold = company_folds(PANEL, n_folds, seed=7)
    assert set(fold[PANEL.company]) == set(range(n_folds))
    positive = np.unique(PANEL.company[PANEL.label])
    negative = np.setdiff1d(PANEL.company, positive)
    for companies in (positive, negative):
        assert np.ptp(np.bincount(fold[companies], minlength=n_folds)) <= 1


def test_a_company_without_a_row_is_in_no_fold() -> None:
    gone = int(PANEL.company[0])
    assert company_folds(PANEL.take(PANEL.company != gone), 3, seed=7)[gone] == -1


def test_folds_follow_the_company_and_not_its_number() -> None:
    order = np.random.default_rng(5).permutation(w.COMPANIES)
    renumbered = panel_of(w.renumbered(WORLD, order))
    np.testing.assert_array_equal(
        company_folds(renumbered, 3, seed=7)[renumbered.company],
        company_folds(PANEL, 3, seed=7)[PANEL.company],
    )


def test_another_seed_deals_other_folds() -> None:
    assert (company_folds(PANEL, 3, seed=7) != company_folds(PANEL, 3, seed=8)).any()


def test_there_are_no_more_folds_than_conversions() -> None:
    positive = np.unique(PANEL.company[PANEL.label])
    few = PANEL.take(~np.isin(PANEL.company, positive[3:]))
    assert company_folds(few, 10, seed=7).max() == 2
    two = PANEL.take(~np.isin(PANEL.company, positive[2:]))
    assert sorted(company_folds(two, 10, seed=7)[positive[:2]].tolist()) == [0, 1]
    rows_of_one = PANEL.take(np.flatnonzero(PANEL.label & (PANEL.company == positive[0]))[[0, 0, 0]])
    with pytest.raises(NotEnoughDataError, match="1 companies convert"):
        company_folds(rows_of_one, 5, seed=7)
    with pytest.raises(
        NotEnoughDataError, match="1 companies convert within the training cutoffs; at least 2"
    ):
        company_folds(PANEL.take(~np.isin(PANEL.company, positive[1:])), 5, seed=7)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("share", [0.2, 0.33, 0.5])
def test_the_share_asked_for_is_chosen_of_every_stratum(share: float, seed: int) -> None:
    stratum = np.repeat([0, 1, 2], [3, 163, 2000])
    chosen = stratified_share([str(i) for i in range(stratum.size)], stratum, share, seed)
    for number, size in enumerate([3, 163, 2000]):
        assert abs(chosen[stratum == number].sum() - share * size) <= 0.5


@given(ids=st.sets(st.text(max_size=5), max_size=60), seed=st.integers(0, 9))
def test_a_companys_side_does_not_depend_on_the_order_of_the_ids(ids: set[str], seed: int) -> None:
    ordered = sorted(ids)
    stratum = np.array([len(one) % 2 for one in ordered], dtype=np.int64)
    chosen = stratified_share(ordered, stratum, 0.3, seed)
    turned = stratified_share(ordered[::-1], stratum[::-1], 0.3, seed)
    np.testing.assert_array_equal(chosen, turned[::-1])


@pytest.mark.parametrize("now", [2000, 3000])
def test_as_others_come_only_companies_near_the_border_change_sides(now: int) -> None:
    ids = [f"c{i}" for i in range(4000)]
    converts = (np.arange(4000) % 25 == 0).astype(np.int64)
    before = stratified_share(ids[:now], converts[:now], 0.2, 7)
    after = stratified_share(ids, converts, 0.2, 7)[:now]
    moved = before != after
    assert moved.mean() < 0.02
    for stratum in (0, 1):  # the border has moved one way
        assert len(set(after[moved & (converts[:now] == stratum)].tolist())) <= 1


def test_most_companies_keep_their_side_when_they_convert() -> None:
    ids, before = [f"c{i}" for i in range(4000)], np.zeros(4000, dtype=np.int64)
    after = (np.arange(4000) % 20 == 0).astype(np.int64)
    sides = [stratified_share(ids, stratum, 0.2, 7) for stratum in (before, after)]
    assert (sides[0] != sides[1])[after == 1].mean() < 0.1  # 32 % would, were they drawn anew


def test_another_seed_chooses_others() -> None:
    ids, stratum = [str(i) for i in range(200)], np.zeros(200, dtype=np.int64)
    assert (stratified_share(ids, stratum, 0.5, 1) != stratified_share(ids, stratum, 0.5, 2)).any()


def test_who_is_chosen_is_the_same_on_every_machine_and_in_every_release() -> None:
    ids, stratum = [f"c{i}" for i in range(20)], np.arange(20) % 2
    assert np.flatnonzero(stratified_share(ids, stratum, 0.25, 7)).tolist() == [0, 11, 12, 15]
    assert not stratified_share([], np.array([], dtype=np.int64), 0.25, 7).size
