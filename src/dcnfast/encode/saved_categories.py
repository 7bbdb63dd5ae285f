"""What finds the rows of categories as plain state, and back."""

from __future__ import annotations

import numpy as np

from dcnfast.encode.saved_values import counts_state, read_counts, read_values, values_state
from dcnfast.encode.vocabulary import Buckets, Vocabulary
from dcnfast.plain import State, Tree

KINDS = ("numbers", "strings")


def column_state(column: Vocabulary | Buckets) -> Tree:
    """Return what finds the rows of a field."""
    tree: Tree = {"kinds": sorted(column.kinds), "counts": counts_state(column.counts)}
    if isinstance(column, Buckets):
        return tree | {"fractions": True} if column.fractions else tree
    infrequent = values_state(column.infrequent) if column.infrequent else None
    tree |= {"values": values_state(column.values), "infrequent": infrequent}
    if column.uses is not None:
        tree["uses"] = column.uses
    later = column.later
    return tree | {"later": values_state(later)} if later else tree


def read_column(column: Vocabulary | Buckets, state: State) -> Vocabulary | Buckets:
    """Return a column, as yet without its values, with those of such a state, checked."""
    kinds = state.texts("kinds")
    if not set(kinds) <= set(KINDS):
        raise state.refuse(f"kinds among {KINDS!r}")
    column.kinds = frozenset(kinds)
    if isinstance(column, Vocabulary):
        size = _read_vocabulary(column, state)
    else:
        size, column.fractions = column.size, state.names("fractions") and state.flag("fractions")
    column.counts = read_counts(state.part("counts"), size)
    state.done()
    return column


def _read_vocabulary(column: Vocabulary, state: State) -> int:
    """Give a vocabulary its values; return how many rows it has."""
    values = read_values(state.part("values"))
    rare = state.maybe("infrequent", state.part)
    infrequent = [] if rare is None else read_values(rare)
    later = read_values(state.part("later")) if state.names("later") else ()
    own, n_own = {*values, *later}, len(values) + len(later)
    both = own.intersection(infrequent) if column.recycles else ()  # which have rows of their own
    if (len(own), len({*own, *infrequent}) + len(both)) != (n_own, n_own + len(infrequent)):
        raise state.refuse("values that differ")
    column.set_values(values, infrequent, later)
    size = column.first_size + len(later)
    if column.recycles:
        column.uses = state.array("uses", np.float32, (size,))
        if (column.uses < 0).any():
            raise state.refuse("uses that are not negative")
    return size
