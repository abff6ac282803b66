"""What a version was judged on, as today's prospects are held against it."""

from __future__ import annotations

from ml_sys.jobs.outcomes.judged_on import JudgedOn
from ml_sys.registry.store import Registry
from ml_sys.text import date_of


def test_of_a_holdout_its_last_list_is_looked_at(several):
    artifact = Registry(several).open("1.0.0")
    held = JudgedOn.of(artifact)
    cutoffs = artifact.manifest["holdout"]["cutoffs"]
    assert date_of(held.cutoff) == max(cutoffs) > min(cutoffs)
    assert (held.panel.cutoff == held.cutoff).all()
    assert len(held.known) == len(held.panel)
