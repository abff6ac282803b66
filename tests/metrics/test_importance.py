"""What a model rests on: shuffling costs what the scores rest on, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from ml_sys.metrics import importance
from ml_sys.metrics.importance import MOST_ROWS, _sampled, importances, mean_absolute_shap
from ml_sys.scoring.reasons import contributions
from tests.scoring.test_reasons import NARROW, fitted, random_frame

GROUPS = {"told": "signal", "twin": "signal", "noise": "rest"}


def rows_of(n: int = 900) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]]:
    rng = np.random.default_rng(4)
    label = rng.random(n) < 0.2
    told = label + rng.normal(0, 0.5, n)
    rows = np.column_stack([told, told, rng.normal(size=n)]).astype(np.float32)
    return rows, label, np.sort(rng.integers(0, 3, n)).astype(np.int32)


def judged(n: int = 900, weights: tuple[float, ...] = (1, 0, 0)) -> dict[str, float]:
    rows, label, cutoff = rows_of(n)
    single, together = importances(
        rows, label, cutoff, GROUPS, lambda x: x @ np.array(weights), gain=None, shap=None, repeats=3, seed=1
    )
    return {one.name: one.drop for one in (*single, *together)}


def test_shuffling_costs_what_the_scores_rest_on_and_nothing_else() -> None:
    drops = judged()
    assert drops["told"] > 0.2
    assert drops["twin"] == drops["noise"] == drops["rest"] == 0


def test_twins_are_dispensable_alone_but_not_together() -> None:
    drops = judged(weights=(0.5, 0.5, 0))
    assert drops["signal"] > 1.5 * max(drops["told"], drops["twin"])


def test_a_sample_of_the_others_stands_for_all() -> None:
    whole, sampled = judged(MOST_ROWS), judged(2 * MOST_ROWS)
    assert abs(whole["told"] - sampled["told"]) < 0.05


def test_values_move_only_between_companies_of_one_cutoff() -> None:
    cutoff = np.repeat(np.array([1, 2], np.int32), 50)
    rows = np.repeat(np.array([[0.0], [1.0]], np.float32), 50, axis=0)
    label = np.arange(100) % 7 == 0
    (one,), _ = importances(
        rows, label, cutoff, {"day": "time"}, lambda x: x[:, 0], gain=None, shap=None, repeats=3, seed=1
    )
    assert one.drop == 0


def test_drop_and_spread_are_those_of_all_rows_shuffled_and_scored_again() -> None:
    rows, label, cutoff = rows_of()
    rows[:, 0] = np.round(rows[:, 0])  # so that most rows keep their value, and many are equal
    rows[:300, 1:] = 0.0

    def scores(asked: NDArray[np.float32]) -> NDArray[np.float64]:
        return asked.astype(np.float64) @ np.array([1.0, 0.5, 0.25])

    single, together = importances(
        rows, label, cutoff, GROUPS, scores, gain=None, shap=None, repeats=4, seed=1
    )
    rng, expected = np.random.default_rng(1), {}
    for name, columns in {"told": [0], "twin": [1], "noise": [2], "signal": [0, 1], "rest": [2]}.items():
        found = []
        for _ in range(4):
            moved = rows.copy()
            for day in np.unique(cutoff):
                at = np.flatnonzero(cutoff == day)
                moved[np.ix_(at, columns)] = rows[np.ix_(rng.permutation(at), columns)]
            found.append(average_precision_score(label, scores(moved)))
        expected[name] = average_precision_score(label, scores(rows)) - np.array(found)
    for one in (*single, *together):
        assert one.drop == pytest.approx(expected[one.name].mean())
        assert one.spread == pytest.approx(expected[one.name].std())
    assert [one.name for one in together] == ["signal", "rest"]
    assert [one.drop for one in single] == sorted((one.drop for one in single), reverse=True)


def test_no_more_rows_are_scored_than_there_are_different_ones_that_change() -> None:
    rows = np.repeat(np.array([[0, 0], [1, 0], [2, 0]], np.float32), [96, 2, 2], axis=0)
    asked: list[int] = []

    def scores(some: NDArray[np.float32]) -> NDArray[np.float64]:
        asked.append(len(some))
        return some[:, 0].astype(np.float64)

    groups = {"a": "one", "b": "other"}
    label, cutoff = rows[:, 0] == 2, np.ones(100, np.int32)
    importances(rows, label, cutoff, groups, scores, gain=None, shap=None, repeats=3, seed=1)
    assert asked[0] == 100
    assert 0 < max(asked[1:]) <= 6


def test_gain_and_shap_of_a_group_are_the_sums_of_its_columns() -> None:
    rows, label, cutoff = rows_of()
    gain, shap = {"told": 3.0, "noise": 0.5}, np.array([0.25, 0.5, 0.0625])
    single, together = importances(
        rows, label, cutoff, GROUPS, lambda x: x[:, 0] + x[:, 1], gain=gain, shap=shap, repeats=2, seed=1
    )
    assert {one.name: (one.group, one.gain, one.shap) for one in single} == {
        "told": ("signal", 3.0, 0.25),
        "twin": ("signal", 0.0, 0.5),
        "noise": ("rest", 0.5, 0.0625),
    }
    assert {one.name: (one.gain, one.shap) for one in together} == {
        "signal": (3.0, 0.75),
        "rest": (0.5, 0.0625),
    }
    twin = next(one for one in single if one.name == "twin")
    assert twin.drop > 0  # no tree splits by it, and the line beside them rests on it all the same


@pytest.mark.parametrize(("others", "all_kept"), [(MOST_ROWS - 3, True), (MOST_ROWS - 2, False)])
def test_rows_are_sampled_once_there_are_more_than_the_most(others: int, all_kept: bool) -> None:
    label = np.isin(np.arange(others + 3), [0, 5, 9])
    kept, weights = _sampled(label, seed=1)
    assert (kept.size == label.size) == all_kept
    assert kept.size == min(label.size, MOST_ROWS)
    assert label[kept].sum() == 3
    assert weights[0, label[kept]].tolist() == [1, 1, 1]
    assert weights[0, ~label[kept]].sum() == pytest.approx(others)
    assert (np.diff(kept) > 0).all()


def test_the_most_important_come_first_and_equals_by_name() -> None:
    rows, label, cutoff = rows_of()
    asked = {"gain": None, "shap": None, "repeats": 2, "seed": 1}
    turned = {"noise": "rest", "b": "signal", "a": "signal"}
    single, together = importances(
        rows[:, ::-1].copy(),
        label,
        cutoff,
        turned,
        lambda x: x[:, 1] + x[:, 2],
        **asked,  # type: ignore[arg-type]
    )
    assert (single[2].name, [one.name for one in together]) == ("noise", ["signal", "rest"])
    level, _ = importances(rows, label, cutoff, turned, lambda x: np.zeros(len(x)), **asked)  # type: ignore[arg-type]
    assert [(one.name, one.drop) for one in level] == [("a", 0), ("b", 0), ("noise", 0)]


def test_gain_of_a_group_is_that_of_all_its_columns() -> None:
    rows, label, cutoff = rows_of(60)
    gain = {"told": 0.5, "twin": 0.25, "noise": 0.125}
    _, together = importances(
        rows, label, cutoff, GROUPS, lambda x: x[:, 0], gain=gain, shap=None, repeats=1, seed=1
    )
    assert {one.name: (one.gain, one.shap) for one in together} == {
        "signal": (0.75, None),
        "rest": (0.125, None),
    }


def test_columns_whose_exchange_changes_nothing_are_not_scored_again() -> None:
    rows = np.column_stack([np.zeros(20), np.arange(20)]).astype(np.float32)
    asked: list[int] = []

    def scores(some: NDArray[np.float32]) -> NDArray[np.float64]:
        asked.append(len(some))
        return some[:, 1].astype(np.float64)

    importances(
        rows[:, :1].copy(), np.arange(20) < 5, np.zeros(20, np.int32), {"a": "one"},
        lambda x: scores(np.column_stack([x, x])), gain=None, shap=None, repeats=2, seed=1,
    )  # fmt: skip
    assert asked == [20]


def test_where_converters_alone_are_the_most_rows_one_other_stands_for_the_others() -> None:
    label = np.append(np.ones(MOST_ROWS, dtype=bool), np.zeros(5, dtype=bool))
    kept, weights = _sampled(label, seed=1)
    assert (kept.size, weights[0, ~label[kept]].tolist()) == (MOST_ROWS + 1, [5])


def test_the_mean_absolute_shap_value_is_that_of_the_reasons_of_a_sample() -> None:
    scorer = fitted(NARROW, n_estimators=3).scorer
    frame = random_frame(NARROW, 7, 2)
    rows = scorer.rows({name: frame[name].to_numpy() for name in frame})
    each = np.array([contributions(scorer, rows[at : at + 1])[:-1] for at in range(7)])
    found = mean_absolute_shap(scorer, rows, seed=3)
    np.testing.assert_allclose(found, np.abs(each).mean(axis=0))
    assert found.shape == (len(NARROW.names()),)
    assert mean_absolute_shap(scorer, rows[:0], seed=3).tolist() == [0] * found.size
    assert importance._SHAP_ROWS == 1500


def test_the_mean_absolute_shap_value_of_a_sample_is_over_the_rows_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scorer = fitted(NARROW, n_estimators=3).scorer
    frame = random_frame(NARROW, 7, 2)
    rows = scorer.rows({name: frame[name].to_numpy() for name in frame})
    alike = np.repeat(rows[:1], 6, axis=0)  # whichever rows are drawn, their mean is that of one
    monkeypatch.setattr(importance, "_SHAP_ROWS", 2)
    one = np.abs(contributions(scorer, rows[:1])[:-1])
    np.testing.assert_allclose(mean_absolute_shap(scorer, alike, seed=3), one)
