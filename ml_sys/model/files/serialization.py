"""Write a fitted model to bytes, and read it back from verified bytes.

The Pipeline is a skops file whose types are compared with a list that is a constant here, before anything of
it is built. XGBoost's trees are not in it: scorer and Pipeline get them from one file of XGBoost's own.
"""

from __future__ import annotations

import copy
import io
import json
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import skops.io
import tomlkit
from sklearn.base import clone
from xgboost import XGBClassifier

from ml_sys.errors import ArtifactError, UnverifiedError
from ml_sys.features.panel import Panel
from ml_sys.features.rows import BLOCK_ROWS, Rows
from ml_sys.model.calibration import Calibrator
from ml_sys.model.estimator import BlendedXGBClassifier
from ml_sys.model.files.boosters import load_trees
from ml_sys.model.files.golden import golden_rows, replay
from ml_sys.model.files.holdout_rows import InParquet, without_prefix
from ml_sys.model.files.layout import (
    BOOSTER,
    GOLDEN,
    HOLDOUT,
    PIPELINE,
    SCORER,
    SETTINGS,
    as_json,
    settled,
    unpacked_as_held,
    usable_spec,
)
from ml_sys.model.files.sklearn_trees import has_stray_tree
from ml_sys.model.threshold import Tiers
from ml_sys.model.train import FittedModel
from ml_sys.resolve import refuse_unnamed
from ml_sys.settings.loading import from_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imblearn.pipeline import Pipeline
    from numpy.typing import NDArray

    from ml_sys.features.compute import Columns
    from ml_sys.model.files.artifact import Artifact
    from ml_sys.settings import Settings

# Types that a Pipeline file may contain beside those skops trusts itself. A constant, never read from the
# file. None of them runs what the file says. Trees are followed without looking where they lead, so that
# scikit-learn's are checked before they are asked, and XGBoost's are kept in a file of their own.
TRUSTED_TYPES = (
    "imblearn.pipeline.Pipeline",
    "ml_sys.model.estimator.BlendedXGBClassifier",
    "ml_sys.model.encoder.FrameEncoder",
    "ml_sys.model.resample.AdaptiveSMOTENC",
    "xgboost.sklearn.XGBClassifier",
    "collections.OrderedDict",  # what LightGBM keeps its own results in
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "numpy.random._mt19937.__randomstate_ctor",
)
_FEATURE_PREFIX = "feature:"
_RULE_PREFIX = "rule:"


def model_files(
    model: FittedModel, holdout: Panel, ids: NDArray[Any], probability: NDArray[np.float64]
) -> dict[str, bytes]:
    """Return the files that the model itself, its golden rows and its holdout are kept in.

    Parameters
    ----------
    holdout : Panel
        Rows that the model is judged on; n_rows.
    ids : ndarray of shape (n_companies,), texts
        Id of the company at each position.
    probability : ndarray of shape (n_rows,), float64
        The model's, of each holdout row.

    Raises
    ------
    ArtifactError
        If the Pipeline holds a type that would not be loaded again.
    """
    pipeline = settled(skops.io.dumps(_without_trees(model.pipeline)))
    unknown = _untrusted(pipeline)
    if has_stray_tree(model.pipeline):
        unknown.append("a tree by categories, or of more features than it is given")
    if unknown:
        raise ArtifactError(
            f"the fitted Pipeline holds {', '.join(unknown)}, which would not be loaded again",
            hint="use another estimator, or review the type and add it to TRUSTED_TYPES in serialization.py",
        )
    files = {PIPELINE: pipeline}
    booster = booster_bytes(model)
    if booster is not None:
        files[BOOSTER] = booster
    files[SCORER] = as_json(
        {
            "features": asdict(model.spec),
            "encoder": model.pipeline["encode"].plain(),
            "blend": blend_plain(model),
            "calibrator": asdict(model.calibrator),
            "threshold": model.threshold,
            "tiers": asdict(model.tiers),
        }
    )
    golden = golden_rows(model.spec, _from_columns(model), holdout.rows, probability)
    files[GOLDEN] = json.dumps(golden, allow_nan=False).encode()
    files[HOLDOUT] = _holdout_bytes(holdout, ids, probability)
    return files


def booster_bytes(model: FittedModel) -> bytes | None:
    """Return XGBoost's trees in its own format; None for another estimator."""
    estimator = model.pipeline["model"]
    return bytes(estimator.get_booster().save_raw("json")) if hasattr(estimator, "get_booster") else None


def _without_trees(pipeline: Pipeline) -> Pipeline:
    """Return a Pipeline whose estimator, if it is XGBoost's, holds all that it was fitted with but trees."""
    estimator = pipeline["model"]
    if not isinstance(estimator, XGBClassifier):
        return pipeline
    bare, kept = clone(estimator), copy.copy(pipeline)
    for name, value in vars(estimator).items():
        if name.endswith("_"):
            setattr(bare, name, value)
    kept.steps = [*pipeline.steps[:-1], ("model", bare)]
    return kept


def blend_plain(model: FittedModel) -> dict[str, Any] | None:
    """Return, as plain data, what is made of the trees' margin; None where nothing is."""
    estimator = model.pipeline["model"]
    if not isinstance(estimator, BlendedXGBClassifier):
        return None
    blend = estimator.blend_
    return {
        "slope": blend.slope,
        "intercept": blend.intercept,
        "weights": blend.weights.tolist(),
        "means": blend.means.tolist(),
    }


def load_model(artifact: Artifact) -> FittedModel:
    """Build a version's model from its verified files and replay its golden rows.

    Raises
    ------
    UnverifiedError
        If it holds an untrusted type or a tree that leads out of itself, or a golden row comes out otherwise
        than when it was made.
    SchemaDriftError
        If the version means features that this code does not produce.
    """
    place, content = artifact.folder / PIPELINE, artifact.file(PIPELINE)
    with _unreadable(place):
        unknown = _untrusted(unpacked_as_held(content))
    if unknown:
        raise UnverifiedError(place, f"holds untrusted types: {', '.join(unknown)}")
    scorer = artifact.json(SCORER)
    spec = usable_spec(artifact)
    with _unreadable(place):
        pipeline = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    if has_stray_tree(pipeline):
        raise UnverifiedError(place, "holds a tree that leads out of itself")
    if isinstance(pipeline["model"], XGBClassifier):
        with _unreadable(artifact.folder / BOOSTER):
            load_trees(pipeline["model"], artifact.file(BOOSTER))
    with _unreadable(artifact.folder / SCORER):
        model = FittedModel(
            pipeline=pipeline,
            calibrator=Calibrator.from_plain(scorer["calibrator"]),
            spec=spec,
            threshold=scorer["threshold"],
            tiers=Tiers(**scorer["tiers"]),
        )
    replay(artifact.json(GOLDEN), spec, _from_columns(model), str(artifact.folder))
    return model


def read_holdout(artifact: Artifact) -> tuple[Panel, pd.DataFrame]:
    """Return the rows that a version is judged on, and their ids and stored probabilities."""
    content = pa.BufferReader(artifact.file(HOLDOUT))
    with _unreadable(artifact.folder / HOLDOUT):
        file = pq.ParquetFile(content)
        if file.metadata.num_rows > BLOCK_ROWS:
            stored = InParquet(file, _FEATURE_PREFIX)
            return _holdout_of(stored.beside(), stored.rows())
        return _holdout_of(file.read().to_pandas(split_blocks=True, self_destruct=True))


def _holdout_of(frame: pd.DataFrame, rows: Rows | None = None) -> tuple[Panel, pd.DataFrame]:
    panel = Panel(
        rows=Rows.of(without_prefix(frame, _FEATURE_PREFIX)) if rows is None else rows,
        company=frame["company"].to_numpy(),
        cutoff=frame["cutoff"].to_numpy(),
        label=frame["label"].to_numpy(),
        seen=frame["seen"].to_numpy(),
        rules={str(name): one.to_numpy() for name, one in without_prefix(frame, _RULE_PREFIX).items()},
    )
    return panel, frame[["id", "probability"]]


def read_settings(artifact: Artifact) -> Settings:
    """Return the settings that a version was trained with, without those that are retired since.

    Raises
    ------
    ResolveError
        If they name an estimator or a feature to import that the current settings do not.
    """
    values = tomlkit.parse(artifact.text(SETTINGS)).unwrap()
    settings = from_values(values, place=str(artifact.folder / SETTINGS))
    refuse_unnamed(settings.imports(), artifact.named, artifact.folder / SETTINGS)
    return settings


@contextmanager
def _unreadable(place: Path) -> Iterator[None]:
    """Describe in one line how a damaged file cannot be read."""
    try:
        yield
    except Exception as error:  # of whatever kind skops, NumPy or the estimator's library makes it
        lines = str(error).splitlines() or [type(error).__name__]
        raise UnverifiedError(place, f"cannot be read: {lines[0]}") from error


def _from_columns(model: FittedModel) -> Callable[[Columns], NDArray[np.float64]]:
    return lambda columns: model.probabilities(pd.DataFrame(columns, copy=False))


def _untrusted(pipeline: bytes) -> list[str]:
    """Name the types of a Pipeline file that are not trusted; nothing of it is built."""
    return sorted(set(skops.io.get_untrusted_types(data=pipeline)) - set(TRUSTED_TYPES))


def _holdout_bytes(panel: Panel, ids: Any, probability: Any) -> bytes:
    """Return the holdout as Parquet, put together block by block."""
    parquet, start = io.BytesIO(), 0
    with ExitStack() as stack:
        writer, schema = None, None
        for rows in panel.rows.blocks():
            at = np.arange(start, start + len(rows))
            frame = _holdout_frame(replace(panel.take(at), rows=rows), ids, probability[at])
            start += len(rows)
            if writer is None:
                schema = pa.Schema.from_pandas(frame, preserve_index=False)
                if start < len(panel):  # a text that is blank in the first block may be none in the next
                    schema = _with_texts(schema)
                writer = stack.enter_context(pq.ParquetWriter(parquet, schema))
            writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))
    return parquet.getvalue()


def _with_texts(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose columns without a type are texts."""
    for at, field in enumerate(schema):
        if pa.types.is_null(field.type):
            schema = schema.set(at, field.with_type(pa.string()))
    return schema


def _holdout_frame(panel: Panel, ids: Any, probability: Any) -> pd.DataFrame:
    known = pd.DataFrame(
        {
            "id": ids[panel.company].astype(object),
            "company": panel.company,
            "cutoff": panel.cutoff,
            "label": panel.label,
            "seen": panel.seen,
            "probability": probability,
            **{_RULE_PREFIX + name: score for name, score in panel.rules.items()},
        }
    )
    return pd.concat([known, panel.features.add_prefix(_FEATURE_PREFIX)], axis=1)
