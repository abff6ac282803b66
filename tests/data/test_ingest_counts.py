import json
from dataclasses import asdict

import pyarrow.parquet as pq

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.ingest_counts import ingest_counts
from ml_sys.data.quarantine import LOST_COMPANY, MERGED_CUSTOMER, MERGED_DUPLICATE, UNCOVERED, Quarantine
from ml_sys.data.reading.rows import BadRow
from ml_sys.data.schema import CUSTOMERS, NONCUSTOMERS, USAGE
from ml_sys.data.snapshot import MANIFEST, QUARANTINE, latest
from ml_sys.data.sources import open_source
from ml_sys.form import Form, Noun, Words
from ml_sys.settings import SchemaSettings
from tests.made import NOW


def test_rows_are_counted_by_table_and_by_what_became_of_them(snapshot, three_tables):
    found = ingest_counts(snapshot.path)
    lines = {
        CUSTOMERS: "customers.csv", NONCUSTOMERS: "noncustomers.csv", USAGE: "usage_actions.csv",
    }  # fmt: skip
    for table, file in lines.items():
        assert found.read[table] == len((three_tables / file).read_text().splitlines()) - 1
    assert found.read[USAGE] - found.rejected[USAGE] == snapshot.usage_stamp.size
    assert found.read[CUSTOMERS] + found.read[NONCUSTOMERS] - len(snapshot.companies) == sum(
        found.merged.values()
    ) + found.rejected.get(CUSTOMERS, 0) + found.rejected.get(NONCUSTOMERS, 0)


def test_rows_of_days_that_the_export_does_not_cover_are_not_wrong(tmp_path, three_tables):
    files = {name: str(three_tables / f"{name}.csv") for name in ("customers", "noncustomers")}
    files["usage"] = str(three_tables / "usage_actions.csv")
    ingest(
        Origin(open_source("file"), SchemaSettings(), files),
        Rules(max_rejected_share=0.05, as_of="2020-01-06"),
        tmp_path,
        now=NOW,
    )
    found = ingest_counts(latest(tmp_path).path)
    assert found.rejected[USAGE] < 0.005 * found.read[USAGE]


def test_reasons_are_known_in_the_words_of_the_description(tmp_path):
    words = Words(entity=Noun("account", "accounts"), customer=Noun("buyer", "buyers"))
    kept = Quarantine(words)
    reasons = MERGED_DUPLICATE, MERGED_DUPLICATE, MERGED_CUSTOMER, UNCOVERED, LOST_COMPANY, "odd", "odd"
    kept.add("seen", "s.csv", [BadRow(at, reason, "x") for at, reason in enumerate(reasons)])
    pq.write_table(kept.to_table(), tmp_path / QUARANTINE)
    told = {"read": {"seen": 9}, "form": asdict(Form(words=words))}
    (tmp_path / MANIFEST).write_text(json.dumps(told))
    found = ingest_counts(tmp_path)
    assert (found.merged, found.rejected, found.read) == ({"seen": 3}, {"seen": 3}, {"seen": 9})
