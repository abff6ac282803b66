"""Cache the lists of a backtest, so that asking again costs nothing.

A term is known by the digest of all that it depends on: the snapshot, the settings that reach a fit, the code
of data, features and model, features and estimators of the user's own with all that they import, and the
versions of the libraries. A file that cannot be read is as good as none.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml_sys.durable import make_folder, write_durably
from ml_sys.experiments.schedule import Term, TermScores
from ml_sys.experiments.source_digest import code_of
from ml_sys.resolve import resolve

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.settings import Settings

FOLDER = "backtests"
# Groups of settings that reach a fit.
FITTING = (
    "seed", "usage", "label", "panel", "features", "resample", "model", "calibration", "threshold", "split",
)  # fmt: skip
_LIBRARIES = (
    "imbalanced-learn", "lightgbm", "numba", "numpy", "pandas", "scikit-learn", "scipy", "xgboost",
    "xgboost-cpu",
)  # fmt: skip
# Modules that a fit begins with.
_CODE = (
    "ml_sys.data.snapshot", "ml_sys.experiments.fitting", "ml_sys.experiments.schedule",
    "ml_sys.metrics.scored_lists",
)  # fmt: skip
# Packages of those libraries, and our own.
_KNOWN = frozenset(
    {"imblearn", "lightgbm", "ml_sys", "numba", "numpy", "pandas", "scipy", "sklearn", "xgboost"}
)
# Those where our own code is looked for; the package's door to Python leads to every use case, and to no fit.
_BESIDE_OURS = (_KNOWN - {"ml_sys"}) | {"ml_sys.project"}
_SCORE, _FACTS = "score:", b"mlsys"
_FACTS_KEPT = ("training_cutoffs", "training_positives", "trees", "threshold")


class TermStore:
    """Cached terms under one key; see the module.

    Parameters
    ----------
    snapshot : str
        Its id.
    plain : bool
        Whether plain XGBoost is among the rankers.
    """

    def __init__(self, artifacts_dir: Path, snapshot: str, settings: Settings, *, plain: bool) -> None:
        dumped = settings.model_dump(mode="json")
        del dumped["model"]["distributed"]  # for the version's own trees alone
        depends = {
            "snapshot": snapshot,
            "settings": {name: dumped[name] for name in FITTING},
            "window": settings.backtest.window,
            "plain": plain,
            "code": code_digest(),
            "own": own_code(settings),
            "libraries": _library_versions(),
        }
        text = json.dumps(depends, sort_keys=True)
        self.folder = artifacts_dir / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:16]

    def load(self, term: Term) -> TermScores | None:
        """Return a term's cached lists; None when there are none."""
        try:
            table = pq.read_table(self._path(term))
            facts = json.loads(table.schema.metadata[_FACTS])
            if facts["term"] != [term.trained, list(term.cutoffs)]:
                return None
            scores = {
                name.removeprefix(_SCORE): table[name].to_numpy()
                for name in table.column_names
                if name.startswith(_SCORE)
            }
            return TermScores(
                training_cutoffs=facts["training_cutoffs"],
                training_positives=facts["training_positives"],
                trees=facts["trees"],
                threshold=facts["threshold"],
                cutoff=table["cutoff"].to_numpy().astype(np.int32),
                company=table["company"].to_numpy().astype(np.int32),
                label=table["label"].to_numpy().astype(np.bool_),
                seen=table["seen"].to_numpy().astype(np.bool_),
                tier=table["tier"].to_numpy().astype(np.str_),
                scores=scores,
            )
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None

    def save(self, term: Term, found: TermScores) -> None:
        """Store a term's lists; if that fails, they are computed again next time."""
        facts = {name: getattr(found, name) for name in _FACTS_KEPT}
        facts["term"] = [term.trained, term.cutoffs]
        columns: dict[str, Any] = {
            "cutoff": found.cutoff,
            "company": found.company,
            "label": found.label,
            "seen": found.seen,
            "tier": found.tier.astype(object),
        }
        columns |= {f"{_SCORE}{name}": score for name, score in found.scores.items()}
        table = pa.table(columns).replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        with suppress(OSError):
            make_folder(self.folder)
            write_durably(self._path(term), sink.getvalue().to_pybytes())

    def _path(self, term: Term) -> Path:
        text = json.dumps([term.trained, term.cutoffs])
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.parquet"


@cache
def code_digest() -> str:
    """Return the digest of our own code that a fit runs."""
    text = json.dumps(code_of(_CODE, known=_BESIDE_OURS, loaded=False), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def own_code(settings: Settings) -> dict[str, str]:
    """Return the source of the user's own estimator and features, and of everything they import."""
    modules = []
    for path in settings.imports():
        if re.split(r"[.:]", path)[0] not in _KNOWN:
            modules += [path.partition(":")[0], getattr(inspect.unwrap(resolve(path)), "__module__", "")]
    return code_of(filter(None, modules), known=_KNOWN)


def _library_versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = package_version(name)
    return found
