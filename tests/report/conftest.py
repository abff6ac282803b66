"""What tests of the report share: the evidence of a small version, gathered from its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.data.snapshot import Snapshot
from ml_sys.leaks.canary import Canary
from ml_sys.metrics.holdout import from_plain
from ml_sys.model.files.layout import CANARIES, METRICS
from ml_sys.model.files.serialization import load_model, read_holdout, read_settings
from ml_sys.registry.store import Registry
from ml_sys.report.evidence import Evidence, Past
from ml_sys.report.gathering import Candidate, evidence_of_version, gather_evidence
from ml_sys.scoring.loading import open_scorer


@pytest.fixture(scope="session")
def evidence(registered: Path, snapshot: Snapshot) -> Evidence:
    """All that is known of version 1.0.0, but for what past lists tell."""
    artifact = Registry(registered).open("1.0.0")
    holdout, known = read_holdout(artifact)
    gathered = gather_evidence(
        Candidate(
            load_model(artifact),
            open_scorer(artifact),
            holdout,
            known["id"].to_numpy(dtype=object),
            known["probability"].to_numpy(),
            from_plain(artifact.json(METRICS)),
        ),
        canaries=[Canary(one["name"], one["status"], one["figures"]) for one in artifact.json(CANARIES)],
        facts=artifact.manifest,
        bootstrap=read_settings(artifact).bootstrap,
        snapshot=snapshot,
        past=Past(),
    )
    return evidence_of_version(gathered, artifact.manifest, None)
