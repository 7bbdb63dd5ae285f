"""The tables, and how each is split: categories are strings, NaN where missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from bench.examples.data import locate, read_adult, read_california, read_hflights
from bench.quality.packaged import PACKAGED
from bench.quality.table import Array, Folder, Table, make_table


@dataclass(frozen=True)
class Split:
    """A table and its rows; ``watch`` are rows to stop on, for models that take such."""

    table: Table
    train: Array
    test: Array
    watch: Array | None = None

    def part(self, rows: Array) -> tuple[pd.DataFrame, Array]:
        return self.table.X.iloc[rows].reset_index(drop=True), self.table.y[rows]


def _uci(
    name: str, target: str, folder: Folder, *, classes: bool = True,
    codes: tuple[str, ...] = (), **options: Any,
) -> Table:  # fmt: skip
    table = pd.read_csv(locate(f"uci/{name}.csv.gz", folder), **options)
    y = table.pop(target)
    return make_table(table, y, classes, codes)


def _adult(folder: Folder) -> Table:
    X, y, X_test, y_test = read_adult(folder)
    return make_table(pd.concat([X, X_test]), np.concatenate([y, y_test]), classes=True)


def _california(folder: Folder) -> Table:
    table = pd.read_csv(locate("california_housing.csv", folder))
    y = table.pop("median_house_value") / 1e5
    return make_table(table, y, classes=False)


def _california_averages(folder: Folder) -> Table:
    return make_table(*read_california(folder), classes=False)


def _hflights(folder: Folder) -> Table:
    return make_table(*read_hflights(folder), classes=True)


def _hflights_ids(folder: Folder) -> Table:
    """Return flights of all months, all columns as strings: ids of which each has a few rows."""
    X, y = read_hflights(folder)
    some = np.random.RandomState(0).permutation(len(y))[:SAMPLE]
    return make_table(X.iloc[some], y[some], classes=True, codes=tuple(X.columns))


def _of_scikit_learn(name: str, _folder: Folder) -> Table:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True, as_frame=True)
    return make_table(X, y, classes=name != "diabetes")


CARDS = tuple(f"{kind}{i}" for i in range(1, 6) for kind in "SC")
SUITE: dict[str, Callable[[Folder], Table]] = {
    "abalone": partial(_uci, "abalone", "rings", classes=False),
    "adult": _adult,
    "bank": partial(_uci, "bank", "deposit"),
    "bike": partial(_uci, "bike", "cnt", classes=False, codes=("season", "weathersit", "weekday")),
    "breast_cancer": partial(_of_scikit_learn, "breast_cancer"),
    "california": _california,
    "covtype20k": partial(_uci, "covtype20k", "cover", codes=("wilderness", "soil")),
    "credit": partial(_uci, "credit", "default", codes=("SEX", "EDUCATION", "MARRIAGE")),
    "diabetes": partial(_of_scikit_learn, "diabetes"),
    "digits": partial(_of_scikit_learn, "digits"),
    "grid": partial(_uci, "grid", "stabf"),
    "magic": partial(_uci, "magic", "Class"),
    "poker": partial(_uci, "poker", "CLASS", codes=CARDS),
    "satellite": partial(_uci, "satellite", "Class"),
    "traffic": partial(_uci, "traffic", "traffic_volume", classes=False, keep_default_na=False),
    "wine": partial(_uci, "wine", "quality", classes=False),
    "wine_sklearn": partial(_of_scikit_learn, "wine"),
}
SPECIAL: dict[str, Callable[[Folder], Table]] = {
    "adult_official": _adult,
    "california_rtdl": _california_averages,
    "california_published": _california_averages,
    "hflights": _hflights,
    "hflights_ids": _hflights_ids,
}
TABLES = SUITE | SPECIAL | PACKAGED
GROUPS = {
    "suite": tuple(SUITE),
    "half1": tuple(SUITE)[::2],  # to choose on one half, and confirm on the other
    "half2": tuple(SUITE)[1::2],
    "special": tuple(SPECIAL),
    "packaged": tuple(PACKAGED),
    "all": tuple(TABLES),
}
SAMPLE = 26_000  # flights of the table of ids
ADULT_TRAIN = 32_561  # rows of the official training file


@lru_cache(maxsize=4)
def read(name: str, folder: Folder) -> Table:
    return TABLES[name](folder)


def split(name: str, table: Table, seed: int) -> Split:
    """Return the rows that a table's protocol names."""
    n = len(table.y)
    rows = np.arange(n)
    if name == "adult_official":
        return Split(table, rows[:ADULT_TRAIN], rows[ADULT_TRAIN:])
    if name == "california_published":  # the rows of the papers' figures: seeds differ by model
        rest, test = train_test_split(rows, test_size=0.2, random_state=0)
        train, watch = train_test_split(rest, test_size=0.2, random_state=1)
        return Split(table, train, test, watch)
    if name == "california_rtdl":
        rest, test = train_test_split(rows, test_size=0.2, random_state=seed)
        train, watch = train_test_split(rest, test_size=0.2, random_state=seed)
        return Split(table, train, test, watch)
    if name == "hflights":
        month = table.X["Month"].astype(int).to_numpy()
        return Split(table, rows[month <= 10], rows[month > 10])
    order = np.random.RandomState(seed).permutation(n)
    return Split(table, order[: int(0.8 * n)], order[int(0.8 * n) :])
