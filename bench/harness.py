"""Finds tasks and rivals, runs the rivals in turn, and sets each beside the machine's ceilings.

The ceilings, multiply-adds in registers and reads and writes of arrays that fit no cache, are
measured again in every round, with as many threads as the rival has. Fractions and ratios are
medians over the rounds of two figures from the same round: a neighbour who takes the machine for a
while slows down both.
"""

from __future__ import annotations

import math
import pkgutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from dcnfast import _core, cpu

Array = npt.NDArray[Any]
Run = Callable[[], Sequence[Any]]  # may have a method figures(), which adds to its row
Row = dict[str, Any]

SUBJECT = "dcnfast"
# packages whose absence skips a rival
OPTIONAL = {"torch", "polars", "onnx", "onnxruntime", "catboost", "lightgbm"}
ROUNDS = (3, 30)  # least and most
CASE_SECONDS = 6.0  # after which no round is added beyond the least
ROUND_SECONDS = 0.02  # a rival's part of a round, at least: its own caches are warm again by then


class AbsentError(Exception):
    """Why a rival cannot be had here, raised by its import."""


@dataclass(frozen=True)
class Work:
    """What a case asks for.

    Parameters
    ----------
    data : object
        What every rival gets, read only.
    threads : int
    rows : int
        Rows that a call works through.
    flops, bytes : float
        Of a call: the arithmetic of the formulas, and what must cross memory at least. The same
        for all rivals, whatever they really do.
    reference : callable
        Returns the answer, float64 arrays.
    tolerance : float
        Largest error allowed, relative to the largest number in each array.
    weights : int
        Bytes that every row reads again; their ceiling is that of a cache which holds as many.
    losses : bool
        Whether the answer is a curve of losses, the last of which is shown.
    """

    data: Any
    threads: int
    rows: int
    flops: float
    bytes: float
    reference: Callable[[], Sequence[Array]]
    tolerance: float = 1e-5
    weights: int = 0
    losses: bool = False

    def check(self, answer: Sequence[Any], expected: Sequence[Array]) -> float:
        """Return the largest relative error, which is within the tolerance."""
        error = max(relative_error(a, e) for a, e in zip(answer, expected, strict=True))
        if not error <= self.tolerance:
            raise AssertionError(f"relative error {error:.3g}, want at most {self.tolerance:g}")
        return error


@dataclass(frozen=True)
class Rival:
    """One file: its name, what it prepares; its own number of threads and its own reference.

    A rival that cannot do the very task, but something like it, brings the answer to that.
    """

    name: str
    prepare: Callable[[Any, int], Run | None]
    threads: int | None = None
    reference: Callable[[Any], Sequence[Array]] | None = None

    def threads_for(self, work: Work) -> int:
        return self.threads or work.threads


def relative_error(answer: Any, expected: Array) -> float:
    """Largest difference over the largest number; a list of arrays counts as stacked."""
    got = np.stack(answer) if isinstance(answer, list) else np.asarray(answer)
    if got.shape != expected.shape:
        raise AssertionError(f"the answer has shape {got.shape}, want {expected.shape}")
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def find_tasks() -> dict[str, ModuleType]:
    here = [str(Path(__file__).parent)]
    packages = sorted(m.name for m in pkgutil.iter_modules(here) if m.ispkg)
    names = [name for name in packages if name not in {"examples", "quality"}]  # not of speed
    return {name: import_module(f"bench.{name}") for name in names}


def find_rivals(task: ModuleType) -> tuple[list[Rival], list[str]]:
    """Return the rivals, dcnfast first, and why others are left out."""
    rivals, skipped = [], []
    for module in pkgutil.iter_modules(task.__path__):
        try:
            found = import_module(f"{task.__name__}.{module.name}")
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise
            skipped.append(f"{module.name}: {error.name} is not installed")
        except AbsentError as error:
            skipped.append(f"{module.name}: {error}")
        else:
            own = (getattr(found, name, None) for name in ("THREADS", "reference"))
            rivals.append(Rival(module.name, found.prepare, *own))
    return sorted(rivals, key=lambda rival: rival.name != SUBJECT), skipped


def require_release() -> None:
    """Raise RuntimeError on a build whose speed says nothing."""
    build = cpu.config()["build type"]
    if build != "Release":
        raise RuntimeError(f"dcnfast's build type is {build}: timings want a Release build")


def too_many_threads(work: Work) -> str | None:
    """Return why the case cannot be timed here."""
    available = cpu.effective_threads(None)
    if work.threads <= available:
        return None
    return f"wants {work.threads} threads, {available} available"


def ceilings(threads: int, weights: int) -> tuple[float, float, float]:
    """Measure float32 flops and bytes a second; and bytes from a cache, where weights are asked."""
    return (
        _core.measure_fma_peak(False, threads, ROUND_SECONDS),
        _core.measure_bandwidth(threads, ROUND_SECONDS),
        _core.measure_read_bandwidth(weights, threads, ROUND_SECONDS) if weights else math.inf,
    )


def calls_in_a_round(run: Run) -> int:
    """Return how many calls fill a rival's part of a round, once it is warm."""
    return math.ceil(ROUND_SECONDS / _seconds_per_call(run, 1))


def expected_of(rival: Rival, work: Work) -> Sequence[Array]:
    return work.reference() if rival.reference is None else rival.reference(work.data)


def measure(work: Work, rivals: Sequence[Rival], rounds: tuple[int, int] = ROUNDS) -> Iterator[Row]:
    """Run the rivals in turn and yield one row for each that can do the case, checked."""
    with threadpool_limits(work.threads):
        able: dict[str, tuple[Rival, Run]] = {}
        firsts, calls = {}, {}
        for rival in rivals:
            if (run := rival.prepare(work.data, rival.threads_for(work))) is None:
                continue
            able[rival.name] = rival, run
            firsts[rival.name] = first_figures(work, rival, run())
            calls[rival.name] = calls_in_a_round(run)
        seconds: dict[str, list[float]] = {name: [] for name in able}
        peaks: dict[str, list[tuple[float, ...]]] = {name: [] for name in able}
        start = time.perf_counter()
        for i in range(rounds[1]):
            if i >= rounds[0] and time.perf_counter() - start > CASE_SECONDS:
                break
            used = {rival.threads_for(work) for rival, _ in able.values()}
            measured = {threads: ceilings(threads, work.weights) for threads in used}
            for name, (rival, run) in able.items():
                peaks[name].append(measured[rival.threads_for(work)])
                seconds[name].append(_seconds_per_call(run, calls[name]))
    subject = np.array(seconds[SUBJECT])
    for name, (rival, run) in able.items():
        row = summarise(work, seconds[name], peaks[name]) | firsts[name] | own_figures(run)
        ratio = float(np.median(np.array(seconds[name]) / subject))
        yield {"rival": name, "threads": rival.threads_for(work)} | row | {"ratio": ratio}


def first_figures(work: Work, rival: Rival, answer: Sequence[Any]) -> Row:
    """Check the answer; return its error, and its loss if it has one."""
    figures = {"error": work.check(answer, expected_of(rival, work))}
    return figures | ({"loss": float(answer[0][-1])} if work.losses else {})


def own_figures(run: Run) -> Row:
    """Return what the rival itself has measured."""
    figures: Row = run.figures() if hasattr(run, "figures") else {}
    return figures


def summarise(work: Work, seconds: Sequence[float], peaks: Sequence[tuple[float, ...]]) -> Row:
    """Turn the rounds of one rival into figures."""
    t = np.array(seconds)
    fma, bandwidth, cache = np.array(peaks).T
    low, median, high = np.quantile(t, [0.25, 0.5, 0.75])
    row = {
        "rounds": len(t),
        "seconds": float(median),
        "seconds_spread": float(high - low),  # between the quartiles
        "rows_per_second": work.rows / float(median),
        "gflops": work.flops / float(median) / 1e9,
        "fma_peak_gflops": float(np.median(fma)) / 1e9,
        "fma_fraction": float(np.median(work.flops / t / fma)),
        "gbytes_per_second": work.bytes / float(median) / 1e9,
        "bandwidth_gbytes_per_second": float(np.median(bandwidth)) / 1e9,
        "bandwidth_fraction": float(np.median(work.bytes / t / bandwidth)),
    }
    if work.weights:
        row["cache_gbytes_per_second"] = float(np.median(cache)) / 1e9
        row["cache_fraction"] = float(np.median(work.rows * work.weights / t / cache))
    return row


def _seconds_per_call(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls
