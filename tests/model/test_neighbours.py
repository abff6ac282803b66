"""Neighbours for SMOTENC: scikit-learn's own, ties included, and the nearest rows of other companies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTENC
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from ml_sys.model.neighbours import NearestRows, OtherCompanies

KINDS = {
    "far apart": lambda rng, rows: rows,
    "of whole numbers": lambda rng, rows: np.round(rows),
    "mostly zero": lambda rng, rows: rows * (rng.random(rows.shape) < 0.1),
    "each of them twice": lambda rng, rows: np.concatenate([rows, rows])[rng.permutation(len(rows))],
    "copies of three": lambda rng, rows: rows[rng.integers(0, 3, len(rows))],
    "all the same": lambda rng, rows: np.ones_like(rows),
    "of very different size": lambda rng, rows: rows * np.exp(4 * rng.normal(size=(len(rows), 1))),
    "far from zero": lambda rng, rows: rows + 1000,
    "close together": lambda rng, rows: 1 + rows * 1e-6,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_rows", [7, 130, 400])
def test_rows_found_are_those_of_scikit_learn_in_its_order_whatever_ties(kind: str, n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    rows = sparse.csr_matrix(KINDS[kind](rng, rng.normal(size=(n_rows, 12))).astype(np.float32))
    theirs = NearestNeighbors(n_neighbors=6).fit(rows).kneighbors(rows, return_distance=False)
    np.testing.assert_array_equal(NearestRows(6).fit(rows).kneighbors(rows, return_distance=False), theirs)


def test_several_blocks_find_what_one_finds() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2500, 6)).astype(np.float32)
    rows[::5] = rows[1::5]
    rows = sparse.csr_matrix(rows)
    theirs = NearestNeighbors(n_neighbors=6).fit(rows).kneighbors(rows, return_distance=False)
    np.testing.assert_array_equal(NearestRows(6).fit(rows).kneighbors(rows, return_distance=False), theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_smotenc_draws_the_same_rows_with_these_neighbours_as_with_its_own(kind: str) -> None:
    rng = np.random.default_rng(3)
    X = KINDS[kind](rng, rng.normal(size=(300, 8))).astype(np.float32)
    X[:, 6:] = rng.integers(0, 3, (300, 2))
    y = np.repeat([1, 0], [100, 200])
    own, ours = (
        SMOTENC([6, 7], k_neighbors=k, random_state=5).fit_resample(X, y)[0] for k in (5, NearestRows(6))
    )
    np.testing.assert_array_equal(own, ours)


@pytest.mark.parametrize("dense", [True, False])
def test_what_is_no_sparse_float32_and_distances_are_scikit_learns_own(dense: bool) -> None:
    rows = np.random.default_rng(4).normal(size=(50, 4)).astype(np.float64 if dense else np.float32)
    given_rows = rows if dense else sparse.csr_matrix(rows)
    ours, theirs = (
        one.fit(given_rows).kneighbors(given_rows)
        for one in (NearestRows(4), NearestNeighbors(n_neighbors=4, algorithm="brute"))
    )
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


def brute(rows: np.ndarray, company: np.ndarray, row: int, k: int) -> list[tuple[float, int]]:
    """Return how far the nearest other companies are, and which they are, the lower number first of a tie."""
    away = ((rows.astype(np.float64) - rows[row].astype(np.float64)) ** 2).sum(axis=1)
    others = set(company.tolist()) - {int(company[row])}
    return sorted((float(away[company == other].min()), other) for other in others)[:k]


@given(
    seed=st.integers(0, 1000),
    k=st.integers(1, 4),
    whole=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_neighbours_are_the_nearest_row_of_each_of_the_nearest_other_companies(
    seed: int, k: int, whole: bool, dtype: type
) -> None:
    rng = np.random.default_rng(seed)
    company = np.concatenate([np.arange(25), rng.integers(0, 25, 60)])
    rows = rng.normal(size=(company.size, 3)).astype(dtype)
    rows = np.round(rows) if whole else rows
    distances, found = OtherCompanies(company, n_neighbors=k + 1).fit(rows).kneighbors(rows)
    for row, neighbours in enumerate(found):
        best = brute(rows, company, row, k)
        assert neighbours[0] == row
        assert [company[one] for one in neighbours[1:]] == [other for _, other in best]
        np.testing.assert_allclose(distances[row, 1:], np.sqrt([least for least, _ in best]))
        away = np.linalg.norm(rows[neighbours].astype(np.float64) - rows[row].astype(np.float64), axis=1)
        np.testing.assert_allclose(away, distances[row])


def test_a_company_whose_rows_come_many_times_is_one_neighbour_as_if_they_came_once() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(30, 3)).astype(np.float32)
    company = np.arange(30) // 2
    often = np.sort(np.concatenate([np.arange(30), rng.integers(0, 30, 60)]))
    once = OtherCompanies(company, n_neighbors=4).fit(rows).kneighbors(return_distance=False)
    many = OtherCompanies(company[often], n_neighbors=4).fit(rows[often]).kneighbors(return_distance=False)
    np.testing.assert_array_equal(often[many], once[often])


def test_given_distances_find_the_same_rows_as_the_rows_they_are_between() -> None:
    rng = np.random.default_rng(7)
    rows, company = rng.normal(size=(40, 3)), np.concatenate([np.arange(9), rng.integers(0, 9, 31)])
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    by_rows = OtherCompanies(company, n_neighbors=5).fit(rows).kneighbors()
    by_distances = OtherCompanies(company, n_neighbors=5, metric="precomputed").fit(apart).kneighbors()
    np.testing.assert_allclose(by_distances[0], by_rows[0])
    np.testing.assert_array_equal(by_distances[1], by_rows[1])
