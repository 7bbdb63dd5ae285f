"""Means of the target and counts of rows, by category and by pair of categories, as columns.

A row that is trained on gets those of the rows outside its own fold, so that its own target is
never in its input. Rows that are predicted get those of all training rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dcnfast.encode.grouped_rows import Codes, Floats, GroupedRows, Ids, Targets
from dcnfast.encode.standardizer import Standardizer
from dcnfast.parallel import each

Keys = npt.NDArray[np.int64]
Group = tuple[int, ...]  # numbers of one field or of two
Apart = Callable[[Group], bool]

MOST_FIELDS = 32  # whose pairs are looked at
MOST_KEYS = 2**23  # of all pairs; more take too much memory
JUDGES = 50_000  # rows that pairs are judged by
MANY_JUDGES = 500_000  # where it counts how often pairs come again
ENOUGH = 10.0  # times what a pair of no use gains in the mean
SHARE = 1e-3  # of the squares that its two columns leave, at least


@dataclass(frozen=True)
class Rule:
    """How statistics are made.

    Parameters
    ----------
    order : {1, 2}
        Of single columns, or of pairs of columns as well.
    folds : int
    smoothing : float
        Rows of the mean of all that are added to each group.
    max_pairs : int
        Most pairs, times the means of each.
    min_categories : int
        Fewest of a column; of a pair twice as many.
    largest : int, default=0
        Categories that one of the columns must have; else there are no statistics at all.
    """

    order: int
    folds: int
    smoothing: float
    max_pairs: int
    min_categories: int
    largest: int = 0


class Statistics:
    """What is known of each group of categories.

    Parameters
    ----------
    rule : Rule
    sizes : sequence of int
        Rows of the fields' tables.

    Attributes
    ----------
    groups : list of tuple of int
        Fields of each group, single ones first.
    outputs : list of int
        Which targets are averaged.
    forgotten : tuple of ndarray of int32
        For each field the rows of its table that are other categories' now; () if none are.
    """

    forgotten: tuple[Ids, ...] = ()

    def __init__(self, rule: Rule, sizes: Sequence[int]) -> None:
        self.rule, self.sizes = rule, [int(size) for size in sizes]

    def fit(
        self, ids: Ids, targets: Targets, n_jobs: int | None = 1, apart: Apart | None = None
    ) -> Floats:
        """Learn from the training rows; return their columns, each without the row's own fold.

        Parameters
        ----------
        ids : ndarray of shape (n, F)
        targets : Targets
        n_jobs : int or None, default=1
            Threads that share the groups of a large table.
        apart : callable or None, default=None
            Says whether a pair of fields is to have none.
        """
        rows = self._begin(ids, targets)
        self.groups = self._choose(rows, n_jobs, apart)
        self._lay_out()
        found = each(partial(self._learn, rows), self.groups, len(ids), n_jobs)
        self._keys = np.concatenate([np.empty(0, np.int64), *(keys for keys, _, _ in found)])
        no_rows = np.append(self._prior, 0.0)[None]
        self._table = np.concatenate([*(table for _, table, _ in found), no_rows], dtype="f4")
        return _beside([own for _, _, own in found], len(ids))

    def cross_fit(self, ids: Ids, targets: Targets, n_jobs: int | None = 1) -> Floats:
        """Return the columns of rows that are trained on later, by means of these rows alone.

        They may be those of ``fit``, whose means know their targets.
        """
        rows = self._rows(ids, targets)
        own = each(lambda group: self._own(rows, group)[0], self.groups, len(ids), n_jobs)
        return _beside(own, len(ids))

    def columns(self, ids: Ids) -> Floats:
        """Return the columns of rows that are predicted."""
        wide, last = self._known(ids).astype(np.int64), len(self._keys)
        keys = wide[:, self._first] * self._times + wide[:, self._second] * self._is_pair
        keys += self._start
        at = np.searchsorted(self._keys, keys)
        if last:  # else all categories with statistics have left
            at[at == last] = 0
            at[self._keys[at] != keys] = last
        return self._table[at].reshape(len(ids), -1).astype(np.float64)

    def without(self, rows: Sequence[Ids]) -> Statistics:
        """Return the statistics without those of categories that lost their rows to others.

        Parameters
        ----------
        rows : sequence of ndarray
            For each field those that other categories have now.
        """
        before = self.forgotten or (np.empty(0, np.int32),) * len(self.sizes)
        fields = zip(rows, before, self.sizes, strict=False)
        new = [np.setdiff1d(of[of < size], known) for of, known, size in fields]
        if not any(map(len, new)):
            return self
        gone = [np.zeros(size, np.bool_) for size in self.sizes]
        for mask, own in zip(gone, new, strict=True):
            mask[own] = True
        kept = np.ones(len(self._table), np.bool_)
        for group, start in zip(self.groups, self._start.tolist(), strict=True):
            at, end = np.searchsorted(self._keys, [start, start + span(group, self.sizes)])
            places = self._keys[at:end] - start
            kept[at:end] = ~gone[group[-1]][places % self.sizes[group[-1]]]
            if len(group) == 2:
                kept[at:end] &= ~gone[group[0]][places // self.sizes[group[1]]]
        other = copy.copy(self)
        other.forgotten = tuple(map(np.union1d, before, new))
        other._keys, other._table = self._keys[kept[:-1]], self._table[kept]
        return other

    def names(self, fields: Sequence[str], targets: Targets) -> list[str]:
        """Return the names of the columns, made of those of the fields and of the targets."""
        ends = [f"_{targets.names[c]}" for c in self.outputs] if len(self.outputs) > 1 else [""]
        return [
            f"{kind}_{'_'.join(fields[j] for j in group)}{end}"
            for group in self.groups
            for kind, end in (*(("target_mean", end) for end in ends), ("log_count", ""))
        ]

    def fields_of_columns(self) -> list[Group]:
        """Return for each of the columns which fields it comes from."""
        return [group for group in self.groups for _ in range(len(self.outputs) + 1)]

    def share_of_pairs(
        self, ids: Ids, targets: Targets, fields: Sequence[int], n_jobs: int | None = 1
    ) -> float:
        """Return what pairs of some fields say beside them, if the most telling one is taken.

        It is the share of the squares that means by each of the two leave, between 0 and 1.

        Parameters
        ----------
        ids : ndarray of shape (n, F)
        targets : Targets
        fields : sequence of int
        n_jobs : int or None, default=1
        """
        some = self._begin(ids, targets).some(MANY_JUDGES)
        of_field = {j: self._own(some, (j,))[0][:, :-1] for j in fields}

        def judge(pair: Group) -> float:
            own, _ = self._own(some, pair)
            return some.gain(own[:, :-1], [of_field[j] for j in pair]) / len(some)

        pairs = _within_int64(list(combinations(fields, 2)), self.sizes)
        return max(each(judge, pairs, len(some), n_jobs), default=0.0)

    def _begin(self, ids: Ids, targets: Targets) -> GroupedRows:
        """Learn how the targets lie; return the rows with what is averaged."""
        self.outputs = targets.choose()
        self._scaler = Standardizer().fit(targets.columns(self.outputs), targets.weight)
        rows = self._rows(ids, targets)
        self._prior = rows.mean()
        return rows

    # ---- which groups

    def _choose(self, rows: GroupedRows, n_jobs: int | None, apart: Apart | None) -> list[Group]:
        """Return the fields of each group, chosen on the training rows."""
        seen = [len(np.unique(column)) for column in rows.ids.T]
        if max(seen, default=0) < self.rule.largest:
            return []
        least, most = self.rule.min_categories, len(rows) / 2  # of which others tell nothing
        groups: list[Group] = [(j,) for j, n in enumerate(seen) if least <= n <= most]
        if self.rule.order == 2 and self.rule.max_pairs:
            groups += self._choose_pairs(rows, seen, n_jobs, apart)
        return _within_int64(groups, self.sizes)

    def _choose_pairs(
        self, rows: GroupedRows, seen: list[int], n_jobs: int | None, apart: Apart | None
    ) -> list[Group]:
        """Return the pairs that say most beside their columns, as far as there is room."""
        some = rows.some(JUDGES)
        varied = [j for j, n in enumerate(seen) if n > 1]
        means = each(lambda j: self._own(some, (j,))[0][:, :-1], varied, len(some), n_jobs)
        single = dict(zip(varied, means, strict=True))
        if len(varied) > MOST_FIELDS:
            gains = {j: some.gain(single[j], []) for j in varied}
            varied = sorted(sorted(varied, key=lambda j: -gains[j])[:MOST_FIELDS])
        both: list[Group] = list(combinations(varied, 2))
        allowed = both if apart is None else [pair for pair in both if not apart(pair)]
        pairs = _within_int64(allowed, self.sizes)

        def judge(pair: Group) -> tuple[float, int]:
            own, n_keys = self._own(some, pair)
            if n_keys < 2 * self.rule.min_categories:
                return 0.0, n_keys
            return some.gain(own[:, :-1], [single[j] for j in pair]), n_keys

        judged = each(judge, pairs, len(some), n_jobs)
        least = max(ENOUGH, SHARE * len(some))
        found = [(-g, p, n) for p, (g, n) in zip(pairs, judged, strict=True) if g >= least]
        kept, most = list[Group](), MOST_KEYS
        for _, pair, n in sorted(found)[: self.rule.max_pairs // len(self.outputs) or 1]:
            most -= n * len(rows) // len(some)
            if most >= 0:
                kept.append(pair)
        return sorted(kept)

    # ---- one group

    def _known(self, ids: Ids) -> Ids:
        """Return ids in which categories that came later are unknown."""
        sizes = np.array(self.sizes)
        return np.where(ids < sizes, ids, 0).astype(ids.dtype) if (ids >= sizes).any() else ids

    def _rows(self, ids: Ids, targets: Targets) -> GroupedRows:
        values = self._scaler.transform(targets.columns(self.outputs), np.float64)
        known = self._known(ids)
        for j, rows in enumerate(self.forgotten):
            if len(rows):
                known = np.array(known)
                known[np.isin(known[:, j], rows), j] = 0
        return GroupedRows.of(known, values, targets, self.rule.folds)

    def _codes(self, ids: Ids, group: Group) -> tuple[Keys, Codes]:
        """Return the distinct keys of a group, and which of them each row has."""
        keys = ids[:, group[0]].astype(np.int64)
        if len(group) == 2:
            keys = keys * self.sizes[group[1]] + ids[:, group[1]]
        found, codes = np.unique(keys, return_inverse=True)
        return found, codes

    def _learn(self, rows: GroupedRows, group: Group) -> tuple[Keys, Floats, Floats]:
        """Return the keys of a group, what is known of each, and the columns of the rows."""
        keys, codes = self._codes(rows.ids, group)
        sums, weight = rows.sums(codes, len(keys))
        counts = np.log1p(weight * (1 - 1 / rows.n_folds))  # as many as in the other folds
        table = np.column_stack([self._smoothed(sums, weight), counts])
        start = self._start[self.groups.index(group)]
        return keys + start, table, self._of_other_folds(rows, codes, len(keys))

    def _own(self, rows: GroupedRows, group: Group) -> tuple[Floats, int]:
        """Return the columns of rows that are trained on, and how many keys there are."""
        keys, codes = self._codes(rows.ids, group)
        return self._of_other_folds(rows, codes, len(keys)), len(keys)

    def _of_other_folds(self, rows: GroupedRows, codes: Codes, n: int) -> Floats:
        sums, weight = rows.sums_of_other_folds(codes, n)
        return np.column_stack([self._smoothed(sums, weight), np.log1p(weight)])

    def _smoothed(self, sums: Floats, weight: Floats) -> Floats:
        """Return means, with some rows of the mean of all among them.

        The same for all rows: that of the other folds would tell which fold a row is in, and so
        something of its target.
        """
        a = self.rule.smoothing
        return np.asarray((sums + a * self._prior) / (weight + a)[:, None])

    def _lay_out(self) -> None:
        """Give each group a range of keys of its own."""
        self._first = np.array([group[0] for group in self.groups], np.intp)
        self._second = np.array([group[-1] for group in self.groups], np.intp)
        self._is_pair = np.array([len(group) - 1 for group in self.groups], np.int64)
        times = [self.sizes[group[1]] if len(group) == 2 else 1 for group in self.groups]
        spans = [span(group, self.sizes) for group in self.groups]
        self._times = np.array(times, np.int64)
        self._start = np.array([sum(spans[:k]) for k in range(len(spans))], np.int64)


def span(group: Group, sizes: Sequence[int]) -> int:
    """Return how many keys a group may have."""
    return sizes[group[0]] * (sizes[group[1]] if len(group) == 2 else 1)


def _within_int64(groups: list[Group], sizes: Sequence[int]) -> list[Group]:
    """Return the groups but for those whose keys would lie beyond 64 bits behind the others."""
    end, kept = 0, list[Group]()
    for group in groups:
        if (beyond := end + span(group, sizes)) < 2**63:
            end = beyond
            kept.append(group)
    return kept


def _beside(columns: Sequence[Floats], n: int) -> Floats:
    return np.concatenate([np.empty((n, 0)), *columns], axis=1)
