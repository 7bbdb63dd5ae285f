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
from dcnfast.table.lists import ListColumn, ListColumns, ListFactor
from dcnfast.table.schema import Table, read_table

Numbers = npt.NDArray[np.float64]


class Candidates(BaseEstimator):  # type: ignore[misc]
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
    lists : ListColumns
        The columns of lists, which are not among the names.
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
        lists: ListColumns,
        places: Sequence[int],
        *,
        named: bool,
        n_jobs: int | None = None,
    ) -> None:
        self.n_jobs = n_jobs
        self._all_names, self._all_categorical = tuple(names), np.asarray(is_categorical, np.bool_)
        given = dates.given(names, lists.taken)
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
        self._all_lists, self._lists = lists, self._some_of(lists)
        others = {column.name for column in self._dates.columns} | set(lists.taken.values())
        plain = [name for name in self.given if name not in others]
        self.read = [*plain, *(name for name, _ in self._dates.made)]
        self._categorical = [name for name in self.read if categorical[name]]
        self._numeric = [name for name in self.read if not categorical[name]]
        self.n_features_in_ = len(self.given)
        if named:
            self.feature_names_in_ = np.array(self.given, dtype=object)

    def _some_of(self, lists: ListColumns) -> ListColumns:
        """Return the columns of lists that are among the given ones."""
        some = list[ListColumn]()
        for column in lists.columns:
            weights = None if column.weights is None else column.rule.weights
            here = [name in self.given for name in (column.name, weights) if name is not None]
            if len(set(here)) > 1:
                raise ValueError(
                    f"context_columns has one of {column.name!r} and its weights {weights!r}, want "
                    "both or none"
                )
            if here[0]:
                place = None if weights is None else self.given.index(weights)
                name = column.name
                some.append(replace(column, place=self.given.index(name), weights=place))
        return ListColumns(tuple(some))

    def of_frame(self, X: Any) -> Table:
        """Return a table of the columns, (n, n_features) in order, as a table of all."""
        table = read_table(self, X)
        numbers = table.numbers.toarray() if issparse(table.numbers) else table.numbers
        return self._whole(table.factors, np.asarray(numbers, np.float64), table.lists)

    def _whole(
        self, factors: tuple[Factor, ...], numbers: Numbers, lists: tuple[ListFactor, ...]
    ) -> Table:
        """Put the columns among the others, which are missing."""
        n, mask = len(numbers), self._all_categorical
        nothing = Factor(np.full(n, -1, np.int32), np.empty(0, object))
        mine = dict(zip(self._categorical, factors, strict=True))
        whole = Table(self._all_names, mask, (), np.full((n, int((~mask).sum())), np.nan))
        for name, column in zip(self._numeric, numbers.T, strict=True):
            whole.numbers[:, whole.numeric_names.index(name)] = column
        every = tuple(mine.get(name, nothing) for name in whole.categorical_names)
        no_list = ListFactor(nothing.codes, nothing.values, np.arange(n + 1))
        of_lists = dict(zip(self._lists.names, lists, strict=True))
        every_list = tuple(of_lists.get(name, no_list) for name in self._all_lists.names)
        return replace(whole, factors=every, lists=every_list, list_columns=self._all_lists)
