"""What is known of a company apart from its usage: traffic rank, size and industry.

Values are those at the export, not at the cutoff; blanks get filled in for companies after they pay. So a
blank rank or employee range is left to the encoder to impute, and only an explicit setting makes its
missingness a feature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

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
    employees = _by_level(firmographics.employee_range, _employees)
    columns: dict[str, NDArray[np.generic]] = {
        "log_rank": np.log10(np.where(unranked, np.nan, rank)).astype(np.float32),
        "unranked": np.where(np.isnan(rank), np.nan, unranked).astype(np.float32),
        "employees": np.array(employees, dtype=np.float32),
        "employee_range": np.array(_by_level(firmographics.employee_range, _range), dtype=object),
        "industry": np.array(_by_level(firmographics.industry, normalised_industry), dtype=object),
    }
    if with_missingness:
        columns["rank_missing"] = np.isnan(rank).astype(np.float32)
        columns["employees_missing"] = np.array(
            [text is None for text in firmographics.employee_range], np.float32
        )
    return columns


def normalised_industry(text: str | None) -> str:
    """Bring spellings of one industry together: case, separators and synonyms."""
    if text is None:
        return MISSING
    slug = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
    return _SYNONYMS.get(slug, slug) or MISSING


def _employees(text: str | None) -> float:
    """Geometric middle of a range such as '11 to 25'; its lower end where it is open; NaN for other text."""
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]{0,11}", text or "")]
    positive = [n for n in numbers if n > 0]
    return float(np.sqrt(positive[0] * positive[-1])) if positive else float("nan")


def _range(text: str | None) -> str | None:
    if text is None:
        return None
    return re.sub(r"[^a-z0-9]+", "_", text.casefold().replace(",", "")).strip("_") or None


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
