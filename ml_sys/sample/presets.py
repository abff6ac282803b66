"""The samples there are, by the name of the description that fits their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from ml_sys.sample import generator
from ml_sys.sample.product import generator as product

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_sys.sample.generator import SampleReport
    from ml_sys.sample.product.generator import ProductReport

Preset = Literal["hubspot", "product"]

GENERATORS: Final[dict[Preset, Callable[..., SampleReport | ProductReport]]] = {
    "hubspot": generator.generate,
    "product": product.generate,
}
