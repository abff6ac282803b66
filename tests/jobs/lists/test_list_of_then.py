"""A list of a past day: made later, from more data, it is the list that was made then, bit for bit."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import latest
from ml_sys.data.sources import FileSource
from ml_sys.days import day_number
from ml_sys.jobs.lists.listed import ListRequest
from ml_sys.jobs.lists.score import score_file
from ml_sys.model.split import Source
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
from ml_sys.serve.companies import CompanyLookup, Found
from ml_sys.settings import SchemaSettings, Settings

# A Wednesday, whose week had begun, and the Monday on which the last whole week ended.
EXPORTED, MONDAY = datetime(2020, 2, 5, tzinfo=UTC), datetime(2020, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def then(registered: Path, three_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of 5 February: the same model, and a snapshot of the tables as they stood on that day."""
    folder = tmp_path_factory.mktemp("then")
    read = {
        name: pd.read_csv(three_tables / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("customers", "noncustomers", "usage_actions")
    }
    customers, others, usage = read.values()
    later = customers["CLOSEDATE"] >= "2020-02-05"
    assert later.any()
    others = pd.concat([others, customers.loc[later, others.columns]])
    usage = usage[usage["WHEN_TIMESTAMP"] < "2020-02-05"]
    assert (usage["WHEN_TIMESTAMP"] >= "2020-02-03").any()
    for name, table in (("customers", customers[~later]), ("noncustomers", others), ("usage", usage)):
        table.to_csv(folder / f"{name}.csv", index=False)
    artifacts = Path(shutil.copytree(registered, folder / "artifacts"))
    shutil.rmtree(artifacts / "snapshots")
    ingest(
        Origin(
            FileSource(),
            SchemaSettings(),
            {
                "customers": str(folder / "customers.csv"),
                "noncustomers": str(folder / "noncustomers.csv"),
                "usage": str(folder / "usage.csv"),
            },
        ),
        Rules(max_rejected_share=0.05),
        artifacts,
        now=EXPORTED,
    )
    return artifacts


def listed(artifacts: Path, prospects: Path, *, as_of: datetime | None = None, usage: Path | None = None):
    return score_file(
        Registry(artifacts),
        "1.0.0",
        Settings(artifacts_dir=artifacts),
        ListRequest(prospects, usage, None if as_of is None else day_number(as_of.date())),
        capacity=50,
        on_step=lambda step: None,
        now=EXPORTED,
    )


def test_a_past_list_from_a_later_snapshot_is_the_list_that_was_made_then(
    registered: Path, then: Path
) -> None:
    prospects = then.parent / "noncustomers.csv"
    made_then = listed(then, prospects)
    made_later = listed(registered, prospects, as_of=MONDAY)
    pd.testing.assert_frame_equal(made_later.table, made_then.table, check_exact=True)
    assert (made_later.notes, made_later.warnings) == (made_then.notes, made_then.warnings)
    assert made_then.table["cutoff"].unique().tolist() == ["2020-02-03"]
    assert made_then.table["probability"].nunique() > 50


def test_an_unfinished_week_in_a_file_of_usage_does_not_count_either(then: Path) -> None:
    prospects = then.parent / "noncustomers.csv"
    from_file = listed(then, prospects, usage=then.parent / "usage.csv")
    pd.testing.assert_frame_equal(from_file.table, listed(then, prospects).table, check_exact=True)


def test_the_cutoff_of_a_file_of_usage_is_that_of_all_companies_in_it(then: Path) -> None:
    everyone = pd.read_csv(then.parent / "usage.csv", dtype=str)
    one = everyone["id"].iloc[0]
    stray = everyone.iloc[:1].assign(WHEN_TIMESTAMP="2020-01-27 00:00:00.000", id="stray")
    quiet = pd.concat([everyone[everyone["id"] != one], stray])
    quiet.to_csv(then.parent / "quiet.csv", index=False)
    others = pd.read_csv(then.parent / "noncustomers.csv", dtype=str)
    others.iloc[:1].to_csv(then.parent / "one.csv", index=False)
    found = listed(then, then.parent / "one.csv", usage=then.parent / "quiet.csv")
    assert found.table["cutoff"].tolist() == ["2020-02-03"]


def test_the_service_finds_a_company_as_it_was_listed(then: Path) -> None:
    top = listed(then, then.parent / "noncustomers.csv").table.head(20)
    scorer = load_scorer(Registry(then), "1.0.0")
    companies = CompanyLookup(then)
    for name, probability in zip(top["id"], top["probability"], strict=True):
        found = companies.find(name, scorer.spec)
        assert isinstance(found, Found)
        assert found.cutoff == "2020-02-03"
        categories = set(scorer.spec.categories())
        row = {
            one: np.array([value], dtype=object if one in categories else np.float32)
            for one, value in zip(scorer.spec.names(), found.values, strict=True)
        }
        assert scorer.probabilities(scorer.rows(row))[0] == probability


def test_training_ends_where_lists_do(then: Path) -> None:
    timeline = Source.of(latest(then), Settings()).timeline
    assert timeline.usage_end == timeline.as_of == day_number(MONDAY.date())
