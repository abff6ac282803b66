"""Small things that tests of what is watched share."""

from ml_sys.outcomes.monitoring import Limits
from ml_sys.settings import MonitorSettings

LIMITS = Limits(**MonitorSettings().model_dump(exclude={"challengers", "lists"}))


def by_name(checks):
    return {one.name: one for one in checks}


def beyond(checks):
    return {one.name for one in checks if one.effect > one.limit}
