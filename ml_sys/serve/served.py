"""The version that a process serves: loaded, verified and immutable; a new one replaces it whole."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from ml_sys.features.spellings import MISSING
from ml_sys.model.files.golden import replay
from ml_sys.model.files.layout import CARD, GOLDEN, METRICS
from ml_sys.registry.loading import scorer_of
from ml_sys.scoring.reasons import reasons
from ml_sys.scoring.scorer import CompiledScorer
from ml_sys.serve.contract.inputs import input_of, inputs_of
from ml_sys.serve.contract.requests import Contract
from ml_sys.serve.prediction_log import Logged
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from ml_sys.registry.store import Registry
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.serve.contract.inputs import Values

_SHOWN_NAMES = 5
_SHOWN_TEXT = 80


@dataclass(frozen=True)
class Served:
    """A version that answers.

    Attributes
    ----------
    seal : str
        Digest of its files; distinguishes two versions of the same name.
    contract : Contract
        Its requests.
    golden : dict
        Its golden rows.
    facts : dict
        The answer of ``/model``.
    trained_at : float
        Seconds since 1970-01-01.
    """

    version: str
    seal: str
    scorer: Scorer
    contract: Contract
    golden: Mapping[str, Any]
    facts: dict[str, Any]
    trained_at: float

    def check(self) -> None:
        """Replay the golden rows.

        Raises
        ------
        ArtifactError
            If the model does not reproduce them.
        """
        scorer = self.scorer
        replay(
            self.golden,
            scorer.spec,
            lambda columns: scorer.probabilities(scorer.rows(columns)),
            f"version {self.version}",
        )

    def predict(self, request: BaseModel, n_reasons: int = 0) -> tuple[dict[str, Any], Logged]:
        """Predict for one company; return the answer and the log entry.

        Raises
        ------
        NoReasonsError
            If reasons are asked for and the model cannot give any.
        """
        asked = input_of(request, self.contract)
        return self.say(asked.values, request.__dict__["id"], n_reasons, asked.remarks)

    def predict_many(
        self, requests: Sequence[BaseModel], n_reasons: int = 0
    ) -> list[tuple[dict[str, Any], Logged]]:
        """Predict for each company, as :meth:`predict` does."""
        every = inputs_of(requests, self.contract)
        return [
            self.say(asked.values, request.__dict__["id"], n_reasons, asked.remarks)
            for request, asked in zip(requests, every, strict=True)
        ]

    def say(
        self, values: Values, company: str | None, n_reasons: int = 0, remarks: tuple[str, ...] = ()
    ) -> tuple[dict[str, Any], Logged]:
        """Predict from feature values in order; remarks come before other warnings."""
        scorer = self.scorer
        row = scorer.row(values)
        probability = scorer.probability(row)
        prediction: dict[str, Any] = {
            "conversion_probability": probability,
            "will_convert": probability >= scorer.threshold,
            "tier": scorer.tiers.name(probability),
            "threshold": scorer.threshold,
            "model_version": self.version,
            "warnings": [*remarks, *self._warnings(values)],
        }
        if n_reasons:
            prediction["reasons"] = self._reasons(row, values, n_reasons)
        logged = Logged(time.time(), self.version, company, row.tobytes(), probability, self._noticed(values))
        return prediction, logged

    def _noticed(self, values: Values) -> tuple[str, ...]:
        """Return the blank attributes, and texts unknown to the model."""
        found = []
        for at, blank, unseen in self.contract.told:
            value = values[at]
            if value is None or value == MISSING:
                found.append(blank)
            elif isinstance(value, str) and not self.scorer.is_known(self.contract.names[at], value):
                found.append(unseen)
        return tuple(found)

    def _warnings(self, values: Values) -> list[str]:
        warnings = []
        for at, category in self.contract.categories:
            level = values[at]
            if isinstance(level, str) and not self.scorer.is_known(category, level):
                shown = level if len(level) <= _SHOWN_TEXT else level[:_SHOWN_TEXT] + "…"
                warnings.append(f"{category}: no training row had {shown!r}; it counts as other")
        n_missing = values.count(None)
        if n_missing:
            missing = (name for name, value in zip(self.contract.names, values, strict=True) if value is None)
            names = ", ".join(islice(missing, _SHOWN_NAMES)) + ("…" if n_missing > _SHOWN_NAMES else "")
            are = counted(n_missing, "feature is", "features are")
            warnings.append(f"{are} missing and taken as typical: {names}")
        return warnings

    def _reasons(self, row: Any, values: Values, top: int) -> list[dict[str, Any]]:
        named = dict(zip(self.contract.names, values, strict=True))
        return [
            {"text": one.text, "direction": one.direction, "contribution": one.contribution}
            for one in reasons(self.scorer, row, named, top)
        ]


def load_served(registry: Registry, version: str, known: Served | None = None) -> Served:
    """Load and verify a version.

    Parameters
    ----------
    known : Served, optional
        A version whose contract is reused if the features are the same.

    Raises
    ------
    ArtifactError
        If there is no such version, or it cannot be used.
    """
    artifact = registry.open(version)
    scorer = scorer_of(registry, artifact)
    same = known if known is not None and known.scorer.spec == scorer.spec else None
    manifest, entry = artifact.manifest, artifact.manifest["entry"]
    facts = {
        "model_version": version,
        "created_at": entry["created_at"],
        "message": entry["message"],
        "snapshot": entry["snapshot"],
        "data_through": entry["data_through"],
        "horizon_days": manifest["horizon_days"],
        "threshold": scorer.threshold,
        "compiled": isinstance(scorer, CompiledScorer),
        "features": scorer.spec.groups(),
        "metrics": artifact.json(METRICS),
        "card": artifact.text(CARD),
    }
    return Served(
        version=version,
        seal=artifact.seal,
        scorer=scorer,
        contract=Contract.of(scorer.spec, scorer.usual_levels()) if same is None else same.contract,
        golden=artifact.json(GOLDEN),
        facts=facts,
        trained_at=datetime.fromisoformat(entry["created_at"]).timestamp(),
    )
