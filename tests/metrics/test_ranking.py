"""Metrics: scikit-learn's where it has them, and weights that mean repeated rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from ml_sys.metrics.bootstrap import cluster_weights
from ml_sys.metrics.calibration import bin_shares, probability_metrics
from ml_sys.metrics.ranking import (
    CumulatedRanking,
    Outcomes,
    add_up,
    mean_of_defined,
    random_metrics,
    ranking_metrics,
)

SCORES = st.one_of(st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def outcomes(draw: st.DrawFn, max_size: int = 60) -> Outcomes:
    """Rows of up to three lists, with at least one of each outcome."""
    n = draw(st.integers(2, max_size))
    label = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    label[:2] = (True, False)
    return Outcomes(
        np.array(draw(st.lists(SCORES, min_size=n, max_size=n))),
        label,
        np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), dtype=np.int32),
        np.arange(n, dtype=np.int32),
    )


def of(score: list[float], label: list[int], cutoff: list[int] | None = None) -> Outcomes:
    n = len(score)
    lists = np.zeros(n, dtype=np.int32) if cutoff is None else np.array(cutoff, dtype=np.int32)
    return Outcomes(np.array(score), np.array(label, dtype=bool), lists, np.arange(n, dtype=np.int32))


def value(found: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(its[0]) for name, its in found.items()}


def judged(rows: Outcomes, threshold: float = 0.5) -> dict[str, float]:
    one = np.ones((1, rows.score.size))
    return value(ranking_metrics(rows, one)) | value(probability_metrics(rows, one, threshold))


@given(rows=outcomes(), threshold=SCORES)
def test_metrics_are_those_of_scikit_learn(rows: Outcomes, threshold: float) -> None:
    found, y, p = judged(rows, threshold), rows.label, rows.score
    above = p >= threshold
    tn, fp, fn, tp = sk.confusion_matrix(y, above, labels=[False, True]).ravel()
    expected = {
        "roc_auc": sk.roc_auc_score(y, p),
        "average_precision": sk.average_precision_score(y, p),
        "brier": sk.brier_score_loss(y, p),
        "log_loss": sk.log_loss(y, p, labels=[False, True]),
        "f1": sk.f1_score(y, above, zero_division=0),
        "precision": sk.precision_score(y, above, zero_division=0),
        "recall": sk.recall_score(y, above),
        "accuracy": sk.accuracy_score(y, above),
        "true_positives": tp,
        "false_positives": fp,
        "false_negatives": fn,
        "true_negatives": tn,
        "mean_probability": p.mean(),
        "conversion_rate": y.mean(),
    }
    for name, its in expected.items():
        assert found[name] == pytest.approx(its, rel=1e-12, abs=1e-12), name


@given(rows=outcomes(), threshold=SCORES, data=st.data())
def test_weighted_metrics_are_those_of_scikit_learn(
    rows: Outcomes, threshold: float, data: st.DataObject
) -> None:
    n, y, p = rows.score.size, rows.label, rows.score
    w = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 0.5, 7.25]), min_size=n, max_size=n)))
    w[:2] = np.maximum(w[:2], 0.5)
    found = value(ranking_metrics(rows, w[None])) | value(probability_metrics(rows, w[None], threshold))
    above = p >= threshold
    weighted = {"sample_weight": w}
    expected = {
        "roc_auc": sk.roc_auc_score(y, p, **weighted),
        "average_precision": sk.average_precision_score(y, p, **weighted),
        "brier": sk.brier_score_loss(y, p, **weighted),
        "log_loss": sk.log_loss(y, p, labels=[False, True], **weighted),
        "f1": sk.f1_score(y, above, zero_division=0, **weighted),
        "precision": sk.precision_score(y, above, zero_division=0, **weighted),
        "recall": sk.recall_score(y, above, **weighted),
        "accuracy": sk.accuracy_score(y, above, **weighted),
    }
    for name, its in expected.items():
        assert found[name] == pytest.approx(its, rel=1e-12, abs=1e-12), name


@given(rows=outcomes(25), data=st.data())
def test_a_weight_stands_for_so_many_equal_rows(rows: Outcomes, data: st.DataObject) -> None:
    n = rows.score.size
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    weights[:2] = np.maximum(weights[:2], 1)
    repeated = rows.take(np.repeat(np.arange(n), weights))
    weighted = value(ranking_metrics(rows, weights[None].astype(np.float64)))
    weighted |= value(probability_metrics(rows, weights[None].astype(np.float64), 0.2))
    expected = judged(repeated, 0.2)
    assert weighted.keys() == expected.keys()
    for name, its in expected.items():
        assert weighted[name] == pytest.approx(its, rel=1e-9, abs=1e-12, nan_ok=True), name


@given(rows=outcomes(25), seed=st.integers(0, 1000))
def test_the_order_of_the_rows_does_not_matter(rows: Outcomes, seed: int) -> None:
    shuffled = rows.take(np.random.default_rng(seed).permutation(rows.score.size))
    found, again = judged(rows), judged(shuffled)
    for name, its in found.items():
        assert again[name] == pytest.approx(its, rel=1e-9, abs=1e-12, nan_ok=True), name


@given(rows=outcomes(25))
def test_many_weightings_at_once_are_each_of_them_alone(rows: Outcomes) -> None:
    weights = np.random.default_rng(0).integers(0, 3, (4, rows.score.size)).astype(np.float64)
    weights[:, :2] += 1
    for measure in (ranking_metrics, lambda r, w: probability_metrics(r, w, 0.2)):
        together = measure(rows, weights)
        for at in range(4):
            for name, its in measure(rows, weights[[at]]).items():
                np.testing.assert_allclose(together[name][at], its[0], rtol=1e-12, atol=1e-15)


@given(st.data())
def test_ties_at_the_tenth_place_take_the_expected_number_of_conversions(data: st.DataObject) -> None:
    above, tied, below = (
        data.draw(st.integers(0, 9)),
        data.draw(st.integers(11, 30)),
        data.draw(st.integers(0, 9)),
    )
    hits = data.draw(st.integers(0, tied))
    rows = of(
        [0.9] * above + [0.5] * tied + [0.1] * below,
        [1] * above + [1] * hits + [0] * (tied - hits) + [0] * below,
    )
    expected = (above + (10 - above) * hits / tied) / 10
    assert judged(rows)["precision_at_10"] == pytest.approx(expected, rel=1e-12)


def test_precision_at_ten_is_the_mean_of_random_orders_of_the_ties() -> None:
    score, label = np.repeat([0.8, 0.4], [4, 26]), np.arange(30) % 3 == 0
    rng = np.random.default_rng(0)
    means = []
    for _ in range(4000):
        order = np.lexsort((rng.random(30), -score))
        means.append(label[order[:10]].mean())
    assert judged(of(list(score), list(label)))["precision_at_10"] == pytest.approx(np.mean(means), abs=0.01)


def test_depths_are_per_list_and_averaged_over_the_lists() -> None:
    score = [*np.linspace(1, 0, 20), *np.linspace(0.5, 0, 20)]
    label = [1] * 5 + [0] * 15 + [0] * 9 + [1] * 2 + [0] * 9
    found = judged(of(score, label, [0] * 20 + [1] * 20))
    assert found["precision_at_10"] == pytest.approx((0.5 + 0.1) / 2)
    assert found["recall_at_10"] == pytest.approx((1 + 0.5) / 2)
    assert found["lift_at_10"] == pytest.approx(0.3 / (7 / 40))


def test_a_list_shorter_than_the_depth_is_called_whole() -> None:
    found = judged(of([0.3, 0.2, 0.1, 0.0], [0, 1, 0, 1]))
    assert found["precision_at_10"] == found["precision_at_50"] == 0.5
    assert found["recall_at_10"] == 1


def test_a_list_without_conversions_has_no_recall_but_a_precision() -> None:
    found = judged(of([0.9, 0.1, 0.9, 0.1], [1, 0, 0, 0], [0, 0, 1, 1]))
    assert found["recall_at_10"] == 1
    assert found["precision_at_10"] == pytest.approx((0.5 + 0) / 2)


def test_the_top_decile_is_a_tenth_of_all_rows() -> None:
    found = judged(of(list(np.linspace(1, 0, 40)), [1, 1, 0, 1] + [0] * 35 + [1]))
    assert found["precision_top_decile"] == pytest.approx(3 / 4)
    assert found["recall_top_decile"] == pytest.approx(3 / 4)
    assert found["lift_top_decile"] == pytest.approx(0.75 / 0.1)


@pytest.mark.parametrize("label", [0, 1])
def test_what_is_not_defined_without_both_outcomes_is_not_a_number(label: int) -> None:
    found = judged(of([0.1, 0.4, 0.8], [label] * 3))
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["average_precision"]) == (label == 0)
    assert np.isnan(found["recall"]) == (label == 0)
    assert np.isfinite(found["log_loss"])
    assert np.isfinite(found["brier"])


def test_the_calibration_error_is_the_mean_gap_over_ten_equal_bins() -> None:
    probability = np.repeat(np.arange(10) / 10 + 0.05, 20)
    observed = np.tile(np.arange(20) < 10, 10)
    gaps = np.abs(np.arange(10) / 10 + 0.05 - 0.5)
    assert judged(of(list(probability), list(observed)))["calibration_error"] == pytest.approx(gaps.mean())


@pytest.mark.parametrize("n", [5, 10, 23, 1000])
def test_a_constant_probability_is_off_by_its_distance_from_the_rate(n: int) -> None:
    label = np.arange(n) < n // 4
    assert judged(of([0.6] * n, list(label)))["calibration_error"] == pytest.approx(abs(0.6 - label.mean()))


def test_chance_ranks_at_the_rate_of_conversions() -> None:
    rng = np.random.default_rng(3)
    rows = of(list(rng.random(400)), list(rng.random(400) < 0.1), [0] * 200 + [1] * 200)
    found = random_metrics(rows)
    rate = rows.label.mean()
    assert found["average_precision"] == found["precision_top_decile"] == pytest.approx(rate)
    assert found["precision_at_10"] == pytest.approx(rate)
    assert found["roc_auc"] == 0.5
    assert found["lift_at_50"] == found["lift_top_decile"] == pytest.approx(1)
    assert found["recall_top_decile"] == pytest.approx(0.1)


@given(rows=outcomes())
def test_bins_hold_equally_many_rows_and_have_the_calibration_error_between_them(rows: Outcomes) -> None:
    shares = np.stack([*bin_shares(rows.score)], axis=1)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares.sum(axis=0), rows.score.size / 10)
    error = np.abs((rows.score - rows.label) @ shares).sum() / rows.score.size
    assert error == pytest.approx(judged(rows)["calibration_error"], abs=1e-12)


def test_depths_are_those_of_whole_lists_of_which_the_rows_are_a_share() -> None:
    whole = of(list(np.linspace(1, 0, 200)), [1, 1, 0, 0, 1] * 40)
    fifth = replace(whole, share=0.2)
    found, hits = judged(fifth), np.cumsum(whole.label)
    assert found["precision_at_10"] == hits[1] / 2
    assert found["precision_at_50"] == hits[9] / 10
    assert found["recall_at_50"] == hits[9] / hits[-1]
    assert found["roc_auc"] == judged(whole)["roc_auc"]
    assert fifth.take(np.arange(200) < 150).share == 0.2
    assert random_metrics(fifth)["recall_at_50"] == pytest.approx(10 / 200)


def test_sums_are_the_same_to_the_bit_before_and_after_the_loop_is_compiled(monkeypatch):
    rng = np.random.default_rng(3)
    score, hit = rng.integers(0, 40, 200) / 7.0, rng.normal(size=200)
    weights = np.ascontiguousarray(rng.poisson(1.0, (9, 200)).astype(np.float64))
    compiled = CumulatedRanking.build(score, hit, weights)
    monkeypatch.setattr(add_up, "run", add_up.meanwhile)
    meanwhile = CumulatedRanking.build(score, hit, weights)
    order = np.argsort(-score, kind="stable")
    expected = np.cumsum(weights[:, order] * hit[order], axis=1)[:, np.flatnonzero(np.diff(score[order]))]
    np.testing.assert_array_equal(compiled.hits[:, 1:-1], expected)
    np.testing.assert_array_equal(compiled.hits, meanwhile.hits)
    np.testing.assert_array_equal(compiled.weight, meanwhile.weight)


def test_rows_taken_keep_what_they_stand_for() -> None:
    rows = replace(of([0.3, 0.2, 0.1], [1, 0, 0]), weight=np.array([1.0, 4.0, 2.0]))
    taken = rows.take(np.array([True, False, True]))
    assert taken.weight is not None
    assert (taken.weight.tolist(), taken.company.tolist(), taken.label.tolist()) == ([1, 2], [0, 2], [1, 0])
    assert taken.once().tolist() == [[1, 2]]
    assert of([0.3, 0.2], [1, 0]).take(np.array([1])).once().tolist() == [[1]]


def test_the_first_bin_holds_the_best_scores_and_equals_share_their_places() -> None:
    shares = np.stack([*bin_shares(np.array([0.1, 0.9, *[0.5] * 8]))], axis=1)
    assert shares[1].tolist() == [1, *[0] * 9]
    assert shares[0].tolist() == [*[0] * 9, 1]
    assert shares[2] == pytest.approx([0, *[1 / 8] * 8, 0])


def test_where_nothing_is_predicted_precision_and_f1_are_nothing_and_no_recall_is_known_of_nobody() -> None:
    label, nothing = np.array([True, False, False]), np.zeros(3, dtype=np.int32)
    one = Outcomes(np.array([0.3, 0.2, 0.1]), label, nothing, nothing)
    found = {name: float(each[0]) for name, each in probability_metrics(one, np.ones((1, 3)), 0.5).items()}
    assert (found["precision"], found["recall"], found["f1"]) == (0, 0, 0)
    nobody = replace(one, label=np.zeros(3, dtype=bool))
    found = {name: float(each[0]) for name, each in probability_metrics(nobody, np.ones((1, 3)), 0.5).items()}
    assert (found["precision"], found["f1"], found["accuracy"]) == (0, 0, 1)
    assert np.isnan(found["recall"])


def test_resamples_of_a_long_list_are_added_up_around_its_converters_alone() -> None:
    rng = np.random.default_rng(4)
    rows = of(list(rng.random(500)), [int(one in {3, 77, 400}) for one in range(500)])
    weights = rng.poisson(1.0, (5, 500)).astype(np.float64)
    weights[:, 77] += 1
    few, every = (
        CumulatedRanking.build(rows.score, rows.label, weights),
        CumulatedRanking.build(rows.score, rows.label, weights[:1]),
    )
    assert few.weight.shape[1] <= 9 < every.weight.shape[1] == 501
    depth = np.arange(0.0, every.total[0], 7.3)
    np.testing.assert_array_equal(
        np.interp(depth, few.weight[0], few.hits[0]), np.interp(depth, every.weight[0], every.hits[0])
    )
    assert few.roc_auc()[0] == every.roc_auc()[0]
    assert few.average_precision()[0] == pytest.approx(every.average_precision()[0], rel=1e-12)


def test_weights_that_are_looked_up_by_company_give_what_those_written_down_for_rows_give() -> None:
    rng = np.random.default_rng(6)
    score, company = rng.integers(0, 900, 2400) / 1000, np.sort(rng.integers(0, 700, 2400))
    one = Outcomes(score, rng.random(2400) < score / 9, rng.integers(0, 3, 2400), company.astype(np.int32))
    (drawn,) = cluster_weights(one.company, 20, 5)
    written = np.asarray(drawn)
    ranked, expected = ranking_metrics(one, drawn), ranking_metrics(one, written)
    assert {name: each.tolist() for name, each in ranked.items()} == {
        name: each.tolist() for name, each in expected.items()
    }
    found, expected = (probability_metrics(one, weights, 0.5) for weights in (drawn, written))
    for name, each in expected.items():
        np.testing.assert_allclose(found[name], each, rtol=1e-9, err_msg=name)
    assert found["true_positives"].tolist() == expected["true_positives"].tolist()


def test_a_mean_over_lists_is_of_those_that_define_it() -> None:
    nan = float("nan")
    found = mean_of_defined([np.array([1.0, nan, nan, 0.0]), np.array([2.0, 3.0, nan, nan])])
    np.testing.assert_array_equal(found, [1.5, 3.0, nan, 0.0])
