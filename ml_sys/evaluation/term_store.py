"""Remembers what the terms of a backtest gave, so that asking again costs nothing.

A term is known by the digest of all that it depends on: the snapshot, the settings that reach a fit, the code
of data, features and model, the files of features and estimators of the user's own, and the versions of the
libraries. A file that cannot be read is as good as none.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import ml_sys
from ml_sys.data.durable import make_folder, write_durably
from ml_sys.evaluation.terms import Term, TermScores
from ml_sys.resolve import resolve

if TYPE_CHECKING:
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
_CODE = (
    "data/schema.py", "data/snapshot.py", "evaluation/fitting.py", "evaluation/lists.py",
    "evaluation/terms.py", "features", "kernel.py", "model", "resolve.py", "settings.py",
)  # fmt: skip
# Packages whose versions say what code they hold.
_INSTALLED = {"imblearn", "lightgbm", "sklearn", "xgboost"}
_SCORE, _FACTS = "score:", b"mlsys"
_FACTS_KEPT = ("training_cutoffs", "training_positives", "trees", "threshold")


class TermStore:
    """Files of terms under one key; see the module.

    Parameters
    ----------
    artifacts_dir : Path
    snapshot : str
        Its id.
    settings : Settings
    plain : bool
        Whether plain XGBoost is among the rankers.
    """

    def __init__(self, artifacts_dir: Path, snapshot: str, settings: Settings, *, plain: bool) -> None:
        dumped = settings.model_dump(mode="json")
        depends = {
            "snapshot": snapshot,
            "settings": {name: dumped[name] for name in FITTING},
            "window": settings.backtest.window,
            "plain": plain,
            "code": code_digest(),
            "own": own_digests(settings),
            "libraries": _library_versions(),
        }
        text = json.dumps(depends, sort_keys=True)
        self.folder = artifacts_dir / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:16]

    def load(self, term: Term) -> TermScores | None:
        """Return what a term gave; None where it is not known."""
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
        """Keep what a term gave; where that fails, it is computed again next time."""
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
    """Digest of the code that a fit runs through."""
    root = Path(ml_sys.__file__).parent
    named = [root / name for name in _CODE]
    files = [path for one in named for path in (sorted(one.rglob("*.py")) if one.is_dir() else [one])]
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def own_digests(settings: Settings) -> list[str]:
    """Return the digests of the files of the user's own estimator and features."""
    return [_source_digest(path) for path in (settings.model.estimator, *settings.features.extra)]


def _source_digest(import_path: str) -> str:
    """Digest of the file in which something of the user's own is defined."""
    if import_path.partition(".")[0].partition(":")[0] in _INSTALLED:
        return import_path
    try:
        source = inspect.getsourcefile(inspect.unwrap(resolve(import_path)))
        return hashlib.sha256(Path(source or "").read_bytes()).hexdigest()
    except (OSError, TypeError):  # built in, or made while running
        return import_path


def _library_versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = package_version(name)
    return found
