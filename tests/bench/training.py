"""Training: seconds and memory of `mlsys train` on the real tables, and `--quick` on 40,000 companies.

The real tables are taken where they are at hand, else generated ones of their size. Each command is a process
of its own, as a user would start it. The last lines hold each version to the best that the generator's truth
allows, so that speed is not bought with quality. Run ``python -m tests.bench.training [--companies N ...]``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

REAL = Path(__file__).parents[3] / "shared" / "data" / "hubspot"
# Companies and weeks of generated tables as large as the real ones; what more companies are generated with.
LIKE_REAL, WEEKS = (5_000, 74), 104
LARGE = 40_000
BUDGETS = {"train --quick": (20.0, 3.0), "train": (90.0, 3.0), "large": (180.0, 3.0)}
TABLES = {
    "customers": "customers.csv",
    "noncustomers": "noncustomers.csv",
    "usage": "usage_actions.csv",
}
_SMALLEST = ("--set", "model.trees=2", "--set", "panel.step_days=56", "--set", "report.backtest=false")


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of the processor, and the highest resident memory of all processes, GB."""

    seconds: float
    processor: float
    peak_gb: float


def main() -> None:
    """Print a line a command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training", description=__doc__)
    parser.add_argument("--companies", type=int, nargs="*", default=[LARGE], help="of generated tables")
    parser.add_argument("--smallest", action="store_true", help="few rows, to see that it runs")
    asked = parser.parse_args()
    changed = _SMALLEST if asked.smallest else ()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real = REAL.is_dir() and not asked.smallest
        size = (600, 56) if asked.smallest else LIKE_REAL
        tables = REAL if real else _generated(folder / "like_real", *size)
        print(f"on {'the real tables' if real else 'generated tables'}, {os.cpu_count()} cores", flush=True)
        _ingest(tables, folder / "artifacts")
        for command in ("train --quick", "train"):
            cost = measured(folder / "artifacts", *command.split(), *changed)
            print(_line(command, cost, BUDGETS[command]), flush=True)
        for companies in () if asked.smallest else asked.companies:
            at = folder / f"{companies}"
            _ingest(_generated(at, companies, WEEKS), at / "artifacts")
            cost = measured(at / "artifacts", "train", "--quick")
            budget = BUDGETS["large"] if companies == LARGE else None
            print(_line(f"train --quick, {companies:,} x {WEEKS}", cost, budget), flush=True)
            print(_share_of_the_best(at), flush=True)


def _generated(folder: Path, companies: int, weeks: int) -> Path:
    _mlsys("sample", folder, "--companies", companies, "--weeks", weeks)
    return folder


def _ingest(tables: Path, artifacts: Path) -> None:
    named = [word for role, file in TABLES.items() for word in (f"--{role}", tables / file)]
    _mlsys("--artifacts", artifacts, "ingest", *named)


def _mlsys(*words: object) -> str:
    command = [sys.executable, "-m", "ml_sys", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measured(artifacts: Path, *words: str, may_end_with: tuple[int, ...] = (0,)) -> Cost:
    """Run a command of mlsys in a process of its own, and return what it took."""
    before = os.times()
    began = time.perf_counter()
    command = [sys.executable, "-m", "ml_sys", "--artifacts", str(artifacts), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        watched = _Peak(started.pid)
        watched.start()
        if started.wait() not in may_end_with:
            raise SystemExit(f"mlsys {' '.join(words)} ended with {started.returncode}")
    seconds = time.perf_counter() - began
    watched.join()
    after = os.times()
    processor = sum(after[2:4]) - sum(before[2:4])
    return Cost(seconds, processor, watched.most_kb / 1e6)


class _Peak(threading.Thread):
    """Watches the resident memory of a process and of those that it starts, as long as it lives."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.most_kb = pid, 0

    def run(self) -> None:
        while kb := sum(map(_resident_kb, _family(self.pid))):
            self.most_kb = max(self.most_kb, kb)
            time.sleep(0.05)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for listed in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in _read(listed).split()]
    return found


def _resident_kb(pid: int) -> int:
    """Return the memory of a process, what it shares with others counted by halves, thirds and so on."""
    shown = re.search(r"^Pss:\s+(\d+)", _read(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE)
    return int(shown[1]) if shown else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def _share_of_the_best(folder: Path) -> str:
    shown = _mlsys("--artifacts", folder / "artifacts", "evaluate", "--truth", folder / "truth.csv")
    return "\n".join(f"  {line.strip()}" for line in shown.splitlines() if "reach" in line or "truth" in line)


def _line(what: str, cost: Cost, budget: tuple[float, float] | None) -> str:
    line = f"{what:<32}{cost.seconds:7.1f} s, {cost.processor:6.1f} s of processor, {cost.peak_gb:5.2f} GB"
    if budget is None:
        return line
    within = cost.seconds <= budget[0] and cost.peak_gb <= budget[1]
    return f"{line}; budget {budget[0]:.0f} s, {budget[1]:.0f} GB: {'within' if within else 'over'}"


if __name__ == "__main__":
    main()
