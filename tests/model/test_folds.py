"""Folds and shares: a company on one side, the same side whatever else there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import NotEnoughDataError
from ml_sys.features.panel import Panel
from ml_sys.model.folds import company_folds, keyed_share
from ml_sys.model.split import Source, training_part
from ml_sys.model.train import spec_from
from tests.model import world as w

SETTINGS = w.settings()
WORLD = w.small_world()


def panel_of(world: object = WORLD) -> Panel:
    return training_part(Source.of(world, SETTINGS), w.CUTOFF, spec_from(SETTINGS), SETTINGS).train  # type: ignore[arg-type]


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
    with pytest.raises(NotEnoughDataError, match="1 companies convert"):
        company_folds(PANEL.take(~np.isin(PANEL.company, positive[1:])), 5, seed=7)


@given(ids=st.lists(st.text(max_size=5), unique=True, max_size=50), more=st.lists(st.text(max_size=5)))
def test_a_companys_side_stays_the_same_as_others_come(ids: list[str], more: list[str]) -> None:
    alone, together = keyed_share(ids, 0.3, seed=7), keyed_share([*more, *ids], 0.3, seed=7)
    np.testing.assert_array_equal(alone, together[len(more) :])


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_about_the_share_asked_for_is_chosen(share: float) -> None:
    chosen = keyed_share([str(i) for i in range(20_000)], share, seed=1)
    assert chosen.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 20_000))


def test_another_seed_chooses_others() -> None:
    ids = [str(i) for i in range(200)]
    assert (keyed_share(ids, 0.5, seed=1) != keyed_share(ids, 0.5, seed=2)).any()
