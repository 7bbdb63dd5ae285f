"""Single calls, one after the other, each with its own time; or by several threads at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

WARM_UP = 2  # passes before the harness's rounds


class Calls:
    """Answers row by row, and remembers how long each row took.

    Parameters
    ----------
    answer : callable
        Returns the answer for one row.
    rows : list
        What it gets, one after the other.
    """

    def __init__(self, answer: Callable[[Any], float], rows: list[Any]) -> None:
        self._answer, self._rows = answer, rows
        self._passes: list[list[float]] = []

    def __call__(self) -> tuple[Any]:
        answer, now = self._answer, time.perf_counter
        answers, seconds = [], []
        for row in self._rows:
            start = now()
            answers.append(answer(row))
            seconds.append(now() - start)
        self._passes.append(seconds)
        return (np.array(answers),)

    def figures(self) -> dict[str, float]:
        """Return median and 99th percentile of a call, in seconds."""
        seconds = np.concatenate(self._passes[WARM_UP:] or self._passes)
        p50, p99 = np.quantile(seconds, [0.5, 0.99])
        return {"p50": float(p50), "p99": float(p99)}


class Servers:
    """Threads that answer at the same time, each its share of the rows, row by row.

    Parameters
    ----------
    answers : list of callable
        One a thread; returns the answer for one row.
    rows : list
    """

    def __init__(self, answers: list[Callable[[Any], float]], rows: list[Any]) -> None:
        self._answers = answers
        self._shares = [rows[i :: len(answers)] for i in range(len(answers))]
        self._n = len(rows)
        self._threads = ThreadPoolExecutor(len(answers))

    def __call__(self) -> tuple[Any]:
        results = np.empty(self._n)
        shares = self._threads.map(self._serve, self._answers, self._shares)
        for i, share in enumerate(shares):
            results[i :: len(self._answers)] = share
        return (results,)

    @staticmethod
    def _serve(answer: Callable[[Any], float], rows: list[Any]) -> list[float]:
        return [answer(row) for row in rows]
