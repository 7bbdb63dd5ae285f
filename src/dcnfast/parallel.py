"""Threads for what NumPy and Arrow do without the interpreter: columns or rows of a large table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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
        See :func:`dcnfast.cpu.effective_threads`.
    """
    n_threads = 1
    if n_rows > FEW_ROWS and len(items) > 1:
        n_threads = min(effective_threads(n_jobs), len(items))
    if n_threads == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))
