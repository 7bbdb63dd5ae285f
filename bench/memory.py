"""What a rival keeps in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Run
from bench.training import Training


def resident() -> int | None:
    """Return the bytes of this process that are in memory, where the system tells."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return None
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Weighed:
    """A rival whose growth until its first turn is over is set against the rows of its table."""

    def __init__(self, prepare: Callable[[Any, int], Run], data: Training, threads: int) -> None:
        assert data.table is not None
        self._rows, self._before, self._growth = len(data.table), resident(), 0
        self._run: Run = prepare(data, threads)
        self._grown = False

    def __call__(self) -> Sequence[Any]:
        answer = self._run()
        if not self._grown and self._before is not None:
            self._growth, self._grown = (resident() or 0) - self._before, True
        return answer

    def figures(self) -> dict[str, float]:
        return {"bytes_per_row": self._growth / self._rows} if self._grown else {}
