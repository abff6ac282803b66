"""The one Pipeline: encode → resample → model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from imblearn.pipeline import Pipeline
from numpy.typing import NDArray

from ml_sys.features.compute import FeatureSpec
from ml_sys.model.encoder import FrameEncoder
from ml_sys.resolve import resolve

log = logging.getLogger(__name__)


class ResampleStep(SMOTENC):
    pass
