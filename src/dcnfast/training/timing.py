"""Where a fit's time went, for ``verbose=2``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dcnfast import _core
from dcnfast.training.state import Training

PEAK_SECONDS = 0.05  # to measure the multiply-adds that the machine can do


class Timing:
    """Adds up seconds by what they were spent on.

    Attributes
    ----------
    seconds : dict of str to float
        Of encoding, training (the engine's part) and validation.
    rows : int
        Put through the network in training, epoch after epoch.
    """

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.seconds = dict.fromkeys(("encode", "train", "validate"), 0.0)
        self.rows = 0

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the time of the body to a part."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - start

    def report(self, training: Training, n_threads: int) -> str:
        """Return a table of the parts and, in training, the engine's stages; and the speed.

        The engine's stages are seconds of all threads, so they are given as shares of training.
        """
        total = time.perf_counter() - self.start
        parts = self.seconds | {"other": total - sum(self.seconds.values())}
        stages = {name: s for name, s in training.state.stage_seconds.items() if s > 0}
        all_threads = sum(stages.values())
        lines = [f"{total:.3g} s on {n_threads} thread{'s' * (n_threads > 1)}, of which"]
        for part, seconds in parts.items():
            lines.append(f"  {part:<20}{seconds:>9.3f} s {seconds / total:>6.1%}")
            if part == "train":
                lines += [f"    {name:<18}{s / all_threads:>18.1%}" for name, s in stages.items()]
        flops = (
            6.0 * training.model.config.multiply_adds() * self.rows
        )  # forward, and twice backward
        if flops and self.seconds["train"]:
            double = training.model.config.dtype == "float64"
            peak = _core.measure_fma_peak(double, n_threads, PEAK_SECONDS)
            speed = flops / self.seconds["train"]
            lines.append(
                f"{self.rows / self.seconds['train']:,.0f} rows a second in training, "
                f"{speed / 1e9:.3g} GFLOP/s: {speed / peak:.0%} of this machine's FMA peak"
            )
        return "\n".join(lines)
