"""Vocabularies that grow: categories that came after the first rows get rows behind the others.

Where there is room for no more, and rows are recycled, they get those of the least used ones.

Scales, bins and statistics of categories stay as they are.
"""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoded import Encoded, Field
from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.recycling import least_used, used_again
from dcnfast.encode.sharing import for_owners, merged
from dcnfast.encode.vocabulary import (
    FIRST,
    NO_ROWS,
    UNKNOWN,
    Buckets,
    Ids,
    Vocabulary,
    has_fractions,
    in_order,
    kinds_of,
    refuse_other_kinds,
)
from dcnfast.table.factor import Factor
from dcnfast.table.schema import Table

Counts = npt.NDArray[np.int64]


def grown_encoder(encoder: TableEncoder, table: Table) -> TableEncoder:
    """Return an encoder that knows the categories of further rows, too.

    The given one stays as it is, and parts that do not change are those of both.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    table : Table
        Rows to train on, of the same columns.

    Raises
    ------
    TypeError
        If a column of categories has strings where there were only numbers, or the reverse.
    """
    names = table.field_names
    for name, column, factor in zip(names, encoder.columns, table.fields, strict=True):
        refuse_other_kinds(column, factor.values, f"{table.argument}: column {name!r}")

    def grow(owner: int, fields: list[int]) -> Vocabulary | Buckets:
        return _grown(encoder.columns[owner], merged([table.fields[f] for f in fields]))

    grown = copy.copy(encoder)
    grown.columns = for_owners(encoder.table_of, len(names), grow)
    grown.fields = [
        Field(name, column.size, column.counts)
        for name, column in zip(names, grown.columns, strict=True)
    ]
    if encoder.statistics is not None:
        grown.statistics = encoder.statistics.without(recycled(encoder, grown))
    return grown


def recycled(before: TableEncoder, now: TableEncoder) -> list[Ids]:
    """Return for each field the rows that growth gave to other categories."""
    both = zip(before.columns, now.columns, strict=True)
    return [
        column.recycled if isinstance(column, Vocabulary) and column is not old else NO_ROWS
        for old, column in both
    ]


def _grown(column: Vocabulary | Buckets, factor: Factor) -> Vocabulary | Buckets:
    other = copy.copy(column)
    other.kinds = column.kinds | kinds_of(factor.values)
    if isinstance(other, Vocabulary):
        other.recycled = NO_ROWS
        _take_new(other, factor)
    else:
        other.fractions |= has_fractions(factor.values)
    # of a file or a pickle they may be in a narrow type
    counts, rows = other.counts.astype(np.int64), other.rows(factor.values)
    np.add.at(counts, rows, factor.counts())
    counts[UNKNOWN] = 0  # as in a fit: what has no row stays unknown
    other.counts = counts
    if isinstance(other, Vocabulary) and other.uses is not None:
        assert other.max_categories is not None
        named, more = rows[:-1], factor.counts()[:-1]  # without missing
        other.uses = used_again(other.uses, named, more, other.max_categories)
    return other


def _take_new(vocabulary: Vocabulary, factor: Factor) -> None:
    """Give the new values rows, as far as there is room, the most frequent first."""
    counts = factor.counts()
    totals: dict[Any, int] = {}
    for value, count in zip(factor.values.tolist(), counts.tolist(), strict=False):
        if count and vocabulary.is_new(value):  # 0.0 and -0.0 are one
            totals[value] = totals.get(value, 0) + count
    if not totals:
        return
    least = vocabulary.min_frequency or 0
    least = least if isinstance(least, Integral) else least * len(factor.codes)
    new = [value for value in in_order(totals) if totals[value] >= least]
    if vocabulary.max_categories is not None:
        room = max(0, vocabulary.max_categories - (vocabulary.size - FIRST))
        frequent = sorted(new, key=lambda value: -totals[value])
        new = in_order(frequent[:room])
        if vocabulary.uses is not None and frequent[room:]:
            _recycle(vocabulary, factor, frequent[room:])
    vocabulary.append(new)


def _recycle(vocabulary: Vocabulary, factor: Factor, frequent: list[Any]) -> None:
    """Give values the rows of the least used ones, but for those that these rows name."""
    assert vocabulary.uses is not None
    may_go = np.ones(vocabulary.size, np.bool_)
    may_go[:FIRST] = False
    if vocabulary.row_of_infrequent is not None:
        may_go[vocabulary.row_of_infrequent] = False
    may_go[vocabulary.rows(factor.values)[factor.counts() > 0]] = False
    rows = least_used(vocabulary.uses, may_go, len(frequent))
    if len(rows):
        vocabulary.replace(rows, in_order(frequent[: len(rows)]))


def padded(counts: Counts, size: int) -> Counts:
    """Return counts of a table that has more rows now."""
    if len(counts) == size:
        return counts
    return np.concatenate([counts, np.zeros(size - len(counts), np.int64)])


def counted(seen: list[Counts], encoder: TableEncoder, rows: Encoded) -> list[Counts]:
    """Return how often training saw each row of the tables, with those of further rows.

    Fields that share a table have the counts of all.
    """
    named = rows.by_field()

    def count(owner: int, fields: list[int]) -> Counts:
        total = padded(seen[owner], encoder.fields[owner].size).astype(np.int64)
        for f in fields:
            found, more = np.unique(named[f], return_counts=True)
            total[found] += more
        return total

    return for_owners(encoder.table_of, len(named), count)
