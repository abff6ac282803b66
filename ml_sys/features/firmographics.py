"""Firmographics: what is known about a company besides its usage: traffic rank, size and industry.

Values are those at the export, not at the cutoff; blanks get filled in for companies after they pay. So a
blank rank or employee range is left to the encoder to impute, and only an explicit setting makes its
missingness a feature.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ml_sys.elementary import log10

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import pandas as pd
    from numpy.typing import NDArray

_T = TypeVar("_T")

MISSING = "missing"
NUMBERS = ("log_rank", "unranked", "employees")
CATEGORIES = ("employee_range", "industry")
MISSINGNESS = ("rank_missing", "employees_missing")

# Words that different spellings of the same industry are brought to.
_SYNONYMS = {
    "accounting_services": "accounting",
    "agency": "marketing",
    "advertising": "marketing",
    "banking": "finance",
    "banking_financial_services": "finance",
    "business_consulting": "consulting",
    "computer_hardware": "hardware",
    "computer_software": "software",
    "computers_networking_software_technol": "software",
    "construction_real_estate": "construction",
    "consulting_advisory": "consulting",
    "consumer_goods": "consumer_products",
    "e_learning": "education",
    "ecommerce": "retail",
    "education_management": "education",
    "electrical_electronic_manufacturing": "manufacturing",
    "finance_and_insurance": "finance",
    "financial_services": "finance",
    "food_production": "food_beverages",
    "health_wellness_and_fitness": "healthcare",
    "higher_education": "education",
    "hospital_health_care": "healthcare",
    "hospitality": "travel",
    "information_technology_and_services": "it_services",
    "internet": "software",
    "leisure_travel_tourism": "travel",
    "management_consulting": "consulting",
    "marketing_and_advertising": "marketing",
    "marketing_services": "marketing",
    "mechanical_or_industrial_engineering": "manufacturing",
    "non_profit_educational_institution": "non_profit",
    "non_profit_organization_management": "non_profit",
    "nonprofit_organization_management": "non_profit",
    "primary_secondary_education": "education",
    "professional_training_coaching": "education",
    "recruiting_staffing": "staffing",
    "restaurants": "food_beverages",
    "saas": "software",
    "staffing_and_recruiting": "staffing",
    "technology_hardware": "hardware",
    "technology_hardware_and_equipment": "hardware",
    "technology_software": "software",
}

_FACTORS = {None: 1, "k": 1_000, "m": 1_000_000}
# Digits in groups of three by one separator, or at most twelve without; a fraction; thousands or millions.
_NUMBER = re.compile(
    r"""(?P<whole>\d{1,3}(?P<mark>[ ,.'\u2019])\d{3}(?:(?P=mark)\d{3}){0,3}(?!\d)|\d{1,12})"""
    r"""(?P<fraction>[.,]\d{1,6})?(?:\s?(?P<unit>[km])(?!\w))?"""
)
_DASH = re.compile(r"\s*[-~\u2010-\u2015\u2212]\s*")
_PLUS = re.compile(r"\s*\+")


@dataclass(frozen=True)
class Firmographics:
    """Firmographics of anonymous companies, known by position only.

    Attributes
    ----------
    rank : ndarray of shape (n_companies,), float64
        Traffic rank; infinite where unranked, NaN where blank.
    employee_range, industry : ndarray of shape (n_companies,), object
        Text as exported; None where blank.
    """

    rank: NDArray[np.float64]
    employee_range: NDArray[np.object_]
    industry: NDArray[np.object_]

    @classmethod
    def from_companies(cls, companies: pd.DataFrame) -> Firmographics:
        """Take the three columns out of a table of companies, and nothing else."""
        return cls(
            companies["alexa_rank"].to_numpy(dtype=np.float64),
            _texts(companies["employee_range"]),
            _texts(companies["industry"]),
        )

    def take(self, companies: slice | NDArray[np.integer[Any]]) -> Firmographics:
        """Return the firmographics of some companies, in the order given."""
        return Firmographics(self.rank[companies], self.employee_range[companies], self.industry[companies])


def firmographic_columns(
    firmographics: Firmographics, *, with_missingness: bool
) -> dict[str, NDArray[np.generic]]:
    """Turn firmographics into one column per feature.

    Parameters
    ----------
    firmographics : Firmographics
        Of n_companies companies.
    with_missingness : bool
        Whether a blank rank or employee range becomes a feature of its own.

    Returns
    -------
    dict of str to ndarray of shape (n_companies,)
        Numbers as float32 with NaN for blanks, categories as object with None for blanks; a blank industry
        is the level ``"missing"``.
    """
    rank = firmographics.rank
    unranked = np.isinf(rank)
    sizes = _by_level(firmographics.employee_range, _size)
    columns: dict[str, NDArray[np.generic]] = {
        "log_rank": log10(np.where(unranked, np.nan, rank)).astype(np.float32),
        "unranked": np.where(np.isnan(rank), np.nan, unranked).astype(np.float32),
        "employees": np.array([employees for employees, _ in sizes], dtype=np.float32),
        "employee_range": np.array([level for _, level in sizes], dtype=object),
        "industry": np.array(_by_level(firmographics.industry, normalised_industry), dtype=object),
    }
    if with_missingness:
        columns["rank_missing"] = np.isnan(rank).astype(np.float32)
        columns["employees_missing"] = np.array(
            [text is None for text in firmographics.employee_range], np.float32
        )
    return columns


def normalised_industry(text: str | None) -> str:
    """Normalise spellings of an industry: case, separators and synonyms, in any script."""
    slug = _slug(_folded(text or ""))
    return _SYNONYMS.get(slug, slug) or MISSING


def _size(text: str | None) -> tuple[float, str | None]:
    """Read a range such as '11 to 25', '1.000 - 5.000' or '10k+'.

    Returns
    -------
    employees : float
        Geometric middle of the range; its lower end where it is open; NaN for other text.
    level : str or None
        The range in one spelling, such as ``11_to_25`` or ``10000_or_more``.
    """
    text = _folded(text or "")
    found = list(_NUMBER.finditer(text))
    numbers: list[float] = []
    level, end = "", 0
    for at, match in enumerate(found):
        between, after = text[end : match.start()], found[at + 1] if at + 1 < len(found) else None
        unit = match["unit"]
        if after and not unit and _plain(match) < _plain(after) and _is_dash(text, match, after):
            unit = after["unit"]  # 1-5k begins at a thousand
        numbers.append(_plain(match) * _FACTORS[unit])
        level += (" to " if at and _DASH.fullmatch(between) else between) + f"{numbers[-1]:.15g}"
        end = match.end()
        if plus := _PLUS.match(text, end):
            level, end = level + " or more", plus.end()
    positive = [number for number in numbers if number > 0]
    employees = float(np.sqrt(positive[0] * positive[-1])) if positive else float("nan")
    return employees, _slug(level + text[end:]) or None


def _plain(match: re.Match[str]) -> float:
    """Return a number without its unit."""
    whole = match["whole"].replace(match["mark"], "") if match["mark"] else match["whole"]
    return float(f"{int(whole)}.{match['fraction'][1:]}") if match["fraction"] else int(whole)


def _is_dash(text: str, match: re.Match[str], after: re.Match[str]) -> bool:
    return _DASH.fullmatch(text, match.end(), after.start()) is not None


def _folded(text: str) -> str:
    """Bring what reads alike together: case, width, ways to write an accent, and characters of no width."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", text.casefold())


def _slug(text: str) -> str:
    """Join the words of a text by underscores; marks, such as vowel signs of Hindi, belong to their word."""
    words = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else "_" for c in text)
    return re.sub("_+", "_", "".join(words)).strip("_")


def _by_level(texts: NDArray[np.object_], function: Callable[[str | None], _T]) -> list[_T]:
    """Apply a function once per distinct text."""
    known = {text: function(text) for text in set(texts)}
    return [known[text] for text in texts]


def _texts(column: Collection[object]) -> NDArray[np.object_]:
    import pandas as pd  # whoever has such a column has loaded it

    texts: Any = np.empty(len(column), dtype=object)
    texts[:] = [None if value is None or value is pd.NA or value != value else str(value) for value in column]
    result: NDArray[np.object_] = texts
    return result
