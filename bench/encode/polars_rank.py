"""Polars' own way to the same numbers."""

import polars as pl


def prepare(data, threads):  # noqa: ARG001, it takes what POLARS_MAX_THREADS says
    if not isinstance(data, pl.DataFrame):
        return None

    def run():
        codes = data.select((pl.all().rank("dense") + 1).cast(pl.Int32))
        return tuple(codes.to_numpy().T)

    return run
