"""Load a version's scorer from its verified files, and check that it agrees with the Pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.errors import ArtifactError, UnverifiedError
from ml_sys.model.files.golden import PROBABILITY_TOLERANCE, replay
from ml_sys.model.files.layout import BOOSTER, GOLDEN, SCORER, usable_spec
from ml_sys.scoring.compiled.compile import compile_scorer
from ml_sys.scoring.compiled.trees import NotCompilableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ml_sys.features.rows import Rows
    from ml_sys.model.files.artifact import Artifact
    from ml_sys.scoring.scorer import CompiledScorer, Scorer


def open_scorer(artifact: Artifact) -> Scorer:
    """Return a version's scorer, compiled if possible, after replaying its golden rows.

    Raises
    ------
    UnverifiedError
        If no scorer can be made from its files, or a golden row gets another probability.
    SchemaDriftError
        If the version needs features that this code does not produce.
    """
    spec = usable_spec(artifact)
    try:
        scorer: Scorer = compile_scorer(artifact.json(SCORER), artifact.files.get(BOOSTER))
    except NotCompilableError:
        return _of_pipeline(artifact)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnverifiedError(artifact.folder, f"has no scorer that can be compiled: {error!r}") from error
    replay(
        artifact.json(GOLDEN),
        spec,
        lambda columns: scorer.probabilities(scorer.rows(columns)),
        str(artifact.folder),
    )
    return scorer


def prove_equal(
    plain: Mapping[str, Any], booster: bytes | None, features: Rows, probability: NDArray[np.float64]
) -> CompiledScorer | None:
    """Compile a new version's scorer and compare it with its Pipeline on the holdout.

    Parameters
    ----------
    plain, booster
        See :func:`ml_sys.scoring.compiled.compile.compile_scorer`.
    features : Rows
        Of the n_rows rows of the holdout.
    probability : ndarray of shape (n_rows,), float64
        The Pipeline's, for the same rows.

    Returns
    -------
    CompiledScorer or None
        None for a model that cannot be compiled.

    Raises
    ------
    ArtifactError
        If a row differs by more than ``PROBABILITY_TOLERANCE``.
    """
    try:
        scorer = compile_scorer(plain, booster)
    except NotCompilableError:
        return None
    found = distance_from_pipeline(probabilities_by(scorer, features), probability)
    if found:
        raise ArtifactError(
            f"the compiled scorer differs from the Pipeline {found} of the holdout, so the version was not "
            "created",
            hint="this is a bug in mlsys: please report it with the settings",
        )
    return scorer


def probabilities_by(scorer: Scorer, features: Rows) -> NDArray[np.float64]:
    """Return a scorer's probability of each row, float64, block by block."""
    names = scorer.spec.names()
    found = [
        scorer.probabilities(scorer.rows({name: block.column(name) for name in names}))
        for block in features.blocks()
    ]
    return np.concatenate([np.empty(0), *found])


def distance_from_pipeline(found: NDArray[np.float64], probability: NDArray[np.float64]) -> str:
    """Describe how far a scorer's probabilities are from the Pipeline's, and where; empty if they agree."""
    gap = np.abs(found - probability)
    if (gap <= PROBABILITY_TOLERANCE).all():
        return ""
    worst = int(np.argmax(np.where(np.isnan(gap), np.inf, gap)))
    return f"by {gap[worst]:.2g} on row {worst}"


def _of_pipeline(artifact: Artifact) -> Scorer:
    from ml_sys.model.files.serialization import (
        load_model,  # with pandas, scikit-learn and the estimator's library
    )
    from ml_sys.scoring.pipeline_scorer import PipelineScorer

    return PipelineScorer(load_model(artifact))
