"""What features are made of: nothing but a form's measures and attributes, and since when one exists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_BEGAN
from ml_sys.features.attributes import Attributes
from ml_sys.features.inputs import FeatureInputs, NotInSnapshotError, measures_of
from tests.features import forms

DAY = 19_000


def students(n: int = 3, *, spec=forms.SPEC, since: np.ndarray | None = None) -> FeatureInputs:  # type: ignore[no-untyped-def]
    """Students of whom each did something on as many days as its number, once more a day each."""
    company = np.repeat(np.arange(n, dtype=np.int32), np.arange(n))
    values = np.arange(1, company.size + 1, dtype=np.int64)[:, None] * np.array([1, 0, 0, 1000, 1])
    stamps = (DAY + np.arange(company.size)).astype(np.int32)
    rows = [[age, None, None, None, None, None] for age in range(n)]
    return FeatureInputs.of((company, stamps, values), Attributes.of(spec.form.attributes, rows), spec, since)


def test_the_day_of_beginning_is_known_only_where_the_form_has_one() -> None:
    since = np.array([1, 2, 3], dtype=np.int32)
    assert students(since=since).since.tolist() == [1, 2, 3]
    assert students().since.tolist() == [NEVER_BEGAN] * 3
    undated = replace(forms.SPEC, form=replace(forms.COURSE, has_since=False))
    assert students(spec=undated, since=since).since.tolist() == [NEVER_BEGAN] * 3


def test_usage_knows_which_measures_make_a_row_active_and_how_many_digits_they_keep() -> None:
    log = students().usage
    assert (log.n_companies, log.n_activity, log.digits) == (3, 4, (0, 0, 0, 3, 0))
    assert log.day.tolist() == [DAY + 1, DAY + 2, DAY + 3]  # complete a day after the stamp


def test_the_inputs_of_some_are_those_of_each_in_the_order_given() -> None:
    some = students(since=np.array([10, 11, 12], dtype=np.int32)).take(np.array([2, 0]))
    assert some.since.tolist() == [12, 10]
    assert some.attributes.columns[0].tolist() == [2, 0]
    assert some.usage.company.tolist() == [0, 0]
    assert some.usage.values[:, 0].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"digits": 2}, "no measure 'minutes_watched'"),
        ({"role": "actions"}, "no measure 'minutes_watched'"),
        ({"name": "seconds_watched"}, "no measure 'minutes_watched'"),
    ],
)
def test_a_measure_of_another_meaning_is_none_that_the_model_knows(
    changed: dict[str, object], named: str
) -> None:
    at = forms.COURSE.measure_names.index("minutes_watched")
    measures = list(forms.COURSE.measures)
    measures[at] = replace(measures[at], **changed)  # type: ignore[arg-type]
    there = replace(forms.COURSE, measures=tuple(measures))
    with pytest.raises(NotInSnapshotError, match=named):
        measures_of(np.zeros((1, 5)), there, forms.COURSE)


def test_an_attribute_of_another_kind_is_none_that_the_model_knows() -> None:
    other = tuple(
        replace(one, kind="category") if one.name == "plan" else one for one in forms.COURSE.attributes
    )
    with pytest.raises(NotInSnapshotError, match="no attribute 'plan'"):
        measures_of(np.zeros((1, 5)), replace(forms.COURSE, attributes=other), forms.COURSE)


def test_measures_told_in_other_words_are_the_same_measures() -> None:
    other = tuple(replace(one, place="there") for one in forms.COURSE.measures)
    values = np.arange(10).reshape(2, 5)
    found = measures_of(values, replace(forms.COURSE, measures=other), forms.COURSE)
    np.testing.assert_array_equal(found, values)
