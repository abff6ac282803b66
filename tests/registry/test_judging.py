"""What speaks against a holdout: it has to say of companies and outcomes what its snapshot says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.snapshot import latest
from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.model.files.artifact import Artifact
from ml_sys.registry.judging import _doubts
from ml_sys.registry.store import Registry
from tests.data.tables import Tables

HORIZON = 30


@pytest.fixture
def stored(tmp_path: Path) -> Registry:
    Tables(tmp_path).ingest()
    return Registry(tmp_path / "artifacts")


def doubts(stored: Registry, day_of_cutoff: int, label: list[bool], ids: list[str], **changes: object) -> str:
    snapshot = latest(stored.root)
    known = snapshot.companies["id"].tolist()
    company = np.array([known.index(one) for one in ids], dtype=np.int32)
    panel = Panel(
        Rows.of(pd.DataFrame({"one": np.zeros(len(ids), np.float32)})),
        company,
        np.full(len(ids), day_of_cutoff, dtype=np.int32),
        np.array(label),
        np.ones(len(ids), dtype=bool),
        {},
    )
    panel = replace(panel, **changes)
    artifact = Artifact(Path(), {"snapshot": snapshot.id, "horizon_days": HORIZON}, {}, "")
    return "; ".join(_doubts(stored, artifact, panel, pd.DataFrame({"id": ids})))


def day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(np.int64))


@pytest.mark.parametrize(
    ("cutoff", "converts"),
    [("2020-02-10", True), ("2020-01-12", True), ("2020-01-11", False), ("2020-02-11", False)],
)
def test_a_label_is_that_of_a_window_from_the_cutoff_up_to_a_horizon_after_it(
    stored: Registry, cutoff: str, converts: bool
) -> None:
    # c1 became a customer on 10 February.
    said = doubts(stored, day(cutoff), [converts, False], ["c1", "n1"])
    assert said == ""
    other = doubts(stored, day(cutoff), [not converts, False], ["c1", "n1"])
    assert other == "its holdout has other outcomes than its snapshot"


def test_a_company_that_is_none_of_the_snapshot_or_has_another_id_is_doubted(stored: Registry) -> None:
    n = len(latest(stored.root).companies)
    others = "its holdout has other companies than its snapshot"
    place = np.array([n - 1, 0], dtype=np.int32)
    known = latest(stored.root).companies["id"].tolist()
    assert doubts(stored, day("2019-01-07"), [False, False], [known[-1], known[0]]) == ""
    assert doubts(stored, day("2019-01-07"), [False, False], [known[-1], "c2"], company=place) == others
    assert doubts(stored, day("2019-01-07"), [False, False], ["c1", "c2"], company=place + 1) == others


def test_without_its_snapshot_nothing_can_be_doubted(stored: Registry, tmp_path: Path) -> None:
    artifact = Artifact(Path(), {"snapshot": "0" * 16, "horizon_days": HORIZON}, {}, "")
    empty = Panel(Rows.of(pd.DataFrame()), *[np.empty(0, np.int32)] * 4, {})  # type: ignore[arg-type]
    assert _doubts(stored, artifact, empty, pd.DataFrame({"id": []})) == ()
