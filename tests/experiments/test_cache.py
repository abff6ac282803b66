"""What a backtest remembers: made again where it is damaged, and kept apart by data and code."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_sys.experiments.backtest import backtest
from ml_sys.experiments.cache import TermStore
from ml_sys.experiments.schedule import Term, TermScores
from tests.experiments.test_backtest import SETTINGS, TERMS, WORLD, assert_same
from tests.model import world as w


def test_a_damaged_memory_is_made_again(tmp_path: Path) -> None:
    store = TermStore(tmp_path, WORLD.id, SETTINGS, plain=True)
    first = backtest(WORLD, TERMS, SETTINGS, store=store)
    damaged = min(store.folder.iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-40])
    again = backtest(WORLD, TERMS, SETTINGS, store=store)
    assert again.remembered == 2
    assert_same(again, first)
    assert backtest(WORLD, TERMS, SETTINGS, store=store).remembered == 4


def test_another_snapshot_or_own_feature_is_another_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder(snapshot: str = "a", plain: bool = True) -> Path:
        settings = w.settings(features={"extra": ["own_feature_of_a_test:steady"]})
        return TermStore(tmp_path, snapshot, settings, plain=plain).folder

    monkeypatch.chdir(tmp_path)
    source = tmp_path / "own_feature_of_a_test.py"
    source.write_text("def steady(usage):\n    return usage.actions(28)\n")
    assert folder() == folder()
    assert len({folder(), folder("b"), folder(plain=False)}) == 3
    before = folder()
    source.write_text("def steady(usage):\n    return usage.actions(28) + 0\n")
    assert folder() != before


TERM = Term(18_000, (18_000, 18_007))
SCORES = TermScores(
    training_cutoffs=7,
    training_positives=11,
    trees=42,
    threshold=0.125,
    cutoff=np.array([18_000, 18_000, 18_007], dtype=np.int32),
    company=np.array([4, 2, 9], dtype=np.int32),
    label=np.array([True, False, False]),
    seen=np.array([False, True, True]),
    tier=np.array(["A", "C", "B"]),
    scores={"model": np.array([0.5, 0.25, 0.1]), "a rule: of two": np.array([3.0, 0.0, 1.0])},
)


def store_of(folder: Path, **changes: Any) -> TermStore:
    return TermStore(folder, "a", w.settings(**changes), plain=True)


@pytest.mark.parametrize("trees", [42, None])
def test_what_is_remembered_of_a_term_is_all_of_it(tmp_path: Path, trees: int | None) -> None:
    store, kept = store_of(tmp_path), replace(SCORES, trees=trees)
    assert store.load(TERM) is None
    store.save(TERM, kept)
    found = store_of(tmp_path).load(TERM)
    assert found is not None
    for one in fields(TermScores):
        here, there = getattr(found, one.name), getattr(kept, one.name)
        if isinstance(there, dict):
            assert list(here) == list(there)
            for name, scores in there.items():
                np.testing.assert_array_equal(here[name], scores)
        else:
            np.testing.assert_array_equal(here, there)
    dtypes = {name: getattr(found, name).dtype for name in ("cutoff", "company", "label", "seen")}
    assert dtypes == {"cutoff": np.int32, "company": np.int32, "label": np.bool_, "seen": np.bool_}
    assert found.tier.dtype.kind == "U"


def test_another_term_is_not_remembered_even_under_its_name(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store.save(TERM, SCORES)
    (file,) = store.folder.iterdir()
    for other in (Term(18_000, (18_000,)), Term(17_993, (18_000, 18_007))):
        assert store.load(other) is None
        store.save(other, SCORES)
    assert len(list(store.folder.iterdir())) == 3
    for path in store.folder.iterdir():
        path.write_bytes(file.read_bytes())
    assert store.load(TERM) is not None
    assert store.load(Term(18_000, (18_000,))) is None


def test_a_memory_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "backtests").touch()
    store_of(tmp_path).save(TERM, SCORES)
    assert store_of(tmp_path).load(TERM) is None


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"seed": 9}, False),
        ({"usage": {"stamp": "end"}}, False),
        ({"label": {"horizon_days": 29}}, False),
        ({"panel": {"step_days": 21}}, False),
        ({"features": {"windows_days": [14]}}, False),
        ({"resample": {"k_neighbors": 4}}, False),
        ({"resample": {"weight": 0.125}}, False),
        ({"model": {"max_trees": 9}}, False),
        ({"model": {"distributed": True}}, True),
        ({"calibration": {"method": "isotonic"}}, False),
        ({"threshold": {"kind": "f1"}}, False),
        ({"split": {"validation_folds": 4}}, False),
        ({"backtest": {"window": "expanding"}}, False),
        ({"backtest": {"lists": 3}}, True),
        ({"bootstrap": {"resamples": 77}}, True),
        ({"gate": {"min_positives": 3}}, True),
        ({"threads": 3}, True),
    ],
)
def test_a_memory_is_of_the_settings_that_reach_a_fit(tmp_path: Path, changed: Any, same: bool) -> None:
    assert (store_of(tmp_path, **changed).folder == store_of(tmp_path).folder) == same
    assert store_of(tmp_path).folder.parent == tmp_path / "backtests"
