"""Compile a version's plain files into a scorer.

The Pipeline's encoder imputes blank numbers, takes a signed logarithm and scales, all of which is monotone.
So instead of encoding every row, each threshold is translated to raw numbers, and each split stores the side
to which the imputed value would have gone. A raw row then takes the same path.
"""

from __future__ import annotations

from dataclasses import replace
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.model.calibration import Calibrator
from ml_sys.model.files.layout import spec_from_plain
from ml_sys.model.scaling import scaled
from ml_sys.model.threshold import Tiers
from ml_sys.scoring.compiled.line import Line
from ml_sys.scoring.compiled.trees import NotCompilableError, Trees, read_trees
from ml_sys.scoring.scorer import CompiledScorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_LARGEST = float(np.finfo(np.float32).max)
_BITS = 32


def compile_scorer(plain: Mapping[str, Any], booster: bytes | None) -> CompiledScorer:
    """Compile the scorer of a version.

    Parameters
    ----------
    plain : mapping
        The content of its file ``scorer.json``.
    booster : bytes or None
        Its file ``booster.json``; None if it has none.

    Raises
    ------
    NotCompilableError
        If the model is not one of plain trees of XGBoost, or was trained before scorers were compiled.
    ValueError, KeyError, TypeError, IndexError
        If the files are invalid.
    """
    if booster is None or "encoder" not in plain:
        raise NotCompilableError(
            "it was trained by an earlier mlsys" if booster else "its estimator is not XGBoost's"
        )
    spec, encoder = spec_from_plain(plain["features"]), plain["encoder"]
    names = spec.names()
    codes = {
        names.index(category): {level: float(code) for code, level in enumerate(levels)}
        for category, levels in zip(encoder["categories"], encoder["levels"], strict=True)
    }
    trees = _over_raw_features(read_trees(booster), encoder, names)
    calibration = Calibrator.from_plain(plain["calibrator"])
    line = Line.of(plain.get("blend"), encoder, names)
    return CompiledScorer(
        spec=spec,
        trees=trees,
        line=line,
        codes=codes,
        other={at: float(len(levels)) for at, levels in codes.items()},
        known={
            category: frozenset((*levels, *rare))
            for category, levels, rare in zip(
                encoder["categories"], encoder["levels"], encoder["rare"], strict=True
            )
        },
        packer=Struct(f"{len(names)}f"),
        calibration=calibration,
        arguments=(trees.arguments(), line.arguments(), calibration.arguments()),
        threshold=plain["threshold"],
        tiers=Tiers(**plain["tiers"]),
    )


def _over_raw_features(trees: Trees, encoder: Mapping[str, Any], names: list[str]) -> Trees:
    """Return the same trees over raw features in the order of ``names``."""
    encoded = [*encoder["numbers"], *encoder["categories"]]
    n_numbers = len(encoder["numbers"])
    medians, centers, scales = (np.array(encoder[key]) for key in ("medians", "centers", "scales"))
    nodes = trees.nodes.copy()
    split = np.flatnonzero(~np.isnan(nodes["threshold"]))
    stored, threshold = nodes["feature"][split], nodes["threshold"][split]
    feature = np.where(stored < 0, ~stored, stored)
    if feature.size and feature.max() >= len(encoded):
        raise ValueError("the trees split by more features than the encoder gives")
    is_number = feature < n_numbers
    # A blank category counts as the most frequent level, whose code is 0.
    blank_left = threshold > 0
    number = feature[is_number]
    imputed = scaled(medians[number], centers[number], scales[number])
    blank_left[is_number] = imputed < threshold[is_number]
    moved = threshold.copy()
    moved[is_number] = _first_reaching(threshold[is_number], centers[number], scales[number])
    place = np.array([names.index(name) for name in encoded], dtype=np.int32)[feature]
    nodes["feature"][split] = np.where(blank_left, place, ~place)
    nodes["threshold"][split] = moved
    return replace(trees, nodes=nodes)


def _first_reaching(
    threshold: NDArray[np.float32], centers: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the smallest float32 whose encoding reaches the threshold; infinity if none does.

    Uses bisection over all finite float32, which are ordered like their bits.
    """
    low = np.full(threshold.shape, _position(np.float32(-_LARGEST)), dtype=np.int64)
    high = np.full(threshold.shape, _position(np.float32(_LARGEST)) + 1, dtype=np.int64)
    for _ in range(_BITS + 1):
        middle = (low + high) // 2
        reaches = scaled(_number(middle).astype(np.float64), centers, scales) >= threshold
        high = np.where((low < high) & reaches, middle, high)
        low = np.where((low < high) & ~reaches, middle + 1, low)
    return _number(low)


def _position(number: np.float32) -> int:
    """Return the rank of a float32 among all of them, 0 for 0."""
    bits = int(number.view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def _number(position: NDArray[np.int64]) -> NDArray[np.float32]:
    bits = np.where(position >= 0, position, np.int64(-0x80000000) - position).astype(np.int32)
    return bits.view(np.float32)
