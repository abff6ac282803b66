"""What a backtest remembers: made again where it is damaged, and kept apart by data and code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.experiments.backtest import backtest
from ml_sys.experiments.cache import TermStore
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
