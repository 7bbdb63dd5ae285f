"""Stage 1: columns -> what the network reads: a row number for each category, dense columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.bins import Rule as BinRule
from dcnfast.encode.encoded import Encoded, Field
from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.lists import encode_lists
from dcnfast.encode.scaling import SCALINGS, NumericScaler
from dcnfast.encode.sharing import (
    Groups,
    check_groups,
    for_owners,
    merged,
    owners,
    same_in_groups,
)
from dcnfast.encode.target_statistics import Rule, Statistics
from dcnfast.encode.vocabulary import Buckets, Vocabulary, refuse_other_kinds
from dcnfast.parallel import each
from dcnfast.table.schema import Table

Numbers = npt.NDArray[np.float64]

BLOCK = 8192  # rows that are encoded at a time, and stay in the cache


class TableEncoder:
    """Learns the categories and the scales of a table.

    Parameters
    ----------
    numeric_scaling : str or None, default="auto"
        See :class:`dcnfast.encode.scaling.NumericScaler`.
    numeric_clip : bool, default=True
        Whether numbers beyond the range of the training rows become its border.
    min_frequency : int, float or None, default=None
        Categories in fewer training rows (int), or in a smaller share of them (float), share one
        row of the table, the last one.
    max_categories : int or None, default=None
        Most rows for categories in a table, the shared one included; the most frequent keep theirs.
    recycle_categories : bool, default=False
        Whether categories that come later may take the rows of the least used ones, where
        ``max_categories`` leaves no room.
    hash_buckets : int, dict of str to int, or None, default=None
        That many rows in place of a vocabulary, for all categorical fields or those named.
    shared_embeddings : sequence of sequence of str, or None, default=None
        Groups of fields that have one vocabulary.
    target_statistics : Rule or None, default=None
        How to make numeric columns of the targets and counts of categories, if at all.
    numeric_bins : bins.Rule or None, default=None
        Where the edges of the bins are, for embeddings of numbers; None makes no bins.

    Attributes
    ----------
    fields : list of Field
        In the order of the columns, those of lists behind the others.
    poolings : dict of str to str
        Of the fields that are lists, by name.
    n_dense : int
        Dense columns without bins, indicators of missing numbers included. Two for each column with
        bins follow them.
    bins : list of int
        How many bins each such column has.
    columns : list of Vocabulary or Buckets
        How each field finds its rows; fields that share embeddings have the same one.
    table_of : tuple of int
        For each field the first one that shares its embeddings; () if none are shared.
    statistics : Statistics or None
        Of the categories, if there are any; its columns stand behind those of the table.
    scaler : NumericScaler
        Of the numeric columns.
    """

    # of a pickle that does not say them
    statistics: Statistics | None = None
    poolings: Mapping[str, str] = MappingProxyType({})
    shared_embeddings: Groups | None = None
    recycle_categories: bool = False
    table_of: tuple[int, ...] = ()

    def __init__(
        self,
        *,
        numeric_scaling: str | None = "auto",
        numeric_clip: bool = True,
        min_frequency: float | None = None,
        max_categories: int | None = None,
        recycle_categories: bool = False,
        hash_buckets: int | Mapping[str, int] | None = None,
        shared_embeddings: Groups | None = None,
        target_statistics: Rule | None = None,
        numeric_bins: BinRule | None = None,
    ) -> None:
        self.numeric_scaling = numeric_scaling
        self.numeric_clip = numeric_clip
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.recycle_categories = bool(recycle_categories)
        self.hash_buckets = hash_buckets
        self.shared_embeddings = shared_embeddings
        self.target_statistics = target_statistics
        self.numeric_bins = numeric_bins

    def fit(
        self, table: Table, weight: npt.NDArray[Any] | None = None, n_jobs: int | None = 1
    ) -> TableEncoder:
        """Learn from the training rows.

        Parameters
        ----------
        table : Table
        weight : ndarray of shape (n,) or None
            Of the rows in means, standard deviations and quantiles; not negative, not all zero.
            Categories are counted in rows.
        n_jobs : int or None, default=1
            Threads that share the columns of a large table.
        """
        self.fit_own(table, weight, n_jobs)
        return self

    def fit_own(
        self,
        table: Table,
        weight: npt.NDArray[Any] | None = None,
        n_jobs: int | None = 1,
        targets: Targets | None = None,
        forbids: Callable[[str, str], bool] | None = None,
    ) -> Numbers | None:
        """Learn from the training rows; return their statistics, None where there are none.

        Parameters
        ----------
        table, weight, n_jobs
            As of ``fit``.
        targets : Targets or None
            Of the rows, for ``target_statistics`` and for bins of decision trees.
        forbids : callable or None, default=None
            Says whether two fields must have no statistics of the pair.

        Returns
        -------
        own : ndarray or None
            What ``transform`` wants of the rows that are trained on: without their own targets.
        """
        names = table.field_names
        self.check_parameters(names)
        self.poolings = {c.name: c.rule.pooling for c in table.list_columns.columns}
        self.scaler = NumericScaler(
            self.numeric_scaling, clips=self.numeric_clip, rule=self.numeric_bins
        )
        if self.shared_embeddings is not None:
            self.shared_embeddings = [list(group) for group in self.shared_embeddings] or None
        self.table_of = owners(self.shared_embeddings, names)
        fits = list[Callable[[], Any]]()

        def new_column(owner: int, fields: list[int]) -> Vocabulary | Buckets:
            column = self.new_column(names[owner])
            factor = merged([table.fields[f] for f in fields])
            fits.append(partial(column.fit, factor))
            return column

        self.columns = for_owners(self.table_of, len(names), new_column)
        if self.target_statistics is None:
            fits.insert(0, partial(self.scaler.fit, table.numbers, weight, targets))
        each(lambda fit: fit(), fits, len(table), n_jobs)
        self.fields = [
            Field(name, column.size, column.counts)
            for name, column in zip(names, self.columns, strict=True)
        ]
        own, numeric = None, list(table.numeric_names)
        if self.target_statistics is not None:
            own = self._fit_statistics(table, targets, n_jobs, forbids)
            n_statistics = 0 if own is None else own.shape[1]
            self.scaler.fit(_beside(table.numbers, own), weight, targets, n_statistics)
        if self.statistics is not None and targets is not None:
            numeric += self.statistics.names(table.categorical_names, targets)
        plain = [numeric[j] for j in self.scaler.plain]
        plain += [f"missing_{numeric[j]}" for j in self.scaler.indicators]
        self.n_dense = len(plain)
        self._dense_names = [*plain, *(numeric[j] for j in self.scaler.bins)]
        return own

    @property
    def bins(self) -> list[int]:
        """How many bins each column with bins has."""
        return [found.n for found in self.scaler.bins.values()]

    def _fit_statistics(
        self,
        table: Table,
        targets: Targets | None,
        n_jobs: int | None,
        forbids: Callable[[str, str], bool] | None,
    ) -> Numbers | None:
        """Return the statistics of the training rows, None if no column has any."""
        self.statistics = None
        single = self.fields[: len(table.factors)]  # lists have none
        if self.target_statistics is None or targets is None or not single:
            return None
        statistics = Statistics(self.target_statistics, [field.size for field in single])

        def apart(pair: tuple[int, ...]) -> bool:
            return forbids is not None and forbids(*(single[j].name for j in pair))

        own = statistics.fit(self._ids(table), targets, n_jobs, apart)
        if not statistics.groups:
            return None
        self.statistics = statistics
        return own

    def own(self, table: Table, targets: Targets, n_jobs: int | None = 1) -> Numbers | None:
        """Return the statistics of rows that are trained on later, without their own targets.

        None where there are none. What is known of the categories stays as ``fit`` found it.
        """
        if self.statistics is None:
            return None
        return self.statistics.cross_fit(self._ids(table), targets, n_jobs)

    def transform(
        self,
        table: Table,
        dtype: npt.DTypeLike,
        n_jobs: int | None = 1,
        own: Numbers | None = None,
    ) -> Encoded:
        """Encode a table of the same columns; what training did not see becomes row 0.

        A column of which no value has a type that training saw there is a TypeError: strings where
        there were numbers, or the reverse.

        Parameters
        ----------
        table : Table
        dtype : dtype
            Of the dense columns.
        n_jobs : int or None, default=1
            Threads that share the rows of a large table.
        own : ndarray or None, default=None
            Statistics of rows that are trained on, see ``fit_own``; None takes those that
            predictions have, of all training rows.
        """
        n, F = len(table), len(table.factors)
        ids = np.empty((n, F), np.int32)
        dense = np.empty((n, self.n_dense + 2 * len(self.scaler.bins)), dtype)
        for column, field, factor in zip(self.columns, self.fields, table.fields, strict=True):
            refuse_other_kinds(column, factor.values, f"{table.argument}: column {field.name!r}")
        known = self._rows_of_values(table)

        def encode(rows: slice) -> None:
            for j, (of_value, factor) in enumerate(zip(known[:F], table.factors, strict=True)):
                ids[rows, j] = of_value[factor.codes[rows]]  # -1 is the last, which is missing
            added = own if own is None else own[rows]
            if own is None and self.statistics is not None:
                added = self.statistics.columns(ids[rows])
            dense[rows] = self.scaler.transform(_beside(table.numbers[rows], added), dtype)

        each(encode, [slice(i, i + BLOCK) for i in range(0, n, BLOCK)], n, n_jobs)
        lists = zip(table.lists, known[F:], self.poolings.values(), strict=True)
        return Encoded(ids, dense, tuple(encode_lists(*of_field, dtype) for of_field in lists))

    def _ids(self, table: Table) -> npt.NDArray[np.int32]:
        """Return the rows of the tables of fields of one value a row, shape (n, F)."""
        known = zip(self._rows_of_values(table), table.factors, strict=False)
        return np.stack([rows[factor.codes] for rows, factor in known], axis=1)

    def _rows_of_values(self, table: Table) -> list[npt.NDArray[np.int32]]:
        return [
            column.rows(factor.values)
            for column, factor in zip(self.columns, table.fields, strict=True)
        ]

    def count_unknown(self, encoded: Encoded) -> dict[str, int]:
        """Return for each field how many rows have a value that training has not seen."""
        fields = zip(self.fields, encoded.by_field(), strict=True)
        unknown = {field.name: field.is_unknown()[ids] for field, ids in fields}
        for name, items in zip(self.poolings, encoded.lists, strict=True):
            unknown[name] = np.unique(items.rows()[unknown[name]])
        F = encoded.ids.shape[1]
        return {
            name: int(found.sum()) if place < F else len(found)
            for place, (name, found) in enumerate(unknown.items())
        }

    @property
    def numeric_names(self) -> list[str]:
        """Names of what is scaled: the numeric columns, then the statistics of categories."""
        scaler, names = self.scaler, self._dense_names
        shown = [*names[: len(scaler.plain)], *names[self.n_dense :]]
        places = [*scaler.plain, *scaler.bins]
        return [name for _, name in sorted(zip(places, shown, strict=True))]

    def sources(self) -> list[tuple[str, ...]]:
        """Return the columns of the table that each dense column, or one with bins, is made of."""
        made = [] if self.statistics is None else self.statistics.fields_of_columns()
        numeric = self.numeric_names
        read: list[tuple[str, ...]] = [(name,) for name in numeric[: len(numeric) - len(made)]]
        read += [tuple(self.fields[j].name for j in group) for group in made]
        return [read[j] for j in (*self.scaler.plain, *self.scaler.indicators, *self.scaler.bins)]

    def clip(self, dense: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring dense columns into the range of the training rows."""
        return self.scaler.clip(dense)

    def get_feature_names_out(self) -> npt.NDArray[np.object_]:
        """Return the names of fields, numeric columns, indicators and numeric columns with bins.

        As the network reads them; without bins all numeric columns stand before the indicators.
        """
        return np.array([*(field.name for field in self.fields), *self._dense_names], dtype=object)

    def by_name(self) -> dict[str, Field]:
        """Return the fields by name."""
        return {field.name: field for field in self.fields}

    def categories(self, name: str) -> list[Any]:
        """Return the categories of a field, from row 2 on; the infrequent ones are not listed.

        Those that came later, in ``partial_fit``, follow; if there are infrequent ones, their row
        lies between.
        """
        column = self.columns[[field.name for field in self.fields].index(name)]
        if isinstance(column, Buckets):
            raise ValueError(f"categories: field {name!r} is hashed, want one with a vocabulary")
        return [*column.values, *column.later]

    def new_column(self, name: str) -> Vocabulary | Buckets:
        """Return what finds the rows of a field, as yet without its values."""
        if buckets := self._buckets(name):
            return Buckets(buckets)
        recycles = self.recycle_categories and self.max_categories is not None
        return Vocabulary(self.min_frequency, self.max_categories, recycles=recycles)

    def _buckets(self, name: str) -> int | None:
        if isinstance(self.hash_buckets, Mapping):
            return self.hash_buckets.get(name)
        return self.hash_buckets

    def check_parameters(self, names: tuple[str, ...]) -> None:
        """Raise ValueError if a parameter is not as described, for categorical fields so named."""
        if self.numeric_scaling not in tuple(SCALINGS):
            raise ValueError(
                f"numeric_scaling is {self.numeric_scaling!r}, want one of {tuple(SCALINGS)!r}"
            )
        least = self.min_frequency
        if least is not None and not (
            _is_integer(least, 1) or (isinstance(least, Real) and 0 < least < 1)
        ):
            raise ValueError(
                f"min_frequency is {least!r}, want an integer of at least 1, a float between 0 and "
                "1, or None"
            )
        if self.max_categories is not None and not _is_integer(self.max_categories, 1):
            raise ValueError(
                f"max_categories is {self.max_categories!r}, want an integer of at least 1, or None"
            )
        check_groups(self.shared_embeddings, names)
        self._check_buckets(names)

    def _check_buckets(self, names: tuple[str, ...]) -> None:
        buckets = self.hash_buckets
        if buckets is None:
            return
        if isinstance(buckets, Mapping):
            if unknown := [name for name in buckets if name not in names]:
                raise ValueError(
                    f"hash_buckets names {unknown!r}, want categorical fields: {list(names)!r}"
                )
            same_in_groups(buckets, self.shared_embeddings, "hash_buckets")
        elif self.min_frequency is not None or self.max_categories is not None:
            raise ValueError(
                f"hash_buckets is {buckets!r} for all fields, want min_frequency and "
                "max_categories None then: there are no categories to count"
            )
        for size in buckets.values() if isinstance(buckets, Mapping) else [buckets]:
            if not _is_integer(size, 1) or size > 2**31 - 3:
                raise ValueError(
                    f"hash_buckets is {buckets!r}, want integers between 1 and {2**31 - 3}"
                )


def _beside(numbers: Any, columns: Numbers | None) -> Any:
    """Return numbers with further columns behind them; a sparse matrix never has any."""
    return numbers if columns is None else np.hstack([numbers, columns])


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
