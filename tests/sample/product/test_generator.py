"""What the sample of a product promises: its files, its faults, and a truth that is true."""

import numpy as np
import pandas as pd
import pytest

from ml_sys.errors import UsageError
from ml_sys.sample.product.generator import generate
from ml_sys.sample.product.simulation import KINDS, LOG_START
from ml_sys.settings.description import SchemaSettings
from ml_sys.settings.tables import EventTable, LinkTable

WORKSPACES, WEEKS = 3000, 60
HORIZON = pd.Timedelta(days=30)
FILES = ("workspaces.csv", "members.csv", "events.csv", "purchases.csv", "truth.csv", "mlsys.toml")
END = pd.Timestamp(LOG_START) + pd.Timedelta(weeks=WEEKS)


class Sample:
    """A generated folder, read back."""

    def __init__(self, folder, report):
        self.folder, self.report = folder, report
        read = {name: pd.read_csv(folder / name, dtype=str, keep_default_na=False) for name in FILES[:-1]}
        self.workspaces, self.members, self.events, self.purchases, self.truth = read.values()
        days = pd.to_datetime(self.purchases.bought_at)
        self.bought = days.groupby(self.purchases.workspace).min()
        self.signed_up = pd.to_datetime(
            self.workspaces.drop_duplicates("workspace").set_index("workspace").signed_up
        )
        self.stamp = pd.to_datetime(self.events.happened_at, format="%Y-%m-%d %H:%M:%S", errors="coerce")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("product")
    return Sample(folder, generate(folder, companies=WORKSPACES, weeks=WEEKS, seed=3))


def test_the_report_counts_what_the_files_hold(sample):
    held = {name: len(getattr(sample, name.removesuffix(".csv"))) for name in FILES[:-1]}
    assert sample.report.rows == held
    assert sample.report.workspaces == sample.workspaces.workspace.nunique() == WORKSPACES
    assert sample.report.buyers == sample.bought.index.isin(sample.signed_up.index).sum()
    assert sample.report.monthly_rate == pytest.approx(sample.truth.probability.astype(float).mean())


def test_the_description_beside_the_tables_names_their_columns(sample):
    import tomllib

    given = tomllib.loads((sample.folder / "mlsys.toml").read_text())["schema"]
    schema = SchemaSettings.model_validate(given)
    (events,), (links,) = schema.of(EventTable).values(), schema.of(LinkTable).values()
    assert {events.at, events.user, events.event, events.event_id} < set(sample.events)
    assert {one.column for one in events.amounts.values()} < set(sample.events)
    assert {links.user, links.id} == set(sample.members)
    assert set(schema.attributes) < set(sample.workspaces)
    assert schema.has_since


def test_the_true_probabilities_agree_with_what_happened(sample):
    cutoff, probability = pd.to_datetime(sample.truth.cutoff), sample.truth.probability.astype(float)
    bought = sample.truth.id.map(sample.bought)
    apart = ((END - cutoff).dt.days % 35 == 0) & (cutoff + HORIZON <= END)
    label = ((bought >= cutoff) & (bought < cutoff + HORIZON))[apart]
    probability = probability[apart]
    for low, high in ((0, 0.002), (0.002, 0.02), (0.02, 0.2), (0.2, 1)):
        part = probability.between(low, high)
        spread = np.sqrt((probability * (1 - probability))[part].sum())
        assert abs(label[part].sum() - probability[part].sum()) < 4 * spread


def test_truth_is_of_workspaces_that_had_signed_up_and_not_bought(sample):
    cutoff = pd.to_datetime(sample.truth.cutoff)
    assert (sample.truth.id.map(sample.signed_up) < cutoff).all()
    assert not (sample.truth.id.map(sample.bought) < cutoff).any()
    for day in (END, END - pd.Timedelta(weeks=10)):
        free = (sample.signed_up < day) & ~(sample.bought.reindex(sample.signed_up.index) < day)
        assert free.sum() == (cutoff == day).sum()


def test_usage_rises_after_the_purchase_and_some_kinds_only_begin_with_it(sample):
    one = sample.members.drop_duplicates("user").set_index("user").workspace
    workspace = sample.events.user.map(one)
    weeks = (sample.stamp - workspace.map(sample.bought)).dt.days // 7
    before, after = (weeks.between(*span).sum() for span in ((-8, -1), (5, 12)))
    assert after > 1.5 * before
    paid = sample.events.event.isin(KINDS[-2:]) & sample.stamp.notna()
    first = sample.members.groupby("user").workspace.nunique()
    alone = sample.events.user.map(first) == 1
    assert (weeks[paid & alone & (workspace.map(sample.bought) < END)] >= 0).all()


def test_some_users_belong_to_two_workspaces_and_some_workspaces_buy_on_their_first_day(sample):
    assert (sample.members.groupby("user").workspace.nunique() == 2).any()
    both = sample.bought.to_frame("bought").join(sample.signed_up)
    assert (both.bought == both.signed_up).any()
    assert not (both.bought < both.signed_up).any()


def test_the_faults_are_there_and_few(sample):
    assert all(count > 0 for count in sample.report.anomalies.values()), sample.report.anomalies
    assert sum(sample.report.anomalies.values()) < 0.01 * len(sample.events)
    assert sample.stamp.isna().sum() == sample.report.anomalies["events: unreadable happened_at"]
    assert sample.events.event_id.duplicated().sum() == sample.report.anomalies["events: repeated"]
    minutes = pd.to_numeric(sample.events.minutes)
    assert (minutes < 0).sum() == sample.report.anomalies["events: negative minutes"]
    strangers = ~sample.events.user.isin(sample.members.user)
    assert strangers.sum() == sample.report.anomalies["events: unknown user"]


def test_no_event_happens_before_the_sign_up_or_after_the_log(sample):
    pairs = (
        sample.events.assign(stamp=sample.stamp)
        .dropna()
        .merge(sample.members.drop_duplicates("user"), on="user")
    )
    alone = pairs.user.map(sample.members.groupby("user").workspace.nunique()) == 1
    assert (pairs.stamp >= pairs.workspace.map(sample.signed_up))[alone].all()
    assert sample.stamp.min() >= pd.Timestamp(LOG_START)
    assert sample.stamp.max() < END


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        generate(tmp_path / name, companies=1200, weeks=10, seed=1)
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize(("companies", "weeks"), [(1, 1), (3, 2), (40, 3)])
def test_the_smallest_samples_are_made(tmp_path, companies, weeks):
    assert generate(tmp_path, companies=companies, weeks=weeks, seed=0).workspaces == companies


def test_progress_counts_workspaces_up_to_the_last(tmp_path):
    seen = []
    generate(tmp_path, companies=2500, weeks=2, seed=0, on_progress=seen.append)
    assert seen == [1000, 2000, 2500]


@pytest.mark.parametrize("wrong", [{"companies": 0}, {"weeks": 0}, {"seed": -1}])
def test_a_number_out_of_range_is_refused(tmp_path, wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        generate(tmp_path, **{"companies": 1, "weeks": 1, "seed": 0, **wrong})
