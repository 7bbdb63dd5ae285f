"""Threads for what NumPy and Arrow do without the interpreter: columns or rows of a large table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from dcnfast.cpu import effective_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

FEW_ROWS = 20_000  # of a table; its encoding takes less time than to start threads is worth


def each(
    function: Callable[[Item], Result], items: Sequence[Item], n_rows: int, n_jobs: int | None
) -> list[Result]:
    """Return what the function makes of each item, in their order.

    Parameters
    ----------
    function : callable
        Called by several threads at once if the table is large. An exception is that of the first
        item that raises.
    items : sequence
    n_rows : int
        Of the table.
    n_jobs : int or None
        See :func:`dcnfast.cpu.effective_threads`. Where the system gives fewer threads, those that
        there are do the work.
    """
    n_threads = 1
    if n_rows > FEW_ROWS and len(items) > 1:
        n_threads = min(effective_threads(n_jobs), len(items))
    if n_threads == 1:
        return [function(item) for item in items]
    return _Work(function, items).run(n_threads)


class _Work(Generic[Item, Result]):
    """Items that threads take in their order; the caller is one of these threads."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._function = function
        self._left: Iterator[tuple[int, Item]] = iter(list(enumerate(items)))
        self._lock = threading.Lock()
        self._results: dict[int, Result] = {}
        self._errors: dict[int, BaseException] = {}

    def run(self, n_threads: int) -> list[Result]:
        helpers: list[threading.Thread] = []
        try:
            self._start(helpers, n_threads - 1)
            self._take()
        finally:
            self._left = iter(())  # after Ctrl-C
            for helper in helpers:
                helper.join()
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[i] for i in range(len(self._results))]

    def _start(self, helpers: list[threading.Thread], wanted: int) -> None:
        for _ in range(wanted):
            helper = threading.Thread(target=self._take)
            try:
                helper.start()
            except (RuntimeError, MemoryError):  # can't start new thread
                return
            helpers.append(helper)

    def _take(self) -> None:
        """Work until no item is left, or one has raised: those before it are all taken then."""
        while not self._errors:
            with self._lock:
                taken = next(self._left, None)
            if taken is None:
                return
            i, item = taken
            try:
                self._results[i] = self._function(item)
            except BaseException as error:
                self._errors[i] = error
