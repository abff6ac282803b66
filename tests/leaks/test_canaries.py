"""Leak canaries: silent on honest data, and each of them loud on the leak it is there for."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.derived import Column, Usage, feature
from ml_sys.features.known import KnownFeatures
from ml_sys.features.panel import Panel
from ml_sys.features.rows import Rows
from ml_sys.form import Noun
from ml_sys.leaks.blind_models import Split, id_rankings, shuffled_ranking
from ml_sys.leaks.canaries import (
    CHANCE,
    Canary,
    _near_perfect,
    _spread,
    blank_attributes,
    conversions_go_on,
    ids_alone,
    label_windows_apart,
    labels_shuffled,
    later_usage_deleted,
    run_canaries,
    single_columns,
)
from ml_sys.leaks.lookahead import _differ, _known_by
from ml_sys.leaks.separation import column_separations
from ml_sys.metrics.ranking import Outcomes
from ml_sys.model.split import Source, TrainingPart, rolling, split
from ml_sys.model.train import spec_from
from ml_sys.settings import CanarySettings, Settings
from tests.model import world as w

WORLD = w.small_world()
SETTINGS = w.settings()
SPEC = spec_from(SETTINGS)
SOURCE = Source.of(WORLD, SETTINGS)
PART, HOLDOUT = split(SOURCE, SPEC, SETTINGS)
TRAIN = PART.train
LIMITS = CanarySettings()
STRATIFIED = w.settings(split={"kind": "stratified", "holdout_share": 0.3})
LOGISTIC = w.settings(model={"estimator": "sklearn.linear_model:LogisticRegression", "params": {}}, threads=0)


def cut_with(
    gap_days: int, source: Source, spec: FeatureSpec, settings: Settings
) -> tuple[TrainingPart, Panel]:
    """Cut so that the last training cutoff lies ``gap_days`` before the last holdout cutoff."""
    timeline = source.timeline
    held = timeline.grid(timeline.latest_mature(), 28, 2)
    train = rolling(source, timeline.grid(int(held[-1]) - gap_days, 28, 12), spec)
    return TrainingPart(train, train), rolling(source, held, spec)


holdout_in_training: Split = partial(cut_with, 0)
no_embargo: Split = partial(cut_with, 28 + 7)


def shuffled(cut: Split = split, settings: Settings = SETTINGS, source: Source = SOURCE) -> Canary:
    return labels_shuffled(shuffled_ranking(source, spec_from(settings), settings, cut), settings.seed)


def by_ids(
    ids: NDArray[np.object_],
    limits: CanarySettings = LIMITS,
    part: TrainingPart = PART,
    holdout: Panel = HOLDOUT,
) -> Canary:
    return ids_alone(id_rankings(ids, part.train, holdout, seed=7, threads=1), limits, seed=7)


def numbered(key: NDArray[np.floating], text: str = "{}") -> NDArray[np.object_]:
    """Number companies from 1 by a key."""
    return np.array([text.format(1 + rank) for rank in np.argsort(np.argsort(key))], dtype=object)


def customers_first(share_moved: float = 1.0) -> NDArray[np.floating]:
    """A key by which customers, or a share of them, come before the others."""
    rng = np.random.default_rng(1)
    moved = (SOURCE.closed != NEVER_CLOSED) & (rng.random(w.COMPANIES) < share_moved)
    return rng.random(w.COMPANIES) - moved


def with_column(panel: Panel, name: str, values: object) -> Panel:
    return replace(panel, rows=Rows.of(panel.features.assign(**{name: values})))


def ever(panel: Panel) -> NDArray[np.bool_]:
    """Of each row, whether its company converts in some row."""
    return np.isin(panel.company, panel.company[panel.label])


# All of them


def test_on_generated_data_no_canary_fails(source: Source, quick_settings: Settings) -> None:
    spec = spec_from(quick_settings)
    found = run_canaries(source, spec, quick_settings, *split(source, spec, quick_settings))
    assert {one.name: one.status for one in found} == {
        "label windows apart": "passed",
        "labels shuffled": "passed",
        "ids as the only feature": "passed",
        "later usage deleted": "passed",
        "single columns": "passed",
        "conversions go on": "passed",
        "blank attributes": "warned",  # blanks of customers were filled in, as in real tables
    }


@pytest.mark.parametrize("settings", [STRATIFIED, w.settings(panel={"kind": "snapshot"})])
def test_the_same_arguments_give_the_same_canaries_and_figures_that_json_can_hold(settings: Settings) -> None:
    cut = split(SOURCE, SPEC, settings)
    once, again = (run_canaries(SOURCE, SPEC, settings, *cut) for _ in range(2))
    assert once == again
    assert not [one for one in once if one.status == "failed"]
    assert json.loads(json.dumps([asdict(one) for one in once], allow_nan=False)) == [asdict(o) for o in once]


def test_every_canary_looks_at_what_the_settings_and_the_source_say() -> None:
    """The horizon, when companies began, and what entities are called; every canary of it is one call."""
    horizon = w.HORIZON - 5
    settings = w.settings(label={"horizon_days": horizon})
    since = np.where(np.arange(w.COMPANIES) % 3 == 0, w.MONDAY + 200, NEVER_BEGAN).astype(np.int32)
    young = Source(
        KnownFeatures(replace(SOURCE.inputs, since=since)), SOURCE.closed, SOURCE.ids, SOURCE.timeline
    )
    words = replace(SPEC.form.words, entity=Noun("shop", "shops"))
    spec = replace(SPEC, form=replace(SPEC.form, words=words))
    late, holdout = no_embargo(SOURCE, SPEC, SETTINGS)
    barren: Split = lambda *_: (late, holdout.take(~holdout.label))  # noqa: E731  # no fit is needed here
    found = {one.name: one for one in run_canaries(young, spec, settings, late, holdout, cut=barren)}
    assert {one.words for one in found.values()} == {words}
    assert found["label windows apart"].figures == label_windows_apart(late, holdout, horizon).figures
    assert found["label windows apart"].figures["days"] == horizon - 7
    expected = conversions_go_on(SOURCE.closed, late, holdout, horizon, since)
    assert found["conversions go on"].figures == expected.figures
    assert expected.figures != conversions_go_on(SOURCE.closed, late, holdout, horizon).figures


def test_where_nobody_converts_every_canary_says_what_it_could_not_judge() -> None:
    nobody = replace(SOURCE, closed=np.full_like(SOURCE.closed, NEVER_CLOSED))
    found = run_canaries(nobody, SPEC, SETTINGS, *split(nobody, SPEC, SETTINGS))
    unjudged = {one.name for one in found if one.sentence().startswith("Could not be judged: ")}
    assert unjudged == {
        "labels shuffled", "ids as the only feature", "single columns", "blank attributes",
        "conversions go on",
    }  # fmt: skip
    assert {one.status for one in found if one.name in unjudged} == {"warned"}


# Label windows apart


@pytest.mark.parametrize("settings", [SETTINGS, STRATIFIED, w.settings(panel={"kind": "snapshot"})])
def test_windows_of_the_splits_are_apart(settings: Settings) -> None:
    assert label_windows_apart(*split(SOURCE, SPEC, settings), w.HORIZON).status == "passed"


def test_one_day_on_which_training_rows_tell_of_a_judged_company_is_too_many() -> None:
    apart = int(HOLDOUT.cutoff.min() - TRAIN.cutoff.max())
    assert label_windows_apart(PART, HOLDOUT, apart).status == "passed"
    found = label_windows_apart(PART, HOLDOUT, apart + 1)
    assert found.status == "failed"
    last, first = TRAIN.cutoff == TRAIN.cutoff.max(), HOLDOUT.cutoff == HOLDOUT.cutoff.min()
    both = np.intersect1d(TRAIN.company[last], HOLDOUT.company[first])
    assert found.figures == {"companies": both.size, "days": 1}


def test_a_forgotten_embargo_is_found_in_the_rows_that_only_validate_as_well() -> None:
    late, holdout = no_embargo(SOURCE, SPEC, SETTINGS)
    assert label_windows_apart(late, holdout, w.HORIZON).figures["days"] == w.HORIZON - 7
    assert label_windows_apart(TrainingPart(TRAIN, late.validation), holdout, w.HORIZON).status == "failed"
    assert label_windows_apart(TrainingPart(late.train, TRAIN), holdout, w.HORIZON).status == "failed"


# Labels shuffled


@pytest.mark.parametrize("settings", [SETTINGS, STRATIFIED, LOGISTIC])
def test_shuffled_labels_teach_nothing_through_an_honest_split(settings: Settings) -> None:
    found = shuffled(settings=settings)
    assert found.status == "passed"
    assert found.figures["p_value"] >= CHANCE


def test_shuffled_labels_are_learnt_when_holdout_rows_are_trained_on() -> None:
    found = shuffled(holdout_in_training)
    assert found.status == "failed"
    assert found.figures["average_precision"] > 3 * found.figures["rate"]


def test_holdout_rows_in_training_are_found_where_few_companies_convert(
    source: Source, quick_settings: Settings
) -> None:
    assert shuffled(holdout_in_training, quick_settings, source).status == "failed"


def test_shuffles_without_conversions_are_passed_over() -> None:
    calls = []

    def barren_at_first(*cut: object) -> tuple[TrainingPart, Panel]:
        calls.append(cut)
        part, holdout = split(*cut)
        return part, holdout if len(calls) > 1 else holdout.take(~holdout.label)

    assert shuffled(barren_at_first).status == "passed"
    assert len(calls) == 3
    assert len({one[0].closed.tobytes() for one in calls}) == 3


def test_shuffles_that_never_hold_conversions_cannot_be_judged() -> None:
    def barren(*cut: object) -> tuple[TrainingPart, Panel]:
        part, holdout = split(*cut)
        return part, holdout.take(~holdout.label)

    found = shuffled(barren)
    assert found.status == "warned"
    assert "no shuffle" in found.sentence()


def test_what_chance_brings_about_once_in_a_thousand_times_is_no_leak_and_what_is_rarer_is() -> None:
    """A converter at the top of a list of 1,250: of 4,999 orders about four have it there."""
    n, nothing = 1250, np.zeros(1250, dtype=np.int32)
    top = Outcomes(-np.arange(n, dtype=np.float64), np.arange(n) == 0, nothing, np.arange(n, dtype=np.int32))
    found = {}
    for seed in range(40):
        one = labels_shuffled(top, seed)
        found[round(5000 * one.figures["p_value"])] = one.status
        if {4, 5} <= set(found):
            break
    assert (found[4], found[5]) == ("failed", "passed")


@pytest.mark.parametrize(("asked", "used"), [(20, 10), (3, 3)])
def test_a_shuffle_of_a_sampled_panel_needs_few_negatives(asked: int, used: int) -> None:
    seen = []

    def barren(_: Source, __: FeatureSpec, settings: Settings) -> tuple[TrainingPart, Panel]:
        seen.append(settings.panel.negatives_per_positive)
        return PART, HOLDOUT.take(~HOLDOUT.label)

    shuffled_ranking(SOURCE, SPEC, w.settings(panel={"negatives_per_positive": asked}), barren)
    assert set(seen) == {used}


def test_a_company_is_another_one_in_another_shuffle() -> None:
    ranked = shuffled_ranking(SOURCE, SPEC, SETTINGS, split)
    assert ranked is not None
    pairs = np.column_stack([ranked.company, ranked.cutoff])
    assert np.unique(pairs, axis=0).shape == pairs.shape
    assert ranked.score.size > len(HOLDOUT)


def test_knowing_at_which_cutoffs_more_companies_convert_is_no_learning() -> None:
    rng = np.random.default_rng(4)
    late = TRAIN.cutoff > np.median(TRAIN.cutoff)
    dated = with_column(TRAIN, TRAIN.features.columns[0], TRAIN.cutoff.astype(np.float32))

    def converting_late_at_random() -> Panel:
        return replace(dated, label=late & (rng.random(late.size) < 0.1))

    cut = TrainingPart(converting_late_at_random(), PART.validation), converting_late_at_random()
    assert shuffled(lambda *_: cut).status == "passed"


# Ids as the only feature


def test_ids_in_random_order_tell_nothing() -> None:
    assert by_ids(numbered(np.random.default_rng(2).random(w.COMPANIES))).status == "passed"


@pytest.mark.parametrize("text", ["{}", "c{:04d}"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("settings", [SETTINGS, STRATIFIED])
def test_customers_that_are_the_lowest_or_highest_ids_fail(text: str, sign: int, settings: Settings) -> None:
    part, holdout = split(SOURCE, SPEC, settings)
    found = by_ids(
        numbered(sign * customers_first(), text), CanarySettings(max_column_auc=0.9), part, holdout
    )
    assert found.status == "failed"
    assert "canary.allowed" in found.sentence()


def test_ids_in_the_order_of_paying_fail_although_training_rows_saw_other_ids_pay() -> None:
    ids = numbered(SOURCE.closed + np.random.default_rng(1).random(w.COMPANIES))
    # Of one cutoff: who pays between two windows would stand among those who pay in them.
    one = split(SOURCE, SPEC, w.settings(split={"holdout_cutoffs": 1}))
    found = by_ids(ids, CanarySettings(max_column_auc=0.999, max_column_precision=0.999), *one)
    assert found.status == "failed"
    assert found.figures["roc_auc"] == 1
    assert found.figures["p_value"] == pytest.approx(3 / 5000)  # three rankings were tried


def test_ids_that_give_the_label_away_warn_where_that_is_allowed() -> None:
    ids = numbered(customers_first())
    limits = CanarySettings(max_column_auc=0.9)
    assert by_ids(ids, limits).status == "failed"
    allowed = by_ids(ids, CanarySettings(max_column_auc=0.9, allowed=("id",)))
    assert allowed.status == "warned"
    assert "never uses them" in allowed.sentence()


def test_ids_that_tell_something_but_not_all_warn() -> None:
    found = by_ids(numbered(customers_first(share_moved=0.7)), CanarySettings(max_column_precision=0.9))
    assert found.status == "warned"
    assert found.figures["p_value"] < CHANCE
    assert found.figures["roc_auc"] < 0.95


# Later usage deleted


def test_usage_complete_on_the_cutoff_stays_and_a_day_later_goes() -> None:
    log, cutoff = SOURCE.inputs.usage, int(HOLDOUT.cutoff.min())
    known = _known_by(SOURCE.inputs, cutoff).usage
    assert known.day.max() == cutoff
    assert known.day.size == (log.day <= cutoff).sum()
    np.testing.assert_array_equal(known.values, log.values[log.day <= cutoff])
    assert _known_by(SOURCE.inputs, cutoff - 1).usage.day.max() < cutoff


@feature(group="leaking")
def actions_at_the_last_cutoff(usage: Usage) -> Column:
    """A feature through the back door: usage of the latest cutoff of the panel, at all of its cutoffs."""
    last = usage.stats.sums[:, -1:, 0, 0]
    return np.repeat(last, usage.cutoffs.size, axis=1).ravel()


def test_honest_features_do_not_change_without_later_usage() -> None:
    found = later_usage_deleted(SOURCE.inputs, SPEC, TRAIN, HOLDOUT)
    assert found.status == "passed"
    assert found.figures == {"cutoffs": 2 + 2}


def test_a_feature_that_looks_beyond_the_cutoff_is_found_and_named() -> None:
    settings = w.settings(features={"extra": ["tests.leaks.test_canaries:actions_at_the_last_cutoff"]})
    spec = spec_from(settings)
    part, holdout = split(SOURCE, spec, settings)
    found = later_usage_deleted(SOURCE.inputs, spec, part.train, holdout)
    assert found.status == "failed"
    assert found.figures["feature"] == "actions_at_the_last_cutoff"
    assert found.figures["cutoff"] == str(np.datetime64(int(part.train.cutoff.min()), "D"))
    assert found.figures["companies"] > 0


@pytest.mark.parametrize(
    ("column", "value", "at"),
    [
        ("log_rank", 1e-30, "first training"),
        ("log_rank", 1e-30, "last holdout"),
        ("industry", "space", "last training"),
        ("industry", "space", "first holdout"),
        ("trend_91d", -0.0, "first training"),
        ("trend_91d", -0.0, "last holdout"),
    ],
)
def test_one_value_that_is_another_is_found(at: str, column: str, value: object) -> None:
    which, whose = at.split()
    panels = {"training": TRAIN, "holdout": HOLDOUT}
    panel = panels[whose]
    column = column if column in panel.features else panel.features.columns[0]
    cutoff = panel.cutoff.min() if which == "first" else panel.cutoff.max()
    values = panel.features[column].to_numpy().copy()
    same_number = (values == 0) if value == -0.0 else np.ones(values.size, dtype=bool)
    values[np.flatnonzero((panel.cutoff == cutoff) & same_number)[0]] = value
    panels[whose] = with_column(panel, column, values)
    found = later_usage_deleted(SOURCE.inputs, SPEC, panels["training"], panels["holdout"])
    day = str(np.datetime64(int(cutoff), "D"))
    assert found.figures == {"feature": column, "cutoff": day, "companies": 1}


# Single columns


def test_a_column_that_tells_who_converts_fails_and_is_named() -> None:
    usage = TRAIN.features.columns[0]
    found = single_columns(with_column(TRAIN, usage, TRAIN.label.astype(np.float32)), SPEC, LIMITS)
    assert found.status == "failed"
    assert found.sentence().startswith(f"One column alone tells who converts: {usage} (ROC-AUC 1.000")
    assert found.figures["near_perfect"] == usage


@pytest.mark.parametrize("limits", [{"max_column_auc": 1.0}, {"max_column_precision": 0.999}])
def test_either_measure_is_enough(limits: dict[str, float]) -> None:
    label = TRAIN.label
    first = np.flatnonzero(label)[: int(0.8 * label.sum())]
    top = np.zeros(len(TRAIN), dtype=np.float32)
    top[first] = 1  # high precision, and an AUC of 0.9
    column = top if "max_column_auc" in limits else np.where(label, 1, np.arange(len(TRAIN)) % 100 == 0)
    panel = with_column(TRAIN, TRAIN.features.columns[0], column.astype(np.float32))
    assert single_columns(panel, SPEC, CanarySettings(**limits)).status == "failed"
    assert single_columns(TRAIN, SPEC, CanarySettings(**limits)).status == "passed"


def test_an_allowed_column_warns_and_others_still_fail() -> None:
    one, other = TRAIN.features.columns[:2]
    label = TRAIN.label.astype(np.float32)
    leaking = with_column(TRAIN, one, label)
    allowed = CanarySettings(allowed=(one,))
    assert single_columns(leaking, SPEC, allowed).status == "warned"
    found = single_columns(with_column(leaking, other, -label), SPEC, allowed)
    assert found.status == "failed"
    assert f"{other} (" in found.sentence()
    assert f"{one} (" not in found.sentence()
    assert found.figures["near_perfect"] == f"{one}, {other}"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("employees", np.where(ever(TRAIN), np.nan, 5)),
        ("employees", np.where(ever(TRAIN), 5, np.nan)),
        ("log_rank", np.where(ever(TRAIN), 2, 3)),
    ],
)
def test_firmographics_are_judged_by_company_blanks_included(
    column: str, values: NDArray[np.floating]
) -> None:
    panel = with_column(TRAIN, column, values.astype(np.float32))
    found = single_columns(panel, SPEC, LIMITS)
    assert found.figures["near_perfect"] == column


def test_a_level_of_all_converters_is_found_and_levels_of_one_company_are_not() -> None:
    names = np.array([f"company {i}" for i in TRAIN.company], dtype=object)
    assert single_columns(with_column(TRAIN, "industry", names), SPEC, LIMITS).status == "passed"
    contract = np.where(ever(TRAIN), names, None)
    found = single_columns(with_column(TRAIN, "industry", contract), SPEC, LIMITS)
    assert found.figures["near_perfect"] == "industry"


def test_fewer_than_ten_companies_that_convert_cannot_be_judged() -> None:
    converters = np.unique(TRAIN.company[TRAIN.label])
    usage = TRAIN.features.columns[0]
    for n, status in ((9, "warned"), (10, "failed")):
        kept = TRAIN.take(~ever(TRAIN) | np.isin(TRAIN.company, converters[:n]))
        panel = with_column(kept, usage, kept.label.astype(np.float32))
        found = single_columns(panel, SPEC, LIMITS)
        assert found.status == status
        if n == 9:
            companies = np.unique(kept.company).size
            assert found.figures == {
                "not_judged": "few converters", "converters": 9, "companies": companies, "needed": 10,
            }  # fmt: skip


def test_where_all_companies_convert_columns_cannot_be_judged() -> None:
    assert single_columns(TRAIN.take(ever(TRAIN)), SPEC, LIMITS).figures["not_judged"] == "few converters"


def test_a_column_that_says_nothing_is_no_leak_where_most_rows_convert() -> None:
    label = np.random.default_rng(1).random(len(TRAIN)) < 0.7
    keep = ~np.isin(TRAIN.company, np.arange(20)) | ~label
    panel = replace(TRAIN, label=label).take(keep)
    assert single_columns(panel, SPEC, LIMITS).status == "passed"


def of_ages() -> tuple[Panel, NDArray[np.int32], NDArray[np.float32]]:
    """Return rows, when companies began, and ages: who converts began days before, most others years."""
    who = np.unique(TRAIN.company)
    converts = np.isin(who, TRAIN.company[TRAIN.label])
    since = np.full(w.COMPANIES, w.MONDAY - 4000, dtype=np.int32)
    since[TRAIN.company[TRAIN.label]] = TRAIN.cutoff[TRAIN.label] - 3
    young = who[~converts][: 2 * int(converts.sum())]
    since[young] = np.unique(TRAIN.cutoff)[np.arange(young.size) % np.unique(TRAIN.cutoff).size] - 3
    panel = TRAIN.take(TRAIN.cutoff > since[TRAIN.company])
    return panel, since, (panel.cutoff - since[panel.company]).astype(np.float32)


def test_that_companies_convert_while_they_are_young_is_no_leak() -> None:
    panel, since, age = of_ages()
    usage = panel.features.columns[0]
    young, limits = with_column(panel, usage, age), CanarySettings(max_column_auc=0.95)
    assert single_columns(young, SPEC, limits).figures["near_perfect"] == usage
    found = single_columns(young, SPEC, limits, since)
    assert (found.status, found.figures["near_perfect"]) == ("passed", "")
    assert found.figures["highest_roc_auc"] <= limits.max_column_auc


def test_what_tells_converters_from_others_of_their_age_is_one() -> None:
    panel, since, _ = of_ages()
    usage = panel.features.columns[0]
    few = np.arange(len(panel)) % 100 == 0
    for telling in (panel.label, ~panel.label, panel.label | few):
        found = single_columns(with_column(panel, usage, telling.astype(np.float32)), SPEC, LIMITS, since)
        assert (found.status, found.figures["near_perfect"]) == ("failed", usage)


# Blank attributes


def with_blanks(customers: float, others: float, column: str = "employee_range") -> Source:
    """Blank a share of customers and of the others."""
    customer = SOURCE.closed != NEVER_CLOSED
    blank = np.zeros(w.COMPANIES, dtype=bool)
    for group, share in ((customer, customers), (~customer, others)):
        members = np.flatnonzero(group)
        blank[members[: round(share * members.size)]] = True
    n = w.COMPANIES
    full = {
        "alexa_rank": np.ones(n),
        "employee_range": np.full(n, "1", object),
        "industry": np.full(n, "a", object),
    }
    full[column] = np.where(blank, np.nan if column == "alexa_rank" else None, full[column])
    return with_attributes(SOURCE, full)


def with_attributes(source: Source, values: dict[str, np.ndarray]) -> Source:
    known = Attributes(source.inputs.form.attributes, tuple(values.values()), len(values["industry"]))
    return replace(source, known=KnownFeatures(replace(source.inputs, attributes=known)))


@pytest.mark.parametrize("column", ["alexa_rank", "employee_range", "industry"])
@pytest.mark.parametrize("shares", [(0.0, 0.3), (0.4, 0.1)])
def test_blanks_that_tell_customers_from_the_others_warn_with_their_rates(
    column: str, shares: tuple[float, float]
) -> None:
    found = blank_attributes(with_blanks(*shares, column), counts_as_feature=False)
    assert found.status == "warned"
    rates = [found.figures[f"{column}_{group}"] for group in ("customers", "others")]
    assert rates == pytest.approx(shares, abs=0.01)
    assert f"{column} ({rates[0]:.1%} of customers, {rates[1]:.1%} of the others)" in found.sentence()


@pytest.mark.parametrize("shares", [(0.2, 0.2), (0.0, 0.0), (0.0, 0.01), (0.99, 0.8)])
def test_blanks_as_frequent_in_both_or_clear_in_no_way_pass(shares: tuple[float, float]) -> None:
    assert blank_attributes(with_blanks(*shares), counts_as_feature=False).status == "passed"


def test_the_warning_says_whether_blanks_are_features() -> None:
    source = with_blanks(0.0, 0.3)
    assert "all are features" in blank_attributes(source, counts_as_feature=True).sentence()
    assert "only that of industry" in blank_attributes(source, counts_as_feature=False).sentence()


# Conversions go on


@pytest.mark.parametrize("settings", [SETTINGS, STRATIFIED])
def test_last_windows_whose_outcome_nobody_knows_fail(settings: Settings) -> None:
    part, holdout = split(SOURCE, SPEC, settings)
    closed = np.tile(SOURCE.closed, 10)  # enough of them for their end to show
    assert conversions_go_on(closed, part, holdout, w.HORIZON).status == "passed"
    closed[closed >= int(holdout.cutoff.max())] = NEVER_CLOSED
    found = conversions_go_on(closed, part, holdout, w.HORIZON)
    assert found.status == "failed"
    assert "--as-of" in found.sentence()
    assert found.figures["conversions"] < 0.5 * found.figures["expected"]
    assert found.figures["p_value"] < CHANCE
    last = closed[closed != NEVER_CLOSED].max()
    assert found.figures["last_conversion"] == str(np.datetime64(int(last), "D"))


def test_where_too_few_convert_for_an_end_to_show_it_is_not_judged() -> None:
    few = np.full_like(SOURCE.closed, NEVER_CLOSED)
    few[:4] = int(HOLDOUT.cutoff.min()) - np.array([150, 120, 90, 60])
    found = conversions_go_on(few, PART, HOLDOUT, w.HORIZON)
    assert (found.status, "too few or too uneven" in found.sentence()) == ("warned", True)


def test_a_dip_that_is_rare_but_no_collapse_passes() -> None:
    """Ten thousand companies convert before and 70 % as many a day in the last window."""
    rng = np.random.default_rng(3)
    last = int(HOLDOUT.cutoff.max())
    first = int(min(TRAIN.cutoff.min(), HOLDOUT.cutoff.min()))
    before = rng.integers(first, last, 100 * (last - first))
    after = rng.integers(last, last + w.HORIZON, 70 * w.HORIZON)
    closed = np.concatenate([before, after, np.full(10**6, NEVER_CLOSED)]).astype(np.int32)
    found = conversions_go_on(closed, PART, HOLDOUT, w.HORIZON)
    assert found.figures["p_value"] < CHANCE
    assert found.status == "passed"


def test_a_decline_over_several_windows_is_told_of_all_their_days_since_the_first_learnt_from() -> None:
    last, first = int(HOLDOUT.cutoff.max()), int(TRAIN.cutoff.min())
    end = last + w.HORIZON
    before = first + np.arange(100) * (end - 90 - first) // 100
    closed = np.array([*before, end - 80, end - 50, end - 5, *[NEVER_CLOSED] * 1000], dtype=np.int32)
    found = conversions_go_on(closed, PART, HOLDOUT, w.HORIZON)
    assert (found.status, found.figures["days"], found.figures["conversions"]) == ("failed", 90, 3)
    later = TRAIN.take(TRAIN.cutoff > first)
    assert conversions_go_on(closed, TrainingPart(TRAIN, later), HOLDOUT, w.HORIZON).figures == found.figures
    assert conversions_go_on(closed, TrainingPart(later, TRAIN), HOLDOUT, w.HORIZON).figures != found.figures


# The limits themselves


@pytest.mark.parametrize(
    ("auc", "precision", "near"),
    [(0.9, 0.46, False), (0.9001, 0.0, True), (0.5, 0.4601, True), (0.5, 0.4599, False)],
)
def test_near_perfect_lies_beyond_the_limit_of_the_auc_or_of_the_way_from_the_rate_to_all(
    auc: float, precision: float, near: bool
) -> None:
    limits = CanarySettings(max_column_auc=0.9, max_column_precision=0.4)
    assert _near_perfect(auc, precision, 0.1, limits) == near


def test_cutoffs_to_check_are_spread_from_the_first_to_the_last() -> None:
    cutoffs = np.repeat(np.arange(0, 77, 7, dtype=np.int32), 3)
    assert _spread(cutoffs, 2) == [0, 70]
    assert _spread(cutoffs, 3) == [0, 35, 70]
    assert _spread(cutoffs[:6], 6) == [0, 7]
    assert _spread(cutoffs[:3], 2) == [0]


@pytest.mark.parametrize(("others", "status"), [(0.2, "passed"), (0.19, "warned")])
def test_blanks_are_clear_beyond_half_as_many_again(others: float, status: str) -> None:
    customer = np.arange(4000) < 2000
    blank = np.zeros(4000, dtype=bool)
    blank[:600] = True  # of the customers, three in ten
    blank[2000 : 2000 + round(2000 * others)] = True
    n = customer.size
    values = {
        "alexa_rank": np.where(blank, np.nan, 1.0),
        "employee_range": np.full(n, "1", dtype=object),
        "industry": np.full(n, "a", dtype=object),
    }
    closed = np.where(customer, 18_000, NEVER_CLOSED).astype(np.int32)
    source = replace(with_attributes(SOURCE, values), closed=closed)
    found = blank_attributes(source, counts_as_feature=False)
    assert (found.status, found.figures["alexa_rank_customers"]) == (status, 0.3)


def test_of_several_rankings_by_id_the_best_is_told_and_each_try_counts() -> None:
    label = np.arange(200) < 20
    nothing, company = np.zeros(200, dtype=np.int32), np.arange(200, dtype=np.int32)
    rng = np.random.default_rng(5)
    rankings = [
        Outcomes(score, label, nothing, company) for score in (rng.random(200), -rng.random(200) + label)
    ]
    found = ids_alone(rankings, CanarySettings(max_column_auc=0.999, max_column_precision=0.999), seed=7)
    assert found.figures["roc_auc"] > 0.9
    assert found.figures["p_value"] == pytest.approx(2 / 5000)
    assert found.figures["rate"] == pytest.approx(0.1)


def test_the_figures_of_single_columns_name_the_best_ones() -> None:
    found = single_columns(TRAIN, SPEC, LIMITS)
    separations = column_separations(TRAIN, SPEC)
    best = max(separations, key=lambda one: one.roc_auc)
    precise = max(separations, key=lambda one: one.average_precision)
    assert found.status == "passed"
    assert found.figures == {
        "highest_roc_auc": best.roc_auc,
        "highest_roc_auc_of": best.column,
        "highest_average_precision": precise.average_precision,
        "highest_average_precision_of": precise.column,
        "near_perfect": "",
        "columns": [
            {
                "column": best.column,
                "roc_auc": best.roc_auc,
                "average_precision": best.average_precision,
            }
        ],
    }


def test_blanks_that_stay_blank_are_no_change_and_those_that_are_filled_are() -> None:
    nan = float("nan")
    one, other = np.array(["a", nan, nan, "b"], dtype=object), np.array([nan, nan, "a", "b"], dtype=object)
    assert _differ(one, other).tolist() == [True, False, True, False]
    zeros = np.array([0.0, nan, 1.0], dtype=np.float32)
    assert _differ(zeros, np.array([-0.0, nan, 1.0], dtype=np.float32)).tolist() == [True, False, False]
