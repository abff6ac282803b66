"""The result of the last monitoring as gauges, read whenever Prometheus asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.outcomes.last_monitoring import last

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.core import GaugeMetricFamily


class LastMonitoring:
    """Collect the gauges of an artifacts folder; none if nothing was monitored yet."""

    def __init__(self, artifacts_dir: Path) -> None:
        self._artifacts = artifacts_dir

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give each gauge with its values."""
        from prometheus_client.core import GaugeMetricFamily

        found = last(self._artifacts)
        if found is None:
            return
        checks = found["checks"]
        rings = [one for one in checks if one["alarm"]]
        yield GaugeMetricFamily("mlsys_monitor_alarms", "Alarms of the last monitoring.", value=len(rings))
        day = GaugeMetricFamily(
            "mlsys_monitor_info", "The last monitoring: its day and version.", labels=("day", "model_version")
        )
        day.add_metric((found["day"], found["version"]), 1)
        yield day
        effect = GaugeMetricFamily(
            "mlsys_monitor_effect", "How far off each check is; more is worse.", labels=("check",)
        )
        limit = GaugeMetricFamily("mlsys_monitor_limit", "Limit of each check.", labels=("check",))
        alarm = GaugeMetricFamily("mlsys_monitor_alarm", "Whether each check rings.", labels=("check",))
        for one in checks:
            if one["effect"] is not None:
                effect.add_metric((one["name"],), one["effect"])
                limit.add_metric((one["name"],), one["limit"])
            alarm.add_metric((one["name"],), one["alarm"])
        yield from (effect, limit, alarm)
