"""Many candidates for one request: what they share is read and multiplied once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoded import Encoded
from dcnfast.encode.encoder import TableEncoder
from dcnfast.network.model import Model
from dcnfast.serving.row_predictor import (
    RowPredictor,
    RowTarget,
    finite_logits,
    refuse_unless_sequence,
    threads_for,
)
from dcnfast.table.dates import Dates
from dcnfast.table.lists import ListColumns
from dcnfast.table.part import Candidates

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Target(RowTarget, Protocol):
    """What was predicted for: knows what logits say of it."""

    def scores(self, logits: Array) -> Array:
        """Return what the logits (N, C) say."""


@dataclass(frozen=True, eq=False)
class Catalog:
    """Candidates that are read: ``scorer.read(table)`` makes it, for any number of requests.

    Parameters
    ----------
    encoded : Encoded
        Of which the columns of the context mean nothing.
    numbers : ndarray of shape (n, M)
        As in the table; those of the context are NaN.
    owner : object
        The scorer that read them.
    """

    encoded: Encoded
    numbers: npt.NDArray[np.float64]
    owner: object = field(repr=False)

    def __len__(self) -> int:
        return len(self.encoded)

    def take(self, rows: Any) -> Catalog:
        """Return some of the candidates: a slice, a mask or numbers, in that order.

        Parameters
        ----------
        rows : slice, or ndarray of int or of bool
        """
        return Catalog(self.encoded.take(rows), self.numbers[rows], self.owner)


class CandidateScorer:
    """Scores many candidates for one request, faster than ``predict`` does.

    Made by ``estimator.candidate_scorer()``. The columns of the context, the same for all
    candidates of a request, are read once; so is their share of the products that the first cross
    layer and the first layer of the deep part begin with. The scores equal those of a table with
    the context in each row, up to rounding. It keeps the model of that moment, also when the
    estimator is fitted anew; it may be pickled, and several threads may call it.

    Parameters
    ----------
    encoder : TableEncoder
    model : Model
    columns : tuple of (sequence of str, sequence of bool, Dates, ListColumns)
        Names of all columns but those of lists, which of them are categorical, and which are made
        of dates; and the columns of lists.
    target : Target
    context_columns : sequence of str or int
        Names of the columns that a request has, or their places.
    named : bool
        Whether the table of ``fit`` had names.
    n_jobs : int or None, default=None
        Threads that share many candidates.

    Attributes
    ----------
    context_columns_, candidate_columns_ : list of str
        In the order in which a request, and a table of candidates, have them.
    """

    def __init__(
        self,
        encoder: TableEncoder,
        model: Model,
        columns: tuple[Sequence[str], Sequence[bool], Dates, ListColumns],
        target: Target,
        context_columns: Sequence[Any],
        *,
        named: bool,
        n_jobs: int | None = None,
    ) -> None:
        self._encoder, self._model, self._target, self._n_jobs = encoder, model, target, n_jobs
        names, mask, dates, lists = columns
        given = dates.given(names, lists.taken)
        context = _places(context_columns, given)
        rest = [place for place in range(len(given)) if place not in context]
        self._candidates = Candidates(names, mask, dates, lists, rest, named=named, n_jobs=n_jobs)
        self._row = RowPredictor(encoder, model, columns, target, missing_columns="allow")
        self._places, self._width = context, len(given)
        self.context_columns_ = [given[place] for place in context]
        self.candidate_columns_ = self._candidates.given
        others = {*self._candidates.read, *self._candidates.given}
        made = [name for name in (*names, *lists.names) if name not in others]
        self._find_fixed(set(made), names, mask)

    def _find_fixed(self, context: set[str], names: Sequence[str], mask: Sequence[bool]) -> None:
        """Find what of ids, numbers, dense columns and x0 is the context's alone."""
        config, encoder = self._model.config, self._encoder
        fields = [field.name in context for field in encoder.fields]
        made = [set(source) <= context for source in encoder.sources()]
        n_single = len(fields) - len(encoder.poolings)
        self._fixed_ids = np.array(fields[:n_single], np.bool_)
        self._fixed_lists = fields[n_single:]
        self._fixed_numbers = np.array(
            [name in context for name, categorical in zip(names, mask, strict=True)
             if not categorical], np.bool_,
        )  # fmt: skip
        plain, binned = made[: config.n_dense], made[config.n_dense :]
        self._fixed_dense = np.array([*plain, *np.repeat(binned, 2)], np.bool_)
        self._fixed = np.repeat(np.array([*fields, *made], np.bool_), config.column_widths)

    def read(self, candidates: Any) -> Catalog:
        """Read candidates, once for any number of requests.

        Parameters
        ----------
        candidates : array-like, sparse matrix or DataFrame of shape (n, n_candidate_columns)
            The columns of ``fit`` without those of the context, in order.

        Returns
        -------
        catalog : Catalog
            ``scorer(context, catalog)`` scores all of it, ``scorer(context, catalog.take(rows))``
            some.
        """
        try:
            table = self._candidates.of_frame(candidates)
            encoded = self._encoder.transform(table, self._model.config.dtype, self._n_jobs)
        except (ValueError, TypeError) as error:  # which speaks of X
            raise type(error)(f"Of the candidates: {error}") from error
        return Catalog(encoded, np.asarray(table.numbers), self._candidates)

    def __call__(self, context: Mapping[str, Any] | Sequence[Any], candidates: Any) -> Array:
        """Score candidates.

        Parameters
        ----------
        context : dict, sequence or ndarray of shape (n_context_columns,)
            The columns of the context by name, or in the order of ``context_columns_``.
        candidates : Catalog, array-like, sparse matrix or DataFrame
            As ``read`` takes and returns them.

        Returns
        -------
        scores : ndarray of shape (n,), (n, n_outputs) or (n, n_classes)
            What ``predict`` of a regressor says; of a classifier with two classes the probability
            of the second, with more the probability of each.

        Raises
        ------
        ValueError
            If the context or the candidates have other columns, or a number is infinite.
        TypeError
            If a value is neither a number nor a category, or of a type that ``fit`` did not see.
        """
        if not isinstance(candidates, Catalog):
            candidates = self.read(candidates)
        elif candidates.owner is not self._candidates:
            raise ValueError("candidates were read by another scorer, want those of this one")
        rows = self._merge(self._read_context(context), candidates)
        threads = threads_for(len(rows), self._n_jobs)
        return self._target.scores(
            finite_logits(self._encoder, self._model, rows, threads, context=self._fixed)
        )

    def top_k(
        self, context: Mapping[str, Any] | Sequence[Any], candidates: Any, k: int
    ) -> tuple[npt.NDArray[np.intp], Array]:
        """Return the best candidates, the best first.

        Parameters
        ----------
        context, candidates
            As a call takes them.
        k : int
            How many, at least 1; all if there are less.

        Returns
        -------
        places : ndarray of shape (min(k, n),)
            Of the candidates; of equal scores the earlier comes first.
        scores : ndarray of shape (min(k, n),)

        Raises
        ------
        ValueError
            If ``k`` is less than 1, or a candidate has several scores.
        """
        if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
            raise ValueError(f"k is {k!r}, want an integer of at least 1")
        scores = self(context, candidates)
        if scores.ndim > 1:
            raise ValueError(f"top_k: each candidate has {scores.shape[1]} scores, want one")
        places = np.argsort(-scores, kind="stable")[: int(k)]
        return places, scores[places]

    def _read_context(self, context: Any) -> Catalog:
        given = self.context_columns_
        if isinstance(context, Mapping):
            if set(context) != set(given):
                raise ValueError(f"context has {list(context)!r}, want {given!r}")
            context = [context[name] for name in given]
        elif isinstance(context, np.ndarray):
            context = list(context)
        else:
            refuse_unless_sequence("context", context)
        if len(context) != len(given):
            raise ValueError(f"context has {len(context)} values, want {len(given)}: {given!r}")
        row: list[Any] = [None] * self._width
        for place, value in zip(self._places, context, strict=True):
            row[place] = value
        ids, numbers, lists = self._row.read(row)
        if np.isinf(numbers).any():
            name = self._encoder.numeric_names[int(np.isinf(numbers).argmax())]
            raise ValueError(f"context: {name!r} is infinite, want a finite number or NaN")
        dense = self._encoder.scaler.transform(numbers[None], self._model.config.dtype)
        of_table = numbers[None, : len(self._fixed_numbers)]
        return Catalog(Encoded(ids[None], dense, lists), of_table, self._row)

    def _merge(self, context: Catalog, candidates: Catalog) -> Encoded:
        """Return the candidates with the columns of the context."""
        encoder, own = self._encoder, candidates.encoded
        ids = np.where(self._fixed_ids, context.encoded.ids, own.ids)
        if encoder.statistics is None:
            dense = np.where(self._fixed_dense, context.encoded.dense, own.dense)
        else:  # of pairs of categories, one the context's and one the candidate's
            numbers = np.where(self._fixed_numbers, context.numbers, candidates.numbers)
            made = np.hstack([numbers, encoder.statistics.columns(ids)])
            dense = encoder.scaler.transform(made, own.dense.dtype)
        both = zip(self._fixed_lists, context.encoded.lists, own.lists, strict=True)
        lists = tuple(of.take(np.zeros(len(own), int)) if fixed else it for fixed, of, it in both)
        return Encoded(ids, dense, lists)


def _places(context_columns: Any, given: list[str]) -> list[int]:
    """Return where the columns of the context stand, in the order of the table."""
    if isinstance(context_columns, str) or not isinstance(context_columns, Sequence | np.ndarray):
        raise TypeError(f"context_columns is {context_columns!r}, want a list of columns")
    places = []
    for column in context_columns:
        if isinstance(column, Integral) and not isinstance(column, bool):
            column = given[int(column)] if 0 <= int(column) < len(given) else column
        if column not in given:
            raise ValueError(f"context_columns has {column!r}, want columns of fit: {given!r}")
        places.append(given.index(column))
    if len(set(places)) < len(places):
        raise ValueError(f"context_columns has columns twice: {list(context_columns)!r}")
    if not 0 < len(places) < len(given):
        raise ValueError(
            f"context_columns has {len(places)} of {len(given)} columns, want some of them and "
            "some left for the candidates"
        )
    return sorted(places)
