import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.sources import open_source
from ml_sys.days import WEEKLY
from ml_sys.errors import UsageError
from ml_sys.jobs.outcomes.monitor import _data_end, _Watch, monitor
from ml_sys.jobs.outcomes.observed import prospects_in, prospects_of, sampled
from ml_sys.jobs.outcomes.shadow import Shadow, made_again, matured_cutoffs
from ml_sys.outcomes.last_monitoring import last
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.scoring.from_snapshot.free import covered_by
from ml_sys.settings import SchemaSettings
from ml_sys.text import date_of
from ml_sys.timeline import Timeline
from tests.made import NOW


@pytest.fixture
def place(registered, tmp_path):
    """A folder with a version of one's own, since what is found is kept there."""
    return Path(shutil.copytree(registered, tmp_path / "artifacts"))


@pytest.fixture
def day(snapshot):
    return snapshot.as_of


def look(artifacts, settings, day, **asked):
    return monitor(
        Registry(artifacts), settings.model_copy(update={"artifacts_dir": artifacts}), day=day, **asked
    )


def test_the_data_that_a_version_was_trained_on_ring_no_alarm(place, cheap_settings, day):
    found = look(place, cheap_settings, day)
    assert found.alarms == ()
    assert found.version == "1.0.0"
    assert found.reference == "2020-04-06"
    assert found.features
    assert found.matured == found.challengers == found.notes == ()
    known = {one.name: one for one in found.checks}
    assert known["past usage rows found again"].now == 1
    assert known["companies found again"].now == 1
    assert last(place)["version"] == "1.0.0"


def test_nothing_new_for_a_week_rings(place, cheap_settings, day):
    assert [one.name for one in look(place, cheap_settings, day + 7).alarms] == ["days since usage ends"]


def test_a_file_of_prospects_whose_ids_match_nobody_is_flat(
    place, cheap_settings, three_tables, day, tmp_path
):
    lines = (three_tables / "noncustomers.csv").read_text().splitlines()
    renumbered = [line.rpartition(",")[0] + f",x{at}" for at, line in enumerate(lines[1:])]
    file = tmp_path / "prospects.csv"
    file.write_text("\n".join([lines[0], *renumbered]))
    rang = {one.name for one in look(place, cheap_settings, day, prospects=file).alarms}
    assert "expected conversions in the best tenth" in rang


def test_a_file_cut_short_and_one_that_repeats_itself_ring(
    place, cheap_settings, three_tables, day, tmp_path
):
    head, *rows = (three_tables / "noncustomers.csv").read_text().splitlines()
    file = tmp_path / "prospects.csv"
    file.write_text("\n".join([head, *rows[: len(rows) // 2]]))
    rang = {one.name for one in look(place, cheap_settings, day, prospects=file).alarms}
    assert rang == {"prospects"}
    file.write_text("\n".join([head, *rows, *rows]))
    rang = {one.name for one in look(place, cheap_settings, day, prospects=file).alarms}
    assert rang == {"rows of noncustomers that are merged"}


def test_ready_features_are_refused_since_they_hide_the_inputs(registered, snapshot, tmp_path):
    spec = load_scorer(Registry(registered), "1.0.0").spec
    file = tmp_path / "ready.csv"
    file.write_text("id," + ",".join(spec.names()) + "\n1," + ",".join(["0"] * len(spec.names())))
    with pytest.raises(UsageError, match="ready features"):
        prospects_in(file, SchemaSettings(), spec, snapshot, 0)


def test_customers_are_no_prospects_whatever_file_names_them(registered, snapshot, three_tables, day):
    spec = load_scorer(Registry(registered), "1.0.0").spec
    found = prospects_in(three_tables / "customers.csv", SchemaSettings(), spec, snapshot, day)
    assert len(found.frame) < 0.1 * found.read


def test_without_the_snapshot_of_its_training_a_version_is_watched_by_its_holdout(
    place, cheap_settings, day, tmp_path
):
    entry = Registry(place).read().versions["1.0.0"]
    folder = place / "snapshots" / entry.snapshot
    moved = folder.with_name("0" * 16)
    folder.rename(moved)
    latest = place / "snapshots" / "latest.json"
    latest.write_text(json.dumps({**json.loads(latest.read_text()), "id": moved.name}))
    found = look(place, cheap_settings, day)
    assert "is missing" in found.notes[0]
    assert found.alarms == ()
    assert "companies found again" not in {one.name for one in found.checks}


def test_usage_that_matches_no_company_at_all_rings(place, cheap_settings, three_tables, day, tmp_path):
    head, *rows = (three_tables / "usage_actions.csv").read_text().splitlines()
    strange = tmp_path / "usage.csv"
    strange.write_text("\n".join([head, *(f"{row.rpartition(',')[0]},x" for row in rows[:500])]))
    named = {name: str(three_tables / f"{name}.csv") for name in ("customers", "noncustomers")}
    ingest(
        Origin(open_source("file"), SchemaSettings(), {**named, "usage": str(strange)}),
        Rules(max_rejected_share=1.0, as_of=date_of(day)),
        place,
        now=NOW,
    )
    found = look(place, cheap_settings, day)
    assert all(math.isfinite(one.effect) for one in found.checks)
    rang = {one.name for one in found.alarms}
    assert {
        "days since usage ends", "rows of usage that are set aside", "past usage rows found again",
    } <= rang  # fmt: skip


def test_lists_count_once_mature_and_only_those_that_the_version_has_not_learnt_from(snapshot, day):
    timeline = Timeline.of(snapshot.usage_stamp, day, horizon_days=30, period=WEEKLY)
    assert matured_cutoffs(timeline, day, 6).size == 0
    found = matured_cutoffs(timeline, day - 100, 6)
    assert (found >= day - 100).all()
    assert (found + 30 <= day).all()
    assert (np.diff(found) >= 30).all()
    assert matured_cutoffs(timeline, 0, 2).size == 2


def test_a_list_made_again_holds_the_free_companies_of_its_day_and_who_converted(registered, snapshot, day):
    scorer = load_scorer(Registry(registered), "1.0.0")
    cutoffs = np.array([day - 77, day - 35], dtype=np.int32)
    again = made_again(snapshot, scorer, cutoffs, 30)
    for cutoff in cutoffs.tolist():
        probability, converted = again.of(cutoff)
        assert probability.size == (snapshot.closed >= cutoff).sum()
        assert converted.sum() == ((snapshot.closed >= cutoff) & (snapshot.closed < cutoff + 30)).sum()
    assert made_again(snapshot, scorer, cutoffs[:0], 30).outcomes.score.size == 0


def test_a_challenger_scores_the_same_lists_and_one_that_cannot_is_named(
    registered, cheap_settings, snapshot, day
):
    registry = Registry(registered)
    scorer = load_scorer(registry, "1.0.0")
    cutoff = covered_by(snapshot, scorer.spec)
    prospects = prospects_of(snapshot, cutoff)
    today = made_again(snapshot, scorer, np.array([cutoff], dtype=np.int32), 30).of(cutoff)[0]
    past = made_again(snapshot, scorer, np.array([day - 77, day - 35], dtype=np.int32), 30)
    shadow = Shadow(snapshot, cutoff, prospects, today, past, 30, 25)
    bootstrap = cheap_settings.bootstrap
    itself = shadow.challenge(registry, "1.0.0", day - 77, bootstrap, 7)
    assert (itself.shared, itself.lists) == (25, 2)
    assert itself.average_precision == itself.production
    assert itself.probability_better == 0.5
    waiting = shadow.challenge(registry, "1.0.0", day, bootstrap, 7)
    assert (waiting.shared, waiting.lists, waiting.converters) == (25, 0, 0)
    assert "9.9.9" in shadow.challenge(registry, "9.9.9", day, bootstrap, 7).problem


def test_candidates_beside_the_version_that_is_watched_are_challengers(
    reported, cheap_settings, day, tmp_path
):
    place = Path(shutil.copytree(reported, tmp_path / "two"))
    (found,) = look(place, cheap_settings, day, version="1.0.0").challengers
    assert found.version == max(Registry(place).read().versions)
    assert (found.capacity, found.lists, found.problem) == (50, 0, "")
    assert 0 < found.shared <= 50
    none = {"monitor": cheap_settings.monitor.model_copy(update={"challengers": 0})}
    assert look(place, cheap_settings.model_copy(update=none), day, version="1.0.0").challengers == ()


def test_a_sample_of_companies_is_the_same_companies_whoever_asks():
    ids = np.array([f"c{at}" for at in range(4000)], dtype=object)
    chosen = sampled(ids, 0.25)
    assert chosen.mean() == pytest.approx(0.25, abs=0.03)
    assert (sampled(ids[::-1], 0.25)[::-1] == chosen).all()
    assert sampled(ids, 1.5).all()


def test_the_command_shows_a_table_or_data_and_exits_4_on_an_alarm(mlsys, place, tmp_path):
    quiet = mlsys("monitor", "--on", "2020-05-11", artifacts=place)
    assert quiet.returncode == 0, quiet.stderr
    assert "No alarm rings." in quiet.stdout
    page = tmp_path / "page.html"
    loud = mlsys("monitor", "--on", "2020-05-18", "--json", "--page", page, artifacts=place)
    assert loud.returncode == 4
    found = json.loads(loud.stdout)
    assert [one["name"] for one in found["checks"] if one["alarm"]] == ["days since usage ends"]
    assert found["alarms"] == ["days since usage ends"]
    assert "1 alarm rings:" in page.read_text()
    assert mlsys("monitor", "--on", "someday", artifacts=place).returncode == 2


@pytest.fixture(scope="module")
def watch(several, cheap_settings):
    """Version 1.0.0 and what it looks at."""
    settings = cheap_settings.model_copy(update={"artifacts_dir": several})
    return _Watch.of(Registry(several), "1.0.0", settings, None)


def test_a_version_has_learnt_until_the_day_to_which_its_snapshot_reaches(watch, snapshot):
    assert (watch.learnt_until, watch.then.id) == (snapshot.as_of, snapshot.id)


def test_prospects_are_held_against_whole_lists_where_a_share_was_held_out(watch, day):
    part = replace(watch, held=replace(watch.held, share=0.25))
    whole, quarter = (
        next(one for one in each.arrival(day) if one.name == "prospects") for each in (watch, part)
    )
    assert whole.reference == len(watch.held.panel)
    assert quarter.reference == 4 * whole.reference
    assert quarter.now == whole.now == watch.n_prospects


def test_the_past_is_compared_with_itself_where_its_snapshot_is_there_only(watch, day):
    names = {one.name for one in watch.arrival(day)}
    assert names - {one.name for one in replace(watch, then=None).arrival(day)} == {
        "past usage rows found again", "companies found again",
        *(one for one in names if one.startswith("rows of ")),
    }  # fmt: skip


def test_usage_of_today_is_held_against_that_of_the_snapshot_learnt_from(watch, snapshot):
    busier = replace(watch, latest=replace(snapshot, usage_values=snapshot.usage_values * 3))
    pairs = list(zip(watch.comparison(), busier.comparison(), strict=True))
    assert [one.name for one, _ in pairs] == [other.name for _, other in pairs]
    assert [one.reference for one, _ in pairs] == [other.reference for _, other in pairs]
    assert any(one.now != other.now for one, other in pairs)


def test_every_list_made_again_is_put_beside_what_came_of_it(watch, day):
    cutoffs = np.array([day - 77, day - 42], dtype=np.int32)
    again = made_again(watch.latest, watch.scorer, cutoffs, 30)
    lists, _ = replace(watch, again=again).outcomes()
    assert [(one.cutoff, one.came) for one in lists] == [
        (date_of(cutoff), int(again.of(cutoff)[1].sum())) for cutoff in cutoffs.tolist()
    ]


def test_how_many_pay_is_known_up_to_the_day_of_the_export_whatever_is_scored(watch):
    assert replace(watch, cutoff=watch.cutoff - 100).outcomes()[1] == watch.outcomes()[1]


class Without(Registry):
    """A registry of which one version is no candidate any more."""

    def read(self):
        index = super().read()
        gone = replace(index.versions["1.1.0"], status="archived")
        return replace(index, versions={**index.versions, "1.1.0": gone})


@pytest.mark.parametrize(
    ("kind", "production", "most", "found"),
    [
        (Registry, "1.0.0", 2, ["1.1.0", "2.0.0"]),
        (Registry, "2.0.0", 1, ["1.1.0"]),
        (Registry, "1.0.0", 9, ["1.0.1", "1.1.0", "2.0.0"]),
        (Without, "2.0.0", 1, ["1.0.1"]),
    ],
)
def test_the_latest_candidates_but_the_one_in_production_are_challengers(
    watch, several, kind, production, most, found
):
    few = watch.settings.monitor.model_copy(update={"challengers": most})
    asked = replace(watch, settings=watch.settings.model_copy(update={"monitor": few}))
    assert [one.version for one in asked.challengers(kind(several), production)] == found


def test_how_old_a_version_is_counts_from_the_end_of_its_data(place, cheap_settings, three_tables, day):
    names = ("customers", "noncustomers", "usage_actions")
    files = {name.removesuffix("_actions"): str(three_tables / f"{name}.csv") for name in names}
    rules = Rules(max_rejected_share=1.0, as_of=date_of(day - 21))
    ingest(Origin(open_source("file"), SchemaSettings(), files), rules, place, now=NOW)
    found = look(place, cheap_settings, day + 4)
    (age,) = (one for one in found.checks if one.group == "age")
    assert found.cutoff < date_of(day)
    assert age.now == 4


def test_the_end_of_a_version_s_data_is_that_of_its_line_in_the_registry(several):
    entry = Registry(several).read().versions["1.0.0"]
    assert date_of(_data_end(entry)) == entry.data_through
