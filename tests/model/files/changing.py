"""Changes a model file at random and gives it to the compiled loop and to XGBoost, as a version's would be.

Prints how many were refused, walked by the loop and taken by XGBoost; a change that was none of it ends the
process.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import numpy as np
from sklearn.base import clone
from xgboost.core import XGBoostError

from ml_sys.errors import ArtifactError
from ml_sys.model.files.boosters import load_trees
from ml_sys.scoring.compiled.trees import read_trees
from tests.model.files.test_boosters import as_file, document, fitted, rows

NUMBERS = (-(2**31), -2, -1, 0, 1, 2, 3, 5, 6, 7, 14, 15, 255, 2**16, 2**28, 2**31 - 1)
TEXTS = ("", "-1", "0", "1", "2", "6", "7", "999999999", "4294967296", "1E0", "[nan]", "[5E-1,5E-1]",
         "gblinear", "dart", "multi:softprob", "rank:ndcg", "reg:squarederror")  # fmt: skip
THINGS = (None, True, False, {}, [], [0], "0", -1, 0.5)


def places(thing: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to everything in a document but single numbers of a list."""
    inside = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    inner = [(key, one) for key, one in inside if isinstance(key, str) or isinstance(one, dict | list)]
    return [way, *(place for key, one in inner for place in places(one, (*way, key)))]


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
    elif isinstance(value, list) and value and isinstance(value[0], int | float) and kind < 0.9:
        real = isinstance(value[0], float)
        odd = [float("nan"), float("inf"), -float("inf"), 3e38, 1e300] if real else [2**40, 0.5]
        value[chance.randrange(len(value))] = chance.choice([*map(type(value[0]), NUMBERS), *odd])
    elif isinstance(value, list):
        size = chance.choice([0, 1, max(len(value) - 1, 0), len(value) + 1])
        within[last] = (value * 2 or [0])[:size]
    elif isinstance(value, str):
        within[last] = chance.choice(TEXTS)
    elif isinstance(value, int) and not isinstance(value, bool):
        within[last] = chance.choice(NUMBERS)
    return said


def rewritten(content: bytes, chance: random.Random) -> bytes:
    """Change one thing that a file says."""
    return as_file(changed(json.loads(content), chance))


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
    estimator = clone(fitted())
    try:
        load_trees(estimator, content)
        estimator.predict_proba(rows()[0])
    except (XGBoostError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False
    return True


def main(seed: int, examples: int) -> None:
    """Change, give, count."""
    chance, walked, predicted = random.Random(seed), 0, 0  # noqa: S311 - any sequence will do, the same each time
    for _ in range(examples):
        alter = flipped if chance.random() < 0.2 else rewritten
        content = alter(as_file(document()), chance)
        if chance.random() < 0.5:
            walked += by_the_loop(content)
        else:
            predicted += by_xgboost(content)
    sys.stdout.write(f"{examples - walked - predicted} {walked} {predicted}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
