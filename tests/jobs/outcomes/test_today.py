"""Prospects of a file, some of whom the snapshot does not know, scored from a snapshot in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ml_sys.data import snapshot
from ml_sys.days import WEEKLY
from ml_sys.jobs.outcomes.observed import population, prospects_in
from ml_sys.jobs.outcomes.today import today_of
from ml_sys.outcomes.populations import moved
from ml_sys.scoring.rule_scorer import RuleScorer
from ml_sys.settings import SchemaSettings
from tests.scoring.from_snapshot.test_by_part import CUTOFF, stored_in


def test_prospects_of_a_file_keep_its_order_in_however_many_parts_the_snapshot_is(tmp_path: Path) -> None:
    stored = stored_in(tmp_path)
    whole = snapshot.load(stored[1].path)
    rule = RuleScorer.of("actions", whole.form, WEEKLY)
    names = ["m40", "stranger", "n1", "m3", "another", "m22", "m7"]
    path = tmp_path / "prospects.csv"
    rows = [f"5,1,,{name}" for name in names]
    path.write_text("\n".join(["ALEXA_RANK,EMPLOYEE_RANGE,INDUSTRY,id", *rows, ""]))
    found = []
    for data in (whole, *stored.values()):
        prospects = prospects_in(path, SchemaSettings(), rule.spec, data, CUTOFF)
        reference = {name: np.arange(3, dtype=np.float32) for name in rule.spec.names()}
        today = today_of(prospects, data, CUTOFF, rule, 1.0, reference)
        assert today.some.ids.tolist() == names
        assert today.some.probability.tolist() == today.probability.tolist()
        assert today.moves == moved(today.some.columns, reference)
        lately = population(today.some, rule, data, 4, 1.0)
        measures = {name: values.tolist() for name, values in lately.measures.items()}
        found.append((today.probability.tolist(), today.moves, lately.usage_company.tolist(), measures))
    assert found[1:] == found[:1] * 3
    assert found[0][0][1] == found[0][0][4] == 0
    assert max(found[0][0]) > 0
    assert len(set(found[0][2])) > 2
