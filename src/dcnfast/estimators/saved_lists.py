"""Which columns are lists, as plain state, and back; see :mod:`dcnfast.plain`."""

from __future__ import annotations

from dcnfast.plain import State, Tree
from dcnfast.table.lists import POOLINGS, ListColumn, ListColumns, Rule


def lists_state(lists: ListColumns) -> Tree:
    """Return what is known of the columns of lists."""
    columns = lists.columns
    return {
        "places": [column.place for column in columns],
        "names": [column.name for column in columns],
        "poolings": [column.rule.pooling for column in columns],
        "separators": [column.rule.separator or "" for column in columns],
        "weights": [column.rule.weights or "" for column in columns],
        "places_of_weights": [
            -1 if column.weights is None else column.weights for column in columns
        ],
    }


def read_lists(state: State) -> ListColumns:
    """Return the columns of such a state, checked."""
    places, of_weights = state.integers("places", 0), state.integers("places_of_weights", -1)
    names, poolings = state.texts("names"), state.texts("poolings")
    separators, weights = state.texts("separators"), state.texts("weights")
    state.done()
    parts = (places, names, poolings, separators, weights, of_weights)
    if not names or {len(part) for part in parts} != {len(names)}:
        raise state.refuse("as many names as all else of lists")
    if not set(poolings) <= set(POOLINGS):
        raise state.refuse(f"poolings among {POOLINGS!r}")
    if places != sorted(set(places)) or len(set(names)) < len(names):
        raise state.refuse("places of lists that ascend, and names that differ")
    if [place >= 0 for place in of_weights] != [name != "" for name in weights]:
        raise state.refuse("a place for each column of weights")
    lists = ListColumns(
        tuple(
            ListColumn(
                place,
                name,
                Rule(pooling, separator or None, weight or None),
                None if at < 0 else at,
            )
            for place, name, pooling, separator, weight, at in zip(*parts, strict=True)
        )
    )
    if set(places) & set(of_weights):
        raise state.refuse("lists beside their weights")
    return lists
