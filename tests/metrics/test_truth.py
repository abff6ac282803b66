"""Holding a model against the true probabilities of generated data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ml_sys.errors import EmptyTableError, MissingColumnError, MissingFileError, NotEnoughDataError
from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.metrics.truth import compare_with_truth
from ml_sys.model.files.serialization import read_holdout
from ml_sys.registry.store import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


Holdout = tuple["Panel", "NDArray[np.object_]", "NDArray[np.float64]"]


@pytest.fixture(scope="module")
def holdout(trained: Path) -> Holdout:
    """The holdout of the trained version, its ids and the probabilities stored with it."""
    panel, known = read_holdout(Registry(trained).open("1.0.0"))
    return panel, known["id"].to_numpy(dtype=object), known["probability"].to_numpy()


def test_every_holdout_row_of_the_sample_has_a_true_probability(three_tables: Path, holdout: Holdout) -> None:
    found = compare_with_truth(three_tables / "truth.csv", *holdout)
    assert found.rows == len(holdout[0])
    assert found.positives == holdout[0].label.sum()


def test_the_truth_beside_itself_is_reached_in_full(tmp_path: Path, holdout: Holdout) -> None:
    panel, ids, probability = holdout
    _write_truth(tmp_path / "truth.csv", panel, ids, probability)
    found = compare_with_truth(tmp_path / "truth.csv", *holdout)
    assert found.share == 1
    assert found.correlation == pytest.approx(1)
    assert found.model == found.truth
    assert found.expected_share == 1
    assert found.model_expected == found.truth_expected


def test_metrics_with_luck_averaged_out_are_means_over_drawn_outcomes(
    tmp_path: Path, holdout: Holdout
) -> None:
    panel, ids, probability = holdout
    chance = np.clip(20 * np.random.default_rng(3).permutation(probability), 0, 0.9)
    _write_truth(tmp_path / "truth.csv", panel, ids, chance)
    found = compare_with_truth(tmp_path / "truth.csv", *holdout)
    rng = np.random.default_rng(5)
    drawn = [
        compare_with_truth(
            tmp_path / "truth.csv", replace(panel, label=rng.random(len(panel)) < chance), ids, probability
        )
        for _ in range(40)
    ]
    for name in ("average_precision", "roc_auc", "precision_at_50"):
        for luck, averaged in (("model", "model_expected"), ("truth", "truth_expected")):
            values = [getattr(one, luck)[name] for one in drawn]
            margin = 4 * np.std(values) / np.sqrt(len(values)) + 0.002
            assert np.mean(values) == pytest.approx(getattr(found, averaged)[name], abs=margin)


def test_a_truth_that_knows_the_outcome_is_ranked_perfectly(tmp_path: Path, holdout: Holdout) -> None:
    panel, ids, _ = holdout
    _write_truth(tmp_path / "truth.csv", panel, ids, panel.label.astype(np.float64))
    assert compare_with_truth(tmp_path / "truth.csv", *holdout).truth["average_precision"] == 1


def test_a_truth_of_other_data_is_refused(tmp_path: Path, holdout: Holdout) -> None:
    panel, ids, probability = holdout
    _write_truth(tmp_path / "truth.csv", panel, ids + "x", probability)
    with pytest.raises(NotEnoughDataError, match=r"truth\.csv: knows no conversion"):
        compare_with_truth(tmp_path / "truth.csv", *holdout)


def test_a_file_that_is_missing_or_no_truth_is_named(
    tmp_path: Path, three_tables: Path, holdout: Holdout
) -> None:
    with pytest.raises(MissingFileError, match=r"truth\.csv") as missing:
        compare_with_truth(tmp_path / "truth.csv", *holdout)
    assert str(missing.value) == str(MissingFileError(tmp_path / "truth.csv", "truth"))
    (tmp_path / "empty.csv").touch()
    with pytest.raises(EmptyTableError, match=r"empty\.csv"):
        compare_with_truth(tmp_path / "empty.csv", *holdout)
    with pytest.raises(MissingColumnError, match="cutoff"):
        compare_with_truth(three_tables / "noncustomers.csv", *holdout)


def _write_truth(
    path: Path, panel: Panel, ids: NDArray[np.object_], probability: NDArray[np.float64]
) -> None:
    cutoffs = [str(np.datetime64(int(day), "D")) for day in panel.cutoff]
    pd.DataFrame({"cutoff": cutoffs, "id": ids, "probability": probability}).to_csv(path, index=False)


def test_rows_of_which_the_truth_knows_nothing_are_left_out_and_the_others_keep_theirs(
    tmp_path: Path, holdout: Holdout
) -> None:
    panel, ids, probability = holdout
    known = np.arange(len(panel)) % 3 > 0
    _write_truth(tmp_path / "truth.csv", panel.take(known), ids[known], probability[known])
    found = compare_with_truth(tmp_path / "truth.csv", *holdout)
    assert (found.rows, found.positives) == (known.sum(), panel.label[known].sum())
    assert found.correlation == pytest.approx(1)
    assert found.model == found.truth


def test_the_correlation_is_spearmans(tmp_path: Path, holdout: Holdout) -> None:
    panel, ids, probability = holdout
    chance = np.round(np.random.default_rng(4).random(len(panel)), 2)
    _write_truth(tmp_path / "truth.csv", panel, ids, chance)
    found = compare_with_truth(tmp_path / "truth.csv", *holdout)
    assert found.correlation == pytest.approx(stats.spearmanr(probability, chance).statistic)
    assert found.share == found.model["average_precision"] / found.truth["average_precision"]


def test_a_model_that_knows_less_reaches_less_of_the_truth_at_the_depths_of_whole_lists(
    tmp_path: Path,
) -> None:
    """Ten of forty companies, a fifth of a list: the first two of them stand for the first ten."""
    n = 40
    ids, nothing = np.array([f"c{at}" for at in range(n)], dtype=object), np.zeros(n, np.int32)
    frame = pd.DataFrame({"a": np.arange(n, dtype=np.float32)})
    label, seen = np.arange(n) < 10, np.ones(n, bool)
    panel = Panel(Rows.of(frame), np.arange(n, dtype=np.int32), nothing, label, seen, {})
    exact = np.where(label, 0.9, 0.1)
    _write_truth(tmp_path / "truth.csv", panel, ids, exact)
    reversed_ = np.arange(n) / n
    found = compare_with_truth(tmp_path / "truth.csv", panel, ids, reversed_, 0.2)
    assert found.share < 1
    assert found.expected_share < 1
    assert found.truth["recall_at_10"] == pytest.approx(2 / 10)
    assert found.model["recall_at_10"] == 0
