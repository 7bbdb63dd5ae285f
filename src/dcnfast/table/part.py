"""Some columns of a table that ``fit`` saw whole, such as those of the candidates of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from dcnfast.table.dates import Dates
from dcnfast.table.factor import Factor
from dcnfast.table.schema import Table, read_table

Numbers = npt.NDArray[np.float64]


class PartOfTable(BaseEstimator):  # type: ignore[misc]
    """Reads tables of some columns as tables of all, in which the others are missing.

    It stands where an estimator stands when a table is checked: it has the attributes that say
    what ``fit`` saw.

    Parameters
    ----------
    names : tuple of str
        All columns that were read, those made of dates behind the others.
    is_categorical : ndarray of bool
        Which of these are categorical.
    dates : Dates
        Which columns of the table these are made of.
    places : sequence of int
        Of the wanted columns, among those of the table.
    named : bool
        Whether the table had names.
    n_jobs : int or None
    """

    def __init__(
        self,
        names: Sequence[str],
        is_categorical: Sequence[bool],
        dates: Dates,
        places: Sequence[int],
        *,
        named: bool,
        n_jobs: int | None = None,
    ) -> None:
        self.n_jobs = n_jobs
        self._all_names, self._all_categorical = tuple(names), np.asarray(is_categorical, np.bool_)
        given = dates.given(names)
        categorical = dict(zip(names, self._all_categorical.tolist(), strict=True))
        self.given = [given[place] for place in places]
        self.is_categorical_ = np.array([categorical.get(name, False) for name in self.given])
        self._dates = Dates(
            dates.parts,
            tuple(
                replace(column, place=self.given.index(column.name))
                for column in dates.columns
                if column.name in self.given
            ),
        )
        of_dates = [column.name for column in self._dates.columns]
        plain = [name for name in self.given if name not in of_dates]
        self.read = [*plain, *(name for name, _ in self._dates.made)]
        self._categorical = [name for name in self.read if categorical[name]]
        self._numeric = [name for name in self.read if not categorical[name]]
        self.n_features_in_ = len(self.given)
        if named:
            self.feature_names_in_ = np.array(self.given, dtype=object)

    def of_frame(self, X: Any) -> Table:
        """Return a table of the columns, (n, n_features) in order, as a table of all."""
        table = read_table(self, X)
        numbers = table.numbers.toarray() if issparse(table.numbers) else table.numbers
        return self._whole(table.factors, np.asarray(numbers, np.float64))

    def _whole(self, factors: tuple[Factor, ...], numbers: Numbers) -> Table:
        """Put the columns among the others, which are missing."""
        n, mask = len(numbers), self._all_categorical
        nothing = Factor(np.full(n, -1, np.int32), np.empty(0, object))
        mine = dict(zip(self._categorical, factors, strict=True))
        whole = Table(self._all_names, mask, (), np.full((n, int((~mask).sum())), np.nan))
        for name, column in zip(self._numeric, numbers.T, strict=True):
            whole.numbers[:, whole.numeric_names.index(name)] = column
        every = tuple(mine.get(name, nothing) for name in whole.categorical_names)
        return replace(whole, factors=every)
