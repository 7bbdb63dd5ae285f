"""Vocabularies of string columns, and their row numbers: what stands before the first epoch."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from bench.harness import Array, Work

TITLE = "Encoding: 26 columns of strings, vocabularies learned and rows encoded, from read to ids"
FIELDS = 26  # as in the Criteo data
LETTERS = 8


@cache
def _draw(n: int, largest: int) -> tuple[dict[str, Array], tuple[Array, ...]]:
    """Return columns of words of 8 letters and, for each row, the place of its word in order."""
    rng = np.random.default_rng(0)
    columns, places = {}, []
    for f, size in enumerate(np.geomspace(3, largest, FIELDS).astype(int)):
        words = np.unique(rng.integers(0, 16**LETTERS, size))
        place = (len(words) * rng.random(n) ** 3).astype(np.int64)  # the first ones are frequent
        names = np.array([f"{word:0{LETTERS}x}" for word in words], dtype=object)
        columns[f"field_{f}"] = names[place]
        places.append(place)
    return columns, tuple(places)


@cache
def _frame(library: str, n: int, largest: int) -> object:
    columns, _ = _draw(n, largest)
    if library == "pandas":
        import pandas as pd

        return pd.DataFrame(columns)
    if library == "polars":
        import polars as pl

        return pl.DataFrame(columns)
    import pyarrow as pa

    return pa.table(columns)


@cache
def _answer(n: int, largest: int) -> tuple[Array, ...]:
    """Return for each column the row's place among the words that occur, from 2 on."""
    _, places = _draw(n, largest)
    return tuple(2.0 + np.unique(place, return_inverse=True)[1] for place in places)


def work(library: str, n: int = 1_000_000, largest: int = 200_000) -> Work:
    """Count the letters once and the row numbers once; there is no arithmetic."""
    return Work(
        data=_frame(library, n, largest),
        threads=1,
        rows=n,
        flops=0,
        bytes=n * FIELDS * (LETTERS + 4),
        reference=partial(_answer, n, largest),
        tolerance=0,
    )


CASES = {
    f"{library}, 1 M rows": partial(work, library) for library in ("pandas", "polars", "pyarrow")
}
SMOKE = {"pandas, 500 rows": partial(work, "pandas", 500, 100)}
