"""Columns of lists in float64 NumPy: the rows of a table that each list names, pooled, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dcnfast.reference.kernels import Array, Ids, embedding, embedding_backward

Lists = tuple[Any, Ids, Array | None]  # offsets (B+1), ids (n_items), weights (n_items) or None


def pool(lists: Lists, E: Array, pooling: str) -> Array:
    """Return the sum of the items' rows of E (V,K) times their weights, or the maximum (B,K).

    An empty list gives 0.
    """
    offsets, ids, weights = lists
    x = np.zeros((len(offsets) - 1, E.shape[1]))
    for i, (first, last) in enumerate(pairwise(offsets)):
        rows = E[ids[first:last]]
        if pooling == "max" and last > first:
            x[i] = rows.max(axis=0)
        elif pooling == "sum":
            w = np.ones(last - first) if weights is None else weights[first:last]
            x[i] = w @ rows
    return x


def pool_backward(dx: Array, lists: Lists, E: Array, pooling: str) -> Array:
    """Return dE (V,K); of equal maxima the first has the gradient."""
    offsets, ids, weights = lists
    dE = np.zeros_like(E)
    for i, (first, last) in enumerate(pairwise(offsets)):
        items = ids[first:last]
        if pooling == "max" and last > first:
            best = items[E[items].argmax(axis=0)]
            np.add.at(dE, (best, np.arange(E.shape[1])), dx[i])
        elif pooling == "sum":
            w = np.ones(last - first) if weights is None else weights[first:last]
            np.add.at(dE, items, w[:, None] * dx[i])
    return dE


@dataclass(frozen=True, eq=False)
class Named:
    """The rows of tables that a batch names.

    Parameters
    ----------
    ids : ndarray of int, shape (B, S)
        Of the fields of one value a row.
    lists : sequence of (offsets, ids, weights)
        Of the fields that are lists, behind them.
    """

    ids: Ids
    lists: Sequence[Lists] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def by_field(self) -> list[Ids]:
        """Return all ids of each field."""
        return [*self.ids.T, *(ids for _, ids, _ in self.lists)]

    def embed(self, tables: Sequence[Array], poolings: Sequence[str]) -> Array:
        """Return the rows of the fields side by side (B,D); lists are pooled."""
        S = self.ids.shape[1]
        pooled = [
            pool(lists, E, pooling)
            for lists, E, pooling in zip(self.lists, tables[S:], poolings, strict=True)
        ]
        return np.concatenate([embedding(self.ids, tables[:S]), *pooled], axis=1)

    def embed_backward(
        self, dx: Array, tables: Sequence[Array], poolings: Sequence[str]
    ) -> list[Array]:
        """Return dE (V,K) of each field."""
        S = self.ids.shape[1]
        ends = np.cumsum([0, *(E.shape[1] for E in tables)], dtype=int)
        dE = embedding_backward(dx[:, : ends[S]], self.ids, tables[:S])
        for f, (lists, pooling) in enumerate(zip(self.lists, poolings, strict=True), S):
            dE.append(pool_backward(dx[:, ends[f] : ends[f + 1]], lists, tables[f], pooling))
        return dE


def named(ids: Ids | Named) -> Named:
    """Return ids with the lists beside them, none where there are only ids."""
    return ids if isinstance(ids, Named) else Named(ids)
