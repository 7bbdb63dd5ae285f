"""Columns that share a table of embeddings: one vocabulary, one row for each of its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dcnfast.table.factor import Factor

T = TypeVar("T")
Groups = Sequence[Sequence[str]]


def check_groups(groups: Any, names: Sequence[str]) -> None:
    """Raise ValueError or TypeError unless these are groups of categorical fields.

    Parameters
    ----------
    groups : sequence of sequence of str, or None
    names : sequence of str
        Of the fields.
    """
    given = groups if groups is not None else ()
    if not _is_sequence(given) or not all(map(_is_sequence, given)):
        raise TypeError(
            f"shared_embeddings is {groups!r}, want a list of groups, each a list or tuple of names"
        )
    listed = [name for group in given for name in group]
    if unknown := [name for name in listed if name not in names]:
        raise ValueError(
            f"shared_embeddings names {unknown!r}, want categorical fields: {list(names)!r}"
        )
    if twice := [name for name, count in Counter(listed).items() if count > 1]:
        raise ValueError(f"shared_embeddings names {twice!r} twice, want each field once")
    if short := [list(group) for group in given if len(group) < 2]:
        raise ValueError(f"shared_embeddings has the groups {short!r}, want two fields or more")


def owners(groups: Groups | None, names: Sequence[str]) -> tuple[int, ...]:
    """Return for each field the first one that shares its table; () if none is shared."""
    if not groups:
        return ()
    places = {name: f for f, name in enumerate(names)}
    first = {name: min(places[other] for other in group) for group in groups for name in group}
    return tuple(first.get(name, f) for f, name in enumerate(names))


def same_in_groups(of_name: Mapping[str, Any], groups: Groups | None, parameter: str) -> None:
    """Raise ValueError if a parameter by name says different things of fields that share."""
    for group in groups or ():
        said = {name: of_name.get(name) for name in group}
        if len(set(said.values())) > 1:
            raise ValueError(
                f"{parameter} is {dict(of_name)!r} for fields that share embeddings, "
                f"{list(group)!r}, want the same for all of them"
            )


def merged(factors: Sequence[Factor]) -> Factor:
    """Return the columns one behind the other; equal values may come several times."""
    if len(factors) == 1:
        return factors[0]
    values = np.empty(sum(len(factor.values) for factor in factors), object)
    codes, at = list[npt.NDArray[np.int32]](), 0
    for factor in factors:
        n = len(factor.values)
        values[at : at + n] = factor.values.tolist()
        codes.append(np.where(factor.codes < 0, -1, factor.codes + at).astype(np.int32))
        at += n
    return Factor(np.concatenate(codes), values)


def for_owners(table_of: tuple[int, ...], n: int, make: Callable[[int, list[int]], T]) -> list[T]:
    """Return for each field what is made once for all that share, given the first and all."""
    of_field = table_of or tuple(range(n))
    made: dict[int, T] = {}
    for owner in dict.fromkeys(of_field):
        made[owner] = make(owner, [f for f, other in enumerate(of_field) if other == owner])
    return [made[owner] for owner in of_field]


def _is_sequence(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)
