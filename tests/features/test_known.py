"""Features are computed once, whoever asks for them, and are those of one cutoff alone."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml_sys.engine.mapping import Engine
from ml_sys.experiments.fitting import learn_features
from ml_sys.experiments.schedule import Term
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import FeatureSpec, feature_frame
from ml_sys.features.derived import FEATURES
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.known import KnownFeatures, rows_of_part
from ml_sys.features.rules import rule_scores
from ml_sys.features.sampling import Draws, Sample, draw
from ml_sys.features.windows import BLOCK_COMPANIES, NEVER
from ml_sys.form import Attribute
from ml_sys.leaks.blind_models import shuffled_ranking
from ml_sys.model.split import Source, rolling, split, training_part
from ml_sys.model.train import spec_from
from ml_sys.settings import Settings
from tests.features import forms
from tests.model import world as w

SPEC = FeatureSpec(windows_days=(7, 28))
WORLD = w.small_world(companies=60, weeks=20)
INPUTS = FeatureInputs.from_snapshot(WORLD, FeatureSpec((7,)))
GRID = np.arange(w.MONDAY + 35, w.MONDAY + 133, 7, dtype=np.int32)

COUNTING = '''
"""A feature that notes which cutoffs it is asked for."""
from ml_sys.features.derived import feature

asked, sizes = [], []

@feature(group="mine")
def noted_{name}(usage):
    """Actions of the last week."""
    asked.extend(usage.cutoffs.tolist())
    sizes.append(usage.stats.first.size)
    return usage.actions(7)
'''


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The name of a module whose feature notes what it is asked for, gone again after the test."""
    name = f"counting_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(COUNTING.format(name=name))
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    FEATURES.pop(f"noted_{name}", None)
    sys.modules.pop(name, None)


@given(
    asked=st.lists(st.lists(st.sampled_from(GRID.tolist()), min_size=1, unique=True), min_size=1, max_size=4)
)
def test_whatever_was_asked_before_features_and_rules_are_those_of_the_cutoffs(
    asked: list[list[int]],
) -> None:
    known = KnownFeatures(INPUTS)
    for cutoffs in (np.array(sorted(one), dtype=np.int32) for one in asked):
        pd.testing.assert_frame_equal(
            known.rows(cutoffs, SPEC).frame(), feature_frame(INPUTS, cutoffs, SPEC), check_exact=True
        )
        first, scores = rule_scores(INPUTS, cutoffs)
        seen, told = known.rules(cutoffs)
        np.testing.assert_array_equal(seen, (first != NEVER).ravel())
        assert told.keys() == scores.keys()
        assert all((told[name] == scores[name]).all() for name in told)


@cache
def of_all() -> pd.DataFrame:
    return feature_frame(INPUTS, GRID, SPEC)


@given(
    asked=st.lists(
        st.lists(st.tuples(st.integers(0, 59), st.sampled_from(GRID.tolist())), min_size=1, max_size=40),
        min_size=1,
        max_size=3,
    ),
    whole=st.lists(st.sampled_from(GRID.tolist()), max_size=2, unique=True),
)
def test_features_of_some_pairs_are_those_of_all(
    asked: list[list[tuple[int, int]]], whole: list[int]
) -> None:
    known, every = KnownFeatures(INPUTS), of_all()
    for pairs in asked:
        company, cutoff = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
        place = company * GRID.size + np.searchsorted(GRID, cutoff)
        pd.testing.assert_frame_equal(
            known.some(company, cutoff, SPEC).frame(),
            every.take(place).reset_index(drop=True),
            check_exact=True,
            check_dtype=False,  # texts that are all blank have no type of their own
        )
    cutoffs = np.array(sorted(whole), dtype=np.int32)
    pd.testing.assert_frame_equal(
        known.rows(cutoffs, SPEC).frame(),
        feature_frame(INPUTS, cutoffs, SPEC),
        check_exact=True,
        check_dtype=False,
    )


def test_without_a_cutoff_there_are_no_rows() -> None:
    none = np.empty(0, dtype=np.int32)
    rows = KnownFeatures(INPUTS).rows(none, SPEC)
    assert len(rows) == 0
    assert list(rows.frame().columns) == SPEC.names()


def test_fit_and_canaries_compute_the_features_of_a_cutoff_once(counting: str) -> None:
    settings = Settings.model_validate(
        {
            "features": {"extra": [f"{counting}:noted_{counting}"], "windows_days": [28]},
            "panel": {"step_days": 14},
            "split": {"holdout_cutoffs": 1},
        }
    )
    source, spec = Source.of(w.small_world(), settings), spec_from(settings)
    split(source, spec, settings)
    times = Counter(sys.modules[counting].asked)
    assert times
    shuffled_ranking(source, spec, settings, split)
    split(replace(source, closed=source.closed[::-1].copy()), spec, settings)
    assert Counter(sys.modules[counting].asked) == times


def test_fits_of_past_lists_find_the_features_known_that_were_computed_for_all_of_them(counting: str) -> None:
    settings = Settings.model_validate(
        {"features": {"extra": [f"{counting}:noted_{counting}"]}, "panel": {"step_days": 14}}
    )
    source, spec = Source.of(w.small_world(), settings), spec_from(settings)
    day = source.timeline.latest_mature()
    terms = tuple(Term(first, (first, first + 7)) for first in (day - 28, day - 14))
    learn_features(source, terms, settings)
    times = Counter(sys.modules[counting].asked)
    assert times.keys() >= {cutoff for term in terms for cutoff in term.cutoffs}
    for term in terms:
        training_part(source, term.trained, spec, settings.panel, settings.seed)
        rolling(source, np.array(term.cutoffs, dtype=np.int32), spec)
    assert Counter(sys.modules[counting].asked) == times


def test_of_a_sampled_panel_features_of_the_rows_drawn_and_held_out_are_computed_and_no_others(
    counting: str,
) -> None:
    settings = Settings.model_validate(
        {
            "features": {"extra": [f"{counting}:noted_{counting}"], "windows_days": [28]},
            "panel": {"max_rows": 900, "negatives_per_positive": 3},
            "split": {"holdout_cutoffs": 1},
        }
    )
    source, spec = Source.of(w.small_world(), settings), spec_from(settings)
    part, holdout = split(source, spec, settings)
    sizes = sys.modules[counting].sizes
    assert sum(sizes) == len(part.train) + source.ids.size < part.train.rows.standing_for() / 2
    assert set(np.unique(holdout.cutoff)) == {source.timeline.latest_mature()}
    shuffled_ranking(source, spec, settings, split)
    assert sum(sizes) < 2 * len(part.train) + source.ids.size

    day, computed = source.timeline.latest_mature(), sum(sizes)
    terms = tuple(Term(first, (first,)) for first in (day - 28, day - 14))
    learn_features(source, terms, settings)
    assert sum(sizes) < computed + len(part.train) + 2 * source.ids.size
    computed = sum(sizes)
    for term in terms:
        assert (
            training_part(source, term.trained, spec, settings.panel, settings.seed).train.weight is not None
        )
    assert sum(sizes) == computed


def test_companies_of_a_later_block_have_their_own_attributes_and_days() -> None:
    n = BLOCK_COMPANIES + 2
    form = replace(forms.BARE, attributes=(Attribute("seats", "number", "seats", "seats"),), has_since=True)
    spec = replace(forms.BARE_SPEC, form=form)
    seats = Attributes(form.attributes, (np.arange(n, dtype=np.float64),), n)
    usage = np.array([0, n - 1], np.int32), np.full(2, 18_000, np.int32), np.full((2, 1), 100, np.int64)
    since = np.arange(17_000 - n, 17_000, dtype=np.int32)
    known = KnownFeatures(FeatureInputs.of(usage, seats, spec, since))
    found = known.rows(np.array([18_300], np.int32), spec).frame()
    assert found["seats"].tolist() == list(range(n))
    assert found["days_since_began"].tolist() == (18_300 - since).tolist()


def test_without_a_cutoff_there_is_no_rule_to_score() -> None:
    seen, scores = KnownFeatures(INPUTS).rules(np.empty(0, dtype=np.int32))
    assert (seen.size, scores) == (0, {})


@dataclass(frozen=True)
class Part:
    """Some companies that follow each other: what a worker is sent."""

    inputs: FeatureInputs
    closed: NDArray[np.int32]


def in_parts(n_parts: int) -> list[Part]:
    edges = np.linspace(0, len(WORLD.companies), n_parts + 1).astype(np.intp)
    parts = [np.arange(low, high) for low, high in itertools.pairwise(edges.tolist())]
    return [Part(INPUTS.take(part), WORLD.closed[part]) for part in parts]


def drawn(part: Part) -> tuple[Sample, pd.DataFrame, pd.DataFrame]:
    """What training takes of a part: keys drawn, the features of these alone, and those of a whole cutoff."""
    how, among = Draws(one_in=3, step_days=7, seed=1), np.ones(part.closed.size, dtype=bool)
    sample = draw(part.inputs, part.closed, GRID, w.HORIZON, how, among)
    known = KnownFeatures(part.inputs)
    chosen = known.some(sample.company, sample.cutoff, SPEC)
    return sample, chosen.frame(), rows_of_part(part.inputs, GRID[-1:], SPEC).frame()


@pytest.mark.parametrize(
    ("n_parts", "workers"), [(3, 1), (16, 1), pytest.param(3, 2, marks=pytest.mark.slow)]
)
def test_draws_and_features_are_the_same_in_however_many_parts_and_processes(n_parts, workers) -> None:
    sample, chosen, whole = drawn(Part(INPUTS, WORLD.closed))
    parts = in_parts(n_parts)
    found = Engine(workers=workers).map(drawn, parts)
    first = np.cumsum([0, *(one.closed.size for one in parts)]).tolist()
    company = [one.company + start for (one, _, _), start in zip(found, first, strict=False)]
    np.testing.assert_array_equal(np.concatenate(company), sample.company)
    for name in ("cutoff", "label"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(one, name) for one, _, _ in found]), getattr(sample, name)
        )
    assert sum(one.others for one, _, _ in found) == sample.others
    for at, frame in ((1, chosen), (2, whole)):
        pd.testing.assert_frame_equal(pd.concat([one[at] for one in found], ignore_index=True), frame)


def test_pairs_that_are_asked_for_in_turns_are_those_asked_for_together() -> None:
    rng = np.random.default_rng(2)
    company = rng.integers(0, len(WORLD.companies), 200).astype(np.int32)
    cutoff = rng.choice(GRID[:4], 200)
    known = KnownFeatures(INPUTS)
    for part in np.array_split(np.arange(200), 5):
        known.learn_some(company[part], cutoff[part], SPEC)
    known.learn(GRID[1:2], SPEC)
    again = known.some(company, cutoff, SPEC).frame()
    pd.testing.assert_frame_equal(again, KnownFeatures(INPUTS).some(company, cutoff, SPEC).frame())


def test_pairs_have_the_same_features_in_however_many_batches_they_are_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    company, cutoff = np.repeat(np.arange(40, dtype=np.int32), 4), np.tile(GRID[:4], 40)
    expected = KnownFeatures(INPUTS).some(company, cutoff, SPEC).frame()
    monkeypatch.setattr("ml_sys.features.known._CHOSEN_ROWS", 50)
    pd.testing.assert_frame_equal(KnownFeatures(INPUTS).some(company, cutoff, SPEC).frame(), expected)


def test_what_a_copy_learns_is_not_known_to_the_one_that_it_is_of() -> None:
    known = KnownFeatures(INPUTS)
    before = len(known.rows(GRID[:1], SPEC).different)
    company, cutoff = np.arange(40, dtype=np.int32), np.repeat(GRID[2:3], 40)
    copy = known.apart()
    copy.learn(GRID[1:2], SPEC)
    assert len(copy.some(company, cutoff, SPEC).different) > before
    assert len(known.rows(GRID[:1], SPEC).different) == before
    pd.testing.assert_frame_equal(
        known.some(company, cutoff, SPEC).frame(), copy.some(company, cutoff, SPEC).frame()
    )
