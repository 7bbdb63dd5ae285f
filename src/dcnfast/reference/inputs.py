"""Stage 2 in float64 NumPy: ids and dense columns -> x (B,D), what members see of it, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dcnfast.network.losses import Loss
from dcnfast.reference.kernels import Array, Ids
from dcnfast.reference.lists import Named, named
from dcnfast.reference.periodic import (
    MISSING_PLACE,
    periodic,
    periodic_backward,
    periodic_relu,
    periodic_relu_backward,
)


def pieces(place: Array, bins: int) -> Array:
    """Return e_t of each bin (B,bins) of a number by its place (B) among them.

    Gorishniy et al., 2022, eq. 1: 1 above the bin, 0 below it, and within the share that lies
    behind; the outer bins have no end. 0 where the number is missing.
    """
    e = place[:, None] - np.arange(bins)
    e[:, 1:] = np.maximum(e[:, 1:], 0)
    e[:, :-1] = np.minimum(e[:, :-1], 1)
    return np.where(place[:, None] == MISSING_PLACE, 0, e)


def piecewise(
    pairs: Array,
    bins: Sequence[int],
    scales: Sequence[float],
    W: Array,
    b: Array,
    v: Array,
    missing: Array,
) -> Array:
    """Embed numbers: s sum_t e_t W_t + z v + b, or the vector for a missing one.

    pairs (B,J,2): z and the place among the bins; bins, scales (J); W (sum of bins, K), the others
    (J,K) -> (B, J K).
    """
    there = pairs[:, :, 1:] != MISSING_PLACE
    parts = np.split(W, np.cumsum(bins)[:-1])
    bent = [scales[j] * pieces(pairs[:, j, 1], n) @ parts[j] for j, n in enumerate(bins)]
    x = np.stack(bent, axis=1) + pairs[:, :, :1] * v + b
    return np.asarray(np.where(there, x, missing).reshape(len(pairs), -1))


def piecewise_backward(
    dx: Array,
    pairs: Array,
    bins: Sequence[int],
    scales: Sequence[float],
    W: Array,
    b: Array,
    v: Array,
    missing: Array,
) -> tuple[Array, Array, Array, Array]:
    """Return dW (sum of bins, K), db, dv, dmissing (J,K)."""
    del W, v, missing  # it is linear in all of them
    there = pairs[:, :, 1:] != MISSING_PLACE
    d = dx.reshape(len(dx), *b.shape)
    known = d * there
    dW = [scales[j] * pieces(pairs[:, j, 1], n).T @ known[:, j] for j, n in enumerate(bins)]
    dv = (known * pairs[:, :, :1]).sum(axis=0)
    return np.concatenate(dW), known.sum(axis=0), dv, (d * ~there).sum(axis=0)


NUMERIC: dict[str, tuple[Callable[..., Array], Callable[..., Any]]] = {
    "piecewise": (piecewise, piecewise_backward),
    "periodic": (periodic, periodic_backward),
    "periodic_relu": (periodic_relu, periodic_relu_backward),
}


def combine_members(logits: Array, loss: Loss) -> Array:
    """Return the logits (B,C) of the mean of what the logits (E,B,C) of members predict."""
    return loss.combine(logits)


class Inputs:
    """Stage 2 of a network.

    Parameters
    ----------
    config : NetworkConfig
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.widths = sorted({width for _, _, width in config.fields})

    def tensors(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the role and the shape of each parameter that comes before the cross part."""
        c = self.config
        tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
        if c.numeric_bins:
            tensors |= c.numeric_kind.tensors(c.numeric_sizes)
        if c.learned_scale:
            tensors["input_scale"] = ("input_scale", (c.width,))
        if c.n_members > 1:
            tensors["member_r"] = ("member_scale", (c.n_members, len(c.column_widths)))
        return tensors

    # ---- x

    def stack(self, p: Mapping[str, Array], ids: Ids | Named, dense: Array) -> Array:
        """Return x (B,D): embeddings in the order of the fields, plain numbers, embedded ones."""
        plain, pairs = self._split(dense)
        parts = [named(ids).embed(self.tables(p), self.config.poolings), plain]
        if self.config.numeric_bins:
            forward, _ = NUMERIC[self.config.numeric_embedding]
            parts.append(forward(pairs, *self._numbers(), *self._learned(p).values()))
        return np.concatenate(parts, axis=1)

    def stack_backward(
        self,
        dx: Array,
        g: dict[str, Array],
        p: Mapping[str, Array],
        ids: Ids | Named,
        dense: Array,
    ) -> None:
        """Put the gradients of tables, of their factors and of embedded numbers into g."""
        c = self.config
        of_fields = dx[:, : c.embedding_width]
        dE = self.own(named(ids).embed_backward(of_fields, self.tables(p), c.poolings))
        for K in self.widths:
            whole = np.concatenate([part for part in dE if part.shape[1] == K])
            whole = whole * self.learning_rows(K)[:, None]
            if c.collision_weights:  # of c e: dc = dx . e, de = c dx
                g[f"collision_{K}"] = (whole * p[f"embedding_{K}"]).sum(axis=1)
                whole = whole * p[f"collision_{K}"][:, None]
            g[f"embedding_{K}"] = whole
        if c.numeric_bins:
            _, backward = NUMERIC[c.numeric_embedding]
            behind = dx[:, c.embedding_width + c.n_dense :]
            _, pairs = self._split(dense)
            learned = self._learned(p)
            gradients = backward(behind, pairs, *self._numbers(), *learned.values())
            g |= zip(learned, gradients, strict=True)

    def _numbers(self) -> tuple[Any, ...]:
        """Return what is known of the numbers, for the kinds that have bins."""
        c = self.config
        return (c.numeric_bins, c.numeric_scales) if c.numeric_embedding == "piecewise" else ()

    def _learned(self, p: Mapping[str, Array]) -> dict[str, Array]:
        c = self.config
        return {name: p[name] for name in c.numeric_kind.tensors(c.numeric_sizes)}

    def _split(self, dense: Array) -> tuple[Array, Array]:
        M = self.config.n_dense
        return dense[:, :M], dense[:, M:].reshape(len(dense), -1, 2)

    # ---- tables

    def tables(self, p: Mapping[str, Array], wide: bool = False) -> list[Array]:
        """Return the rows of each field, of the embeddings or of the linear part.

        Rows of embeddings that have factors are multiplied by them.
        """
        tables, first = list[Array](), dict.fromkeys(p, 0)
        for f, ((_, V, K), owner) in enumerate(
            zip(self.config.fields, self.config.owners, strict=True)
        ):
            name = "wide" if wide else f"embedding_{K}"
            if owner == f:
                rows = slice(first[name], first[name] + V)
                factors = p[f"collision_{K}"][rows] if self._has_factors(wide) else np.ones(V)
                tables.append(p[name][rows] * factors[:, None])
                first[name] += V
            else:
                tables.append(tables[owner])
        return tables

    def _has_factors(self, wide: bool) -> bool:
        return bool(self.config.collision_weights) and not wide

    def width_of(self, name: str) -> int | None:
        """Return the width of the embeddings that a tensor of rows is of, None of the linear part.

        Raises
        ------
        KeyError
            If the tensor has no rows of tables.
        """
        widths: dict[str, int | None] = {"wide": None}
        for K in self.widths:
            widths |= {f"embedding_{K}": K, f"collision_{K}": K}
        return widths[name]

    def own(self, gradients: Sequence[Array]) -> list[Array]:
        """Return the gradients of the fields with rows of their own: those of all who have them."""
        owners = self.config.owners
        return [
            np.sum([g for g, owner in zip(gradients, owners, strict=True) if owner == f], axis=0)
            for f in sorted(set(owners))
        ]

    def learning_rows(self, width: int) -> Array:
        """Return which rows (V) of the table of all fields of that width learn."""
        c = self.config
        parts = [
            np.full(V, f not in c.frozen)
            for f, ((_, V, K), owner) in enumerate(zip(c.fields, c.owners, strict=True))
            if width == K and owner == f
        ]
        return np.concatenate(parts)

    def table_rows(self, ids: Ids | Named, width: int | None = None) -> Ids:
        """Return all rows that are named of the table of all fields of that width, or of all."""
        n, rows, begins = 0, [], dict[int, int]()
        fields = zip(self.config.fields, self.config.owners, named(ids).by_field(), strict=True)
        for (_, V, K), owner, of_field in fields:
            if width not in (None, K):
                continue
            if owner not in begins:
                begins[owner] = n
                n += V
            rows.append(of_field + begins[owner])
        return np.concatenate(rows)

    def learning(self, name: str, ids: Ids | Named, rows: Ids | None = None) -> Ids:
        """Return which rows of a tensor learn of those that are named, or of these."""
        width = self.width_of(name)
        found = np.unique(self.table_rows(ids, width)) if rows is None else rows
        return found if width is None else found[self.learning_rows(width)[found]]

    # ---- members

    def scales(self, p: Mapping[str, Array]) -> Array:
        """Return what each member multiplies x with, (E,D)."""
        return self._of_members(p) * self._of_all(p)

    def scales_backward(self, d: Array, p: Mapping[str, Array]) -> dict[str, Array]:
        """Return the gradients of what the scales (E,D) are made of, given theirs."""
        g, c = dict[str, Array](), self.config
        if c.learned_scale:
            g["input_scale"] = (d * self._of_members(p)).sum(axis=0)
        if c.n_members > 1:
            starts = np.cumsum([0, *c.column_widths[:-1]])
            g["member_r"] = np.add.reduceat(d * self._of_all(p), starts, axis=1)
        return g

    def _of_members(self, p: Mapping[str, Array]) -> Array:
        c = self.config
        if c.n_members == 1:
            return np.ones((1, c.width))
        return np.repeat(p["member_r"], c.column_widths, axis=1)

    def _of_all(self, p: Mapping[str, Array]) -> Array:
        return p["input_scale"] if self.config.learned_scale else np.ones(self.config.width)

    def of_member(self, p: Mapping[str, Array], e: int) -> Mapping[str, Array]:
        """Return the parameters that a member has, its own head among them."""
        if self.config.n_members == 1:
            return p
        return {**p, "head_W": p["head_W"][e], "head_b": p["head_b"][e]}
