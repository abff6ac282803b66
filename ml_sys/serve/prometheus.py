"""The metrics that Prometheus scrapes; exact across workers, which count in shared files.

With several workers, import this module only after :func:`share`: the client library decides at import.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ml_sys.serve.watched import LastMonitoring

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.serve.served import Served

_SHARED = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_PROBABILITIES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def share(folder: Path | None) -> None:
    """Set the folder in which workers count; None for one worker, which counts in memory."""
    if folder is None:
        os.environ.pop(_SHARED, None)
    else:
        os.environ[_SHARED] = str(folder)
        _forget_the_dead(folder)


class Metrics:
    """The metrics of one process.

    Parameters
    ----------
    artifacts_dir : Path, optional
        Where the last monitoring is kept; its gauges are included.
    """

    def __init__(self, artifacts_dir: Path | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._artifacts = artifacts_dir

        # Each worker has its own files in the shared folder, and a scrape adds them up.
        self._registry = registry = CollectorRegistry()
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        gauge = partial(Gauge, registry=registry)
        self._requests = counter("mlsys_requests_total", "Requests answered.", ("method", "route", "status"))
        self._seconds = histogram(
            "mlsys_request_seconds",
            "Seconds from the head of a request to the end of its response.",
            ("route",),
            buckets=_SECONDS,
        )
        self._refused = counter(
            "mlsys_refused_total", "Requests refused before the application.", ("status",)
        )
        self._tiers = counter("mlsys_predictions_total", "Predictions given.", ("model_version", "tier"))
        self._probability = histogram(
            "mlsys_prediction_probability", "Probabilities given.", ("model_version",), buckets=_PROBABILITIES
        )
        self._workers = gauge(
            "mlsys_model_workers",
            "Workers that serve a version.",
            ("model_version",),
            multiprocess_mode="livesum",
        )
        self._age = gauge(
            "mlsys_model_age_seconds",
            "Seconds since the served version was trained; the oldest of the workers.",
            multiprocess_mode="livemax",
        )
        self._reloads = counter(
            "mlsys_model_reloads_total", "Attempts to load another version, by result.", ("result",)
        )
        self._stale = gauge(
            "mlsys_model_reload_failing",
            "Workers whose latest reload failed and that still serve the previous version.",
            multiprocess_mode="livesum",
        )
        self._waiting = gauge(
            "mlsys_prediction_log_waiting", "Predictions waiting to be stored.", multiprocess_mode="livesum"
        )
        self._log_failing = gauge(
            "mlsys_prediction_log_failing",
            "Workers whose prediction log cannot be written.",
            multiprocess_mode="livesum",
        )
        # Looking a counter up by its labels takes longer than counting.
        self._known: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        self._version: str | None = None
        self._refused_before: dict[int, int] = {}
        self._stale.set(0)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        counted = self._known.get((method, route, status))
        if counted is None:
            counted = self._requests.labels(method, route, status), self._seconds.labels(route)
            self._known[method, route, status] = counted
        counted[0].inc()
        counted[1].observe(seconds)

    def predicted(self, version: str, tier: str, probability: float) -> None:
        """Count a prediction."""
        counted = self._known.get((version, tier))
        if counted is None:
            counted = self._tiers.labels(version, tier), self._probability.labels(version)
            self._known[version, tier] = counted
        counted[0].inc()
        counted[1].observe(probability)

    def serving(self, served: Served) -> None:
        """Record the version that answers from now on."""
        if self._version is not None:
            self._workers.labels(self._version).set(0)
        self._version = served.version
        self._workers.labels(served.version).set(1)
        self._reloads.labels("ok").inc()
        self._stale.set(0)

    def reload_failed(self) -> None:
        """Raise the alarm: the version in production cannot be used."""
        self._reloads.labels("failed").inc()
        self._stale.set(1)

    def settled(self) -> None:
        """Clear the alarm: the version in production is served."""
        self._stale.set(0)

    def tick(self, served: Served | None, refused: dict[int, int], waiting: int, log_problem: str) -> None:
        """Update the gauges that no event updates.

        Parameters
        ----------
        refused : dict of int to int
            Requests refused before the application, by status, since the process began.
        waiting : int
            Predictions waiting to be stored.
        log_problem : str
            Why they cannot be stored; empty if they can.
        """
        if served is not None:
            self._age.set(time.time() - served.trained_at)
        for status, n in refused.items():
            more = n - self._refused_before.get(status, 0)
            if more:
                self._refused.labels(status).inc(more)
                self._refused_before[status] = n
        self._waiting.set(waiting)
        self._log_failing.set(1 if log_problem else 0)

    def text(self) -> bytes:
        """Return the metrics of all workers in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if _SHARED not in os.environ:
            return generate_latest(self._registry) + self._watched()
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call] # it has no types
        return generate_latest(together) + self._watched()

    def _watched(self) -> bytes:
        """Return the gauges of the last monitoring, which all workers read from one file."""
        from prometheus_client import CollectorRegistry, generate_latest

        if self._artifacts is None:
            return b""
        watched = CollectorRegistry()
        watched.register(LastMonitoring(self._artifacts))
        return generate_latest(watched)


def _forget_the_dead(folder: Path) -> None:
    """Drop the gauges of dead workers, and keep their counts."""
    for file in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
        except OSError:  # it lives, and belongs to somebody else
            continue
