"""Changes a model file at random and gives it to the compiled loop and to XGBoost, as a version's would be.

Prints how many were refused, walked by the loop and taken by XGBoost; a change that was none of it ends the
process.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np
import skops.io
from xgboost.core import XGBoostError

from ml_sys.errors import ArtifactError
from ml_sys.model.files import ubjson
from ml_sys.model.files.boosters import pipeline_problem
from ml_sys.model.files.serialization import TRUSTED_TYPES
from ml_sys.scoring.trees import read_trees
from tests.model.files.test_boosters import as_file, document, pipeline_file, rows

NUMBERS = (-(2**31), -2, -1, 0, 1, 2, 3, 5, 6, 7, 14, 15, 255, 2**16, 2**28, 2**31 - 1)
TEXTS = ("", "-1", "0", "1", "2", "6", "7", "999999999", "4294967296", "1E0", "[nan]", "[5E-1,5E-1]",
         "gblinear", "dart", "multi:softprob", "rank:ndcg", "reg:squarederror")  # fmt: skip
THINGS = (None, True, False, {}, [], [0], "0", -1, 0.5)


def places(thing: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to everything in a document."""
    inside = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    return [way, *(place for key, one in inside for place in places(one, (*way, key)))]


def changed(said: Any, chance: random.Random) -> Any:
    """Change one thing that a document says."""
    *way, last = chance.choice(places(said)[1:])
    within = said
    for key in way:
        within = within[key]
    value = within[last]
    kind = chance.random()
    if kind < 0.08:
        del within[last]
    elif kind < 0.16:
        within[last] = chance.choice(THINGS)
    elif isinstance(value, np.ndarray) and value.size and kind < 0.9:
        array = value.copy()
        real = array.dtype.kind == "f"
        fitting = [one for one in NUMBERS if real or np.can_cast(np.min_scalar_type(one), array.dtype)]
        odd = [np.nan, np.inf, -np.inf, 3e38] if real else []
        array[chance.randrange(array.size)] = chance.choice([*fitting, *odd])
        within[last] = array
    elif isinstance(value, np.ndarray):
        within[last] = np.resize(value, chance.choice([0, 1, max(value.size - 1, 0), value.size + 1]))
    elif isinstance(value, str):
        within[last] = chance.choice(TEXTS)
    elif isinstance(value, int) and not isinstance(value, bool):
        within[last] = chance.choice(NUMBERS)
    return said


def rewritten(content: bytes, chance: random.Random) -> bytes:
    """Change one thing that a file says."""
    return as_file(changed(ubjson.read(content), chance))


def flipped(content: bytes, chance: random.Random) -> bytes:
    """Flip a few bits."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def by_the_loop(content: bytes) -> bool:
    """Say whether the compiled loop was given the trees."""
    try:
        trees = read_trees(content)
    except (ArtifactError, ValueError, KeyError, TypeError, IndexError):
        return False
    features = trees.nodes["feature"]
    if max(features.max(), (~features).max()) >= rows()[0].shape[1]:
        return False  # the compiler of scorers knows how many features there are
    assert np.isfinite(trees.margins(rows()[0])).all()
    return True


def by_xgboost(content: bytes) -> bool:
    """Say whether XGBoost was given the trees, and took them."""
    problem = pipeline_problem(content)
    assert "\n" not in problem
    if problem:
        return False
    try:
        skops.io.loads(content, trusted=list(TRUSTED_TYPES)).predict_proba(rows()[0])
    except (XGBoostError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False
    return True


def main(seed: int, examples: int) -> None:
    """Change, give, count."""
    chance, walked, predicted = random.Random(seed), 0, 0  # noqa: S311 - any sequence will do, the same each time
    for _ in range(examples):
        alter = flipped if chance.random() < 0.2 else rewritten
        if chance.random() < 0.5:
            walked += by_the_loop(alter(as_file(document()), chance))
        else:
            predicted += by_xgboost(pipeline_file(lambda content, alter=alter: alter(content, chance)))
    sys.stdout.write(f"{examples - walked - predicted} {walked} {predicted}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
