"""The evidence is data: numbers, names and labels, which the page puts into words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.report.evidence import Evidence, plain_evidence

KEYS = (
    "version", "status", "created_at", "changes", "message", "snapshot", "data_through", "horizon_days",
    "confidence", "holdout", "fit", "evaluation", "ranking", "truthfulness", "segments", "reliance",
    "canaries", "quality", "settings", "set_otherwise", "lineage", "parent", "seeds", "backtest",
    "campaign", "promise", "money", "resampling",
)  # fmt: skip
# The words of the version's author, and what a reason says of its own feature.
FREE = ("message", "reliance.hits[].reasons[].text", "reliance.misses[].reasons[].text")
MOST_WORDS = 6


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, f"{path}[]")
    elif isinstance(value, str):
        yield path, value


def is_sentence(text: str) -> bool:
    """Say whether a text ends like a sentence, holds the end of one, or has more words than a name."""
    words = re.findall(r"\b[^\W\d_]{2,}\b", text)
    return len(words) > MOST_WORDS or (len(words) > 1 and bool(re.search(r"[a-z)%0-9][.!?]( |$)", text)))


def test_no_text_of_a_version_s_evidence_is_a_sentence(reported: Path) -> None:
    known = json.loads((reported / "models" / "1.0.1" / "evidence.json").read_text())
    found = dict(texts(known))
    assert found["message"] == "Every part. Told apart!"
    assert all(known[part] for part in ("backtest", "campaign", "promise", "money", "resampling", "seeds"))
    assert [one for one in texts(known) if one[0] not in FREE and is_sentence(one[1])] == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("e6e1fe9efce57f74ddc3a28cc2cd85ac9bd61e02", False),
        ("average_precision", False),
        ("SMOTENC", False),
        ("Labels shuffled teach nothing: 0.003 at a rate of 0.002.", True),
        ("It passes.", True),
    ],
)
def test_digests_and_names_are_no_sentences(text: str, is_one: bool) -> None:
    assert is_sentence(text) is is_one


def test_evidence_is_json_with_stable_keys(evidence: Evidence) -> None:
    told = plain_evidence(evidence)
    assert tuple(told) == KEYS
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (
        told["evaluation"][ALL][MODEL]["roc_auc"]["value"] == evidence.evaluation[ALL][MODEL]["roc_auc"].value
    )
    assert {"precision", "recall"} <= set(told["truthfulness"]["confusions"][0])
