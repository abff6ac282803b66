"""The encoder: whatever a frame holds comes out as finite numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ml_sys.features.rows import Rows
from ml_sys.model.encoder import FrameEncoder
from ml_sys.model.scaling import STEPS, scaled, signed_log

NUMBERS, CATEGORIES = ["a", "b"], ["colour"]
cells = st.one_of(
    st.floats(width=32, allow_infinity=False),
    st.sampled_from([0.0, 1e30, -1e30, 3.4e38, 1e-40, float("nan")]),
)
colours = st.sampled_from(["red", "green", "", "other", None])


def frame_of(a: list[float], b: list[float], colour: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "a": np.array(a, dtype=np.float32),
            "b": np.array(b, dtype=np.float32),
            "colour": np.array(colour, dtype=object),
        }
    )


def fitted(frame: pd.DataFrame | Rows, min_level_share: float = 0.0) -> FrameEncoder:
    return FrameEncoder(NUMBERS, CATEGORIES, min_level_share).fit(frame)


TRAINING = frame_of(
    [0, 1, 3, 7, np.nan], [5, 5, 5, 5, 5], ["red", "red", "green", None, "blue"]
)  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(1, 12))
    columns = [draw(st.lists(kind, min_size=n, max_size=n)) for kind in (cells, cells, colours)]
    return frame_of(*columns)


@given(training=frames(), scored=frames())
def test_every_frame_becomes_finite_numbers_and_known_codes(
    training: pd.DataFrame, scored: pd.DataFrame
) -> None:
    encoder = fitted(training)
    for frame in (training, scored):
        encoded = encoder.transform(frame)
        assert encoded.dtype == np.float32
        assert encoded.shape == (len(frame), 3)
        assert np.isfinite(encoded).all()
        assert set(encoded[:, 2]) <= set(range(len(encoder.levels_[0]) + 1))


def test_codes_follow_frequency_and_a_level_never_seen_takes_the_last_one() -> None:
    encoder = fitted(TRAINING)
    assert encoder.levels_ == [["red", "blue", "green"]]
    scored = frame_of([0] * 5, [0] * 5, ["red", "blue", "green", "violet", "other"])
    assert encoder.transform(scored)[:, 2].tolist() == [0, 1, 2, 3, 3]


def test_a_blank_category_is_taken_for_the_most_frequent_level() -> None:
    scored = frame_of([0] * 2, [0] * 2, [None, "red"])
    scored.loc[2] = [0, 0, float("nan")]
    assert fitted(TRAINING).transform(scored)[:, 2].tolist() == [0, 0, 0]


def test_a_rare_level_shares_the_code_of_those_never_seen() -> None:
    encoder = fitted(TRAINING, min_level_share=0.3)
    assert encoder.levels_ == [["red"]]
    assert encoder.transform(frame_of([0] * 2, [0] * 2, ["green", "violet"]))[:, 2].tolist() == [1, 1]


def test_a_blank_number_is_encoded_as_the_median_of_the_training_rows() -> None:
    encoded = fitted(TRAINING).transform(frame_of([np.nan, 2], [np.nan, 5], ["red"] * 2))
    np.testing.assert_array_equal(encoded[0], encoded[1])


def test_numbers_are_logged_and_then_scaled_by_quartiles() -> None:
    training = frame_of([0, 1, 3, 7, 15], [0] * 5, ["red"] * 5)
    encoded = fitted(training).transform(training)[:, 0]
    np.testing.assert_allclose(encoded, np.array([-2, -1, 0, 1, 2]) / 2, rtol=1e-6, atol=1e-7)


def test_the_sign_of_a_number_is_kept() -> None:
    encoder = fitted(frame_of([-10, -1, 0, 1, 10], [0] * 5, ["red"] * 5))
    encoded = encoder.transform(frame_of([-1e30, -5, 0, 5, 1e30], [0] * 5, ["red"] * 5))[:, 0]
    assert (np.diff(encoded) > 0).all()
    np.testing.assert_allclose(encoded, -encoded[::-1])


def test_a_constant_and_an_empty_column_carry_nothing_and_break_nothing() -> None:
    training = frame_of([np.nan] * 4, [5] * 4, [None] * 4)
    encoder = fitted(training)
    assert encoder.levels_ == [[]]
    np.testing.assert_array_equal(encoder.transform(training), np.zeros((4, 3)))


def test_a_column_constant_but_for_one_row_is_scaled_by_its_spread() -> None:
    training = frame_of([0] * 99 + [1e30], [0] * 100, ["red"] * 100)
    assert 1 < fitted(training).transform(training)[:, 0].max() < 20


def test_no_rows_become_no_rows() -> None:
    nobody = TRAINING.head(0)
    assert fitted(TRAINING).transform(nobody).shape == (0, 3)
    assert np.isfinite(fitted(nobody).transform(TRAINING)).all()


def test_a_spread_that_is_only_rounding_is_none() -> None:
    training = frame_of([0.1] * 11, [0] * 10 + [1e-41], ["red"] * 11)
    scored = frame_of([0.2], [5], ["red"])
    np.testing.assert_allclose(
        fitted(training).transform(scored), [[np.log(1.2 / 1.1), np.log(6), 0]], atol=0.5 / STEPS
    )


def test_numbers_that_differ_in_their_last_bit_are_encoded_alike() -> None:
    numbers = np.random.default_rng(4).lognormal(2, 2, 5000).astype(np.float32)
    training = frame_of(numbers, [0] * 5000, ["red"] * 5000)
    rounded = frame_of(np.nextafter(numbers, np.float32(np.inf)), [0] * 5000, ["red"] * 5000)
    here, there = (fitted(one).transform(one)[:, 0] for one in (training, rounded))
    assert (here == there).mean() > 0.998


@given(st.floats(width=32, allow_nan=False), st.floats(width=32, allow_nan=False))
def test_encoding_never_turns_an_order_round(one: float, other: float) -> None:
    low, high = scaled(np.array(sorted((one, other))), 0.5, 0.7)
    assert low <= high


def test_the_order_of_the_training_rows_and_of_the_columns_does_not_matter() -> None:
    shuffled = TRAINING.iloc[[4, 2, 0, 3, 1]][["colour", "b", "a"]].reset_index(drop=True)
    np.testing.assert_array_equal(fitted(shuffled).transform(TRAINING), fitted(TRAINING).transform(TRAINING))


def test_an_encoder_is_cloned_unfitted_and_says_so() -> None:
    with pytest.raises(NotFittedError):
        clone(fitted(TRAINING)).transform(TRAINING)


def test_columns_are_named_numbers_first() -> None:
    assert fitted(TRAINING).get_feature_names_out().tolist() == ["a", "b", "colour"]


@given(training=frames())
def test_learning_and_encoding_in_one_go_gives_the_bits_of_both_steps(training: pd.DataFrame) -> None:
    together = FrameEncoder(NUMBERS, CATEGORIES, 0.0)
    encoded = together.fit_transform(training)
    assert encoded.tobytes() == fitted(training).transform(training).tobytes()
    assert together.plain() == fitted(training).plain()


@given(frame=frames(), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 200))
def test_what_is_learned_of_repeated_rows_is_numpys_of_the_whole_column_to_the_bit(
    frame: pd.DataFrame, seed: int, n: int
) -> None:
    which = np.random.default_rng(seed).integers(0, len(frame), n)
    whole = frame.take(which).reset_index(drop=True)
    encoder = fitted(Rows.merged(whole))
    for at, name in enumerate(NUMBERS):
        column = whole[name].to_numpy(dtype=np.float64)
        known = column[~np.isnan(column)]
        assert encoder.medians_[at] == (np.median(known) if known.size else 0.0)
        logged = signed_log(np.where(np.isnan(column), encoder.medians_[at], column))
        low, center, high = np.quantile(logged, (0.25, 0.5, 0.75))
        assert encoder.centers_[at] == center
        assert encoder.scales_[at] in {high - low, np.std(logged), 1.0}
    np.testing.assert_array_equal(encoder.transform(Rows.merged(whole)), fitted(whole).transform(whole))


def test_what_was_learned_is_told_by_hand() -> None:
    # Logs of 0, 1, 3, 7 and, for the blank, of their median 2: quartiles log 2 and log 4, spread log 2.
    found = fitted(TRAINING, min_level_share=0.4).plain()
    assert list(found) == ["numbers", "categories", "medians", "centers", "scales", "levels", "rare"]
    assert (found["numbers"], found["categories"], found["medians"]) == (NUMBERS, CATEGORIES, [2, 5])
    assert found["centers"] == pytest.approx([np.log(3), np.log(6)])
    assert found["scales"] == pytest.approx([np.log(2), 1])
    assert (found["levels"], found["rare"]) == ([["red"]], [["blue", "green"]])
    assert fitted(TRAINING).n_features_in_ == 3
    with pytest.raises(NotFittedError):
        FrameEncoder(NUMBERS, CATEGORIES).plain()


def test_a_level_with_exactly_the_least_share_has_a_code_of_its_own() -> None:
    training = frame_of([0] * 400, [0] * 400, ["red"] * 397 + ["green"] * 2 + ["blue"])
    encoder = FrameEncoder(NUMBERS, CATEGORIES).fit(training)
    assert (encoder.min_level_share, encoder.levels_, encoder.rare_) == (
        0.005,
        [["red", "green"]],
        [["blue"]],
    )


def test_without_rows_nothing_is_known() -> None:
    found = fitted(TRAINING.head(0)).plain()
    assert (found["medians"], found["centers"], found["scales"]) == ([0, 0], [0, 0], [1, 1])
    assert (found["levels"], found["rare"]) == ([[]], [[]])


def test_steps_are_a_256th_of_the_scale() -> None:
    assert STEPS == 256
    assert scaled(np.array([np.e - 1]), 0.5, 2.0).tolist() == [0.25]
    assert scaled(np.expm1([1 / 256 * 0.51, 1 / 256 * 0.49]), 0.0, 1.0).tolist() == [1 / 256, 0]


def test_a_narrow_spread_is_a_spread() -> None:
    """Quartiles a few thousandths apart are what a number is scaled by, not taken for a constant."""
    values = [1 + at / 1000 for at in range(9)]
    encoder = fitted(frame_of(values, values, ["red"] * 9))
    low, high = (np.log1p(np.float32(one).astype(np.float64)) for one in (1.002, 1.006))
    assert encoder.scales_[0] == pytest.approx(high - low)


def test_a_level_that_no_training_row_has_is_none_of_the_rare_ones() -> None:
    rows = Rows.of(TRAINING)
    encoder = fitted(rows.take(np.array([0, 1, 2])), 0.5)
    assert (encoder.levels_, encoder.rare_) == ([["red"]], [["green"]])


def test_quartiles_between_two_values_are_numpys() -> None:
    encoder = fitted(frame_of([0.0, 1.0], [2.0, 6.0], ["red", "red"]))
    for at, pair in enumerate(((0.0, 1.0), (2.0, 6.0))):
        low, middle, high = np.quantile(np.log1p(np.array(pair)), (0.25, 0.5, 0.75))
        assert (encoder.centers_[at], encoder.scales_[at]) == pytest.approx((middle, high - low))


def test_a_level_is_rare_by_how_many_rows_it_stands_for():
    rows = Rows.of(frame_of([0, 0, 0], [5, 5, 5], ["red", "green", "blue"]))
    weighted = Rows(rows.different, rows.which, np.array([80.0, 15.0, 5.0]))
    encoder = fitted(weighted, 0.1)
    assert (encoder.levels_, encoder.rare_) == ([["red", "green"]], [["blue"]])


def test_the_spread_of_weighted_rows_is_the_one_around_their_weighted_mean() -> None:
    rows = Rows.of(frame_of([0] * 9 + [1], [5] * 10, ["red"] * 10))
    weighted = Rows(rows.different, rows.which, np.array([11.0] * 9 + [1.0]))
    share = 1 / 100  # of the weight is that of the one that differs
    assert fitted(weighted).scales_[0] == pytest.approx(
        signed_log(np.ones(1))[0] * np.sqrt(share * (1 - share))
    )
