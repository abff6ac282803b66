"""Rows that differ in few features: the bits of each row alone, whatever they share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.features.compute import FeatureSpec
from ml_sys.scoring.compiled import alike
from ml_sys.scoring.compiled.alike import FEW, AlikeRows
from tests.scoring.compiled.test_compile import CALIBRATORS, edges, fitted, frame_of

SPEC = FeatureSpec((7, 28), attribute_missingness=True)
NAMES = SPEC.names()


@pytest.fixture(scope="module")
def scorer():
    return fitted(SPEC, calibrator=CALIBRATORS[1])[1]


def sharing(frame, shared):
    """Columns of which some hold one number, that of a row, for all rows."""
    return {
        name: np.broadcast_to(column[:1], len(column)) if at in shared else column
        for at, (name, column) in enumerate((name, frame[name].to_numpy()) for name in frame)
    }


def whole(columns):
    return {name: np.array(column) for name, column in columns.items()}


@given(
    differs=st.sets(st.integers(0, len(NAMES) - 1), max_size=FEW + 1),
    seed=st.integers(0, 1000),
    near=st.booleans(),
)
def test_rows_that_share_numbers_have_the_bits_of_rows_that_do_not(scorer, differs, seed, near):
    frame = edges(scorer, 80, seed) if near else frame_of(SPEC, 80, seed)
    columns = sharing(frame, set(range(len(NAMES))) - differs)
    expected = scorer.probabilities(scorer.rows(whole(columns)))
    assert scorer.of_columns(columns).tobytes() == expected.tobytes()


def test_rows_on_the_same_side_of_every_threshold_are_walked_as_one(scorer):
    asked = max(scorer.trees.thresholds)
    row = np.zeros(len(NAMES), dtype=np.float32)
    rows = np.append(np.random.default_rng(1).normal(0, 1e3, 500), np.nan).astype(np.float32)[:, None]
    cells = AlikeRows.of(scorer.trees, scorer.line, row, [asked]).cells(rows)
    side = np.searchsorted(scorer.trees.thresholds[asked], rows[:-1, 0], side="right")
    assert len(set(cells.tolist())) == len(set(side.tolist())) + 1
    for one in set(cells.tolist()):
        each = np.repeat(row[None], int((cells == one).sum()), axis=0)
        each[:, asked] = rows[cells == one, 0]
        assert np.unique(scorer.trees.margins(each)).size == 1


def test_more_combinations_than_numbers_can_tell_are_numbered_anew(scorer, monkeypatch):
    columns = sharing(edges(scorer, 80, 2), set(range(len(NAMES) - FEW)))
    expected = scorer.of_columns(columns)
    monkeypatch.setattr(alike, "_MOST_CELLS", 100)
    assert scorer.of_columns(columns).tobytes() == expected.tobytes()


def test_no_rows_have_no_probabilities(scorer):
    assert scorer.of_columns({name: np.empty(0, dtype=np.float32) for name in NAMES}).size == 0


def test_what_rows_share_is_added_up_before(scorer):
    last = len(NAMES) - 1
    row = scorer.rows(whole(sharing(frame_of(SPEC, 1, 0), set())))[0]
    found = AlikeRows.of(scorer.trees, scorer.line, row, [last])
    assert found.kept.tolist() == [last]
    assert found.line.terms.size <= 1
